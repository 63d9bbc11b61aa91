//! For those who run the registry: is it alive, does it take records, what does it measure.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::router::Door;

/// The process runs.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// The registry takes records.
pub(crate) async fn readyz(State(door): State<Door>) -> Response {
    if door.registry.is_ready() {
        return (StatusCode::OK, "ready\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not ready: the registry is closing, or reloads after a failure\n")
        .into_response()
}

/// Prometheus' text format.
pub(crate) async fn metrics(State(door): State<Door>) -> Response {
    metrics::gauge!("wargate_log_size").set(door.registry.snapshot().checkpoint().size() as f64);
    match door.metrics.render() {
        Some(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        None => (StatusCode::NOT_FOUND, "the host program keeps the metrics\n").into_response(),
    }
}
