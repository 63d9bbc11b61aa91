//! Random attempts, and what they mean where they are made: most name what is there, so that many are allowed.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::past::{Log, V1};
use crate::act::{self, AnnotationKind, Grant, OnBehalfOf, Revoke, Step};
use crate::authority::role::{Power, Scope};
use crate::digest::Digest;
use crate::id::{Layer, RecordId};
use crate::key::{Algorithm, KeyId, PublicKey, SecretKey};
use crate::name::LogName;
use crate::time::Time;

/// The keys of all people; those that may hold `commit` first.
pub(super) static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    let key = |seed: u8| {
        let algorithm = if seed <= 20 { Algorithm::EcdsaP256 } else { Algorithm::Ed25519 };
        SecretKey::from_bytes(algorithm, [seed; 32]).unwrap().public().clone()
    };
    (1..=26).map(key).collect()
});

const NAMES: [&str; 6] = ["hello", "http-a", "http", "fmt", "acme", "tools"];
const VERSIONS: [&str; 8] =
    ["0.9.0", "1.0.0", "1.1.0-rc.1", "1.2.0", "1.2.1", "2.0.0-rc.1", "2.0.0", "2.1.0"];
const NAME_SCOPES: [&str; 8] = ["*", "hello", "h*", "http-*", "http*", "acme", "acme*", "tools"];
const VERSION_SCOPES: [&str; 7] = [
    ">=1.0.0 <2.0.0",
    ">=1.0.0-0 <2.0.0",
    ">=1.0.0 <3.0.0",
    ">=1.2.0 <1.3.0",
    ">=2.0.0-rc.1 <2.1.0",
    ">=0.1.0-a <9.0.0",
    ">=2.0.0 <2.0.1",
];
const ROLES: [&str; 9] = ["ci", "team", "lead", "crew", "commit", "late", "guest", "friend", "registry"];
const POLICIES: [&str; 5] =
    ["", "two-persons", "delegated-only", "delegated-only private", "private delegated-only"];

/// One thing that somebody tries.
#[derive(Debug, Clone)]
pub(super) enum Attempt {
    Act {
        wait: i64,
        log: &'static str,
        moves: Vec<Move>,
        who: Vec<Who>,
        envelope: u8,
        twist: Twist,
    },
    /// An act that was done, once more.
    Again {
        wait: i64,
        which: u8,
        log: Option<&'static str>,
    },
    Carrier {
        wait: i64,
        log: &'static str,
        words: Vec<(u8, u8)>,
        envelope: u8,
    },
    /// What the registry tells v1 clients of its own accord.
    News {
        wait: i64,
        log: &'static str,
        envelope: u8,
    },
}

/// How an act is not what it should be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Twist {
    None,
    OtherLog,
    OtherRegistry,
    NoRegistry,
    Early,
    Late,
}

/// Who endorses.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    /// Everybody who has a say.
    All,
    /// A role's keys, or the keys that a step names: as many as must agree, and some more or less.
    Crowd {
        which: u8,
        more: i8,
    },
    Key(u8),
}

#[derive(Debug, Clone)]
pub(super) enum Move {
    Init {
        keys: Vec<u8>,
        threshold: u8,
    },
    Grant {
        role: u8,
        keys: Vec<u8>,
        threshold: u8,
        powers: u8,
        scope: Vec<u8>,
        end: Option<i64>,
        depth: u8,
        parent: u8,
    },
    Revoke {
        role: u8,
        keys: Vec<u8>,
        since: Option<u8>,
    },
    Release {
        version: u8,
        for_somebody: bool,
    },
    Yank {
        version: u8,
    },
    Annotate {
        kind: u8,
        subject: u8,
        value: u8,
    },
    Admit {
        name: u8,
        key: u8,
    },
    Recover {
        keys: Vec<u8>,
        threshold: u8,
    },
    Import {
        name: u8,
    },
    Takedown {
        name: u8,
    },
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(Vec::new()),
        6 => prop::collection::vec(any::<u8>(), 1),
        4 => prop::collection::vec(any::<u8>(), 2),
        2 => prop::collection::vec(any::<u8>(), 3),
    ]
}

