//! What was promised: every answer that somebody got, to be held against the registry for ever after.

use std::collections::BTreeMap;
use std::sync::Arc;

use wargate_core::checkpoint::Checkpoint;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_registry::{Error, RecordStatus, Registry, Repository};
use wargate_wire::oci::manifest::Manifest;
use wargate_wire::oci::reference::{Reference, RepositoryName};

use crate::faults::Faults;
use crate::operator::{Release, Words};
use crate::world::LEASE;

/// A record of a log: its id tells its contents only.
pub type Key = (LogId, RecordId);

#[derive(Clone)]
pub struct Book {
    pub faults: Arc<Faults>,
    /// Records that are published, with their index.
    pub published: BTreeMap<Key, u64>,
    /// Records that were taken and have no verdict yet.
    pub taken: BTreeMap<Key, ()>,
    pub rejected: BTreeMap<Key, String>,
    /// Content that is stored, and until when that was promised, in ms.
    pub contents: BTreeMap<Digest, u64>,
    /// Releases of packages that the registry carries, with their content.
    pub releases: BTreeMap<Release, Digest>,
    /// What the operator said of them.
    pub words: Words,
    /// Tags of repositories, and the manifest that each points at; `None` if it was deleted.
    pub tags: BTreeMap<(RepositoryName, String), Option<Digest>>,
    /// Tags that may have moved: somebody pushed and has no answer yet.
    pub unsure: Vec<(RepositoryName, String)>,
    /// What hindered somebody last.
    pub trouble: String,
    /// Checkpoints that somebody saw, in the order in which they were seen.
    pub checkpoints: Vec<Checkpoint>,
}

impl Book {
    pub fn new(faults: Arc<Faults>) -> Self {
        Self {
            faults,
            published: BTreeMap::new(),
            taken: BTreeMap::new(),
            rejected: BTreeMap::new(),
            contents: BTreeMap::new(),
            releases: BTreeMap::new(),
            words: Words::default(),
            tags: BTreeMap::new(),
            unsure: Vec::new(),
            trouble: String::new(),
            checkpoints: Vec::new(),
        }
    }

    /// Keeps what was answered about a record, which must not contradict what was answered before.
    pub fn heard(&mut self, log: LogId, status: &RecordStatus) {
        match status {
            RecordStatus::Published { record, index } => {
                let known = self.published.insert((log, *record), *index);
                self.must(known.is_none_or(|known| known == *index), || {
                    format!("record {record} moved from index {known:?} to {index}")
                });
                self.must(!self.rejected.contains_key(&(log, *record)), || {
                    format!("record {record} was rejected and is published")
                });
                self.taken.remove(&(log, *record));
            }
            RecordStatus::Rejected { record, reason } => {
                let known = self.rejected.insert((log, *record), reason.clone());
                self.must(known.as_ref().is_none_or(|known| known == reason), || {
                    format!("record {record} was rejected for `{known:?}`, now for `{reason}`")
                });
                self.must(!self.published.contains_key(&(log, *record)), || {
                    format!("record {record} was published and is rejected")
                });
                self.taken.remove(&(log, *record));
            }
            RecordStatus::Sourcing { record, .. } | RecordStatus::Processing { record } => {
                let settled = self.published.contains_key(&(log, *record))
                    || self.rejected.contains_key(&(log, *record));
                self.must(!settled, || format!("record {record} had its verdict and waits again"));
                self.taken.insert((log, *record), ());
            }
        }
    }

    /// Content came in: it stays for a lease at least.
    pub fn store(&mut self, digest: Digest, now_ms: u64) {
        let until = self.contents.entry(digest).or_default();
        *until = (*until).max(now_ms + LEASE.as_millis() as u64);
    }

    /// Content was released: it stays for ever.
    pub fn keep(&mut self, digest: Digest) {
        self.contents.insert(digest, u64::MAX);
    }

    /// Somebody asked for something about a tag, and has no answer yet.
    pub fn doubt(&mut self, tag: &(RepositoryName, String)) {
        self.tags.remove(tag);
        self.unsure.push(tag.clone());
    }

    /// Adds what one person heard meanwhile, and empties their page.
    pub fn take_over(&mut self, page: &mut Self) {
        let page = std::mem::replace(page, Self::new(self.faults.clone()));
        for ((log, record), index) in page.published {
            self.heard(log, &RecordStatus::Published { record, index });
        }
        for ((log, record), reason) in page.rejected {
            self.heard(log, &RecordStatus::Rejected { record, reason });
        }
        self.taken.extend(page.taken);
        for (digest, until_ms) in page.contents {
            let known = self.contents.entry(digest).or_default();
            *known = until_ms.max(*known);
        }
        self.releases.extend(page.releases);
        self.words.take_over(page.words);
        for tag in page.unsure {
            self.tags.remove(&tag);
        }
        self.tags.extend(page.tags);
    }

    /// Somebody has no answer yet, and will try again.
    pub fn troubled(&mut self, who: &dyn std::fmt::Display, why: &dyn std::fmt::Display) -> bool {
        self.trouble = format!("{who}: {why}");
        false
    }

