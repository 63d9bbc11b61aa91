//! Scopes: on which names or versions a power may be used (`spec/delegation.md`, rule 2 and "Fine print").

use std::fmt;

use semver::{Prerelease, Version};

use super::is_kebab;

/// A pattern of names: `name`, `prefix*` or `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameScope {
    stem: String,
    open: bool,
}

impl NameScope {
    /// Every name.
    #[must_use]
    pub fn all() -> Self {
        Self { stem: String::new(), open: true }
    }

    /// Reads a pattern: a name, or what some name begins with and a `*`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (stem, open) = text.strip_suffix('*').map_or((text, false), |stem| (stem, true));
        // A stem begins some name exactly if it is one once a letter is put after it.
        let allowed = if open { is_kebab(&format!("{stem}a")) } else { is_kebab(stem) };
        allowed.then(|| Self { stem: stem.to_owned(), open })
    }

    /// Whether the pattern covers a name.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        if self.open { name.starts_with(&self.stem) } else { name == self.stem }
    }

    /// Whether every name that this covers is covered by the other.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        if other.open { self.stem.starts_with(&other.stem) } else { !self.open && self.stem == other.stem }
    }
}

impl fmt::Display for NameScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.stem, if self.open { "*" } else { "" })
    }
}

/// An interval of versions: `>=A <B`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionScope {
    from: Version,
    /// B as it is written.
    below: Version,
    /// B as it counts: one that is no prerelease stands for `B-0`, so that `<2.0.0` excludes 2.0.0-rc.1.
    end: Version,
}

impl VersionScope {
    /// Reads an interval: two versions without build metadata, the first below the second.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (from, below) = text.strip_prefix(">=")?.split_once(" <")?;
        let (from, below): (Version, Version) = (from.parse().ok()?, below.parse().ok()?);
        let mut end = below.clone();
        if end.pre.is_empty() {
            end.pre = Prerelease::new("0").ok()?;
        }
        let plain = from.build.is_empty() && below.build.is_empty();
        (plain && from.cmp_precedence(&end).is_lt()).then_some(Self { from, below, end })
    }

    /// Whether A ≤ V < B by precedence, and V is no prerelease or A is one.
    #[must_use]
    pub fn covers(&self, version: &Version) -> bool {
        self.from.cmp_precedence(version).is_le()
            && version.cmp_precedence(&self.end).is_lt()
            && (version.pre.is_empty() || !self.from.pre.is_empty())
    }

    /// Whether the interval lies in the other, and begins with a prerelease only if that does.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        other.from.cmp_precedence(&self.from).is_le()
            && self.end.cmp_precedence(&other.end).is_le()
            && (self.from.pre.is_empty() || !other.from.pre.is_empty())
    }
}

impl fmt::Display for VersionScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ">={} <{}", self.from, self.below)
    }
}

/// A role's scope, or what a grant says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// No limit; in a grant: nothing is said, so it is copied from the parent.
    Unlimited,
    /// In operator and namespace logs: any of these patterns.
    Names(Vec<NameScope>),
    /// In package logs: any of these intervals.
    Versions(Vec<VersionScope>),
}

impl Scope {
    /// Reads a grant's scope; `None` if one of its texts is no pattern, or they are of both kinds.
    #[must_use]
    pub fn parse(texts: &[String]) -> Option<Self> {
        match texts.first() {
            None => Some(Self::Unlimited),
            Some(first) if first.starts_with('>') => {
                texts.iter().map(|text| VersionScope::parse(text)).collect::<Option<_>>().map(Self::Versions)
            }
            Some(_) => {
                texts.iter().map(|text| NameScope::parse(text)).collect::<Option<_>>().map(Self::Names)
            }
        }
    }

    /// The inverse of [`Scope::parse`].
    #[must_use]
    pub fn to_texts(&self) -> Vec<String> {
        match self {
            Self::Unlimited => Vec::new(),
            Self::Names(names) => names.iter().map(ToString::to_string).collect(),
            Self::Versions(versions) => versions.iter().map(ToString::to_string).collect(),
        }
    }

    /// How many texts say it: the length of [`Scope::to_texts`].
    #[must_use]
    pub fn patterns(&self) -> usize {
        match self {
            Self::Unlimited => 0,
            Self::Names(names) => names.len(),
            Self::Versions(versions) => versions.len(),
        }
    }

