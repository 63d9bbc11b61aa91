//! Delegated logs as v1 clients see them.

use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, RecordId};
use wargate_core::key::SecretKey;
use wargate_core::name::LogName;
use wargate_core::record::PackageRecord;

use crate::reference::{Facts, OperatorLog, PackageLog};

/// A delegated log in the published crate's eyes.
#[derive(Debug)]
pub enum View {
    /// The operator's.
    Operator(OperatorLog),
    /// A package's.
    Package(PackageLog),
    /// A namespace's, with the head of what is told. The published crate knows no such log, but its records have a
    /// package record's shape: their v1 part is told as a package's, signed by the same keys.
    Namespace(PackageLog, Option<RecordId>),
    /// v1 clients stopped at a record.
    Stopped,
}

impl View {
    /// Of a log that has not begun.
    pub fn empty(log: &LogName) -> Self {
        match log {
            LogName::Operator => Self::Operator(OperatorLog::default()),
            LogName::Namespace(_) => Self::Namespace(PackageLog::default(), None),
            LogName::Package(_) => Self::Package(PackageLog::default()),
        }
    }

    /// Takes the log's next record, or says why not and stays as it was; `signer` signed it.
    pub fn take(&mut self, envelope: &Envelope, signer: &SecretKey) -> Result<(), String> {
        match self {
            Self::Operator(log) => log.take(&envelope.encode()),
            Self::Package(log) => log.take(&envelope.encode()),
            Self::Namespace(log, head) => {
                let record = PackageRecord::decode(&envelope.contents).map_err(|error| error.to_string())?;
                let contents = PackageRecord { prev: *head, ..record }.encode();
                let told = Envelope::sign(Layer::Package, contents.into(), signer).expect("the key signs");
                log.take(&told.encode())?;
                *head = Some(told.record_id(Layer::Package));
                Ok(())
            }
            Self::Stopped => Ok(()),
        }
    }

    /// What holds after the latest record, unless v1 clients stopped before; of a namespace's log not the head.
    pub fn facts(&self, key_ids: &[String], namespaces: &[&str]) -> Option<Facts> {
        match self {
            Self::Operator(log) => Some(log.facts(key_ids, namespaces)),
            Self::Package(log) => Some(log.facts(key_ids)),
            Self::Namespace(log, _) => Some(Facts { head: String::new(), ..log.facts(key_ids) }),
            Self::Stopped => None,
        }
    }
}
