//! Lists of tags, repositories and referrers, in byte order (`spec/oci.md`, "Lists").

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use wargate_core::digest::Digest;
use wargate_registry::Repository;
use wargate_registry::access::Action;
use wargate_wire::oci::list::{Catalog, PAGE_ENTRIES_MAX, Page, TagList, link_next};
use wargate_wire::oci::manifest::ManifestType;
use wargate_wire::oci::path::Route;
use wargate_wire::oci::query::Query;
use wargate_wire::oci::reference::ContentDigest;

use super::error::{self, Failed};
use super::insert;
use crate::http;
use crate::router::Door;

/// Says that the list was filtered.
const FILTERS_APPLIED: &str = "oci-filters-applied";

/// Without `n` all tags: `wkg` neither sends it nor follows a link.
pub(super) async fn tags(
    repository: &Repository,
    route: &Route,
    query: Option<&str>,
) -> Result<Response, Failed> {
    let page = Page::of(&Query::new(query.unwrap_or_default()))?;
    let n = page.n.unwrap_or(usize::MAX);
    let page = repository.tag_page(&page.last.unwrap_or_default(), n).await.map_err(error::of)?;
    let link = page.tags.last().filter(|_| page.more).map(|last| {
        let n = n.to_string();
        link_next(route, &[("n", n.as_str()), ("last", last.as_str())])
    });
    let mut response = http::json(StatusCode::OK, &TagList { name: repository.name(), tags: &page.tags });
    if let Some(link) = link {
        insert(&mut response, header::LINK, &link);
    }
    Ok(response)
}

/// What refers to a manifest; never 404.
pub(super) async fn referrers(
    repository: &Repository,
    subject: &ContentDigest,
    route: &Route,
    query: Option<&str>,
) -> Result<Response, Failed> {
    let query = Query::new(query.unwrap_or_default());
    let artifact_type = query.first("artifactType")?.filter(|wanted| !wanted.is_empty());
    let after = query.first("last")?.map(|last| last.parse::<ContentDigest>()).transpose()?;
    let after: Option<Digest> = after.and_then(|digest| digest.sha256());
    let page = repository.referrers(subject, artifact_type.as_deref(), after).await;
    let (index, next) = page.map_err(error::of)?;
    let mut response = http::json(StatusCode::OK, &index);
    let content_type = HeaderValue::from_static(ManifestType::OciIndex.as_str());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if artifact_type.is_some() {
        insert(&mut response, FILTERS_APPLIED, "artifactType");
    }
    if let Some(last) = next {
        let last = last.to_string();
        let filter = artifact_type.as_deref().map(|wanted| ("artifactType", wanted));
        let pairs: Vec<_> = filter.into_iter().chain([("last", last.as_str())]).collect();
        insert(&mut response, header::LINK, &link_next(route, &pairs));
    }
    Ok(response)
}

/// The repositories; a page is bounded even if nobody asks for one.
pub(super) async fn catalog(door: &Door, route: &Route, query: Option<&str>) -> Result<Response, Failed> {
    let caller = door.registry.caller();
    if caller.is_anonymous() && !door.registry.access().anonymous.has(Action::Pull) {
        return Err(Failed::catalog(false));
    }
    // Clients that ask for a token before they ask for anything ask again with what is missing.
    if caller.did_not_ask_to_list() {
        return Err(Failed::catalog(true));
    }
    let page = Page::of(&Query::new(query.unwrap_or_default()))?;
    let n = page.n.unwrap_or(PAGE_ENTRIES_MAX);
    let after = page.last.unwrap_or_default();
    let mut repositories = door.registry.repositories(&after, n + 1).await.map_err(error::of)?;
    let more = repositories.len() > n;
    repositories.truncate(n);
    let link = repositories.last().filter(|_| more).map(|last| {
        let n = n.to_string();
        link_next(route, &[("n", n.as_str()), ("last", last.as_str())])
    });
    let mut response = http::json(StatusCode::OK, &Catalog { repositories });
    if let Some(link) = link {
        insert(&mut response, header::LINK, &link);
    }
    Ok(response)
}
