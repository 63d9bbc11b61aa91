//! Error bodies of the OCI door (`spec/oci.md`, "Endpoints" and "Fine print").
//!
//! The codes are those of the specification and no others: `oci-client` cannot parse a body with any other. Some
//! replies have a status that no code stands for; they use the nearest code with their own status.

use serde_json::{Value, json};

use crate::oci::list::PageError;
use crate::oci::manifest::ManifestError;
use crate::oci::path::PathError;
use crate::oci::query::QueryError;
use crate::oci::range::RangeError;
use crate::oci::reference::{ContentDigestError, NameError, ReferenceError, TagError};

macro_rules! codes {
    ($($name:ident $text:literal $status:literal $doc:literal;)*) => {
        /// A code that clients know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $doc] $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its text in a body.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The HTTP status that it usually has.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                }
            }
        }
    };
}

codes! {
    BlobUnknown "BLOB_UNKNOWN" 404 "The repository has no such blob.";
    BlobUploadInvalid "BLOB_UPLOAD_INVALID" 400 "The upload cannot go on like this.";
    BlobUploadUnknown "BLOB_UPLOAD_UNKNOWN" 404 "There is no such upload session.";
    DigestInvalid "DIGEST_INVALID" 400 "No digest, or not that of the bytes.";
    ManifestBlobUnknown "MANIFEST_BLOB_UNKNOWN" 400 "The manifest names content that the repository lacks.";
    ManifestInvalid "MANIFEST_INVALID" 400 "The manifest or its tag is not acceptable.";
    ManifestUnknown "MANIFEST_UNKNOWN" 404 "The repository has no such manifest.";
    NameInvalid "NAME_INVALID" 400 "No repository can have this name.";
    NameUnknown "NAME_UNKNOWN" 404 "There is no such repository.";
    SizeInvalid "SIZE_INVALID" 400 "The bytes are not as many as announced, or too many.";
    Unauthorized "UNAUTHORIZED" 401 "Credentials are needed.";
    Denied "DENIED" 403 "The caller may not do this.";
    Unsupported "UNSUPPORTED" 405 "This registry does not do this.";
    TooManyRequests "TOOMANYREQUESTS" 429 "Come back later; the reply says when.";
}

/// An error as a client gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct OciError {
    /// The code.
    pub code: Code,
    /// The HTTP status: the code's own unless said otherwise.
    pub status: u16,
    /// The message for people.
    pub message: String,
    /// Anything for programs.
    pub detail: Option<Value>,
}

impl OciError {
    /// An error with the code's own status and without detail.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, status: code.status(), message: message.into(), detail: None }
    }

    /// The same error with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same error with a detail.
    #[must_use]
    pub fn with_detail(self, detail: Value) -> Self {
        Self { detail: Some(detail), ..self }
    }

    /// The body with this error alone.
    #[must_use]
    pub fn body(&self) -> Value {
        body(std::slice::from_ref(self))
    }
}

/// The body with all of `errors`.
#[must_use]
pub fn body(errors: &[OciError]) -> Value {
    let entry = |error: &OciError| {
        let mut entry = json!({ "code": error.code.as_str(), "message": error.message });
        if let Some(detail) = &error.detail {
            entry["detail"] = detail.clone();
        }
        entry
    };
    json!({ "errors": errors.iter().map(entry).collect::<Vec<_>>() })
}

impl From<PathError> for OciError {
    fn from(error: PathError) -> Self {
        match error {
            PathError::NoEndpoint { .. } => Self::new(Code::NameUnknown, error.to_string()),
            PathError::Encoding { .. } => Self::new(Code::NameInvalid, error.to_string()),
            PathError::Name(error) => error.into(),
            PathError::Digest(error) => error.into(),
            PathError::Reference(error) => error.into(),
            PathError::Session(_) => Self::new(Code::BlobUploadUnknown, error.to_string()),
        }
    }
}

impl From<NameError> for OciError {
    fn from(error: NameError) -> Self {
        Self::new(Code::NameInvalid, error.to_string())
    }
}

impl From<ContentDigestError> for OciError {
    fn from(error: ContentDigestError) -> Self {
        Self::new(Code::DigestInvalid, error.to_string())
    }
}

impl From<TagError> for OciError {
    fn from(error: TagError) -> Self {
        Self::new(Code::ManifestInvalid, error.to_string())
    }
}

impl From<ReferenceError> for OciError {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Tag(error) => error.into(),
            ReferenceError::Digest(error) => error.into(),
        }
    }
}

impl From<QueryError> for OciError {
    fn from(error: QueryError) -> Self {
        let code = match error.key.as_str() {
            "digest" => Code::DigestInvalid,
            "tag" => Code::ManifestInvalid,
            _ => Code::Unsupported,
        };
        Self::new(code, error.to_string()).with_status(400)
    }
}

