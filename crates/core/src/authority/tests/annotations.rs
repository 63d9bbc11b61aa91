//! What may be said, of what, in which log, and by whom.

use super::world::*;
use super::*;
use AnnotationKind::{Deprecate, Endorse, Note, Policy as Demand, Variant, Vkey};

const WHOM: &str = "oidc https://ci.example repo:acme/hello";

/// `hello` has `notary` (70) with `annotate` over `1.*` and `crier` (71) with `annotate` over everything, and the
/// releases 1.0.0 (by `ci`) and 1.1.0 (by the publishing key, for somebody); `acme` has `herald` (72) over `http-*`.
fn start() -> World {
    let mut world = World::released();
    let power = [Power::Annotate];
    let notary = Grant { scope: versions(&[">=1.0.0 <2.0.0"]), ..grant("notary", &[70], &power) };
    let crier = grant("crier", &[71], &power);
    world.run(&hello(), vec![Step::Grant(notary), Step::Grant(crier)], &[ALICE]).unwrap();
    let herald = Grant { scope: names(&["http-*"]), ..grant("herald", &[72], &power) };
    world.run(&acme(), vec![Step::Grant(herald)], &[50, 51]).unwrap();
    world.run(&hello(), vec![release("1.0.0")], &[CI]).unwrap();
    world.run(&hello(), vec![release_for("1.1.0", WHOM)], &[PUBLISHING]).unwrap();
    world
}

/// Kind, subject, value, who endorses it, and the words of the refusal.
type Row<'a> = (AnnotationKind, &'a str, &'a str, &'a [u8], &'a str);

