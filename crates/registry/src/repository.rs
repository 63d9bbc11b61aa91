//! Repositories: content by name, as the OCI door shows it (`spec/oci.md`).
//!
//! Bytes lie once in the content store; a repository links them, and the link is the only right to read them. What a
//! package's log released appears in the repository of its name by itself.

use std::sync::Arc;

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_core::name::PackageName;
use wargate_wire::oci::path::SessionId;
use wargate_wire::oci::reference::{ContentDigest, RepositoryName};

use crate::content::HostedContent;
use crate::content::incoming::Incoming;
use crate::error::Error;
use crate::random;
use crate::shared::Shared;
use crate::tables::{content, repositories};

mod pull;
mod push;
pub(crate) mod sessions;

pub use pull::StoredManifest;
pub use push::{Pushed, Pusher};
use sessions::Writer;

/// One repository; it begins with the first thing that is pushed.
#[derive(Clone)]
pub struct Repository {
    shared: Arc<Shared>,
    name: RepositoryName,
}

/// A blob that is arriving in a session of one repository, with its only writer.
pub struct BlobUpload {
    repository: Repository,
    session: SessionId,
    writer: Writer,
}

impl Repository {
    pub(crate) fn new(shared: Arc<Shared>, name: RepositoryName) -> Self {
        Self { shared, name }
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
        let incoming = Incoming::begin(&self.shared, None)?;
        let id = SessionId::from_bytes(random::bytes()?);
        self.shared.sessions.begin(id, self.name.clone(), incoming, self.shared.clock.now_ms())?;
        Ok(id)
    }

    /// Goes on with a session of this repository.
    ///
    /// # Errors
    /// [`Error::UnknownUpload`]; [`Error::UploadInUse`] while another request writes to it.
    pub fn upload(&self, session: SessionId) -> Result<BlobUpload, Error> {
        let writer = self.shared.sessions.writer(&session, &self.name)?;
        Ok(BlobUpload { repository: self.clone(), session, writer })
    }

    /// Links a blob that is known by its digest in another repository, or in any that `may_read` allows.
    ///
    /// # Errors
    /// [`Error::UnknownContent`] if it is not linked there.
    pub async fn mount(&self, digest: &ContentDigest, from: &RepositoryName) -> Result<(), Error> {
        let digest = sha256(digest)?;
        let known = self.shared.db.read(vec![repositories::select_blob_size(from, &digest)]).await?.pop();
        if repositories::size(&known.unwrap_or_default())?.is_none() {
            return Err(Error::UnknownContent { digest });
        }
        let now_ms = self.shared.clock.now_ms();
        let batch =
            vec![repositories::begin(&self.name, now_ms), repositories::link(&self.name, &digest, now_ms)];
        Ok(self.shared.db.write(batch).await?)
    }

    /// A blob that is linked here.
    ///
    /// # Errors
    /// [`Error::UnknownContent`].
    pub async fn blob(&self, digest: &ContentDigest) -> Result<HostedContent, Error> {
        let digest = sha256(digest)?;
        // The parts of a release are linked with its manifest, by which alone they become known.
        let rows = self.shared.db.read(vec![repositories::select_blob(&self.name, &digest)]).await?.pop();
        let row = content::one(rows.unwrap_or_default())?.ok_or(Error::UnknownContent { digest })?;
        Ok(HostedContent::new(digest, row, self.shared.objects.clone()))
    }
}

impl BlobUpload {
    /// Bytes that arrived so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.writer.received()
    }

    /// Takes in more bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.writer.write(bytes).await
    }

    /// Ends the session: the blob is durable and linked when this is `Ok`. With a wrong digest nothing is kept.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`], [`Error::UnsupportedDigest`].
    pub async fn finish(self, digest: &ContentDigest) -> Result<(), Error> {
        let Self { repository, session, writer } = self;
        let digest = sha256(digest)?;
        let incoming = writer.take()?;
        repository.shared.sessions.end(&session);
        let arrived = incoming.finish(&digest).await?;
        let now_ms = repository.shared.clock.now_ms();
        let batch = vec![
            arrived.row(now_ms),
            repositories::begin(&repository.name, now_ms),
            repositories::link(&repository.name, &digest, now_ms),
        ];
        Ok(repository.shared.db.write(batch).await?)
    }

    /// Gives the session up.
    pub fn cancel(self) {
        self.repository.shared.sessions.end(&self.session);
    }
}

/// Content is kept by its SHA-256 digest.
fn sha256(digest: &ContentDigest) -> Result<Digest, Error> {
    digest.sha256().ok_or_else(|| Error::UnsupportedDigest { digest: digest.to_string() })
}
