//! What was said, and what it adds up to: every question is answered from all that was said, from the beginning.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::scopes;
use crate::act::{AnnotationKind, Grant, Revoke, Step};
use crate::authority::role::{Power, Scope};
use crate::authority::{DEPTH_MAX, OWNER};
use crate::digest::Digest;
use crate::id::{Layer, RecordId};
use crate::key::{KeyId, PublicKey};
use crate::name::LogName;
use crate::time::Time;

/// A v1 entry of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum V1 {
    Init(KeyId),
    Grant(KeyId),
    Revoke(KeyId),
    Release(Version),
    Yank(Version),
    Import(String),
}

/// A record that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) log: LogName,
    pub(super) time: Time,
    pub(super) record: RecordId,
    /// Of the act's bytes; none in a carrier record.
    pub(super) act: Option<Digest>,
    pub(super) steps: Vec<Step>,
    pub(super) signers: BTreeSet<KeyId>,
    pub(super) entries: Vec<V1>,
}

#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) keys: BTreeMap<KeyId, PublicKey>,
    pub(super) threshold: u32,
    pub(super) powers: BTreeSet<Power>,
    pub(super) scope: Vec<String>,
    pub(super) end: Option<Time>,
    pub(super) depth: u32,
    pub(super) parent: Option<usize>,
    pub(super) dead: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Released {
    pub(super) version: Version,
    pub(super) content: Digest,
    pub(super) place: usize,
    pub(super) for_somebody: bool,
    pub(super) allowed: Vec<usize>,
    pub(super) yanked: bool,
    pub(super) yanked_for_v1: bool,
    pub(super) lifted: bool,
    pub(super) variants: BTreeSet<String>,
}

/// A log as what was said in it left it. Roles stay here when they are dead.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) layer: Layer,
    pub(super) roles: Vec<Role>,
    pub(super) releases: Vec<Released>,
    /// A role and two places in the log: what it released between them is not trusted.
    pub(super) distrusts: Vec<(usize, usize, usize)>,
    pub(super) records: Vec<(RecordId, Time)>,
    pub(super) acts: Vec<Digest>,
    pub(super) ever_commit: Vec<PublicKey>,
    pub(super) ever_publish: BTreeSet<KeyId>,
    pub(super) known_to_v1: BTreeSet<KeyId>,
    pub(super) imports: BTreeMap<String, String>,
    pub(super) admitted: BTreeSet<(String, KeyId)>,
    pub(super) vkeys: BTreeMap<String, String>,
    pub(super) policy: String,
}

/// All that was said.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) said: Vec<Said>,
}

impl Past {
    pub(super) fn log(&self, name: &LogName) -> Log {
        let mut log = Log::new(name.layer());
        for said in self.said.iter().filter(|said| said.log == *name) {
            for step in &said.steps {
                log.follow(step, &said.signers, said.time);
            }
            for entry in &said.entries {
                log.tell_v1(entry, said.act.is_none());
            }
            log.acts.extend(said.act);
            log.records.push((said.record, said.time));
        }
        log
    }
}

impl Log {
    fn new(layer: Layer) -> Self {
        Self {
            layer,
            roles: Vec::new(),
            releases: Vec::new(),
            distrusts: Vec::new(),
            records: Vec::new(),
            acts: Vec::new(),
            ever_commit: Vec::new(),
            ever_publish: BTreeSet::new(),
            known_to_v1: BTreeSet::new(),
            imports: BTreeMap::new(),
            admitted: BTreeSet::new(),
            vkeys: BTreeMap::new(),
            policy: String::new(),
        }
    }

    pub(super) fn last_time(&self) -> Option<Time> {
        self.records.last().map(|(_, time)| *time)
    }

    pub(super) fn above(&self, role: usize) -> Vec<usize> {
        let mut above = Vec::new();
        let mut at = self.roles[role].parent;
        while let Some(parent) = at {
            above.push(parent);
            at = self.roles[parent].parent;
        }
        above
    }

    pub(super) fn lives(&self, role: usize, now: Time) -> bool {
        let of_itself =
            |role: usize| !self.roles[role].dead && self.roles[role].end.is_none_or(|end| now <= end);
        of_itself(role) && self.above(role).into_iter().all(of_itself)
    }

    pub(super) fn live(&self, now: Time) -> Vec<usize> {
        (0..self.roles.len()).filter(|role| self.lives(*role, now)).collect()
    }

