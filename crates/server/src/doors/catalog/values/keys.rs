//! Keys and roles as our own JSON's.

use wargate_core::authority::role::Power;
use wargate_core::id::Layer;
use wargate_core::record::PackagePermission;
use wargate_core::time::Time;
use wargate_core::v1::package::KeyState;
use wargate_registry::{Committed, DeadRole, KeyChange, KeysView, RecordedAt, RoleView, Roles, Standing};
use wargate_wire::api;

use super::{checkpoint_of, ids, time};

/// The guard of what no power does but the owners together.
const OWNER_ACTION: &str = "owner";

pub(in crate::doors::catalog) fn keys(view: &KeysView, checkpoint: &Committed) -> api::Keys {
    let layer = view.log.layer();
    let mut keys = api::Keys {
        log: view.log.as_str().to_owned(),
        layer: layer_of(layer),
        log_id: view.log.log_id().to_string(),
        log_kind: api::LogKind::V1,
        policy: Vec::new(),
        guards: Vec::new(),
        roles: Vec::new(),
        dead_roles: Vec::new(),
        v1_keys: Vec::new(),
        history: view.history.iter().map(change).collect(),
        next: view.next,
        checkpoint: checkpoint_of(checkpoint),
    };
    match &view.standing {
        Standing::V1(known) => keys.v1_keys = known.iter().map(v1_key).collect(),
        Standing::Delegated(roles) => {
            keys.log_kind = api::LogKind::Delegated;
            keys.policy = roles.policy.to_string().split_whitespace().map(str::to_owned).collect();
            keys.guards = guards(roles, layer);
            keys.roles = roles.live.iter().map(|one| role(one, layer, checkpoint)).collect();
            keys.dead_roles = roles.dead.iter().map(dead_role).collect();
        }
    }
    keys
}

fn layer_of(layer: Layer) -> api::Layer {
    match layer {
        Layer::Operator => api::Layer::Operator,
        Layer::Namespace => api::Layer::Namespace,
        Layer::Package => api::Layer::Package,
    }
}

fn guards(roles: &Roles, layer: Layer) -> Vec<api::Guard> {
    let mut guards: Vec<api::Guard> = roles
        .guards
        .iter()
        .map(|(power, keys)| {
            let may = roles.live.iter().filter(|one| one.role.powers.contains(power));
            api::Guard {
                action: power.as_str().to_owned(),
                words: power_in_words(*power, layer).to_owned(),
                keys: *keys,
                roles: may.map(|one| one.role.name.clone()).collect(),
            }
        })
        .collect();
    let owner = roles.live.iter().find(|one| one.role.is_owner());
    guards.extend(owner.map(|one| api::Guard {
        action: OWNER_ACTION.to_owned(),
        words: "change the owners, end any role, set a policy".to_owned(),
        keys: Some(one.role.threshold),
        roles: vec![one.role.name.clone()],
    }));
    guards
}

fn power_in_words(power: Power, layer: Layer) -> &'static str {
    match power {
        Power::Commit => "sign checkpoints and carry acts",
        Power::Define => "start namespaces",
        Power::Recover if layer == Layer::Operator => "give a namespace new owners",
        Power::Recover => "give a package new owners",
        Power::Publish => "release on behalf of the registry’s users, where a package lets it",
        Power::Import => "say that a namespace is another registry’s",
        Power::Takedown => "take content down",
        Power::Init => "start packages",
        Power::Annotate => "deprecate and note",
        Power::Release => "release versions",
        Power::Yank => "yank versions",
    }
}

fn role(view: &RoleView, layer: Layer, checkpoint: &Committed) -> api::Role {
    let role = &view.role;
    let keys = role.keys.iter().map(|(id, key)| api::Key {
        id: id.to_string(),
        key: key.to_string(),
        of_registry: view.of_registry.contains(id),
    });
    // As of the checkpoint, so that the same tree gives the same answer.
    let now = i64::try_from(checkpoint.signed.checkpoint.time).unwrap_or(i64::MAX);
    let soon = Time::from_seconds(now.saturating_add(api::ENDS_SOON_SECONDS));
    api::Role {
        name: role.name.clone(),
        parent: view.parent.clone(),
        level: u32::try_from(view.level).unwrap_or(u32::MAX),
        keys: keys.collect(),
        threshold: role.threshold,
        powers: role.powers.iter().map(ToString::to_string).collect(),
        scope: role.scope.to_texts(),
        over: over(view, layer),
        not_after: view.ends.map(time),
        ends_soon: view.ends.is_some_and(|end| end <= soon),
        depth: role.depth,
        given: view.given.as_ref().map(recorded_at),
    }
}

/// A role's scope in words; empty where its powers are over nothing in particular.
fn over(view: &RoleView, layer: Layer) -> String {
    if view.role.powers.iter().all(|power| power.is_named_only()) {
        return String::new();
    }
    let (all, some) = match layer {
        Layer::Operator => ("every namespace", "namespaces"),
        Layer::Namespace => ("every name", "names"),
        Layer::Package => ("every version", "versions"),
    };
    let scope = &view.role.scope;
    if scope.is_unlimited() { all.to_owned() } else { format!("{some} {}", scope.to_texts().join(" or ")) }
}

fn dead_role(dead: &DeadRole) -> api::DeadRole {
    api::DeadRole {
        name: dead.name.clone(),
        given: dead.given.as_ref().map(recorded_at),
        was: dead.was.clone(),
        expired: dead.expired.map(time),
    }
}

fn v1_key(state: &KeyState) -> api::V1Key {
    let held = PackagePermission::ALL.into_iter().filter(|one| state.permissions.holds(*one));
    api::V1Key {
        id: state.key.id().to_string(),
        key: state.key.to_string(),
        permissions: held.map(|one| one.to_string()).collect(),
    }
}

fn change(change: &KeyChange) -> api::KeyChange {
    api::KeyChange { at: recorded_at(&change.at), did: change.did.clone(), key_ids: ids(&change.by) }
}

fn recorded_at(at: &RecordedAt) -> api::RecordedAt {
    api::RecordedAt { log_index: at.index, record_id: at.record.to_string(), time: time(at.time) }
}
