//! Packages and their releases as people look at them: for pages and for our own JSON.

use semver::Version;
use wargate_component::Inspection;
use wargate_core::act::OnBehalfOf;
use wargate_core::authority::{self, Level, Takedown};
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::key::KeyId;
use wargate_core::name::PackageName;
use wargate_core::time::Time;

use crate::error::Error;
use crate::limits::LIST_LOOKS_MAX;
use crate::snapshot::Snapshot;
use crate::tables::logs::{self, LogKind};
use crate::tables::releases::{self, View};
use crate::tables::{inspections, records};
use crate::takedowns::KeptBack;

/// A page of packages in order of their names.
#[derive(Debug, Clone)]
pub struct PackagePage {
    /// The packages; of their releases only what the list needs.
    pub packages: Vec<PackageView>,
    /// Where the next page goes on, if more may follow: after this name.
    pub next: Option<PackageName>,
}

/// A package.
#[derive(Debug, Clone)]
pub struct PackageView {
    /// Its name.
    pub name: PackageName,
    /// Its log.
    pub log: LogId,
    /// The index of the log's first record.
    pub first_index: u64,
    /// Whether acts of delegation govern it; else v1's rules do.
    pub delegated: bool,
    /// The keys that own it; in a v1 log, all that may do anything.
    pub owners: Vec<KeyId>,
    /// Its releases, the highest version first.
    pub releases: Vec<ReleaseView>,
    /// What the bytes of the highest live version are.
    pub inspection: Option<Inspection>,
}

/// A release.
#[derive(Debug, Clone)]
pub struct ReleaseView {
    /// The version.
    pub version: Version,
    /// Its content.
    pub content: Digest,
    /// The content's size in bytes, if it is here.
    pub size: Option<u64>,
    /// What the content is: `component`, `wit` or `module`.
    pub kind: Option<String>,
    /// The manifest that its record names.
    pub manifest: Option<Digest>,
    /// When it was released.
    pub time: Time,
    /// When it was yanked, and by which key of a v1 log.
    pub yanked: Option<(Time, Option<KeyId>)>,
    /// What keeps it back now.
    pub taken_down: Option<Takedown>,
    /// The index of its record in the log.
    pub index: u64,
    /// Its record.
    pub record: RecordId,
    /// Whose word it is.
    pub level: Level,
    /// The keys that signed it, as far as they were looked up.
    pub keys: Vec<KeyId>,
    /// For whom the registry signed it.
    pub on_behalf_of: Option<OnBehalfOf>,
}

impl PackageView {
    /// The highest version that is neither yanked, nor kept back, nor a pre-release; without one, the highest that is
    /// live.
    #[must_use]
    pub fn latest(&self) -> Option<&ReleaseView> {
        let live = || self.releases.iter().filter(|one| one.yanked.is_none() && one.taken_down.is_none());
        live().find(|release| release.version.pre.is_empty()).or_else(|| live().next())
    }
}

