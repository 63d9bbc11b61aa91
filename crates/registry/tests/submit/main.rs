//! Acts that people sign with keys of their own.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

mod contents;
mod proposals;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use bytes::Bytes;
use support::oci::push_wasm;
use support::{
    Author, TestClock, WAIT, carried, config, engines, genesis, key, module, open, operate, operated,
};
use wargate_core::act::{self, Act, AnnotationKind, Identity, OnBehalfOf, Release, Step};
use wargate_core::authority::Claim;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::SecretKey;
use wargate_core::name::{LogName, PackageName};
use wargate_core::verify::{GivenRecord, Layers, PackageLog, judge_layers};
use wargate_registry::clock::Clock as _;
use wargate_registry::limits::ENDORSEMENTS_MAX;
use wargate_registry::{CustodialRelease, Error, HandedIn, NOBODY, Registry, Released, SignedAct, Submitted};

/// A registry and what the acts of its users are made of.
struct World {
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    registry: Registry,
    root: RecordId,
}

impl World {
    async fn new(names_on_first_use: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let (db, objects) = engines(dir.path());
        let mut config = config();
        config.names_on_first_use = names_on_first_use;
        let genesis = genesis(clock.now());
        let registry = Registry::open(config, db, objects, clock.clone(), Some(genesis)).await.unwrap();
        let root =
            records(&registry, LogId::operator()).await[0].envelope.record_id(LogName::Operator.layer());
        Self { dir, clock, registry, root }
    }

    /// An act on a package's log as a user makes it; the nonce is the number.
    fn act(&self, name: &str, steps: Vec<Step>, nonce: u8) -> Act {
        let log = LogName::Package(name.parse().unwrap());
        let (not_before, not_after) =
            (self.clock.now().plus_seconds(-60), self.clock.now().plus_seconds(600));
        let root = Some(self.root);
        Act { root, log: log.log_id(), steps, not_before, not_after, nonce: [nonce; 16] }
    }

    fn first(&self, name: &str, by: u8, content: &[u8]) -> SignedAct {
        signed(name, &self.act(name, vec![init(by), release("1.0.0", content)], by), &[key(by)])
    }

    fn next(&self, name: &str, by: u8, version: &str, content: &[u8]) -> SignedAct {
        signed(name, &self.act(name, vec![release(version, content)], by), &[key(by)])
    }

    async fn submit(&self, act: &SignedAct, content: &[u8]) -> Result<Submitted, Error> {
        let mut arriving = self.registry.begin_act_content(act, None).await?;
        for piece in content.chunks(5) {
            arriving.write(Bytes::copy_from_slice(piece)).await?;
        }
        arriving.finish().await?;
        self.registry.submit(act.clone(), WAIT).await.map(carried)
    }

    fn size(&self) -> u64 {
        self.registry.snapshot().checkpoint().size()
    }

    /// Judges a package and the layers above it as a client does.
    async fn judged(&self, name: &str) -> Layers {
        let name: PackageName = name.parse().unwrap();
        let operator = records(&self.registry, LogId::operator()).await;
        let namespace = records(&self.registry, LogName::Namespace(name.namespace()).log_id()).await;
        let package = records(&self.registry, LogId::package(&name)).await;
        judge_layers(&name, &operator, &namespace, &package).unwrap()
    }
}

