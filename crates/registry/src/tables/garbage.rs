//! `swept`, `map_segments`, `map_dead_pages`: what may be removed from the objects and up to where that is known;
//! and the questions that the removal of garbage asks of other tables.

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::map::page::PageRef;

use super::{Columns, bytes, int, text};
use crate::db::{Row, Statement};
use crate::error::Error;

/// The kind of `swept` that tells which trees may lack map pages.
pub(crate) const MAP: &str = "map";

/// Up to which tree size a kind was swept: [`number`].
pub(crate) fn select_swept(kind: &str) -> Statement {
    Statement::new("select size from swept where kind = $1", vec![text(kind)])
}

/// Moves that mark from `from` on; fails the batch if it does not stand there. A mark that is not there stands at 0.
pub(crate) fn move_swept(kind: &str, from: u64, to: u64) -> Statement {
    Statement::new(
        "insert into swept (kind, size) values ($1, $2) \
         on conflict (kind) do update set size = excluded.size where swept.size = $3",
        vec![text(kind), int(to), int(from)],
    )
    .must_affect(1)
}

/// One number, 0 if there is none.
pub(crate) fn number(rows: Vec<Row>) -> Result<u64, Error> {
    rows.into_iter().next().map_or(Ok(0), |row| Columns::of(row).unsigned("number"))
}

/// One number a row.
pub(crate) fn numbers(rows: Vec<Row>) -> Result<Vec<u64>, Error> {
    rows.into_iter().map(|row| Columns::of(row).unsigned("number")).collect()
}

/// The lowest tree size on which something staged stands, up to `size`: [`numbers`].
pub(crate) fn select_staged_below(size: u64) -> Statement {
    Statement::new("select size from staged where size <= $1 order by size limit 1", vec![int(size)])
}

/// What every staged commit stands on, the lowest first: [`numbers`].
pub(crate) fn select_staged_base() -> Statement {
    Statement::new("select base from staged order by size limit 1", vec![])
}

/// Of the tree sizes `from <= size < to` that were committed, how many whole spans each holds: [`numbers`].
pub(crate) fn select_spans(from: u64, to: u64, span: u64) -> Statement {
    Statement::new(
        "select distinct size / $3 from checkpoints where size >= $1 and size < $2 order by 1",
        vec![int(from), int(to), int(span)],
    )
}

/// A commit's tree size, map root, and the latest time at which it was signed, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommitRow {
    pub(crate) root: PageRef,
    pub(crate) seconds: u64,
}

/// The commits from a tree size on: [`commits`].
pub(crate) fn select_commits(from: u64, limit: usize) -> Statement {
    Statement::new(
        "select size, map_root, max(seconds) from checkpoints where size >= $1 \
         group by size, map_root order by size limit $2",
        vec![int(from), int(limit as u64)],
    )
}

pub(crate) fn commits(rows: Vec<Row>) -> Result<Vec<CommitRow>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            let (segment, hash) = (columns.unsigned("tree size")?, columns.digest("map root")?);
            Ok(CommitRow { root: PageRef { hash, segment }, seconds: columns.unsigned("checkpoint time")? })
        })
        .collect()
}

/// What is known of a segment object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentRow {
    pub(crate) size: u64,
    pub(crate) pages: u64,
    pub(crate) dead: u64,
    pub(crate) bytes: u64,
}

impl SegmentRow {
    /// Whether it is worth a removal or a new object: the words of [`select_due`].
    pub(crate) fn is_due(&self) -> bool {
        let won = self.dead.saturating_mul(self.bytes) >= self.pages.saturating_mul(4096);
        self.dead == self.pages || (2 * self.dead >= self.pages && won)
    }
}

pub(crate) fn insert_segment(row: &SegmentRow) -> Statement {
    Statement::new(
        "insert into map_segments (size, pages, dead, bytes) values ($1, $2, $3, $4)",
        vec![int(row.size), int(row.pages), int(row.dead), int(row.bytes)],
    )
}

/// Counts `count` more dead pages in a segment.
pub(crate) fn add_dead(size: u64, count: u64) -> Statement {
    Statement::new("update map_segments set dead = dead + $2 where size = $1", vec![int(size), int(count)])
        .must_affect(1)
}

pub(crate) fn insert_dead_page(page: &PageRef) -> Statement {
    Statement::new(
        "insert into map_dead_pages (size, hash) values ($1, $2)",
        vec![int(page.segment), bytes(page.hash.as_bytes())],
    )
}

/// One segment: [`segments`].
pub(crate) fn select_segment(size: u64) -> Statement {
    Statement::new("select size, pages, dead, bytes from map_segments where size = $1", vec![int(size)])
}

/// The sizes `after < size <= to` of commits whose segments hold pages that some kept tree reaches:
/// [`super::checkpoints::segments`].
/// Of the commits that were gone through only those still have a row.
pub(crate) fn select_kept_segments(after: u64, to: u64, limit: usize) -> Statement {
    Statement::new(
        "select c.size, max(c.segment) from checkpoints c left join map_segments s on s.size = c.size \
         where c.size > $1 and c.size <= $2 and (s.dead < s.pages or (s.size is null and \
         c.size > coalesce((select w.size from swept w where w.kind = 'map'), 0))) \
         group by c.size order by c.size limit $3",
        vec![int(after), int(to), int(limit as u64)],
    )
}