fn threshold() -> impl Strategy<Value = u8> {
    prop_oneof![1 => Just(0_u8), 8 => Just(1), 4 => Just(2), 1 => Just(3)]
}

fn grant() -> impl Strategy<Value = Move> {
    let depth = prop_oneof![2 => Just(0_u8), 3 => 1..4_u8, 1 => 4..9_u8];
    let end = prop::option::weighted(0.3, -1..60_i64);
    let scope = prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(any::<u8>(), 1..3)];
    (any::<u8>(), keys(), threshold(), any::<u8>(), scope, end, depth, any::<u8>()).prop_map(
        |(role, keys, threshold, powers, scope, end, depth, parent)| Move::Grant {
            role,
            keys,
            threshold,
            powers,
            scope,
            end,
            depth,
            parent,
        },
    )
}

fn revoke(since: f64) -> impl Strategy<Value = Move> {
    let keys = prop_oneof![2 => Just(Vec::new()), 3 => keys()];
    (any::<u8>(), keys, prop::option::weighted(since, any::<u8>()))
        .prop_map(|(role, keys, since)| Move::Revoke { role, keys, since })
}

fn release() -> impl Strategy<Value = Move> {
    (any::<u8>(), prop::bool::weighted(0.2))
        .prop_map(|(version, for_somebody)| Move::Release { version, for_somebody })
}

fn yank() -> impl Strategy<Value = Move> {
    any::<u8>().prop_map(|version| Move::Yank { version })
}

fn annotate() -> impl Strategy<Value = Move> {
    any::<(u8, u8, u8)>().prop_map(|(kind, subject, value)| Move::Annotate { kind, subject, value })
}

fn recover() -> impl Strategy<Value = Move> {
    (keys(), threshold()).prop_map(|(keys, threshold)| Move::Recover { keys, threshold })
}

/// Whatever its layer.
fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        release(),
        yank(),
        annotate(),
        recover(),
        any::<(u8, u8)>().prop_map(|(name, key)| Move::Admit { name, key }),
        (keys(), threshold()).prop_map(|(keys, threshold)| Move::Init { keys, threshold }),
        any::<u8>().prop_map(|name| Move::Import { name }),
        any::<u8>().prop_map(|name| Move::Takedown { name }),
    ]
}

fn package_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        8 => grant(),
        6 => revoke(0.4),
        8 => release(),
        2 => yank(),
        4 => annotate(),
        1 => recover(),
        1 => any_move(),
    ]
}

fn namespace_move() -> impl Strategy<Value = Move> {
    let admit = any::<(u8, u8)>().prop_map(|(name, key)| Move::Admit { name, key });
    prop_oneof![8 => grant(), 5 => revoke(0.02), 2 => annotate(), 2 => admit, 1 => recover(), 1 => any_move()]
}

fn operator_move() -> impl Strategy<Value = Move> {
    let import = any::<u8>().prop_map(|name| Move::Import { name });
    let takedown = any::<u8>().prop_map(|name| Move::Takedown { name });
    // The role `commit`, mostly.
    let commit = (keys(), prop::bool::weighted(0.4)).prop_map(|(keys, more)| match more {
        true => Move::Grant {
            role: 4,
            keys,
            threshold: 0,
            powers: 0,
            scope: vec![],
            end: None,
            depth: 0,
            parent: 0,
        },
        false => Move::Revoke { role: 0, keys, since: None },
    });
    prop_oneof![
        6 => grant(),
        4 => commit,
        4 => revoke(0.02),
        2 => annotate(),
        1 => import,
        1 => takedown,
        1 => any_move(),
    ]
}

fn wait() -> impl Strategy<Value = i64> {
    prop_oneof![40 => 0..8_i64, 1 => Just(-3), 1 => 20..90_i64]
}

