//! Objects of content that are being placed or removed: the two exclude each other.
//!
//! An object lies there a moment before its row does. Whoever places one holds it until the row is durable, and the
//! sweep removes nothing that is held.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use wargate_core::digest::Digest;

/// What is done with an object now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// So many place it; they all place the same bytes.
    Placing(usize),
    Removing,
}

/// What is done with which object.
#[derive(Debug, Default)]
pub(crate) struct Places {
    held: Mutex<BTreeMap<Digest, Doing>>,
    /// A removal ended.
    removed: Notify,
}

/// The object is being placed, as long as this lives.
#[derive(Debug)]
pub(crate) struct Placing {
    places: Arc<Places>,
    digest: Digest,
}

/// The object is being removed, as long as this lives.
#[derive(Debug)]
pub(crate) struct Removing<'a> {
    places: &'a Places,
    digest: Digest,
}

impl Places {
    fn held(&self) -> MutexGuard<'_, BTreeMap<Digest, Doing>> {
        // A panic elsewhere left the map whole: every change of it is one call.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds an object that will be placed; waits for a removal of it.
    pub(crate) async fn place(self: &Arc<Self>, digest: Digest) -> Placing {
        loop {
            let removed = self.removed.notified();
            tokio::pin!(removed);
            // From here on no end of a removal is missed.
            removed.as_mut().enable();
            if self.begin_placing(digest) {
                return Placing { places: self.clone(), digest };
            }
            removed.await;
        }
    }

    fn begin_placing(&self, digest: Digest) -> bool {
        let mut held = self.held();
        match held.entry(digest).or_insert(Doing::Placing(0)) {
            Doing::Placing(count) => {
                *count += 1;
                true
            }
            Doing::Removing => false,
        }
    }

    /// Holds an object that will be removed; `None` while somebody places it.
    pub(crate) fn remove(&self, digest: Digest) -> Option<Removing<'_>> {
        let mut held = self.held();
        if held.contains_key(&digest) {
            return None;
        }
        held.insert(digest, Doing::Removing);
        Some(Removing { places: self, digest })
    }
}

impl Drop for Placing {
    fn drop(&mut self) {
        let mut held = self.places.held();
        match held.get_mut(&self.digest) {
            Some(Doing::Placing(count)) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.digest);
            }
        }
    }
}

impl Drop for Removing<'_> {
    fn drop(&mut self) {
        self.places.held().remove(&self.digest);
        self.places.removed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wargate_core::digest::Digest;

    use super::Places;

    #[tokio::test]
    async fn placing_and_removing_exclude_each_other() {
        let places = Arc::new(Places::default());
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let (first, second) = (places.place(one).await, places.place(one).await);
        assert!(places.remove(one).is_none());
        assert!(places.remove(other).is_some());
        drop(first);
        assert!(places.remove(one).is_none(), "the second still places it");
        drop(second);
        let removing = places.remove(one).expect("nobody places it");
        assert!(places.remove(one).is_none(), "it is being removed");
        let waits = tokio::spawn({
            let places = places.clone();
            async move { drop(places.place(one).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(removing);
        waits.await.expect("it goes on once the removal is over");
        assert!(places.held().is_empty());
    }
}
