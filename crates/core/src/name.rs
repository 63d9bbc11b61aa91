//! Names of namespaces, packages and logs.
//!
//! A package is `NAMESPACE:NAME`; both parts are kebab-case words whose every word begins with a letter
//! (`spec/warg.md`, "Text forms"): the narrowest rule of all the worlds that must be able to name a release.

use std::fmt;
use std::str::FromStr;

use crate::digest::shorten;

/// Longest name, namespace and colon included, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// A name that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("the name has {bytes} bytes, at most {NAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// There is no colon between namespace and name.
    #[error("`{}` is not a package name: expected `NAMESPACE:NAME`", shorten(.text))]
    NoColon {
        /// The refused text.
        text: String,
    },
    /// A part is not made of kebab-case words.
    #[error(
        "`{}` is not a valid name: use lowercase words of a-z and 0-9, each beginning with a letter, joined by `-`",
        shorten(.text)
    )]
    NotKebab {
        /// The refused part.
        text: String,
    },
}

/// Checks one part of a name: words of `[a-z][a-z0-9]*` joined by single hyphens.
fn check_kebab(text: &str) -> Result<(), NameError> {
    let word_ok = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if text.split('-').all(word_ok) { Ok(()) } else { Err(NameError::NotKebab { text: text.to_owned() }) }
}

fn check_length(text: &str) -> Result<(), NameError> {
    if text.len() > NAME_BYTES_MAX { Err(NameError::TooLong { bytes: text.len() }) } else { Ok(()) }
}

/// A namespace such as `acme`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

impl Namespace {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Namespace {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check_length(text)?;
        check_kebab(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// A package's full name such as `acme:hello`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName {
    full: String,
    colon: usize,
}

impl PackageName {
    /// The full name, `NAMESPACE:NAME`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The part before the colon.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        Namespace(self.full[..self.colon].to_owned())
    }

    /// The part after the colon.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.full[self.colon + 1..]
    }
}

impl FromStr for PackageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check_length(text)?;
        // The last colon separates; an earlier one then fails as part of the namespace.
        let colon = text.rfind(':').ok_or_else(|| NameError::NoColon { text: text.to_owned() })?;
        check_kebab(&text[..colon])?;
        check_kebab(&text[colon + 1..])?;
        Ok(Self { full: text.to_owned(), colon })
    }
}

/// Whose log it is: the three layers of `spec/delegation.md`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogName {
    /// The registry's own log.
    Operator,
    /// A namespace's log.
    Namespace(Namespace),
    /// A package's log.
    Package(PackageName),
}

impl LogName {
    /// The name as `log/names/…` carries it: empty for the operator log, else `ns` or `ns:name`
    /// (`spec/transparency.md`, "Ours").
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Operator => "",
            Self::Namespace(namespace) => namespace.as_str(),
            Self::Package(package) => package.as_str(),
        }
    }
}

impl FromStr for LogName {
    type Err = NameError;

    /// The inverse of [`LogName::as_str`].
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            Ok(Self::Operator)
        } else if text.contains(':') {
            text.parse().map(Self::Package)
        } else {
            text.parse().map(Self::Namespace)
        }
    }
}

impl From<PackageName> for LogName {
    fn from(name: PackageName) -> Self {
        Self::Package(name)
    }
}

macro_rules! text_form {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}
text_form!(Namespace, PackageName);

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("the operator log"),
            other => f.pad(other.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_try_to_leave_their_folder_are_refused() {
        for bad in ["../x:y", "a:../b", "a/b:c", "a:b/c", "a:b\0", "a:b\n", ".:.", "a:b%2f", "a:", ":a", ":"]
        {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn length_is_bounded() {
        let longest = format!("a:{}", "b".repeat(NAME_BYTES_MAX - 2));
        assert!(longest.parse::<PackageName>().is_ok());
        assert_eq!(
            format!("{longest}b").parse::<PackageName>().unwrap_err(),
            NameError::TooLong { bytes: NAME_BYTES_MAX + 1 }
        );
    }

    #[test]
    fn log_names_round_trip() {
        for text in ["", "acme", "acme:hello"] {
            assert_eq!(text.parse::<LogName>().unwrap().as_str(), text);
        }
    }
}
