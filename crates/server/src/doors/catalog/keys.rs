//! Who may do what: the keys of a package, of a namespace, and of the registry itself.
//!
//! No package is named `-` and no version is `keys`, so the addresses `/NS/NAME/keys`, `/NS/-/keys` and `/-/keys` can be
//! nothing else's. `/NS/keys` is the package of that name; only where there is none, it shows the namespace's keys.

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use wargate_core::name::LogName;
use wargate_wire::api::Keys;
use wargate_wire::oci::query::Query;

use super::{Form, form_of, json, not_a_page, not_found, package_name, site, values};
use crate::doors::api::error::Failed;
use crate::doors::web::{self, RESERVED_NAMESPACES};
use crate::http;
use crate::router::{Door, Mount};

/// The last part of the address of each of these pages.
pub(super) const KEYS: &str = "keys";

/// The values without pages.
pub(super) fn api_routes() -> Router<Mount> {
    Router::new()
        .route("/api/packages/{namespace}/{name}/keys", get(api_package))
        .route("/api/namespaces/{namespace}/keys", get(api_namespace))
        .route("/api/operator/keys", get(api_operator))
}

pub(super) fn page_routes() -> Router<Mount> {
    Router::new()
        .route("/-/keys", get(operator_page).fallback(not_a_page))
        .route("/-/keys.json", get(operator_page).fallback(not_a_page))
        .route("/{namespace}/-/keys", get(namespace_page).fallback(not_a_page))
        .route("/{namespace}/-/keys.json", get(namespace_page).fallback(not_a_page))
        .route("/{namespace}/{name}/keys", get(package_page).fallback(not_a_page))
        .route("/{namespace}/{name}/keys.json", get(package_page).fallback(not_a_page))
}

async fn api_package(
    door: Door,
    Path((namespace, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    answer(of_package(&door, &namespace, &name, query.as_deref()).await)
}

async fn api_namespace(door: Door, Path(namespace): Path<String>, RawQuery(query): RawQuery) -> Response {
    answer(of_namespace(&door, &namespace, query.as_deref()).await)
}

async fn api_operator(door: Door, RawQuery(query): RawQuery) -> Response {
    answer(keys(&door, &LogName::Operator, query.as_deref()).await)
}

fn answer(found: Result<Keys, Failed>) -> Response {
    match found {
        Ok(keys) => json(&keys),
        Err(failed) => failed.into_response(),
    }
}

async fn package_page(
    door: Door,
    headers: HeaderMap,
    uri: Uri,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    if RESERVED_NAMESPACES.contains(&namespace.as_str()) {
        return http::no_such_path(uri.path());
    }
    let found = of_package(&door, &namespace, &name, uri.query()).await;
    show(&door, &headers, &uri, found)
}

pub(super) async fn namespace_page(
    door: Door,
    headers: HeaderMap,
    uri: Uri,
    Path(namespace): Path<String>,
) -> Response {
    if RESERVED_NAMESPACES.contains(&namespace.as_str()) {
        return http::no_such_path(uri.path());
    }
    let found = of_namespace(&door, &namespace, uri.query()).await;
    show(&door, &headers, &uri, found)
}

async fn operator_page(door: Door, headers: HeaderMap, uri: Uri) -> Response {
    let found = keys(&door, &LogName::Operator, uri.query()).await;
    show(&door, &headers, &uri, found)
}

/// A page, or its twin at the address that says so.
fn show(door: &Door, headers: &HeaderMap, uri: &Uri, found: Result<Keys, Failed>) -> Response {
    let site = site(door, headers);
    let before = before(uri.query()).ok().flatten();
    match (found, form_of(uri.path()).1) {
        (Ok(keys), Form::Page) => web::respond(StatusCode::OK, web::render_keys(&keys, before, &site)),
        (Err(failed), Form::Page) => failed.page(&site),
        (found, Form::Json) => answer(found),
    }
}

async fn of_package(door: &Door, namespace: &str, name: &str, query: Option<&str>) -> Result<Keys, Failed> {
    keys(door, &package_name(namespace, name)?.into(), query).await
}

async fn of_namespace(door: &Door, namespace: &str, query: Option<&str>) -> Result<Keys, Failed> {
    let namespace =
        namespace.parse().map_err(|_| not_found(format!("`{namespace}` cannot be a namespace’s name")))?;
    keys(door, &LogName::Namespace(namespace), query).await
}

async fn keys(door: &Door, log: &LogName, query: Option<&str>) -> Result<Keys, Failed> {
    let before = before(query)?;
    let snapshot = door.registry.snapshot();
    let keys = snapshot.keys(log, before).await?;
    Ok(values::keys::keys(&keys, snapshot.checkpoint()))
}

/// Below which index the history is asked for.
fn before(query: Option<&str>) -> Result<Option<u64>, Failed> {
    let query = Query::new(query.unwrap_or_default());
    let asked = query.first("before").ok().flatten().filter(|value| !value.is_empty());
    let parse = |text: std::borrow::Cow<'_, str>| {
        text.parse()
            .map_err(|_| Failed::bad_request(format!("`before` is the index of a record, not `{text}`")))
    };
    asked.map(parse).transpose()
}
