//! Opens an image as an operator would after a power cut, and looks for everything that clients had been told.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId, entry, leaf_hash};
use wargate_core::log::proof::LogProofBundle;
use wargate_core::map::proof::MapProofBundle;

use super::facts::{Fact, Facts, checkpoint};
use super::support::author::{Author, module, publish};
use super::support::{root_of, wargate};
use super::trace::Micros;

/// How long a registry may take to start on an image.
const START_MAX: Duration = Duration::from_secs(60);

/// How long a record whose content had come may take to be published.
const VERDICT_MAX: Duration = Duration::from_secs(20);

/// How long any other command may take.
const COMMAND_MAX: Duration = Duration::from_secs(120);

/// Requests at once.
const REQUESTS: usize = 8;

/// A registry on an image; killed when dropped.
struct Registry<'a> {
    process: tokio::process::Child,
    http: reqwest::Client,
    url: String,
    greeting: String,
    facts: &'a Facts,
    until: Micros,
}

/// Serves an image and checks it for all that was told until then; how many things were looked for.
pub(crate) async fn check(image: &Path, facts: &Facts, until: Micros) -> Result<usize, String> {
    let mut registry = Registry::start(image, facts, until).await?;
    let checked = tokio::time::timeout(START_MAX * 2, registry.check_all())
        .await
        .unwrap_or_else(|_| Err("the registry does not answer any more".to_owned()))?;
    registry.end().await?;
    Ok(checked)
}

/// Has `wargate fsck` check a whole data folder.
pub(crate) async fn fsck(folder: &Path) -> Result<(), String> {
    match run(&["fsck", "--data", folder.to_str().unwrap()]).await? {
        Ok(_) => Ok(()),
        Err(said) => Err(format!("`wargate fsck` says: {said}")),
    }
}

/// Runs a command; what it printed, or its words if it refused.
///
/// # Errors
/// It ended in another way.
pub(crate) async fn run(args: &[&str]) -> Result<Result<String, String>, String> {
    let output = tokio::process::Command::from(wargate(args)).kill_on_drop(true).output();
    let output = tokio::time::timeout(COMMAND_MAX, output).await;
    let output = output.map_err(|_| format!("`wargate {}` does not end", args.join(" ")))?.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.code() {
        Some(0) => Ok(Ok(printed)),
        Some(1) if said.contains("error[") => Ok(Err(printed + &said)),
        _ => Err(format!("`wargate {}` ended with {}: {printed}{said}", args.join(" "), output.status)),
    }
}

/// Whether `wargate serve` refuses a folder; its words.
///
/// # Errors
/// It starts.
pub(crate) async fn serve_refuses(folder: &Path) -> Result<String, String> {
    let nothing = Facts::default();
    match Registry::start(folder, &nothing, 0).await {
        Ok(_) => Err("a registry starts in a folder that is not whole".to_owned()),
        Err(why) => Ok(why),
    }
}

impl<'a> Registry<'a> {
    async fn start(image: &Path, facts: &'a Facts, until: Micros) -> Result<Self, String> {
        let log = std::fs::File::create(image.with_extension("log")).unwrap();
        let mut command = wargate(&["serve", "--listen", "127.0.0.1:0", "--data", image.to_str().unwrap()]);
        command.stdout(Stdio::piped()).stderr(log);
        let mut process = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut greeting = String::new();
        let read = async {
            while !greeting.contains("wargate trust add") {
                let Some(line) = lines.next_line().await.unwrap() else { break };
                greeting.push_str(&line);
                greeting.push('\n');
            }
        };
        if tokio::time::timeout(START_MAX, read).await.is_err() || !greeting.contains("wargate trust add") {
            let said = std::fs::read_to_string(image.with_extension("log")).unwrap();
            return Err(format!("the registry does not start: {greeting}{said}"));
        }
        // The rest of what it prints is nobody's; its pipe must stay open.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let url = greeting.lines().next().unwrap().strip_prefix("listening on ").unwrap().to_owned();
        Ok(Self { process, http: reqwest::Client::new(), url, greeting, facts, until })
    }

