//! Random acts of delegated logs: what somebody may sign next, given the log as it stands; often one step too far.

use wargate_core::act::{
    self, AnnotationKind, Grant, OnBehalfOf, Release, Revoke, Step, power::Power, scope::Scope,
};
use wargate_core::authority::role::Role;
use wargate_core::authority::{Facts, State};
use wargate_core::digest::Digest;
use wargate_core::id::Layer;
use wargate_core::key::{Algorithm, KeyId, PublicKey, SecretKey};
use wargate_core::time::Time;

use crate::chance::Chance;

const VERSIONS: &[&str] =
    &["0.1.0", "0.2.0", "1.0.0-rc.1", "1.0.0", "1.1.0", "1.2.0", "1.2.1", "2.0.0-rc.1", "2.0.0", "2.1.0"];
const ROLES: &[&str] = &["owner", "ci", "team", "ops", "registry", "friends"];
const COMMIT_ROLES: &[&str] = &["commit", "next", "spare"];
const IMPORTED: &[&str] = &["wasi", "ba", "acme", "other"];
const NAMES: &[&str] = &["hello", "http-types", "old"];
const NAME_SCOPES: &[&[&str]] = &[&["acme"], &["*"], &["hello", "http-*"], &["acme*", "hello"]];
const VERSION_SCOPES: &[&[&str]] =
    &[&[">=1.0.0 <2.0.0"], &[">=0.1.0 <3.0.0"], &[">=1.0.0-0 <2.0.0"], &[">=0.1.0 <1.0.0", ">=2.0.0 <3.0.0"]];

/// Namespaces that acts import, or try to.
pub fn imported() -> &'static [&'static str] {
    IMPORTED
}

/// A log as whoever writes its next act finds it.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Everybody's keys.
    pub keys: &'a [SecretKey],
    /// The log.
    pub state: &'a State,
    /// What is known of it.
    pub facts: &'a Facts,
    /// The log above.
    pub above: Option<&'a State>,
    /// The registry's publishing keys.
    pub publishing: Vec<PublicKey>,
    /// Now.
    pub time: Time,
}

