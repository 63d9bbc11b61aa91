//! `POST /api/acts`: an act on any log, of which all that it releases is stored here.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use wargate_registry::{HandedIn, SignedAct};
use wargate_wire::api::{ActBody, CarriedBody};
use wargate_wire::text::Text;

use super::error::Failed;
use super::{parse, proposals};
use crate::http;
use crate::http::body;
use crate::limits::{ACT_BODY_BYTES_MAX, RELEASE_WAIT};
use crate::router::Door;

/// Takes in an act with its endorsements, as JSON. Where more must agree the answer is 202 and the proposal.
pub(super) async fn carry(door: Door, headers: HeaderMap, body: Body) -> Result<Response, Failed> {
    let bytes = body::read_whole(&headers, body, ACT_BODY_BYTES_MAX).await?;
    let body: ActBody = serde_json::from_slice(&bytes)
        .map_err(|error| Failed::bad_request(format!("the act is malformed: {error}")))?;
    let act = SignedAct {
        log: parse(&body.log)?,
        act: body.act.0.into(),
        endorsements: body.endorsements.into_iter().map(Into::into).collect(),
    };
    let submitted = match door.registry.submit(act, RELEASE_WAIT).await? {
        HandedIn::Carried(submitted) => submitted,
        HandedIn::Proposed(proposal) => {
            return Ok(http::json(StatusCode::ACCEPTED, &proposals::told(*proposal)));
        }
    };
    let status = if submitted.before { StatusCode::OK } else { StatusCode::CREATED };
    let told = CarriedBody {
        record_id: Text(submitted.record),
        registry_index: submitted.index,
        before: submitted.before,
    };
    Ok(http::json(status, &told))
}
