//! `wargate backup` and `wargate restore` from outside, as processes beside a running server.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use support::author::{Author, Signed, module, publish};
use support::{Server, assert_refused, serve_refused, text, wargate};
use wargate_core::checkpoint::{Checkpoint, peek_note};
use wargate_core::log::proof::LogProofBundle;

/// A registry's folder, a place for its backup, and one for what is restored.
struct Place {
    dir: tempfile::TempDir,
    published: usize,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), published: 0 }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn backup(&self) -> PathBuf {
        self.dir.path().join("backup")
    }

    fn restored(&self) -> PathBuf {
        self.dir.path().join("restored")
    }

    /// Publishes `count` packages, some with content that is an object; what was acknowledged.
    async fn publish(&mut self, url: &str, count: usize) -> Vec<Signed> {
        let http = reqwest::Client::new();
        let mut all = Vec::new();
        for _ in 0..count {
            let n = self.published;
            self.published += 1;
            all.push(one(&http, url, n).await.unwrap());
        }
        all
    }

    /// A registry that ran, with so many packages.
    async fn filled(count: usize) -> Self {
        let mut place = Self::new();
        let server = Server::start(&place.data(), &[]);
        place.publish(&server.url, count).await;
        server.end();
        place
    }

    #[track_caller]
    fn back_up(&self, args: &[&str]) -> String {
        let output = self.try_backup(args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    fn try_backup(&self, args: &[&str]) -> Output {
        let mut command = wargate(&["backup", "--data"]);
        command.arg(self.data()).arg("--to").arg(self.backup()).args(args).output().unwrap()
    }

    fn try_restore(&self, args: &[&str]) -> Output {
        let mut command = wargate(&["restore", "--from"]);
        command.arg(self.backup()).arg("--data").arg(self.restored()).args(args).output().unwrap()
    }

    #[track_caller]
    fn restore(&self, args: &[&str]) -> String {
        let output = self.try_restore(args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    fn forget_restored(&self) {
        let _ = fs::remove_dir_all(self.restored());
    }
}

/// Publishes package `n`; `None` if the server is gone.
async fn one(http: &reqwest::Client, url: &str, n: usize) -> Option<Signed> {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    let author = Author::new(&format!("acme:p{}{}{}", letter(n / 676), letter(n / 26), letter(n)));
    let content = module(&vec![n as u8; if n.is_multiple_of(4) { 70_000 + n } else { n }]);
    let signed = author.release("1.0.0", &content);
    publish(http, url, &signed, &content).await.ok()?.then_some(signed)
}

fn note(folder: &Path) -> String {
    fs::read_to_string(folder.join("objects/log/checkpoint")).unwrap()
}

fn checkpoint(note: &str) -> Checkpoint {
    peek_note(note).unwrap().1
}

async fn body(url: &str, path: &str) -> String {
    reqwest::get(format!("{url}{path}")).await.unwrap().error_for_status().unwrap().text().await.unwrap()
}

/// The closing line's numbers: copied, already there.
fn counts(line: &str) -> (u64, u64) {
    let before = |words: &str| line.split(words).next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    (before(" objects copied"), before(" already there"))
}

async fn assert_goes_on_from(url: &str, old: &Checkpoint) {
    let new = checkpoint(&body(url, "/log/checkpoint").await);
    assert!(new.size >= old.size);
    if new.size == old.size {
        assert_eq!((new.root, new.map_root), (old.root, old.map_root));
        return;
    }
    let request = json!({ "from": old.size, "to": new.size });
    let http = reqwest::Client::new();
    let answer: Value = http
        .post(format!("{url}/v1/proof/consistency"))
        .json(&request)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    use base64::Engine as _;
    let proof = base64::engine::general_purpose::STANDARD.decode(answer["proof"].as_str().unwrap()).unwrap();
    let proof = LogProofBundle::decode(&proof).unwrap();
    proof.verify_consistency(old.size, &old.root, &new.root).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_one_moment_of_the_log() {
    let mut place = Place::new();
    let server = Server::start(&place.data(), &[]);
    let before = place.publish(&server.url, 40).await;
    let url = server.url.clone();
    let writer = tokio::spawn(async move {
        let http = reqwest::Client::new();
        let mut n = 1_000;
        while one(&http, &url, n).await.is_some() {
            n += 1;
        }
        n - 1_000
    });
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let line = tokio::task::block_in_place(|| place.back_up(&["--with-keys"]));
        place.forget_restored();
        let told = tokio::task::block_in_place(|| place.restore(&["--accept-fork-risk"]));
        let restored = checkpoint(&note(&place.restored()));
        assert!(
            line.contains(&format!("tree size {}", restored.size))
                && told.contains(&restored.root.to_string())
        );
        assert_goes_on_from(&server.url, &restored).await;
        sizes.push(restored.size);
    }
    server.signal("KILL");
    assert!(writer.await.unwrap() > 5, "publishing went on");
    assert!(sizes.is_sorted() && sizes[0] > 40 && sizes[2] > sizes[0], "{sizes:?}");
    let restored = note(&place.restored());
    let again = Server::start(&place.restored(), &[]);
    assert_eq!(body(&again.url, "/log/checkpoint").await, restored, "the same bytes");
    for signed in &before {
        let path = format!("/v1/package/{}/record/{}", signed.log, signed.id);
        let status: Value = serde_json::from_str(&body(&again.url, &path).await).unwrap();
        assert_eq!(status["state"], "published");
    }
    // And it takes records.
    place.published = 10_000;
    place.publish(&again.url, 1).await;
    assert_goes_on_from(&again.url, &checkpoint(&restored)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_restored_serves_the_same_checkpoint_and_content() {
    let place = Place::filled(300).await;
    place.back_up(&["--with-keys"]);
    place.restore(&["--accept-fork-risk"]);
    assert_eq!(note(&place.restored()), note(&place.data()));
    for name in ["origin", "format", "keys/commit.key"] {
        let file = |folder: PathBuf| fs::read(folder.join(name)).unwrap();
        assert_eq!(file(place.restored()), file(place.data()), "{name}");
    }
    for key in [place.backup().join("keys"), place.restored().join("keys")] {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&key), mode(&key.join("root.key"))), (0o700, 0o600));
    }
    let server = Server::start(&place.restored(), &[]);
    let issued = body(&server.url, "/log/checkpoint").await;
    assert_eq!(issued, note(&place.data()));
    for path in
        ["/log/records/000", "/log/names/000", "/log/tile/entries/000", "/log/tile/0/000", "/log/map/2"]
    {
        body(&server.url, path).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_backup_copies_only_what_is_new() {
    let mut place = Place::filled(30).await;
    let (copied, there) = counts(&place.back_up(&[]));
    assert!(copied > 8 && there == 0, "{copied} {there}");
    assert_eq!(counts(&place.back_up(&[])), (0, copied), "nothing is new");
    // Two more without a blob, then one with.
    for (count, bytes) in [(2, 0..70_000), (1, 70_000..140_000)] {
        let server = Server::start(&place.data(), &[]);
        place.publish(&server.url, count).await;
        server.end();
        let line = place.back_up(&[]);
        let copied: u64 = line.split(" bytes)").next().unwrap().rsplit('(').next().unwrap().parse().unwrap();
        assert!(bytes.contains(&copied) && counts(&line).1 >= 8, "{line}");
    }
    // What lies there are the files of this backup, not those that it replaced.
    let partials = fs::read_dir(place.backup().join("objects/log/records/000.p")).unwrap().count();
    assert_eq!(partials, 1);
    place.restore(&[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_killed_leaves_the_former_one() {
    let mut place = Place::filled(40).await;
    let start = Instant::now();
    place.back_up(&[]);
    let whole = start.elapsed();
    let mut broken_off = 0;
    for part in 1..=8 {
        let server = Server::start(&place.data(), &[]);
        place.publish(&server.url, 5).await;
        server.end();
        let former = fs::read_to_string(place.backup().join("backup.json")).unwrap();
        let mut command = wargate(&["backup", "--data"]);
        command.arg(place.data()).arg("--to").arg(place.backup());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * part / 8);
        child.kill().unwrap();
        child.wait().unwrap();
        let now = fs::read_to_string(place.backup().join("backup.json")).unwrap();
        broken_off += usize::from(now == former);
        place.forget_restored();
        place.restore(&[]);
        let record: Value = serde_json::from_str(&now).unwrap();
        assert_eq!(checkpoint(&note(&place.restored())).size, record["size"].as_u64().unwrap());
    }
    assert!(broken_off > 1, "they were killed too late: {whole:?}");
    place.back_up(&[]);
    place.forget_restored();
    place.restore(&[]);
    assert_eq!(note(&place.restored()), note(&place.data()));
}

/// A file below a folder whose path holds these words; the largest.
fn find(folder: &Path, words: &str) -> PathBuf {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.path().to_str().unwrap().contains(words) {
                found.push((entry.metadata().unwrap().len(), entry.path()));
            }
        }
    }
    found.into_iter().max().unwrap_or_else(|| panic!("no file of {words}")).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_with_missing_or_damaged_files_is_refused_by_name() {
    let place = Place::filled(12).await;
    place.back_up(&["--with-keys"]);
    let cases = [
        ("/backup/ledger-", "ledger"),
        ("/backup/backup.json", "backup.json"),
        ("/log/tile/0/", "log/tile/0/"),
        ("/log/tile/entries/", "log/tile/entries/"),
        ("/log/records/", "log/records/"),
        ("/log/names/", "log/names/"),
        ("/log/map/", "log/map/"),
        ("/blobs/", "blobs/sha256/"),
    ];
    for (part, word) in cases {
        let path = find(&place.backup(), part);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        let middle = if part.contains("backup.json") { 2 } else { flipped.len() / 2 };
        flipped[middle] ^= 1;
        for damaged in [None, Some(flipped), Some(whole[..whole.len() - 1].to_vec())] {
            match damaged {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => fs::write(&path, bytes).unwrap(),
            }
            let refused = place.try_restore(&[]);
            assert_refused(&refused, 1, &["error[", word]);
            if place.restored().exists() {
                let refused = serve_refused(&place.restored(), &["--listen", "127.0.0.1:0"]);
                assert_refused(&refused, 1, &["was not restored to the end", "delete it"]);
            }
            place.forget_restored();
            fs::write(&path, &whole).unwrap();
        }
    }
    fs::remove_dir_all(place.backup().join("keys")).unwrap();
    assert_refused(&place.try_restore(&[]), 1, &["keys are missing"]);
    place.forget_restored();
    place.back_up(&[]);
    place.restore(&[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_registry_signs_nothing_before_its_owner_takes_the_risk() {
    let place = Place::filled(3).await;
    let output = place.try_backup(&[]);
    assert!(text(&output.stderr).contains("THE KEYS ARE NOT IN THE BACKUP"), "{}", text(&output.stderr));
    let told = place.restore(&[]);
    for words in
        ["Its keys were not in the backup", "It signs nothing yet", "--accept-fork-risk", "wargate fsck"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    let listen = ["--listen", "127.0.0.1:0"];
    let refused = serve_refused(&place.restored(), &listen);
    assert_refused(
        &refused,
        1,
        &["error[config]", "was restored from the backup of", "fork", "--accept-fork-risk"],
    );
    let mut accept =
        wargate(&["restore", "--accept-fork-risk", "--data", place.restored().to_str().unwrap()]);
    let output = accept.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("goes on from the backup of"));
    // The keys are nobody's to make anew.
    assert_refused(&serve_refused(&place.restored(), &listen), 1, &["commit.key", "is missing"]);
    for key in fs::read_dir(place.data().join("keys")).unwrap().map(Result::unwrap) {
        fs::copy(key.path(), place.restored().join("keys").join(key.file_name())).unwrap();
    }
    Server::start(&place.restored(), &[]).end();
    assert_refused(&accept.output().unwrap(), 1, &["waits for no such word"]);
    // A folder that holds something is left alone.
    assert_refused(&place.try_restore(&[]), 1, &["is not empty"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_folder_is_never_mixed() {
    let place = Place::filled(3).await;
    let other = Place::filled(2).await;
    place.back_up(&[]);
    let copy = |args: [&Path; 2]| {
        wargate(&["backup", "--data"]).arg(args[0]).arg("--to").arg(args[1]).output().unwrap()
    };
    assert_refused(&copy([&other.data(), &place.backup()]), 1, &["former backup's checkpoint", "--to"]);
    assert_refused(&copy([&place.data(), &other.data()]), 1, &["is no backup", "choose an empty"]);
    assert_refused(&copy([&place.backup(), &other.backup()]), 1, &["has no file `format`"]);
    assert_refused(&copy([&place.dir.path().join("absent"), &other.backup()]), 1, &["absent"]);
    assert_refused(
        &serve_refused(&place.backup(), &["--listen", "127.0.0.1:0"]),
        1,
        &["has no file `format`"],
    );
    place.restore(&[]);
    // An older ledger does not take the place of a newer backup.
    let mut place = place;
    let old = place.dir.path().join("old");
    let status = std::process::Command::new("cp").arg("-a").arg(place.data()).arg(&old).status().unwrap();
    assert!(status.success());
    let server = Server::start(&place.data(), &[]);
    place.publish(&server.url, 2).await;
    server.end();
    place.back_up(&[]);
    assert_refused(&copy([&old, &place.backup()]), 1, &["former backup's checkpoint"]);
    place.forget_restored();
    place.restore(&[]);
    assert_eq!(note(&place.restored()), note(&place.data()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_ledger_begins_no_second_log_and_comes_back_from_the_backup() {
    let place = Place::filled(3).await;
    place.back_up(&["--with-keys"]);
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(place.data().join(format!("ledger.sqlite{suffix}")));
    }
    let issued = note(&place.data());
    for _ in 0..2 {
        let refused = serve_refused(&place.data(), &["--listen", "127.0.0.1:0"]);
        assert_refused(&refused, 1, &["the ledger is empty", "fork", "restore a backup"]);
    }
    assert_eq!(note(&place.data()), issued);
    assert_refused(&place.try_backup(&[]), 1, &["the ledger is empty"]);
    place.restore(&["--accept-fork-risk"]);
    Server::start(&place.restored(), &[]).end();
    assert_eq!(checkpoint(&note(&place.restored())).root, checkpoint(&issued).root);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_a_broken_off_backup_left_are_not_in_the_next_one() {
    let place = Place::filled(3).await;
    let broken_off = place.backup().join("keys");
    for key in [None, Some("root.key")] {
        fs::create_dir_all(&broken_off).unwrap();
        if let Some(key) = key {
            fs::copy(place.data().join("keys").join(key), broken_off.join(key)).unwrap();
        }
        let output = place.try_backup(&[]);
        assert!(text(&output.stderr).contains("THE KEYS ARE NOT IN THE BACKUP"), "{}", text(&output.stderr));
        let told = place.restore(&[]);
        assert!(told.contains("Its keys were not in the backup"), "{told}");
        place.forget_restored();
    }
    // Those of a finished one stay.
    place.back_up(&["--with-keys"]);
    assert!(text(&place.try_backup(&[]).stderr).contains("that an earlier backup put there"));
    assert!(place.restore(&[]).contains("Its keys were in the backup"));
}

#[test]
fn where_the_mark_of_a_restore_was_on_its_way_no_registry_begins() {
    let place = Place::new();
    fs::create_dir(place.restored()).unwrap();
    fs::write(place.restored().join("restored.new"), "").unwrap();
    let refused = serve_refused(&place.restored(), &["--listen", "127.0.0.1:0"]);
    assert_refused(&refused, 1, &["was not restored to the end", "delete it"]);
}