#[track_caller]
fn each(start: &World, log: &LogName, rows: &[Row<'_>]) {
    for (kind, subject, value, signers, words) in rows {
        tries(start, log, vec![(vec![annotate(*kind, subject, value)], signers, words)]);
    }
}

#[test]
fn every_layer_knows_its_kinds() {
    let start = start();
    let content = Digest::of(b"1.1.0").to_string();
    let variant = format!("locked {content}");
    let known: [(LogName, &[u8], &[AnnotationKind]); 3] = [
        (LogName::Operator, &[1, 2, 3], &[Demand, Vkey]),
        (acme(), &[50, 51], &[Demand, Deprecate, Note]),
        (hello(), &[ALICE], &[Demand, Deprecate, Note, Variant, Endorse]),
    ];
    for (log, owners, kinds) in known {
        for kind in [Demand, Vkey, Deprecate, Note, Variant, Endorse] {
            let (subject, value) = match kind {
                Demand => ("", ""),
                Vkey => ("example.com/log", "example.com/log+00000000+AQ=="),
                Deprecate | Note => ("", "use another"),
                Variant => ("1.1.0", variant.as_str()),
                Endorse => ("1.1.0", content.as_str()),
            };
            let words = if kinds.contains(&kind) { "" } else { "is no annotation of a log such as" };
            tries(&start, &log, vec![(vec![annotate(kind, subject, value)], owners, words)]);
        }
    }
}

#[test]
fn remarks_are_of_what_their_roles_cover() {
    for kind in [Deprecate, Note] {
        each(
            &start(),
            &hello(),
            &[
                (kind, "1.0.0", "x", &[70], ""),
                (kind, "1.9.9", "never released", &[70], ""),
                (kind, "2.0.0", "x", &[70], "needs the agreement"),
                (kind, "2.0.0", "x", &[71], ""),
                (kind, "1.0.0", "", &[71], ""),
                // The whole log is covered by an unlimited scope alone.
                (kind, "", "x", &[70], "needs the agreement"),
                (kind, "", "x", &[71], ""),
                (kind, "", "x", &[ALICE], ""),
                (kind, "1.0.0", "x", &[CI, 62, 63, PUBLISHING], "it has 0"),
                (kind, "1.0", "x", &[ALICE], "`1.0` is no version"),
                (kind, "01.0.0", "x", &[ALICE], "`01.0.0` is no version"),
                (kind, "hello", "x", &[ALICE], "`hello` is no version"),
            ],
        );
        each(
            &start(),
            &acme(),
            &[
                (kind, "http-a", "x", &[72], ""),
                (kind, "http", "x", &[72], "needs the agreement"),
                (kind, "hello", "x", &[72], "needs the agreement"),
                (kind, "", "x", &[72], "needs the agreement"),
                (kind, "", "x", &[50, 51], ""),
                (kind, "other", "x", &[50, 51], ""),
                (kind, "other", "x", &[50], "needs the agreement"),
                (kind, "1.0.0", "x", &[50, 51], "`1.0.0` is no name"),
                (kind, "acme:hello", "x", &[50, 51], "is no name"),
                (kind, "A", "x", &[50, 51], "is no name"),
            ],
        );
    }
    // `*` is as good as no scope.
    let mut world = start();
    let all = Grant { scope: names(&["*"]), ..grant("all", &[73], &[Power::Annotate]) };
    world.run(&acme(), vec![Step::Grant(all)], &[50, 51]).unwrap();
    world.run(&acme(), vec![annotate(Note, "", "x")], &[73]).unwrap();
}

#[test]
fn what_was_said_is_handed_on() {
    let mut world = start();
    world.wait(3);
    let act = world.act(&hello(), vec![annotate(Note, "1.0.0", "a"), annotate(Note, "1.0.0", "")]).encode();
    let carried = world.try_carry(&hello(), &act, &endorsed(&act, &[70])).unwrap();
    let record = carried.changes.state.head().unwrap();
    let said = |value: &str| Annotation {
        kind: Note,
        subject: "1.0.0".to_owned(),
        value: value.to_owned(),
        record,
        time: world.time,
    };
    assert_eq!(carried.changes.annotations, [said("a"), said("")]);
    assert_eq!(
        world.run(&hello(), vec![annotate(Note, "", "a")], &[71]).unwrap(),
        [],
        "v1 sees nothing of it"
    );
}

#[test]
fn owners_announce_the_keys_of_origins() {
    let mut world = World::new();
    let vkey = |origin: &str, value: &str| vec![annotate(Vkey, origin, value)];
    let ops = grant("ops", &[20], &[]);
    world.run(&LogName::Operator, vec![Step::Grant(ops)], &[1, 2]).unwrap();
    let announced = |world: &World| -> Vec<(String, String)> {
        let state = &world.states[&LogName::Operator];
        state.vkeys().map(|(origin, vkey)| (origin.to_owned(), vkey.to_owned())).collect()
    };
    for (signers, words) in
        [(&[1][..], "of 2 keys of the role `owner`"), (&[20, PUBLISHING, COMMIT], "it has 0")]
    {
        refuses(world.run(&LogName::Operator, vkey("a/log", "1"), signers), words);
    }
    refuses(world.run(&LogName::Operator, vkey("", "1"), &[1, 2]), "the subject of a vkey is its origin");
    world.run(&LogName::Operator, vkey("a/log", "1"), &[1, 2]).unwrap();
    world.run(&LogName::Operator, vkey("b/log", "2"), &[1, 2]).unwrap();
    let pair = |origin: &str, vkey: &str| (origin.to_owned(), vkey.to_owned());
    assert_eq!(announced(&world), [pair("a/log", "1"), pair("b/log", "2")]);
    world.run(&LogName::Operator, vkey("a/log", "3"), &[2, 3]).unwrap();
    assert_eq!(announced(&world), [pair("a/log", "3"), pair("b/log", "2")]);
    world.run(&LogName::Operator, vkey("a/log", ""), &[1, 2]).unwrap();
    world.run(&LogName::Operator, vkey("c/log", ""), &[1, 2]).unwrap();
    assert_eq!(announced(&world), [pair("b/log", "2")]);
    let many = |count: usize| (0..count).map(|at| annotate(Vkey, &format!("origin-{at}"), "1")).collect();
    refuses(world.run(&LogName::Operator, many(VKEYS_MAX), &[1, 2]), "at most 64 origins are announced");
    world.run(&LogName::Operator, many(VKEYS_MAX - 1), &[1, 2]).unwrap();
}

#[test]
fn owners_alone_make_a_policy() {
    let mut world = start();
    each(
        &world,
        &hello(),
        &[
            (Demand, "", "two-persons", &[ALICE], ""),
            (Demand, "", "two-persons", &[71, CI, 62, 63], "of the role `owner`, it has 0"),
            (Demand, "1.0.0", "two-persons", &[ALICE], "its subject is empty"),
            (Demand, "", "twopersons", &[ALICE], "a policy is of the words"),
        ],
    );
    world.run(&hello(), vec![annotate(Demand, "", "two-persons")], &[ALICE]).unwrap();
    refuses(world.run(&hello(), vec![Step::Grant(more("ci", &[80]))], &[ALICE]), "two persons are demanded");
}

#[test]
fn a_variant_is_announced_by_who_may_release_its_version() {
    let digest = Digest::of(b"x").to_string();
    let locked = format!("locked {digest}");
    each(
        &start(),
        &hello(),
        &[
            (Variant, "1.0.0", &locked, &[CI], ""),
            (Variant, "1.0.0", &locked, &[ALICE], ""),
            (Variant, "1.1.0", &locked, &[PUBLISHING], ""),
            (Variant, "1.0.0", &locked, &[70, 71, 62, 63], "needs the agreement"),
            (Variant, "1.2.0", &locked, &[CI], "was never released"),
            (Variant, "", &locked, &[ALICE], "is no version"),
            (Variant, "1.0.0", "", &[CI], "a variant is"),
            (Variant, "1.0.0", "locked", &[CI], "a variant is"),
            (Variant, "1.0.0", &format!("other {digest}"), &[CI], "a variant is"),
            (Variant, "1.0.0", &format!("{locked} {digest}"), &[CI], ""),
            (Variant, "1.0.0", &format!("{locked} x"), &[CI], "a variant is"),
            (Variant, "1.0.0", &format!("{locked} {digest} {digest}"), &[CI], "a variant is"),
        ],
    );
    let mut world = start();
    let both =
        vec![annotate(Variant, "1.0.0", &locked), annotate(Variant, "1.0.0", &format!("bundled {digest}"))];
    world.run(&hello(), both, &[CI]).unwrap();
    assert_eq!(world.released_as("1.0.0").variants.len(), 2);
}

#[test]
fn a_release_for_somebody_is_lifted_by_its_publishers_own_keys() {
    let (content, other) = (Digest::of(b"1.1.0").to_string(), Digest::of(b"1.0.0").to_string());
    let mut world = start();
    each(
        &world,
        &hello(),
        &[
            (Endorse, "1.1.0", &content, &[CI], ""),
            (Endorse, "1.1.0", &content, &[ALICE], ""),
            (Endorse, "1.1.0", &content, &[PUBLISHING, CI], ""),
            // A publishing key never counts, though it holds `release` over it.
            (Endorse, "1.1.0", &content, &[PUBLISHING], "it has 0"),
            (Endorse, "1.1.0", &content, &[70, 71, 62, 63], "needs the agreement"),
            (Endorse, "1.1.0", &other, &[CI], "has another content"),
            (Endorse, "1.1.0", "", &[CI], "has another content"),
            (Endorse, "1.0.0", &other, &[CI], "is its publishers' own already"),
            (Endorse, "1.2.0", &content, &[CI], "was never released"),
            (Endorse, "", &content, &[ALICE], "is no version"),
        ],
    );
    assert_eq!(world.released_as("1.1.0").level(), Level::RegistryForCi);
    assert_eq!(world.released_as("1.0.0").level(), Level::PublisherKey);
    world.run(&hello(), vec![annotate(Endorse, "1.1.0", &content)], &[CI]).unwrap();
    assert_eq!(world.released_as("1.1.0").level(), Level::PublisherKey);
    let first = world.released_as("1.1.0").endorsed;
    assert_eq!(first, world.states[&hello()].head());
    world.run(&hello(), vec![annotate(Endorse, "1.1.0", &content)], &[ALICE]).unwrap();
    assert_eq!(world.released_as("1.1.0").endorsed, first, "it is lifted once");
    // One that lost its trust is lifted by nobody.
    let since = Some(world.released_as("1.1.0").record);
    world.run(&hello(), vec![revoke_since("registry", &[], since)], &[ALICE]).unwrap();
    refuses(world.run(&hello(), vec![annotate(Endorse, "1.1.0", &content)], &[ALICE]), "is distrusted");
}

#[test]
fn a_publishing_key_fills_no_threshold_of_an_endorsement() {
    let mut world = start();
    let content = Digest::of(b"1.1.0").to_string();
    let retired = Grant { not_after: Some(world.time), ..grant("old", &[81], &[Power::Publish]) };
    world.run(&LogName::Operator, vec![Step::Grant(retired)], &[1, 2]).unwrap();
    world.wait(1);
    let mixed = Grant { threshold: 2, ..grant("mixed", &[80, 81, 82], &[Power::Release]) };
    world.run(&hello(), vec![Step::Grant(mixed)], &[ALICE]).unwrap();
    let lift = || vec![annotate(Endorse, "1.1.0", &content)];
    refuses(world.run(&hello(), lift(), &[80, 81]), "needs the agreement of");
    world.run(&hello(), lift(), &[80, 81, 82]).unwrap();
}

#[test]
fn levels_are_named_in_their_order() {
    let level = |whom: Option<&str>| Level::of(whom.and_then(crate::act::OnBehalfOf::parse).as_ref());
    let [account, ci, own] = [level(Some("account https://a.example 1")), level(Some(WHOM)), level(None)];
    assert!(account < ci && ci < own);
    let words = ["registry, for an account", "registry, for a verified CI identity", "publisher's key"];
    assert_eq!([account, ci, own].map(|level| level.to_string()), words);
}
