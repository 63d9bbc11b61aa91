//! What there is, to look at: pages for people, and the same values as JSON (`DESIGN.md`, "Doors").
//!
//! One function fetches each value; a page, its `.json` twin and `/api` cannot tell three stories.

use axum::Router;
use axum::extract::{Path, RawQuery, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use wargate_core::name::{LogName, PackageName};
use wargate_registry::Error;
use wargate_wire::api::{Package, PackageList, Release};
use wargate_wire::oci::query::Query;

use super::warg::base_url;
use super::web::{self, PACKAGES_PER_PAGE, RESERVED_NAMESPACES, Site};
use crate::http;
use crate::router::{Door, Mount};

mod keys;
mod values;

use super::api::error::Failed;

/// How a value is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Page,
    Json,
}

/// The values without pages.
pub(super) fn api_routes() -> Router<Mount> {
    Router::new()
        .route("/api/packages", get(api_list))
        .route("/api/packages/{namespace}/{name}", get(api_package))
        .route("/api/packages/{namespace}/{name}/{version}", get(api_release))
        .merge(keys::api_routes())
}

pub(crate) fn page_routes() -> Router<Mount> {
    Router::new()
        .route("/", get(list_page))
        .route("/index.json", get(api_list))
        .route("/assets/{name}", get(asset))
        .route("/{namespace}/{name}", get(package_page).fallback(not_a_page))
        .route("/{namespace}/{name}/{version}", get(release_page).fallback(not_a_page))
        .merge(keys::page_routes())
}

async fn api_list(door: Door, RawQuery(query): RawQuery) -> Response {
    match list(&door, query.as_deref().unwrap_or_default()).await {
        Ok(list) => json(&list),
        Err(failed) => failed.into_response(),
    }
}

async fn list_page(door: Door, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let site = site(&door, &headers);
    match list(&door, &query).await {
        Ok(list) => {
            let after = Query::new(&query).first("after").ok().flatten();
            web::respond(StatusCode::OK, web::render_list(&list, after.as_deref(), &site))
        }
        Err(failed) => failed.page(&site),
    }
}

async fn api_package(door: Door, Path((namespace, name)): Path<(String, String)>) -> Response {
    match package(&door, &namespace, &name).await {
        Ok(package) => json(&package),
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
        return http::no_such_path(&format!("/{namespace}/{name}"));
    }
    let (name, form) = form_of(&name);
    let found = package(&door, &namespace, name).await;
    if name == keys::KEYS && found.as_ref().is_err_and(Failed::is_missing) {
        return keys::namespace_page(door, headers, uri, Path(namespace)).await;
    }
    let site = site(&door, &headers);
    match (found, form) {
        (Ok(package), Form::Page) => web::respond(StatusCode::OK, web::render_package(&package, &site)),
        (Ok(package), Form::Json) => json(&package),
        (Err(failed), Form::Page) => failed.page(&site),
        (Err(failed), Form::Json) => failed.into_response(),
    }
}

async fn api_release(
    door: Door,
    Path((namespace, name, version)): Path<(String, String, String)>,
) -> Response {
    match release(&door, &namespace, &name, &version).await {
        Ok(release) => json(&release),
        Err(failed) => failed.into_response(),
    }
}

async fn release_page(
    door: Door,
    headers: HeaderMap,
    Path((namespace, name, version)): Path<(String, String, String)>,
) -> Response {
    if RESERVED_NAMESPACES.contains(&namespace.as_str()) {
        return http::no_such_path(&format!("/{namespace}/{name}/{version}"));
    }
    // A version may end in `.json` itself: the exact one comes first.
    let mut form = Form::Page;
    let mut found = release(&door, &namespace, &name, &version).await;
    if let (Err(_), (version, Form::Json)) = (&found, form_of(&version)) {
        found = release(&door, &namespace, &name, version).await;
        form = Form::Json;
    }
    let site = site(&door, &headers);
    match (found, form) {
        (Ok(release), Form::Page) => web::respond(StatusCode::OK, web::render_release(&release, &site)),
        (Ok(release), Form::Json) => json(&release),
        (Err(failed), Form::Page) => failed.page(&site),
        (Err(failed), Form::Json) => failed.into_response(),
    }
}

