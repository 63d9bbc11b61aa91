//! Content that an operator removed or put aside (`spec/delegation.md`, "Acts and records"): what was said, and what of
//! it holds.

use std::collections::BTreeMap;
use std::fmt;

use semver::Version;

use crate::id::RecordId;
use crate::name::PackageName;
use crate::text::plain;
use crate::time::Time;

/// What was said last about content that an operator removes or puts aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takedown {
    /// The package.
    pub package: PackageName,
    /// Its version; `None` means all.
    pub version: Option<Version>,
    /// Why, for people.
    pub reason: String,
    /// Whether an earlier one ended.
    pub lifted: bool,
    /// When it ends by itself: a quarantine.
    pub not_after: Option<Time>,
    /// The record that said it.
    pub record: RecordId,
    /// When, by that record.
    pub time: Time,
}

impl Takedown {
    /// Whether its content is kept back at a time.
    #[must_use]
    pub fn holds_at(&self, time: Time) -> bool {
        !self.lifted && self.not_after.is_none_or(|end| time <= end)
    }
}

impl fmt::Display for Takedown {
    /// For people who ask for the content: what happened, why, and which record says so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}", self.package)?;
        if let Some(version) = &self.version {
            write!(f, "@{version}")?;
        }
        match self.not_after {
            Some(end) => write!(f, "` is in quarantine until {end}")?,
            None => f.write_str("` was taken down")?,
        }
        let reason = plain(&self.reason);
        let colon = if reason.is_empty() { "" } else { ": " };
        write!(f, "{colon}{reason} (record {} of the operator's log)", self.record)
    }
}

/// What was said last about each package and each version, as far as it was not lifted.
///
/// A version is kept back by what was said of it, and by what was said of its whole package; each is lifted by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Takedowns(BTreeMap<PackageName, BTreeMap<Option<Version>, Takedown>>);

impl Takedowns {
    /// Whether nothing is kept back at any time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in what was said last.
    pub fn follow(&mut self, said: &Takedown) {
        if !said.lifted {
            let of_package = self.0.entry(said.package.clone()).or_default();
            of_package.insert(said.version.clone(), said.clone());
        } else if let Some(of_package) = self.0.get_mut(&said.package) {
            of_package.remove(&said.version);
            if of_package.is_empty() {
                self.0.remove(&said.package);
            }
        }
    }

    /// What keeps the whole package back at a time.
    #[must_use]
    pub fn of_package(&self, package: &PackageName, time: Time) -> Option<&Takedown> {
        self.0.get(package)?.get(&None).filter(|takedown| takedown.holds_at(time))
    }

    /// What keeps a version back at a time.
    #[must_use]
    pub fn of(&self, package: &PackageName, version: &Version, time: Time) -> Option<&Takedown> {
        let own = || self.0.get(package)?.get(&Some(version.clone()));
        self.of_package(package, time).or_else(|| own().filter(|takedown| takedown.holds_at(time)))
    }

    /// Whether anything of the package is kept back at a time.
    #[must_use]
    pub fn touches(&self, package: &PackageName, time: Time) -> bool {
        let of_package = self.0.get(package);
        of_package.is_some_and(|all| all.values().any(|takedown| takedown.holds_at(time)))
    }
}

impl FromIterator<Takedown> for Takedowns {
    fn from_iter<I: IntoIterator<Item = Takedown>>(said: I) -> Self {
        let mut all = Self::default();
        said.into_iter().for_each(|one| all.follow(&one));
        all
    }
}
