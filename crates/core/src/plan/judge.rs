//! The judgement of one submission of a batch, on the facts as those before it left them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Accepted, Contents, Effect, LogFacts, OwnKeys, Submission, Tree};
use crate::act::Endorsement;
use crate::authority;
use crate::envelope::Envelope;
use crate::id::LogId;
use crate::key::KeyId;
use crate::name::{LogName, Namespace, PackageName};
use crate::record::PackageRecord;
use crate::time::Time;
use crate::v1::package::{self, SignatureCheck};

/// How far a v1 record's time may lie before the registry's clock when it is sequenced, in seconds.
pub const V1_TIME_PAST_SECONDS_MAX: i64 = 10 * 60;

/// How far a v1 record's time may lie after the registry's clock when it is sequenced, in seconds.
pub const V1_TIME_FUTURE_SECONDS_MAX: i64 = 5 * 60;

/// Judges one submission on the facts, and on success lets the facts follow.
pub(super) fn judge(
    tree: &Tree,
    logs: &mut BTreeMap<LogId, LogFacts>,
    submission: &Submission,
    index: u64,
    own: &OwnKeys,
    now: Time,
) -> Result<Judged, Refused> {
    let log = submission.log();
    let id = log.log_id();
    let mut facts = logs.remove(&id).unwrap_or(LogFacts::Absent);
    let absent = matches!(facts, LogFacts::Absent);
    let verdict = match submission {
        Submission::V1 { name, envelope, record, signature } => {
            let judged = judge_v1(log, &mut facts, envelope, record, *signature, index, now);
            let above = delegated(logs, &LogName::Namespace(name.namespace()));
            let time = tree.time_at(now);
            let admitted = match above {
                Some((namespace, facts)) if absent => {
                    check_v1_start(name, namespace, facts, envelope, own, time)
                }
                _ => Ok(()),
            };
            let one = |accepted| Judged { accepted: vec![accepted], asked: 0 };
            judged.map_err(Refused::Rule).and_then(|accepted| admitted.map(|()| one(accepted)))
        }
        Submission::Act { act, endorsements, signatures, .. } => {
            let carry = Carry { act, endorsements, signatures: *signatures, own, time: tree.time_at(now) };
            carry.judge(&log, &mut facts, logs, index).map_err(Refused::Rule)
        }
    };
    if absent && verdict.is_err() {
        // A refused first record decides nothing about the kind of log.
        facts = LogFacts::Absent;
    }
    logs.insert(id, facts);
    verdict
}

/// A delegated log, and what is known of it.
fn delegated<'a>(
    logs: &'a BTreeMap<LogId, LogFacts>,
    log: &LogName,
) -> Option<(&'a authority::State, &'a authority::Facts)> {
    match logs.get(&log.log_id()) {
        Some(LogFacts::Delegated { state, facts }) => Some((state, facts)),
        _ => None,
    }
}

/// The state of a delegated log.
fn state_of<'a>(logs: &'a BTreeMap<LogId, LogFacts>, log: &LogName) -> Option<&'a authority::State> {
    delegated(logs, log).map(|(state, _)| state)
}

/// The records that a submission becomes.
pub(super) struct Judged {
    /// In order, at least one.
    pub(super) accepted: Vec<Accepted>,
    /// Which of them is the one that was asked for; the others are carrier records for v1 clients.
    pub(super) asked: usize,
}

/// Why a submission does not become a record.
pub(super) enum Refused {
    /// A rule forbids it, in words.
    Rule(String),
    /// Its signer was not admitted by the namespace.
    Unadmitted {
        reason: String,
        /// Whether the registry may admit it.
        custodial: bool,
    },
}

impl Refused {
    pub(super) fn reason(self) -> String {
        match self {
            Self::Rule(reason) | Self::Unadmitted { reason, .. } => reason,
        }
    }
}

