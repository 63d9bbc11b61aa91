//! The first act of a new registry (`spec/delegation.md`, "Everyday shapes", "Offline signing").

use super::role::{NameScope, Power, Scope};
use crate::act::{Act, Grant, Step};
use crate::id::LogId;
use crate::key::PublicKey;
use crate::time::Time;

/// Longest life of the commit keys of a registry that others reach, in seconds: 180 days. Its owners prolong it.
pub const COMMIT_SECONDS_MAX: i64 = 180 * 24 * 60 * 60;

/// How far before now the act's window begins, in seconds: clocks differ.
const WINDOW_BEFORE_SECONDS: i64 = 60;

/// How long after now it ends, in seconds.
const WINDOW_AFTER_SECONDS: i64 = 10 * 60;

/// What a registry begins with.
#[derive(Debug, Clone)]
pub struct Beginning<'a> {
    /// The keys that can do everything.
    pub owners: &'a [PublicKey],
    /// How many of them must agree.
    pub threshold: u32,
    /// The commit key, which carries the first record, and its spares.
    pub commit_keys: &'a [PublicKey],
    /// When they end, if they do.
    pub commit_until: Option<Time>,
    /// The key that endorses what users push.
    pub publishing_key: &'a PublicKey,
    /// The namespaces that it may start on their first use.
    pub first_use: Vec<NameScope>,
}

impl Beginning<'_> {
    /// The first act's steps: Init, and the roles `commit` and `registry`.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let grant = |role: &str, keys: &[PublicKey], powers: &[Power], scope: Scope, end: Option<Time>| {
            Step::Grant(Grant {
                role: role.to_owned(),
                keys: keys.to_vec(),
                threshold: 1,
                powers: powers.to_vec(),
                scope,
                not_after: end,
                depth: 0,
                parent: String::new(),
            })
        };
        let (powers, scope): (&[Power], _) = match self.first_use.as_slice() {
            [] => (&[Power::Publish], Scope::Unlimited),
            names => (&[Power::Define, Power::Publish], Scope::Names(names.to_vec())),
        };
        vec![
            Step::Init { keys: self.owners.to_vec(), threshold: self.threshold },
            grant("commit", self.commit_keys, &[Power::Commit], Scope::Unlimited, self.commit_until),
            grant("registry", std::slice::from_ref(self.publishing_key), powers, scope, None),
        ]
    }
}

/// The first act of a registry that makes its own keys: its owners, a commit key with a spare, and the role `registry`
/// by which the publishing key starts namespaces and endorses what users push.
#[must_use]
pub fn genesis_act(
    owners: &[PublicKey],
    threshold: u32,
    commit_keys: &[PublicKey],
    publishing_key: &PublicKey,
    now: Time,
    nonce: [u8; 16],
) -> Act {
    let first_use = vec![NameScope::all()];
    let beginning =
        Beginning { owners, threshold, commit_keys, commit_until: None, publishing_key, first_use };
    Act {
        root: None,
        log: LogId::operator(),
        steps: beginning.steps(),
        not_before: now.plus_seconds(-WINDOW_BEFORE_SECONDS),
        not_after: now.plus_seconds(WINDOW_AFTER_SECONDS),
        nonce,
    }
}
