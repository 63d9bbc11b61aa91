//! What a rule is.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;

use crate::outcome::Failure;
use crate::site::Site;

/// Who wants a rule kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The specification, or the table of its endpoints.
    Must,
    /// Clients that people have.
    Client,
    /// Wargate, where texts are silent.
    Ours,
}

impl Level {
    /// All levels.
    pub const ALL: [Self; 3] = [Self::Must, Self::Client, Self::Ours];

    /// The level's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Client => "client",
            Self::Ours => "ours",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a level: expected must, client or ours")]
pub struct LevelError {
    /// The text.
    pub text: String,
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        let found = Self::ALL.into_iter().find(|level| level.as_str() == text);
        found.ok_or_else(|| LevelError { text: text.to_owned() })
    }
}

/// A run of a rule against a server.
pub(crate) type Check =
    for<'a> fn(&'a Site) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// One rule.
pub struct Rule {
    /// Its name for ever.
    pub id: &'static str,
    /// Who wants it kept.
    pub level: Level,
    /// The section of `spec/oci.md` that it comes from.
    pub section: &'static str,
    /// What it says.
    pub sentence: &'static str,
    pub(crate) check: Check,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("id", &self.id).field("level", &self.level).finish_non_exhaustive()
    }
}

impl Rule {
    /// Whether it is about tokens, and so needs credentials.
    #[must_use]
    pub fn needs_credentials(&self) -> bool {
        self.id.starts_with("auth.")
    }
}

/// A module's part of the table: a section, and its rules as `level "id" "sentence" function;`.
macro_rules! rules {
    ($($section:literal { $($level:ident $id:literal $sentence:literal $check:ident;)* })*) => {
        pub(super) const RULES: &[$crate::rule::Rule] = &[$($($crate::rule::Rule {
            id: $id,
            level: $crate::rule::Level::$level,
            section: $section,
            sentence: $sentence,
            check: |site| Box::pin($check(site)),
        },)*)*];
    };
}

pub(crate) use rules;
