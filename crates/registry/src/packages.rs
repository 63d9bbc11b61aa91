//! Packages and their releases as people look at them: for pages and for our own JSON.

use semver::Version;
use wargate_component::Inspection;
use wargate_core::act::{AnnotationKind, OnBehalfOf};
use wargate_core::authority::role::Power;
use wargate_core::authority::{self, Level, State, Takedown};
use wargate_core::digest::Digest;
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::key::KeyId;
use wargate_core::name::PackageName;
use wargate_core::record::PackagePermission;
use wargate_core::time::Time;
use wargate_core::v1::package::{KeyState, PermissionSet};

use crate::db::Row;
use crate::error::Error;
use crate::keys::time_of;
use crate::limits::LIST_LOOKS_MAX;
use crate::remarks::{Remark, Remarks};
use crate::snapshot::Snapshot;
use crate::tables::logs::{self, LogKind};
use crate::tables::releases::{self, View};
use crate::tables::{inspections, records};
use crate::takedowns::KeptBack;

mod beginning;

pub use beginning::{Beginning, Ground};

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
    /// The fewest keys that must agree to release something; `None` where nobody can.
    pub guard: Option<u32>,
    /// How it began, of a v1 log, as far as it was looked up.
    pub began: Option<Beginning>,
    /// The registry that its namespace is imported from, if it is.
    pub imported_from: Option<String>,
    /// What is said against using it, as far as it was looked up.
    pub deprecated: Option<Remark>,
    /// What else is said of it, the narrowest first, as far as it was looked up.
    pub notes: Vec<Remark>,
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
    /// How it was yanked.
    pub yanked: Option<YankView>,
    /// What keeps it back now.
    pub taken_down: Option<Takedown>,
    /// Whether its owners say that whoever released it should not have been able to: nobody may install it.
    pub distrusted: bool,
    /// What is said against using this version, as far as it was looked up.
    pub deprecated: Option<Remark>,
    /// What else is said of this version, as far as it was looked up.
    pub note: Option<Remark>,
    /// The fewest keys that must agree to release such a version, as the log stands; `None` where nobody can.
    pub guard: Option<u32>,
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

/// How a release was yanked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YankView {
    /// When.
    pub time: Time,
    /// Why, if it was said.
    pub reason: Option<String>,
    /// The record that did it; of a v1 log nobody remembers it.
    pub record: Option<RecordId>,
    /// The keys that did it, as far as they were looked up.
    pub keys: Vec<KeyId>,
}

impl PackageView {
    /// The highest version that is neither yanked, nor kept back, nor a pre-release; without one, the highest that is
    /// live.
    #[must_use]
    pub fn latest(&self) -> Option<&ReleaseView> {
        let is_live = |release: &&ReleaseView| {
            release.yanked.is_none() && release.taken_down.is_none() && !release.distrusted
        };
        let live = || self.releases.iter().filter(is_live);
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
        let found = self.find_package(name).await?;
        let mut package = found.ok_or_else(|| Error::UnknownPackage { name: name.clone() })?;
        package.began = self.beginning(&package).await?;
        self.look_up_remarks(&mut package).await?;
        Ok(package)
    }

    /// What its own log says of it and its versions, and the namespace's of its name or of all names. What is said against
    /// using it is told by the narrowest.
    async fn look_up_remarks(&self, package: &mut PackageView) -> Result<(), Error> {
        let select = |kind| Remarks::select(&package.name, kind, None);
        let statements = [AnnotationKind::Deprecate, AnnotationKind::Note].map(select).concat();
        let mut answers = self.read(statements).await?.into_iter();
        let mut deprecated = Remarks::read(&package.name, &mut answers)?;
        let mut notes = Remarks::read(&package.name, &mut answers)?;
        for release in &mut package.releases {
            release.deprecated = deprecated.take(&release.version);
            release.note = notes.take(&release.version);
        }
        package.deprecated = deprecated.wider.into_iter().next();
        package.notes = notes.wider;
        Ok(())
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
        let mut statements =
            vec![inspections::select(&release.content), records::select_one(&package.log, &release.record)];
        let yanked_in = release.yanked.as_ref().and_then(|yanked| yanked.record);
        statements.extend(yanked_in.map(|record| records::select_one(&package.log, &record)));
        let mut answers = self.read(statements).await?.into_iter();
        let inspection = inspections::one(answers.next().unwrap_or_default())?;
        // What the bytes say goes with the bytes.
        let inspection = inspection.filter(|_| release.taken_down.is_none());
        if package.delegated {
            let mut endorsers = || endorsers(answers.next().unwrap_or_default(), package.first_index);
            release.keys = endorsers()?;
            if let Some(yanked) = &mut release.yanked {
                yanked.keys = endorsers()?;
            }
        }
        Ok((package, release, inspection))
    }

