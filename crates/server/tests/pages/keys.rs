//! Keys and roles as a registry would give them.

use wargate_wire::api::{DeadRole, Guard, Key, KeyChange, Keys, Layer, LogKind, RecordedAt, Role, V1Key};

use crate::fixtures::{DAY, checkpoint, digest};

fn at(log_index: u64) -> RecordedAt {
    RecordedAt { log_index, record_id: digest(&log_index.to_string()), time: DAY.into() }
}

fn key(of: &str, of_registry: bool) -> Key {
    let key = "ecdsa-p256:A1OfZz5Y9Ny7VKPVwroCTQPAr9tmlI4U/UTYHZHA87AF".into();
    Key { id: digest(of), key, of_registry }
}

fn role(name: &str, level: u32, threshold: u32, keys: Vec<Key>) -> Role {
    Role {
        name: name.into(),
        parent: (level > 0).then(|| "owner".into()),
        level,
        keys,
        threshold,
        powers: vec!["release".into(), "yank".into()],
        scope: Vec::new(),
        over: "every version".into(),
        not_after: None,
        ends_soon: false,
        depth: 8 - level,
        given: Some(at(1_017)),
    }
}

fn guard(action: &str, words: &str, keys: Option<u32>, roles: &[&str]) -> Guard {
    let roles = roles.iter().map(ToString::to_string).collect();
    Guard { action: action.into(), words: words.into(), keys, roles }
}

/// A package that several look after.
pub(crate) fn keys() -> Keys {
    let ci = Role {
        scope: vec![">=1.0.0 <2.0.0".into()],
        over: "versions >=1.0.0 <2.0.0".into(),
        not_after: Some("2026-12-14T10:00:00Z".into()),
        ends_soon: true,
        depth: 0,
        ..role("ci", 1, 1, vec![key("ci", true)])
    };
    let night = Role { parent: Some("lead".into()), ..role("night-shift", 2, 1, vec![key("night", false)]) };
    let revoked = format!("takes {} from the role `lead`", digest("leaver"));
    Keys {
        log: "acme:hello".into(),
        layer: Layer::Package,
        log_id: digest("log"),
        log_kind: LogKind::Delegated,
        policy: vec!["two-persons".into()],
        guards: vec![
            guard("annotate", "deprecate and note", None, &[]),
            guard("release", "release versions", Some(1), &["owner", "ci", "lead", "night-shift"]),
            guard("owner", "change the owners, end any role, set a policy", Some(2), &["owner"]),
        ],
        roles: vec![
            role("owner", 0, 2, vec![key("owner", false), key("second owner", false)]),
            ci,
            role("lead", 1, 1, vec![key("lead", false)]),
            night,
        ],
        dead_roles: vec![
            DeadRole {
                name: "helper".into(),
                given: Some(at(1_020)),
                was: Some(format!("grants the role `helper` to {}; it may release", digest("helper"))),
                expired: None,
            },
            DeadRole { name: "old".into(), given: None, was: None, expired: Some(DAY.into()) },
        ],
        v1_keys: Vec::new(),
        history: vec![
            KeyChange {
                at: at(1_031),
                did: vec![revoked, "ends the role `helper`".into()],
                key_ids: vec![digest("owner")],
            },
            KeyChange {
                at: at(1_017),
                did: vec!["begins the log".into()],
                key_ids: vec![digest("owner"), digest("second owner")],
            },
        ],
        next: Some(1_017),
        checkpoint: checkpoint(),
    }
}

/// A package that the `warg` command writes.
pub(crate) fn v1() -> Keys {
    let key = |of: &str, permissions: &[&str]| V1Key {
        id: digest(of),
        key: key(of, false).key,
        permissions: permissions.iter().map(ToString::to_string).collect(),
    };
    Keys {
        log_kind: LogKind::V1,
        policy: Vec::new(),
        guards: Vec::new(),
        roles: Vec::new(),
        dead_roles: Vec::new(),
        v1_keys: vec![key("first", &["release", "yank"]), key("gone", &[])],
        history: Vec::new(),
        next: None,
        ..keys()
    }
}

/// A log of a layer above.
pub(crate) fn above(log: &str, layer: Layer) -> Keys {
    let mut keys = keys();
    (keys.log, keys.layer, keys.next) = (log.into(), layer, None);
    keys.roles.truncate(1);
    keys.policy.clear();
    keys.dead_roles.clear();
    keys
}