/// An act in one of these logs.
fn act(logs: &'static [&'static str], a_move: BoxedStrategy<Move>) -> impl Strategy<Value = Attempt> {
    let who = prop_oneof![
        6 => Just(Who::All),
        5 => (any::<u8>(), -1..3_i8).prop_map(|(which, more)| Who::Crowd { which, more }),
        1 => any::<u8>().prop_map(Who::Key),
    ];
    let twists = [Twist::OtherLog, Twist::OtherRegistry, Twist::NoRegistry, Twist::Early, Twist::Late];
    let twist = prop_oneof![40 => Just(Twist::None), 1 => prop::sample::select(twists.to_vec())];
    let moves = prop_oneof![
        6 => prop::collection::vec(a_move.clone(), 1),
        3 => prop::collection::vec(a_move.clone(), 2),
        1 => prop::collection::vec(a_move, 3),
    ];
    let who = prop::collection::vec(who, 1..4);
    (wait(), prop::sample::select(logs), moves, who, any::<u8>(), twist).prop_map(
        |(wait, log, moves, who, envelope, twist)| Attempt::Act { wait, log, moves, who, envelope, twist },
    )
}

pub(super) fn attempt() -> impl Strategy<Value = Attempt> {
    let log = || prop::sample::select(&["acme:hello", "acme:hello", "acme", ""][..]);
    let words = prop::collection::vec(any::<(u8, u8)>(), 0..4);
    prop_oneof![
        8 => act(&["acme:hello", "acme:hello", "acme:hello", "tools:fmt"], package_move().boxed()),
        4 => act(&["acme", "acme", "tools"], namespace_move().boxed()),
        4 => act(&[""], operator_move().boxed()),
        1 => (wait(), any::<u8>(), prop::option::weighted(0.2, log()))
            .prop_map(|(wait, which, log)| Attempt::Again { wait, which, log }),
        1 => (wait(), log(), words, any::<u8>())
            .prop_map(|(wait, log, words, envelope)| Attempt::Carrier { wait, log, words, envelope }),
        3 => (wait(), log(), any::<u8>())
            .prop_map(|(wait, log, envelope)| Attempt::News { wait, log, envelope }),
    ]
}

/// One of these; the small numbers to which attempts shrink name the first.
pub(super) fn pick<T: Clone>(from: &[T], at: u8) -> T {
    from[usize::from(at) % from.len()].clone()
}

pub(super) fn log(name: &str) -> LogName {
    if name.is_empty() { LogName::Operator } else { name.parse().unwrap() }
}

fn texts(texts: &[&str], which: &[u8]) -> Scope {
    let picked: BTreeSet<String> = which.iter().map(|at| pick(texts, *at).to_owned()).collect();
    Scope::parse(&picked.into_iter().collect::<Vec<_>>()).unwrap()
}

/// Where an attempt is made: a log, and the time.
pub(super) struct Place<'a> {
    pub(super) log: &'a Log,
    pub(super) now: Time,
}

