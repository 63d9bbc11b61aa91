//! Who may do what in a log, as people look at it: its live roles, what guards each action, what ended, and how it
//! came to be so (`spec/delegation.md`, "Roles").

use std::collections::{BTreeMap, BTreeSet};

use wargate_core::authority::role::{Power, Role, RoleId};
use wargate_core::authority::{self, Policy, State};
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::{KeyId, PublicKey};
use wargate_core::name::LogName;
use wargate_core::time::Time;
use wargate_core::v1::package::KeyState;

use crate::error::Error;
use crate::limits::DEAD_ROLES_TOLD_MAX;
use crate::snapshot::Snapshot;
use crate::state::Committed;
use crate::tables::logs::{self, LogKind};
use crate::tables::{facts, records};

mod history;

pub use history::KeyChange;

/// Who may do what in a log.
#[derive(Debug, Clone)]
pub struct KeysView {
    /// Whose log it is.
    pub log: LogName,
    /// The keys and what they may do, by the rules that the log is judged by.
    pub standing: Standing,
    /// What its records did to keys and roles, the latest first.
    pub history: Vec<KeyChange>,
    /// Where the history goes on, if it may: below this index of the registry's log.
    pub next: Option<u64>,
}

/// The keys of a log, by the rules that it is judged by.
#[derive(Debug, Clone)]
pub enum Standing {
    /// A v1 log's: every key that it ever let in.
    V1(Vec<KeyState>),
    /// A delegated log's.
    Delegated(Box<Roles>),
}

/// The roles of a delegated log.
#[derive(Debug, Clone)]
pub struct Roles {
    /// What the owners demand of everybody.
    pub policy: Policy,
    /// Those that are live as of the checkpoint: `owner` first, below each role those that hang under it.
    pub live: Vec<RoleView>,
    /// The fewest keys that must agree to use each power of the log's layer on anything; `None` where nobody can.
    pub guards: Vec<(Power, Option<u32>)>,
    /// The last dead role of each name, at most [`DEAD_ROLES_TOLD_MAX`].
    pub dead: Vec<DeadRole>,
}

/// A live role.
#[derive(Debug, Clone)]
pub struct RoleView {
    /// The role.
    pub role: Role,
    /// The role that it hangs under; `None` for `owner`.
    pub parent: Option<String>,
    /// Under how many roles it hangs.
    pub level: usize,
    /// The last moment of its life: its own, or that of a role above it, whichever comes first.
    pub ends: Option<Time>,
    /// The record that made it.
    pub given: Option<RecordedAt>,
    /// Those of its keys that are the registry's own, now or once.
    pub of_registry: BTreeSet<KeyId>,
}

/// A role that is no longer live.
#[derive(Debug, Clone)]
pub struct DeadRole {
    /// Its name.
    pub name: String,
    /// The record that made it.
    pub given: Option<RecordedAt>,
    /// What that record did, in words.
    pub was: Option<String>,
    /// When its end came, if it ended by itself after the log's last record.
    pub expired: Option<Time>,
}

/// Where and when something was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedAt {
    /// The record.
    pub record: RecordId,
    /// Its index in the registry's log.
    pub index: u64,
    /// Its time.
    pub time: Time,
}

/// The time of a checkpoint: as of when an answer says what is live.
pub(crate) fn time_of(committed: &Committed) -> Time {
    Time::from_seconds(i64::try_from(committed.signed.checkpoint.time).unwrap_or(i64::MAX))
}

