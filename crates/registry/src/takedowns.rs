//! What the operator keeps back, as the doors ask for it (`spec/delegation.md`, "Acts and records").
//!
//! It is a part of the committed tree: where nothing is kept back, asking is a look at an empty map. Whether a
//! quarantine is over is asked of the clock each time, so nothing that is kept in memory may depend on it.

use std::sync::Arc;

use semver::Version;
use wargate_core::authority::{Takedown, Takedowns};
use wargate_core::name::PackageName;
use wargate_core::time::Time;

use crate::error::Error;
use crate::shared::Shared;
use crate::state::State;

/// A package of which something is kept back now.
pub(crate) struct KeptBack {
    all: Arc<Takedowns>,
    package: PackageName,
    now: Time,
}

impl KeptBack {
    /// `None` if nothing of the package is kept back.
    pub(crate) fn of(state: &State, package: &PackageName, now: Time) -> Option<Self> {
        let all = &state.tree.takedowns;
        all.touches(package, now).then(|| Self { all: all.clone(), package: package.clone(), now })
    }

    /// What keeps all of it back.
    pub(crate) fn whole(&self) -> Option<&Takedown> {
        self.all.of_package(&self.package, self.now)
    }

    /// What keeps a version back.
    pub(crate) fn version(&self, version: &Version) -> Option<&Takedown> {
        self.all.of(&self.package, version, self.now)
    }
}

impl Shared {
    /// What of a package is kept back now, if anything is.
    pub(crate) fn kept_back(&self, package: &PackageName) -> Option<KeptBack> {
        KeptBack::of(&self.state.load(), package, self.clock.now())
    }

    /// Refuses a version that is kept back.
    pub(crate) fn check_given(&self, package: &PackageName, version: &Version) -> Result<(), Error> {
        let kept_back = self.kept_back(package);
        match kept_back.as_ref().and_then(|kept_back| kept_back.version(version)) {
            Some(takedown) => Err(takedown.into()),
            None => Ok(()),
        }
    }
}

impl From<&Takedown> for Error {
    fn from(takedown: &Takedown) -> Self {
        Self::TakenDown { takedown: Box::new(takedown.clone()) }
    }
}
