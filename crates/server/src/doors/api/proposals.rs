//! `/api/proposals`: acts that wait for more to agree. To agree is to hand in the same act with one's own signature, at
//! `POST /api/acts`.

use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use wargate_core::name::LogName;
use wargate_registry::Proposal;
use wargate_wire::api::{EndorsementBody, ProposalBody, ProposalList, RejectBody};
use wargate_wire::oci::query::Query;
use wargate_wire::text::{Base64, Text};

use super::error::Failed;
use super::parse;
use crate::http;
use crate::http::body;
use crate::limits::REJECTION_BODY_BYTES_MAX;
use crate::router::Door;

/// Those of the log that `log` names.
pub(super) async fn list(door: Door, RawQuery(query): RawQuery) -> Result<Response, Failed> {
    let proposals = door.registry.proposals(&log(query.as_deref())?).await?;
    Ok(http::json(StatusCode::OK, &ProposalList { proposals: proposals.into_iter().map(told).collect() }))
}

/// One of them.
pub(super) async fn one(
    door: Door,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failed> {
    let proposal = door.registry.proposal(&log(query.as_deref())?, &parse(&id)?).await?;
    Ok(http::json(StatusCode::OK, &told(proposal)))
}

/// Turns one down.
pub(super) async fn reject(
    door: Door,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let bytes = body::read_whole(&headers, body, REJECTION_BODY_BYTES_MAX).await?;
    let body: RejectBody = serde_json::from_slice(&bytes)
        .map_err(|error| Failed::bad_request(format!("the rejection is malformed: {error}")))?;
    let (log, id) = (parse(&body.log)?, parse(&id)?);
    door.registry.reject(&log, &id, &body.reason).await?;
    Ok(http::json(StatusCode::OK, &told(door.registry.proposal(&log, &id).await?)))
}

/// The log that a query names: a package's or namespace's; empty for the operator's.
fn log(query: Option<&str>) -> Result<LogName, Failed> {
    let named = Query::new(query.unwrap_or_default()).first("log").ok().flatten();
    parse(&named.ok_or_else(|| Failed::bad_request("`?log=` names a package, a namespace, or nothing"))?)
}

/// A proposal as the API tells it.
pub(super) fn told(proposal: Proposal) -> ProposalBody {
    let made = i64::try_from(proposal.made_ms / 1000).unwrap_or(i64::MAX);
    ProposalBody {
        proposal: Text(proposal.id),
        log: proposal.signed.log.as_str().to_owned(),
        says: proposal.says,
        lacks: proposal.lacks,
        handed_in_by: proposal.handed_in_by,
        handed_in: wargate_core::time::Time::from_seconds(made).to_string(),
        not_after: proposal.not_after.to_string(),
        rejected: proposal.rejected,
        act: Base64(proposal.signed.act.to_vec()),
        endorsements: proposal.signed.endorsements.iter().map(EndorsementBody::from).collect(),
    }
}