impl Snapshot {
    /// Who may do what in a log, with the part of its history that lies below an index of the registry's log, or the
    /// latest.
    ///
    /// # Errors
    /// [`Error::UnknownPackage`], [`Error::UnknownNamespace`], [`Error::UnknownLog`].
    pub async fn keys(&self, log: &LogName, before: Option<u64>) -> Result<KeysView, Error> {
        self.check_name(log)?;
        let id = log.log_id();
        let statements = vec![
            logs::select(&id),
            logs::select_state(&id),
            logs::select_keys(&id),
            facts::select_dead_roles(&id, DEAD_ROLES_TOLD_MAX),
            logs::select_state(&LogId::operator()),
        ];
        let mut answers = self.read(statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let size = self.checkpoint().size();
        let row = logs::one(next())?.filter(|row| row.first_index < size).ok_or_else(|| unknown(log))?;
        let (state, v1_keys, dead) = (logs::state(next())?, logs::keys(next())?, facts::dead_roles(next())?);
        let operator = logs::state(next())?.filter(|_| *log != LogName::Operator);
        let standing = match (row.kind, state) {
            (LogKind::V1, _) => Standing::V1(v1_keys),
            (LogKind::Delegated, Some(state)) => {
                let made = self.made(log, row.first_index, &state, &dead).await?;
                let roles = roles(&state, operator.as_ref(), dead, &made, time_of(self.checkpoint()));
                Standing::Delegated(Box::new(roles))
            }
            (LogKind::Delegated, None) => {
                return Err(Error::internal("read a log's keys", format!("no state of {log} is kept")));
            }
        };
        let (history, next) = self.key_history(log, row.kind, row.first_index, before).await?;
        Ok(KeysView { log: log.clone(), standing, history, next })
    }

    /// Whether whoever reads may know of a log by this name; what is hidden is not told from what is not there.
    fn check_name(&self, log: &LogName) -> Result<(), Error> {
        match log {
            LogName::Operator => Ok(()),
            LogName::Namespace(namespace) => self.check_repository(&namespace.into()),
            LogName::Package(name) => self.check(name),
        }
        .map_err(|error| match error {
            Error::UnknownRepository { .. } => unknown(log),
            error => error,
        })
    }

    /// The records that made these roles, with what each of their steps did in words.
    async fn made(
        &self,
        log: &LogName,
        first_index: u64,
        state: &State,
        dead: &[(String, RoleId)],
    ) -> Result<BTreeMap<RecordId, Made>, Error> {
        let roles = state.roles().map(|role| role.made).chain(dead.iter().map(|(_, role)| *role));
        let named: BTreeSet<RecordId> = roles.map(|role| role.record).collect();
        let statements = named.iter().map(|record| records::select_one(&log.log_id(), record)).collect();
        let mut made = BTreeMap::new();
        for rows in self.read(statements).await? {
            for row in records::rows(rows)? {
                let told = authority::told(&row.envelope.contents, log.layer(), row.index == first_index)
                    .map_err(|error| Error::internal("read the record that made a role", error))?;
                let at = RecordedAt { record: row.record, index: row.index, time: told.time };
                let steps = told.act.map(|act| act.steps).unwrap_or_default();
                made.insert(row.record, Made { at, steps: steps.iter().map(ToString::to_string).collect() });
            }
        }
        Ok(made)
    }
}

/// A record that made roles.
struct Made {
    at: RecordedAt,
    /// What each of its steps did, in words.
    steps: Vec<String>,
}

fn unknown(log: &LogName) -> Error {
    match log {
        LogName::Operator => Error::UnknownLog { log: LogId::operator() },
        LogName::Namespace(namespace) => Error::UnknownNamespace { namespace: namespace.clone() },
        LogName::Package(name) => Error::UnknownPackage { name: name.clone() },
    }
}

fn roles(
    state: &State,
    operator: Option<&State>,
    dead: Vec<(String, RoleId)>,
    made: &BTreeMap<RecordId, Made>,
    time: Time,
) -> Roles {
    let of_registry = |key: &PublicKey| {
        let id = key.id();
        operator.is_some_and(|operator| operator.is_publishing_key(&id) || operator.key(&id).is_some())
    };
    let live: Vec<RoleView> = state
        .live_at(time)
        .map(|role| RoleView {
            parent: state.ancestors(role).next().map(|parent| parent.name.clone()),
            level: state.ancestors(role).count(),
            ends: state.end_of(role),
            given: made.get(&role.made.record).map(|made| made.at),
            of_registry: role.keys.values().filter(|key| of_registry(key)).map(PublicKey::id).collect(),
            role: role.clone(),
        })
        .collect();
    let ended = state.roles().filter(|role| !live.iter().any(|one| one.role.made == role.made));
    let ended: Vec<(String, RoleId, Option<Time>)> =
        ended.map(|role| (role.name.clone(), role.made, state.end_of(role))).collect();
    let dead = ended.into_iter().chain(dead.into_iter().map(|(name, id)| (name, id, None)));
    let dead = dead.map(|(name, id, expired)| {
        let made = made.get(&id.record);
        let was = made.and_then(|made| made.steps.get(id.step).cloned());
        DeadRole { name, given: made.map(|made| made.at), was, expired }
    });
    let powers = Power::ALL.into_iter().filter(|power| power.is_of(state.log().layer()));
    Roles {
        policy: state.policy(),
        guards: powers.map(|power| (power, state.guard(power, time))).collect(),
        dead: dead.collect(),
        live: as_tree(live),
    }
}

/// Below each role those that hang under it, in the order in which they were made.
fn as_tree(roles: Vec<RoleView>) -> Vec<RoleView> {
    let mut below: BTreeMap<Option<RoleId>, Vec<RoleView>> = BTreeMap::new();
    // The last made first, so that the first made is taken first.
    for role in roles.into_iter().rev() {
        below.entry(role.role.parent).or_default().push(role);
    }
    let mut tree = Vec::new();
    let mut waiting = below.remove(&None).unwrap_or_default();
    while let Some(role) = waiting.pop() {
        waiting.extend(below.remove(&Some(role.role.made)).unwrap_or_default());
        tree.push(role);
    }
    tree
}
