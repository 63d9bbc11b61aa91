//! Errors in OCI's shape: the one mapping of the registry's errors at this door (`spec/oci.md`, "Endpoints").

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use wargate_registry::Error;
use wargate_registry::access::Action;
use wargate_wire::oci::error::{Code, OciError, body};
use wargate_wire::oci::scope::ResourceScope;

use crate::http::body::BodyError;
use crate::http::json as json_reply;

/// A request that failed: its errors, all with one status, and headers that go with them.
#[derive(Debug)]
pub(super) struct Failed {
    errors: Vec<OciError>,
    headers: Vec<(HeaderName, String)>,
    wanted: Option<Box<Wanted>>,
}

/// What a token would have to allow.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) scope: ResourceScope,
    /// Whether one came that is for less.
    pub(super) too_narrow: bool,
}

impl Failed {
    /// What a token would have to allow, if that is what is missing.
    pub(super) fn wanted(&mut self) -> Option<Box<Wanted>> {
        self.wanted.take()
    }

    /// The list of everything is for those who say who they are, and ask for it.
    pub(super) fn catalog(too_narrow: bool) -> Self {
        let (kind, name) = ResourceScope::CATALOG;
        let scope =
            ResourceScope { kind: kind.to_owned(), name: name.to_owned(), actions: vec!["*".to_owned()] };
        let error = OciError::new(Code::Unauthorized, "to list repositories here takes a token: log in");
        Self { wanted: Some(Box::new(Wanted { scope, too_narrow })), ..error.into() }
    }

    /// The same with a header.
    pub(super) fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl<T: Into<OciError>> From<T> for Failed {
    fn from(error: T) -> Self {
        Self { errors: vec![error.into()], headers: Vec::new(), wanted: None }
    }
}

/// A failure below, in this door's words.
pub(super) fn of(error: Error) -> Failed {
    let text = error.to_string();
    let one = |code: Code| Failed::from(OciError::new(code, text.clone()));
    let with_status =
        |code: Code, status| Failed::from(OciError::new(code, text.clone()).with_status(status));
    match error {
        Error::Invalid { .. } | Error::ContentRefused { .. } => one(Code::ManifestInvalid),
        Error::Unauthorized { .. } => one(Code::Unauthorized),
        Error::Unauthenticated { action, ref name, too_narrow } => {
            let actions: &[&str] = match action {
                Action::Pull => &["pull"],
                Action::Push => &["pull", "push"],
                Action::Delete => &["delete"],
            };
            let wanted = Wanted { scope: ResourceScope::repository(name, actions), too_narrow };
            Failed { wanted: Some(Box::new(wanted)), ..one(Code::Unauthorized) }
        }
        Error::Denied { .. } | Error::NamespaceImported { .. } => one(Code::Denied),
        // 409 in the shape that clients can parse: they print the message.
        Error::AlreadyReleased { .. } | Error::Conflict { .. } => with_status(Code::Denied, 409),
        Error::TakenDown { .. } => with_status(Code::Denied, 451),
        Error::UnknownRepository { .. } => one(Code::NameUnknown),
        Error::UnknownManifest { .. } => one(Code::ManifestUnknown),
        Error::UnknownContent { .. } | Error::UnknownBlob { .. } => one(Code::BlobUnknown),
        Error::UnknownUpload { .. } | Error::NotSourcing { .. } => one(Code::BlobUploadUnknown),
        Error::UploadInUse => with_status(Code::BlobUploadInvalid, 409),
        Error::MissingParts { digests } => {
            let missing = |digest: &_| {
                OciError::new(Code::ManifestBlobUnknown, format!("`{digest}` is not in this repository"))
                    .with_detail(json!({ "digest": digest }))
            };
            Failed { errors: digests.iter().map(missing).collect(), headers: Vec::new(), wanted: None }
        }
        Error::DigestMismatch { .. } => one(Code::DigestInvalid),
        Error::TooLarge { .. } => with_status(Code::SizeInvalid, 413),
        Error::LatestFollows { .. }
        | Error::Released { .. }
        | Error::Proposed { .. }
        | Error::Unsupported { .. } => one(Code::Unsupported),
        Error::TagMoved { .. } => with_status(Code::Denied, 412),
        Error::Busy { retry_after } => with_status(Code::TooManyRequests, 503)
            .with_header(header::RETRY_AFTER, retry_after.as_secs().to_string()),
        // Clients print the body of what is 5xx. 507 and not 503: no other moment will do, room must be made.
        Error::NoRoom { retry_after } => {
            with_status(Code::Denied, 507).with_header(header::RETRY_AFTER, retry_after.as_secs().to_string())
        }
        Error::Unwritable { retry_after } => with_status(Code::TooManyRequests, 503)
            .with_header(header::RETRY_AFTER, retry_after.as_secs().to_string()),
        // Nothing at this door asks for records.
        Error::UnknownLog { .. }
        | Error::UnknownRecord { .. }
        | Error::UnknownProposal { .. }
        | Error::UnknownPackage { .. }
        | Error::UnknownNamespace { .. }
        | Error::UnknownRelease { .. }
        | Error::UnknownFetchToken { .. }
        | Error::UnknownSize { .. }
        | Error::NoLongerKept { .. }
        | Error::UnknownLeaf { .. }
        | Error::NoSuchFile { .. } => with_status(Code::Unsupported, 404),
        Error::Internal { reason } => {
            tracing::error!(reason, "a request failed");
            let words = "the registry failed; its operator can see why";
            OciError::new(Code::Unsupported, words).with_status(500).into()
        }
    }
}

/// A body that did not arrive.
pub(super) fn of_body(error: &BodyError) -> Failed {
    let code = match error {
        BodyError::TooLarge { .. } => Code::SizeInvalid,
        _ => Code::BlobUploadInvalid,
    };
    OciError::new(code, error.to_string()).with_status(error.status()).into()
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = self.errors.first().map_or(500, |error| error.status);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json_reply(status, &body(&self.errors));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
