//! What the logs say against a release, as whoever asks what refers to it is told.

use std::collections::BTreeMap;
use std::time::Duration;

use wargate_core::act::{AnnotationKind, Step};
use wargate_core::digest::Digest;
use wargate_registry::clock::Clock as _;
use wargate_registry::{Error, Repository};
use wargate_wire::oci::list::Referrer;

use crate::support::oci::{MANIFEST, part, plain, push_wasm, put};
use crate::support::{acted, lift, module, operate, takedown};
use crate::world::World;

const TYPE: &str = "application/vnd.microsoft.artifact.lifecycle";
const END: &str = "vnd.microsoft.artifact.lifecycle.end-of-life.date";
const EMPTY: &[u8] = b"{}";

/// The registry's key, which owns what is pushed.
const PUBLISHING: u8 = 4;

async fn referrers(repository: &Repository, subject: Digest, artifact_type: Option<&str>) -> Vec<Referrer> {
    let (page, next) = repository.referrers(&subject.into(), artifact_type, None).await.unwrap();
    assert_eq!(next, None);
    page.manifests().to_vec()
}

/// Asks twice, since what is told is kept with the first time.
async fn told(repository: &Repository, subject: Digest) -> Vec<BTreeMap<String, String>> {
    let told = referrers(repository, subject, None).await;
    assert_eq!(told, referrers(repository, subject, None).await);
    assert_eq!(told, referrers(repository, subject, Some(TYPE)).await);
    assert_eq!(referrers(repository, subject, Some("application/other")).await, []);
    for entry in &told {
        assert_eq!(entry.artifact_type.as_deref(), Some(TYPE));
        let manifest = manifest(repository, entry.digest).await.unwrap();
        assert_eq!(manifest.len() as u64, entry.size);
        let parsed: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(parsed["subject"]["digest"], subject.to_string());
        assert_eq!(parsed["annotations"], serde_json::to_value(&entry.annotations).unwrap());
        // All that it names is given too.
        let empty = repository.blob(&Digest::of(EMPTY).into()).await.unwrap();
        assert_eq!(&empty.bytes().await.unwrap()[..], EMPTY);
    }
    told.into_iter().map(|entry| entry.annotations).collect()
}

async fn manifest(repository: &Repository, digest: impl ToString) -> Result<bytes::Bytes, Error> {
    Ok(repository.manifest(&digest.to_string().parse().unwrap()).await?.bytes)
}

