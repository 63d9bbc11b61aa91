//! What holds after everything that is accepted: both judges know the same, and the properties of
//! `spec/delegation.md`, "What must be shown by test".

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::past;
use super::place::KEYS;
use super::play::{Outcome, Play};
use super::scopes;
use crate::act::{Act, AnnotationKind, Step};
use crate::authority::role::{Power, Role, RoleId};
use crate::authority::{Changes, OWNER, State};
use crate::envelope::Envelope;
use crate::id::Layer;
use crate::key::{KeyId, PublicKey};
use crate::name::LogName;
use crate::record::PackageRecord;
use crate::v1::package::SignatureCheck;

/// All that can be seen of a live role.
#[derive(Debug, PartialEq)]
struct Seen {
    keys: BTreeSet<KeyId>,
    threshold: u32,
    powers: BTreeSet<Power>,
    scope: Vec<String>,
    end: Option<crate::time::Time>,
    depth: u32,
    parent: Option<String>,
}

impl Play {
    /// Both judges know the same of a log.
    pub(super) fn check_same(&self, log: &LogName) -> Outcome {
        let (state, model) = (&self.stands.states[log], self.past.log(log));
        let of_state: BTreeMap<String, Seen> =
            state.live_at(self.time).map(|role| seen(state, role)).collect();
        let live = model.live(self.time).into_iter().map(|role| seen_by_model(&model, role));
        prop_assert_eq!(&of_state, &live.collect::<BTreeMap<_, _>>(), "roles of {}", log);
        let facts = &self.stands.facts[log];
        let releases: Vec<_> = facts
            .releases
            .values()
            .map(|one| {
                let (yanked, carried) = (one.yanked.is_some(), one.carried_yank.is_some());
                let lifted = one.endorsed.is_some();
                (one.version.clone(), one.place, state.distrusts(one), yanked, carried, lifted)
            })
            .collect();
        let mut of_model: Vec<_> = model
            .releases
            .iter()
            .map(|one| {
                let distrusted = model.distrusted(one);
                let place = one.place as u64;
                (one.version.clone(), place, distrusted, one.yanked, one.yanked_for_v1, one.lifted)
            })
            .collect();
        of_model.sort_by(|one, other| one.0.cmp(&other.0));
        prop_assert_eq!(releases, of_model, "releases of {}", log);
        prop_assert!(state.v1_keys().eq(&model.known_to_v1));
        prop_assert_eq!(state.length(), model.records.len() as u64);
        prop_assert_eq!(state.policy().to_string(), model.policy.clone());
        let held = model.ever_commit.iter().filter(|key| model.holds(Power::Commit, self.time).contains(key));
        prop_assert!(state.commit_keys(self.time).eq(held), "commit keys, in their order");
        let publishing = |key: &KeyId| state.is_publishing_key(key);
        let same = KEYS.iter().map(PublicKey::id).all(|key| {
            publishing(&key) == model.ever_publish.contains(&key)
                && ["hello", "http-a", "fmt"].iter().all(|name| {
                    facts.admits(name, &key) == model.admitted.contains(&((*name).to_owned(), key))
                })
        });
        prop_assert!(same, "publishing and admitted keys");
        let imports: BTreeMap<_, _> = state
            .imports()
            .iter()
            .map(|(namespace, registry)| (namespace.to_string(), registry.clone()))
            .collect();
        prop_assert_eq!(&imports, &model.imports);
        let vkeys: BTreeMap<_, _> =
            state.vkeys().map(|(origin, vkey)| (origin.to_owned(), vkey.to_owned())).collect();
        prop_assert_eq!(&vkeys, &model.vkeys);
        Ok(())
    }

    /// "What must be shown", a and b: nothing lies outside what every ancestor allows, and what died acts no more.
    pub(super) fn check_lives(&mut self, changes: &Changes) -> Outcome {
        let state = &changes.state;
        self.roles.extend(state.roles().map(|role| (role.made, role.clone())));
        for role in state.roles() {
            prop_assert!(!self.dead.contains(&role.made), "`{}` was dead", role.name);
            for above in state.ancestors(role) {
                let handed = |power: &&Power| !matches!(power, Power::Commit | Power::Publish);
                prop_assert!(role.powers.iter().filter(handed).all(|power| above.powers.contains(power)));
                prop_assert!(scopes::is_within(&role.scope.to_texts(), &above.scope.to_texts()));
                prop_assert!(role.depth < above.depth);
            }
            let direct = role.parent == state.role(OWNER).map(|owner| owner.made);
            let named_only = role.powers.contains(&Power::Commit) || role.powers.contains(&Power::Publish);
            prop_assert!(direct || !named_only, "`{}` was handed on", role.name);
        }
        let head = state.head();
        for release in changes.releases.iter().filter(|release| Some(release.record) == head) {
            prop_assert!(!release.allowed_by.is_empty());
            for id in release.allowed_by.iter().flatten() {
                prop_assert!(!self.dead.contains(id), "a dead role releases {}", release.version);
                // One that an act makes and ends is seen by nobody.
                if let Some(role) = self.roles.get(id) {
                    prop_assert!(role.powers.contains(&Power::Release));
                    prop_assert!(scopes::covers_version(&role.scope.to_texts(), &release.version));
                }
            }
        }
        self.dead.extend(changes.dead.iter().map(|(_, role)| *role));
        let live: BTreeSet<RoleId> = state.roles().map(|role| role.made).collect();
        prop_assert!(live.is_disjoint(&self.dead));
        Ok(())
    }

