//! Checks that a registry's ledger and objects are what they must be, names all that is not, and makes anew what
//! follows from the rest (`STYLE.md` §3; formats: `spec/transparency.md`, `spec/warg.md`, `spec/delegation.md`).
//!
//! The log is walked once, in order, and everything else is held against it: what the records add up to is judged by
//! `wargate-core` anew, with none of the engine's caches. Memory is bounded: a window of records, one content and the
//! facts of a part of the logs at a time. It may run beside a registry: it checks the state as of its first read, and
//! what has moved on since is left out.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

use crate::db::{Batch, Db, Row, Statement};
use crate::error::Error;
use crate::inspector::Inspector;
use crate::objects;

pub(crate) mod content;
mod damage;
mod facts;
mod files;
mod links;
mod log;
mod map;
mod parts;
mod pin;
mod rebuild;
mod replay;
mod resolve;
mod rows;
mod stray;
mod tree;
mod trunk;

pub use damage::{Damage, Remedy};

/// Damaged things that a report names at most; what goes beyond is only counted.
pub const DAMAGE_NAMED_MAX: usize = 10_000;

/// Facts that are held at once, unless another number is given.
pub const FACTS_MAX: usize = 200_000;

/// Notes that a report holds at most.
pub const NOTES_MAX: usize = 1_000;

/// Is told how far a check is.
pub type OnProgress = dyn Fn(&Progress) + Send + Sync;

/// How much is checked, and what is done about what is found.
#[derive(Clone, Default)]
pub struct FsckOptions {
    /// The log's origin; if `None`, the one that the issued checkpoint names.
    pub origin: Option<String>,
    /// Only a part; everything if `None`.
    pub sample: Option<Sample>,
    /// Makes damaged things anew from the records or the objects, where that can be done. Nobody else may write.
    pub repair: bool,
    /// Makes the tables anew that follow from log and content. Nobody else may write.
    pub rebuild: bool,
    /// For `rebuild`: says what content is; without one the table `inspections` is left as it is.
    pub inspector: Option<Arc<dyn Inspector>>,
    /// Facts (logs, keys, releases) that are held in memory at once, some hundred bytes each; beyond it the log is
    /// walked again. [`FACTS_MAX`] if `None`.
    pub facts_max: Option<usize>,
    /// Is told how far the check is.
    pub progress: Option<Arc<OnProgress>>,
}

/// Which part is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Of a hundred things of each kind so many, 1 to 100.
    pub percent: u8,
    /// Another seed picks others.
    pub seed: u64,
}

impl Sample {
    /// Whether it takes in this one.
    fn picks(self, kind: &str, number: &[u8]) -> bool {
        let seed = self.seed.to_be_bytes();
        let digest = wargate_core::digest::Digest::of(&[kind.as_bytes(), b"\0", &seed, number].concat());
        let [high, low, ..] = *digest.as_bytes();
        u32::from(u16::from_be_bytes([high, low])) * 100 < u32::from(self.percent) * 65_536
    }
}

/// How far a check is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being checked.
    pub part: &'static str,
    /// So many are done.
    pub done: u64,
    /// Of so many, if that is known.
    pub of: Option<u64>,
}

/// What was checked and found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The tree size as of which it was checked; 0 if the registry never began.
    pub size: u64,
    /// How many of each kind were checked: `records`, `tiles`, `content`, …
    pub checked: BTreeMap<&'static str, u64>,
    /// What is damaged, in the order in which it was found.
    pub damage: Vec<Damage>,
    /// Damaged things beyond [`DAMAGE_NAMED_MAX`], which are not named.
    pub unnamed: u64,
    /// Worth knowing, and nothing wrong.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing is damaged, or nothing any more.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unnamed == 0 && self.damage.iter().all(Damage::is_repaired)
    }
}

/// Checks a registry.
///
/// # Errors
/// [`Error::Internal`] if nothing can be read at all, or what was to be written could not be; damage is no error.
pub async fn check(
    db: &dyn Db,
    objects: &Arc<dyn ObjectStore>,
    options: &FsckOptions,
) -> Result<Report, Error> {
    let mut check = Check { db, objects, options, report: Report::default(), named: HashSet::new() };
    check.engine().await;
    let Some(pin) = check.pin().await? else { return Ok(check.report) };
    check.report.size = pin.size();
    let laid = check.issued(&pin).await;
    log::walk(&mut check, &pin, &laid).await?;
    if options.rebuild {
        rebuild::content_tables(&mut check).await?;
    }
    content::check(&mut check).await?;
    links::check(&mut check).await?;
    stray::list(&mut check, &pin).await;
    Ok(check.report)
}

