//! Leases: content that somebody was told to be here stays for a while, though nothing needs it yet (`spec/oci.md`,
//! "Deletion and garbage collection").

use std::time::Duration;

use wargate_core::digest::Digest;

use crate::clock::millis;
use crate::db::{Batch, DbError};
use crate::error::Error;
use crate::limits::{BUSY_RETRY_AFTER, LEASE_RENEWALS};
use crate::shared::Shared;
use crate::tables::sweep;

/// How old a lease of `life` is when it is renewed, in ms.
pub(crate) fn renewed_after_ms(life: Duration) -> u64 {
    millis(life / LEASE_RENEWALS)
}

/// Whether a lease of `life` that began at `begun_ms` is to be renewed.
pub(crate) fn is_due(shared: &Shared, begun_ms: u64, life: Duration) -> bool {
    shared.clock.now_ms().saturating_sub(begun_ms) >= renewed_after_ms(life)
}

/// Whether the lease of content is to be renewed; what is not stored has none.
pub(crate) fn is_content_due(shared: &Shared, leased_ms: Option<u64>) -> bool {
    leased_ms.is_some_and(|at| is_due(shared, at, shared.config.retention.lease))
}

/// Leases stored content.
///
/// # Errors
/// [`Error::Busy`] if some of it went at this moment: who asks again is told that it is missing.
pub(crate) async fn renew(shared: &Shared, contents: &[Digest]) -> Result<(), Error> {
    if contents.is_empty() {
        return Ok(());
    }
    let now_ms = shared.clock.now_ms();
    let batch: Batch = contents.iter().map(|digest| sweep::lease(digest, now_ms)).collect();
    match shared.db.write(batch).await {
        Err(DbError::Conflict { .. }) => Err(Error::Busy { retry_after: BUSY_RETRY_AFTER }),
        done => Ok(done?),
    }
}

/// The same where nobody waits for it: a lease that could not be renewed is a shorter one.
pub(crate) async fn try_renew(shared: &Shared, batch: Batch) {
    if let Err(error) = shared.db.write(batch).await {
        tracing::debug!(%error, "couldn't renew a lease");
    }
}