/// `spec/delegation.md`, rule 7: where the namespace is claimed, a v1 log begins only with a key that was admitted
/// there before. One that began earlier goes on.
fn check_v1_start(
    name: &PackageName,
    namespace: &authority::State,
    facts: &authority::Facts,
    envelope: &Envelope,
    own: &OwnKeys,
    time: Time,
) -> Result<(), Refused> {
    if facts.admits(name.name(), &envelope.key_id) {
        return Ok(());
    }
    let may = |key| namespace.init_covers(name.name(), &BTreeSet::from([key]), time);
    Err(Refused::Unadmitted {
        reason: format!(
            "the namespace `{}` has owners, and they did not admit key {} for `{name}`: ask them to, or publish \
             with `wargate publish`",
            name.namespace(),
            envelope.key_id
        ),
        custodial: own.publishing.is_some_and(may),
    })
}

fn judge_v1(
    log: LogName,
    facts: &mut LogFacts,
    envelope: &Envelope,
    record: &PackageRecord,
    signature: SignatureCheck,
    index: u64,
    now: Time,
) -> Result<Accepted, String> {
    let first = matches!(facts, LogFacts::Absent);
    if first {
        *facts = LogFacts::V1(package::State::default());
    }
    let LogFacts::V1(state) = facts else {
        return Err(format!(
            "`{log}` is a delegated log: `warg` cannot write to it; publish with `wargate publish`"
        ));
    };
    check_v1_time(record.time, now)?;
    let changes = state.judge(envelope, record, signature).map_err(|refusal| refusal.to_string())?;
    state.apply(changes.clone());
    Ok(Accepted {
        index,
        log_id: log.log_id(),
        record: envelope.record_id(log.layer()),
        contents: Contents::Signed(envelope.clone()),
        time: record.time,
        effect: Effect::V1(changes),
        first,
        private: false,
        log,
    })
}

/// v1 records carry their client's clock: it may differ from the registry's, but not by much.
fn check_v1_time(time: Time, now: Time) -> Result<(), String> {
    if time < now.plus_seconds(-V1_TIME_PAST_SECONDS_MAX) {
        return Err(format!(
            "the record's time {time} is more than {V1_TIME_PAST_SECONDS_MAX} s before the registry's {now}: \
             check your clock and publish again"
        ));
    }
    if time > now.plus_seconds(V1_TIME_FUTURE_SECONDS_MAX) {
        return Err(format!(
            "the record's time {time} is more than {V1_TIME_FUTURE_SECONDS_MAX} s after the registry's {now}: \
             check your clock and publish again"
        ));
    }
    Ok(())
}

/// An act that the registry is to carry.
struct Carry<'a> {
    act: &'a Bytes,
    endorsements: &'a [Endorsement],
    signatures: SignatureCheck,
    own: &'a OwnKeys,
    /// The registry's clock, as [`Tree::time_at`] corrects it.
    time: Time,
}

