//! What a page of another site may do here: read what is for reading, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[path = "../../registry/tests/support/mod.rs"]
mod support;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use support::{TestClock, open};
use tower::ServiceExt as _;
use wargate_server::{Options, router};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Paths, and the methods with which another site may read there.
const DOORS: &[(&str, &[&str])] = &[
    ("/v2", &["GET", "HEAD"]),
    ("/v2/", &["GET", "HEAD"]),
    ("/v2/acme/hello/tags/list", &["GET", "HEAD"]),
    ("/v2/acme/hello/manifests/1.0.0", &["GET", "HEAD"]),
    ("/v2/acme/hello/manifests/DIGEST", &["GET", "HEAD"]),
    ("/v2/acme/hello/blobs/DIGEST", &["GET", "HEAD"]),
    ("/v2/acme/hello/referrers/DIGEST", &["GET", "HEAD"]),
    ("/v2/acme/blobs/uploads/tags/list", &["GET", "HEAD"]),
    ("/v2/acme/hello/blobs/uploads/", &[]),
    ("/v2/acme/hello/blobs/uploads", &[]),
    ("/v2/acme/hello/blobs/uploads/00112233445566778899aabbccddeeff", &[]),
    ("/v1/fetch/checkpoint", &["GET", "HEAD"]),
    ("/v1/fetch/logs", &["POST"]),
    ("/v1/fetch/names", &["POST"]),
    ("/v1/proof/consistency", &["POST"]),
    ("/v1/proof/inclusion", &["POST"]),
    ("/v1/verify/checkpoint", &["POST"]),
    ("/v1/content/DIGEST", &["GET", "HEAD"]),
    ("/v1/content/DIGEST/bytes", &["GET", "HEAD"]),
    ("/v1/ledger", &["GET", "HEAD"]),
    ("/v1/ledger/records", &["GET", "HEAD"]),
    ("/v1/package/DIGEST/record", &["GET", "HEAD"]),
    ("/v1/package/DIGEST/record/DIGEST", &["GET", "HEAD"]),
    ("/v1/package/DIGEST/record/DIGEST/content/DIGEST", &["GET", "HEAD"]),
    ("/log/checkpoint", &["GET", "HEAD"]),
    ("/log/tile/0/000", &["GET", "HEAD"]),
    ("/log/nothing", &["GET", "HEAD"]),
    ("/api/packages", &["GET", "HEAD"]),
    ("/api/packages/acme/hello", &["GET", "HEAD"]),
    ("/api/openapi.json", &["GET", "HEAD"]),
    ("/api/packages/acme/hello/releases", &["GET", "HEAD"]),
    ("/api/acts", &["GET", "HEAD"]),
    ("/.well-known/wasm-pkg/registry.json", &["GET", "HEAD"]),
    ("/.well-known/other", &[]),
    ("/", &[]),
    ("/index.json", &[]),
    ("/acme/hello", &[]),
    ("/assets/style.css", &[]),
    ("/healthz", &[]),
    ("/readyz", &[]),
    ("/metrics", &[]),
    ("/v1beta", &[]),
    ("/v2x/y", &[]),
    ("/nothing", &[]),
];

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

struct Site {
    _dir: tempfile::TempDir,
    router: axum::Router,
}

impl Site {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = open(dir.path(), &TestClock::new()).await;
        Self { _dir: dir, router: router(registry, Options::default()) }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap) {
        let path = path.replace("DIGEST", DIGEST);
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        (response.status(), response.headers().clone())
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

fn says_nothing(headers: &HeaderMap) -> bool {
    !headers.keys().any(|name| name.as_str().starts_with("access-control-"))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_reads_what_is_for_reading_and_nothing_else() {
    let site = Site::new().await;
    for (path, reading) in DOORS {
        for method in METHODS {
            let (status, headers) = site.send(method, path, &[("origin", "https://other.example")]).await;
            let allowed = reading.contains(&method);
            assert_eq!(says_nothing(&headers), !allowed, "{method} {path}: {status} {headers:?}");
            if allowed {
                // Of errors too: a page must be able to tell why.
                assert_eq!(text(&headers, header::ACCESS_CONTROL_ALLOW_ORIGIN), "*", "{method} {path}");
                let exposed = text(&headers, header::ACCESS_CONTROL_EXPOSE_HEADERS).to_ascii_lowercase();
                let names =
                    ["docker-content-digest", "link", "oci-subject", "etag", "warning", "content-range"];
                for name in names.into_iter().chain(["www-authenticate", "location"]) {
                    assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}: {exposed}");
                }
            }
            assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_answered_for_reading_alone() {
    let site = Site::new().await;
    for (path, reading) in DOORS {
        for method in METHODS {
            let asked = [
                ("origin", "https://other.example"),
                ("access-control-request-method", method),
                ("access-control-request-headers", "authorization"),
            ];
            let (status, headers) = site.send("OPTIONS", path, &asked).await;
            if !reading.contains(&method) {
                assert!(
                    says_nothing(&headers) && status != StatusCode::NO_CONTENT,
                    "{method} {path}: {status}"
                );
                continue;
            }
            assert_eq!(status, StatusCode::NO_CONTENT, "{method} {path}");
            assert_eq!(text(&headers, header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
            let methods: Vec<_> = text(&headers, header::ACCESS_CONTROL_ALLOW_METHODS).split(", ").collect();
            assert_eq!(methods, *reading, "{path}");
            assert!(text(&headers, header::ACCESS_CONTROL_ALLOW_HEADERS).contains("Authorization"));
            assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_like_a_preflight_is_a_request_like_any_other() {
    let site = Site::new().await;
    for headers in [
        &[][..],
        &[("origin", "https://other.example")],
        &[("access-control-request-method", "GET")],
        &[("origin", "https://other.example"), ("access-control-request-method", "GET, PUT")],
    ] {
        let (status, headers) = site.send("OPTIONS", "/v2/", headers).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(says_nothing(&headers), "{headers:?}");
    }
}
