//! What is wrong, in one line of words each: which row or object, what differs, and what to do.

use std::fmt;

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It is made anew from the ledger's records or from the objects.
    Repair,
    /// It follows from the log and is made anew with all of its kind.
    Rebuild,
    /// Nothing here has what it should be.
    Restore,
    /// Somebody must look.
    Look,
}

impl Remedy {
    /// The words for who reads the line.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Repair => "run `wargate fsck --repair`",
            Self::Rebuild => "run `wargate fsck --rebuild`",
            Self::Restore => "restore it from a backup: `wargate restore`",
            Self::Look => "look at it before the registry goes on",
        }
    }
}

/// One damaged thing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The ledger's engine says that its own file is not sound.
    Engine {
        /// What it says.
        wrong: String,
    },
    /// A row of the ledger, or a table that cannot be read.
    Row {
        /// The table.
        table: &'static str,
        /// Which row, by its key; empty for the whole table.
        row: String,
        /// What is wrong.
        wrong: String,
        /// What helps.
        remedy: Remedy,
        /// Whether it is whole again.
        repaired: bool,
    },
    /// An object.
    Object {
        /// Where it lies.
        path: String,
        /// What is wrong.
        wrong: String,
        /// What helps.
        remedy: Remedy,
        /// Whether it is whole again.
        repaired: bool,
    },
}

impl Damage {
    pub(super) fn row(
        table: &'static str,
        row: impl fmt::Display,
        wrong: impl fmt::Display,
        remedy: Remedy,
    ) -> Self {
        Self::Row { table, row: row.to_string(), wrong: wrong.to_string(), remedy, repaired: false }
    }

    pub(super) fn object(path: impl fmt::Display, wrong: impl fmt::Display, remedy: Remedy) -> Self {
        Self::Object { path: path.to_string(), wrong: wrong.to_string(), remedy, repaired: false }
    }

    /// The same, whole again.
    #[must_use]
    pub(super) fn mended(mut self) -> Self {
        if let Self::Row { repaired, .. } | Self::Object { repaired, .. } = &mut self {
            *repaired = true;
        }
        self
    }

    /// Whether it was repaired in this run.
    #[must_use]
    pub fn is_repaired(&self) -> bool {
        match self {
            Self::Engine { .. } => false,
            Self::Row { repaired, .. } | Self::Object { repaired, .. } => *repaired,
        }
    }

    /// The damaged thing: `records 17`, `log/tile/0/000`, `the ledger`.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Engine { .. } => "the ledger".to_owned(),
            Self::Row { table, row, .. } if row.is_empty() => (*table).to_owned(),
            Self::Row { table, row, .. } => format!("{table} {row}"),
            Self::Object { path, .. } => path.clone(),
        }
    }

    /// What is wrong with it.
    #[must_use]
    pub fn wrong(&self) -> &str {
        match self {
            Self::Engine { wrong } | Self::Row { wrong, .. } | Self::Object { wrong, .. } => wrong,
        }
    }

    /// What helps.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Engine { .. } => Remedy::Restore,
            Self::Row { remedy, .. } | Self::Object { remedy, .. } => *remedy,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what(), self.wrong())?;
        if self.is_repaired() { f.write_str("; repaired") } else { write!(f, "; {}", self.remedy().words()) }
    }
}
