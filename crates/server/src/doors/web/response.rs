//! Pages and their files as HTTP replies, with the headers that hold them in.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Asset;
use crate::http::IMMUTABLE;

/// What a page may do: show our style, mark and script, and send its form here. Nothing inline, nothing from
/// elsewhere, nothing around it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// Headers of every page and of its files.
pub fn secure_headers(headers: &mut HeaderMap) {
    let fixed: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ];
    headers.extend(fixed);
}

/// A page as a reply.
#[must_use]
pub fn respond(status: StatusCode, html: String) -> Response {
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    secure_headers(headers);
    response
}

/// A file of the pages as a reply.
#[must_use]
pub fn respond_asset(asset: &'static Asset) -> Response {
    let mut response = asset.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(header::CACHE_CONTROL, IMMUTABLE);
    secure_headers(headers);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::web::{asset, assets};

    #[test]
    fn a_page_is_html_that_may_run_nothing_foreign() {
        let response = respond(StatusCode::NOT_FOUND, "<p>".into());
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }

    #[test]
    fn a_file_is_found_under_its_own_hash_alone_and_kept_for_ever() {
        let style = asset(&assets::STYLE.name).unwrap();
        let response = respond_asset(style);
        assert_eq!(response.headers()[header::CACHE_CONTROL], IMMUTABLE);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        assert_eq!(asset("style.css"), None);
        assert_eq!(asset("style-0000000000000000.css"), None);
    }
}
