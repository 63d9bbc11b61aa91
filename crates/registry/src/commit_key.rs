//! The key that signs checkpoints: that the operator log gives it `commit`, and how long it still does.

use std::sync::{Arc, Mutex, PoisonError};

use wargate_core::time::Time;

use crate::config::Config;
use crate::db::Db;
use crate::error::Error;
use crate::limits::{COMMIT_END_TOLD_ROUNDS, COMMIT_END_WARNING, COMMIT_LOOK_INTERVAL};
use crate::recovery;
use crate::shared::Shared;

/// Lets the next commit key take over if the operator log gives it `commit`; the one before becomes a former one.
pub(crate) async fn take_over(config: &mut Config, db: &dyn Db, now: Time) -> Result<(), Error> {
    let Some(next) = config.next_commit_key.take() else { return Ok(()) };
    if recovery::operator(db).await?.holds_commit(&next.public().id(), now) {
        let former = std::mem::replace(&mut config.commit_key, next);
        config.former_commit_keys.insert(0, former);
    }
    Ok(())
}

/// Until when the commit key may sign, as the operator log said when somebody last looked; `None` if it has no end.
#[derive(Default)]
pub(crate) struct CommitEnd(Mutex<Option<Time>>);

impl CommitEnd {
    fn set(&self, end: Option<Time>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    fn get(&self) -> Option<Time> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing may be signed at this time before the owners let the key in again.
    pub(crate) fn is_over(&self, time: Time) -> bool {
        self.get().is_some_and(|end| end < time)
    }

    /// That it is over, for the operator.
    pub(crate) fn words(&self, time: Time) -> Option<String> {
        let words = "the commit key has ended: its owners must let it in again (docs/keys.md)";
        self.is_over(time).then(|| words.to_owned())
    }

    /// Seconds until then, negative afterwards.
    pub(crate) fn seconds_left(&self, time: Time) -> Option<i64> {
        self.get().map(|end| end.seconds().saturating_sub(time.seconds()))
    }
}

/// Whether the operator log gives the commit key `commit`: with another key nothing may be signed. One that has ended
/// signs nothing either, but may carry the act by which the owners let it in again.
pub(crate) async fn check(shared: &Shared) -> Result<(), Error> {
    let operator = recovery::operator(&*shared.db).await?;
    let key = shared.config.commit_key.public().id();
    let (now, end) = (shared.log_time(), operator.commit_end(&key));
    if !operator.holds_commit(&key, now) && end.is_none_or(|end| end >= now) {
        let reason = format!("key {key} does not hold `commit` in this registry's operator log");
        return Err(Error::Invalid { reason });
    }
    shared.commit_end.set(end);
    Ok(())
}

/// Looks again how long the key is good: the operator log has a new record.
pub(crate) async fn follow(shared: &Shared) {
    match recovery::operator(&*shared.db).await {
        Ok(operator) => shared.commit_end.set(operator.commit_end(&shared.config.commit_key.public().id())),
        Err(error) => {
            tracing::warn!(%error, "couldn't look how long the commit key is good; trying again later");
        }
    }
}

/// Warns in time before the key ends, until it is aborted.
pub(crate) async fn watch(shared: Arc<Shared>) {
    for round in 0u64.. {
        if let Some(end) = shared.commit_end.get()
            && round.is_multiple_of(COMMIT_END_TOLD_ROUNDS)
        {
            warn(end, shared.log_time());
        }
        shared.clock.sleep(COMMIT_LOOK_INTERVAL).await;
        follow(&shared).await;
    }
}

fn warn(end: Time, now: Time) {
    if end < now {
        tracing::error!(%end, "the commit key has ended: nothing is signed before its owners let it in again");
    } else if end < now.plus_seconds(COMMIT_END_WARNING.as_secs().cast_signed()) {
        tracing::warn!(
            %end,
            "the commit key ends soon: its owners prolong it (`wargate grant operator commit --until 180d`)"
        );
    }
}
