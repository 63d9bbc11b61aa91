//! For those who run the registry: is it alive, does it take records, what does it measure.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use wargate_registry::Readiness;

use super::api;
use crate::router::Door;

/// The process runs.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// The registry answers. With 200 also where it only reads: a balancer that took it away would end reading too.
pub(crate) async fn readyz(door: Door) -> Response {
    match door.registry.readiness() {
        Readiness::Ready => (StatusCode::OK, "ready\n").into_response(),
        Readiness::ReadsOnly { reason } => {
            (StatusCode::OK, format!("ready for reading; nothing is taken in: {reason}\n")).into_response()
        }
        Readiness::NotReady => {
            let words = "not ready: the registry is closing, or reloads after a failure\n";
            (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
        }
    }
}

/// Prometheus' text format.
pub(crate) async fn metrics(door: Door) -> Result<Response, api::Failed> {
    if !door.registry.access().is_open() && !door.registry.caller().is_operator() {
        return Err(api::Failed::operators_only());
    }
    // Looks how much room there is, also when nobody writes.
    let _ = door.registry.readiness();
    metrics::gauge!("wargate_log_size").set(door.registry.snapshot().checkpoint().size() as f64);
    let left = door.registry.commit_seconds_left().map_or(f64::INFINITY, |left| left as f64);
    metrics::gauge!("wargate_commit_key_seconds_left").set(left);
    for (cache, bytes) in door.registry.cached_bytes() {
        metrics::gauge!("wargate_cache_bytes", "cache" => cache).set(bytes as f64);
    }
    Ok(match door.metrics.render() {
        Some(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        None => (StatusCode::NOT_FOUND, "the host program keeps the metrics\n").into_response(),
    })
}