impl Scene<'_> {
    /// Who endorses: mostly enough of one role or two, often the owners; at times the registry alone.
    pub fn signers(&self, chance: &mut Chance) -> Vec<KeyId> {
        if let (Some(registry), true) = (self.state.role("registry"), chance.one_in(6)) {
            return some_of(chance, registry);
        }
        let roles: Vec<&Role> = self.state.live_at(self.time).collect();
        let mut signers = Vec::new();
        if let (Some(owner), false) = (roles.first(), chance.one_in(3)) {
            signers.extend(some_of(chance, owner));
        }
        if !roles.is_empty() {
            let role = *chance.pick(&roles);
            signers.extend(some_of(chance, role));
        }
        signers
    }

    /// Enough of the layer above to begin or recover the log.
    fn signers_above(&self, chance: &mut Chance) -> Vec<KeyId> {
        let roles = self.above.into_iter().flat_map(|above| above.live_at(self.time));
        roles.take(2).flat_map(|role| some_of(chance, role)).collect()
    }

    /// The steps that they agree to, and who must join them where a step needs more than this log's roles.
    pub fn steps(&self, chance: &mut Chance, signers: &mut Vec<KeyId>) -> Vec<Step> {
        let is_publishing = |id: &KeyId| self.publishing.iter().any(|key| key.id() == *id);
        let on_behalf = !signers.is_empty() && signers.iter().all(is_publishing);
        if on_behalf && self.state.log().layer() == Layer::Package {
            return vec![self.release(chance, true)];
        }
        let mut steps = Vec::new();
        if self.state.head().is_none() {
            let (keys, threshold) = self.owners(chance);
            signers.extend(keys.iter().map(PublicKey::id));
            steps.push(Step::Init { keys, threshold });
            if self.state.log().layer() == Layer::Package && chance.one_in(2) {
                let (keys, powers) = (self.publishing.clone(), vec![Power::Release]);
                steps.push(Step::Grant(Grant { keys, threshold: 1, powers, ..bare("registry".to_owned()) }));
            }
        }
        for _ in 0..1 + chance.below(5) / 2 {
            steps.push(self.step(chance));
        }
        if steps.iter().any(|step| matches!(step, Step::Init { .. } | Step::Recover { .. })) {
            signers.extend(self.signers_above(chance));
        }
        steps
    }

    fn step(&self, chance: &mut Chance) -> Step {
        match (self.state.log().layer(), chance.below(24)) {
            (_, 0..5) => self.grant(chance),
            (_, 5..9) => self.revoke(chance),
            (Layer::Operator, 9..15) => self.commit_grant(chance),
            (Layer::Operator, 15..18) => Step::Import {
                namespace: chance.pick(IMPORTED).parse().expect("a name"),
                registry: "other.example".to_owned(),
            },
            (Layer::Operator, 18..21) => takedown(chance, self.time),
            (Layer::Namespace, 9..14) => {
                let key = self.free_keys(chance, 1, Some(Algorithm::EcdsaP256)).pop();
                let key = key.unwrap_or_else(|| chance.pick(self.keys).public().clone());
                Step::Admit { name: (*chance.pick(NAMES)).to_owned(), key }
            }
            (Layer::Namespace | Layer::Package, 14) => {
                let (keys, threshold) = self.owners(chance);
                Step::Recover { keys, threshold }
            }
            (Layer::Package, 9..12) => Step::Yank {
                version: self.version(chance, None).parse().expect("a version"),
                reason: "broken".to_owned(),
            },
            (Layer::Package, 15..24) => self.release(chance, false),
            _ => self.annotate(chance),
        }
    }

    fn owners(&self, chance: &mut Chance) -> (Vec<PublicKey>, u32) {
        let count = 1 + chance.below(3);
        let keys = self.free_keys(chance, count, None);
        let threshold = 1 + chance.below(keys.len().clamp(1, 2)) as u32;
        (keys, threshold)
    }

    /// Different keys that are in no live role of the log.
    fn free_keys(&self, chance: &mut Chance, count: usize, algorithm: Option<Algorithm>) -> Vec<PublicKey> {
        let taken = |key: &PublicKey| self.state.roles().any(|role| role.keys.contains_key(&key.id()));
        let fits = |key: &&PublicKey| !taken(key) && algorithm.is_none_or(|wanted| key.algorithm() == wanted);
        let mut free: Vec<&PublicKey> = self.keys.iter().map(SecretKey::public).filter(fits).collect();
        let mut chosen = Vec::new();
        while chosen.len() < count && !free.is_empty() {
            chosen.push(free.swap_remove(chance.below(free.len())).clone());
        }
        chosen
    }

    fn end(&self, chance: &mut Chance, parent: Option<&Role>) -> Option<Time> {
        let own = chance.one_in(3).then(|| self.time.plus_seconds(*chance.pick(&[30, 600, 5_000])));
        let above = parent.and_then(|parent| parent.not_after);
        own.into_iter().chain(above).min()
    }

    /// A new role, or more for a live one.
    fn grant(&self, chance: &mut Chance) -> Step {
        let layer = self.state.log().layer();
        let count = 1 + chance.below(3);
        let keys = self.free_keys(chance, count, None);
        let role = (*chance.pick(ROLES)).to_owned();
        if let Some(live) = self.state.role(&role) {
            let threshold = chance.below(3) as u32;
            let not_after = if live.is_owner() { None } else { self.end(chance, None) };
            return Step::Grant(Grant { keys, threshold, not_after, ..bare(role) });
        }
        let parents: Vec<&Role> = self.state.live_at(self.time).filter(|role| role.depth > 0).collect();
        let parent = if parents.is_empty() { None } else { Some(*chance.pick(&parents)) };
        let threshold = 1 + chance.below(keys.len().max(1)) as u32;
        let of_layer: Vec<Power> = Power::ALL.into_iter().filter(|power| power.is_of(layer)).collect();
        let mut powers: Vec<Power> = (0..chance.below(4)).map(|_| *chance.pick(&of_layer)).collect();
        powers.sort_unstable();
        powers.dedup();
        let scopes = if layer == Layer::Package { VERSION_SCOPES } else { NAME_SCOPES };
        let scope =
            if chance.one_in(3) { scope(scopes[chance.below(scopes.len())]) } else { Scope::Unlimited };
        let not_after = self.end(chance, parent);
        let depth = chance.below(parent.map_or(1, |parent| parent.depth as usize)) as u32;
        let parent = parent.map(|parent| parent.name.clone()).unwrap_or_default();
        Step::Grant(Grant { role, keys, threshold, powers, scope, not_after, depth, parent })
    }

    /// Lets a commit key in.
    fn commit_grant(&self, chance: &mut Chance) -> Step {
        let role = (*chance.pick(COMMIT_ROLES)).to_owned();
        let count = 1 + chance.below(2);
        let keys = self.free_keys(chance, count, Some(Algorithm::EcdsaP256));
        let not_after = self.end(chance, None);
        let threshold = u32::from(self.state.role(&role).is_none());
        Step::Grant(Grant { keys, threshold, powers: vec![Power::Commit], not_after, ..bare(role) })
    }

    fn revoke(&self, chance: &mut Chance) -> Step {
        let live: Vec<&Role> = self.state.roles().collect();
        let places: Vec<_> = self.facts.places.keys().copied().collect();
        let distrusts = self.state.log().layer() == Layer::Package && chance.one_in(2) && !places.is_empty();
        let since = distrusts.then(|| *chance.pick(&places));
        let dead: Vec<&String> = self.facts.dead.keys().collect();
        if live.is_empty() || (since.is_some() && !dead.is_empty() && chance.one_in(3)) {
            let role = if dead.is_empty() { "ci".to_owned() } else { (*chance.pick(&dead)).clone() };
            return Step::Revoke(Revoke { role, key_ids: Vec::new(), since });
        }
        let role = chance.pick(&live);
        let mut key_ids: Vec<KeyId> = role.keys.keys().copied().collect();
        if !role.is_owner() && chance.one_in(3) {
            key_ids.clear();
        } else {
            let count = if chance.one_in(3) { 2 } else { 1 };
            while key_ids.len() > count {
                key_ids.swap_remove(chance.below(key_ids.len()));
            }
        }
        Step::Revoke(Revoke { role: role.name.clone(), key_ids, since })
    }

    fn release(&self, chance: &mut Chance, on_behalf: bool) -> Step {
        let on_behalf_of =
            on_behalf.then(|| OnBehalfOf::parse("oidc https://ci.example job 7").expect("an identity"));
        Step::Release(Release {
            version: chance.pick(VERSIONS).parse().expect("a version"),
            content: Digest::of(&chance.bytes32()),
            manifest: chance.one_in(2).then(|| Digest::of(&chance.bytes32())),
            variants: Vec::new(),
            dependencies: Vec::new(),
            on_behalf_of,
            breaking: chance.one_in(4),
        })
    }

    /// Mostly one that was released; for the kind `endorse` one on behalf of somebody, if there is any.
    fn version(&self, chance: &mut Chance, kind: Option<AnnotationKind>) -> String {
        let lifts = kind == Some(AnnotationKind::Endorse);
        let wanted = self.facts.releases.values().filter(|one| !lifts || one.on_behalf_of.is_some());
        let released: Vec<String> = wanted.map(|release| release.version.to_string()).collect();
        if released.is_empty() || chance.one_in(8) {
            return (*chance.pick(VERSIONS)).to_owned();
        }
        chance.pick(&released).clone()
    }

    fn annotate(&self, chance: &mut Chance) -> Step {
        use AnnotationKind::{Deprecate, Endorse, Note, Policy, Variant, Vkey};
        let kinds: &[AnnotationKind] = match self.state.log().layer() {
            Layer::Operator => &[Vkey, Vkey, Policy],
            Layer::Namespace => &[Deprecate, Note, Policy],
            Layer::Package => &[Deprecate, Note, Variant, Variant, Endorse, Endorse, Policy],
        };
        let kind = *chance.pick(kinds);
        let subject = match (kind, self.state.log().layer()) {
            (Policy, _) => String::new(),
            (Vkey, _) => "log.example".to_owned(),
            (_, Layer::Package) => self.version(chance, Some(kind)),
            _ => (*chance.pick(NAMES)).to_owned(),
        };
        let value = match kind {
            // Two persons would leave most worlds still.
            Policy if chance.one_in(8) => "two-persons".to_owned(),
            Policy => String::new(),
            Variant => format!("locked {}", Digest::of(&chance.bytes32())),
            Endorse => {
                let release = subject.parse().ok().and_then(|version| self.facts.releases.get(&version));
                release.map(|release| release.content.to_string()).unwrap_or_default()
            }
            Deprecate | Note | Vkey => "words".to_owned(),
        };
        Step::Annotate { kind, subject, value }
    }
}

