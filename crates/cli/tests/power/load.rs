//! Clients of a recorded registry: they publish, upload and push with several connections at once, and note what
//! they are told.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use wargate_core::digest::Digest;

use super::facts::{Fact, Notes, checkpoint};
use super::support::author::{Author, Signed, module};

/// Content of this size is an object, bytes; smaller content is a row.
const LARGE_BYTES: usize = 70_000;

/// Clients that publish at the Warg door.
const AUTHORS: usize = 4;

/// Clients that push at the OCI door.
const PUSHERS: usize = 2;

/// Clients whose blobs come into one folder, and how long each begins after the one before.
const PUSHERS_OF_ONE_FOLDER: usize = 4;
const STAGGER: Duration = Duration::from_millis(8);

/// How often a client asks for a verdict.
const POLL: Duration = Duration::from_millis(5);

/// Verdicts are waited for so many times [`POLL`].
const POLLS_MAX: usize = 6_000;

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// One client's way to the registry.
#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    url: String,
    notes: Arc<Notes>,
    /// Names of this run begin with it.
    run: String,
}

/// What clients do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// Everything, each client for so many rounds.
    Mixed { rounds: usize },
    /// Large blobs that come into the same new folder, a few milliseconds after each other.
    OneFolder,
    /// One after the other: a publish with a small upload, one with a large upload, one of content that is here, a push.
    OneOfEach,
    /// Nothing: the registry starts and ends.
    Nothing,
}

/// Runs all clients to their end.
pub(crate) async fn run(url: &str, notes: Arc<Notes>, run: &str, load: Load) {
    let client = Client { http: reqwest::Client::new(), url: url.to_owned(), notes, run: run.to_owned() };
    let clients = match load {
        Load::Mixed { rounds } => client.mixed(rounds),
        Load::OneFolder => client.into_one_folder(),
        Load::OneOfEach => vec![tokio::spawn(client.one_of_each())],
        Load::Nothing => Vec::new(),
    };
    for client in clients {
        client.await.unwrap();
    }
}

fn letter(number: usize) -> char {
    char::from(b'a' + (number % 26) as u8)
}

/// A module that no other one equals.
fn content(run: &str, of: &str, number: usize, is_large: bool) -> Vec<u8> {
    let mut payload = format!("{run} {of} {number} ").into_bytes();
    let size = if is_large { LARGE_BYTES + 5_000 * number } else { 40 + 600 * (number % 7) };
    payload.resize(size, b'.');
    module(&payload)
}

/// Large blobs whose digests begin alike, and so lie in one folder.
fn of_one_folder(run: &str) -> Vec<Vec<u8>> {
    let blobs = (0_u32..).map(|number| {
        let mut blob = format!("{run} {number} ").into_bytes();
        blob.resize(LARGE_BYTES, b'.');
        blob
    });
    blobs.filter(|blob| Digest::of(blob).as_bytes()[0] == 0).take(PUSHERS_OF_ONE_FOLDER).collect()
}

impl Client {
    fn mixed(self, rounds: usize) -> Vec<JoinHandle<()>> {
        let mut clients = Vec::new();
        for number in 0..AUTHORS {
            clients.push(tokio::spawn(self.clone().publish(number, rounds)));
        }
        for number in 0..PUSHERS {
            clients.push(tokio::spawn(self.clone().push(number, rounds)));
        }
        clients.push(tokio::spawn(self.clone().leave_open(rounds)));
        clients.push(tokio::spawn(self.read(rounds)));
        clients
    }

    fn into_one_folder(self) -> Vec<JoinHandle<()>> {
        let mut clients = Vec::new();
        for (number, blob) in of_one_folder(&self.run).into_iter().enumerate() {
            let client = self.clone();
            clients.push(tokio::spawn(async move {
                tokio::time::sleep(STAGGER * number as u32).await;
                client.push_blob(&format!("push/{}", letter(number)), &blob).await;
            }));
        }
        clients
    }

    async fn one_of_each(self) {
        for (name, is_large) in [("small", false), ("large", true)] {
            let mut author = Author::new(&format!("cut:{}-{name}", self.run));
            let bytes = content(&self.run, name, 1, is_large);
            let first = author.release("1.0.0", &bytes);
            self.publish_one(&first, &bytes).await;
            author.head = Some(first.id);
            // Content that is here already.
            self.publish_one(&author.release("1.1.0", &bytes), &bytes).await;
        }
        self.clone().push(0, 1).await;
        self.read(1).await;
    }

    /// Releases with small and large content, two releases in a log now and then.
    async fn publish(self, number: usize, rounds: usize) {
        for round in 0..rounds {
            let name = format!("cut:{}-{}-{}{}", self.run, letter(number), letter(round / 26), letter(round));
            let mut author = Author::new(&name);
            let bytes = content(&self.run, &name, round, (round + number).is_multiple_of(3));
            let first = author.release("1.0.0", &bytes);
            self.publish_one(&first, &bytes).await;
            if (round + number) % 3 == 1 {
                author.head = Some(first.id);
                // Content that is here already.
                self.publish_one(&author.release("1.1.0", &bytes), &bytes).await;
            }
        }
    }

