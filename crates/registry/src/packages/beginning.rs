//! By whom a v1 log was begun, and what its namespace has to do with that (`spec/delegation.md`, rule 7 and "Fine print").

use wargate_core::id::LogId;
use wargate_core::key::KeyId;

use super::PackageView;
use crate::error::Error;
use crate::snapshot::Snapshot;
use crate::tables::{logs, records};

/// How a v1 log began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// The key that signed its first record.
    pub key: KeyId,
    /// On what ground.
    pub ground: Ground,
}

/// On what ground a key could begin a v1 log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The namespace has no owners.
    Unclaimed,
    /// The namespace had no owners yet: the log goes on.
    BeforeClaim,
    /// The namespace's owners let it.
    Admitted,
}

impl Snapshot {
    /// How a package's log began, if it is a v1 log.
    pub(super) async fn beginning(&self, package: &PackageView) -> Result<Option<Beginning>, Error> {
        if package.delegated {
            return Ok(None);
        }
        let first = package.first_index;
        let statements = vec![
            logs::select(&LogId::namespace(&package.name.namespace())),
            records::select_log(&package.log, first, first + 1, 1),
        ];
        let mut answers = self.read(statements).await?.into_iter();
        let size = self.checkpoint().size();
        let namespace = logs::one(answers.next().unwrap_or_default())?;
        let claimed = namespace.map(|row| row.first_index).filter(|claimed| *claimed < size);
        let record = records::rows(answers.next().unwrap_or_default())?.into_iter().next();
        Ok(record.map(|record| Beginning {
            key: record.envelope.key_id,
            ground: match claimed {
                None => Ground::Unclaimed,
                Some(claimed) if first < claimed => Ground::BeforeClaim,
                // Without a key that it admitted the log could not have begun.
                Some(_) => Ground::Admitted,
            },
        }))
    }
}
