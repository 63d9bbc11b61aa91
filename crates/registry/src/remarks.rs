//! What logs say of packages for people: deprecations and notes, by a package's own log and by its namespace's
//! (`spec/delegation.md`, "Fine print").

use std::collections::HashMap;

use semver::Version;
use wargate_core::act::AnnotationKind;
use wargate_core::authority::Annotation;
use wargate_core::id::{LogId, RecordId};
use wargate_core::name::PackageName;
use wargate_core::time::Time;

use crate::db::{Row, Statement};
use crate::error::Error;
use crate::tables::facts;

/// Something said of a release, of a package or of all packages of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Of how much it is said.
    pub extent: Extent,
    /// What is said.
    pub message: String,
    /// When.
    pub time: Time,
    /// The record that said it.
    pub record: RecordId,
    /// In which log that is.
    pub log: LogId,
}

/// Of how much something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// One version.
    Release,
    /// A package.
    Package,
    /// A namespace.
    Namespace,
}

/// What is said of one kind about a package and its versions.
pub(crate) struct Remarks {
    by_version: HashMap<String, Remark>,
    /// Of the whole package and of more, the narrowest first.
    pub(crate) wider: Vec<Remark>,
}

impl Remarks {
    /// What to ask for [`Remarks::read`], of all versions or of one.
    pub(crate) fn select(
        package: &PackageName,
        kind: AnnotationKind,
        version: Option<&Version>,
    ) -> [Statement; 3] {
        let (log, namespace) = (LogId::package(package), LogId::namespace(&package.namespace()));
        let own = match version {
            None => facts::select_annotations(&log, kind),
            Some(version) => facts::select_either_annotation(&log, kind, ["", &version.to_string()]),
        };
        [
            own,
            facts::select_annotation(&namespace, kind, package.name()),
            facts::select_annotation(&namespace, kind, ""),
        ]
    }

    /// Takes the answers to [`Remarks::select`].
    pub(crate) fn read(
        package: &PackageName,
        answers: &mut impl Iterator<Item = Vec<Row>>,
    ) -> Result<Self, Error> {
        let (log, namespace) = (LogId::package(package), LogId::namespace(&package.namespace()));
        let mut next = || facts::annotations(answers.next().unwrap_or_default());
        let (own, of_name, of_all) = (next()?, next()?, next()?);
        let (whole, versions): (Vec<_>, Vec<_>) = own.into_iter().partition(|said| said.subject.is_empty());
        let remarks = |said: Vec<Annotation>, extent, log| {
            said.into_iter().map(move |said| Remark::of(extent, said, log))
        };
        let wider = remarks(whole, Extent::Package, log)
            .chain(remarks(of_name, Extent::Package, namespace))
            .chain(remarks(of_all, Extent::Namespace, namespace))
            .collect();
        let by_version = versions
            .into_iter()
            .map(|said| (said.subject.clone(), Remark::of(Extent::Release, said, log)))
            .collect();
        Ok(Self { by_version, wider })
    }

    /// What is said of one version alone.
    pub(crate) fn take(&mut self, version: &Version) -> Option<Remark> {
        self.by_version.remove(&version.to_string())
    }
}

impl Remark {
    fn of(extent: Extent, said: Annotation, log: LogId) -> Self {
        Self { extent, message: said.value, time: said.time, record: said.record, log }
    }
}