    pub(super) fn named(&self, name: &str, now: Time) -> Option<usize> {
        self.live(now).into_iter().find(|role| self.roles[*role].name == name)
    }

    pub(super) fn agreed(&self, role: usize, signers: &BTreeSet<KeyId>) -> bool {
        let role = &self.roles[role];
        role.keys.keys().filter(|key| signers.contains(key)).count() >= role.threshold as usize
    }

    pub(super) fn holds(&self, power: Power, now: Time) -> Vec<&PublicKey> {
        let roles = self.live(now).into_iter().filter(|role| self.roles[*role].powers.contains(&power));
        roles.flat_map(|role| self.roles[role].keys.values()).collect()
    }

    /// The live roles that hold a power over a version and agreed.
    pub(super) fn allow_version(
        &self,
        power: Power,
        version: &Version,
        signers: &BTreeSet<KeyId>,
        now: Time,
    ) -> Vec<usize> {
        self.allow(power, |scope| scopes::covers_version(scope, version), signers, now)
    }

    pub(super) fn allow(
        &self,
        power: Power,
        covers: impl Fn(&[String]) -> bool,
        signers: &BTreeSet<KeyId>,
        now: Time,
    ) -> Vec<usize> {
        let holds =
            |role: &usize| self.roles[*role].powers.contains(&power) && covers(&self.roles[*role].scope);
        self.live(now).into_iter().filter(holds).filter(|role| self.agreed(*role, signers)).collect()
    }

    pub(super) fn release(&self, version: &Version) -> Option<&Released> {
        self.releases.iter().find(|release| release.version == *version)
    }

    fn release_mut(&mut self, version: &Version) -> &mut Released {
        self.releases.iter_mut().find(|release| release.version == *version).unwrap()
    }

    /// From the earliest record that was named to the last that named one.
    pub(super) fn distrusted(&self, release: &Released) -> bool {
        (0..self.roles.len()).any(|role| {
            let of_role: Vec<_> = self.distrusts.iter().filter(|one| one.0 == role).collect();
            let from = of_role.iter().map(|one| one.1).min();
            let to = of_role.iter().map(|one| one.2).max();
            let in_time = from.is_some_and(|from| from <= release.place) && to >= Some(release.place);
            let hangs = |allowed: &usize| *allowed == role || self.above(*allowed).contains(&role);
            in_time && release.allowed.iter().all(hangs)
        })
    }

    /// What a step of an act that was accepted does.
    pub(super) fn follow(&mut self, step: &Step, signers: &BTreeSet<KeyId>, now: Time) {
        match step {
            Step::Init { keys, threshold } => self.roles.push(self.owner(keys, *threshold)),
            Step::Grant(grant) => self.follow_grant(grant, now),
            Step::Revoke(revoke) => self.follow_revoke(revoke, now),
            Step::Release(release) => {
                let (version, for_somebody) = (release.version.clone(), release.on_behalf_of.is_some());
                let allowed = self.allow_version(Power::Release, &version, signers, now);
                self.releases.push(Released {
                    version,
                    content: release.content,
                    place: self.records.len(),
                    for_somebody,
                    allowed,
                    yanked: false,
                    yanked_for_v1: false,
                    lifted: false,
                    variants: release.variants.iter().map(|variant| variant.kind.to_string()).collect(),
                });
            }
            Step::Yank { version, .. } => self.release_mut(version).yanked = true,
            Step::Annotate { kind, subject, value } => self.follow_annotate(*kind, subject, value),
            Step::Admit { name, key } => _ = self.admitted.insert((name.clone(), key.id())),
            Step::Recover { keys, threshold } => {
                self.roles.iter_mut().for_each(|role| role.dead = true);
                self.roles[0] = self.owner(keys, *threshold);
            }
            Step::Import { namespace, registry } => {
                self.imports.insert(namespace.to_string(), registry.clone());
            }
            Step::Takedown { .. } => {}
        }
    }

    fn owner(&self, keys: &[PublicKey], threshold: u32) -> Role {
        let powers: &[Power] = match self.layer {
            Layer::Operator => &[Power::Define, Power::Recover, Power::Import, Power::Takedown],
            Layer::Namespace => &[Power::Init, Power::Recover, Power::Annotate],
            Layer::Package => &[Power::Release, Power::Yank, Power::Annotate],
        };
        Role {
            name: OWNER.to_owned(),
            keys: by_id(keys),
            threshold,
            powers: powers.iter().copied().collect(),
            scope: Vec::new(),
            end: None,
            depth: DEPTH_MAX,
            parent: None,
            dead: false,
        }
    }

