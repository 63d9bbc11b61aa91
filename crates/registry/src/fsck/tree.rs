//! Checkpoints and what they are of: each one's roots, its signatures and its place among the others
//! (`spec/warg.md`, "Hash inputs"; `spec/transparency.md`, "Ours", "Times").

use wargate_core::authority;
use wargate_core::checkpoint::{Checkpoint, SignedCheckpoint};
use wargate_core::digest::Digest;
use wargate_core::key::PublicKey;
use wargate_core::time::Time;

use super::pin::{Laid, Pin, select_at};
use super::{Check, Damage, Remedy};
use crate::db::{Row, Statement, Value};
use crate::error::Error;
use crate::objects;
use crate::tables::{Columns, checkpoints, int, time};

/// Rows of `checkpoints` that are read at once.
const PAGE_ROWS: u64 = 1_024;

const SELECT: &str = "select size, seconds, root, map_root, key_id, warg_signature, note_signature from checkpoints \
     where (size, seconds) > ($1, $2) and size <= $3 order by size, seconds limit $4";

/// A row of `checkpoints`.
#[derive(Debug, Clone)]
pub(super) struct CheckpointRow {
    pub(super) size: u64,
    seconds: i64,
    pub(super) signed: Result<SignedCheckpoint, String>,
}

impl CheckpointRow {
    fn of(row: Row) -> Option<Self> {
        let mut columns = Columns::of(row.clone());
        let (size, seconds) = (columns.unsigned("tree size").ok()?, columns.int("seconds").ok()?);
        let signed = match checkpoints::one(vec![row]) {
            Ok(Some(signed)) => Ok(signed),
            Ok(None) => Err("it is empty".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        Some(Self { size, seconds, signed })
    }

    pub(super) fn key(&self) -> String {
        format!("{} {}", self.size, self.seconds)
    }
}

/// What a checkpoint must be of.
pub(super) struct Roots {
    pub(super) root: Digest,
    /// `None` where the map is not folded.
    pub(super) map: Option<Digest>,
}

/// Checks rows of `checkpoints` in order.
#[derive(Default)]
pub(super) struct Checkpoints {
    last_seconds: i64,
    /// The last one that holds.
    pub(super) last: Option<SignedCheckpoint>,
    /// The last one of the largest size that is surely laid down.
    laid_down: Option<SignedCheckpoint>,
    issued_is_known: bool,
}

impl Check<'_> {
    /// The rows with `from < size <= to`.
    pub(super) async fn checkpoint_rows(&mut self, from: u64, to: u64) -> Vec<CheckpointRow> {
        let mut all: Vec<CheckpointRow> = Vec::new();
        let mut after = (Value::Int(int_of(from)), Value::Int(i64::MAX));
        loop {
            let parameters = vec![after.0, after.1, int(to), int(PAGE_ROWS)];
            match self.read(Statement::new(SELECT, parameters)).await {
                Ok(rows) => {
                    let more = rows.len() as u64 == PAGE_ROWS;
                    all.extend(rows.into_iter().filter_map(CheckpointRow::of));
                    match all.last() {
                        Some(last) if more => after = (int(last.size), Value::Int(last.seconds)),
                        _ => return all,
                    }
                }
                Err(error) => {
                    let place = format!("{from}..{to}");
                    self.found(Damage::row("checkpoints", place, error, Remedy::Restore));
                    return all;
                }
            }
        }
    }
}

fn int_of(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The origin by which notes are checked: the one that was given, else the one that is issued.
pub(super) fn origin<'a>(check: &'a Check<'_>, laid: &'a Laid) -> Option<&'a str> {
    let issued =
        || laid.issued.as_ref().filter(|issued| issued.is_signed).map(|issued| issued.origin.as_str());
    check.options.origin.as_deref().or_else(issued)
}