    fn must(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.faults.violated(otherwise());
        }
    }

    /// Takes a look at the checkpoint, as any client does: the log only grows, and time goes on.
    pub fn look(&mut self, registry: &Registry) {
        let now = registry.snapshot().checkpoint().signed.checkpoint.clone();
        if let Some(last) = self.checkpoints.last() {
            let grows = last.size < now.size
                || (last.size == now.size && last.root == now.root && last.map_root == now.map_root);
            self.must(grows, || format!("the log went from size {} to {}", last.size, now.size));
            self.must(last.time <= now.time, || {
                format!("checkpoints went back in time, from {} to {}", last.time, now.time)
            });
            if *last == now {
                return;
            }
        }
        self.checkpoints.push(now);
    }

    /// Asks a calm registry about everything that was promised.
    pub async fn ask(&mut self, registry: &Registry, now_ms: u64) {
        self.look(registry);
        for ((log, record), index) in &self.published {
            let status = registry.record_status(log, record).await;
            let kept = matches!(&status, Ok(RecordStatus::Published { index: found, .. }) if found == index);
            self.must(kept, || format!("record {record} was published at {index} and is {status:?}"));
            self.prove(registry, log, record, *index).await;
        }
        for (log, record) in self.taken.keys() {
            let status = registry.record_status(log, record).await;
            self.must(status.is_ok(), || format!("record {record} was taken and is {status:?}"));
        }
        for ((log, record), reason) in &self.rejected {
            let status = registry.record_status(log, record).await;
            let kept = matches!(&status, Ok(RecordStatus::Rejected { reason: found, .. }) if found == reason);
            self.must(kept, || format!("record {record} was rejected for `{reason}` and is {status:?}"));
        }
        self.ask_for_content(registry, now_ms).await;
        self.ask_for_names(registry, now_ms).await;
    }

    /// Under the newest checkpoint the log holds the record.
    async fn prove(&self, registry: &Registry, log: &LogId, record: &RecordId, index: u64) {
        let snapshot = registry.snapshot();
        let checkpoint = &snapshot.checkpoint().signed.checkpoint;
        let proof = match snapshot.prove_inclusion(checkpoint.size, &[index]).await {
            Ok((proof, _)) => proof,
            Err(error) => return self.faults.violated(format!("record {index} has no proof: {error}")),
        };
        let leaf = wargate_core::id::leaf_hash(&wargate_core::id::entry(log, record));
        let verified = proof.verify_inclusion(index, &leaf, &checkpoint.root);
        self.must(verified.is_ok(), || format!("the proof of record {index} is wrong: {verified:?}"));
    }

    async fn ask_for_content(&self, registry: &Registry, now_ms: u64) {
        for (digest, _) in self.contents.iter().filter(|(_, until_ms)| **until_ms > now_ms) {
            let (may_be_refused, must_be) = self.refuses(digest, now_ms);
            let bytes = match registry.snapshot().content(digest).await.map(|content| content.hosted) {
                Err(Error::TakenDown { .. }) if may_be_refused => continue,
                Ok(Some(_)) if must_be => {
                    self.faults.violated(format!("content {digest} was taken down and is given out"));
                    continue;
                }
                Ok(Some(hosted)) => hosted.bytes().await,
                other => {
                    self.faults.violated(format!("content {digest} was stored and is {other:?}"));
                    continue;
                }
            };
            let found = bytes.map(|bytes| Digest::of(&bytes));
            self.must(matches!(found, Ok(found) if found == *digest), || {
                format!("content {digest} is {found:?}")
            });
        }
    }

    async fn ask_for_names(&self, registry: &Registry, now_ms: u64) {
        for (release, content) in &self.releases {
            let (name, version) = release;
            let found = registry.snapshot().release(name, &version.parse().unwrap()).await;
            let found = found.map(|(_, release, _)| (release.content, release.taken_down.is_some()));
            let is_kept_back = self.words.keeps_back(release, now_ms);
            let holds = matches!(&found, Ok((found, kept_back))
                if found == content && is_kept_back.is_none_or(|expected| expected == *kept_back));
            self.must(holds, || {
                format!("`{name}` {version} was released as {content}, kept back: {is_kept_back:?}; it is {found:?}")
            });
        }
        for ((repository, tag), digest) in &self.tags {
            let reference: Reference = tag.parse().unwrap();
            let repository = registry.repository(repository.clone());
            let release = repository.package().map(|name| (name, tag.clone()));
            let is_kept_back = release.map_or(Some(false), |release| self.words.keeps_back(&release, now_ms));
            let found = repository.manifest(&reference).await;
            let holds = match (&found, digest) {
                (Err(Error::TakenDown { .. }), _) => is_kept_back != Some(false),
                (Ok(found), Some(digest)) => found.digest == *digest && is_kept_back != Some(true),
                (Err(Error::UnknownManifest { .. } | Error::UnknownRepository { .. }), None) => true,
                _ => false,
            };
            self.must(holds, || {
                let name = repository.name();
                format!("`{name}:{tag}` pointed at {digest:?}, kept back: {is_kept_back:?}; it is {found:?}")
            });
            if let Ok(found) = found {
                self.ask_for_parts(&repository, &found.bytes, now_ms).await;
            }
        }
    }

    /// Whatever a tagged manifest names is there.
    async fn ask_for_parts(&self, repository: &Repository, manifest: &[u8], now_ms: u64) {
        let manifest = Manifest::parse(None, manifest).unwrap();
        for part in manifest.config.iter().chain(&manifest.layers) {
            let may_be_refused = part.digest.sha256().is_some_and(|content| self.refuses(&content, now_ms).0);
            let found = match repository.blob(&part.digest).await {
                Err(Error::TakenDown { .. }) if may_be_refused => continue,
                Ok(blob) => blob.bytes().await.map(|bytes| bytes.len() as u64),
                Err(error) => Err(error),
            };
            self.must(matches!(found, Ok(size) if size == part.size), || {
                format!("a manifest of `{}` names {}, which is {found:?}", repository.name(), part.digest)
            });
        }
    }
}
