//! Which facts a batch touches: its own logs and what it names of them, and the logs of the layers above.

use std::collections::{BTreeMap, BTreeSet};

use super::Submission;
use crate::act::Act;
use crate::authority::Named;
use crate::id::LogId;
use crate::key::KeyId;
use crate::name::LogName;

/// What must be known of one log to judge the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogNeeds {
    /// The log's name.
    pub name: LogName,
    /// Keys that are named or that sign.
    pub keys: BTreeSet<KeyId>,
    /// What is named of it.
    pub named: Named,
}

/// What must be known to judge a batch: for each log its head, and what of it the batch names. The logs of the layers
/// above are among them; the batch writes only to those that [`Submission::log`] names.
#[must_use]
pub fn needs(batch: &[Submission]) -> BTreeMap<LogId, LogNeeds> {
    let mut needs = BTreeMap::new();
    for submission in batch {
        let name = submission.log();
        for above in layers_above(submission, &name) {
            need(&mut needs, above);
        }
        let log = need(&mut needs, name);
        match submission {
            Submission::V1 { envelope, record, .. } => {
                log.keys.insert(envelope.key_id);
                log.keys.extend(record.key_ids());
                log.named.versions.extend(record.versions().cloned());
            }
            // An act that cannot be read names nothing and is refused.
            Submission::Act { act, .. } => {
                if let Ok(act) = Act::decode(act) {
                    log.named.extend(&act);
                }
                for namespace in log.named.namespaces.clone() {
                    need(&mut needs, LogName::Namespace(namespace));
                }
            }
        }
    }
    needs
}

fn need(needs: &mut BTreeMap<LogId, LogNeeds>, name: LogName) -> &mut LogNeeds {
    needs.entry(name.log_id()).or_insert_with(|| LogNeeds {
        name,
        keys: BTreeSet::new(),
        named: Named::default(),
    })
}

/// The logs above the one that a record is for, as far as its rules look at them.
fn layers_above(submission: &Submission, log: &LogName) -> Vec<LogName> {
    match (submission, log) {
        (_, LogName::Operator) => Vec::new(),
        (_, LogName::Namespace(_)) => vec![LogName::Operator],
        (Submission::Act { .. }, LogName::Package(name)) => {
            vec![LogName::Operator, LogName::Namespace(name.namespace())]
        }
        // Only the start of a v1 log is a matter of its namespace.
        (Submission::V1 { record, .. }, LogName::Package(name)) if record.prev.is_none() => {
            vec![LogName::Namespace(name.namespace())]
        }
        (Submission::V1 { .. }, LogName::Package(_)) => Vec::new(),
    }
}
