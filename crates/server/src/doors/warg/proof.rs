//! `/v1/proof/…` and `/v1/verify/…`.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use wargate_core::checkpoint::Checkpoint;
use wargate_registry::Error;
use wargate_wire::text::Base64;
use wargate_wire::warg::{
    CheckpointBody, ConsistencyRequest, ConsistencyResponse, InclusionRequest, InclusionResponse,
    Verification, VerifyCheckpointResponse,
};

use super::error::Failed;
use crate::http::{self, message};
use crate::router::Door;

/// The bundle in Warg's encoding, or the error that the log has outgrown it.
fn encoded(encoded: Result<Vec<u8>, wargate_core::log::proof::ProofError>) -> Result<Base64, Failed> {
    encoded.map(Base64).map_err(|error| message(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into())
}

/// Proves that a later log begins with an earlier one.
pub(crate) async fn consistency(door: Door, headers: HeaderMap, body: Body) -> Result<Response, Failed> {
    let request: ConsistencyRequest = http::read_json(&headers, body).await?;
    let bundle = door.registry.snapshot().prove_consistency(request.from, request.to).await?;
    Ok(http::json(StatusCode::OK, &ConsistencyResponse { proof: encoded(bundle.encode())? }))
}

/// Proves that log and map hold records.
pub(crate) async fn inclusion(door: Door, headers: HeaderMap, body: Body) -> Result<Response, Failed> {
    let request: InclusionRequest = http::read_json(&headers, body).await?;
    let snapshot = door.registry.snapshot();
    let (log, map) = snapshot.prove_inclusion(request.log_length, &request.leafs).await?;
    let response = InclusionResponse { log: encoded(log.encode())?, map: Base64(map.encode()) };
    Ok(http::json(StatusCode::OK, &response))
}

/// Tells whether a checkpoint was ever given out, and whether its signature holds.
pub(crate) async fn verify_checkpoint(
    door: Door,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let request: CheckpointBody = http::read_json(&headers, body).await?;
    let asked = Checkpoint::from(&request.contents);
    let checkpoint = match door.registry.snapshot().checkpoint_at(asked.size).await {
        Ok(known) if (known.root, known.map_root) == (asked.root, asked.map_root) => Verification::Verified,
        Ok(_) => Verification::Invalid,
        // A size that lies between two commits was never signed, one beyond may yet be.
        Err(Error::UnknownSize { .. }) => Verification::Unverified,
        Err(error) => return Err(error.into()),
    };
    let key = door.registry.commit_key();
    let signature = if key.id() != request.key_id.0 {
        Verification::Unverified
    } else if key.verify(&asked.warg_signed_bytes(), &request.signature.0).is_ok() {
        Verification::Verified
    } else {
        Verification::Invalid
    };
    let response = VerifyCheckpointResponse { checkpoint, signature, retry_after: None };
    Ok(http::json(StatusCode::OK, &response))
}
