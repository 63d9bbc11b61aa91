//! The second judge: whether an act or a carrier record is allowed, by `spec/delegation.md` alone, in plain words. It
//! says nothing of why.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::past::{Log, Past, Released, Role, V1};
use super::scopes;
use crate::act::{Act, AnnotationKind, Grant, Release, Revoke, Step};
use crate::authority::role::{Power, Scope};
use crate::authority::{LIVE_KEYS_MAX, LIVE_ROLES_MAX, OWNER};
use crate::digest::Digest;
use crate::id::{Layer, RecordId};
use crate::key::{Algorithm, KeyId, PublicKey};
use crate::name::LogName;
use crate::time::Time;

/// A record that somebody would like to be accepted.
pub(super) struct Proposed<'a> {
    pub(super) log: &'a LogName,
    pub(super) time: Time,
    pub(super) act: &'a Act,
    pub(super) digest: Digest,
    pub(super) signers: BTreeSet<KeyId>,
    /// Who signs the envelope.
    pub(super) envelope: KeyId,
}

type Allowed = Option<()>;

fn ensure(holds: bool) -> Allowed {
    holds.then_some(())
}

/// A log, the one above it, and the operator's, as they stand.
struct Stand<'a> {
    name: &'a LogName,
    log: Log,
    above: Option<Log>,
    operator: Option<Log>,
    namespaces: BTreeSet<String>,
    now: Time,
    signers: BTreeSet<KeyId>,
    owners: Option<Role>,
}

impl Past {
    fn root(&self) -> Option<RecordId> {
        self.said.first().map(|said| said.record)
    }

    fn stand<'a>(&self, name: &'a LogName, now: Time) -> Option<Stand<'a>> {
        let operator = (*name != LogName::Operator).then(|| self.log(&LogName::Operator));
        let above = match name {
            LogName::Operator => None,
            LogName::Namespace(_) => operator.clone(),
            LogName::Package(package) => Some(self.log(&LogName::Namespace(package.namespace()))),
        };
        let log = self.log(name);
        // No record is dated before an earlier one of these logs, and none begins before the one above.
        for earlier in [Some(&log), above.as_ref(), operator.as_ref()].into_iter().flatten() {
            ensure(earlier.last_time().is_none_or(|last| last <= now))?;
        }
        ensure(above.as_ref().is_none_or(|above| !above.records.is_empty()))?;
        let namespaces = self.said.iter().filter(|said| matches!(said.log, LogName::Namespace(_)));
        let namespaces = namespaces.map(|said| said.log.to_string()).collect();
        let owners = log.roles.first().cloned();
        Some(Stand { name, log, above, operator, namespaces, now, signers: BTreeSet::new(), owners })
    }

    /// The v1 entries of the record that would carry the act, with those of its endorsers who have a say; `None` if the
    /// act is not allowed.
    pub(super) fn judge(&self, proposed: &Proposed<'_>) -> Option<(Vec<V1>, BTreeSet<KeyId>)> {
        let Proposed { log, time, act, .. } = *proposed;
        let mut stand = self.stand(log, time)?;
        ensure(act.log == log.log_id())?;
        ensure(act.root == self.root())?;
        ensure(act.not_before <= time && time <= act.not_after)?;
        ensure(!stand.log.acts.contains(&proposed.digest))?;
        let steps = &act.steps;
        ensure((0..steps.len()).all(|at| !steps[..at].contains(&steps[at])))?;
        let say = |key: &&KeyId| stand.has_say(key, act);
        stand.signers = proposed.signers.iter().filter(say).copied().collect();
        let before = stand.log.clone();
        for (at, step) in steps.iter().enumerate() {
            let begins = stand.log.records.is_empty() && at == 0;
            ensure(begins == matches!(step, Step::Init { .. }))?;
            stand.check(step)?;
            stand.log.follow(step, &stand.signers, time);
            // "In the first record owners are named by Init."
            stand.owners = stand.owners.or_else(|| stand.log.roles.first().cloned());
        }
        stand.check_limits()?;
        let entries = stand.project(&before, steps, &proposed.envelope)?;
        let operator = stand.operator.as_ref().unwrap_or(&stand.log);
        ensure(operator.ever_commit.iter().any(|key| key.id() == proposed.envelope))?;
        Some((entries, stand.signers))
    }

    /// What v1 clients of a log do not know yet: live commit keys, and versions that lost their trust.
    pub(super) fn news(&self, name: &LogName, time: Time) -> Vec<V1> {
        let (log, operator) = (self.log(name), self.log(&LogName::Operator));
        let held = operator.holds(Power::Commit, time);
        let keys = operator.ever_commit.iter().filter(|key| held.contains(key)).map(PublicKey::id);
        let unknown = keys.filter(|key| !log.known_to_v1.contains(key)).map(V1::Grant);
        let unsaid = |one: &&Released| log.distrusted(one) && !one.yanked && !one.yanked_for_v1;
        let unsaid: BTreeSet<&Version> = log.releases.iter().filter(unsaid).map(|one| &one.version).collect();
        unknown.chain(unsaid.into_iter().cloned().map(V1::Yank)).collect()
    }

    /// A carrier record.
    pub(super) fn judge_carrier(
        &self,
        log: &LogName,
        time: Time,
        entries: &[V1],
        envelope: KeyId,
    ) -> Allowed {
        let mut stand = self.stand(log, time)?;
        ensure(!stand.log.records.is_empty() && !entries.is_empty())?;
        let operator = stand.operator.as_ref().unwrap_or(&stand.log).clone();
        let mut yanked: Vec<&Version> = Vec::new();
        for entry in entries {
            let known = &mut stand.log.known_to_v1;
            ensure(known.contains(&envelope))?;
            match entry {
                V1::Grant(key) => {
                    ensure(operator.ever_commit.iter().any(|ever| ever.id() == *key))?;
                    ensure(known.insert(*key))?;
                }
                V1::Revoke(key) => ensure(known.remove(key))?,
                V1::Yank(version) => {
                    let release = stand.log.release(version)?;
                    ensure(stand.log.distrusted(release) && !release.yanked && !release.yanked_for_v1)?;
                    ensure(!yanked.contains(&version))?;
                    yanked.push(version);
                }
                V1::Init(_) | V1::Release(_) | V1::Import(_) => return None,
            }
        }
        Some(())
    }
}

