//! Repositories: content by name, as the OCI door shows it (`spec/oci.md`).
//!
//! Bytes lie once in the content store; a repository links them, and the link is the only right to read them. What a
//! package's log released appears in the repository of its name by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_core::name::PackageName;
use wargate_wire::oci::path::SessionId;
use wargate_wire::oci::reference::{Algorithm, ContentDigest, RepositoryName};

use crate::access::{Action, Caller};
use crate::content::HostedContent;
use crate::content::incoming::Incoming;
use crate::content::leases;
use crate::content_cache;
use crate::db::{Batch, DbError, Statement};
use crate::error::Error;
use crate::limits::LIST_LOOKS_MAX;
use crate::random;
use crate::shared::Shared;
use crate::tables::{logs, references, repositories, sweep};

mod answers;
mod delete;
pub(crate) mod kept_back;
mod lifecycle;
pub(crate) mod parts;
mod pull;
mod push;
mod referrers;
pub(crate) mod releasing;
pub(crate) mod sessions;
mod tags;

pub(crate) use answers::RepositoryAnswers;
pub(crate) use parts::is_artifact_of;
pub use pull::StoredManifest;
pub use push::{ManifestPush, Pushed, Pusher, TagCondition};
use sessions::{Owner, Writer};
pub use tags::TagPage;

/// One repository; it begins with the first thing that is pushed.
#[derive(Clone)]
pub struct Repository {
    shared: Arc<Shared>,
    name: RepositoryName,
    caller: Caller,
}

/// A blob that is arriving in a session of one repository, with its only writer.
pub struct BlobUpload {
    repository: Repository,
    session: SessionId,
    writer: Writer,
}

impl Repository {
    pub(crate) fn new(shared: Arc<Shared>, name: RepositoryName, caller: Caller) -> Self {
        Self { shared, name, caller }
    }

    /// Whether its caller may do this here; every call asks it first.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::Denied`], [`Error::UnknownRepository`].
    pub fn check(&self, action: Action) -> Result<(), Error> {
        self.caller.check(&self.shared.rules(), action, &self.name)
    }

    /// By whom its sessions are opened: another one's are not known to it.
    fn account(&self) -> Option<&str> {
        self.caller.account()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// The package whose releases appear here, if the name can be a package's: `NS/NAME`.
    #[must_use]
    pub fn package(&self) -> Option<PackageName> {
        let (namespace, name) = self.name.as_str().split_once('/')?;
        format!("{namespace}:{name}").parse().ok()
    }

    /// Opens an upload session.
    ///
    /// # Errors
    /// [`Error::Busy`] if too many are open.
    pub fn begin_upload(&self) -> Result<SessionId, Error> {
        self.check(Action::Push)?;
        let incoming = Incoming::begin(&self.shared, None)?;
        let id = SessionId::from_bytes(random::bits(&*self.shared.config.random)?);
        let owner = Owner::of(self.name.clone(), self.account());
        self.shared.sessions.begin(id, owner, incoming, self.shared.clock.now_ms())?;
        Ok(id)
    }

    /// Goes on with a session of this repository.
    ///
    /// # Errors
    /// [`Error::UnknownUpload`]; [`Error::UploadInUse`] while another request writes to it.
    pub fn upload(&self, session: SessionId) -> Result<BlobUpload, Error> {
        self.check(Action::Push)?;
        let owner = Owner::of(self.name.clone(), self.account());
        let writer = self.shared.sessions.writer(&session, &owner, self.shared.clock.now_ms())?;
        Ok(BlobUpload { repository: self.clone(), session, writer })
    }

    /// Links a blob that another repository links; any, if none is named.
    ///
    /// # Errors
    /// [`Error::UnknownBlob`] if it is not linked there, or not where the caller may read.
    pub async fn mount(&self, digest: &ContentDigest, from: Option<&RepositoryName>) -> Result<(), Error> {
        self.check(Action::Push)?;
        let unknown =
            || Error::UnknownBlob { repository: from.unwrap_or(&self.name).clone(), digest: *digest };
        let known = self.known_as(digest).await?.ok_or_else(unknown)?;
        let rows = self.shared.db.read(vec![references::select_linking(&known, from)]).await?.pop();
        let linking = references::names(rows.unwrap_or_default())?;
        let rules = self.shared.rules();
        let may_read = |name: &RepositoryName| self.caller.may(&rules, Action::Pull, name.as_str());
        let mut given = false;
        for name in linking.into_iter().filter(may_read) {
            let linking = Self { name, ..self.clone() };
            given = linking.refusal(&known).await?.is_none();
            if given {
                break;
            }
        }
        if !given {
            return Err(unknown());
        }
        self.shared.room.check(0)?;
        let now_ms = self.shared.clock.now_ms();
        let batch =
            vec![repositories::begin(&self.name, now_ms), repositories::link(&self.name, &known, now_ms)];
        match self.shared.db.write(batch).await {
            // It was swept at this moment.
            Err(DbError::Conflict { .. }) => Err(unknown()),
            done => Ok(done?),
        }
    }

    /// A blob that is linked here.
    ///
    /// # Errors
    /// [`Error::UnknownBlob`], whatever it is that is not there or may not be seen; [`Error::TakenDown`].
    pub async fn blob(&self, digest: &ContentDigest) -> Result<HostedContent, Error> {
        Ok(self.linked(digest).await?.0)
    }

    /// The same for whoever may name it in a manifest that they push later: it stays for a lease
    /// ([`Retention::lease`](crate::gc::Retention::lease)).
    ///
    /// # Errors
    /// As [`Repository::blob`].
    pub async fn leased_blob(&self, digest: &ContentDigest) -> Result<HostedContent, Error> {
        let (blob, linked_ms) = self.linked(digest).await?;
        if leases::is_due(&self.shared, linked_ms, self.shared.config.retention.lease)
            && self.check(Action::Push).is_ok()
        {
            let now_ms = self.shared.clock.now_ms();
            let renewal = vec![sweep::lease_link(&self.name, blob.digest(), now_ms)];
            leases::try_renew(&self.shared, renewal).await;
        }
        Ok(blob)
    }

    /// A blob that is linked here, and since when, in ms.
    async fn linked(&self, digest: &ContentDigest) -> Result<(HostedContent, u64), Error> {
        let unknown = || Error::UnknownBlob { repository: self.name.clone(), digest: *digest };
        self.check(Action::Pull).map_err(|error| match error {
            Error::UnknownRepository { .. } => unknown(),
            error => error,
        })?;
        let known = self.known_as(digest).await?.ok_or_else(unknown)?;
        // The parts of a release are linked with its manifest, by which alone they become known.
        let ask = async || {
            let statement = repositories::select_linked(&self.name, &known);
            repositories::linked(self.shared.db.read(vec![statement]).await?.pop().unwrap_or_default())
        };
        let blobs = &self.shared.answers.blobs;
        let row = blobs.get(&*self.shared.db, (self.name.clone(), known), ask).await?.ok_or_else(unknown)?;
        self.check_given(self.kept_back().as_ref(), &known).await?;
        let hosted = content_cache::hosted(&self.shared, &known, row.size).await?;
        Ok((hosted.ok_or_else(unknown)?, row.linked_ms))
    }

    /// The SHA-256 by which content is kept; `None` if nothing is known by this SHA-512.
    async fn known_as(&self, digest: &ContentDigest) -> Result<Option<Digest>, Error> {
        parts::known_as(&*self.shared.db, digest).await
    }
}

impl BlobUpload {
    /// Bytes that arrived so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.writer.received()
    }

