//! Deleting: links, manifests and tags go at once; what is released stays (`spec/oci.md`, "Deletion and garbage
//! collection"). The bytes are left for the sweep.

use wargate_core::digest::Digest;
use wargate_core::id::LogId;
use wargate_wire::oci::reference::{ContentDigest, Reference, Tag};

use super::Repository;
use crate::access::Action;
use crate::db::{Batch, DbError};
use crate::error::Error;
use crate::tables::{proposals, references};

impl Repository {
    /// Removes a tag; or a manifest with all its tags.
    ///
    /// # Errors
    /// [`Error::UnknownManifest`], [`Error::UnknownRepository`]; [`Error::Released`] for what a release needs,
    /// [`Error::LatestFollows`].
    pub async fn delete_manifest(&self, reference: &Reference) -> Result<(), Error> {
        self.check(Action::Delete)?;
        let _alone = self.shared.releasing.delete(&self.name).await;
        let batch: Batch = match reference {
            Reference::Tag(tag) => {
                self.check_tag_may_go(tag).await?;
                vec![references::delete_tag(self.name(), tag)]
            }
            Reference::Digest(digest) => match self.known_as(digest).await? {
                None => return Err(self.unknown(reference).await?),
                Some(known) => {
                    self.check_not_needed(&known, &digest.to_string()).await?;
                    references::delete_manifest(self.name(), &known).into()
                }
            },
        };
        match self.shared.db.write(batch).await {
            Err(DbError::Conflict { .. }) => Err(self.unknown(reference).await?),
            done => Ok(done?),
        }
    }

    /// Removes this repository's link to a blob.
    ///
    /// # Errors
    /// [`Error::UnknownBlob`]; [`Error::Released`] for what a release needs.
    pub async fn delete_blob(&self, digest: &ContentDigest) -> Result<(), Error> {
        self.check(Action::Delete)?;
        let unknown = || Error::UnknownBlob { repository: self.name().clone(), digest: *digest };
        let known = self.known_as(digest).await?.ok_or_else(unknown)?;
        let _alone = self.shared.releasing.delete(&self.name).await;
        self.check_not_needed(&known, &digest.to_string()).await?;
        match self.shared.db.write(vec![references::delete_link(self.name(), &known)]).await {
            Err(DbError::Conflict { .. }) => Err(unknown()),
            done => Ok(done?),
        }
    }

    /// In the repository of a logged package versions and `latest` are no stored tags.
    async fn check_tag_may_go(&self, tag: &Tag) -> Result<(), Error> {
        let Some((name, true)) = self.governed(tag).await? else { return Ok(()) };
        if tag.version().is_none() {
            return Err(Error::Released { name, what: tag.to_string() });
        }
        match self.manifest(&Reference::Tag(tag.clone())).await {
            Ok(_) => Err(Error::Released { name, what: tag.to_string() }),
            Err(error) => Err(error),
        }
    }

    async fn check_not_needed(&self, digest: &Digest, what: &str) -> Result<(), Error> {
        let Some(name) = self.package() else { return Ok(()) };
        let log = LogId::package(&name);
        let statements = vec![
            references::select_released(&log, self.name(), digest),
            proposals::select_needing(&log, digest),
        ];
        let mut answers = self.shared.db.read(statements).await?.into_iter();
        let mut any = || answers.next().is_some_and(|rows| !rows.is_empty());
        let what = what.to_owned();
        match (any(), any()) {
            (true, _) => Err(Error::Released { name, what }),
            (false, true) => Err(Error::Proposed { name, what }),
            (false, false) => Ok(()),
        }
    }
}
