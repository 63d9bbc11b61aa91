//! The first act of a new registry (`spec/delegation.md`, "Everyday shapes", "Offline signing").

use super::role::{NameScope, Power, Scope};
use crate::act::{Act, Grant, Step};
use crate::id::LogId;
use crate::key::PublicKey;
use crate::time::Time;

/// How far before now the act's window begins, in seconds: clocks differ.
const WINDOW_BEFORE_SECONDS: i64 = 60;

/// How long after now it ends, in seconds.
const WINDOW_AFTER_SECONDS: i64 = 10 * 60;

/// The first act of a new registry: its owners, a commit key with a spare, and the role `registry` by which the
/// publishing key starts namespaces and endorses what users push.
#[must_use]
pub fn genesis_act(
    owners: &[PublicKey],
    threshold: u32,
    commit_keys: &[PublicKey],
    publishing_key: &PublicKey,
    now: Time,
    nonce: [u8; 16],
) -> Act {
    let grant = |role: &str, keys: &[PublicKey], powers: &[Power], scope: Scope| {
        Step::Grant(Grant {
            role: role.to_owned(),
            keys: keys.to_vec(),
            threshold: 1,
            powers: powers.to_vec(),
            scope,
            not_after: None,
            depth: 0,
            parent: String::new(),
        })
    };
    let publishing_key = std::slice::from_ref(publishing_key);
    let everywhere = Scope::Names(vec![NameScope::all()]);
    Act {
        root: None,
        log: LogId::operator(),
        steps: vec![
            Step::Init { keys: owners.to_vec(), threshold },
            grant("commit", commit_keys, &[Power::Commit], Scope::Unlimited),
            grant("registry", publishing_key, &[Power::Define, Power::Publish], everywhere),
        ],
        not_before: now.plus_seconds(-WINDOW_BEFORE_SECONDS),
        not_after: now.plus_seconds(WINDOW_AFTER_SECONDS),
        nonce,
    }
}