impl Checkpoints {
    /// Checks one row.
    pub(super) fn check(
        &mut self,
        check: &mut Check<'_>,
        row: &CheckpointRow,
        roots: &Roots,
        operator: Option<&authority::State>,
        laid: &Laid,
    ) {
        check.count("checkpoints", 1);
        // Its row may be damaged, and it be right all the same.
        if let Some(issued) = laid.issued.as_ref().filter(|issued| issued.is_signed)
            && issued.checkpoint.size == row.size
            && issued.checkpoint.root == roots.root
            && roots.map.is_none_or(|map| map == issued.checkpoint.map_root)
            && !matches!(&row.signed, Ok(signed) if signed.checkpoint == issued.checkpoint)
        {
            self.issued_is_known = true;
        }
        let is_sampled = check.picks("checkpoint", row.key().as_bytes());
        let origin = origin(check, laid).map(str::to_owned);
        let wrong = match &row.signed {
            Err(error) => Some(error.clone()),
            Ok(signed) => self.wrong(signed, roots, operator, origin.as_deref(), is_sampled),
        };
        if let Some(wrong) = wrong {
            return check.found(Damage::row("checkpoints", row.key(), wrong, Remedy::Restore));
        }
        self.last_seconds = row.seconds;
        let Ok(signed) = &row.signed else { return };
        let key = operator.and_then(|operator| operator.key(&signed.key_id));
        if let (Some(issued), Some(origin), Some(key)) = (&laid.issued, &origin, key)
            && signed.checkpoint == issued.checkpoint
            && signed.note(origin, key).is_ok_and(|right| right == issued.note)
        {
            self.issued_is_known = true;
        }
        if signed.checkpoint.size == laid.to {
            self.laid_down = Some(signed.clone());
        }
        self.last = Some(signed.clone());
    }

    fn wrong(
        &self,
        signed: &SignedCheckpoint,
        roots: &Roots,
        operator: Option<&authority::State>,
        origin: Option<&str>,
        is_sampled: bool,
    ) -> Option<String> {
        let checkpoint = &signed.checkpoint;
        if is_sampled && let Err(wrong) = check_signatures(signed, operator, origin) {
            return Some(wrong);
        }
        if checkpoint.root != roots.root {
            return Some(format!("its root is {}, the records give {}", checkpoint.root, roots.root));
        }
        if let Some(map) = &roots.map
            && checkpoint.map_root != *map
        {
            return Some(format!("its map root is {}, the records give {map}", checkpoint.map_root));
        }
        if int_of(checkpoint.time) < self.last_seconds {
            return Some("it is dated before an earlier one".to_owned());
        }
        None
    }

    /// When all were checked: the current one is the last, and the issued one is among them.
    pub(super) async fn finish(
        &self,
        check: &mut Check<'_>,
        pin: &Pin,
        laid: &Laid,
        operator: Option<&authority::State>,
        delegated: Time,
    ) -> Result<(), Error> {
        self.check_current(check, pin, delegated).await?;
        self.check_issued(check, pin, laid, operator).await
    }

    async fn check_current(&self, check: &mut Check<'_>, pin: &Pin, delegated: Time) -> Result<(), Error> {
        let Some(last) = &self.last else {
            if pin.last.is_none() {
                check.found(Damage::row("checkpoints", "", "there is none", Remedy::Restore));
            }
            return Ok(());
        };
        let place = (last.checkpoint.size, last.checkpoint.time);
        let expected = (place.0, place.1, delegated);
        if let Some((size, seconds)) = pin.last
            && Some((size, seconds)) > pin.current.map(|(size, seconds, _)| (size, seconds))
            && size > pin.size()
        {
            let wrong = "it is beyond the current checkpoint";
            check.found(Damage::row("checkpoints", format!("{size} {seconds}"), wrong, Remedy::Restore));
        }
        if pin.current == Some(expected) {
            return Ok(());
        }
        let wrong = match pin.current {
            None => "it is missing".to_owned(),
            Some((size, seconds, _)) if (size, seconds) != place => format!(
                "it says tree size {size} and {seconds} s, the last checkpoint that holds is of {} and {} s",
                place.0, place.1
            ),
            Some(_) => "the latest time of a delegated record is another one".to_owned(),
        };
        // Only where every record is held by that checkpoint; else commits would be undone.
        let is_right = place.0 == pin.records_end && Some(place) == pin.last;
        let remedy = if is_right { Remedy::Repair } else { Remedy::Restore };
        let [seconds, nanos] = time(delegated);
        let repair = vec![
            Statement::new("delete from current_checkpoint where one = 1", vec![]),
            Statement::new(
                "insert into current_checkpoint (one, size, seconds, delegated_seconds, delegated_nanos) \
                 values (1, $1, $2, $3, $4)",
                vec![int(place.0), int(place.1), seconds, nanos],
            ),
        ];
        let damage = Damage::row("current_checkpoint", "", wrong, remedy);
        check.found_row(damage, is_right.then_some(repair)).await
    }

