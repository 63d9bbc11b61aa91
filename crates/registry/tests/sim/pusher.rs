//! Whoever pushes artifacts through the OCI door's half of the engine, and deletes some.

use std::time::Duration;

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_registry::clock::Clock as _;
use wargate_registry::{Error, ManifestPush, Registry, Repository};
use wargate_wire::oci::manifest::Manifest;
use wargate_wire::oci::reference::{Reference, RepositoryName};

use crate::book::Book;
use crate::people::{content, is_trouble};
use crate::rng::Rng;
use crate::support::oci::pusher;
use crate::world::{LEASE, SimClock};

/// The tag that moves.
const EDGE: &str = "edge";

pub struct OciUser {
    repository: RepositoryName,
    pushed: u64,
    about: Option<About>,
}

enum About {
    Push(Push),
    /// The moving tag, by itself or with the manifest that it points at.
    Delete {
        by_digest: bool,
    },
}

struct Push {
    tag: String,
    wasm: Vec<u8>,
    config: Vec<u8>,
    manifest: Vec<u8>,
    /// Asks first whether a blob is there, as most clients do.
    asks: bool,
    /// Lets so much time pass before the manifest: less than a lease.
    dawdles: Duration,
}

impl OciUser {
    pub fn new(repository: &str) -> Self {
        Self { repository: repository.parse().unwrap(), pushed: 0, about: None }
    }

    fn next(&mut self, rng: &mut Rng) -> About {
        if self.pushed > 0 && rng.one_in(4) {
            return About::Delete { by_digest: rng.one_in(2) };
        }
        self.pushed += 1;
        let wasm = content(self.repository.as_str(), self.pushed, rng);
        let tag = if rng.one_in(2) { EDGE.to_owned() } else { format!("1.0.{}", self.pushed) };
        let config = br#"{"created":"2026-11-25T00:00:00Z","architecture":"wasm","os":"wasip2"}"#.to_vec();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/wasm","digest":"{}","size":{}}}],"annotations":{{"n":"{}"}}}}"#,
            Digest::of(&config),
            config.len(),
            Digest::of(&wasm),
            wasm.len(),
            self.pushed
        );
        let dawdles = Duration::from_secs(if rng.one_in(3) { 10 + rng.below(25) } else { 0 });
        About::Push(Push { tag, wasm, config, manifest: manifest.into_bytes(), asks: rng.one_in(2), dawdles })
    }

    pub async fn act(
        &mut self,
        registry: &Registry,
        clock: &SimClock,
        book: &mut Book,
        rng: &mut Rng,
    ) -> bool {
        if self.about.is_none() {
            self.about = Some(self.next(rng));
        }
        let Some(about) = &self.about else { return true };
        let done = match about {
            About::Push(push) => self.push(registry, clock, push, book).await,
            About::Delete { by_digest } => self.delete(registry, *by_digest, book).await,
        };
        match done {
            Ok(()) => {
                self.about = None;
                true
            }
            // A session that died with its process is begun again, and so is a push that took longer than its leases.
            Err(error)
                if is_trouble(&error)
                    || matches!(error, Error::UnknownUpload { .. } | Error::MissingParts { .. }) =>
            {
                book.troubled(&self.repository, &error)
            }
            Err(error) => {
                book.faults.violated(format!("what `{}` asked for was refused: {error}", self.repository));
                self.about = None;
                true
            }
        }
    }

    async fn push(
        &self,
        registry: &Registry,
        clock: &SimClock,
        push: &Push,
        book: &mut Book,
    ) -> Result<(), Error> {
        let repository = registry.repository(self.repository.clone());
        let begun_ms = clock.now_ms();
        let mut uploaded = Vec::new();
        for blob in [&push.wasm, &push.config] {
            let digest = Digest::of(blob);
            if push.asks && repository.leased_blob(&digest.into()).await.is_ok() {
                continue;
            }
            upload(&repository, blob).await?;
            book.store(digest, clock.now_ms());
            uploaded.push(digest.into());
        }
        clock.sleep(push.dawdles).await;
        let manifest = Manifest::parse(None, &push.manifest).unwrap();
        let reference: Reference = push.tag.parse().unwrap();
        let bytes = Bytes::copy_from_slice(&push.manifest);
        // Until it is known whether the tag moved, both places are right.
        let tag = (self.repository.clone(), push.tag.clone());
        book.doubt(&tag);
        let asked = ManifestPush::new(&reference, &manifest, bytes);
        let pushed = repository.put_manifest(asked, &pusher()).await;
        if let Err(Error::MissingParts { digests }) = &pushed
            && digests.iter().any(|digest| uploaded.contains(digest))
            && clock.now_ms() - begun_ms < LEASE.as_millis() as u64
        {
            let who = &self.repository;
            book.faults.violated(format!("`{who}` uploaded {digests:?} a moment ago, and it is missing"));
        }
        let pushed = pushed?;
        if pushed.release.is_some() {
            let name = repository.package().unwrap();
            book.releases.insert((name, push.tag.clone()), Digest::of(&push.wasm));
        }
        book.tags.insert(tag, Some(pushed.digest.sha256().unwrap()));
        Ok(())
    }

    async fn delete(&self, registry: &Registry, by_digest: bool, book: &mut Book) -> Result<(), Error> {
        let repository = registry.repository(self.repository.clone());
        let tag: Reference = EDGE.parse().unwrap();
        let reference = if by_digest {
            match repository.manifest(&tag).await {
                Ok(found) => Reference::Digest(found.digest.into()),
                Err(Error::UnknownManifest { .. } | Error::UnknownRepository { .. }) => tag,
                Err(error) => return Err(error),
            }
        } else {
            tag
        };
        let key = (self.repository.clone(), EDGE.to_owned());
        book.doubt(&key);
        match repository.delete_manifest(&reference).await {
            // It may have gone without that anybody was told.
            Ok(()) | Err(Error::UnknownManifest { .. } | Error::UnknownRepository { .. }) => {}
            // The tag of one that was released under a version too.
            Err(Error::Released { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        book.tags.insert(key, None);
        Ok(())
    }
}

async fn upload(repository: &Repository, blob: &[u8]) -> Result<(), Error> {
    let mut upload = repository.upload(repository.begin_upload()?)?;
    for piece in blob.chunks(50_000) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.finish(&Digest::of(blob).into()).await
}