/// Fields of a manifest that refers to another.
fn subject(digest: Digest, more: &str) -> String {
    format!(r#","subject":{},{more}"#, part(MANIFEST, digest, 1))
}

fn ours(annotations: &BTreeMap<String, String>, key: &str) -> String {
    annotations.get(&format!("vnd.wargate.lifecycle.{key}")).cloned().unwrap_or_default()
}

/// State, reason and end.
fn said(annotations: &BTreeMap<String, String>) -> [String; 3] {
    assert!(ours(annotations, "record").starts_with("sha256:"));
    assert!(ours(annotations, "log").starts_with("sha256:"));
    let end = annotations.get(END).map(String::as_str);
    assert_eq!(end, (ours(annotations, "state") != "deprecated").then_some("2027-01-15"));
    ["state", "reason", "until"].map(|key| ours(annotations, key))
}

fn words(state: &str, reason: &str, until: &str) -> [String; 3] {
    [state, reason, until].map(str::to_owned)
}

impl World {
    async fn act(&self, nonce: u8, step: Step) {
        let log = "acme:hello".parse().unwrap();
        acted(&self.registry, &self.clock, nonce, (log, PUBLISHING), step).await.unwrap();
    }

    async fn released(&self, version: &str) -> Digest {
        push_wasm(&self.hello, version, &module(version.as_bytes()), version).await.unwrap();
        self.hello.manifest(&version.parse().unwrap()).await.unwrap().digest
    }
}

fn deprecate(subject: &str, message: &str) -> Step {
    Step::Annotate { kind: AnnotationKind::Deprecate, subject: subject.to_owned(), value: message.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takedown_is_told_until_it_is_lifted_and_a_quarantine_until_its_end() {
    let world = World::new().await;
    let hello = &world.hello;
    let (one, other) = (world.released("1.0.0").await, world.released("2.0.0").await);
    assert_eq!(told(hello, one).await, []);
    operate(&world.registry, &world.clock, 1, takedown("acme:hello@1.0.0", None)).await;
    let gone = referrers(hello, one, None).await.remove(0);
    let [takedown_said] = &told(hello, one).await[..] else { panic!("one is told") };
    assert_eq!(said(takedown_said), words("taken-down", "it steals keys", ""));
    assert!(
        matches!(manifest(hello, one).await, Err(Error::TakenDown { .. })),
        "only what tells of it is given"
    );
    assert_eq!(told(hello, other).await, []);

    operate(&world.registry, &world.clock, 2, lift("acme:hello@1.0.0")).await;
    assert_eq!(told(hello, one).await, []);
    let end = world.clock.now().plus_seconds(60);
    operate(&world.registry, &world.clock, 3, takedown("acme:hello@1.0.0", Some(end))).await;
    let [quarantine] = &told(hello, one).await[..] else { panic!("one is told") };
    assert_eq!(said(quarantine), words("quarantined", "it steals keys", &end.to_string()));
    assert_ne!(ours(quarantine, "record"), ours(takedown_said, "record"));
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(told(hello, one).await, []);
    // As content it stays: it is a word that was true.
    assert_eq!(manifest(hello, gone.digest).await.unwrap().len() as u64, gone.size);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_package_that_is_taken_down_nothing_is_given_but_why() {
    let world = World::new().await;
    let hello = &world.hello;
    let one = world.released("1.0.0").await;
    let signature = plain(hello, &subject(one, r#""artifactType":"application/vnd.signature""#)).await;
    put(hello, "signature", &signature).await.unwrap();
    let signature = Digest::of(&signature);
    assert_eq!(referrers(hello, one, None).await.len(), 1);
    operate(&world.registry, &world.clock, 1, takedown("acme:hello", None)).await;
    let [why] = &told(hello, one).await[..] else { panic!("one is told") };
    assert_eq!(said(why), words("taken-down", "it steals keys", ""));
    for digest in [one, signature] {
        assert!(matches!(manifest(hello, digest).await, Err(Error::TakenDown { .. })));
    }
    let why = referrers(hello, one, None).await.remove(0);
    operate(&world.registry, &world.clock, 2, lift("acme:hello")).await;
    assert_eq!(referrers(hello, one, None).await.len(), 1, "the signature");
    operate(&world.registry, &world.clock, 3, takedown("acme:hello", None)).await;
    let refused = manifest(hello, why.digest).await;
    assert!(matches!(refused, Err(Error::TakenDown { .. })), "it told of another takedown");
    assert_eq!(told(hello, one).await.len(), 1);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yank_and_a_deprecation_are_told_with_what_was_said() {
    let world = World::new().await;
    let hello = &world.hello;
    let (one, other) = (world.released("1.0.0").await, world.released("2.0.0").await);
    let version = "1.0.0".parse().unwrap();
    world.act(1, Step::Yank { version, reason: "it \u{1b}[2J counts\nin floats".to_owned() }).await;
    let yank = words("yanked", "it \\u{1b}[2J counts\\nin floats", "");
    assert_eq!(told(hello, one).await.iter().map(said).collect::<Vec<_>>(), std::slice::from_ref(&yank));

    // The narrowest counts, as everywhere.
    world.act(2, deprecate("", "use acme:other")).await;
    world.act(3, deprecate("1.0.0", &"longer than anybody reads ".repeat(1000))).await;
    assert_eq!(
        told(hello, other).await.iter().map(said).collect::<Vec<_>>(),
        [words("deprecated", "use acme:other", "")]
    );
    let mut both: Vec<_> = told(hello, one).await.iter().map(said).collect();
    both.sort();
    let [[state, reason, _], yanked] = &both[..] else { panic!("{both:?}") };
    assert_eq!((state.as_str(), yanked), ("deprecated", &yank));
    assert!(reason.starts_with("longer than anybody reads ") && reason.ends_with('…'));
    assert_eq!(reason.chars().count(), 4097);
    world.act(4, deprecate("", "")).await;
    world.act(5, deprecate("1.0.0", "")).await;
    assert_eq!(told(hello, other).await, []);
    assert_eq!(told(hello, one).await.len(), 1, "a yank stays");
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_says_it_in_the_logs_name() {
    let world = World::new().await;
    let hello = &world.hello;
    let one = world.released("1.0.0").await;
    let says = r#""artifactType":"TYPE","annotations":{"vnd.wargate.lifecycle.state":"taken-down"}"#;
    let forged = plain(hello, &subject(one, &says.replace("TYPE", TYPE))).await;
    put(hello, "forged", &forged).await.unwrap();
    assert_eq!(told(hello, one).await, []);
    assert_eq!(manifest(hello, "forged").await.unwrap(), forged);
    // In a form that is not ours anybody may say it.
    let theirs = plain(hello, &subject(one, &says.replace("vnd.wargate.lifecycle.state", END))).await;
    put(hello, "theirs", &theirs).await.unwrap();
    assert_eq!(referrers(hello, one, None).await.len(), 1);
    world.end_sound().await;
}