    async fn check_issued(
        &self,
        check: &mut Check<'_>,
        pin: &Pin,
        laid: &Laid,
        operator: Option<&authority::State>,
    ) -> Result<(), Error> {
        let path = objects::checkpoint_path();
        let right = self.note(check, laid, operator);
        let Some(issued) = laid.issued.as_ref().map(|issued| &issued.checkpoint) else {
            // That it is missing or no note was told before; here it is made anew.
            if laid.to > 0
                && check.options.repair
                && let Some(note) = right
            {
                objects::put(check.objects, &path, note).await?;
                check.mend_object(path.as_ref());
            }
            return Ok(());
        };
        check.count("issued checkpoints", 1);
        if self.issued_is_known || self.is_known_by_now(check, issued, laid, operator).await {
            return Ok(());
        }
        if issued.size > pin.size() {
            let wrong = format!(
                "it is of tree size {}, the ledger ends at {}: signing on would fork the log",
                issued.size,
                pin.size()
            );
            check.found(Damage::object(&path, wrong, Remedy::Restore));
            return Ok(());
        }
        check.found_object(&path, "no checkpoint of the ledger gives this note", right).await
    }

    /// The note of the checkpoint that is surely laid down.
    fn note(
        &self,
        check: &Check<'_>,
        laid: &Laid,
        operator: Option<&authority::State>,
    ) -> Option<bytes::Bytes> {
        let signed = self.laid_down.as_ref()?;
        let note = signed.note(origin(check, laid)?, operator?.key(&signed.key_id)?).ok()?;
        Some(note.into_bytes().into())
    }

    /// A registry that runs beside may have issued one that was signed after the check began.
    async fn is_known_by_now(
        &self,
        check: &Check<'_>,
        issued: &Checkpoint,
        laid: &Laid,
        operator: Option<&authority::State>,
    ) -> bool {
        let Ok(rows) = check.read(select_at(issued)).await else { return false };
        let Ok(Some(signed)) = checkpoints::one(rows) else { return false };
        let is_new = self.last.as_ref().is_none_or(|last| {
            (signed.checkpoint.size, signed.checkpoint.time) > (last.checkpoint.size, last.checkpoint.time)
        });
        is_new
            && signed.checkpoint == *issued
            && check_signatures(&signed, operator, origin(check, laid)).is_ok()
    }
}

/// Both signatures, by a key that may sign checkpoints at that time.
fn check_signatures(
    signed: &SignedCheckpoint,
    operator: Option<&authority::State>,
    origin: Option<&str>,
) -> Result<(), String> {
    let checkpoint = &signed.checkpoint;
    let key = key_of(signed, operator)?;
    signed.verify_warg(key).map_err(|_| "its Warg signature does not verify".to_owned())?;
    let Some(origin) = origin else { return Ok(()) };
    key.verify(checkpoint.note_text(origin).as_bytes(), &signed.note_signature)
        .map_err(|_| "its note's signature does not verify".to_owned())
}

fn key_of<'a>(
    signed: &SignedCheckpoint,
    operator: Option<&'a authority::State>,
) -> Result<&'a PublicKey, String> {
    let operator = operator.ok_or_else(|| "the operator log cannot be read".to_owned())?;
    let at = Time::from_seconds(int_of(signed.checkpoint.time));
    if !operator.holds_commit(&signed.key_id, at) {
        return Err(format!("its key {} does not hold `commit`", signed.key_id));
    }
    operator.key(&signed.key_id).ok_or_else(|| format!("its key {} is not known", signed.key_id))
}