impl Place<'_> {
    /// Keys that are in no live role; at the end of the numbers any key.
    fn keys(&self, which: &[u8]) -> Vec<PublicKey> {
        let (log, all) = (self.log, KEYS.as_slice());
        let taken = |key: &&PublicKey| {
            log.live(self.now).iter().any(|role| log.roles[*role].keys.contains_key(&key.id()))
        };
        let free: Vec<PublicKey> = all.iter().filter(|key| !taken(key)).cloned().collect();
        let mut picked = Vec::new();
        for at in which {
            let key = if *at < 230 && !free.is_empty() { pick(&free, *at) } else { pick(all, *at) };
            if !picked.contains(&key) {
                picked.push(key);
            }
        }
        picked
    }

    /// Mostly not more than there are keys.
    fn threshold(&self, keys: &[u8], threshold: u8) -> u32 {
        let keys = u32::try_from(self.keys(keys).len()).unwrap();
        if threshold < 3 { u32::from(threshold).min(keys) } else { 3 }
    }

    fn role(&self, which: u8) -> String {
        let live: Vec<String> =
            self.log.live(self.now).into_iter().map(|role| self.log.roles[role].name.clone()).collect();
        let ever: Vec<String> = self.log.roles.iter().map(|role| role.name.clone()).collect();
        match which {
            // Seldom the owners'.
            0..200 if live.len() > 1 => pick(&live[1..], which),
            200..220 if !live.is_empty() => pick(&live, which),
            220..240 if !ever.is_empty() => pick(&ever, which),
            _ => pick(&ROLES, which).to_owned(),
        }
    }

    fn powers(&self, which: u8) -> Vec<Power> {
        let of_layer: Vec<Power> =
            Power::ALL.into_iter().filter(|power| power.is_of(self.log.layer)).collect();
        match which {
            0..60 => Vec::new(),
            60..180 => vec![pick(&of_layer, which)],
            180..240 => {
                BTreeSet::from([pick(&of_layer, which), pick(&of_layer, which / 3)]).into_iter().collect()
            }
            _ => vec![pick(&Power::ALL, which)],
        }
    }

    fn record(&self, which: u8) -> RecordId {
        match self.log.records.len() {
            0 => RecordId::from_digest(Digest::of(b"nowhere")),
            _ if which >= 250 => RecordId::from_digest(Digest::of(b"nowhere")),
            length => self.log.records[usize::from(which) % length].0,
        }
    }

    fn version(which: u8) -> semver::Version {
        let text = if which < 250 { pick(&VERSIONS, which) } else { "1.2.0+b" };
        text.parse().unwrap()
    }

    /// Mostly one that was released.
    fn released(&self, which: u8) -> semver::Version {
        match self.log.releases.len() {
            0 => Self::version(which),
            _ if which >= 220 => Self::version(which),
            _ => pick(&self.log.releases, which).version,
        }
    }

    fn scope(&self, which: &[u8]) -> Scope {
        let packages = self.log.layer == Layer::Package;
        if which.iter().any(|at| *at >= 250) == packages {
            texts(&NAME_SCOPES, which)
        } else {
            texts(&VERSION_SCOPES, which)
        }
    }

    fn annotate(&self, kind: u8, subject_at: u8, value: u8) -> Step {
        use AnnotationKind::{Deprecate, Endorse, Note, Policy, Variant, Vkey};
        let kinds: &[AnnotationKind] = match self.log.layer {
            _ if kind >= 230 => &[Note, Endorse, Policy, Variant, Vkey, Deprecate],
            Layer::Operator => &[Vkey, Policy],
            Layer::Namespace => &[Note, Policy, Deprecate],
            Layer::Package => &[Endorse, Note, Variant, Endorse, Policy],
        };
        let kind = pick(kinds, kind);
        let subject = match (kind, self.log.layer) {
            (Policy, _) => {
                if subject_at < 230 {
                    ""
                } else {
                    "hello"
                }
            }
            (Vkey, _) => pick(&["a/log", "b/log", ""], subject_at),
            (_, Layer::Package) if subject_at < 200 => pick(&VERSIONS, subject_at),
            (_, _) if subject_at < 240 => pick(&NAMES, subject_at),
            _ => pick(&["", "", "A", "1.0"], subject_at),
        };
        let released = self.released(subject_at).to_string();
        let subject = match kind {
            Variant | Endorse if subject_at < 200 => released.as_str(),
            _ => subject,
        };
        let digest = Digest::of(subject.as_bytes());
        let value = match kind {
            Policy => pick(&POLICIES, value).to_owned(),
            Vkey => pick(&["1", "2", ""], value).to_owned(),
            Variant => match value {
                0..100 => format!("locked {digest}"),
                100..200 => format!("bundled {digest} {digest}"),
                _ => format!("bundled {digest} "),
            },
            Endorse if value >= 220 => Digest::of(b"other").to_string(),
            Endorse => digest.to_string(),
            Deprecate | Note => "x".to_owned(),
        };
        Step::Annotate { kind, subject: subject.to_owned(), value }
    }

    pub(super) fn step(&self, a_move: &Move) -> Step {
        match a_move {
            Move::Init { keys, threshold } => {
                Step::Init { keys: self.keys(keys), threshold: self.threshold(keys, *threshold) }
            }
            Move::Recover { keys, threshold } => {
                Step::Recover { keys: self.keys(keys), threshold: self.threshold(keys, *threshold) }
            }
            Move::Grant { role, keys, threshold, powers, scope, end, depth, parent } => {
                let new = *role < 180;
                let role = if new { pick(&ROLES, *role).to_owned() } else { self.role(*role) };
                // To a live role a grant says mostly nothing but keys, and under another role no more than that has.
                let said = self.log.named(&role, self.now).is_none() || *powers % 8 == 7;
                let parent = if *parent < 100 || !said { String::new() } else { self.role(*parent / 2 * 2) };
                let above = self.log.named(&parent, self.now).map(|parent| &self.log.roles[parent]);
                let copied = !said || (above.is_some() && *powers < 200);
                let depth = match above {
                    Some(above) if *depth < 7 => u32::from(*depth).min(above.depth.saturating_sub(1)),
                    _ => u32::from(*depth),
                };
                Step::Grant(Grant {
                    role,
                    keys: self.keys(keys),
                    threshold: if said {
                        self.threshold(keys, *threshold)
                    } else {
                        u32::from(*threshold / 2)
                    },
                    powers: if copied { Vec::new() } else { self.powers(*powers) },
                    scope: if !said || copied && scope.len() < 2 {
                        Scope::Unlimited
                    } else {
                        self.scope(scope)
                    },
                    not_after: end.map(|seconds| self.now.plus_seconds(seconds)),
                    depth: if said { depth } else { 0 },
                    parent,
                })
            }
            Move::Revoke { role, keys, since } => {
                let role = self.role(*role);
                let of_role: Vec<KeyId> = self
                    .log
                    .named(&role, self.now)
                    .map(|role| self.log.roles[role].keys.keys().copied().collect())
                    .unwrap_or_default();
                let mut key_ids: Vec<KeyId> = Vec::new();
                for at in keys {
                    let other = of_role.is_empty() || *at >= 240;
                    let key = if other { pick(&KEYS, *at).id() } else { pick(&of_role, *at) };
                    if !key_ids.contains(&key) {
                        key_ids.push(key);
                    }
                }
                Step::Revoke(Revoke { role, key_ids, since: since.map(|at| self.record(at)) })
            }
            Move::Release { version, for_somebody } => {
                let version = Self::version(*version);
                Step::Release(act::Release {
                    content: Digest::of(version.to_string().as_bytes()),
                    version,
                    manifest: None,
                    variants: Vec::new(),
                    dependencies: Vec::new(),
                    on_behalf_of: for_somebody.then(|| OnBehalfOf::parse("account https://a 1").unwrap()),
                    breaking: false,
                })
            }
            Move::Yank { version } => Step::Yank { version: self.released(*version), reason: String::new() },
            Move::Annotate { kind, subject, value } => self.annotate(*kind, *subject, *value),
            Move::Admit { name, key } => {
                Step::Admit { name: pick(&NAMES, *name).to_owned(), key: pick(&KEYS[..20], *key) }
            }
            Move::Import { name } => Step::Import {
                namespace: pick(&["wasi", "tools", "acme"], *name).parse().unwrap(),
                registry: "wasi.dev".to_owned(),
            },
            Move::Takedown { name } => Step::Takedown {
                package: pick(&["acme:hello", "tools:fmt", "wasi:http"], *name).parse().unwrap(),
                version: None,
                reason: String::new(),
                lifted: false,
                not_after: None,
            },
        }
    }

    /// A carrier record's entry.
    pub(super) fn word(what: u8, which: u8) -> V1 {
        let key = || pick(&KEYS[..10], which).id();
        match what {
            0..90 => V1::Grant(key()),
            90..160 => V1::Revoke(key()),
            160..240 => V1::Yank(Self::version(which)),
            _ => V1::Release(Self::version(which)),
        }
    }
}

/// Those who endorse an act, out of whole roles (their keys, and how many must agree) and all people.
pub(super) fn signers(who: &[Who], crowds: &[(Vec<KeyId>, u32)]) -> BTreeSet<KeyId> {
    let mut signers = BTreeSet::new();
    for one in who {
        match one {
            Who::All => signers.extend(crowds.iter().flat_map(|(keys, _)| keys.iter().copied())),
            Who::Key(at) => _ = signers.insert(pick(&KEYS, *at).id()),
            Who::Crowd { which, more } => {
                let (keys, threshold) = pick(crowds, *which);
                let count = i64::from(threshold) + i64::from(*more);
                signers.extend(keys.into_iter().take(usize::try_from(count).unwrap_or(0)));
            }
        }
    }
    signers
}
