//! `/v1/ledger`: the ids of all records, packed, for who wants to rebuild log and map.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use wargate_registry::{Error, Snapshot};
use wargate_wire::warg::{LEDGER_CONTENT_TYPE, LEDGER_RECORD_BYTES, LedgerSource, LedgerSourcesResponse};

use super::base_url;
use super::error::Failed;
use crate::http;
use crate::http::range::{self, Piece};
use crate::limits::LEDGER_PIECE_RECORDS;
use crate::router::Door;

/// Where the download is.
pub(crate) async fn sources(door: Door, headers: HeaderMap) -> Response {
    let size = door.registry.snapshot().checkpoint().size();
    let source = LedgerSource {
        first_registry_index: 0,
        last_registry_index: size.saturating_sub(1),
        url: format!("{}/v1/ledger/records", base_url(&door, &headers)),
        content_type: LEDGER_CONTENT_TYPE.to_owned(),
        accept_ranges: true,
    };
    let response = LedgerSourcesResponse { hash_algorithm: "sha256".to_owned(), sources: vec![source] };
    http::json(StatusCode::OK, &response)
}

/// The download: log id and record id of each record, in order.
pub(crate) async fn records(door: Door, headers: HeaderMap) -> Result<Response, Failed> {
    let snapshot = door.registry.snapshot();
    let bytes = snapshot.checkpoint().size() * LEDGER_RECORD_BYTES;
    let Some(piece) = Piece::asked(&headers, bytes) else {
        return Ok(range::unsatisfiable(bytes));
    };
    let stream =
        futures::stream::try_unfold((snapshot, piece.range.clone()), |(snapshot, range)| async move {
            if range.is_empty() {
                return Ok::<_, Error>(None);
            }
            let piece = read_piece(&snapshot, range.start, range.end).await?;
            let start = range.start + piece.len() as u64;
            Ok(Some((piece, (snapshot, start..range.end))))
        });
    Ok(piece.reply(LEDGER_CONTENT_TYPE, Body::from_stream(stream)))
}

/// The bytes from `start` on, up to `end`, of at most [`LEDGER_PIECE_RECORDS`] records.
async fn read_piece(snapshot: &Snapshot, start: u64, end: u64) -> Result<Bytes, Error> {
    let first = start / LEDGER_RECORD_BYTES;
    let last = end.div_ceil(LEDGER_RECORD_BYTES).min(first + LEDGER_PIECE_RECORDS);
    let ids = snapshot.ids(first, last).await?;
    let mut packed = BytesMut::with_capacity(ids.len() * 64);
    for (log, record) in ids {
        packed.extend_from_slice(log.as_bytes());
        packed.extend_from_slice(record.as_bytes());
    }
    let base = first * LEDGER_RECORD_BYTES;
    let cut = |at: u64| usize::try_from(at - base).unwrap_or(usize::MAX).min(packed.len());
    let (from, to) = (cut(start), cut(end));
    Ok(packed.freeze().slice(from..to))
}
