//! What the check holds on to: the committed state as of its first read, and how far it is laid down.

use std::collections::BTreeSet;

use wargate_core::checkpoint::{Checkpoint, open_note, peek_note};
use wargate_core::key::PublicKey;
use wargate_core::time::Time;

use super::{Check, Damage, Remedy};
use crate::db::{Row, Statement};
use crate::error::Error;
use crate::objects;
use crate::recovery;
use crate::tables::{Columns, checkpoints, int};

/// The committed state.
#[derive(Debug, Clone)]
pub(super) struct Pin {
    /// What `current_checkpoint` says: tree size, seconds, and the latest time of any delegated record.
    pub(super) current: Option<(u64, u64, Time)>,
    /// Tree size and seconds of the last row of `checkpoints`.
    pub(super) last: Option<(u64, u64)>,
    /// One after the index of the last record.
    pub(super) records_end: u64,
    /// Base and size of each staged row.
    pub(super) staged: Vec<(u64, u64)>,
}

impl Pin {
    /// The tree size as of which all is checked.
    pub(super) fn size(&self) -> u64 {
        let (current, last) = (self.current.map(|(size, _, _)| size), self.last.map(|(size, _)| size));
        // Where the two differ, the one that fits the records is right.
        let fits = [current, last].into_iter().flatten().find(|size| *size == self.records_end);
        fits.or(current).or(last).unwrap_or(self.records_end).min(self.records_end)
    }

    /// Everything below this tree size is laid down, as the ledger knows.
    pub(super) fn base(&self) -> u64 {
        self.staged.iter().map(|(base, _)| *base).min().unwrap_or(self.size()).min(self.size())
    }
}

/// How far the objects go.
#[derive(Debug, Clone)]
pub(super) struct Laid {
    /// Everything below it must be there.
    pub(super) to: u64,
    /// Tree sizes whose partial tiles and bundles must be there.
    pub(super) edges: BTreeSet<u64>,
    /// The issued checkpoint, if it is one.
    pub(super) issued: Option<Issued>,
}

/// The issued checkpoint: one that a commit key signed, or that the ledger has.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub(super) checkpoint: Checkpoint,
    pub(super) origin: String,
    pub(super) note: String,
    /// Whether its signature verifies by a key that the operator log's row gives `commit`.
    pub(super) is_signed: bool,
}

fn pair(row: Row) -> Result<(u64, u64), Error> {
    let mut columns = Columns::of(row);
    Ok((columns.unsigned("tree size")?, columns.unsigned("number")?))
}

impl Check<'_> {
    /// Reads the state that is checked; `None` if the registry never began.
    pub(super) async fn pin(&mut self) -> Result<Option<Pin>, Error> {
        let ask = |sql| Statement::new(sql, vec![]);
        let statements = vec![
            ask(
                "select size, seconds, delegated_seconds, delegated_nanos from current_checkpoint where one = 1",
            ),
            ask("select size, seconds from checkpoints order by size desc, seconds desc limit 1"),
            ask("select coalesce(max(idx) + 1, 0) from records"),
            ask("select base, size from staged order by size"),
        ];
        let mut answers = self.db.read(statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let current = match next().into_iter().next() {
            None => None,
            Some(row) => {
                let mut columns = Columns::of(row);
                let place = (columns.unsigned("tree size")?, columns.unsigned("seconds")?);
                Some((place.0, place.1, columns.time()?))
            }
        };
        let last = next().into_iter().next().map(pair).transpose()?;
        let records_end = match next().into_iter().next() {
            Some(row) => Columns::of(row).unsigned("index")?,
            None => 0,
        };
        let staged = next().into_iter().map(pair).collect::<Result<Vec<_>, _>>()?;
        if current.is_none() && last.is_none() && records_end == 0 {
            self.note("the ledger is empty: the registry never began".to_owned());
            return Ok(None);
        }
        let pin = Pin { current, last, records_end, staged };
        let sizes = pin.current.map(|(size, _, _)| size).into_iter().chain(last.map(|(size, _)| size));
        let committed = if pin.size() == records_end { None } else { sizes.max() };
        if committed.is_some_and(|size| size > records_end) {
            let wrong = format!(
                "the ledger is committed to tree size {}, the last records are missing",
                committed.unwrap_or_default()
            );
            self.found(Damage::row("records", format!("{records_end}.."), wrong, Remedy::Restore));
        }
        if committed.is_some_and(|size| size < records_end) {
            let wrong = "no checkpoint is as large as to hold them";
            self.found(Damage::row("records", format!("{}..", pin.size()), wrong, Remedy::Restore));
        }
        Ok(Some(pin))
    }

    /// The issued checkpoint as far as its text goes, and what must be laid down for it.
    pub(super) async fn issued(&mut self, pin: &Pin) -> Laid {
        let base = pin.base();
        let mut laid = Laid { to: base, edges: BTreeSet::from([base]), issued: None };
        let path = objects::checkpoint_path();
        let issued = match self.look(&path).await {
            Ok(None) if base == 0 => return laid,
            Ok(None) => Err("it is missing".to_owned()),
            Err(error) => Err(error),
            Ok(Some(bytes)) => match std::str::from_utf8(&bytes) {
                Err(_) => Err("it is no text".to_owned()),
                Ok(note) => self.issued_of(note).await,
            },
        };
        match issued {
            Ok(issued) => {
                if issued.checkpoint.size <= pin.size() {
                    laid.to = laid.to.max(issued.checkpoint.size);
                    laid.edges.insert(issued.checkpoint.size);
                }
                laid.issued = Some(issued);
            }
            // What it should be is known when the log was walked. It never goes back, so all must be laid down first.
            Err(wrong) => {
                self.found(Damage::object(&path, wrong, Remedy::Repair));
                if self.options.repair {
                    laid.to = pin.size();
                    laid.edges.insert(laid.to);
                }
            }
        }
        laid
    }

    async fn issued_of(&self, note: &str) -> Result<Issued, String> {
        let (origin, checkpoint) = peek_note(note).map_err(|error| error.to_string())?;
        let operator = recovery::operator(self.db).await.ok();
        let time = Time::from_seconds(i64::try_from(checkpoint.time).unwrap_or(i64::MAX));
        let keys: Vec<PublicKey> =
            operator.iter().flat_map(|operator| operator.commit_keys(time)).cloned().collect();
        let is_signed = open_note(note, origin, &keys).is_ok();
        let rows = self.read(select_at(&checkpoint)).await.unwrap_or_default();
        let row = checkpoints::one(rows).ok().flatten();
        if !is_signed && row.is_none_or(|row| row.checkpoint != checkpoint) {
            return Err("it is signed by no commit key, and the ledger has no such checkpoint".to_owned());
        }
        Ok(Issued { checkpoint, origin: origin.to_owned(), note: note.to_owned(), is_signed })
    }
}

/// The row of a checkpoint: [`checkpoints::one`].
pub(super) fn select_at(checkpoint: &Checkpoint) -> Statement {
    Statement::new(
        "select size, seconds, root, map_root, key_id, warg_signature, note_signature from checkpoints \
         where size = $1 and seconds = $2",
        vec![int(checkpoint.size), int(checkpoint.time)],
    )
}
