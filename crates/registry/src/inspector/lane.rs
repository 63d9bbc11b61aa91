//! How many are at it at once, and how many may wait for that.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::InspectError;

/// A bounded number of turns and a bounded number of those who wait for one.
#[derive(Debug)]
pub(super) struct Lane {
    /// Who works and who waits.
    places: Arc<Semaphore>,
    /// Who works.
    turns: Arc<Semaphore>,
    wait_max: Duration,
}

/// Whoever holds it works. It is given back when it is dropped, so that one who goes away leaves nothing behind.
#[derive(Debug)]
pub(super) struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Lane {
    pub(super) fn new(turns: usize, waiting_max: usize, wait_max: Duration) -> Self {
        let places = turns.saturating_add(waiting_max).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places)), turns: Arc::new(Semaphore::new(turns)), wait_max }
    }

    /// Waits for a turn, first come, first served.
    pub(super) async fn enter(&self) -> Result<Turn, InspectError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| InspectError::Busy)?;
        let turn = timeout(self.wait_max, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(InspectError::Busy) };
        Ok(Turn { _turn: turn, _place: place })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_too_many_is_told_at_once_and_one_who_leaves_makes_room() {
        let lane = Lane::new(1, 1, Duration::from_secs(60));
        let working = lane.enter().await.unwrap();
        let mut waiting = Box::pin(lane.enter());
        assert!((&mut waiting).now_or_never().is_none());
        assert!(matches!(lane.enter().now_or_never(), Some(Err(InspectError::Busy))));
        drop(waiting);
        let mut next = Box::pin(lane.enter());
        assert!((&mut next).now_or_never().is_none());
        drop(working);
        assert!(next.await.is_ok());
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let lane = Lane::new(1, 1, Duration::from_millis(10));
        let _working = lane.enter().await.unwrap();
        assert!(matches!(lane.enter().await, Err(InspectError::Busy)));
    }
}