impl Snapshot {
    /// Packages whose name holds a text, after a name, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn packages(
        &self,
        holding: &str,
        after: Option<&PackageName>,
        limit: usize,
    ) -> Result<PackagePage, Error> {
        let holding = holding.to_ascii_lowercase();
        let (mut packages, mut last) = (Vec::with_capacity(limit), after.cloned());
        for _ in 0..LIST_LOOKS_MAX {
            let (left, from) = (limit - packages.len(), last.as_ref().map_or("", PackageName::as_str));
            let statement = logs::select_packages(&holding, from, left + 1);
            let mut names = logs::package_names(self.read(vec![statement]).await?.pop().unwrap_or_default())?;
            let more = names.len() > left;
            names.truncate(left);
            last = names.last().cloned().or(last);
            for name in names.iter().filter(|name| self.lists(name)) {
                packages.extend(self.find_package(name).await?);
            }
            if !more {
                return Ok(PackagePage { packages, next: None });
            }
            if packages.len() == limit {
                break;
            }
        }
        Ok(PackagePage { packages, next: last })
    }

    /// A package with all its releases.
    ///
    /// # Errors
    /// [`Error::UnknownPackage`].
    pub async fn package(&self, name: &PackageName) -> Result<PackageView, Error> {
        self.check(name).map_err(|error| match error {
            Error::UnknownRepository { .. } => Error::UnknownPackage { name: name.clone() },
            error => error,
        })?;
        self.find_package(name).await?.ok_or_else(|| Error::UnknownPackage { name: name.clone() })
    }

    /// A package, one of its releases with the keys that signed it, and what the release's bytes are, unless they are
    /// kept back.
    ///
    /// # Errors
    /// [`Error::UnknownPackage`], [`Error::UnknownRelease`].
    pub async fn release(
        &self,
        name: &PackageName,
        version: &Version,
    ) -> Result<(PackageView, ReleaseView, Option<Inspection>), Error> {
        let package = self.package(name).await?;
        let found = package.releases.iter().find(|release| release.version == *version);
        let mut release = found
            .cloned()
            .ok_or_else(|| Error::UnknownRelease { name: name.clone(), version: version.clone() })?;
        let statements = vec![
            inspections::select(&release.content),
            records::select_range(release.index, release.index + 1),
        ];
        let mut answers = self.read(statements).await?.into_iter();
        let inspection = inspections::one(answers.next().unwrap_or_default())?;
        // What the bytes say goes with the bytes.
        let inspection = inspection.filter(|_| release.taken_down.is_none());
        if package.delegated
            && let Some(row) = records::rows(answers.next().unwrap_or_default())?.into_iter().next()
        {
            let first = row.index == package.first_index;
            release.keys = authority::endorsers(&row.envelope.contents, first)
                .map_err(|error| Error::internal("read a release's record", error))?;
        }
        Ok((package, release, inspection))
    }

    async fn find_package(&self, name: &PackageName) -> Result<Option<PackageView>, Error> {
        let log = LogId::package(name);
        let statements = vec![
            logs::select(&log),
            logs::select_state(&log),
            logs::select_key_ids(&log),
            releases::select_views(&log),
        ];
        let mut answers = self.read(statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let size = self.checkpoint().size();
        let Some(row) = logs::one(next())?.filter(|row| row.first_index < size) else { return Ok(None) };
        let state = logs::state(next())?;
        let v1_keys = logs::key_ids(next())?;
        let owners = state.map_or(v1_keys, |state| state.owners().copied().collect());
        let views = releases::views(next())?.into_iter().filter(|(row, ..)| row.index < size);
        let kept_back = self.kept_back(name);
        let releases = views.map(|found| view(found, kept_back.as_ref()));
        let mut releases = releases.collect::<Result<Vec<_>, _>>()?;
        releases.sort_by(|a, b| b.version.cmp(&a.version));
        let delegated = row.kind == LogKind::Delegated;
        let mut package = PackageView {
            name: name.clone(),
            log,
            first_index: row.first_index,
            delegated,
            owners,
            releases,
            inspection: None,
        };
        if let Some(content) = package.latest().map(|release| release.content) {
            let rows = self.read(vec![inspections::select(&content)]).await?.pop();
            package.inspection = inspections::one(rows.unwrap_or_default())?;
        }
        Ok(Some(package))
    }
}

fn view((row, size, kind): View, kept_back: Option<&KeptBack>) -> Result<ReleaseView, Error> {
    let (by, yanked_by) = row.v1_keys();
    let on_behalf_of = match by {
        Some(_) => None,
        None => row.delegated()?.on_behalf_of,
    };
    Ok(ReleaseView {
        size,
        kind,
        manifest: row.manifest,
        time: row.time,
        yanked: row.yanked.map(|time| (time, yanked_by)),
        taken_down: kept_back.and_then(|kept_back| kept_back.version(&row.version)).cloned(),
        index: row.index,
        record: row.record,
        level: Level::of(on_behalf_of.as_ref()),
        keys: by.into_iter().collect(),
        on_behalf_of,
        content: row.content,
        version: row.version,
    })
}
