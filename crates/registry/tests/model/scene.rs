//! The real registry, asked the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use object_store::ObjectStore as _;
use object_store::path::Path;
use wargate_core::digest::Digest;
use wargate_registry::access::tokens::{self, NewToken};
use wargate_registry::access::{Access, Action as Act};
use wargate_registry::clock::Clock as _;
use wargate_registry::fsck::{self, FsckOptions};
use wargate_registry::random::SystemRandom;
use wargate_registry::{Caller, Config, Error, Registry, Repository};
use wargate_wire::oci::reference::{ContentDigest, Reference};

use crate::model::{
    Action, Answer, At, BLOBS, CALLERS, LARGE, MADE, MANIFESTS, Model, Op, REPOSITORIES, Subject, TAGS,
};
use crate::support::oci::{INDEX, MANIFEST, part, put};
use crate::support::{ORIGIN, TestClock, config, engines, genesis};

pub struct Scene {
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    registry: Registry,
    callers: Vec<Caller>,
    blobs: Vec<Vec<u8>>,
    manifests: Vec<Vec<u8>>,
}

impl Scene {
    pub async fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
        let (db, objects) = engines(dir.path());
        let access = Access {
            anonymous: [Act::Pull].into_iter().collect(),
            private: vec!["hidden/*".parse().unwrap()],
        };
        let config = Config { access, ..config() };
        let opened =
            Registry::open(config, db.clone(), objects, clock.clone(), Some(genesis(clock.now()))).await;
        let registry = opened.unwrap();
        let mut callers = Vec::new();
        for (at, scopes) in CALLERS.iter().enumerate() {
            let Some(scopes) = scopes else {
                callers.push(Caller::anonymous());
                continue;
            };
            let new = NewToken {
                account: format!("caller{at}"),
                scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
                operator: scopes.is_empty(),
                life: None,
            };
            let (token, _) = tokens::create(&*db, &SystemRandom, clock.now_ms(), &new).await.unwrap();
            callers.push(registry.caller_of(&token).await.unwrap());
        }
        let blobs = (0..BLOBS).map(|blob| match blob {
            0 => b"{}".to_vec(),
            LARGE => vec![b'l'; 80_000],
            _ => format!("content {blob}").into_bytes(),
        });
        let mut scene = Self { dir, clock, registry, callers, blobs: blobs.collect(), manifests: Vec::new() };
        for manifest in 0..MANIFESTS {
            let bytes = scene.make(manifest);
            scene.manifests.push(bytes);
        }
        scene
    }

    fn make(&self, manifest: usize) -> Vec<u8> {
        let made = &MADE[manifest];
        let subject = made.subject.map_or(String::new(), |subject| {
            format!(r#","subject":{}"#, part(MANIFEST, self.subject(subject), 100))
        });
        if !made.children.is_empty() {
            let children = made.children.iter().map(|child| &self.manifests[*child]);
            let parts: Vec<String> =
                children.map(|bytes| part(MANIFEST, Digest::of(bytes), bytes.len())).collect();
            return format!(
                r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#,
                parts.join(",")
            )
            .into_bytes();
        }
        let parts: Vec<String> = made
            .blobs
            .iter()
            .map(|blob| part("application/x", self.blob(*blob), self.blobs[*blob].len()))
            .collect();
        let (config, layers) = parts.split_first().unwrap();
        let layers = layers.join(",");
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layers}]{subject}}}"#
        )
        .into_bytes()
    }

    fn blob(&self, blob: usize) -> ContentDigest {
        Digest::of(&self.blobs[blob]).into()
    }

    fn manifest(&self, manifest: usize) -> Reference {
        Reference::Digest(Digest::of(&self.manifests[manifest]).into())
    }

    fn subject(&self, subject: Subject) -> ContentDigest {
        match subject {
            Subject::Manifest(manifest) => Digest::of(&self.manifests[manifest]).into(),
            Subject::Nothing => Digest::of(b"nothing").into(),
        }
    }

    fn repository(&self, (caller, repository): At) -> Repository {
        let registry = self.registry.seen_by(self.callers[caller].clone());
        registry.repository(REPOSITORIES[repository].parse().unwrap())
    }

    pub async fn apply(&self, op: &Op) -> Answer {
        answer(match *op {
            Op::Upload { at, blob } => self.upload(at, blob).await,
            Op::Ask { at, blob } => self.repository(at).leased_blob(&self.blob(blob)).await.map(drop),
            Op::Mount { at, blob, from } => {
                let from = from.map(|from| REPOSITORIES[from].parse().unwrap());
                self.repository(at).mount(&self.blob(blob), from.as_ref()).await
            }
            Op::Put { at, manifest, tag } => {
                let reference = match tag {
                    Some(tag) => TAGS[tag].to_owned(),
                    None => self.manifest(manifest).to_string(),
                };
                put(&self.repository(at), &reference, &self.manifests[manifest]).await.map(drop)
            }
            Op::Get { at, manifest } => {
                self.repository(at).manifest(&self.manifest(manifest)).await.map(drop)
            }
            Op::DeleteBlob { at, blob } => self.repository(at).delete_blob(&self.blob(blob)).await,
            Op::DeleteManifest { at, manifest } => {
                self.repository(at).delete_manifest(&self.manifest(manifest)).await
            }
            Op::DeleteTag { at, tag } => {
                self.repository(at).delete_manifest(&TAGS[tag].parse().unwrap()).await
            }
            Op::Wait { hours } => {
                self.clock.advance(Duration::from_secs(hours * 60 * 60));
                Ok(())
            }
            Op::Sweep => self.registry.collect_garbage(false).await.map(drop),
        })
    }

    async fn upload(&self, at: At, blob: usize) -> Result<(), Error> {
        let repository = self.repository(at);
        let mut upload = repository.upload(repository.begin_upload()?)?;
        upload.write(bytes::Bytes::copy_from_slice(&self.blobs[blob])).await?;
        upload.finish(&self.blob(blob)).await
    }

    /// All that a caller sees is what the model says that they see.
    pub async fn compare(&self, model: &mut Model, caller: usize) {
        for (at, name) in REPOSITORIES.iter().enumerate() {
            let repository = self.repository((caller, at));
            let may = Model::check((caller, at), Action::Pull);
            for blob in 0..BLOBS {
                let expected = may.clone().and_then(|()| {
                    let linked = model.repositories[at].links.contains_key(&blob);
                    linked.then(|| self.blobs[blob].clone()).ok_or(Answer::NotThere)
                });
                let found = match repository.blob(&self.blob(blob)).await {
                    Ok(content) => Ok(content.bytes().await.unwrap().to_vec()),
                    Err(error) => Err(answer(Err(error))),
                };
                assert!(
                    found == expected,
                    "caller {caller}, {name}: blob {blob} is {:?}",
                    found.map(|b| b.len())
                );
            }
            for manifest in 0..MANIFESTS {
                let op = Op::Get { at: (caller, at), manifest };
                assert_eq!(self.apply(&op).await, model.apply(&op), "caller {caller}, {name}: {op:?}");
            }
            let known = may
                .clone()
                .and_then(|()| if model.repositories[at].begun { Ok(()) } else { Err(Answer::NotThere) });
            let tags = known.map(|()| {
                model.repositories[at].tags.keys().map(|tag| TAGS[*tag].to_owned()).collect::<Vec<_>>()
            });
            let found = repository.tags().await.map_err(|error| answer(Err(error)));
            let found = found.map(|tags| tags.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(found, tags, "caller {caller}, {name}: tags");
            self.compare_referrers(model, (caller, at), &repository).await;
        }
    }

    async fn compare_referrers(&self, model: &Model, at: At, repository: &Repository) {
        for subject in [Subject::Manifest(0), Subject::Manifest(1), Subject::Nothing] {
            let expected = match Model::check(at, Action::Pull) {
                Ok(()) => Ok(model.repositories[at.1].referrers(subject)),
                // Of one that may not be seen the list is empty, as of one that is not there.
                Err(Answer::NotThere) => Ok(BTreeSet::new()),
                Err(answer) => Err(answer),
            };
            let found = repository.referrers(&self.subject(subject), None, None).await;
            let found = found.map_err(|error| answer(Err(error))).map(|(page, _)| {
                let number = |digest: &str| {
                    (0..MANIFESTS).find(|manifest| self.manifest(*manifest).to_string() == digest).unwrap()
                };
                page.manifests().iter().map(|entry| number(&entry.digest.to_string())).collect()
            });
            assert_eq!(found, expected, "{at:?}: referrers");
        }
    }

    /// In the end nothing lies there that nobody links, and nothing is damaged.
    pub async fn end(self, model: &mut Model) {
        for _ in 0..4 {
            self.registry.collect_garbage(false).await.unwrap();
            model.apply(&Op::Sweep);
            // Objects go after those who may still read them; contents after their lease.
            self.clock.advance(Duration::from_secs(25 * 60 * 60));
            model.apply(&Op::Wait { hours: 25 });
        }
        self.compare(model, CALLERS.len() - 1).await;
        self.registry.close().await;
        let Self { dir, registry, .. } = self;
        drop(registry);
        let (db, objects) = engines(dir.path());
        let blobs: Vec<_> = objects.list(Some(&Path::from("blobs"))).try_collect().await.unwrap();
        assert_eq!(blobs.len(), usize::from(model.is_linked(LARGE)), "{blobs:?}");
        let options = FsckOptions { origin: Some(ORIGIN.to_owned()), ..Default::default() };
        let report = fsck::check(&*db, &objects, &options).await.unwrap();
        assert!(report.is_clean(), "{:?}", report.damage);
    }
}

fn answer(done: Result<(), Error>) -> Answer {
    match done {
        Ok(()) => Answer::Done,
        Err(Error::UnknownBlob { .. } | Error::UnknownManifest { .. } | Error::UnknownRepository { .. }) => {
            Answer::NotThere
        }
        Err(Error::Denied { .. } | Error::Unauthenticated { .. }) => Answer::Refused,
        Err(Error::MissingParts { .. }) => Answer::Missing,
        Err(error) => panic!("{error}"),
    }
}
