//! The whole HTTP surface.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{any, get, post};
use wargate_registry::{Caller, Error, Registry};

use crate::access::{Dialect, authenticate};
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

/// What all doors of one router stand on. No handler gets it: a handler gets a [`Door`]. Each layer clones it for each
/// request.
#[derive(Clone)]
pub(crate) struct Mount(Arc<Base>);

struct Base {
    registry: Registry,
    options: Arc<Options>,
    metrics: Metrics,
}

/// What every handler gets.
pub(crate) struct Door {
    /// As whoever asks sees it.
    pub(crate) registry: Registry,
    pub(crate) options: Arc<Options>,
    pub(crate) metrics: Metrics,
}

impl Mount {
    fn new(registry: Registry, options: Options) -> Self {
        Self(Arc::new(Base { registry, options: Arc::new(options), metrics: Metrics::shared() }))
    }

    /// The door for a caller.
    pub(crate) fn door(&self, caller: Caller) -> Door {
        Door {
            registry: self.0.registry.seen_by(caller),
            options: self.0.options.clone(),
            metrics: self.0.metrics.clone(),
        }
    }

    /// Whose word a token is.
    pub(crate) async fn caller_of(&self, token: &str) -> Result<Caller, Error> {
        self.0.registry.caller_of(token).await
    }

    /// A door's routes: whoever comes through is asked first who they are.
    fn door_routes(&self, dialect: Dialect, routes: Router<Self>) -> Router<Self> {
        routes.layer(middleware::from_fn_with_state((self.clone(), dialect), authenticate))
    }

    fn warg(&self) -> Router<Self> {
        self.door_routes(Dialect::Warg, warg_routes())
    }

    fn oci(&self) -> Router<Self> {
        self.door_routes(Dialect::Oci, oci_routes())
    }

    fn api(&self) -> Router<Self> {
        self.door_routes(Dialect::Api, api::routes())
    }

    fn pages(&self) -> Router<Self> {
        self.door_routes(Dialect::Api, catalog::page_routes())
    }

    fn probes(&self) -> Router<Self> {
        self.door_routes(Dialect::Api, probe_routes())
    }

    fn finish(self, routes: Router<Self>) -> Router {
        routes
            .fallback(http::no_such_route)
            .method_not_allowed_fallback(http::no_such_method)
            .layer(middleware::from_fn(http::surround))
            .with_state(self)
    }
}

/// All doors.
pub fn router(registry: Registry, options: Options) -> Router {
    let mount = Mount::new(registry, options);
    let routes = mount
        .warg()
        .merge(mount.oci())
        .merge(mount.api())
        .merge(log_routes())
        .merge(mount.probes())
        .merge(wellknown_routes())
        .merge(mount.pages());
    mount.finish(routes)
}

/// Warg v1 alone.
pub fn warg_door(registry: Registry, options: Options) -> Router {
    let mount = Mount::new(registry, options);
    let routes = mount.warg();
    mount.finish(routes)
}

/// OCI Distribution alone.
pub fn oci_door(registry: Registry, options: Options) -> Router {
    let mount = Mount::new(registry, options);
    let routes = mount.oci();
    mount.finish(routes)
}

/// Wargate's own JSON alone.
pub fn api_door(registry: Registry, options: Options) -> Router {
    let mount = Mount::new(registry, options);
    let routes = mount.api();
    mount.finish(routes)
}

/// The static files of the log alone: they are the same for everybody.
pub fn log_door(registry: Registry, options: Options) -> Router {
    Mount::new(registry, options).finish(log_routes())
}

/// Health, readiness and metrics alone.
pub fn probes(registry: Registry, options: Options) -> Router {
    let mount = Mount::new(registry, options);
    let routes = mount.probes();
    mount.finish(routes)
}

fn warg_routes() -> Router<Mount> {
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

fn oci_routes() -> Router<Mount> {
    Router::new()
        .route("/v2", any(oci::door))
        .route("/v2/", any(oci::door))
        .route("/v2/token", get(oci::token::ask).post(oci::token::submit))
        .route("/v2/{*path}", any(oci::door))
}

fn wellknown_routes() -> Router<Mount> {
    Router::new().route("/.well-known/wasm-pkg/registry.json", get(wellknown::registry_json))
}

fn log_routes() -> Router<Mount> {
    Router::new().route("/log/{*path}", get(log::file))
}

fn probe_routes() -> Router<Mount> {
    Router::new()
        .route("/healthz", get(probe::healthz))
        .route("/readyz", get(probe::readyz))
        .route("/metrics", get(probe::metrics))
}