async fn records(registry: &Registry, log: LogId) -> Vec<GivenRecord> {
    let snapshot = registry.snapshot();
    match snapshot.log_page(&log, None, snapshot.checkpoint().size(), 1000).await {
        Ok(page) => page
            .records
            .into_iter()
            .map(|record| GivenRecord { index: record.index, envelope: record.envelope, checked: false })
            .collect(),
        Err(Error::UnknownLog { .. }) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

fn init(by: u8) -> Step {
    Step::Init { keys: vec![key(by).public().clone()], threshold: 1 }
}

fn release_of(version: &str, content: &[u8]) -> Release {
    Release {
        version: version.parse().unwrap(),
        content: Digest::of(content),
        manifest: None,
        variants: Vec::new(),
        dependencies: Vec::new(),
        on_behalf_of: None,
        breaking: false,
    }
}

fn release(version: &str, content: &[u8]) -> Step {
    Step::Release(release_of(version, content))
}

fn signed(name: &str, act: &Act, by: &[SecretKey]) -> SignedAct {
    let act: Bytes = act.encode().into();
    let endorsements = by.iter().map(|key| act::endorse(&act, key).unwrap()).collect();
    SignedAct { log: LogName::Package(name.parse().unwrap()), act, endorsements }
}

#[track_caller]
fn denied(outcome: Result<Submitted, Error>, words: &[&str]) {
    let Err(Error::Denied { reason }) = outcome else { panic!("expected a denial, got {outcome:?}") };
    for word in words {
        assert!(reason.contains(word), "`{word}` is not in: {reason}");
    }
}

#[track_caller]
fn invalid(outcome: Result<Submitted, Error>, word: &str) {
    match outcome {
        Err(Error::Invalid { reason }) if reason.contains(word) => {}
        other => panic!("expected a refusal that says `{word}`, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_release_by_a_key_of_ones_own_starts_namespace_and_package() {
    let world = World::new(true).await;
    let content = module(b"one");
    let first = world.submit(&world.first("acme:hello", 10, &content), &content).await.unwrap();
    assert_eq!((first.index, first.before), (2, false));
    assert_eq!(first.releases[0].content, Digest::of(&content));
    let second = world.next("acme:hello", 10, "1.1.0", &module(b"two"));
    assert_eq!(world.submit(&second, &module(b"two")).await.unwrap().index, 3);
    // Somebody else's package in a namespace that is the registry's own.
    let third = world.first("acme:other", 11, &content);
    assert_eq!(
        carried(world.registry.submit(third, WAIT).await.unwrap()).index,
        4,
        "the content is here already"
    );

    let layers = world.judged("acme:hello").await;
    let Some(PackageLog::Delegated { state, facts }) = layers.package else { panic!("it is delegated") };
    let releases = facts.releases;
    assert_eq!(state.role("owner").unwrap().keys.keys().collect::<Vec<_>>(), [&key(10).public().id()]);
    assert!(releases.values().all(|release| release.on_behalf_of.is_none()), "they are the publisher's own");
    assert_eq!(releases.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_refused_with_words() {
    let world = World::new(true).await;
    let content = module(b"one");
    world.submit(&world.first("acme:hello", 10, &content), &content).await.unwrap();
    let owner = key(10).public().id().to_string();
    let others = world.next("acme:hello", 11, "1.1.0", &content);
    denied(world.submit(&others, &content).await, &["owner", "acme:hello", &owner]);
    // The publishing key has no say in a log of somebody else's.
    let registrys = world.next("acme:hello", 4, "1.1.0", &content);
    denied(world.submit(&registrys, &content).await, &[&owner]);
    let mut forged = world.next("acme:hello", 10, "1.1.0", &content);
    let other_act = world.next("acme:hello", 10, "1.2.0", &content);
    forged.endorsements = other_act.endorsements;
    let refused = world.submit(&forged, &content).await;
    assert!(matches!(refused, Err(Error::Unauthorized { .. })), "{refused:?}");
    // An Init that its own owner did not sign starts nothing, not even the namespace.
    let mut init = world.first("other:hello", 10, &content);
    init.endorsements = vec![act::endorse(&init.act, &key(11)).unwrap()];
    denied(world.submit(&init, &content).await, &["Init"]);
    assert_eq!(world.size(), 3, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_for_another_registry_another_log_or_another_time_is_refused() {
    let world = World::new(true).await;
    let content = module(b"one");
    let steps = vec![init(10), release("1.0.0", &content)];
    let act = world.act("acme:hello", steps, 1);
    let far = world.clock.now().plus_seconds(86_400);
    let elsewhere = RecordId::from_digest(Digest::of(b"another registry"));
    for (changed, word) in [
        (Act { root: Some(elsewhere), ..act.clone() }, "another registry"),
        (Act { root: None, ..act.clone() }, "another registry"),
        (Act { log: LogId::package(&"acme:other".parse().unwrap()), ..act.clone() }, "another log"),
        (Act { not_before: far, not_after: far, ..act.clone() }, "may be done from"),
        (Act { steps: vec![release("1.0.0", &content)], ..act.clone() }, "begins with Init"),
        (Act { steps: vec![init(10), release("1.0.0+b", &content)], ..act.clone() }, "build metadata"),
    ] {
        let outcome = world.submit(&signed("acme:hello", &changed, &[key(10)]), &content).await;
        let Err(Error::Invalid { reason } | Error::Denied { reason }) = outcome else {
            panic!("{word}: {outcome:?}")
        };
        assert!(reason.contains(word), "`{word}` is not in: {reason}");
    }
    assert_eq!(world.size(), 1, "no namespace began for any of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_is_the_same_release() {
    let world = World::new(true).await;
    let content = module(b"one");
    let act = world.first("acme:hello", 10, &content);
    let first = world.submit(&act, &content).await.unwrap();
    let again = world.submit(&act, &content).await.unwrap();
    assert_eq!(again, Submitted { before: true, ..first.clone() });
    // Another act that releases the same, later.
    world.clock.advance(std::time::Duration::from_secs(3600));
    let other = world.next("acme:hello", 10, "1.0.0", &content);
    assert_eq!(carried(world.registry.submit(other, WAIT).await.unwrap()), again);
    let changed = world.next("acme:hello", 10, "1.0.0", &module(b"changed"));
    let refused = world.submit(&changed, &module(b"changed")).await;
    assert!(matches!(refused, Err(Error::AlreadyReleased { .. })), "{refused:?}");
    assert_eq!(world.size(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_was_done_is_answered_with_the_record_that_carries_it() {
    let world = World::new(true).await;
    let content = module(b"one");
    world.submit(&world.first("acme:hello", 10, &content), &content).await.unwrap();
    let say = |value: &str, nonce| {
        let (kind, subject) = (AnnotationKind::Deprecate, "1.0.0".to_owned());
        let step = Step::Annotate { kind, subject, value: value.to_owned() };
        signed("acme:hello", &world.act("acme:hello", vec![step], nonce), &[key(10)])
    };
    let first = carried(world.registry.submit(say("take 2", 20), WAIT).await.unwrap());
    let later = carried(world.registry.submit(say("take 3", 21), WAIT).await.unwrap());
    assert_eq!((first.before, later.before, later.index), (false, false, first.index + 1));
    // Its answer was lost, and more was done since.
    let again = carried(world.registry.submit(say("take 2", 20), WAIT).await.unwrap());
    assert_eq!(again, Submitted { before: true, ..first });
    // Another act that does the same is another.
    let other = carried(world.registry.submit(say("take 2", 22), WAIT).await.unwrap());
    assert_eq!((other.before, other.index), (false, later.index + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_release_once() {
    let world = Arc::new(World::new(true).await);
    let content = module(b"one");
    let tasks: Vec<_> = (0..16u8)
        .map(|i| {
            let (world, content) = (world.clone(), content.clone());
            let name = format!("acme:p-{}", char::from(b'a' + i % 4));
            let steps = vec![init(10), release("1.0.0", &content)];
            let act = signed(&name, &world.act(&name, steps, i / 8), &[key(10)]);
            tokio::spawn(async move { world.submit(&act, &content).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(world.size(), 6, "operator, namespace and four packages");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_names_do_not_come_by_themselves_the_operator_is_named() {
    let world = World::new(false).await;
    let content = module(b"one");
    denied(world.submit(&world.first("acme:hello", 10, &content), &content).await, &["operator"]);
    assert_eq!(world.size(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_other_kinds_and_custodial_ones_say_who_publishes() {
    let world = World::new(true).await;
    let content = module(b"one");
    let mut alice = Author::new(10, "acme:mine", &world.clock);
    alice.publish(&world.registry, vec![alice.init()]).await;
    denied(world.submit(&world.next("acme:mine", 10, "1.0.0", &content), &content).await, &["warg"]);
    let custodial = CustodialRelease {
        name: "acme:theirs".parse().unwrap(),
        version: "0.9.0".parse().unwrap(),
        content: Digest::of(b"any"),
        manifest: Digest::of(b"manifest"),
        on_behalf_of: OnBehalfOf {
            identity: Identity::Account,
            issuer: "registry.test".to_owned(),
            subject: "anonymous".to_owned(),
        },
    };
    let released = world.registry.release(&custodial, WAIT).await.unwrap();
    assert!(matches!(released, Released::Now { .. }));
    let publishing = key(4).public().id().to_string();
    denied(world.submit(&world.next("acme:theirs", 10, "1.0.0", &content), &content).await, &[&publishing]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_namespace_is_published_to_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let registry = open(dir.path(), &clock).await;
    registry.close().await;
    drop(registry);
    let (db, objects) = engines(dir.path());
    let mut config = config();
    config.imports.insert("acme".parse().unwrap(), "other.test".to_owned());
    let registry = Registry::open(config, db, objects, clock.clone(), None).await.unwrap();
    let log = LogName::Package("acme:hello".parse().unwrap());
    let act = SignedAct { log, act: Bytes::new(), endorsements: Vec::new() };
    let refused = registry.submit(act, WAIT).await;
    assert!(matches!(refused, Err(Error::NamespaceImported { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_acts_are_taken_from_its_owners() {
    let world = World::new(true).await;
    let note = |nonce: u8, by: u8| {
        let step = Step::Annotate {
            kind: AnnotationKind::Vkey,
            subject: "other.test/log".to_owned(),
            value: "other.test/log+1+x".to_owned(),
        };
        let act = Act { log: LogId::operator(), ..world.act("acme:hello", vec![step], nonce) };
        SignedAct { log: LogName::Operator, ..signed("acme:hello", &act, &[key(by)]) }
    };
    let refused = world.registry.submit(note(1, 2), WAIT).await;
    assert!(matches!(refused, Err(Error::Denied { .. })), "{refused:?}");
    assert_eq!(carried(world.registry.submit(note(2, 1), WAIT).await.unwrap()).index, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_the_operator_imports_is_the_other_registrys() {
    let world = World::new(true).await;
    let (registry, clock) = (&world.registry, &world.clock);
    let import = |namespace: &str| Step::Import {
        namespace: namespace.parse().unwrap(),
        registry: "wasi.dev".to_owned(),
    };
    let alice = Author::new(10, "wasi:http", clock);
    let record = alice.record(vec![alice.init(), support::release("1.0.0", Digest::of(b""))]);
    let mut before = Author::new(13, "wasi:clocks", clock);
    before.release(registry, "1.0.0", &module(b"z")).await;
    assert_eq!(registry.imported(&"wasi".parse().unwrap()), None);
    operate(registry, clock, 1, import("wasi")).await;
    assert_eq!(registry.imported(&"wasi".parse().unwrap()).as_deref(), Some("wasi.dev"));
    let is_elsewhere = |error: Error| {
        let Error::NamespaceImported { namespace, registry } = error else { panic!("{error:?}") };
        assert_eq!((namespace.as_str(), registry.as_str()), ("wasi", "wasi.dev"));
    };
    is_elsewhere(registry.publish(record, WAIT).await.unwrap_err());
    is_elsewhere(world.submit(&world.first("wasi:io", 11, &module(b"x")), b"").await.unwrap_err());
    let repository = registry.repository("wasi/io".parse().unwrap());
    is_elsewhere(push_wasm(&repository, "1.0.0", &module(b"x"), "").await.unwrap_err());
    before.release(registry, "1.1.0", &module(b"z")).await;
    // Once, and not where somebody is at home; and others go on.
    let again = operated(registry, clock, 2, import("wasi")).await;
    assert!(matches!(again, Err(Error::Invalid { .. } | Error::Denied { .. })), "{again:?}");
    world.submit(&world.first("acme:hello", 12, &module(b"y")), &module(b"y")).await.unwrap();
    let owned = operated(registry, clock, 3, import("acme")).await;
    assert!(matches!(owned, Err(Error::Denied { .. })), "{owned:?}");
    assert_eq!(registry.imported(&"acme".parse().unwrap()), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_has_at_most_its_number_of_endorsements() {
    let world = World::new(true).await;
    for (name, endorsers, taken) in [
        ("acme:below", ENDORSEMENTS_MAX - 1, true),
        ("acme:at", ENDORSEMENTS_MAX, true),
        ("acme:above", ENDORSEMENTS_MAX + 1, false),
    ] {
        let mut by: Vec<_> = (0..endorsers).map(|seed| key(100 + seed as u8)).collect();
        by.sort_by_key(|key| key.public().id());
        let keys = by.iter().map(|key| key.public().clone()).collect();
        let init = Step::Init { keys, threshold: u32::try_from(endorsers).unwrap() };
        let act = signed(name, &world.act(name, vec![init], endorsers as u8), &by);
        let answer = world.registry.submit(act, WAIT).await;
        match answer {
            Ok(_) => assert!(taken, "{name}"),
            Err(Error::Invalid { reason }) => assert!(!taken && reason.contains("at most 64"), "{reason}"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_a_package_was_begun_for_claims_it_from_the_registry() {
    let world = World::new(true).await;
    let content = module(b"one");
    let begin = async |name: &str, subject: &str| {
        let on_behalf_of = OnBehalfOf {
            identity: Identity::Account,
            issuer: support::ORIGIN.to_owned(),
            subject: subject.to_owned(),
        };
        let (name, version) = (name.parse().unwrap(), "1.0.0".parse().unwrap());
        let (content, manifest) = (Digest::of(&content), Digest::of(b"manifest"));
        let release = CustodialRelease { name, version, content, manifest, on_behalf_of };
        world.registry.release(&release, WAIT).await.unwrap();
    };
    begin("acme:mine", NOBODY).await;
    begin("acme:hers", "alice").await;
    // The test asks as the embedder, who is known by no account.
    let claim = |name: &str, registry_releases: bool, by: &[u8]| {
        let keys = [20, 21].map(|seed| key(seed).public().clone());
        let claim = Claim { owners: keys.to_vec(), threshold: 2, registry_releases };
        let keys: Vec<SecretKey> = by.iter().map(|seed| key(*seed)).collect();
        signed(name, &world.act(name, claim.steps(key(4).public()), 1), &keys)
    };
    let refused = world.registry.submit(claim("acme:hers", true, &[20, 21]), WAIT).await;
    denied(refused.map(carried), &["was not begun for `anonymous`"]);
    // Who shall own it must have agreed; and a claim is nothing else besides: the registry adds its word to no more.
    let waits = async |act: SignedAct| {
        let handed_in = world.registry.submit(act, WAIT).await.unwrap();
        assert!(matches!(handed_in, HandedIn::Proposed(_)), "{handed_in:?}");
    };
    waits(claim("acme:mine", true, &[20])).await;
    let mut more = Claim { owners: vec![key(20).public().clone()], threshold: 1, registry_releases: false }
        .steps(key(4).public());
    more.push(Step::Yank { version: "1.0.0".parse().unwrap(), reason: String::new() });
    let more = signed("acme:mine", &world.act("acme:mine", more, 2), &[key(20)]);
    waits(more).await;
    let done = world.registry.submit(claim("acme:mine", false, &[20, 21]), WAIT).await.unwrap();
    assert!(!carried(done).before);
    let Some(PackageLog::Delegated { state, .. }) = world.judged("acme:mine").await.package else {
        panic!("it is delegated")
    };
    let live: Vec<&str> = state.roles().map(|role| role.name.as_str()).collect();
    assert_eq!((live, state.role("owner").unwrap().threshold), (vec!["owner"], 2));
}