/// The next segments above `after` that are worth it: [`segments`].
pub(crate) fn select_due(after: u64, limit: usize) -> Statement {
    Statement::new(
        "select size, pages, dead, bytes from map_segments \
         where (dead = pages or (2 * dead >= pages and dead * bytes >= 4096 * pages)) \
         and size > $1 order by size limit $2",
        vec![int(after), int(limit as u64)],
    )
}

pub(crate) fn segments(rows: Vec<Row>) -> Result<Vec<SegmentRow>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok(SegmentRow {
                size: columns.unsigned("tree size")?,
                pages: columns.unsigned("pages")?,
                dead: columns.unsigned("dead pages")?,
                bytes: columns.unsigned("bytes")?,
            })
        })
        .collect()
}

/// The dead pages of a segment: [`hashes`].
pub(crate) fn select_dead_pages(size: u64) -> Statement {
    Statement::new("select hash from map_dead_pages where size = $1", vec![int(size)])
}

pub(crate) fn hashes(rows: Vec<Row>) -> Result<Vec<Digest>, Error> {
    rows.into_iter().map(|row| Columns::of(row).digest("page hash")).collect()
}

/// Forgets the dead pages of a segment, since its object no longer holds them.
pub(crate) fn delete_dead_pages(size: u64) -> Statement {
    Statement::new("delete from map_dead_pages where size = $1", vec![int(size)])
}

pub(crate) fn delete_segment(size: u64) -> Statement {
    Statement::new("delete from map_segments where size = $1", vec![int(size)])
}

/// A segment's object was written anew without its dead pages.
pub(crate) fn rewrite_segment(size: u64, pages: u64, bytes: u64) -> Statement {
    Statement::new(
        "update map_segments set pages = $2, dead = 0, bytes = $3 where size = $1",
        vec![int(size), int(pages), int(bytes)],
    )
}

/// A row that outlived its time: whose it is, and the bytes that it takes.
#[derive(Debug, Clone)]
pub(crate) struct ExpiredRow {
    pub(crate) log: LogId,
    pub(crate) record: RecordId,
    pub(crate) bytes: u64,
    at_ms: u64,
}

impl ExpiredRow {
    /// Where the next page of such rows begins.
    pub(crate) fn place(&self) -> (u64, Bytes, Bytes) {
        let copy = |digest: &[u8]| Bytes::copy_from_slice(digest);
        (self.at_ms, copy(self.log.as_bytes()), copy(self.record.as_bytes()))
    }
}

/// Before all rows.
pub(crate) fn first_place() -> (u64, Bytes, Bytes) {
    (0, Bytes::new(), Bytes::new())
}

/// Refusals that were kept since `before_ms` or longer, in order, after a place: [`expired`].
pub(crate) fn select_old_refusals(before_ms: u64, after: &(u64, Bytes, Bytes), limit: usize) -> Statement {
    Statement::new(
        "select log_id, record_id, length(reason) + 72, at_ms from rejected \
         where at_ms <= $1 and (at_ms, log_id, record_id) > ($2, $3, $4) \
         order by at_ms, log_id, record_id limit $5",
        vec![int(before_ms), int(after.0), bytes(&after.1), bytes(&after.2), int(limit as u64)],
    )
}

/// Records that wait for content since `before_ms` or longer, in order, after a place: [`expired`].
pub(crate) fn select_old_sourcing(before_ms: u64, after: &(u64, Bytes, Bytes), limit: usize) -> Statement {
    Statement::new(
        "select log_id, record_id, length(body), received_ms from pending \
         where state = 0 and received_ms <= $1 and (received_ms, log_id, record_id) > ($2, $3, $4) \
         order by received_ms, log_id, record_id limit $5",
        vec![int(before_ms), int(after.0), bytes(&after.1), bytes(&after.2), int(limit as u64)],
    )
}

pub(crate) fn expired(rows: Vec<Row>) -> Result<Vec<ExpiredRow>, Error> {
    rows.into_iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok(ExpiredRow {
                log: columns.log_id()?,
                record: columns.record_id()?,
                bytes: columns.unsigned("bytes")?,
                at_ms: columns.unsigned("time")?,
            })
        })
        .collect()
}

pub(crate) fn delete_refusal(log: &LogId, record: &RecordId, before_ms: u64) -> Statement {
    Statement::new(
        "delete from rejected where log_id = $1 and record_id = $2 and at_ms <= $3",
        vec![bytes(log.as_bytes()), bytes(record.as_bytes()), int(before_ms)],
    )
}

/// Ends the waiting of a record for its content; fails the batch if it no longer waits.
pub(crate) fn delete_sourcing(log: &LogId, record: &RecordId) -> Statement {
    Statement::new(
        "delete from pending where log_id = $1 and record_id = $2 and state = 0",
        vec![bytes(log.as_bytes()), bytes(record.as_bytes())],
    )
    .must_affect(1)
}