    async fn find_package(&self, name: &PackageName) -> Result<Option<PackageView>, Error> {
        let log = LogId::package(name);
        let statements = vec![
            logs::select(&log),
            logs::select_state(&log),
            logs::select_keys(&log),
            releases::select_views(&log),
        ];
        let mut answers = self.read(statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let size = self.checkpoint().size();
        let Some(row) = logs::one(next())?.filter(|row| row.first_index < size) else { return Ok(None) };
        let state = logs::state(next())?;
        let v1_keys = logs::keys(next())?;
        let time = time_of(self.checkpoint());
        let kept_back = self.kept_back(name);
        let stands = Stands { state: state.as_ref(), v1_keys: &v1_keys, kept_back: kept_back.as_ref(), time };
        let views = releases::views(next())?.into_iter().filter(|(row, ..)| row.index < size);
        let mut releases = views.map(|row| stands.view(row)).collect::<Result<Vec<_>, _>>()?;
        releases.sort_by(|a, b| b.version.cmp(&a.version));
        let delegated = row.kind == LogKind::Delegated;
        let mut package = PackageView {
            name: name.clone(),
            log,
            first_index: row.first_index,
            delegated,
            owners: stands.owners(),
            guard: stands.guard(),
            began: None,
            imported_from: self.imported(&name.namespace()),
            deprecated: None,
            notes: Vec::new(),
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

/// How a package's log stands, as far as its releases are told by it.
struct Stands<'a> {
    /// Of a delegated log.
    state: Option<&'a State>,
    /// Of a v1 log.
    v1_keys: &'a [KeyState],
    /// What of it is kept back.
    kept_back: Option<&'a KeptBack>,
    time: Time,
}

impl Stands<'_> {
    fn owners(&self) -> Vec<KeyId> {
        match self.state {
            Some(state) => state.owners().copied().collect(),
            None => {
                let may = self.v1_keys.iter().filter(|key| key.permissions != PermissionSet::default());
                may.map(|key| key.key.id()).collect()
            }
        }
    }

    /// In a v1 log everybody acts alone.
    fn guard(&self) -> Option<u32> {
        let may = |key: &KeyState| key.permissions.holds(PackagePermission::Release);
        match self.state {
            Some(state) => state.guard(Power::Release, self.time),
            None => self.v1_keys.iter().any(may).then_some(1),
        }
    }

    fn view(&self, (row, size, kind): View) -> Result<ReleaseView, Error> {
        let mut view = ReleaseView {
            size,
            kind,
            manifest: row.manifest,
            time: row.time,
            yanked: row.yanked.map(|time| YankView { time, reason: None, record: None, keys: Vec::new() }),
            taken_down: self.kept_back.and_then(|kept_back| kept_back.version(&row.version)).cloned(),
            distrusted: false,
            deprecated: None,
            note: None,
            guard: self.guard(),
            index: row.index,
            record: row.record,
            level: Level::PublisherKey,
            keys: Vec::new(),
            on_behalf_of: None,
            content: row.content,
            version: row.version.clone(),
        };
        let Some(state) = self.state else {
            let (by, yanked_by) = row.v1_keys();
            view.keys.extend(by);
            if let Some(yanked) = &mut view.yanked {
                yanked.keys.extend(yanked_by);
            }
            return Ok(view);
        };
        let release = row.delegated()?;
        if let Some(yanked) = &mut view.yanked {
            // A carrier record gives no reason and has no endorsers.
            let yank = release.yank();
            yanked.reason = yank.map(|yank| yank.reason.clone()).filter(|said| !said.is_empty());
            yanked.record = yank.map(|yank| yank.record);
        }
        view.distrusted = state.distrusts(&release);
        view.guard = state.release_guard(&row.version, self.time);
        view.level = release.level();
        view.on_behalf_of = release.on_behalf_of;
        Ok(view)
    }
}

/// Who endorsed what a record of a package's log carries; nobody, if it was not found.
fn endorsers(rows: Vec<Row>, first_index: u64) -> Result<Vec<KeyId>, Error> {
    let Some(row) = records::rows(rows)?.into_iter().next() else { return Ok(Vec::new()) };
    let told = authority::told(&row.envelope.contents, Layer::Package, row.index == first_index)
        .map_err(|error| Error::internal("read a record of a package", error))?;
    Ok(told.endorsers)
}