    async fn end(mut self) -> Result<(), String> {
        let id = self.process.id().ok_or("the registry has ended by itself")?.to_string();
        assert!(std::process::Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        let status = self.process.wait().await.unwrap();
        if status.success() { Ok(()) } else { Err(format!("the registry ended with {status}")) }
    }

    async fn check_all(&mut self) -> Result<usize, String> {
        let facts: Vec<&Fact> = self.facts.until(self.until).collect();
        let this = &*self;
        futures::stream::iter(facts.iter().map(|&fact| async move {
            this.check_fact(fact).await.map_err(|why| format!("{why}: had been told {fact:?}"))
        }))
        .buffer_unordered(REQUESTS)
        .try_collect::<Vec<()>>()
        .await?;
        self.check_log(&facts).await?;
        self.go_on().await?;
        Ok(facts.len())
    }

    async fn get(&self, path: &str) -> Result<reqwest::Response, String> {
        self.http.get(format!("{}{path}", self.url)).send().await.map_err(|error| error.to_string())
    }

    async fn json(&self, path: &str) -> Result<Value, String> {
        self.get(path).await?.json().await.map_err(|error| format!("{path}: {error}"))
    }

    async fn check_fact(&self, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Root(root) => {
                let found = root_of(&self.greeting, &self.url);
                if found == *root { Ok(()) } else { Err(format!("this is another registry, {found}")) }
            }
            // Looked at all together.
            Fact::Checkpoint(_) => Ok(()),
            Fact::Taken { log, record } => match self.status(log, record).await?["state"].as_str() {
                Some("sourcing" | "processing" | "published") => Ok(()),
                other => Err(format!("the record is {other:?}")),
            },
            Fact::Uploaded { log, record, content, all } => self.uploaded(log, record, content, *all).await,
            Fact::Published { log, record, content } => {
                let status = self.status(log, record).await?;
                if status["state"] != "published" {
                    return Err(format!("the record's status is {status}"));
                }
                self.bytes(&format!("/v1/content/{content}/bytes"), content).await
            }
            Fact::Blob { repository, digest } => {
                self.bytes(&format!("/v2/{repository}/blobs/{digest}"), digest).await
            }
            Fact::Manifest { repository, digest } => {
                self.bytes(&format!("/v2/{repository}/manifests/{digest}"), digest).await
            }
            Fact::Tag { repository, tag, number } => self.tag(repository, tag, *number).await,
        }
    }

    async fn status(&self, log: &LogId, record: &RecordId) -> Result<Value, String> {
        self.json(&format!("/v1/package/{log}/record/{record}")).await
    }

    async fn uploaded(
        &self,
        log: &LogId,
        record: &RecordId,
        content: &Digest,
        all: bool,
    ) -> Result<(), String> {
        let start = tokio::time::Instant::now();
        loop {
            let status = self.status(log, record).await?;
            let lacks = !status["missingContent"][content.to_string()].is_null();
            match status["state"].as_str() {
                Some("published") => return Ok(()),
                Some("sourcing") if !all && !lacks => return Ok(()),
                Some("processing") if start.elapsed() < VERDICT_MAX => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                _ => return Err(format!("the record's status is {status}")),
            }
        }
    }

    async fn bytes(&self, path: &str, digest: &Digest) -> Result<(), String> {
        let answer = self.get(path).await?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| format!("{path}: {error}"))?;
        if status.is_success() && Digest::of(&bytes) == *digest {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        Err(format!("{path} is answered {status} with {} bytes: {said}", bytes.len()))
    }

