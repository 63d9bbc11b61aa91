//! The whole HTTP surface.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{any, get, post};
use wargate_registry::Registry;

use crate::doors::{api, catalog, log, oci, probe, warg, wellknown};
use crate::http;
use crate::metrics::Metrics;

/// What the doors need to know beside the registry.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The URL under which clients reach this registry, without a slash at its end. Without it the `Host` header
    /// of a request is believed, which only a loopback address may do.
    pub public_url: Option<String>,
}

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) registry: Registry,
    pub(crate) options: Arc<Options>,
    pub(crate) metrics: Metrics,
}

impl Door {
    fn new(registry: Registry, options: Options) -> Self {
        Self { registry, options: Arc::new(options), metrics: Metrics::shared() }
    }
}

/// All doors.
pub fn router(registry: Registry, options: Options) -> Router {
    let door = Door::new(registry, options);
    let routes = warg_routes()
        .merge(oci_routes())
        .merge(api::routes())
        .merge(log_routes())
        .merge(probe_routes())
        .merge(wellknown_routes())
        .merge(catalog::page_routes());
    finish(routes, door)
}

/// Warg v1 alone.
pub fn warg_door(registry: Registry, options: Options) -> Router {
    finish(warg_routes(), Door::new(registry, options))
}

/// OCI Distribution alone.
pub fn oci_door(registry: Registry, options: Options) -> Router {
    finish(oci_routes(), Door::new(registry, options))
}

/// Wargate's own JSON alone.
pub fn api_door(registry: Registry, options: Options) -> Router {
    finish(api::routes(), Door::new(registry, options))
}

/// The static files of the log alone.
pub fn log_door(registry: Registry, options: Options) -> Router {
    finish(log_routes(), Door::new(registry, options))
}

/// Health, readiness and metrics alone.
pub fn probes(registry: Registry, options: Options) -> Router {
    finish(probe_routes(), Door::new(registry, options))
}

fn finish(routes: Router<Door>, door: Door) -> Router {
    routes
        .fallback(http::no_such_route)
        .method_not_allowed_fallback(http::no_such_method)
        .layer(middleware::from_fn(http::observe))
        .with_state(door)
}

fn warg_routes() -> Router<Door> {
    Router::new()
        .route("/v1/fetch/checkpoint", get(warg::fetch::checkpoint))
        .route("/v1/fetch/logs", post(warg::fetch::logs))
        .route("/v1/fetch/names", post(warg::fetch::names))
        .route("/v1/package/{log}/record", post(warg::package::publish))
        .route("/v1/package/{log}/record/{record}", get(warg::package::status))
        .route(
            "/v1/package/{log}/record/{record}/content/{digest}",
            post(warg::package::upload).put(warg::package::upload),
        )
        .route("/v1/content/{digest}", get(warg::content::sources))
        .route("/v1/content/{digest}/bytes", get(warg::content::bytes))
        .route("/v1/proof/consistency", post(warg::proof::consistency))
        .route("/v1/proof/inclusion", post(warg::proof::inclusion))
        .route("/v1/verify/checkpoint", post(warg::proof::verify_checkpoint))
        .route("/v1/ledger", get(warg::ledger::sources))
        .route("/v1/ledger/records", get(warg::ledger::records))
}

fn oci_routes() -> Router<Door> {
    Router::new()
        .route("/v2", any(oci::door))
        .route("/v2/", any(oci::door))
        .route("/v2/{*path}", any(oci::door))
}

fn wellknown_routes() -> Router<Door> {
    Router::new().route("/.well-known/wasm-pkg/registry.json", get(wellknown::registry_json))
}

fn log_routes() -> Router<Door> {
    Router::new().route("/log/{*path}", get(log::file))
}

fn probe_routes() -> Router<Door> {
    Router::new()
        .route("/healthz", get(probe::healthz))
        .route("/readyz", get(probe::readyz))
        .route("/metrics", get(probe::metrics))
}
