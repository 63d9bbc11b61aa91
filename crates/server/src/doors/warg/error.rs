//! The registry's errors in Warg's shapes: the one mapping of this door.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use wargate_registry::Error;
use wargate_wire::warg::{EntityType, WargError};

use crate::http::body::BodyError;
use crate::http::{message, warg_error};

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct Failed {
    error: WargError,
    retry_after_seconds: Option<u64>,
    hint: Option<String>,
}

impl Failed {
    /// Adds the header that tells where an imported namespace lives.
    pub(crate) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        message(StatusCode::BAD_REQUEST, text).into()
    }
}

impl From<WargError> for Failed {
    fn from(error: WargError) -> Self {
        Self { error, retry_after_seconds: None, hint: None }
    }
}

impl From<BodyError> for Failed {
    fn from(error: BodyError) -> Self {
        WargError::from(error).into()
    }
}

fn entity(status: StatusCode, kind: EntityType, id: &impl ToString) -> WargError {
    WargError::Entity { status: status.as_u16(), kind, id: id.to_string().into() }
}

fn number(kind: EntityType, id: u64) -> WargError {
    WargError::Entity { status: StatusCode::NOT_FOUND.as_u16(), kind, id: json!(id) }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let mut retry_after_seconds = None;
        let error = match error {
            Error::Invalid { .. } => message(StatusCode::UNPROCESSABLE_ENTITY, text),
            Error::Unauthorized { .. } | Error::Unauthenticated { .. } => {
                message(StatusCode::UNAUTHORIZED, text)
            }
            Error::Denied { .. } | Error::ContentRefused { .. } => message(StatusCode::FORBIDDEN, text),
            Error::TakenDown { .. } => message(StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, text),
            Error::AlreadyReleased { .. } | Error::UploadInUse => message(StatusCode::CONFLICT, text),
            // Nothing at this door asks for repositories.
            Error::UnknownRepository { .. }
            | Error::UnknownBlob { .. }
            | Error::UnknownManifest { .. }
            | Error::UnknownPackage { .. }
            | Error::UnknownNamespace { .. }
            | Error::UnknownRelease { .. }
            | Error::UnknownUpload { .. }
            | Error::MissingParts { .. }
            | Error::Released { .. }
            | Error::Proposed { .. }
            | Error::UnknownProposal { .. }
            | Error::TagMoved { .. }
            | Error::LatestFollows { .. } => message(StatusCode::NOT_FOUND, text),
            Error::UnknownLog { log } => entity(StatusCode::NOT_FOUND, EntityType::Log, &log),
            Error::UnknownRecord { record } => entity(StatusCode::NOT_FOUND, EntityType::Record, &record),
            Error::UnknownFetchToken { record } => {
                entity(StatusCode::NOT_FOUND, EntityType::FetchToken, &record)
            }
            Error::UnknownSize { size } => number(EntityType::LogLength, size),
            Error::NoLongerKept { .. } => message(StatusCode::GONE, text),
            Error::UnknownLeaf { index } => number(EntityType::Leaf, index),
            Error::UnknownContent { digest } => {
                entity(StatusCode::NOT_FOUND, EntityType::ContentDigest, &digest)
            }
            Error::NoSuchFile { .. } => message(StatusCode::NOT_FOUND, text),
            Error::NamespaceImported { namespace, .. } => {
                entity(StatusCode::CONFLICT, EntityType::NamespaceImport, &namespace)
            }
            Error::Conflict { record } => entity(StatusCode::CONFLICT, EntityType::Record, &record),
            Error::NotSourcing { .. } => WargError::Plain { status: StatusCode::METHOD_NOT_ALLOWED.as_u16() },
            Error::TooLarge { .. } => message(StatusCode::PAYLOAD_TOO_LARGE, text),
            Error::DigestMismatch { .. } => message(StatusCode::BAD_REQUEST, text),
            Error::Unsupported { .. } => message(StatusCode::NOT_IMPLEMENTED, text),
            Error::Busy { retry_after } => {
                retry_after_seconds = Some(retry_after.as_secs());
                message(StatusCode::SERVICE_UNAVAILABLE, text)
            }
            Error::NoRoom { retry_after } => {
                retry_after_seconds = Some(retry_after.as_secs());
                message(StatusCode::INSUFFICIENT_STORAGE, text)
            }
            Error::Unwritable { retry_after } => {
                retry_after_seconds = Some(retry_after.as_secs());
                message(StatusCode::SERVICE_UNAVAILABLE, text)
            }
            Error::Internal { reason } => {
                tracing::error!(reason, "a request failed");
                message(StatusCode::INTERNAL_SERVER_ERROR, "the registry failed; its operator can see why")
            }
        };
        Self { error, retry_after_seconds, hint: None }
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = warg_error(&self.error);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(hint) = self.hint.and_then(|hint| HeaderValue::from_str(&hint).ok()) {
            headers.insert(wargate_wire::warg::REGISTRY_HINT_HEADER, hint);
        }
        response
    }
}
