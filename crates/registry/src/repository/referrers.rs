//! What refers to a manifest (`spec/oci.md`, "Lists").

use wargate_core::digest::Digest;
use wargate_wire::oci::list::{REFERRERS_PAGE_BYTES_MAX, Referrer, ReferrersIndex};
use wargate_wire::oci::manifest::Manifest;
use wargate_wire::oci::reference::ContentDigest;

use super::Repository;
use crate::access::Action;
use crate::content::HostedContent;
use crate::error::Error;
use crate::tables::references::{self, ReferrerRow};

/// Referrers that are read from the ledger at once.
const REFERRERS_AT_ONCE: usize = 32;

impl Repository {
    /// A page of what refers to `subject`, which need not exist, by digest after `after`; and the last digest of the
    /// page if there are more. An unknown repository has none, nor has one that the caller may not see, or that is kept
    /// back as a whole.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn referrers(
        &self,
        subject: &ContentDigest,
        artifact_type: Option<&str>,
        after: Option<Digest>,
    ) -> Result<(ReferrersIndex, Option<Digest>), Error> {
        match self.check(Action::Pull) {
            Ok(()) => {}
            Err(Error::UnknownRepository { .. }) => return Ok((ReferrersIndex::page(Vec::new()).0, None)),
            Err(error) => return Err(error),
        }
        if self.kept_back().is_some_and(|kept_back| kept_back.whole().is_some()) {
            return Ok((ReferrersIndex::page(Vec::new()).0, None));
        }
        if after.is_none() {
            self.tell_lifecycle(subject).await?;
        }
        let (mut after, mut bytes, mut more) = (after, 0, true);
        let (mut entries, mut digests) = (Vec::new(), Vec::new());
        // Annotations are all that makes an entry large, and they are a part of the manifest.
        while more && bytes <= REFERRERS_PAGE_BYTES_MAX {
            let rows = self.referrer_rows(subject, artifact_type, after.as_ref()).await?;
            more = rows.len() == REFERRERS_AT_ONCE;
            for row in rows {
                after = Some(row.digest);
                bytes +=
                    usize::try_from(row.content.size).unwrap_or(usize::MAX).min(REFERRERS_PAGE_BYTES_MAX);
                digests.push(row.digest);
                entries.push(self.referrer(row).await?);
                if bytes > REFERRERS_PAGE_BYTES_MAX {
                    more = true;
                    break;
                }
            }
        }
        let (page, left) = ReferrersIndex::page(entries);
        let last = page.manifests().len().checked_sub(1).and_then(|at| digests.get(at).copied());
        Ok((page, last.filter(|_| left || more)))
    }

    async fn referrer_rows(
        &self,
        subject: &ContentDigest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
    ) -> Result<Vec<ReferrerRow>, Error> {
        let statement =
            references::select_referrers(self.name(), subject, artifact_type, after, REFERRERS_AT_ONCE);
        references::referrers(self.shared.db.read(vec![statement]).await?.pop().unwrap_or_default())
    }

    async fn referrer(&self, row: ReferrerRow) -> Result<Referrer, Error> {
        let (size, named) = (row.content.size, row.named);
        let bytes = HostedContent::new(row.digest, row.content, self.shared.objects.clone()).bytes().await?;
        let manifest = Manifest::parse(Some(&row.media_type), &bytes)
            .map_err(|error| Error::internal("read a referrer", error))?;
        Ok(Referrer::of(&manifest, named, size))
    }
}