    /// The role as the grant leaves it, and its place if it is live already.
    pub(super) fn granted(&self, grant: &Grant, now: Time) -> Option<(Option<usize>, Role)> {
        if let Some(live) = self.named(&grant.role, now) {
            let mut role = self.roles[live].clone();
            role.keys.extend(by_id(&grant.keys));
            role.threshold = if grant.threshold == 0 { role.threshold } else { grant.threshold };
            role.end = grant.not_after.or(role.end);
            return Some((Some(live), role));
        }
        let parent = self.named(if grant.parent.is_empty() { OWNER } else { &grant.parent }, now)?;
        let above = &self.roles[parent];
        let named_only = |power: &Power| matches!(power, Power::Commit | Power::Publish);
        let copied = above.powers.iter().copied().filter(|power| !named_only(power));
        let role = Role {
            name: grant.role.clone(),
            keys: by_id(&grant.keys),
            threshold: grant.threshold,
            powers: if grant.powers.is_empty() {
                copied.collect()
            } else {
                grant.powers.iter().copied().collect()
            },
            scope: if grant.scope == Scope::Unlimited { above.scope.clone() } else { grant.scope.to_texts() },
            end: grant.not_after.or(above.end),
            depth: grant.depth,
            parent: Some(parent),
            dead: false,
        };
        Some((None, role))
    }

    fn follow_grant(&mut self, grant: &Grant, now: Time) {
        let (live, role) = self.granted(grant, now).unwrap();
        if role.powers.contains(&Power::Commit) {
            self.ever_commit.retain(|key| !grant.keys.contains(key));
            self.ever_commit.extend(grant.keys.iter().cloned());
        }
        if role.powers.contains(&Power::Publish) {
            self.ever_publish.extend(grant.keys.iter().map(PublicKey::id));
        }
        match live {
            Some(live) => self.roles[live] = role,
            None => self.roles.push(role),
        }
    }

    fn follow_revoke(&mut self, revoke: &Revoke, now: Time) {
        let live = self.named(&revoke.role, now);
        let last = || (0..self.roles.len()).rfind(|role| self.roles[*role].name == revoke.role);
        if let Some(since) = revoke.since {
            let from = self.records.iter().position(|(record, _)| *record == since).unwrap();
            let role = live.or_else(last).unwrap();
            self.distrusts.push((role, from, self.records.len()));
        }
        if let Some(live) = live {
            let role = &mut self.roles[live];
            role.keys.retain(|key, _| !revoke.key_ids.contains(key));
            role.dead = revoke.key_ids.is_empty() || role.keys.len() < role.threshold as usize;
        }
    }

    fn follow_annotate(&mut self, kind: AnnotationKind, subject: &str, value: &str) {
        match kind {
            AnnotationKind::Policy => self.policy = value.to_owned(),
            AnnotationKind::Vkey if value.is_empty() => _ = self.vkeys.remove(subject),
            AnnotationKind::Vkey => _ = self.vkeys.insert(subject.to_owned(), value.to_owned()),
            AnnotationKind::Endorse => self.release_mut(&subject.parse().unwrap()).lifted = true,
            AnnotationKind::Variant => {
                let kind = value.split(' ').next().unwrap().to_owned();
                self.release_mut(&subject.parse().unwrap()).variants.insert(kind);
            }
            AnnotationKind::Deprecate | AnnotationKind::Note => {}
        }
    }

    fn tell_v1(&mut self, entry: &V1, carrier: bool) {
        match entry {
            V1::Init(key) | V1::Grant(key) => _ = self.known_to_v1.insert(*key),
            V1::Revoke(key) => _ = self.known_to_v1.remove(key),
            V1::Yank(version) if carrier => self.release_mut(version).yanked_for_v1 = true,
            V1::Release(_) | V1::Yank(_) | V1::Import(_) => {}
        }
    }
}

pub(super) fn by_id(keys: &[PublicKey]) -> BTreeMap<KeyId, PublicKey> {
    keys.iter().map(|key| (key.id(), key.clone())).collect()
}
