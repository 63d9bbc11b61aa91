//! Releases and deletes of one repository exclude each other: a manifest and its parts lie there before the record that
//! releases them is committed, and until then nothing else says that they are needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use wargate_wire::oci::reference::RepositoryName;

/// Keeps deletes from a repository until a release's verdict; several may hold it.
pub(crate) type Hold = Arc<OwnedRwLockReadGuard<()>>;

/// Repositories in which something is released or deleted now.
#[derive(Default)]
pub(crate) struct Releasing(Mutex<BTreeMap<RepositoryName, Arc<RwLock<()>>>>);

impl Releasing {
    fn of(&self, repository: &RepositoryName) -> Arc<RwLock<()>> {
        // A panic elsewhere left the map whole: every change of it is one call.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever holds or waits for one has a share of it.
        all.retain(|_, lock| Arc::strong_count(lock) > 1);
        all.entry(repository.clone()).or_default().clone()
    }

    /// Before a manifest is kept that becomes a release.
    pub(crate) async fn release(&self, repository: &RepositoryName) -> Hold {
        Arc::new(self.of(repository).read_owned().await)
    }

    /// Before something is deleted; waits for the verdicts of what is being released.
    pub(crate) async fn delete(&self, repository: &RepositoryName) -> OwnedRwLockWriteGuard<()> {
        self.of(repository).write_owned().await
    }
}