/// The first act of an operator's log: owners, commit keys, the registry's publishing key. The first of the commit
/// keys signs the record.
pub fn genesis(chance: &mut Chance, keys: &[SecretKey]) -> (Vec<Step>, Vec<KeyId>, KeyId) {
    let (p256, mut others): (Vec<&PublicKey>, Vec<&PublicKey>) =
        keys.iter().map(SecretKey::public).partition(|key| key.algorithm() == Algorithm::EcdsaP256);
    let from = chance.below(p256.len() - 3);
    let commit: Vec<PublicKey> =
        p256[from..=from + chance.below(3)].iter().map(|key| (*key).clone()).collect();
    let mut take = || others.swap_remove(chance.below(others.len())).clone();
    let (owners, publishing) = (vec![take(), take()], take());
    let (signers, first) = (owners.iter().map(PublicKey::id).collect(), commit[0].id());
    let grant = |role: &str, keys, powers: &[Power]| {
        Step::Grant(Grant { keys, threshold: 1, powers: powers.to_vec(), ..bare(role.to_owned()) })
    };
    let steps = vec![
        Step::Init { keys: owners, threshold: 1 + chance.below(2) as u32 },
        grant("commit", commit, &[Power::Commit]),
        grant("registry", vec![publishing], &[Power::Define, Power::Publish]),
    ];
    (steps, signers, first)
}

