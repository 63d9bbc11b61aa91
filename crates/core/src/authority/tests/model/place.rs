//! What attempts mean where they are made: most name what is there, so that many are allowed.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::moves::{Given, Move, Who};
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

    fn grant(&self, given: &Given) -> Grant {
        let Given { role, keys, threshold, powers, scope, end, depth, parent } = given;
        let role = if *role < 180 { pick(&ROLES, *role).to_owned() } else { self.role(*role) };
        // To a live role a grant says mostly nothing but keys, and under another role no more than that has.
        let said = self.log.named(&role, self.now).is_none() || *powers % 8 == 7;
        let parent = if *parent < 100 || !said { String::new() } else { self.role(*parent / 2 * 2) };
        let above = self.log.named(&parent, self.now).map(|parent| &self.log.roles[parent]);
        let copied = !said || (above.is_some() && *powers < 200);
        let all = !said || (copied && scope.len() < 2);
        let depth = match above {
            _ if !said => 0,
            Some(above) if *depth < 7 => u32::from(*depth).min(above.depth.saturating_sub(1)),
            _ => u32::from(*depth),
        };
        Grant {
            role,
            keys: self.keys(keys),
            threshold: if said { self.threshold(keys, *threshold) } else { u32::from(*threshold / 2) },
            powers: if copied { Vec::new() } else { self.powers(*powers) },
            scope: if all { Scope::Unlimited } else { self.scope(scope) },
            not_after: end.map(|seconds| self.now.plus_seconds(seconds)),
            depth,
            parent,
        }
    }

    fn revoke(&self, role: u8, keys: &[u8], since: Option<u8>) -> Step {
        let role = self.role(role);
        let live = self.log.named(&role, self.now).map(|role| &self.log.roles[role].keys);
        let of_role: Vec<KeyId> = live.into_iter().flat_map(|keys| keys.keys().copied()).collect();
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

    pub(super) fn step(&self, a_move: &Move) -> Step {
        match a_move {
            Move::Init { keys, threshold } => {
                Step::Init { keys: self.keys(keys), threshold: self.threshold(keys, *threshold) }
            }
            Move::Recover { keys, threshold } => {
                Step::Recover { keys: self.keys(keys), threshold: self.threshold(keys, *threshold) }
            }
            Move::Grant(given) => Step::Grant(self.grant(given)),
            Move::Revoke { role, keys, since } => self.revoke(*role, keys, *since),
            Move::Release { version, odd } => {
                let version = Self::version(*version);
                Step::Release(act::Release {
                    content: Digest::of(version.to_string().as_bytes()),
                    version,
                    manifest: None,
                    variants: Vec::new(),
                    dependencies: Vec::new(),
                    on_behalf_of: odd.then(|| OnBehalfOf::parse("account https://a 1").unwrap()),
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
    pub(super) fn word(&self, what: u8, which: u8) -> V1 {
        let key = || pick(&KEYS[..10], which).id();
        match what {
            0..90 => V1::Grant(key()),
            90..160 => V1::Revoke(key()),
            160..240 => V1::Yank(self.released(which)),
            _ => V1::Release(Self::version(which)),
        }
    }
}

/// Lets releases say on whose behalf they are made where they must, but for those that are not to: these say the
/// contrary.
pub(super) fn fit(steps: &mut [Step], log: &Log, signers: &BTreeSet<KeyId>, now: Time) {
    let registry = KEYS[5].id();
    let own: BTreeSet<KeyId> = signers.iter().filter(|key| **key != registry).copied().collect();
    for step in steps {
        if let Step::Release(release) = step {
            let needed = log.allow_version(Power::Release, &release.version, &own, now).is_empty();
            let said = needed != release.on_behalf_of.is_some();
            release.on_behalf_of = said.then(|| OnBehalfOf::parse("account https://a 1").unwrap());
        }
    }
}

/// Those who endorse an act, out of whole roles (their keys, and how many must agree) and all people.
pub(super) fn signers(who: &[Who], crowds: &[(Vec<KeyId>, u32)]) -> BTreeSet<KeyId> {
    let mut signers = BTreeSet::new();
    for one in who {
        match one {
            Who::All => signers.extend(crowds.iter().flat_map(|(keys, _)| keys.iter().copied())),
            Who::Registry => _ = signers.insert(KEYS[5].id()),
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
