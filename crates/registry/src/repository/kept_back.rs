//! What of a repository is not given out: the bytes of its package's releases that the operator keeps back, under
//! whatever name they are asked for.

use std::sync::Arc;

use wargate_core::authority::Takedown;
use wargate_core::digest::Digest;
use wargate_core::id::LogId;

use super::{Repository, lifecycle};
use crate::access::Caller;
use crate::error::Error;
use crate::shared::Shared;
use crate::tables::references::{self, Holder};
use crate::takedowns::KeptBack;

impl Repository {
    /// What of this repository's package is kept back, if anything is.
    pub(super) fn kept_back(&self) -> Option<KeptBack> {
        // Where nothing is kept back at all, not even the name is looked at.
        if self.shared.state.load().tree.takedowns.is_empty() {
            return None;
        }
        self.shared.kept_back(&self.package()?)
    }

    /// Refuses bytes of releases that are kept back, and everything in a package that is as a whole.
    ///
    /// # Errors
    /// [`Error::TakenDown`].
    pub(super) async fn check_given(
        &self,
        kept_back: Option<&KeptBack>,
        digest: &Digest,
    ) -> Result<(), Error> {
        let (Some(kept_back), Some(name)) = (kept_back, self.package()) else { return Ok(()) };
        // What tells why something is kept back names it.
        if lifecycle::is_empty(digest) {
            return Ok(());
        }
        if let Some(takedown) = kept_back.whole() {
            return Err(takedown.into());
        }
        let statement = references::select_holders(&LogId::package(&name), &self.name, digest);
        let rows = self.shared.db.read(vec![statement]).await?.pop();
        let holders = references::holders(rows.unwrap_or_default())?;
        match why_not(kept_back, &holders) {
            Some(takedown) => Err(takedown.into()),
            None => Ok(()),
        }
    }

    /// Whether these bytes are given out here; if not, why.
    pub(super) async fn refusal(&self, digest: &Digest) -> Result<Option<Error>, Error> {
        match self.check_given(self.kept_back().as_ref(), digest).await {
            Ok(()) => Ok(None),
            Err(error @ Error::TakenDown { .. }) => Ok(Some(error)),
            Err(error) => Err(error),
        }
    }
}

/// Refuses content that was never released, a manifest or a config for one, if every repository that has it keeps it back.
///
/// # Errors
/// [`Error::TakenDown`].
pub(crate) async fn check_unreleased(
    shared: &Arc<Shared>,
    caller: &Caller,
    digest: &Digest,
) -> Result<(), Error> {
    let rows = shared.db.read(vec![references::select_having(digest)]).await?.pop().unwrap_or_default();
    let mut refusal = None;
    for name in references::names(rows)? {
        refusal = Repository::new(shared.clone(), name, caller.clone()).refusal(digest).await?;
        if refusal.is_none() {
            break;
        }
    }
    refusal.map_or(Ok(()), Err)
}

/// Why bytes with these holders are not given out, if they are not. A release that is not kept back gives what it has.
/// What was released goes whatever else names it; what its manifest names besides, an empty config for one, goes if
/// nothing else does.
fn why_not<'a>(kept_back: &'a KeptBack, holders: &[Holder]) -> Option<&'a Takedown> {
    let (mut refusal, mut is_released, mut is_shared) = (None, false, false);
    for Holder { version, is_its_own } in holders {
        is_released |= is_its_own;
        match version {
            Some(version) => refusal = Some(kept_back.version(version)?),
            None => is_shared = true,
        }
    }
    refusal.filter(|_| is_released || !is_shared)
}
