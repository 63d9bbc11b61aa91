//! Which facts a batch touches: its own logs and what it names of them, and the logs of the layers above.

use std::collections::{BTreeMap, BTreeSet};

use super::Submission;
use crate::act::Act;
use crate::authority::{Admission, Named};
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

impl LogNeeds {
    /// Whether nothing is needed of the log but how it stands.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.keys.is_empty() && self.named == Named::default()
    }
}

/// What must be known to judge a batch: for each log its head, and what of it the batch names. The logs of the layers
/// above are among them; the batch writes only to those that [`Submission::log`] names.
#[must_use]
pub fn needs(batch: &[Submission]) -> BTreeMap<LogId, LogNeeds> {
    let mut needs = BTreeMap::new();
    for submission in batch {
        match submission {
            Submission::V1 { name, envelope, record, .. } => {
                // Only the start of a v1 log is a matter of its namespace.
                if record.prev.is_none() {
                    let admission = Admission { name: name.name().to_owned(), key: envelope.key_id };
                    let namespace = need(&mut needs, LogName::Namespace(name.namespace()));
                    namespace.named.admissions.insert(admission);
                }
                let log = need(&mut needs, LogName::Package(name.clone()));
                log.keys.insert(envelope.key_id);
                log.keys.extend(record.key_ids());
                log.named.versions.extend(record.versions().cloned());
            }
            // An act that cannot be read names nothing and is refused.
            Submission::Act { log, act, .. } => need_act(&mut needs, log, Act::decode(act).ok().as_ref()),
        }
    }
    needs
}

/// The same of one act.
#[must_use]
pub fn needs_of_act(log: &LogName, act: &Act) -> BTreeMap<LogId, LogNeeds> {
    let mut needs = BTreeMap::new();
    need_act(&mut needs, log, Some(act));
    needs
}

fn need_act(needs: &mut BTreeMap<LogId, LogNeeds>, log: &LogName, act: Option<&Act>) {
    match log {
        LogName::Operator => {}
        LogName::Namespace(_) => _ = need(needs, LogName::Operator),
        LogName::Package(name) => {
            need(needs, LogName::Operator);
            need(needs, LogName::Namespace(name.namespace()));
        }
    }
    let log = need(needs, log.clone());
    act.into_iter().for_each(|act| log.named.extend(act));
    for namespace in log.named.namespaces.clone() {
        need(needs, LogName::Namespace(namespace));
    }
}

fn need(needs: &mut BTreeMap<LogId, LogNeeds>, name: LogName) -> &mut LogNeeds {
    needs.entry(name.log_id()).or_insert_with(|| LogNeeds {
        name,
        keys: BTreeSet::new(),
        named: Named::default(),
    })
}
