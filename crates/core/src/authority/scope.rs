//! Name scopes: `name`, `prefix*`, `*` (`spec/delegation.md`, rule 2).

/// A pattern of names.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// Reads a pattern: letters, digits and hyphens as names have them, and at most one `*`, at the end.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (stem, open) = text.strip_suffix('*').map_or((text, false), |stem| (stem, true));
        let plain = stem.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let begins = stem.is_empty() || stem.starts_with(|c: char| c.is_ascii_lowercase());
        (plain && begins && (open || !stem.is_empty())).then(|| Self { stem: stem.to_owned(), open })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containment_is_decided_for_every_pair() {
        let scope = |text| NameScope::parse(text).unwrap();
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
            assert_eq!(scope(child).is_within(&scope(parent)), within, "{child} in {parent}");
        }
        assert!(!scope("http-*").covers("https"));
        assert!(scope("http*").covers("https"));
    }

    #[test]
    fn other_patterns_are_refused() {
        for bad in ["", "**", "a*b", "*a", "A", "1*", "-", "a b", "a?", "a.b"] {
            assert_eq!(NameScope::parse(bad), None, "{bad:?}");
        }
    }
}