    /// The tag leads to what was acknowledged, or to what was put there later without an answer.
    async fn tag(&self, repository: &str, tag: &str, number: usize) -> Result<(), String> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let bytes = self.get(&path).await?.bytes().await.map_err(|error| format!("{path}: {error}"))?;
        let found = Digest::of(&bytes);
        let tried = &self.facts.tags[&(repository.to_owned(), tag.to_owned())];
        if tried[number..].contains(&found) {
            return Ok(());
        }
        Err(format!("{path} leads to {}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)])))
    }

    /// Every checkpoint is of this log, and every published record is in it and in the map.
    async fn check_log(&self, facts: &[&Fact]) -> Result<(), String> {
        let now = checkpoint(&self.json("/v1/fetch/checkpoint").await?).ok_or("no checkpoint")?;
        let mut seen: BTreeMap<(u64, u64), &Checkpoint> = BTreeMap::new();
        for fact in facts {
            if let Fact::Checkpoint(checkpoint) = fact {
                seen.insert((checkpoint.size, checkpoint.time), checkpoint);
            }
        }
        for old in seen.values() {
            self.consistent(old, &now)
                .await
                .map_err(|why| format!("{why}: a client has {old:?}, now {now:?}"))?;
        }
        for fact in facts {
            if let Fact::Published { log, record, .. } = fact {
                self.included(log, record, &now)
                    .await
                    .map_err(|why| format!("{why}: {fact:?}, now {now:?}"))?;
            }
        }
        Ok(())
    }

    async fn proof(&self, path: &str, request: Value) -> Result<Value, String> {
        let answer = self.http.post(format!("{}{path}", self.url)).json(&request).send().await;
        answer.map_err(|error| error.to_string())?.json().await.map_err(|error| error.to_string())
    }

    async fn consistent(&self, old: &Checkpoint, now: &Checkpoint) -> Result<(), String> {
        if old.size > now.size {
            return Err("the log is shorter than it was".to_owned());
        }
        if old.size == now.size {
            let same = (old.root, old.map_root) == (now.root, now.map_root);
            return if same { Ok(()) } else { Err("two trees of one size".to_owned()) };
        }
        let answer = self.proof("/v1/proof/consistency", json!({ "from": old.size, "to": now.size })).await?;
        let bundle =
            LogProofBundle::decode(&decoded(&answer["proof"])?).map_err(|error| error.to_string())?;
        bundle.verify_consistency(old.size, &old.root, &now.root).map_err(|error| error.to_string())
    }

    async fn included(&self, log: &LogId, record: &RecordId, now: &Checkpoint) -> Result<(), String> {
        let index = self.status(log, record).await?["registryIndex"].as_u64().ok_or("it has no index")?;
        let request = json!({ "logLength": now.size, "leafs": [index] });
        let answer = self.proof("/v1/proof/inclusion", request).await?;
        let bundle = LogProofBundle::decode(&decoded(&answer["log"])?).map_err(|error| error.to_string())?;
        let leaf = leaf_hash(&entry(log, record));
        bundle.verify_inclusion(index, &leaf, &now.root).map_err(|error| error.to_string())?;
        let bundle = MapProofBundle::decode(&decoded(&answer["map"])?).map_err(|error| error.to_string())?;
        // The map holds the log's latest record, which may be one that nobody was told of.
        let tried = &self.facts.records[log];
        let from = tried.iter().position(|other| other == record).ok_or("it was never handed in")?;
        let proof = bundle.proofs.first().ok_or("no proof of the map")?;
        if tried[from..].iter().any(|head| proof.verify(&now.map_root, log, Some(head)).is_ok()) {
            return Ok(());
        }
        Err("the map's proof is of something else".to_owned())
    }

    /// New work is taken.
    async fn go_on(&self) -> Result<(), String> {
        for (name, size) in [("cut:goes-on", 10), ("cut:goes-on-large", 80_000)] {
            let content = module(&vec![b'g'; size]);
            let signed = Author::new(name).release("1.0.0", &content);
            let published = publish(&self.http, &self.url, &signed, &content).await;
            if !published.map_err(|error| error.to_string())? {
                return Err(format!("`{name}` cannot be published"));
            }
        }
        Ok(())
    }
}

fn decoded(base64: &Value) -> Result<Vec<u8>, String> {
    let text = base64.as_str().ok_or("no proof")?;
    BASE64.decode(text).map_err(|error| error.to_string())
}