    /// Takes in more bytes. On any error the session is over.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::NoRoom`], [`Error::Unwritable`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let written = self.writer.write(bytes).await;
        if written.is_err() {
            // A piece is missing: whoever sends the rest must not find a session that looks whole.
            self.repository.shared.sessions.end(&self.session);
        }
        written
    }

    /// Ends the session: the blob is durable and linked when this is `Ok`. With a wrong digest nothing is kept.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`].
    pub async fn finish(self, digest: &ContentDigest) -> Result<(), Error> {
        let Self { repository, session, writer } = self;
        let incoming = writer.take()?;
        repository.shared.sessions.end(&session);
        let arrived = incoming.finish(digest).await?;
        let now_ms = repository.shared.clock.now_ms();
        let mut batch = Batch::from(arrived.rows(&repository.shared));
        batch.push(repositories::begin(&repository.name, now_ms));
        batch.push(repositories::link(&repository.name, &arrived.digest, now_ms));
        batch.extend(sha512_name(digest, &arrived.digest));
        Ok(repository.shared.db.write(batch).await?)
    }

    /// Gives the session up.
    pub fn cancel(self) {
        self.repository.shared.sessions.end(&self.session);
    }
}

/// Names of repositories in byte order: of what was pushed, and of packages, whose releases appear by themselves; as
/// far as the caller may know them.
pub(crate) async fn names(
    shared: &Shared,
    caller: &Caller,
    after: &str,
    limit: usize,
) -> Result<Vec<RepositoryName>, Error> {
    let rules = shared.rules();
    let (mut found, mut after) = (Vec::with_capacity(limit), after.to_owned());
    for _ in 0..LIST_LOOKS_MAX {
        let names = all_names(shared, &after, limit).await?;
        let Some(last) = names.last() else { break };
        after = last.to_string();
        let is_last = names.len() < limit;
        found.extend(names.into_iter().filter(|name| caller.may_list(&rules, name.as_str())));
        if is_last || found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

async fn all_names(shared: &Shared, after: &str, limit: usize) -> Result<Vec<RepositoryName>, Error> {
    let statements = vec![references::select_names(after, limit), logs::select_packages("", after, limit)];
    let mut answers = shared.db.read(statements).await?.into_iter();
    let mut names: BTreeSet<_> = references::names(answers.next().unwrap_or_default())?.into_iter().collect();
    names.extend(logs::package_names(answers.next().unwrap_or_default())?.iter().map(RepositoryName::from));
    Ok(names.into_iter().take(limit).collect())
}

/// Keeps the name of content that was given another one than its SHA-256.
fn sha512_name(named: &ContentDigest, digest: &Digest) -> Option<Statement> {
    (named.algorithm() == Algorithm::Sha512).then(|| references::insert_sha512(named, digest))
}
