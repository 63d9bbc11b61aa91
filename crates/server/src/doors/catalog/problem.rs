//! What went wrong, as our own JSON and as a page: the one mapping of the registry's errors for both.

use axum::http::StatusCode;
use axum::response::Response;
use wargate_registry::Error;
use wargate_wire::api::Problem;

use crate::doors::web::{self, Site};
use crate::http;

/// A request that failed.
#[derive(Debug)]
pub(super) struct Failed(pub(super) Problem);

impl Failed {
    pub(super) fn bad_request(message: String) -> Self {
        Self(Problem { status: 400, code: "bad-request".to_owned(), message, hint: None })
    }

    pub(super) fn not_found(message: String) -> Self {
        Self(Problem { status: 404, code: "not-found".to_owned(), message, hint: None })
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn json(&self) -> Response {
        http::json(self.status(), &self.0)
    }

    pub(super) fn page(&self, site: &Site) -> Response {
        web::respond(self.status(), web::render_problem(&self.0, site))
    }
}

/// A failure below, in words for people and a code for programs.
pub(super) fn of(error: &Error) -> Failed {
    let (status, code, hint) = match error {
        Error::UnknownPackage { .. } => (404, "no-such-package", Some("search for it by a part of its name")),
        Error::UnknownRelease { .. } => {
            (404, "no-such-release", Some("the package's page lists its versions"))
        }
        Error::UnknownLog { .. }
        | Error::UnknownRecord { .. }
        | Error::UnknownFetchToken { .. }
        | Error::UnknownSize { .. }
        | Error::UnknownLeaf { .. }
        | Error::UnknownContent { .. }
        | Error::UnknownRepository { .. }
        | Error::UnknownManifest { .. }
        | Error::UnknownUpload { .. }
        | Error::MissingParts { .. }
        | Error::NoSuchFile { .. } => (404, "not-found", None),
        Error::Invalid { .. } | Error::ContentRefused { .. } | Error::DigestMismatch { .. } => {
            (422, "invalid", None)
        }
        Error::Unauthorized { .. } => (401, "unauthorized", None),
        Error::Denied { .. } | Error::NamespaceImported { .. } => (403, "denied", None),
        Error::AlreadyReleased { .. }
        | Error::Conflict { .. }
        | Error::NotSourcing { .. }
        | Error::UploadInUse
        | Error::LatestFollows { .. } => (409, "conflict", None),
        Error::TooLarge { .. } => (413, "too-large", None),
        Error::Unsupported { .. } | Error::UnsupportedDigest { .. } => (501, "unsupported", None),
        Error::Busy { .. } => (503, "busy", Some("try again in a moment")),
        Error::Internal { reason } => {
            tracing::error!(reason, "a request failed");
            let message = "the registry failed; its operator can see why".to_owned();
            return Failed(Problem { status: 500, code: "internal".to_owned(), message, hint: None });
        }
    };
    let (code, hint) = (code.to_owned(), hint.map(str::to_owned));
    Failed(Problem { status, code, message: error.to_string(), hint })
}
