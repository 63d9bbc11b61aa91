//! `/v1/package/…`: records handed in, asked about, and brought their content.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_registry::{RecordStatus, SignedRecord};
use wargate_wire::text::Text;
use wargate_wire::warg::{
    ContentSource, MissingContent, PublishRequest, RecordBody, RecordState, UploadEndpoint,
};

use super::error::Failed;
use super::parse;
use crate::http;
use crate::http::body::Pieces;
use crate::limits::PUBLISH_WAIT;
use crate::router::Door;

/// Takes a record in.
pub(crate) async fn publish(
    door: Door,
    Path(log): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let log: LogId = parse(&log)?;
    let request: PublishRequest = http::read_json(&headers, body).await?;
    let name = request.package_name.0;
    if LogId::package(&name) != log {
        return Err(Failed::bad_request(format!("`{log}` is not the log of `{name}`")));
    }
    let hint =
        door.registry.imported(&name.namespace()).map(|domain| format!("{}={domain}", name.namespace()));
    let source = |source: ContentSource| match source {
        ContentSource::HttpGet { url, size, .. } => wargate_registry::ContentSource { url, size },
    };
    let sources = request.content_sources.into_iter();
    let record = SignedRecord {
        name,
        envelope: request.record.into(),
        sources: sources.map(|(digest, all)| (digest.0, all.into_iter().map(source).collect())).collect(),
    };
    let status = door.registry.publish(record, PUBLISH_WAIT).await;
    let status = status.map_err(|error| Failed::from(error).with_hint(hint))?;
    Ok(http::json(StatusCode::ACCEPTED, &body_of(&log, status)))
}

/// Where a record stands.
pub(crate) async fn status(
    door: Door,
    Path((log, record)): Path<(String, String)>,
) -> Result<Response, Failed> {
    let (log, record): (LogId, RecordId) = (parse(&log)?, parse(&record)?);
    let status = door.registry.record_status(&log, &record).await?;
    Ok(http::json(StatusCode::OK, &body_of(&log, status)))
}

fn body_of(log: &LogId, status: RecordStatus) -> RecordBody {
    let (record, state) = match status {
        RecordStatus::Sourcing { record, missing } => {
            let missing = missing.into_iter().map(|digest| (Text(digest), upload_to(log, &record, &digest)));
            (record, RecordState::Sourcing { missing_content: missing.collect() })
        }
        RecordStatus::Processing { record } => (record, RecordState::Processing),
        RecordStatus::Rejected { record, reason } => (record, RecordState::Rejected { reason }),
        RecordStatus::Published { record, index } => {
            (record, RecordState::Published { registry_index: index })
        }
    };
    RecordBody { record_id: Text(record), state }
}

fn upload_to(log: &LogId, record: &RecordId, digest: &Digest) -> MissingContent {
    let endpoint = UploadEndpoint::Http {
        method: "POST".to_owned(),
        url: format!("v1/package/{log}/record/{record}/content/{digest}"),
        headers: BTreeMap::new(),
    };
    MissingContent { upload: vec![endpoint] }
}

/// Receives content that a record waits for, piece by piece.
pub(crate) async fn upload(
    door: Door,
    Path((log, record, digest)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let (log, record, digest): (LogId, RecordId, Digest) = (parse(&log)?, parse(&record)?, parse(&digest)?);
    let declared = http::content_length(&headers);
    let mut upload = door.registry.begin_upload(&log, &record, &digest, declared).await?;
    let mut pieces = Pieces::new(body);
    while let Some(piece) = pieces.next().await? {
        upload.write(piece).await?;
    }
    upload.finish().await?;
    let location = format!("/v1/content/{digest}/bytes");
    let location = HeaderValue::from_str(&location).unwrap_or_else(|_| HeaderValue::from_static("/"));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]).into_response())
}