    /// Whether nothing limits it: there is no scope, or `*` is among its patterns.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Names(names) => names.contains(&NameScope::all()),
            Self::Versions(_) => false,
        }
    }

    /// Whether it covers a name.
    #[must_use]
    pub fn covers_name(&self, name: &str) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Names(names) => names.iter().any(|scope| scope.covers(name)),
            Self::Versions(_) => false,
        }
    }

    /// Whether it covers a version.
    #[must_use]
    pub fn covers_version(&self, version: &Version) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Names(_) => false,
            Self::Versions(versions) => versions.iter().any(|scope| scope.covers(version)),
        }
    }

    /// Whether every pattern or interval lies within one of the parent's.
    #[must_use]
    pub fn is_within(&self, parent: &Self) -> bool {
        if parent.is_unlimited() {
            return true;
        }
        match (self, parent) {
            (Self::Names(child), Self::Names(parent)) => {
                child.iter().all(|scope| parent.iter().any(|of_parent| scope.is_within(of_parent)))
            }
            (Self::Versions(child), Self::Versions(parent)) => {
                child.iter().all(|scope| parent.iter().any(|of_parent| scope.is_within(of_parent)))
            }
            _ => false,
        }
    }

    /// Whether both say the same, in whatever order.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let sorted = |scope: &Self| {
            let mut texts = scope.to_texts();
            texts.sort_unstable();
            texts
        };
        (self.is_unlimited() && other.is_unlimited()) || sorted(self) == sorted(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NameScope {
        NameScope::parse(text).unwrap()
    }

    fn versions(text: &str) -> VersionScope {
        VersionScope::parse(text).unwrap()
    }

    #[test]
    fn containment_of_names_is_decided_for_every_pair() {
        for (child, parent, within) in [
            ("*", "*", true),
            ("acme", "*", true),
            ("acme*", "*", true),
            ("*", "acme*", false),
            ("acme", "acme*", true),
            ("acme-*", "acme*", true),
            ("acme*", "acme-*", false),
            ("acme", "acme", true),
            ("acme*", "acme", false),
            ("acme", "acme-*", false),
        ] {
            assert_eq!(name(child).is_within(&name(parent)), within, "{child} in {parent}");
        }
        assert!(!name("http-*").covers("https"));
        assert!(name("http*").covers("https"));
        assert!(name("http*").covers("http"));
    }

    #[test]
    fn other_patterns_of_names_are_refused() {
        for bad in [
            "", "**", "a*b", "*a", "A", "1*", "-", "-*", "a b", "a?", "a.b", "a-", "a--b", "a--*", "a-1*",
            "é*",
        ] {
            assert_eq!(NameScope::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_interval_covers_prereleases_only_if_it_begins_with_one() {
        for (scope, version, covers) in [
            (">=1.2.0 <2.0.0", "1.2.0", true),
            (">=1.2.0 <2.0.0", "1.1.9", false),
            (">=1.2.0 <2.0.0", "1.99.0+build.7", true),
            (">=1.2.0 <2.0.0", "2.0.0", false),
            (">=1.2.0 <2.0.0", "2.0.0-rc.1", false),
            (">=1.2.0 <2.0.0", "2.0.0-0", false),
            (">=1.2.0 <2.0.0", "1.5.0-rc.1", false),
            (">=1.2.0-a <2.0.0", "1.5.0-rc.1", true),
            (">=1.2.0-a <2.0.0", "2.0.0-rc.1", false),
            (">=1.2.0-b <2.0.0", "1.2.0-a", false),
            (">=2.0.0-0 <2.0.0-rc.2", "2.0.0-rc.1", true),
            (">=2.0.0-0 <2.0.0-rc.2", "2.0.0-rc.2", false),
            (">=1.0.0 <2.0.0-rc.2", "2.0.0-rc.1", false),
        ] {
            assert_eq!(versions(scope).covers(&version.parse().unwrap()), covers, "{version} in {scope}");
        }
    }

    #[test]
    fn containment_of_intervals_is_decided_for_every_pair() {
        for (child, parent, within) in [
            (">=1.2.0 <2.0.0", ">=1.2.0 <2.0.0", true),
            (">=1.2.0 <2.0.0-0", ">=1.2.0 <2.0.0", true),
            (">=1.2.0 <2.0.0-1", ">=1.2.0 <2.0.0", false),
            (">=1.2.0 <2.0.0", ">=1.2.0 <2.0.0-rc.1", true),
            (">=1.1.0 <2.0.0", ">=1.2.0 <2.0.0", false),
            (">=1.2.0 <2.0.1", ">=1.2.0 <2.0.0", false),
            (">=1.3.0-rc.1 <2.0.0", ">=1.2.0 <2.0.0", false),
            (">=1.3.0-rc.1 <2.0.0", ">=1.2.0-0 <2.0.0", true),
            (">=1.3.0 <2.0.0", ">=1.2.0-0 <2.0.0", true),
        ] {
            assert_eq!(versions(child).is_within(&versions(parent)), within, "{child} in {parent}");
        }
    }

    #[test]
    fn other_intervals_are_refused() {
        for bad in [
            ">=1.0.0",
            "<2.0.0",
            ">=1.0.0 <1.0.0",
            ">=2.0.0 <1.0.0",
            ">=2.0.0-rc.1 <2.0.0",
            ">=2.0.0-0 <2.0.0",
            ">=1.0.0  <2.0.0",
            ">= 1.0.0 <2.0.0",
            ">=1.0.0 < 2.0.0",
            ">=1.0.0 <2.0.0 ",
            ">=1.0 <2.0.0",
            ">=1.0.0+a <2.0.0",
            ">=1.0.0 <2.0.0+a",
            ">=01.0.0 <2.0.0",
            ">1.0.0 <2.0.0",
            ">=1.0.0 <=2.0.0",
            ">=1.0.0 <18446744073709551616.0.0",
        ] {
            assert_eq!(VersionScope::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_scope_is_of_one_kind_and_in_no_order() {
        let scope = |texts: &[&str]| Scope::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(scope(&[]), Some(Scope::Unlimited));
        assert_eq!(scope(&["a", ">=1.0.0 <2.0.0"]), None);
        assert_eq!(scope(&[">=1.0.0 <2.0.0", "a"]), None);
        let (ab, ba) = (scope(&["a", "b*"]).unwrap(), scope(&["b*", "a"]).unwrap());
        assert!(ab.is_same(&ba) && ab.is_within(&ba) && !ab.is_unlimited());
        assert!(scope(&["*"]).unwrap().is_same(&Scope::Unlimited));
        assert!(Scope::Unlimited.is_within(&scope(&["a", "*"]).unwrap()));
        assert!(!Scope::Unlimited.is_within(&ab));
        assert!(!scope(&[">=1.0.0 <2.0.0"]).unwrap().is_unlimited());
    }
}