    /// "What must be shown", e: fewer keys than must agree change nothing.
    pub(super) fn check_guard(
        &self,
        log: &LogName,
        act: &Act,
        signers: &BTreeSet<KeyId>,
        envelope: &KeyId,
    ) -> Outcome {
        let [step] = &act.steps[..] else { return Ok(()) };
        let Some(guard) = self.guard(log, step) else { return Ok(()) };
        prop_assert!(signers.len() >= guard as usize, "{} of {} did {:?}", signers.len(), guard, step);
        let few = guard as usize - 1;
        for from in 0..signers.len().min(3) {
            let chosen: BTreeSet<KeyId> = signers.iter().cycle().skip(from).take(few).copied().collect();
            let refused = self.carry(log, &act.encode(), &chosen, envelope);
            prop_assert!(refused.is_err(), "{:?} alone do {:?}", chosen, step);
        }
        Ok(())
    }

    /// The fewest keys that must agree to a step: "the least threshold among the live roles that cover it".
    fn guard(&self, log: &LogName, step: &Step) -> Option<u32> {
        let state = self.stands.states.get(log)?;
        let context = self.stands.context(log);
        let least = |state: &State, power: Power, covers: &dyn Fn(&[String]) -> bool| {
            let holds = |role: &&Role| role.powers.contains(&power) && covers(&role.scope.to_texts());
            state.live_at(self.time).filter(holds).map(|role| role.threshold).min()
        };
        let by_name = |state: &State, power, name: &str| {
            least(state, power, &|scope: &[String]| scopes::covers_name(scope, name))
        };
        let owners = state.role(OWNER)?.threshold;
        let live = |name: &str| state.live_at(self.time).find(|role| role.name == *name);
        match step {
            Step::Grant(grant) => match live(&grant.role) {
                Some(role) => Some(state.ancestors(role).next().map_or(owners, |parent| parent.threshold)),
                None if grant.parent.is_empty() => Some(owners),
                None => live(&grant.parent).map(|parent| parent.threshold),
            },
            Step::Revoke(revoke) => match live(&revoke.role) {
                _ if revoke.since.is_some() || revoke.role == OWNER => Some(owners),
                Some(role) => {
                    let above = state.ancestors(role).map(|above| above.threshold);
                    above.chain((!revoke.key_ids.is_empty()).then_some(1)).min()
                }
                None => None,
            },
            Step::Release(release) => {
                least(state, Power::Release, &|scope| scopes::covers_version(scope, &release.version))
            }
            Step::Yank { version, .. } => {
                least(state, Power::Yank, &|scope| scopes::covers_version(scope, version))
            }
            Step::Annotate { kind: AnnotationKind::Policy | AnnotationKind::Vkey, .. } => Some(owners),
            Step::Annotate { kind: AnnotationKind::Variant | AnnotationKind::Endorse, subject, .. } => {
                let version = subject.parse().unwrap();
                least(state, Power::Release, &|scope| scopes::covers_version(scope, &version))
            }
            Step::Annotate { subject, .. } => least(state, Power::Annotate, &|scope| match subject.parse() {
                _ if subject.is_empty() => scopes::is_unlimited(scope),
                Ok(version) => scopes::covers_version(scope, &version),
                Err(_) => scopes::covers_name(scope, subject),
            }),
            Step::Admit { name, .. } => by_name(state, Power::Init, name),
            Step::Import { namespace, .. } => by_name(state, Power::Import, namespace.as_str()),
            Step::Takedown { package, .. } => by_name(state, Power::Takedown, package.namespace().as_str()),
            Step::Recover { .. } => match log {
                LogName::Operator => None,
                LogName::Namespace(namespace) => {
                    by_name(context.operator?, Power::Recover, namespace.as_str())
                }
                LogName::Package(package) => by_name(context.namespace?, Power::Recover, package.name()),
            },
            Step::Init { .. } => None,
        }
    }

    /// "What must be shown", c and f, as far as they are seen from here: a package's record is accepted by v1's rules as
    /// long as v1 knows who signs it, and only keys that held `commit` stand in v1 fields.
    pub(super) fn check_v1(&mut self, log: &LogName, sealed: &Envelope) -> Outcome {
        if log.layer() != Layer::Package {
            return Ok(());
        }
        let knows =
            self.stands.states.get(log).is_none_or(|state| state.v1_keys().any(|key| *key == sealed.key_id));
        let Some(state) = self.v1.entry(log.clone()).or_insert_with(|| Some(Default::default())) else {
            return Ok(());
        };
        let record = PackageRecord::decode(&sealed.contents).unwrap();
        let judged = state.judge(sealed, &record, SignatureCheck::Done);
        // One that was revoked there may still sign what has no entries.
        let accepted = judged.is_ok() && (knows || record.entries.is_empty());
        prop_assert!(accepted || !knows, "v1 says {:?} of {:?}", judged.err(), record);
        match judged {
            Ok(changes) => state.apply(changes),
            Err(_) => _ = self.v1.insert(log.clone(), None),
        }
        Ok(())
    }
}

fn seen(state: &State, role: &Role) -> (String, Seen) {
    let seen = Seen {
        keys: role.keys.keys().copied().collect(),
        threshold: role.threshold,
        powers: role.powers.clone(),
        scope: role.scope.to_texts(),
        end: role.not_after,
        depth: role.depth,
        parent: state.ancestors(role).next().map(|parent| parent.name.clone()),
    };
    (role.name.clone(), seen)
}

fn seen_by_model(log: &past::Log, role: usize) -> (String, Seen) {
    let role = &log.roles[role];
    let seen = Seen {
        keys: role.keys.keys().copied().collect(),
        threshold: role.threshold,
        powers: role.powers.clone(),
        scope: role.scope.clone(),
        end: role.end,
        depth: role.depth,
        parent: role.parent.map(|parent| log.roles[parent].name.clone()),
    };
    (role.name.clone(), seen)
}
