//! Private namespaces: their records stand in no file that everybody reads, across restarts and repairs, and nobody
//! else is told of them.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

mod support;

use std::sync::Arc;

use support::{Author, Here, TestClock, WAIT, config, engines, eventually, genesis, module};
use wargate_core::act::{Identity, OnBehalfOf};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, parse_entry};
use wargate_core::log::tile::{BundleKind, BundlePath, decode_entries, decode_names, decode_records};
use wargate_core::name::LogName;
use wargate_registry::access::{Access, Action};
use wargate_registry::clock::Clock as _;
use wargate_registry::db::Statement;
use wargate_registry::fsck::{self, FsckOptions};
use wargate_registry::{Caller, Config, CustodialRelease, Error, Registry};

/// A registry that keeps these namespaces private.
async fn open(dir: &std::path::Path, clock: &Arc<TestClock>, private: &[&str]) -> Registry {
    let private = private.iter().map(|names| names.parse().unwrap()).collect();
    let access = Access { anonymous: [Action::Pull].into_iter().collect(), private };
    let (db, objects) = engines(dir);
    let config = Config { access, ..config() };
    Registry::open(config, db, objects, clock.clone(), Some(genesis(clock.now()))).await.unwrap()
}

fn release(name: &str, version: &str) -> CustodialRelease {
    CustodialRelease {
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        content: Digest::of(name.as_bytes()),
        manifest: Digest::of(version.as_bytes()),
        on_behalf_of: OnBehalfOf {
            identity: Identity::Account,
            issuer: "registry.test".to_owned(),
            subject: "alice".to_owned(),
        },
    }
}

/// What the static files say of each record: its log, its name if one stands there, and whether it can be read.
async fn told(registry: &Registry) -> Vec<(LogId, String, bool)> {
    let size = registry.snapshot().checkpoint().size();
    let width = u16::try_from(size).unwrap();
    let read = async |kind| {
        let path = format!("{}", BundlePath { kind, index: 0, width }).parse().unwrap();
        eventually("a bundle", async || registry.snapshot().static_file(&path).await.ok()).await.bytes
    };
    let (entries, records, names) =
        (read(BundleKind::Entries).await, read(BundleKind::Records).await, read(BundleKind::Names).await);
    let entries = decode_entries(&entries, width).unwrap();
    let (records, names) = (decode_records(&records, width).unwrap(), decode_names(&names, width).unwrap());
    entries
        .into_iter()
        .zip(records)
        .zip(names)
        .map(|((entry, record), name)| {
            let (log, id) = parse_entry(entry).unwrap();
            if !record.is_empty() {
                let envelope = Envelope::decode(&bytes::Bytes::copy_from_slice(record)).unwrap();
                let layers = [
                    LogName::Operator.layer(),
                    "x".parse::<LogName>().unwrap().layer(),
                    "x:y".parse::<LogName>().unwrap().layer(),
                ];
                assert!(
                    layers.iter().any(|layer| envelope.record_id(*layer) == id),
                    "the record that the entry names"
                );
            }
            (log, name.to_owned(), !record.is_empty())
        })
        .collect()
}

fn log(name: &str) -> LogId {
    name.parse::<LogName>().unwrap().log_id()
}

