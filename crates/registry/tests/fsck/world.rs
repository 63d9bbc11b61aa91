//! A registry with something of everything, made once and copied for each case.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::join_all;
use wargate_core::act::power::Power;
use wargate_core::act::scope::Scope;
use wargate_core::act::{Act, AnnotationKind, Grant, Revoke, Step, endorse};
use wargate_core::digest::Digest;
use wargate_core::id::Layer;
use wargate_core::name::LogName;
use wargate_core::record::{PackageEntry, PackagePermission};
use wargate_registry::clock::Clock as _;
use wargate_registry::fsck::{self, FsckOptions, Report};
use wargate_registry::{Registry, SignedAct};
use wargate_wire::oci::reference::Algorithm;

use crate::support::oci::{push_blob_as, push_wasm};
use crate::support::{Author, Here, TestClock, WAIT, engines, key, module, open, operate, release, takedown};

/// Authors of v1 logs, who publish at the same time.
const AUTHORS: u8 = 24;
/// Records of each.
const RECORDS_EACH: usize = 11;

/// Small content, of which `seed` makes another.
pub fn small(seed: u8) -> Vec<u8> {
    module(&[seed; 40])
}

/// Content that lies as an object.
pub fn large(seed: u8) -> Vec<u8> {
    module(&vec![seed; 100_000])
}

async fn author(registry: &Registry, number: u8, clock: &Arc<TestClock>) {
    let mut author = Author::new(20 + number, &format!("many:pkg{number}"), clock);
    author.release(registry, "0.1.0", &small(number)).await;
    let grant = PackageEntry::GrantFlat {
        key: key(19).public().clone(),
        permissions: vec![PackagePermission::Release],
    };
    author.publish(registry, vec![grant]).await;
    for minor in 2..RECORDS_EACH {
        author.publish(registry, vec![release(&format!("0.{minor}.0"), Digest::of(&small(number)))]).await;
    }
    author.publish(registry, vec![PackageEntry::Yank { version: "0.1.0".parse().unwrap() }]).await;
}

/// Does something in the log of `acme:hello`, by its owner.
async fn act(registry: &Registry, clock: &Arc<TestClock>, nonce: u8, steps: Vec<Step>) {
    let log = LogName::Package("acme:hello".parse().unwrap());
    let act = Act {
        root: registry.snapshot().root().copied(),
        log: log.log_id(),
        steps,
        not_before: clock.now().plus_seconds(-60),
        not_after: clock.now().plus_seconds(600),
        nonce: [nonce; 16],
    };
    let act: bytes::Bytes = act.encode().into();
    let endorsements = vec![endorse(&act, &key(4)).unwrap()];
    registry.submit(SignedAct { log, act, endorsements }, WAIT).await.unwrap();
}

/// Fills a registry: more records than a tile holds, v1 and custodial logs, content of both sizes, manifests and tags.
pub async fn fill(registry: &Registry, clock: &Arc<TestClock>) {
    let hello = registry.repository("acme/hello".parse().unwrap());
    push_wasm(&hello, "1.0.0", &small(200), "").await.unwrap();
    push_wasm(&hello, "1.1.0", &large(201), "").await.unwrap();
    push_wasm(&hello, "edge", &small(202), "").await.unwrap();
    let ci = Grant {
        role: "ci".to_owned(),
        keys: vec![key(18).public().clone()],
        threshold: 1,
        powers: vec![Power::Release],
        scope: Scope::Unlimited,
        not_after: None,
        depth: 0,
        parent: String::new(),
    };
    act(registry, clock, 1, vec![Step::Grant(ci)]).await;
    let revoke = Revoke { role: "ci".to_owned(), key_ids: Vec::new(), since: None };
    let (kind, value) = (AnnotationKind::Deprecate, "use another".to_owned());
    let deprecate = Step::Annotate { kind, subject: "1.0.0".to_owned(), value };
    act(registry, clock, 2, vec![Step::Revoke(revoke), deprecate]).await;
    operate(registry, clock, 3, takedown("acme:hello@1.1.0", None)).await;
    let other = registry.repository("acme/other".parse().unwrap());
    push_wasm(&other, "0.1.0", &small(203), "").await.unwrap();
    push_wasm(&registry.repository("loose/things".parse().unwrap()), "v1", &small(204), "").await.unwrap();
    join_all((0..AUTHORS).map(|number| author(registry, number, clock))).await;
    let mut big = Author::new(90, "big:stuff", clock);
    big.release(registry, "1.0.0", &large(90)).await;
    big.release(registry, "1.1.0", &large(91)).await;
    // A v1 log whose key the registry admits to a namespace of its own.
    Author::new(94, "acme:by-warg", clock).release(registry, "1.0.0", &small(94)).await;
    // Manifests that are made of a release's bytes when somebody asks.
    let many = registry.repository("many/pkg3".parse().unwrap());
    many.manifest(&"0.2.0".parse().unwrap()).await.unwrap();
    many.manifest(&"0.3.0".parse().unwrap()).await.unwrap();
    // Content that is called by its SHA-512.
    let loose = registry.repository("loose/things".parse().unwrap());
    push_blob_as(&loose, Algorithm::Sha512, b"by another name").await;
    push_blob_as(&loose, Algorithm::Sha512, &large(205)).await;
    // One that waits for its content.
    let mut waits = Author::new(91, "waits:here", clock);
    let entries = vec![waits.init(), release("1.0.0", Digest::of(b"nobody has it"))];
    let record = waits.record(entries);
    waits.head = Some(record.envelope.record_id(Layer::Package));
    registry.publish(record, std::time::Duration::ZERO).await.unwrap();
}

/// A whole data folder that holds all of it; made at the first call.
pub async fn template() -> PathBuf {
    static MADE: tokio::sync::OnceCell<tempfile::TempDir> = tokio::sync::OnceCell::const_new();
    let made = MADE
        .get_or_init(|| async {
            let dir = tempfile::tempdir().unwrap();
            let clock = TestClock::new();
            let registry = open(dir.path(), &clock).await;
            fill(&registry, &clock).await;
            // A while later: what is laid down is no longer staged.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            Author::new(92, "last:one", &clock).release(&registry, "1.0.0", &small(92)).await;
            Author::new(93, "last:two", &clock).release(&registry, "1.0.0", &small(93)).await;
            registry.close().await;
            drop(registry);
            dir
        })
        .await;
    made.path().to_owned()
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A folder of its own with all of it.
pub async fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_all(&template().await, dir.path());
    dir
}

pub fn options() -> FsckOptions {
    let origin = Some(crate::support::ORIGIN.to_owned());
    FsckOptions { inspector: Some(Arc::new(Here)), origin, ..FsckOptions::default() }
}

pub async fn check(dir: &Path, options: &FsckOptions) -> Report {
    let (db, objects) = engines(dir);
    fsck::check(&*db, &objects, options).await.unwrap()
}

/// One line of words for each damaged thing.
pub fn lines(report: &Report) -> Vec<String> {
    report.damage.iter().map(ToString::to_string).collect()
}
