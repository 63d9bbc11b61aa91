//! Signer memory: by whose word the releases of a package came that were taken here, so that a weaker word is not taken in
//! silence (`spec/delegation.md`, rule 8, "Everyday shapes").
//!
//! What the owners themselves changed since is told and taken: their log says so. What their log does not say is refused
//! until somebody accepts it: owners who were replaced from above, and a release by a weaker word than those before.

use serde::{Deserialize, Serialize};
use wargate_core::authority::Level;
use wargate_core::id::RecordId;
use wargate_wire::text::Text;

use crate::error::Error;
use crate::package::{VerifiedPackage, VerifiedRelease};

/// What is remembered of a package of which something was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Memory {
    /// The registry: the id of its first record.
    pub root: Text<RecordId>,
    /// `NS:NAME`.
    pub package: String,
    /// Records in its log when a release by `word` was taken last.
    pub records: usize,
    /// The strongest word by which a release came that was taken.
    word: Word,
    /// The weakest word that was taken or accepted, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weakest: Option<Word>,
    /// The fewest keys that had to agree to such a release then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guard: Option<u32>,
    /// The records that replaced owners, of the package or its namespace, and that were there or were accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recoveries: Vec<Text<RecordId>>,
}

/// A [`Level`], as it is kept: the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    RegistryForAccount,
    RegistryForCi,
    PublisherKey,
}

impl From<Level> for Word {
    fn from(level: Level) -> Self {
        match level {
            Level::RegistryForAccount => Self::RegistryForAccount,
            Level::RegistryForCi => Self::RegistryForCi,
            Level::PublisherKey => Self::PublisherKey,
        }
    }
}

impl From<Word> for Level {
    fn from(word: Word) -> Self {
        match word {
            Word::RegistryForAccount => Self::RegistryForAccount,
            Word::RegistryForCi => Self::RegistryForCi,
            Word::PublisherKey => Self::PublisherKey,
        }
    }
}

/// Something that its owners changed, and that whoever takes a release should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weaker {
    /// They let somebody release by a weaker word.
    Word {
        /// By which releases came before.
        before: Level,
        /// By which this one comes.
        now: Level,
    },
    /// Fewer of them must agree.
    Guard {
        /// How many had to.
        before: u32,
        /// How many must.
        now: u32,
    },
}

impl Memory {
    /// What is to be remembered once this release is taken, or accepted.
    #[must_use]
    pub fn of(package: &VerifiedPackage, release: &VerifiedRelease) -> Self {
        Self {
            root: Text(package.proven.root),
            package: package.name.to_string(),
            records: package.records,
            word: release.signed_by.level.into(),
            weakest: None,
            guard: release.guard,
            recoveries: package.layers.recoveries.iter().map(|recovery| Text(recovery.record)).collect(),
        }
    }

    /// The same where something was taken before: the strongest word stays with when it was heard last, and so does the
    /// weakest that was let.
    #[must_use]
    pub fn and(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        let now = self.word;
        if now < before.word {
            (self.word, self.records) = (before.word, before.records);
        }
        self.weakest = Some(now.min(before.weakest())).filter(|weakest| *weakest < self.word);
        self
    }

    fn weakest(&self) -> Word {
        self.weakest.unwrap_or(self.word)
    }

    /// Whether a release may be taken by who remembers this; what is weaker by its owners' own word.
    ///
    /// # Errors
    /// [`Error::OwnersReplaced`], [`Error::WeakerWord`].
    pub fn check(&self, package: &VerifiedPackage, release: &VerifiedRelease) -> Result<Vec<Weaker>, Error> {
        let is_known = |record: RecordId| self.recoveries.iter().any(|known| known.0 == record);
        if let Some(recovery) = package.layers.recoveries.iter().find(|recovery| !is_known(recovery.record)) {
            return Err(Error::OwnersReplaced {
                name: package.name.clone(),
                recovery: Box::new(recovery.clone()),
            });
        }
        let (before, now) = (Level::from(self.word), release.signed_by.level);
        let mut weaker = Vec::new();
        if now < self.weakest().into() {
            if release.allowed_from < self.records {
                let (name, version) = (package.name.clone(), release.version.clone());
                return Err(Error::WeakerWord { name, version, before, now });
            }
            weaker.push(Weaker::Word { before, now });
        }
        if let (Some(before), Some(now)) = (self.guard, release.guard)
            && now < before
        {
            weaker.push(Weaker::Guard { before, now });
        }
        Ok(weaker)
    }
}