impl Stand<'_> {
    /// Endorsers are keys of live roles before the act or after one of its steps, or, with Init or Recover, of the
    /// layer above.
    fn has_say(&self, key: &KeyId, act: &Act) -> bool {
        let live = |log: &Log| log.live(self.now).iter().any(|role| log.roles[*role].keys.contains_key(key));
        let named = |step: &Step| match step {
            Step::Init { keys, .. } | Step::Recover { keys, .. } => keys.iter().any(|one| one.id() == *key),
            Step::Grant(grant) => grant.keys.iter().any(|one| one.id() == *key),
            _ => false,
        };
        let by_above = |step: &Step| matches!(step, Step::Init { .. } | Step::Recover { .. });
        live(&self.log)
            || act.steps.iter().any(named)
            || (act.steps.iter().any(by_above) && self.above.as_ref().is_some_and(live))
    }

    fn check(&self, step: &Step) -> Allowed {
        let layer = self.log.layer;
        match step {
            Step::Init { keys, threshold } => self.check_init(&super::past::by_id(keys), *threshold),
            Step::Grant(grant) => self.check_grant(grant),
            Step::Revoke(revoke) => self.check_revoke(revoke),
            Step::Release(release) => self.check_release(release),
            Step::Yank { version, .. } => {
                ensure(layer == Layer::Package)?;
                let release = self.log.release(version)?;
                ensure(!release.yanked && !self.log.distrusted(release))?;
                self.need_version(Power::Yank, version)
            }
            Step::Annotate { kind, subject, value } => self.check_annotate(*kind, subject, value),
            Step::Admit { name, .. } => {
                ensure(layer == Layer::Namespace && !self.log.policy.contains("delegated-only"))?;
                self.need_name(&self.log, Power::Init, name, &self.signers)
            }
            Step::Recover { keys, threshold } => self.check_recover(keys.len(), *threshold),
            Step::Import { namespace, .. } => {
                ensure(layer == Layer::Operator)?;
                ensure(!self.log.imports.contains_key(namespace.as_str()))?;
                ensure(!self.namespaces.contains(namespace.as_str()))?;
                self.need_name(&self.log, Power::Import, namespace.as_str(), &self.signers)
            }
            Step::Takedown { package, .. } => {
                ensure(layer == Layer::Operator)?;
                self.need_name(&self.log, Power::Takedown, package.namespace().as_str(), &self.signers)
            }
        }
    }

    fn need_version(&self, power: Power, version: &Version) -> Allowed {
        ensure(!self.log.allow_version(power, version, &self.signers, self.now).is_empty())
    }

    fn need_name(&self, log: &Log, power: Power, name: &str, signers: &BTreeSet<KeyId>) -> Allowed {
        let covers = |scope: &[String]| scopes::covers_name(scope, name);
        ensure(!log.allow(power, covers, signers, self.now).is_empty())
    }

    fn need_owners(&self) -> Allowed {
        let owners = self.owners.as_ref()?;
        let found = owners.keys.keys().filter(|key| self.signers.contains(key)).count();
        ensure(found >= owners.threshold as usize)
    }

    /// The name by which the layer above knows this log.
    fn own_name(&self) -> String {
        match self.name {
            LogName::Operator => String::new(),
            LogName::Namespace(namespace) => namespace.to_string(),
            LogName::Package(package) => package.name().to_owned(),
        }
    }

    fn two_persons(&self) -> bool {
        let above = self.above.as_ref().filter(|above| above.layer == Layer::Namespace);
        let demands = |log: &Log| log.policy.contains("two-persons");
        demands(&self.log) || above.is_some_and(demands)
    }

    /// A role that publishes is no one person's where two are demanded.
    fn check_persons(&self, powers: &BTreeSet<Power>, threshold: u32) -> Allowed {
        let publishes = powers.contains(&Power::Release) || powers.contains(&Power::Init);
        ensure(!publishes || !self.two_persons() || threshold >= 2)
    }

    fn check_init(&self, keys: &BTreeMap<KeyId, PublicKey>, t: u32) -> Allowed {
        ensure(t >= 1 && t as usize <= keys.len())?;
        ensure(keys.keys().filter(|key| self.signers.contains(key)).count() >= t as usize)?;
        let power = match self.log.layer {
            Layer::Operator => return Some(()),
            Layer::Namespace => Power::Define,
            Layer::Package => Power::Init,
        };
        if self.log.layer == Layer::Package {
            ensure(!self.two_persons() || t >= 2)?;
        }
        let above = self.above.as_ref()?;
        ensure(self.log.layer != Layer::Namespace || !above.imports.contains_key(&self.own_name()))?;
        self.need_name(above, power, &self.own_name(), &self.signers)
    }

    fn check_recover(&self, keys: usize, threshold: u32) -> Allowed {
        ensure(self.log.layer != Layer::Operator && threshold >= 1 && threshold as usize <= keys)?;
        let publishing = &self.operator.as_ref()?.ever_publish;
        let signers = self.signers.iter().filter(|key| !publishing.contains(key)).copied().collect();
        self.need_name(self.above.as_ref()?, Power::Recover, &self.own_name(), &signers)?;
        ensure(!self.two_persons() || threshold >= 2)
    }

    fn check_grant(&self, grant: &Grant) -> Allowed {
        let (log, now) = (&self.log, self.now);
        let of_layer: &[Power] = match log.layer {
            Layer::Operator => &Power::ALL[..6],
            Layer::Namespace => &[Power::Init, Power::Recover, Power::Annotate],
            Layer::Package => &[Power::Release, Power::Yank, Power::Annotate],
        };
        ensure(grant.powers.iter().all(|power| of_layer.contains(power)))?;
        let scope = grant.scope.to_texts();
        let of_versions = matches!(grant.scope, Scope::Versions(_));
        ensure(scope.is_empty() || of_versions == (log.layer == Layer::Package))?;
        let free =
            |key: &PublicKey| log.live(now).iter().all(|role| !log.roles[*role].keys.contains_key(&key.id()));
        ensure(grant.keys.iter().all(free))?;
        let (live, role) = log.granted(grant, now)?;
        match (live, role.parent) {
            (_, Some(parent)) => ensure(log.agreed(parent, &self.signers))?,
            (_, None) => self.need_owners()?,
        }
        if let Some(live) = live {
            let was = &log.roles[live];
            let parent = was.parent.map_or("", |parent| log.roles[parent].name.as_str());
            ensure(grant.powers.is_empty() || was.powers == grant.powers.iter().copied().collect())?;
            ensure(scope.is_empty() || scopes::is_same(&scope, &was.scope))?;
            ensure(grant.depth == 0 || grant.depth == was.depth)?;
            ensure(grant.parent.is_empty() || grant.parent == parent)?;
            ensure(grant.not_after.is_none() || was.parent.is_some())?;
        } else {
            self.check_attenuation(grant, &scope, &log.roles[role.parent?])?;
        }
        if let (Some(end), Some(parent)) = (grant.not_after, role.parent) {
            ensure(end >= now && log.roles[parent].end.is_none_or(|of_parent| end <= of_parent))?;
        }
        ensure(role.threshold >= 1 && role.threshold as usize <= role.keys.len())?;
        let p256 = role.keys.values().all(|key| key.algorithm() == Algorithm::EcdsaP256);
        let alone = role.powers.len() == 1 && role.threshold == 1 && role.depth == 0 && p256;
        ensure(!role.powers.contains(&Power::Commit) || alone)?;
        self.check_persons(&role.powers, role.threshold)
    }

    /// Rule 2.
    fn check_attenuation(&self, grant: &Grant, scope: &[String], parent: &Role) -> Allowed {
        let named_only = |power: &Power| matches!(power, Power::Commit | Power::Publish);
        let may_have = |power: &Power| match named_only(power) {
            true => parent.name == OWNER,
            false => parent.powers.contains(power),
        };
        ensure(grant.powers.iter().all(may_have))?;
        ensure(grant.depth < parent.depth)?;
        let takes_scope = match grant.powers.is_empty() {
            true => parent.powers.iter().any(|power| !named_only(power)),
            false => grant.powers.iter().any(|power| !named_only(power)),
        };
        ensure(scope.is_empty() || (takes_scope && scopes::is_within(scope, &parent.scope)))
    }

    fn check_revoke(&self, revoke: &Revoke) -> Allowed {
        let (log, keys) = (&self.log, &revoke.key_ids);
        let live = log.named(&revoke.role, self.now);
        if let Some(since) = revoke.since {
            ensure(log.layer == Layer::Package && log.agreed(0, &self.signers))?;
            ensure(log.records.iter().any(|(record, _)| *record == since))?;
        }
        let Some(live) = live else {
            let was = log.roles.iter().any(|role| role.name == revoke.role);
            return ensure(was && keys.is_empty() && revoke.since.is_some());
        };
        let role = &log.roles[live];
        ensure(keys.iter().all(|key| role.keys.contains_key(key)))?;
        if role.parent.is_none() {
            ensure(!keys.is_empty() && role.keys.len() - keys.len() >= role.threshold as usize)?;
            return self.need_owners();
        }
        let leaves = !keys.is_empty() && keys.iter().all(|key| self.signers.contains(key));
        ensure(leaves || log.above(live).into_iter().any(|role| log.agreed(role, &self.signers)))
    }

    fn own_signers(&self) -> Option<BTreeSet<KeyId>> {
        let publishing = &self.operator.as_ref()?.ever_publish;
        Some(self.signers.iter().filter(|key| !publishing.contains(key)).copied().collect())
    }

    fn check_release(&self, release: &Release) -> Allowed {
        let version = &release.version;
        ensure(self.log.layer == Layer::Package && version.build.is_empty())?;
        ensure(self.log.release(version).is_none())?;
        self.need_version(Power::Release, version)?;
        let own = self.log.allow_version(Power::Release, version, &self.own_signers()?, self.now);
        ensure(own.is_empty() == release.on_behalf_of.is_some())
    }

    fn check_annotate(&self, kind: AnnotationKind, subject: &str, value: &str) -> Allowed {
        let (log, layer) = (&self.log, self.log.layer);
        let version = || subject.parse::<Version>().ok().filter(|version| version.to_string() == subject);
        match kind {
            AnnotationKind::Policy => {
                let words: Vec<&str> = value.split(' ').filter(|_| !value.is_empty()).collect();
                let known = ["delegated-only", "private", "two-persons"];
                ensure(words.iter().all(|word| known.contains(word)) && words.is_sorted_by(|a, b| a < b))?;
                ensure(subject.is_empty() && log.agreed(0, &self.signers))
            }
            AnnotationKind::Vkey => {
                ensure(layer == Layer::Operator && !subject.is_empty() && log.agreed(0, &self.signers))
            }
            AnnotationKind::Deprecate | AnnotationKind::Note => {
                ensure(layer != Layer::Operator)?;
                let version = version();
                let is_name = subject.parse::<crate::name::Namespace>().is_ok();
                ensure(
                    subject.is_empty() || if layer == Layer::Package { version.is_some() } else { is_name },
                )?;
                let covers = |scope: &[String]| match &version {
                    _ if subject.is_empty() => scopes::is_unlimited(scope),
                    Some(version) => scopes::covers_version(scope, version),
                    None => scopes::covers_name(scope, subject),
                };
                ensure(!log.allow(Power::Annotate, covers, &self.signers, self.now).is_empty())
            }
            AnnotationKind::Variant => {
                ensure(layer == Layer::Package)?;
                let version = version()?;
                let (kind, content) = value.split_once(' ')?;
                let digests = content.split(' ').filter(|digest| digest.parse::<Digest>().is_ok()).count();
                ensure(["locked", "bundled"].contains(&kind) && digests == content.split(' ').count())?;
                ensure(digests <= 2 && !log.release(&version)?.variants.contains(kind))?;
                self.need_version(Power::Release, &version)
            }
            AnnotationKind::Endorse => {
                ensure(layer == Layer::Package)?;
                let version = version()?;
                let release = log.release(&version)?;
                ensure(release.for_somebody && value == release.content.to_string())?;
                ensure(!log.distrusted(release))?;
                ensure(
                    !log.allow_version(Power::Release, &version, &self.own_signers()?, self.now).is_empty(),
                )
            }
        }
    }

    fn check_limits(&self) -> Allowed {
        let live = self.log.live(self.now);
        let keys: usize = live.iter().map(|role| self.log.roles[*role].keys.len()).sum();
        ensure(live.len() <= LIVE_ROLES_MAX && keys <= LIVE_KEYS_MAX)
    }

    /// What v1 clients see.
    fn project(&self, before: &Log, steps: &[Step], envelope: &KeyId) -> Option<Vec<V1>> {
        let first = before.records.is_empty();
        if self.log.layer == Layer::Operator {
            return self.project_operator(before, steps, envelope);
        }
        let mut entries = Vec::new();
        if first {
            let operator = self.operator.as_ref()?;
            let held = operator.holds(Power::Commit, self.now);
            ensure(held.iter().any(|key| key.id() == *envelope))?;
            entries.push(V1::Init(*envelope));
            let others =
                operator.ever_commit.iter().filter(|key| held.contains(key) && key.id() != *envelope);
            entries.extend(others.map(|key| V1::Grant(key.id())));
        }
        entries.extend(steps.iter().filter_map(|step| match step {
            Step::Release(release) => Some(V1::Release(release.version.clone())),
            Step::Yank { version, .. } => Some(V1::Yank(version.clone())),
            _ => None,
        }));
        Some(entries)
    }

    fn project_operator(&self, before: &Log, steps: &[Step], envelope: &KeyId) -> Option<Vec<V1>> {
        let (mut log, mut known) = (before.clone(), before.known_to_v1.clone());
        let (mut grants, mut imports, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Grant(grant) if log.granted(grant, self.now)?.1.powers.contains(&Power::Commit) => {
                    grants.extend(grant.keys.iter().map(PublicKey::id));
                }
                Step::Import { namespace, .. } => imports.push(V1::Import(namespace.to_string())),
                Step::Revoke(revoke) => {
                    let role = log.named(&revoke.role, self.now).map(|role| &log.roles[role]);
                    let role = role.filter(|role| role.powers.contains(&Power::Commit));
                    let all = role.filter(|_| revoke.key_ids.is_empty()).into_iter();
                    lost.extend(all.flat_map(|role| role.keys.keys().copied()));
                    lost.extend(role.into_iter().flat_map(|_| revoke.key_ids.iter().copied()));
                }
                _ => {}
            }
            log.follow(step, &self.signers, self.now);
        }
        let mut entries: Vec<V1> =
            grants.into_iter().filter(|key| known.insert(*key)).map(V1::Grant).collect();
        if before.records.is_empty() {
            // The log begins with its first commit key, which signs.
            ensure(entries.first() == Some(&V1::Grant(*envelope)))?;
            entries[0] = V1::Init(*envelope);
        }
        let holds =
            |key: &KeyId| self.log.holds(Power::Commit, self.now).iter().any(|held| held.id() == *key);
        entries.extend(imports);
        let gone = lost.into_iter().filter(|key| !holds(key) && known.remove(key));
        let mut gone: Vec<KeyId> = gone.collect();
        // Or v1 would not know the signer any more in the middle of its record.
        if let Some(at) = gone.iter().position(|key| key == envelope) {
            gone[at..].rotate_left(1);
        }
        entries.extend(gone.into_iter().map(V1::Revoke));
        Some(entries)
    }
}