async fn check(dir: &std::path::Path) -> Vec<String> {
    let (db, objects) = engines(dir);
    let options = FsckOptions { inspector: Some(Arc::new(Here)), ..FsckOptions::default() };
    let report = fsck::check(&*db, &objects, &options).await.unwrap();
    report.damage.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_private_namespace_are_in_no_file() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock, &["secret/*"]).await;
    registry.release(&release("secret:app", "1.0.0"), WAIT).await.unwrap();
    registry.release(&release("open:app", "1.0.0"), WAIT).await.unwrap();
    let mut author = Author::new(10, "secret:mine", &clock);
    author.publish(&registry, vec![author.init()]).await;
    let expected = vec![
        (log(""), String::new(), true),
        (log("secret"), "secret".to_owned(), true),
        (log("secret:app"), String::new(), false),
        (log("open"), "open".to_owned(), true),
        (log("open:app"), "open:app".to_owned(), true),
        // Its first key was admitted just before.
        (log("secret"), String::new(), true),
        (log("secret:mine"), String::new(), false),
    ];
    assert_eq!(told(&registry).await, expected, "while it is staged, and laid down");
    let nobody = registry.seen_by(Caller::anonymous());
    let size = registry.snapshot().checkpoint().size();
    for private in ["secret:app", "secret:mine"] {
        assert!(
            registry.snapshot().log_page(&log(private), None, size, 10).await.is_ok(),
            "who may reads it"
        );
        let hidden = nobody.snapshot().log_page(&log(private), None, size, 10).await;
        assert!(matches!(hidden, Err(Error::Unauthenticated { .. })), "{hidden:?}");
        assert_eq!(nobody.snapshot().name(&log(private)).await.unwrap(), None);
    }
    assert!(
        nobody.snapshot().log_page(&log("secret"), None, size, 10).await.is_ok(),
        "that it is there is no secret"
    );
    registry.close().await;
    drop((registry, nobody));
    // The releases are of content that nobody stored.
    let found: Vec<_> =
        check(dir.path()).await.into_iter().filter(|one| !one.starts_with("content ")).collect();
    assert_eq!(found, Vec::<String>::new());
    // Made anew from the ledger they are the same.
    let registry = open(dir.path(), &clock, &["secret/*"]).await;
    assert_eq!(told(&registry).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warg_log_that_comes_first_makes_its_private_namespace_begin() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock, &["*"]).await;
    let mut author = Author::new(10, "secret:mine", &clock);
    author.publish(&registry, vec![author.init()]).await;
    let told = told(&registry).await;
    let readable: Vec<_> = told.iter().map(|(log, _, readable)| (*log, *readable)).collect();
    let (namespace, package) = (log("secret"), log("secret:mine"));
    assert_eq!(readable, [(log(""), true), (namespace, true), (namespace, true), (package, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_public_stays_so_and_what_follows_is_private() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock, &[]).await;
    registry.release(&release("acme:app", "1.0.0"), WAIT).await.unwrap();
    registry.close().await;
    drop(registry);
    let registry = open(dir.path(), &clock, &["acme/*"]).await;
    registry.release(&release("acme:app", "1.1.0"), WAIT).await.unwrap();
    let readable: Vec<bool> = told(&registry).await.into_iter().map(|(_, _, readable)| readable).collect();
    // The operator log, the namespace, the first release; the policy, the second release.
    assert_eq!(readable, [true, true, true, true, false]);
    registry.close().await;
    drop(registry);
    // Said once; and the log's own word holds without the operator's.
    let registry = open(dir.path(), &clock, &[]).await;
    assert_eq!(registry.snapshot().checkpoint().size(), 5);
    registry.release(&release("acme:app", "1.2.0"), WAIT).await.unwrap();
    assert!(!told(&registry).await[5].2);
    let page = registry.seen_by(Caller::anonymous()).snapshot().log_page(&log("acme:app"), None, 6, 10).await;
    assert!(matches!(page, Err(Error::Unauthenticated { .. })), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_lies_about_privacy_is_named_and_put_right() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let registry = open(dir.path(), &clock, &["secret/*"]).await;
    let content = module(b"x");
    let mut author = Author::new(10, "open:mine", &clock);
    author.release(&registry, "1.0.0", &content).await;
    let mut author = Author::new(11, "secret:mine", &clock);
    author.release(&registry, "1.0.0", &content).await;
    registry.close().await;
    drop(registry);
    for (sql, table) in [
        ("update records set private = 1 - private where idx = 1", "records"),
        ("update records set private = 1 - private where idx = (select max(idx) from records)", "records"),
        ("update log_states set private = 1 - private where private = 1", "log_states"),
    ] {
        let (db, _) = engines(dir.path());
        db.write(vec![Statement::new(sql, vec![])]).await.unwrap();
        drop(db);
        let found = check(dir.path()).await;
        assert!(found.iter().any(|damage| damage.contains(table)), "{sql}: {found:?}");
        let (db, objects) = engines(dir.path());
        let options = FsckOptions {
            inspector: Some(Arc::new(Here)),
            repair: true,
            rebuild: true,
            ..FsckOptions::default()
        };
        fsck::check(&*db, &objects, &options).await.unwrap();
        assert_eq!(check(dir.path()).await, Vec::<String>::new(), "{sql}");
    }
}