/// Makes the tables anew that follow from the log, if a migration left them to be made.
///
/// # Errors
/// [`Error::Internal`] if ledger or objects fail, or are so damaged that the tables cannot be made.
pub(crate) async fn remake(db: &dyn Db, objects: &Arc<dyn ObjectStore>) -> Result<(), Error> {
    let asked = Statement::new("select one from remake", vec![]);
    if db.read(vec![asked]).await?.pop().unwrap_or_default().is_empty() {
        return Ok(());
    }
    let options = FsckOptions { rebuild: true, ..FsckOptions::default() };
    let mut check =
        Check { db, objects, options: &options, report: Report::default(), named: HashSet::new() };
    if let Some(pin) = check.pin().await? {
        tracing::info!(records = pin.size(), "making anew what follows from the log, once, for this version");
        let laid = check.issued(&pin).await;
        log::walk(&mut check, &pin, &laid).await?;
        // What else is damaged is for a check to say; here only what the tables follow from matters.
        let lacking = Statement::new(
            "select l.name from logs l where l.kind = 1 \
             and not exists (select 1 from log_states s where s.log = l.first_idx) limit 1",
            vec![],
        );
        if !db.read(vec![lacking]).await?.pop().unwrap_or_default().is_empty() {
            let why = "some records are damaged: `wargate fsck` names them";
            return Err(Error::internal("make anew what follows from the log", why));
        }
    }
    db.write(vec![Statement::new("delete from remake", vec![])]).await?;
    Ok(())
}

/// A check under way.
struct Check<'a> {
    db: &'a dyn Db,
    objects: &'a Arc<dyn ObjectStore>,
    options: &'a FsckOptions,
    report: Report,
    /// The objects that were named.
    named: HashSet<String>,
}

impl Check<'_> {
    /// Whether a sampled check looks at this one.
    fn picks(&self, kind: &str, number: &[u8]) -> bool {
        self.options.sample.is_none_or(|sample| sample.picks(kind, number))
    }

    fn is_whole(&self) -> bool {
        self.options.sample.is_none()
    }

    fn count(&mut self, kind: &'static str, more: u64) {
        *self.report.checked.entry(kind).or_default() += more;
    }

    fn note(&mut self, text: String) {
        if self.report.notes.len() < NOTES_MAX {
            self.report.notes.push(text);
        }
    }

    fn progress(&self, part: &'static str, done: u64, of: Option<u64>) {
        if let Some(progress) = &self.options.progress {
            progress(&Progress { part, done, of });
        }
    }

    fn found(&mut self, damage: Damage) {
        // A file of two tree sizes is looked at twice.
        if let Damage::Object { path, .. } = &damage
            && !self.named.insert(path.clone())
        {
            return;
        }
        if self.report.damage.len() < DAMAGE_NAMED_MAX {
            self.report.damage.push(damage);
        } else {
            self.report.unnamed += u64::from(!damage.is_repaired());
        }
    }

    /// A damaged row, and the statements that make it whole, if there are any.
    async fn found_row(&mut self, damage: Damage, repair: Option<Batch>) -> Result<(), Error> {
        match repair {
            Some(batch) if self.options.repair => {
                self.db.write(batch).await?;
                self.found(damage.mended());
            }
            _ => self.found(damage),
        }
        Ok(())
    }

    /// A damaged object, and the bytes that it should have, if they are known.
    async fn found_object(
        &mut self,
        path: &Path,
        wrong: impl std::fmt::Display,
        right: Option<bytes::Bytes>,
    ) -> Result<(), Error> {
        let remedy = if right.is_some() { Remedy::Repair } else { Remedy::Restore };
        let damage = Damage::object(path, wrong, remedy);
        match right {
            Some(bytes) if self.options.repair => {
                objects::put(self.objects, path, bytes).await?;
                self.found(damage.mended());
            }
            _ => self.found(damage),
        }
        Ok(())
    }

    /// An object that was told of as damaged is whole again.
    fn mend_object(&mut self, path: &str) {
        for damage in &mut self.report.damage {
            if matches!(damage, Damage::Object { path: damaged, .. } if damaged == path) {
                *damage = damage.clone().mended();
            }
        }
    }

    async fn read(&self, statement: Statement) -> Result<Vec<Row>, Error> {
        Ok(self.db.read(vec![statement]).await?.pop().unwrap_or_default())
    }

    /// What the ledger's engine says of its own file.
    async fn engine(&mut self) {
        self.progress("the ledger's file", 0, None);
        match self.db.check().await {
            Ok(lines) => {
                for wrong in lines {
                    self.found(Damage::Engine { wrong });
                }
            }
            Err(error) => self.found(Damage::Engine { wrong: error.to_string() }),
        }
        self.count("ledger files", 1);
    }
}
