use proptest::prelude::*;

use super::power::Power;
use super::scope::Scope;
use super::*;
use crate::id::Layer;
use crate::key::{Algorithm, SecretKey};

const NOW: Time = Time::from_seconds(1_800_000_000);

fn public(seed: u8) -> PublicKey {
    let algorithm = if seed.is_multiple_of(2) { Algorithm::EcdsaP256 } else { Algorithm::Ed25519 };
    SecretKey::from_bytes(algorithm, [seed; 32]).unwrap().public().clone()
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn record_id() -> impl Strategy<Value = RecordId> {
    digest().prop_map(RecordId::from_digest)
}

fn keys() -> impl Strategy<Value = Vec<PublicKey>> {
    prop::collection::btree_set(1..20u8, 0..4).prop_map(|seeds| seeds.into_iter().map(public).collect())
}

fn time() -> impl Strategy<Value = Time> {
    (0..4_000_000_000u64).prop_map(Time::from_millis)
}

fn version() -> impl Strategy<Value = semver::Version> {
    "[0-9]\\.[1-9][0-9]\\.0(-rc\\.[1-9])?(\\+b[0-9])?".prop_map(|text| text.parse().unwrap())
}

fn scope() -> impl Strategy<Value = Scope> {
    let of =
        |texts: &[&str]| Scope::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    prop_oneof![
        Just(Scope::Unlimited),
        Just(of(&["*"])),
        Just(of(&["http-*", "http", "a-b2*"])),
        Just(of(&[">=1.0.0 <2.0.0", ">=3.0.0-rc.1 <3.0.0-rc.9"])),
    ]
}

fn grant() -> impl Strategy<Value = Step> {
    let powers = prop::collection::btree_set(prop::sample::select(&Power::ALL[..]), 0..4);
    let rest = (any::<u32>(), scope(), prop::option::of(time()), any::<u32>(), "(owner|b-c)?");
    ("[a-z]{1,8}", keys(), powers, rest).prop_map(
        |(role, keys, powers, (threshold, scope, not_after, depth, parent))| {
            let powers = powers.into_iter().collect();
            Step::Grant(Grant { role, keys, threshold, powers, scope, not_after, depth, parent })
        },
    )
}

fn release() -> impl Strategy<Value = Step> {
    let variant =
        (any::<bool>(), digest(), prop::option::of(digest())).prop_map(|(locked, content, manifest)| {
            let kind = if locked { VariantKind::Locked } else { VariantKind::Bundled };
            Variant { kind, content, manifest }
        });
    let dependency = ("[a-z]{1,4}:[a-z]{1,4}", "[^\\x00]{0,9}", prop::option::of(version()), digest())
        .prop_map(|(name, requirement, version, content)| Dependency {
            name: name.parse().unwrap(),
            requirement,
            version,
            content: Some(content),
        });
    let behalf = ("(oidc|account) [a-z:/]{1,9} .{1,9}").prop_map(|text| OnBehalfOf::parse(&text).unwrap());
    let lists = (prop::collection::vec(variant, 0..3), prop::collection::vec(dependency, 0..3));
    let rest = (prop::option::of(digest()), prop::option::of(behalf), any::<bool>());
    (version(), digest(), lists, rest).prop_map(
        |(version, content, (variants, dependencies), (manifest, on_behalf_of, breaking))| {
            Step::Release(Release {
                version,
                content,
                manifest,
                variants,
                dependencies,
                on_behalf_of,
                breaking,
            })
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = ["deprecate", "note", "variant", "endorse", "policy", "vkey"];
    let kind = prop::sample::select(kinds.to_vec()).prop_map(|text| AnnotationKind::parse(text).unwrap());
    let ids = prop::collection::btree_set(digest().prop_map(KeyId::from_digest), 0..3);
    prop_oneof![
        (keys(), any::<u32>()).prop_map(|(keys, threshold)| Step::Init { keys, threshold }),
        grant(),
        ("[a-z]{1,8}", ids, prop::option::of(record_id())).prop_map(|(role, ids, since)| {
            Step::Revoke(Revoke { role, key_ids: ids.into_iter().collect(), since })
        }),
        release(),
        (version(), ".{0,9}").prop_map(|(version, reason)| Step::Yank { version, reason }),
        (kind, ".{0,9}", ".{0,9}").prop_map(|(kind, subject, value)| Step::Annotate { kind, subject, value }),
        ("[a-z]{1,8}", 1..9u8).prop_map(|(name, seed)| Step::Admit { name, key: public(2 * seed) }),
        (keys(), any::<u32>()).prop_map(|(keys, threshold)| Step::Recover { keys, threshold }),
        ("[a-z]{1,8}", "[a-z.]{1,9}").prop_map(|(namespace, registry)| Step::Import {
            namespace: namespace.parse().unwrap(),
            registry
        }),
        ("[a-z]{1,4}:[a-z]{1,4}", prop::option::of(version()), ".{0,9}", any::<bool>(), time()).prop_map(
            |(package, version, reason, lifted, end)| Step::Takedown {
                package: package.parse().unwrap(),
                version,
                reason,
                lifted,
                not_after: (!lifted).then_some(end),
            }
        ),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let window = (time(), 0..=ACT_WINDOW_SECONDS_MAX);
    let steps = prop::collection::vec(step(), 1..4)
        .prop_filter("no step twice", |steps| !(1..steps.len()).any(|at| steps[..at].contains(&steps[at])));
    let ids = (prop::option::of(record_id()), digest().prop_map(LogId::from_digest));
    (ids, steps, window, any::<[u8; 16]>()).prop_map(|((root, log), steps, (not_before, seconds), nonce)| {
        Act { root, log, steps, not_before, not_after: not_before.plus_seconds(seconds), nonce }
    })
}

proptest! {
    #[test]
    fn an_act_is_read_as_it_was_written(act in act()) {
        // A generated list may hold a value twice.
        match Act::decode(&act.encode()) {
            Err(ActError::Twice { .. }) => {}
            decoded => prop_assert_eq!(decoded, Ok(act)),
        }
    }

    #[test]
    fn one_byte_changed_is_never_another_encoding_of_the_same_act(
        act in act(), at in any::<prop::sample::Index>(), other in 1..=255u8,
    ) {
        let bytes = act.encode();
        let mut changed = bytes.clone();
        let at = at.index(bytes.len());
        changed[at] ^= other;
        if let Ok(decoded) = Act::decode(&changed) {
            prop_assert_ne!(&decoded, &act);
            prop_assert_eq!(decoded.encode(), changed.clone());
        }
        changed.remove(at);
        prop_assert_ne!(Act::decode(&changed), Ok(act));
    }

    #[test]
    fn whatever_is_read_is_written_back_the_same(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(act) = Act::decode(&bytes) {
            prop_assert_eq!(act.encode(), bytes);
        }
    }
}

/// An act's message that is valid, to be changed by the test.
fn message() -> proto::Act {
    let keys = vec![public(1), public(2)];
    let act = Act {
        root: None,
        log: LogId::operator(),
        steps: vec![Step::Init { keys, threshold: 1 }],
        not_before: NOW,
        not_after: NOW.plus_seconds(60),
        nonce: [1; 16],
    };
    proto::Act::decode(act.encode().as_slice()).unwrap()
}

fn with(step: proto::step::Step) -> proto::Act {
    proto::Act { steps: vec![proto::Step { step: Some(step) }], ..message() }
}

#[track_caller]
fn refused(message: &proto::Act) -> ActError {
    Act::decode(&message.encode_to_vec()).unwrap_err()
}

#[test]
fn an_acts_own_fields_are_checked() {
    let seconds = |seconds: i64| Some(proto::Timestamp { seconds: NOW.seconds() + seconds, nanos: 0 });
    let field = |field| ActError::Field { field };
    assert!(Act::decode(&message().encode_to_vec()).is_ok());
    let longest = proto::Act { not_after: seconds(ACT_WINDOW_SECONDS_MAX), ..message() };
    assert!(Act::decode(&longest.encode_to_vec()).is_ok());
    let moment = proto::Act { not_after: seconds(0), ..message() };
    assert!(Act::decode(&moment.encode_to_vec()).is_ok());
    for (message, error) in [
        (proto::Act { not_after: seconds(ACT_WINDOW_SECONDS_MAX + 1), ..message() }, ActError::Window),
        (proto::Act { not_after: seconds(-1), ..message() }, ActError::Window),
        (proto::Act { not_after: None, ..message() }, field("time")),
        (proto::Act { not_before: None, ..message() }, field("time")),
        (proto::Act { steps: Vec::new(), ..message() }, field("list of steps")),
        (proto::Act { steps: vec![proto::Step { step: None }], ..message() }, field("step")),
        (proto::Act { nonce: vec![1; 15], ..message() }, field("nonce")),
        (proto::Act { nonce: vec![1; 17], ..message() }, field("nonce")),
        (proto::Act { nonce: Vec::new(), ..message() }, field("nonce")),
        (proto::Act { log_id: String::new(), ..message() }, field("log id")),
        (proto::Act { root: "sha256:00".to_owned(), ..message() }, field("root")),
        (
            proto::Act { steps: [message().steps, message().steps].concat(), ..message() },
            ActError::Twice { field: "steps" },
        ),
    ] {
        assert_eq!(refused(&message), error, "{message:?}");
    }
    let nanos = proto::Timestamp { seconds: NOW.seconds(), nanos: 1_000_000_000 };
    assert_eq!(refused(&proto::Act { not_before: Some(nanos), ..message() }), field("time"));
}

#[test]
fn only_the_canonical_encoding_is_read() {
    let bytes = message().encode_to_vec();
    // An unknown field, a default that is present, a field twice, fields out of order, a long varint.
    let unknown = [&bytes[..], &[0x38, 0x01]].concat();
    let default = [&[0x0a, 0x00], &bytes[..]].concat();
    let twice =
        [&bytes[..], &proto::Act { nonce: vec![1; 16], ..Default::default() }.encode_to_vec()].concat();
    let (nonce, rest) = (&bytes[bytes.len() - 18..], &bytes[..bytes.len() - 18]);
    let disordered = [nonce, rest].concat();
    let long = [rest, &[0x32, 0x90, 0x00], &nonce[2..]].concat();
    for other in [unknown, default, twice, disordered, long] {
        assert_eq!(Act::decode(&other), Err(ActError::NotCanonical), "{other:?}");
    }
    let within = proto::step::Step::Yank(proto::Yank { version: "1.0.0".to_owned(), ..Default::default() });
    let mut inside = with(within).encode_to_vec();
    let at = inside.windows(2).position(|pair| pair == [0x2a, 0x07]).unwrap();
    inside.splice(at..at + 2, [0x2a, 0x09]);
    inside.splice(at + 9..at + 9, [0x12, 0x00]);
    inside[at - 1] += 2;
    assert_eq!(Act::decode(&inside), Err(ActError::NotCanonical));
    let large = vec![0; ENVELOPE_BYTES_MAX + 1];
    assert_eq!(Act::decode(&large), Err(ActError::TooLarge { bytes: ENVELOPE_BYTES_MAX + 1 }));
}

#[test]
fn values_of_steps_are_checked() {
    use proto::step::Step as S;
    let (p256, ed25519) = (public(2).to_string(), public(1).to_string());
    let text = ToString::to_string;
    let sha = Digest::of(b"").to_string();
    let grant = |change: fn(&mut proto::Grant)| {
        let mut grant = proto::Grant { role: "ops".to_owned(), ..Default::default() };
        change(&mut grant);
        S::Grant(grant)
    };
    assert!(Act::decode(&with(grant(|_| {})).encode_to_vec()).is_ok());
    let release = |behalf: &str| {
        S::Release(proto::Release {
            version: "1.0.0".to_owned(),
            content_hash: sha.clone(),
            on_behalf_of: behalf.to_owned(),
            ..Default::default()
        })
    };
    let takedown =
        |subject: &str| S::Takedown(proto::Takedown { subject: text(subject), ..Default::default() });
    let rows = [
        (grant(|g| g.role.clear()), "role name"),
        (grant(|g| g.role = "a".repeat(ROLE_NAME_BYTES_MAX + 1)), "role name"),
        (grant(|g| g.role = "Ops".to_owned()), "role name"),
        (grant(|g| g.role = "a--b".to_owned()), "role name"),
        (grant(|g| g.parent = "1".to_owned()), "role name"),
        (grant(|g| g.powers = vec!["root".to_owned()]), "power"),
        (grant(|g| g.powers = vec!["Commit".to_owned()]), "power"),
        (grant(|g| g.scope = vec![String::new()]), "scope"),
        (grant(|g| g.scope = vec![">=1.0.0".to_owned()]), "scope"),
        (grant(|g| g.keys = vec!["ecdsa-p256:AA==".to_owned()]), "key"),
        (S::Admit(proto::Admit { name: text("a"), key: ed25519 }), "key"),
        (S::Admit(proto::Admit { name: text("a:b"), key: p256 }), "name"),
        (S::Revoke(proto::Revoke { role: text("a"), since: text("x"), ..Default::default() }), "since"),
        (S::Yank(proto::Yank { version: text("1.0"), ..Default::default() }), "version"),
        (S::Annotate(proto::Annotate { kind: text("x"), ..Default::default() }), "annotation's kind"),
        (S::Import(proto::ImportNamespace { namespace: text("A"), registry: text("r") }), "namespace"),
        (S::Import(proto::ImportNamespace { namespace: text("a"), ..Default::default() }), "registry"),
        (release("oidc x"), "on_behalf_of"),
        (release("oidc  x"), "on_behalf_of"),
        (release("OIDC x y"), "on_behalf_of"),
        (release("account x "), "on_behalf_of"),
        (takedown("a"), "subject"),
        (takedown("a:b@"), "subject's version"),
        (takedown("a:b@1.0.0@1.0.0"), "subject's version"),
    ];
    for (step, field) in rows {
        assert_eq!(refused(&with(step.clone())), ActError::Field { field }, "{step:?}");
    }
    let twice = |field| ActError::Twice { field };
    let pair = |text: &str| vec![text.to_owned(), text.to_owned()];
    assert_eq!(refused(&with(grant(|g| g.powers = vec!["define".to_owned(); 2]))), twice("powers"));
    assert_eq!(refused(&with(grant(|g| g.scope = vec!["a*".to_owned(); 2]))), twice("scope"));
    let keys = pair(&public(1).to_string());
    assert_eq!(refused(&with(S::Recover(proto::Recover { keys, threshold: 1 }))), twice("keys"));
    let key_ids = pair(&sha);
    let revoke = proto::Revoke { role: text("a"), key_ids, ..Default::default() };
    assert_eq!(refused(&with(S::Revoke(revoke))), twice("key ids"));
    let spaced = OnBehalfOf::parse("oidc https://i repo:a ref:b").unwrap();
    assert_eq!((spaced.issuer.as_str(), spaced.subject.as_str()), ("https://i", "repo:a ref:b"));
}

#[test]
fn an_endorsement_is_of_these_bytes_by_this_key() {
    for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
        let key = SecretKey::from_bytes(algorithm, [3; 32]).unwrap();
        let bytes = message().encode_to_vec();
        let endorsement = endorse(&bytes, &key).unwrap();
        endorsement.verify(&bytes, key.public()).unwrap();
        endorsement.verify(&bytes[1..], key.public()).unwrap_err();
        endorsement.verify(&bytes, &public(4)).unwrap_err();
        // The tag separates it from every other signature.
        let bare = Endorsement { key_id: key.public().id(), signature: key.sign(&bytes).unwrap() };
        bare.verify(&bytes, key.public()).unwrap_err();
        let record = [Layer::Operator.signature_tag().as_bytes(), &bytes].concat();
        let record = Endorsement { key_id: key.public().id(), signature: key.sign(&record).unwrap() };
        record.verify(&bytes, key.public()).unwrap_err();
    }
}
