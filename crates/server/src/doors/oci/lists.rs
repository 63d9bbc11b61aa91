//! Lists of tags, in byte order (`spec/oci.md`, "Lists").

use axum::http::{StatusCode, header};
use axum::response::Response;
use wargate_registry::Repository;
use wargate_wire::oci::list::{Page, TagList, link_next};
use wargate_wire::oci::path::Route;
use wargate_wire::oci::query::Query;

use super::error::{self, Failed};
use super::insert;
use crate::http;

/// Without `n` all tags: `wkg` neither sends it nor follows a link.
pub(super) async fn tags(
    repository: &Repository,
    route: &Route,
    query: Option<&str>,
) -> Result<Response, Failed> {
    let page = Page::of(&Query::new(query.unwrap_or_default()))?;
    let mut tags = repository.tags().await.map_err(error::of)?;
    if let Some(last) = &page.last {
        tags.retain(|tag| tag.as_str() > last.as_str());
    }
    let n = page.n.unwrap_or(tags.len());
    let more = tags.len() > n;
    tags.truncate(n);
    let link = tags.last().filter(|_| more).map(|last| {
        let n = n.to_string();
        link_next(route, &[("n", n.as_str()), ("last", last.as_str())])
    });
    let mut response = http::json(StatusCode::OK, &TagList { name: repository.name().clone(), tags });
    if let Some(link) = link {
        insert(&mut response, header::LINK, &link);
    }
    Ok(response)
}