impl Carry<'_> {
    /// The act's record; before it the carrier record by which v1 clients learn the present commit key, after it the
    /// one that yanks for them what lost its trust, where they are needed (`spec/delegation.md`, "Carrier records").
    fn judge(
        &self,
        log: &LogName,
        known: &mut LogFacts,
        others: &BTreeMap<LogId, LogFacts>,
        index: u64,
    ) -> Result<Judged, String> {
        let (mut state, mut facts) = match known {
            LogFacts::Absent => (authority::State::empty(log.clone()), Box::default()),
            LogFacts::Delegated { state, facts } => (state.clone(), facts.clone()),
            LogFacts::V1(_) => {
                return Err(format!("`{log}` is a v1 log: it holds no acts; publish with `warg`"));
            }
        };
        if *log == LogName::Operator {
            facts.claimed = claimed(others);
        }
        let mut accepted = Vec::new();
        let signer = self.signer(&state);
        if *log != LogName::Operator && signer != self.own.commit {
            self.news(&mut state, &mut facts, others, signer, &mut accepted)?;
        }
        let signer = self.signer(&state);
        let context = context(log, others, &facts);
        let carried = match self.signatures {
            SignatureCheck::Needed => state.carry(&context, self.time, self.act, self.endorsements, &signer),
            SignatureCheck::Done => {
                state.carry_verified(&context, self.time, self.act, self.endorsements, &signer)
            }
        };
        let carried = carried.map_err(|refusal| refusal.to_string())?;
        if *log == LogName::Operator && !carried.changes.state.holds_commit(&self.own.commit, self.time) {
            return Err(format!(
                "this registry signs with key {}, which would not hold `commit` after it: let in the key that takes its \
                 place, start the registry with that, and only then take this one out",
                self.own.commit
            ));
        }
        let asked = accepted.len();
        self.accept(&mut state, &mut facts, carried, signer, &mut accepted);
        let signer = self.signer(&state);
        if facts.releases.values().any(|release| state.is_news(release)) && state.knows_in_v1(&signer) {
            self.news(&mut state, &mut facts, others, signer, &mut accepted)?;
        }
        for (place, accepted) in accepted.iter_mut().enumerate() {
            accepted.index = index + place as u64;
            accepted.first &= place == 0;
        }
        *known = LogFacts::Delegated { state, facts };
        Ok(Judged { accepted, asked })
    }

    /// The present commit key, unless v1 clients of the log do not know it and know one of before.
    fn signer(&self, state: &authority::State) -> KeyId {
        let present = self.own.commit;
        if state.head().is_none() || state.knows_in_v1(&present) {
            return present;
        }
        self.own.former.iter().copied().find(|key| state.knows_in_v1(key)).unwrap_or(present)
    }

    /// A carrier record, if v1 clients lack anything.
    fn news(
        &self,
        state: &mut authority::State,
        facts: &mut authority::Facts,
        others: &BTreeMap<LogId, LogFacts>,
        signer: KeyId,
        accepted: &mut Vec<Accepted>,
    ) -> Result<(), String> {
        let log = state.log().clone();
        let news = state.carry_news(&context(&log, others, facts), self.time, &signer);
        if let Some(carried) = news.map_err(|refusal| refusal.to_string())? {
            self.accept(state, facts, carried, signer, accepted);
        }
        Ok(())
    }

    fn accept(
        &self,
        state: &mut authority::State,
        facts: &mut authority::Facts,
        carried: authority::Carried,
        signer: KeyId,
        accepted: &mut Vec<Accepted>,
    ) {
        let changes = carried.changes;
        let log = state.log().clone();
        let first = state.head().is_none();
        facts.follow(&changes);
        *state = changes.state.clone();
        accepted.push(Accepted {
            index: 0,
            log_id: log.log_id(),
            record: log.layer().record_id(&carried.contents),
            contents: Contents::ToSign { contents: carried.contents.into(), signer },
            time: self.time,
            effect: Effect::Delegated(Box::new(changes)),
            first,
            private: false,
            log,
        });
    }
}

/// What a record of a log is judged by.
fn context<'a>(
    log: &LogName,
    others: &'a BTreeMap<LogId, LogFacts>,
    facts: &'a authority::Facts,
) -> authority::Context<'a> {
    let namespace = match log {
        LogName::Package(name) => state_of(others, &LogName::Namespace(name.namespace())),
        LogName::Namespace(_) | LogName::Operator => None,
    };
    authority::Context { operator: state_of(others, &LogName::Operator), namespace, facts: Some(facts) }
}

/// The namespaces among these logs that have begun.
fn claimed(logs: &BTreeMap<LogId, LogFacts>) -> BTreeSet<Namespace> {
    let namespace = |facts: &LogFacts| match facts {
        LogFacts::Delegated { state, .. } => match state.log() {
            LogName::Namespace(namespace) => state.head().map(|_| namespace.clone()),
            _ => None,
        },
        LogFacts::Absent | LogFacts::V1(_) => None,
    };
    logs.values().filter_map(namespace).collect()
}
