//! Manifests: exactly the bytes that were pushed (`spec/oci.md`, "Manifests").

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wargate_core::act::{Identity, OnBehalfOf};
use wargate_registry::access::Action;
use wargate_registry::{ManifestPush, NOBODY, Proposal, Pusher, Released, Repository, TagCondition};
use wargate_wire::oci::error::{Code, OciError};
use wargate_wire::oci::manifest::{MANIFEST_BYTES_MAX, Manifest};
use wargate_wire::oci::path::Route;
use wargate_wire::oci::query::Query;
use wargate_wire::oci::reference::{ContentDigest, Reference, Tag};

use super::error::{self, Failed};
use super::{Known, created, insert};
use crate::http::body::read_whole;
use crate::http::{self, IMMUTABLE};
use crate::limits::RELEASE_WAIT;
use crate::router::Door;

/// The digest of what a pushed manifest refers to.
const SUBJECT: &str = "oci-subject";

/// A tag that a push by digest made.
const TAG: &str = "oci-tag";

/// Headers of an answer with a manifest, and some that layers add: room made once.
const HEADERS_OF_ONE: usize = 16;

/// Tags that one push by digest may make.
const TAGS_PER_PUSH_MAX: usize = 50;

/// What is stored, whatever `Accept` says.
pub(super) async fn get(
    repository: &Repository,
    reference: &Reference,
    headers: &HeaderMap,
) -> Result<Response, Failed> {
    let found = repository.manifest(reference).await.map_err(error::of)?;
    let digest = match reference {
        Reference::Digest(digest) => *digest,
        Reference::Tag(_) => found.named,
    };
    let known = Known::by(&digest);
    let mut response = if http::not_modified(headers, known.etag()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(found.bytes));
        response.headers_mut().reserve(HEADERS_OF_ONE);
        insert(&mut response, header::CONTENT_TYPE, &found.media_type);
        http::untrusted(response.headers_mut());
        response
    };
    known.tell(&mut response);
    let caching = match reference {
        Reference::Digest(_) => IMMUTABLE,
        Reference::Tag(_) => HeaderValue::from_static("no-cache"),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, caching);
    if found.yanked {
        warn(&mut response, &format!("version {reference} is yanked: it is kept for those who locked it"));
    }
    Ok(response)
}

/// Keeps a manifest; a Wasm artifact under a version becomes a release.
pub(super) async fn put(
    door: &Door,
    repository: &Repository,
    reference: &Reference,
    request: Request,
) -> Result<Response, Failed> {
    // Before a body is read: whoever may not is told that, and not what is wrong with it.
    repository.check(Action::Push).map_err(error::of)?;
    let (parts, body) = request.into_parts();
    let tags = more_tags(reference, parts.uri.query())?;
    let condition = condition(&parts.headers)?;
    let bytes = read_whole(&parts.headers, body, MANIFEST_BYTES_MAX).await;
    let bytes = bytes.map_err(|error| error::of_body(&error))?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let manifest = Manifest::parse(content_type, &bytes)?;
    let pusher = Pusher { on_behalf_of: pusher(door), wait: RELEASE_WAIT };
    let push = ManifestPush { reference, tags: tags.clone(), condition, manifest: &manifest, bytes };
    let pushed = repository.put_manifest(push, &pusher).await.map_err(error::of)?;
    let name = repository.name().clone();
    let place = Route::Manifest { name, reference: Reference::Digest(pushed.digest) };
    let mut response = created(&place, &pushed.digest);
    if let Some(subject) = &manifest.subject {
        insert(&mut response, SUBJECT, &subject.digest.to_string());
    }
    if let Some(Released::Proposed(proposal)) = &pushed.release {
        warn(&mut response, &awaits(proposal));
    }
    for tag in tags {
        if let Ok(tag) = HeaderValue::from_str(tag.as_str()) {
            response.headers_mut().append(TAG, tag);
        }
    }
    Ok(response)
}

/// The tags that a push by digest asks for in its query.
fn more_tags(reference: &Reference, query: Option<&str>) -> Result<Vec<Tag>, Failed> {
    let tags = Query::new(query.unwrap_or_default()).all("tag")?;
    if tags.len() > TAGS_PER_PUSH_MAX {
        let message = format!("a push makes at most {TAGS_PER_PUSH_MAX} tags, not {}", tags.len());
        return Err(OciError::new(Code::Unsupported, message).with_status(414).into());
    }
    if !tags.is_empty() && matches!(reference, Reference::Tag(_)) {
        let message = "`tag` in the query goes with a digest in the path, not with another tag";
        return Err(OciError::new(Code::ManifestInvalid, message).into());
    }
    let mut parsed: Vec<Tag> = Vec::new();
    for tag in tags {
        let tag = tag.parse()?;
        if !parsed.contains(&tag) {
            parsed.push(tag);
        }
    }
    Ok(parsed)
}

/// Where the tag must point, if the client says so.
fn condition(headers: &HeaderMap) -> Result<Option<TagCondition>, Failed> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    if let Some(wanted) = text(header::IF_MATCH) {
        let digest = wanted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
        return Ok(Some(TagCondition::Is(digest.parse::<ContentDigest>()?)));
    }
    match text(header::IF_NONE_MATCH) {
        None => Ok(None),
        Some("*") => Ok(Some(TagCondition::Absent)),
        Some(_) => {
            let message = "`If-None-Match` of a push is `*`, or is left out";
            Err(OciError::new(Code::Unsupported, message).with_status(400).into())
        }
    }
}

/// Who pushes: by the name of the token's account.
fn pusher(door: &Door) -> OnBehalfOf {
    OnBehalfOf {
        identity: Identity::Account,
        issuer: door.registry.origin().to_owned(),
        subject: door.registry.caller().account().unwrap_or(NOBODY).to_owned(),
    }
}

/// What a pushed release waits for, and how to give it.
fn awaits(proposal: &Proposal) -> String {
    let lacks = proposal.lacks.as_deref().unwrap_or_default();
    format!(
        "not released yet: {lacks}. The tag appears once they approve: wargate approve {} {}",
        proposal.signed.log.as_str(),
        proposal.id
    )
}

/// A warning that clients print.
fn warn(response: &mut Response, text: &str) {
    insert(response, header::WARNING, &format!("299 - \"{text}\""));
}
