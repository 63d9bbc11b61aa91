//! What went wrong, as our own JSON and as a page: the one mapping of the registry's errors for both.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_registry::Error;
use wargate_wire::api::Problem;

use crate::doors::web::{self, Site};
use crate::http;
use crate::http::body::BodyError;
use crate::http::form::FormError;

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct Failed {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: Option<Cow<'static, str>>,
    retry_after_seconds: Option<u64>,
}

impl Failed {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), hint: None, retry_after_seconds: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", message)
    }

    /// What only the operator may see.
    pub(crate) fn operators_only() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "operators-only", "this is for the registry's operator")
            .hint("send a token that was made with `wargate token create --operator`")
    }

    /// The same for a person with a browser.
    pub(crate) fn page(self, site: &Site) -> Response {
        web::respond(self.status, web::render_problem(&self.problem(), site))
    }

    /// Whether there is no such thing, for whoever asks.
    pub(crate) fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    fn problem(&self) -> Problem {
        Problem {
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            message: self.message.clone(),
            hint: self.hint.as_deref().map(str::to_owned),
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<BodyError> for Failed {
    fn from(error: BodyError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let code = match error {
            BodyError::TooLarge { .. } => "too-large",
            BodyError::BrokeOff | BodyError::Stopped | BodyError::TooSlow => "body",
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<FormError> for Failed {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Body(error) => error.into(),
            FormError::Malformed { .. } => Self::bad_request(error.to_string()),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let one = |status, code| Self::new(status, code, text.clone());
        let unknown = |code| Self::new(StatusCode::NOT_FOUND, code, text.clone());
        match error {
            Error::Invalid { .. } => one(StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Error::Unauthorized { .. } => one(StatusCode::UNAUTHORIZED, "unauthorized"),
            Error::Unauthenticated { .. } => one(StatusCode::UNAUTHORIZED, "unauthenticated")
                .hint("send a token as `Authorization: Bearer TOKEN`, or as a password"),
            Error::Denied { .. } => one(StatusCode::FORBIDDEN, "denied")
                .hint("`wargate info NS:NAME` shows whose keys have a say"),
            Error::TakenDown { .. } => one(StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, "taken-down")
                .hint("its record stays in the log; the operator who took it down can lift that"),
            Error::AlreadyReleased { .. } => {
                one(StatusCode::CONFLICT, "already-released").hint("release it under another version")
            }
            Error::ContentRefused { .. } => one(StatusCode::UNPROCESSABLE_ENTITY, "content-refused"),
            Error::UnknownPackage { .. } => {
                unknown("package-unknown").hint("search for it by a part of its name")
            }
            Error::UnknownNamespace { .. } => unknown("namespace-unknown"),
            Error::UnknownRelease { .. } => {
                unknown("release-unknown").hint("the package's page lists its versions")
            }
            Error::UnknownRepository { .. } => unknown("repository-unknown"),
            Error::UnknownManifest { .. } => unknown("manifest-unknown"),
            Error::UnknownBlob { .. } => unknown("blob-unknown"),
            Error::UnknownUpload { .. } => unknown("upload-unknown"),
            Error::UnknownLog { .. } => unknown("log-unknown"),
            Error::UnknownProposal { .. } => unknown("proposal-unknown"),
            Error::Proposed { .. } => one(StatusCode::CONFLICT, "proposed"),
            Error::UnknownRecord { .. } | Error::UnknownFetchToken { .. } => unknown("record-unknown"),
            Error::UnknownSize { .. } => unknown("checkpoint-unknown"),
            Error::NoLongerKept { .. } => one(StatusCode::GONE, "no-longer-kept"),
            Error::UnknownLeaf { .. } => unknown("index-unknown"),
            Error::UnknownContent { .. } => {
                unknown("content-unknown").hint("send its bytes as the form's field `content`, after `act`")
            }
            Error::NoSuchFile { .. } => unknown("not-found"),
            Error::TagMoved { .. } => one(StatusCode::PRECONDITION_FAILED, "tag-moved"),
            Error::Released { .. } => one(StatusCode::CONFLICT, "released"),
            Error::UploadInUse | Error::Conflict { .. } | Error::NotSourcing { .. } => {
                one(StatusCode::CONFLICT, "conflict")
            }
            Error::MissingParts { .. } => one(StatusCode::UNPROCESSABLE_ENTITY, "parts-missing"),
            Error::LatestFollows { .. } => one(StatusCode::UNPROCESSABLE_ENTITY, "latest-follows"),
            Error::NamespaceImported { .. } => one(StatusCode::CONFLICT, "namespace-imported"),
            Error::TooLarge { .. } => one(StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Error::DigestMismatch { .. } => one(StatusCode::BAD_REQUEST, "digest-mismatch"),
            Error::Unsupported { .. } => one(StatusCode::NOT_IMPLEMENTED, "unsupported"),
            Error::Busy { retry_after } => {
                let busy = one(StatusCode::SERVICE_UNAVAILABLE, "busy").hint("the same may be sent again");
                Self { retry_after_seconds: Some(retry_after.as_secs()), ..busy }
            }
            Error::NoRoom { retry_after } => {
                let full = one(StatusCode::INSUFFICIENT_STORAGE, "no-room");
                Self { retry_after_seconds: Some(retry_after.as_secs()), ..full }
            }
            Error::Unwritable { retry_after } => {
                let refused = one(StatusCode::SERVICE_UNAVAILABLE, "unwritable");
                Self { retry_after_seconds: Some(retry_after.as_secs()), ..refused }
            }
            Error::Internal { reason } => {
                tracing::error!(reason, "a request failed");
                let words = "the registry failed; its operator can see why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", words)
            }
        }
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = http::json(self.status, &self.problem());
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
