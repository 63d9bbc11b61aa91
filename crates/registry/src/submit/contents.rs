//! The bytes that an act releases: they must be here, and be what the act says of them.

use std::collections::{BTreeMap, BTreeSet};

use wargate_component::Inspection;
use wargate_component::manifest::{Layer, artifact};
use wargate_core::act::{Act, Release};
use wargate_core::digest::Digest;
use wargate_core::name::PackageName;

use super::releases;
use crate::admission::Candidate;
use crate::content::{inspected, leases};
use crate::db::{Row, Statement};
use crate::error::Error;
use crate::repository;
use crate::shared::Shared;
use crate::tables::content::{self, Presence, Standing, WithInspection};

/// What is known of each content that an act releases.
pub(super) type Contents = BTreeMap<Digest, Standing>;

fn released(act: &Act) -> BTreeSet<Digest> {
    releases(act).map(|release| release.content).collect()
}

/// What is asked of each content: [`read`].
pub(super) fn select(shared: &Shared, act: &Act) -> Vec<Statement> {
    let released = released(act);
    let with = |digest: &Digest| WithInspection::of(released.len(), must_know(shared, act, digest));
    released.iter().map(|digest| content::select_standing(digest, with(digest))).collect()
}

pub(super) fn read(act: &Act, answers: Vec<Vec<Row>>) -> Result<Contents, Error> {
    let read = |(digest, rows)| Ok((digest, content::standing(rows)?));
    released(act).into_iter().zip(answers).map(read).collect()
}

/// Whether all must be known of what content is that an act releases.
fn must_know(shared: &Shared, act: &Act, digest: &Digest) -> bool {
    let named = |release: &Release| release.content == *digest && release.manifest.is_some();
    shared.config.admission.is_some() || releases(act).any(named)
}

/// All of it must be here, and be what the act says; nothing of it goes before the verdict.
pub(super) async fn check_all(
    shared: &Shared,
    name: &PackageName,
    act: &Act,
    contents: &Contents,
) -> Result<(), Error> {
    let mut due = Vec::new();
    let is_told = WithInspection::of(contents.len(), true) == WithInspection::Always;
    for (digest, standing) in contents {
        let looked;
        let (inspection, size) = match standing.presence {
            Presence::Missing | Presence::Elsewhere => return Err(Error::UnknownContent { digest: *digest }),
            Presence::Inspected if is_told => (standing.inspection.as_ref(), standing.size),
            Presence::Inspected | Presence::Uninspected => {
                looked = inspected(shared, digest).await?;
                (Some(&looked.0), looked.1)
            }
        };
        check(shared, name, act, digest, size, inspection).await?;
        if leases::is_content_due(shared, standing.leased_ms) {
            due.push(*digest);
        }
    }
    leases::renew(shared, &due).await
}

/// What the bytes of a release are must agree with what the act says of them; its manifest is the one that follows
/// from them, or one that was pushed for them. What they are is [known if it must be](must_know), or if they say
/// something of themselves.
pub(super) async fn check(
    shared: &Shared,
    name: &PackageName,
    act: &Act,
    digest: &Digest,
    size: u64,
    inspection: Option<&Inspection>,
) -> Result<(), Error> {
    for release in releases(act).filter(|release| release.content == *digest) {
        let (content, version) = (digest, &release.version);
        shared.check_release(&Candidate { name, version, content, inspection })?;
        let Some(named) = release.manifest else { continue };
        let unknown = || Error::internal("check a release's manifest", "nobody said what its content is");
        let inspection = inspection.ok_or_else(unknown)?;
        let layer = Layer { digest: *digest, size };
        let manifest = Digest::of(&artifact(layer, inspection, name.name(), version).manifest);
        if named != manifest && !repository::is_artifact_of(shared, &name.into(), &named, digest).await? {
            return Err(Error::Invalid {
                reason: format!(
                    "the act names the manifest `{named}`; the one that follows from the content is `{manifest}`, and no \
                     other was pushed for it"
                ),
            });
        }
    }
    Ok(())
}
