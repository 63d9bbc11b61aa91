//! Who asks: the caller of each request, from its headers, before any door looks at it.
//!
//! What the caller may do is the registry's to say (`wargate_registry::access`): every handler gets a [`Door`] whose
//! registry is bound to the caller already, and there is no other way to one.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::convert::Infallible;
use wargate_registry::{Caller, Error};
use wargate_wire::oci::challenge::Challenge;

use crate::doors::{api, oci, warg};
use crate::router::{Door, Mount};

/// What a request says of who sends it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Nothing, or an empty name and password.
    None,
    /// A token: as it is, or as the password of whatever name.
    Token(String),
    /// Something that cannot be read.
    Malformed,
}

impl Credentials {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Self::None };
        let (Ok(value), None) = (value.to_str(), values.next()) else { return Self::Malformed };
        let Some((scheme, rest)) = value.split_once(' ') else { return Self::Malformed };
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Self::Token(rest.to_owned());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Self::Malformed;
        }
        let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        match decoded.as_deref().and_then(|text| text.split_once(':')) {
            Some(("", "")) => Self::None,
            Some((_, password)) => Self::Token(password.to_owned()),
            None => Self::Malformed,
        }
    }
}

/// In whose language a refusal is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Oci,
    Warg,
    Api,
}

/// Finds out who asks. Who says something wrong is told so, whatever it asked for: it would be shown less than it
/// thinks that there is.
pub(crate) async fn authenticate(
    State((mount, dialect)): State<(Mount, Dialect)>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match Credentials::of(request.headers()) {
        Credentials::None => Ok(Caller::anonymous()),
        Credentials::Token(token) => mount.caller_of(&token).await,
        Credentials::Malformed => Err(Error::Unauthorized {
            reason: "the `Authorization` header is neither `Bearer TOKEN` nor `Basic …`".to_owned(),
        }),
    };
    match caller {
        Ok(caller) => {
            let known = !caller.is_anonymous();
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            if known {
                keep_from_others(response.headers_mut());
            }
            ask_for_password(&mut response, dialect);
            response
        }
        Err(error) => {
            let door = mount.door(Caller::anonymous());
            let mut response = match dialect {
                Dialect::Oci => oci::refuse(&door, request.headers(), error),
                Dialect::Warg => warg::Failed::from(error).into_response(),
                Dialect::Api => api::Failed::from(error).into_response(),
            };
            ask_for_password(&mut response, dialect);
            response
        }
    }
}

/// What somebody was shown who said who they are, no cache between may show to others.
fn keep_from_others(headers: &mut HeaderMap) {
    let public = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    let private = public.and_then(|value| value.strip_prefix("public")).map(|rest| format!("private{rest}"));
    if let Some(value) = private.and_then(|value| HeaderValue::from_str(&value).ok()) {
        headers.insert(header::CACHE_CONTROL, value);
    }
    headers.append(header::VARY, HeaderValue::from_static("authorization"));
}

impl FromRequestParts<Mount> for Door {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, mount: &Mount) -> Result<Self, Infallible> {
        // Where nobody was asked who they are, nobody is anybody.
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::anonymous);
        Ok(mount.door(caller))
    }
}

/// Says to browsers and to our own client that a token, as a password, would help. The OCI door has its own way.
fn ask_for_password(response: &mut Response, dialect: Dialect) {
    if dialect != Dialect::Oci
        && response.status() == StatusCode::UNAUTHORIZED
        && let Ok(value) = HeaderValue::from_str(&Challenge::Basic.to_string())
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_clients_write_them() {
        let token = |text: &str| Credentials::Token(text.to_owned());
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (headers, expected) in [
            (vec![], Credentials::None),
            (vec!["Bearer abc".to_owned()], token("abc")),
            (vec!["bearer  abc".to_owned()], token("abc")),
            (vec![basic("alice:secret")], token("secret")),
            (vec![basic("alice:se:cret")], token("se:cret")),
            (vec![basic(":secret")], token("secret")),
            (vec![basic(":")], Credentials::None),
            (vec![basic("alice:")], token("")),
            (vec![basic("alice")], Credentials::Malformed),
            (vec!["Basic !!".to_owned()], Credentials::Malformed),
            (vec!["Basic".to_owned()], Credentials::Malformed),
            (vec!["Bearer ".to_owned()], Credentials::Malformed),
            (vec!["Digest x".to_owned()], Credentials::Malformed),
            (vec![String::new()], Credentials::Malformed),
            (vec!["Bearer abc".to_owned(), "Bearer abc".to_owned()], Credentials::Malformed),
        ] {
            let mut map = HeaderMap::new();
            for value in &headers {
                map.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(Credentials::of(&map), expected, "{headers:?}");
        }
    }
}
