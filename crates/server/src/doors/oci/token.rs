//! Tokens for a moment: the Docker token flow (`spec/oci.md`, "Auth").
//!
//! Nobody is told what they were not granted; they find out when they try.

use axum::body::Body;
use axum::extract::{RawQuery, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use wargate_core::time::Time;
use wargate_registry::Registry;
use wargate_registry::access::{Actions, Asked};
use wargate_registry::limits::SESSION_LIFE;
use wargate_wire::oci::error::{Code, OciError};
use wargate_wire::oci::query::Query;
use wargate_wire::oci::scope::ResourceScope;

use super::error::{self, Failed};
use super::refuse_failed;
use crate::access::Credentials;
use crate::doors::warg::base_url;
use crate::http::body::read_whole;
use crate::http::json as json_reply;
use crate::limits::{SCOPES_PER_REQUEST_MAX, TOKEN_FORM_BYTES_MAX};
use crate::router::Door;

/// `GET /v2/token?scope=…`: who asks stands in the headers.
pub(crate) async fn ask(door: Door, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let query = Query::form(&query);
    let outcome = answer(&door.registry, &query, || {
        let wants_refresh = query.first("offline_token")?.is_some_and(|value| value == "true");
        Ok(match Credentials::of(&headers) {
            Credentials::Token(token) if wants_refresh => Some(token),
            _ => None,
        })
    });
    outcome.unwrap_or_else(|failed| refuse_failed(&base_url(&door, &headers), failed))
}

/// `POST /v2/token`: who asks stands in the form.
pub(crate) async fn submit(door: Door, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match submitted(&door, &parts.headers, body).await {
        Ok(response) => response,
        Err(failed) => refuse_failed(&base_url(&door, &parts.headers), failed),
    }
}

async fn submitted(door: &Door, headers: &HeaderMap, body: Body) -> Result<Response, Failed> {
    let body = read_whole(headers, body, TOKEN_FORM_BYTES_MAX).await;
    let body = body.map_err(|error| error::of_body(&error))?;
    let malformed = |text: &str| Failed::from(OciError::new(Code::Unsupported, text).with_status(400));
    let form = std::str::from_utf8(&body).map_err(|_| malformed("the form is not UTF-8"))?;
    let form = Query::form(form);
    let field = match form.first("grant_type")?.as_deref() {
        Some("password") => "password",
        Some("refresh_token") => "refresh_token",
        _ => return Err(malformed("`grant_type` is `password` or `refresh_token`")),
    };
    let token = form.first(field)?.unwrap_or_default().into_owned();
    let caller = door.registry.caller_of(&token).await.map_err(error::of)?;
    let registry = door.registry.seen_by(caller);
    answer(&registry, &form, || {
        let wants_refresh = form.first("access_type")?.is_some_and(|value| value == "offline");
        Ok((wants_refresh || field == "refresh_token").then_some(token))
    })
}

/// The session, and what goes on to be good for more of them.
fn answer(
    registry: &Registry,
    query: &Query<'_>,
    refresh_token: impl FnOnce() -> Result<Option<String>, Failed>,
) -> Result<Response, Failed> {
    // What cannot be read asks for nothing that there is.
    let scopes = query.all("scope").unwrap_or_default();
    let scopes: Vec<ResourceScope> = scopes.iter().flat_map(|value| ResourceScope::parse(value)).collect();
    if scopes.len() > SCOPES_PER_REQUEST_MAX {
        let text = format!("a token is asked for at most {SCOPES_PER_REQUEST_MAX} scopes");
        return Err(OciError::new(Code::Unsupported, text).with_status(400).into());
    }
    let session = registry.begin_session(&asked(&scopes));
    let granted: Vec<String> = session.scopes.iter().map(|scope| format!("repository:{scope}")).collect();
    let mut body = json!({
        "token": session.token,
        "access_token": session.token,
        "expires_in": SESSION_LIFE.as_secs(),
        "issued_at": rfc3339(session.issued),
        "scope": granted.join(" "),
    });
    if let (Some(token), Value::Object(body)) = (refresh_token()?, &mut body) {
        body.insert("refresh_token".to_owned(), token.into());
    }
    let mut response = json_reply(StatusCode::OK, &body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn rfc3339(time: Time) -> String {
    jiff::Timestamp::from_second(time.seconds()).map(|time| time.to_string()).unwrap_or_default()
}

/// What is asked for, as far as there is such a thing here.
fn asked(scopes: &[ResourceScope]) -> Asked {
    let mut asked = Asked::default();
    for scope in scopes {
        asked.list |= scope.is_catalog();
        let actions: Actions = scope
            .actions
            .iter()
            .flat_map(|action| action.parse::<Actions>().ok())
            .flat_map(Actions::iter)
            .collect();
        if scope.kind == "repository"
            && let Ok(name) = scope.name.parse()
        {
            asked.repositories.push((name, actions));
        }
    }
    asked
}
