//! The OpenAPI document of `/api`: one function here stands for one path, and does nothing else.

use utoipa::OpenApi;

use super::{Keys, Package, PackageList, Problem, Release};

/// The document, for `/api/openapi.json`.
///
/// The addresses are relative, so it is the same for every registry.
#[must_use]
pub fn openapi() -> serde_json::Value {
    // Plain maps, lists and texts: there is nothing in it that JSON can't say.
    serde_json::to_value(Document::openapi()).unwrap_or_default()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Wargate",
        version = "1",
        description = "What a Wargate registry's pages show, for programs. Stable: fields are added, never renamed \
                       or removed. Nothing here needs to be believed: `/log` has what proves it.",
        license(name = "Apache-2.0 WITH LLVM-exception", identifier = "Apache-2.0 WITH LLVM-exception"),
    ),
    servers((url = "/", description = "this registry")),
    paths(packages, package, release, package_keys, namespace_keys, operator_keys, document),
    components(schemas(PackageList, Package, Release, Keys, Problem))
)]
struct Document;

/// Packages by name, a page at a time.
#[utoipa::path(
    get,
    path = "/api/packages",
    operation_id = "listPackages",
    params(
        ("q" = Option<String>, Query, description = "a text that the names contain"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of packages", body = PackageList),
        (status = 400, description = "the cursor is none of ours", body = Problem),
    )
)]
#[expect(dead_code, reason = "it carries the documentation of its path")]
fn packages() {}

/// A package with all its releases.
#[utoipa::path(
    get,
    path = "/api/packages/{namespace}/{name}",
    operation_id = "getPackage",
    params(
        ("namespace" = String, Path, description = "the part of the package's name before the colon"),
        ("name" = String, Path, description = "the part after it"),
    ),
    responses(
        (status = 200, description = "the package", body = Package),
        (status = 404, description = "there is no such package", body = Problem),
    )
)]
#[expect(dead_code, reason = "it carries the documentation of its path")]
fn package() {}

/// All about one release.
#[utoipa::path(
    get,
    path = "/api/packages/{namespace}/{name}/{version}",
    operation_id = "getRelease",
    params(
        ("namespace" = String, Path, description = "the part of the package's name before the colon"),
        ("name" = String, Path, description = "the part after it"),
        ("version" = String, Path, description = "the exact version"),
    ),
    responses(
        (status = 200, description = "the release", body = Release),
        (status = 404, description = "there is no such package or version", body = Problem),
    )
)]
#[expect(dead_code, reason = "it carries the documentation of its path")]
fn release() {}

/// Who may do what in a package's log.
#[utoipa::path(
    get,
    path = "/api/packages/{namespace}/{name}/keys",
    operation_id = "getPackageKeys",
    params(
        ("namespace" = String, Path, description = "the part of the package's name before the colon"),
        ("name" = String, Path, description = "the part after it"),
        ("before" = Option<u64>, Query, description = "`next` of the answer before, for its earlier history"),
    ),
    responses(
        (status = 200, description = "its keys and roles", body = Keys),
        (status = 400, description = "`before` is no number", body = Problem),
        (status = 404, description = "there is no such package", body = Problem),
    )
)]
#[expect(dead_code, reason = "it carries the documentation of its path")]
fn package_keys() {}

/// Who may do what in a namespace's log.
#[utoipa::path(
    get,
    path = "/api/namespaces/{namespace}/keys",
    operation_id = "getNamespaceKeys",
    params(
        ("namespace" = String, Path, description = "the namespace"),
        ("before" = Option<u64>, Query, description = "`next` of the answer before, for its earlier history"),
    ),
    responses(
        (status = 200, description = "its keys and roles", body = Keys),
        (status = 400, description = "`before` is no number", body = Problem),
        (status = 404, description = "there is no such namespace with a log of its own", body = Problem),
    )
)]
#[expect(dead_code, reason = "it carries the documentation of its path")]
fn namespace_keys() {}

/// Who may do what in the registry's own log: which keys sign for it, and who starts namespaces.
#[utoipa::path(
    get,
    path = "/api/operator/keys",
    operation_id = "getOperatorKeys",
    params(
        ("before" = Option<u64>, Query, description = "`next` of the answer before, for its earlier history"),
    ),
    responses(
        (status = 200, description = "its keys and roles", body = Keys),
        (status = 400, description = "`before` is no number", body = Problem),
    )
)]
#[expect(dead_code, reason = "it carries the documentation of its path")]
fn operator_keys() {}

/// This document.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "getOpenApi",
    responses((status = 200, description = "an OpenAPI document", body = serde_json::Value))
)]
#[expect(dead_code, reason = "it carries the documentation of its path")]
fn document() {}
