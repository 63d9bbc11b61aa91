//! `checkpoints`: every tree head ever committed; `current_checkpoint`: the one that is swapped;
//! `staged`: the map segments of commits that are not yet laid down.

use bytes::Bytes;
use wargate_core::checkpoint::{Checkpoint, SignedCheckpoint};
use wargate_core::digest::Digest;
use wargate_core::key::KeyId;
use wargate_core::time::Time;

use super::{Columns, bytes, int, text, time};
use crate::db::{Batch, Row, Statement, Value};
use crate::error::Error;

const SELECT: &str = "select c.size, c.seconds, c.root, c.map_root, c.key_id, c.warg_signature, c.note_signature \
     from checkpoints c join current_checkpoint p on c.size = p.size and c.seconds = p.seconds";

/// The statements that make `next` the current checkpoint in place of `previous`, or fail the batch; `delegated` is
/// the latest time of any delegated record under it, `segment` the digest of the map segment that it lays down.
pub(crate) fn swap(
    previous: Option<&Checkpoint>,
    next: &SignedCheckpoint,
    delegated: Time,
    segment: Option<&Digest>,
) -> Batch {
    let checkpoint = &next.checkpoint;
    let insert = Statement::new(
        "insert into checkpoints (size, seconds, root, map_root, key_id, warg_signature, note_signature, segment) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        vec![
            int(checkpoint.size),
            int(checkpoint.time),
            bytes(checkpoint.root.as_bytes()),
            bytes(checkpoint.map_root.as_bytes()),
            bytes(next.key_id.as_bytes()),
            text(&next.warg_signature),
            text(&next.note_signature),
            segment.map_or(Value::Null, |digest| bytes(digest.as_bytes())),
        ],
    );
    let [seconds, nanos] = time(delegated);
    let mut values = vec![int(checkpoint.size), int(checkpoint.time), seconds, nanos];
    let swap = match previous {
        None => Statement::new(
            "insert into current_checkpoint (one, size, seconds, delegated_seconds, delegated_nanos) \
             values (1, $1, $2, $3, $4)",
            values,
        ),
        Some(previous) => {
            values.extend([int(previous.size), int(previous.time)]);
            Statement::new(
                "update current_checkpoint \
                 set size = $1, seconds = $2, delegated_seconds = $3, delegated_nanos = $4 \
                 where one = 1 and size = $5 and seconds = $6",
                values,
            )
        }
    };
    vec![insert, swap.must_affect(1)]
}

/// Fails the batch if another checkpoint is current.
pub(crate) fn stays(current: &Checkpoint) -> Statement {
    Statement::new(
        "update current_checkpoint set size = size where one = 1 and size = $1 and seconds = $2",
        vec![int(current.size), int(current.time)],
    )
    .must_affect(1)
}

/// The current checkpoint: [`one`].
pub(crate) fn select_current() -> Statement {
    Statement::new(SELECT, vec![])
}

/// The latest time of any delegated record: [`delegated_time`].
pub(crate) fn select_delegated_time() -> Statement {
    Statement::new("select delegated_seconds, delegated_nanos from current_checkpoint", vec![])
}

pub(crate) fn delegated_time(rows: Vec<Row>) -> Result<Option<Time>, Error> {
    rows.into_iter().next().map(|row| Columns::of(row).time()).transpose()
}

/// The latest checkpoint of this size: [`one`].
pub(crate) fn select_size(size: u64) -> Statement {
    Statement::new(
        "select size, seconds, root, map_root, key_id, warg_signature, note_signature from checkpoints \
         where size = $1 order by seconds desc limit 1",
        vec![int(size)],
    )
}

pub(crate) fn one(rows: Vec<Row>) -> Result<Option<SignedCheckpoint>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = Columns::of(row);
    let checkpoint = Checkpoint {
        size: columns.unsigned("tree size")?,
        time: columns.unsigned("checkpoint time")?,
        root: columns.digest("log root")?,
        map_root: columns.digest("map root")?,
    };
    Ok(Some(SignedCheckpoint {
        checkpoint,
        key_id: KeyId::from_digest(columns.digest("key id")?),
        warg_signature: columns.parse("signature")?,
        note_signature: columns.parse("signature")?,
    }))
}

/// The digest of the map segment of a commit, if it is known: [`segment`].
pub(crate) fn select_segment(size: u64) -> Statement {
    Statement::new("select max(segment) from checkpoints where size = $1", vec![int(size)])
}

pub(crate) fn segment(rows: Vec<Row>) -> Result<Option<Digest>, Error> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let bytes = Columns::of(row).optional_bytes("segment")?;
    Ok(bytes.and_then(|bytes| Digest::from_slice(&bytes)))
}

/// Says what the map segment of a commit is now; `None` before it is written anew, so that no crash leaves a wrong word.
pub(crate) fn set_segment(size: u64, digest: Option<&Digest>) -> Statement {
    Statement::new(
        "update checkpoints set segment = $2 where size = $1 \
         and seconds = (select min(c.seconds) from checkpoints c where c.size = $1)",
        vec![int(size), digest.map_or(Value::Null, |digest| bytes(digest.as_bytes()))],
    )
}

/// Of map segments: the tree size of each, and its digest if that is known.
pub(crate) fn segments(rows: Vec<Row>) -> Result<Vec<(u64, Option<Digest>)>, Error> {
    let row = |row| {
        let mut columns = Columns::of(row);
        let size = columns.unsigned("tree size")?;
        let digest = columns.optional_bytes("segment")?;
        Ok((size, digest.and_then(|bytes| Digest::from_slice(&bytes))))
    };
    rows.into_iter().map(row).collect()
}

pub(crate) fn insert_staged(base: u64, size: u64, segment: Bytes) -> Statement {
    Statement::new(
        "insert into staged (size, base, body) values ($1, $2, $3)",
        vec![int(size), int(base), Value::Bytes(segment)],
    )
}

/// Drops the staged bundles that are laid down up to `size`.
pub(crate) fn delete_staged(size: u64) -> Statement {
    Statement::new("delete from staged where size <= $1", vec![int(size)])
}

/// All staged bundles in order: [`staged`].
pub(crate) fn select_staged() -> Statement {
    Statement::new("select base, size, body from staged order by size", vec![])
}

/// `(base, size, map segment)` of each.
pub(crate) fn staged(rows: Vec<Row>) -> Result<Vec<(u64, u64, Bytes)>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok((columns.unsigned("base")?, columns.unsigned("tree size")?, columns.bytes("segment")?))
        })
        .collect()
}