fn bare(role: String) -> Grant {
    Grant {
        role,
        keys: Vec::new(),
        threshold: 0,
        powers: Vec::new(),
        scope: Scope::Unlimited,
        not_after: None,
        depth: 0,
        parent: String::new(),
    }
}

fn scope(texts: &[&str]) -> Scope {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    Scope::parse(&texts).expect("a scope")
}

fn takedown(chance: &mut Chance, time: Time) -> Step {
    let lifted = chance.one_in(3);
    Step::Takedown {
        package: "acme:hello".parse().expect("a name"),
        version: chance.one_in(2).then(|| chance.pick(VERSIONS).parse().expect("a version")),
        reason: "a court's order".to_owned(),
        lifted,
        not_after: (!lifted && chance.one_in(2)).then(|| time.plus_seconds(600)),
    }
}

/// Mostly as many of a role's keys as must agree.
fn some_of(chance: &mut Chance, role: &Role) -> Vec<KeyId> {
    let count = if chance.one_in(8) { 1 } else { role.threshold as usize };
    role.keys.keys().copied().cycle().skip(chance.below(role.keys.len())).take(count).collect()
}

/// By what a step is counted.
pub fn kind(step: &Step) -> String {
    match step {
        Step::Annotate { kind, .. } => format!("Annotate {kind}"),
        Step::Grant(act::Grant { powers, .. }) if powers.contains(&Power::Commit) => {
            "Grant commit".to_owned()
        }
        Step::Revoke(Revoke { since: Some(_), .. }) => "Revoke since".to_owned(),
        Step::Revoke(Revoke { key_ids, .. }) if !key_ids.is_empty() => "Revoke keys".to_owned(),
        Step::Release(Release { on_behalf_of: Some(_), .. }) => "Release on behalf".to_owned(),
        _ => step.name().to_owned(),
    }
}