    async fn publish_one(&self, signed: &Signed, bytes: &[u8]) {
        let content = Digest::of(bytes);
        let (log, record) = (signed.log, signed.id);
        if self.hand_in(signed).await == "sourcing" {
            self.upload(signed, bytes, true).await;
        }
        let at = format!("{}/v1/package/{log}/record/{record}", self.url);
        for _ in 0..POLLS_MAX {
            let answer: Value = self.http.get(&at).send().await.unwrap().json().await.unwrap();
            match answer["state"].as_str() {
                Some("published") => return self.notes.told(Fact::Published { log, record, content }),
                Some("processing") => tokio::time::sleep(POLL).await,
                _ => panic!("the load is refused: {answer}"),
            }
        }
        panic!("no verdict for {record}");
    }

    async fn hand_in(&self, signed: &Signed) -> String {
        self.notes.tries_record(signed.log, signed.id);
        let at = format!("{}/v1/package/{}/record", self.url, signed.log);
        let answer = self.http.post(at).json(&signed.body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let state = answer["state"].as_str().unwrap_or_else(|| panic!("refused: {answer}")).to_owned();
        self.notes.told(Fact::Taken { log: signed.log, record: signed.id });
        state
    }

    async fn upload(&self, signed: &Signed, bytes: &[u8], all: bool) {
        let (log, record, content) = (signed.log, signed.id, Digest::of(bytes));
        let at = format!("{}/v1/package/{log}/record/{record}/content/{content}", self.url);
        let answer = self.http.post(at).body(bytes.to_vec()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        self.notes.told(Fact::Uploaded { log, record, content, all });
    }

    /// Records that lack content, some of it or all, and stay pending.
    async fn leave_open(self, rounds: usize) {
        for round in 0..rounds {
            let author =
                Author::new(&format!("cut:{}-open-{}{}", self.run, letter(round / 26), letter(round)));
            let here = content(&self.run, "here", round, round.is_multiple_of(2));
            let signed = author.releases(&[("1.0.0", &here), ("2.0.0", b"never")]);
            assert_eq!(self.hand_in(&signed).await, "sourcing");
            if round % 4 < 2 {
                self.upload(&signed, &here, false).await;
            }
        }
    }

    async fn read(self, rounds: usize) {
        for _ in 0..rounds * 4 {
            let answer = self.http.get(format!("{}/v1/fetch/checkpoint", self.url)).send().await.unwrap();
            let body: Value = answer.json().await.unwrap();
            self.notes.told(Fact::Checkpoint(checkpoint(&body).unwrap()));
            tokio::time::sleep(POLL * 4).await;
        }
    }

    /// Artifacts under versions, and a tag that moves with each.
    async fn push(self, number: usize, rounds: usize) {
        for round in 0..rounds {
            // A new repository every few rounds: its first push begins a package.
            let repository = format!("push/{}-{}{}", self.run, letter(number), letter(round / 3));
            let layer = content(&self.run, &repository, round, (round + number).is_multiple_of(2));
            let config = json!({
                "created": "2026-01-01T00:00:00Z", "author": null, "architecture": "wasm", "os": "wasip1",
                "layerDigests": [Digest::of(&layer).to_string()], "component": null,
            });
            let config = config.to_string().into_bytes();
            self.push_blob(&repository, &layer).await;
            self.push_blob(&repository, &config).await;
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": {
                    "mediaType": "application/vnd.wasm.config.v0+json",
                    "digest": Digest::of(&config).to_string(), "size": config.len(),
                },
                "layers": [{
                    "mediaType": "application/wasm",
                    "digest": Digest::of(&layer).to_string(), "size": layer.len(),
                }],
            });
            let manifest = manifest.to_string().into_bytes();
            self.push_manifest(&repository, &format!("1.{round}.0"), &manifest).await;
            self.push_manifest(&repository, "edge", &manifest).await;
        }
    }

    async fn push_blob(&self, repository: &str, bytes: &[u8]) {
        let begin = self.http.post(format!("{}/v2/{repository}/blobs/uploads/", self.url));
        let session = begin.send().await.unwrap();
        assert_eq!(session.status(), StatusCode::ACCEPTED);
        let place = session.headers()["location"].to_str().unwrap().to_owned();
        let digest = Digest::of(bytes);
        let put = self.http.put(format!("{}{place}?digest={digest}", self.url)).body(bytes.to_vec());
        assert_eq!(put.send().await.unwrap().status(), StatusCode::CREATED);
        self.notes.told(Fact::Blob { repository: repository.to_owned(), digest });
    }

    async fn push_manifest(&self, repository: &str, tag: &str, manifest: &[u8]) {
        let digest = Digest::of(manifest);
        let number = self.notes.tries_tag(repository, tag, digest);
        let put = self.http.put(format!("{}/v2/{repository}/manifests/{tag}", self.url));
        let put = put.header("content-type", MANIFEST_TYPE).body(manifest.to_vec());
        let answer = put.send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, StatusCode::CREATED, "{}", answer.text().await.unwrap());
        let (repository, tag) = (repository.to_owned(), tag.to_owned());
        self.notes.told(Fact::Manifest { repository: repository.clone(), digest });
        self.notes.told(Fact::Tag { repository, tag, number });
    }
}
