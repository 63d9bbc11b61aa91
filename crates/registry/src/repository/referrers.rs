//! What refers to a manifest (`spec/oci.md`, "Lists").

use wargate_core::digest::Digest;
use wargate_wire::oci::list::{REFERRERS_PAGE_BYTES_MAX, Referrer, ReferrersIndex};
use wargate_wire::oci::manifest::Manifest;
use wargate_wire::oci::reference::ContentDigest;

use super::Repository;
use super::lifecycle::{self, Told};
use crate::access::Action;
use crate::content::HostedContent;
use crate::error::Error;
use crate::tables::references::{self, ReferrerRow};

/// Referrers that are read from the ledger at once.
const REFERRERS_AT_ONCE: usize = 32;

impl Repository {
    /// A page of what refers to `subject`, which need not exist, by digest after `after`; and the last digest of the
    /// page if there are more. An unknown repository has none, nor has one that the caller may not see; of one that is
    /// kept back as a whole it is told why.
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
        let told = self.lifecycle(subject).await?;
        if after.is_none() {
            self.keep_told(subject, &told).await?;
        }
        if self.kept_back().is_some_and(|kept_back| kept_back.whole().is_some()) {
            let entries = told_entries(&told, artifact_type, after.as_ref())?;
            return Ok((ReferrersIndex::page(entries).0, None));
        }
        self.referrers_page(subject, artifact_type, after, &told).await
    }

    async fn referrers_page(
        &self,
        subject: &ContentDigest,
        artifact_type: Option<&str>,
        mut after: Option<Digest>,
        told: &Told,
    ) -> Result<(ReferrersIndex, Option<Digest>), Error> {
        let (mut bytes, mut more) = (0, true);
        let (mut entries, mut digests) = (Vec::new(), Vec::new());
        // Annotations are all that makes an entry large, and they are a part of the manifest.
        while more && bytes <= REFERRERS_PAGE_BYTES_MAX {
            let rows = self.referrer_rows(subject, artifact_type, after.as_ref()).await?;
            more = rows.len() == REFERRERS_AT_ONCE;
            for row in rows {
                let digest = row.digest;
                after = Some(digest);
                bytes +=
                    usize::try_from(row.content.size).unwrap_or(usize::MAX).min(REFERRERS_PAGE_BYTES_MAX);
                let entry = self.referrer(row).await?;
                if told.contains_key(&digest) || !lifecycle::speaks_for_logs(&entry) {
                    digests.push(digest);
                    entries.push(entry);
                }
                if bytes > REFERRERS_PAGE_BYTES_MAX {
                    more = true;
                    break;
                }
            }
        }
        let (page, left) = ReferrersIndex::page(entries);
        let last = if left {
            page.manifests().len().checked_sub(1).and_then(|at| digests.get(at).copied())
        } else {
            after
        };
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
        entry(Some(&row.media_type), &bytes, named, size)
    }
}

/// What is told of a release, as entries.
fn told_entries(
    told: &Told,
    artifact_type: Option<&str>,
    after: Option<&Digest>,
) -> Result<Vec<Referrer>, Error> {
    let mut entries = Vec::new();
    for (digest, bytes) in told.iter().filter(|(digest, _)| after.is_none_or(|after| *digest > after)) {
        let entry = entry(None, bytes, (*digest).into(), bytes.len() as u64)?;
        if artifact_type.is_none_or(|wanted| entry.artifact_type.as_deref() == Some(wanted)) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn entry(media_type: Option<&str>, bytes: &[u8], named: ContentDigest, size: u64) -> Result<Referrer, Error> {
    let manifest = Manifest::parse(media_type, bytes);
    let manifest = manifest.map_err(|error| Error::internal("read a referrer", error))?;
    Ok(Referrer::of(&manifest, named, size))
}
