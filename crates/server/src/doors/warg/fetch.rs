//! `/v1/fetch/…`: checkpoint, logs, names.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use wargate_core::id::{LogId, RecordId};
use wargate_core::name::LogName;
use wargate_registry::limits::RECORDS_PER_REPLY_MAX;
use wargate_registry::{LogPage, Snapshot};
use wargate_wire::text::Text;
use wargate_wire::warg::{
    CheckpointBody, EntityType, FetchLogsRequest, FetchLogsResponse, FetchNamesRequest, FetchNamesResponse,
    PublishedRecord, WargError,
};

use super::error::Failed;
use crate::http;
use crate::limits::{LOGS_PER_FETCH_MAX, LOGS_PER_REQUEST_MAX, RECORDS_PER_LOG_DEFAULT, RECORDS_PER_LOG_MAX};
use crate::router::Door;

/// The latest committed checkpoint.
pub(crate) async fn checkpoint(door: Door) -> Response {
    let snapshot = door.registry.snapshot();
    let signed = &snapshot.checkpoint().signed;
    let body = CheckpointBody {
        contents: (&signed.checkpoint).into(),
        key_id: Text(signed.key_id),
        signature: Text(signed.warg_signature.clone()),
    };
    http::json(StatusCode::OK, &body)
}

/// Records of the operator log and of package logs, as of a tree size.
pub(crate) async fn logs(door: Door, headers: HeaderMap, body: Body) -> Result<Response, Failed> {
    let request: FetchLogsRequest = http::read_json(&headers, body).await?;
    let limit = request.limit.unwrap_or(RECORDS_PER_LOG_DEFAULT);
    if limit == 0 || limit > RECORDS_PER_LOG_MAX {
        return Err(Failed::bad_request(format!("`limit` is from 1 to {RECORDS_PER_LOG_MAX}")));
    }
    if request.packages.len() > LOGS_PER_REQUEST_MAX {
        return Err(Failed::bad_request(format!(
            "at most {LOGS_PER_REQUEST_MAX} logs are asked for at once"
        )));
    }
    let limit = usize::from(limit);
    let snapshot = door.registry.snapshot();
    snapshot.checkpoint_at(request.log_length).await?;
    let mut response = FetchLogsResponse::default();
    let operator = LogId::operator();
    let mut left = RECORDS_PER_REPLY_MAX;
    let size = request.log_length;
    let page = log_page(&snapshot, &operator, request.operator.as_ref(), size, limit.min(left)).await?;
    response.more |= page.more;
    left = left.saturating_sub(page.records.len());
    response.operator = published(page);
    // No `warg-registry-hint` on a missing log: a log id tells no namespace, and a client that is given another
    // namespace's hint asks again for ever. The publish path, which knows the name, gives it.
    let mut logs_with_records = 0;
    for (log, after) in &request.packages {
        if left == 0 || logs_with_records == LOGS_PER_FETCH_MAX {
            // The next request continues every log that is here, so it gets to those that are left out.
            response.more = true;
            break;
        }
        let page = log_page(&snapshot, &log.0, after.as_ref(), size, limit.min(left)).await?;
        logs_with_records += usize::from(!page.records.is_empty());
        response.more |= page.more;
        left = left.saturating_sub(page.records.len());
        response.packages.insert(*log, published(page));
    }
    Ok(http::json(StatusCode::OK, &response))
}

async fn log_page(
    snapshot: &Snapshot,
    log: &LogId,
    after: Option<&String>,
    size: u64,
    limit: usize,
) -> Result<LogPage, Failed> {
    let unknown = |token: &String| WargError::Entity {
        status: StatusCode::NOT_FOUND.as_u16(),
        kind: EntityType::FetchToken,
        id: token.as_str().into(),
    };
    let after = after.map(|token| token.parse::<RecordId>().map_err(|_| unknown(token))).transpose()?;
    Ok(snapshot.log_page(log, after.as_ref(), size, limit).await?)
}

fn published(page: LogPage) -> Vec<PublishedRecord> {
    page.records
        .into_iter()
        .map(|record| PublishedRecord {
            envelope: (&record.envelope).into(),
            registry_index: record.index,
            fetch_token: Text(record.record),
        })
        .collect()
}

/// The names of package logs.
pub(crate) async fn names(door: Door, headers: HeaderMap, body: Body) -> Result<Response, Failed> {
    let request: FetchNamesRequest = http::read_json(&headers, body).await?;
    let snapshot = door.registry.snapshot();
    let mut packages = BTreeMap::new();
    // As the reference does: what is left out the client asks for again.
    for log in request.packages.into_iter().take(LOGS_PER_FETCH_MAX) {
        let name = match snapshot.name(&log.0).await? {
            Some(LogName::Package(name)) => Some(Text(name)),
            _ => None,
        };
        packages.insert(log, name);
    }
    Ok(http::json(StatusCode::OK, &FetchNamesResponse { packages }))
}