impl From<PageError> for OciError {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Query(error) => error.into(),
            PageError::NotANumber { .. } => Self::new(Code::Unsupported, error.to_string()).with_status(400),
        }
    }
}

impl From<RangeError> for OciError {
    fn from(error: RangeError) -> Self {
        match error {
            RangeError::Malformed { .. } => Self::new(Code::BlobUploadInvalid, error.to_string()),
            RangeError::NotNext { .. } => {
                Self::new(Code::BlobUploadInvalid, error.to_string()).with_status(416)
            }
            RangeError::BodyBytes { .. } => Self::new(Code::SizeInvalid, error.to_string()),
        }
    }
}

impl From<ManifestError> for OciError {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::TooLarge { .. } => {
                Self::new(Code::SizeInvalid, error.to_string()).with_status(413)
            }
            ManifestError::Digest { .. } => Self::new(Code::DigestInvalid, error.to_string()),
            _ => Self::new(Code::ManifestInvalid, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::list::Page;
    use crate::oci::path;
    use crate::oci::query::Query;

    #[test]
    fn the_codes_are_those_of_the_specification() {
        let codes: Vec<(&str, u16)> = Code::ALL.iter().map(|code| (code.as_str(), code.status())).collect();
        let expected = [
            ("BLOB_UNKNOWN", 404),
            ("BLOB_UPLOAD_INVALID", 400),
            ("BLOB_UPLOAD_UNKNOWN", 404),
            ("DIGEST_INVALID", 400),
            ("MANIFEST_BLOB_UNKNOWN", 400),
            ("MANIFEST_INVALID", 400),
            ("MANIFEST_UNKNOWN", 404),
            ("NAME_INVALID", 400),
            ("NAME_UNKNOWN", 404),
            ("SIZE_INVALID", 400),
            ("UNAUTHORIZED", 401),
            ("DENIED", 403),
            ("UNSUPPORTED", 405),
            ("TOOMANYREQUESTS", 429),
        ];
        assert_eq!(codes, expected);
    }

    #[test]
    fn a_body_lists_its_errors_in_order() {
        let unknown = OciError::new(Code::NameUnknown, "no repository");
        let expected = json!({ "errors": [{ "code": "NAME_UNKNOWN", "message": "no repository" }] });
        assert_eq!(unknown.body(), expected);
        let denied = OciError::new(Code::Denied, "1.0.0 is released").with_status(409);
        assert_eq!((denied.code.status(), denied.status), (403, 409));
        let denied = denied.with_detail(json!({ "version": "1.0.0" }));
        let both = body(&[unknown, denied]);
        assert_eq!(both["errors"][0], expected["errors"][0]);
        let detailed =
            json!({ "code": "DENIED", "message": "1.0.0 is released", "detail": { "version": "1.0.0" } });
        assert_eq!(both["errors"][1], detailed);
    }

    #[test]
    fn a_refused_path_has_the_code_of_its_broken_part() {
        for (text, code, status) in [
            ("/v2/A/tags/list", Code::NameInvalid, 400),
            ("/v2/a%2Fb/tags/list", Code::NameInvalid, 400),
            ("/v2/%zz/tags/list", Code::NameInvalid, 400),
            ("/v2/a/blobs/sha256:bad", Code::DigestInvalid, 400),
            ("/v2/a/manifests/sha256:bad", Code::DigestInvalid, 400),
            ("/v2/a/referrers/x", Code::DigestInvalid, 400),
            ("/v2/a/manifests/-x", Code::ManifestInvalid, 400),
            ("/v2/a/blobs/uploads/x", Code::BlobUploadUnknown, 404),
            ("/v2/a/nothing", Code::NameUnknown, 404),
        ] {
            let error = OciError::from(path::parse(text).unwrap_err());
            assert_eq!((error.code, error.status), (code, status), "{text}: {}", error.message);
        }
    }

    #[test]
    fn statuses_without_a_code_use_the_nearest_one() {
        let range = RangeError::NotNext { expected: 4, start: 0 };
        let large = ManifestError::TooLarge { bytes: 5_000_000 };
        let page = Page::of(&Query::new("n=x")).unwrap_err();
        let query = |key: &str| Query::new(&format!("{key}=%ff")).first(key).unwrap_err();
        for (error, code, status) in [
            (OciError::from(range), Code::BlobUploadInvalid, 416),
            (OciError::from(large), Code::SizeInvalid, 413),
            (OciError::from(page), Code::Unsupported, 400),
            (OciError::from(query("n")), Code::Unsupported, 400),
            (OciError::from(query("digest")), Code::DigestInvalid, 400),
            (OciError::from(query("tag")), Code::ManifestInvalid, 400),
        ] {
            assert_eq!((error.code, error.status), (code, status));
        }
    }
}