/// Pages are only read; what looks like one below another door's path is nothing at all.
async fn not_a_page(request: Request) -> Response {
    let namespace = request.uri().path().split('/').nth(1).unwrap_or_default();
    if RESERVED_NAMESPACES.contains(&namespace) {
        http::no_such_route(request).await
    } else {
        http::no_such_method(request).await
    }
}

async fn asset(door: Door, headers: HeaderMap, Path(name): Path<String>) -> Response {
    match web::asset(&name) {
        Some(asset) => web::respond_asset(asset),
        None => not_found(format!("there is no asset `{name}`")).page(&site(&door, &headers)),
    }
}

/// `NAME.json` is the twin of `NAME`.
fn form_of(text: &str) -> (&str, Form) {
    text.strip_suffix(".json").map_or((text, Form::Page), |name| (name, Form::Json))
}

async fn list(door: &Door, query: &str) -> Result<PackageList, Failed> {
    let query = Query::new(query);
    let asked = |key| query.first(key).ok().flatten().filter(|value| !value.is_empty());
    let holding = asked("q").map(|text| text.trim().to_owned());
    let after = asked("after").map(|after| after.parse::<PackageName>()).transpose();
    let after = after.map_err(|error| Failed::bad_request(error.to_string()))?;
    let snapshot = door.registry.snapshot();
    let searched = holding.as_deref().unwrap_or_default();
    let page = snapshot.packages(searched, after.as_ref(), PACKAGES_PER_PAGE).await?;
    Ok(values::list(&page, holding, snapshot.checkpoint()))
}

async fn package(door: &Door, namespace: &str, name: &str) -> Result<Package, Failed> {
    let name = package_name(namespace, name)?;
    let snapshot = door.registry.snapshot();
    let package = snapshot.package(&name).await.map_err(|error| failed(door, error))?;
    let waiting = match door.registry.proposals(&LogName::Package(name)).await {
        Err(Error::Denied { .. } | Error::Unauthenticated { .. }) => Vec::new(),
        waiting => waiting?,
    };
    Ok(values::package(&package, waiting, snapshot.checkpoint()))
}

async fn release(door: &Door, namespace: &str, name: &str, version: &str) -> Result<Release, Failed> {
    let name = package_name(namespace, name)?;
    let version = version.parse().map_err(|_| not_found(format!("`{version}` is no version")))?;
    let snapshot = door.registry.snapshot();
    let found = snapshot.release(&name, &version).await;
    let (package, release, inspection) = found.map_err(|error| failed(door, error))?;
    Ok(values::release(&package, &release, inspection.as_ref(), snapshot.checkpoint()))
}

fn package_name(namespace: &str, name: &str) -> Result<PackageName, Failed> {
    format!("{namespace}:{name}")
        .parse()
        .map_err(|_| not_found(format!("`{namespace}:{name}` cannot be a package's name")))
}

fn json<T: serde::Serialize>(value: &T) -> Response {
    let mut response = http::json(StatusCode::OK, value);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    web::secure_headers(response.headers_mut());
    response.into_response()
}

/// The registry as its pages name it.
fn site(door: &Door, headers: &HeaderMap) -> Site {
    let root_id = door.registry.snapshot().root().map(ToString::to_string);
    Site {
        name: door.registry.origin().to_owned(),
        url: base_url(door, headers),
        oci_prefix: String::new(),
        root_id,
    }
}

/// An error, and where a package is to be looked for whose namespace is imported.
fn failed(door: &Door, error: Error) -> Failed {
    let elsewhere = match &error {
        Error::UnknownPackage { name } => {
            let namespace = name.namespace();
            let domain = door.registry.imported(&namespace);
            domain.map(|domain| format!("the namespace `{namespace}` is imported from {domain}: look there"))
        }
        _ => None,
    };
    let failed = Failed::from(error);
    match elsewhere {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}

fn not_found(message: String) -> Failed {
    Failed::new(StatusCode::NOT_FOUND, "not-found", message)
}
