//! Credentials on the way: when they are sent, and to whom.
//!
//! They are looked for when the registry asks (401) and go to the registry's own origin alone, over https or within
//! this machine; never to where it redirects, and never to another place that has content. A token server is named by
//! the registry itself, whose credentials they are; it is held to https too and never followed elsewhere.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use futures::StreamExt as _;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use wargate_wire::docker::Secret;
use wargate_wire::oci::challenge::Challenge;

use crate::credentials::{CredentialSource, Credentials};
use crate::error::{Error, Unauthorized};
use crate::fetch::{cause, client};

/// Largest answer of a token server, in bytes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// How long a token server may take.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

/// The name by which a token server knows this client.
const CLIENT_ID: &str = "wargate";

/// What the registry took, or is about to be offered.
#[derive(Clone)]
enum Granted {
    Password { user: String, password: String },
    Token(String),
}

impl Granted {
    fn on(&self, request: RequestBuilder) -> RequestBuilder {
        // Both mark the header as sensitive, so that nothing below shows it.
        match self {
            Self::Password { user, password } => request.basic_auth(user, Some(password)),
            Self::Token(token) => request.bearer_auth(token),
        }
    }
}

/// What a token server answers.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// What the source said.
type Found = Result<Option<Credentials>, String>;

/// Access to one registry.
#[derive(Clone)]
pub(crate) struct Access {
    registry: Url,
    source: Option<Arc<dyn CredentialSource>>,
    /// It is asked once.
    found: Arc<Mutex<Option<Found>>>,
    granted: Arc<Mutex<Option<Granted>>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("registry", &self.registry.as_str()).finish_non_exhaustive()
    }
}

impl Access {
    pub(crate) fn new(registry: Url) -> Self {
        Self { registry, source: None, found: Arc::default(), granted: Arc::default() }
    }

    pub(crate) fn registry(&self) -> &Url {
        &self.registry
    }

    pub(crate) fn ask(&mut self, source: Arc<dyn CredentialSource>) {
        self.source = Some(source);
    }

    /// Sends what `build` makes, with what the registry asks for if that is to be had. What is not the registry's own
    /// gets nothing.
    pub(crate) async fn send(
        &self,
        url: &str,
        build: impl Fn() -> RequestBuilder,
    ) -> Result<Response, Error> {
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            url: url.to_owned(),
            reason: cause(&error.without_url()),
        };
        let own = Url::parse(url).is_ok_and(|url| url.origin() == self.registry.origin());
        let granted = own.then(|| lock(&self.granted).clone()).flatten();
        let before = granted.is_some();
        let request = granted.iter().fold(build(), |request, granted| granted.on(request));
        let response = request.send().await.map_err(unreachable)?;
        let challenges = challenges(&response);
        if response.status() != StatusCode::UNAUTHORIZED || challenges.is_empty() {
            return Ok(response);
        }
        let refused = |asking: &Url, reason: Unauthorized| Error::Unauthorized {
            url: url.to_owned(),
            host: host(asking),
            reason,
        };
        let elsewhere = |asking: &Url| {
            let reason = Unauthorized::Elsewhere { registry: host(&self.registry) };
            (!own || asking.origin() != self.registry.origin()).then(|| refused(asking, reason))
        };
        elsewhere(response.url()).map_or(Ok(()), Err)?;
        let granted = self.grant(&challenges, before).await;
        let (granted, from) = granted.map_err(|reason| refused(&self.registry, reason))?;
        // On a redirect to another origin the HTTP client takes them off again.
        let response = granted.on(build()).send().await.map_err(unreachable)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let not_taken = refused(&self.registry, Unauthorized::NotTaken { from });
            return Err(elsewhere(response.url()).unwrap_or(not_taken));
        }
        *lock(&self.granted) = Some(granted);
        Ok(response)
    }

    /// What answers the challenges, and where it is from.
    async fn grant(
        &self,
        challenges: &[Challenge],
        before: bool,
    ) -> Result<(Granted, Option<String>), Unauthorized> {
        if !is_private(&self.registry) {
            return Err(Unauthorized::NotPrivate);
        }
        let credentials = self.find().await?;
        let from = credentials.as_ref().map(|credentials| credentials.from.clone());
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service, scope } => Some((realm, service, scope)),
            _ => None,
        });
        let basic = challenges.contains(&Challenge::Basic);
        let unusable = |asked: &str| Unauthorized::Unusable { asked: asked.to_owned(), from: from.clone() };
        match (credentials.map(|credentials| credentials.secret), bearer) {
            (Some(Secret::Token(token)), Some(_)) => Ok((Granted::Token(token), from)),
            (secret, Some((realm, service, scope))) => {
                let asked: Vec<(&str, &str)> = [("service", service), ("scope", scope)]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value.as_deref()?)))
                    .collect();
                Ok((Granted::Token(self.token(realm, &asked, secret).await?), from))
            }
            (Some(Secret::Password { .. }), None) if basic && before => Err(Unauthorized::NotTaken { from }),
            (Some(Secret::Password { user, password }), None) if basic => {
                Ok((Granted::Password { user, password }, from))
            }
            (None, None) if basic => Err(Unauthorized::Missing),
            (Some(_), None) if basic => Err(unusable("Basic")),
            _ => {
                let names = challenges.iter().filter_map(|challenge| match challenge {
                    Challenge::Other(name) => {
                        Some(name.chars().filter(|c| !c.is_control()).take(40).collect())
                    }
                    _ => None,
                });
                Err(unusable(&names.collect::<Vec<String>>().join(", ")))
            }
        }
    }

    /// Asks the source, the first time.
    async fn find(&self) -> Result<Option<Credentials>, Unauthorized> {
        let known = lock(&self.found).clone();
        let found = match (known, &self.source) {
            (Some(known), _) => known,
            (None, None) => Ok(None),
            (None, Some(source)) => {
                let (source, host) = (source.clone(), host(&self.registry));
                let found = tokio::task::spawn_blocking(move || source.find(&host)).await;
                let found = found.unwrap_or_else(|_| Err("looking for them failed".to_owned()));
                *lock(&self.found) = Some(found.clone());
                found
            }
        };
        found.map_err(|reason| Unauthorized::Failed { reason })
    }

    /// A token of the token server, for nobody if there is no secret.
    async fn token(
        &self,
        realm: &str,
        asked: &[(&str, &str)],
        secret: Option<Secret>,
    ) -> Result<String, Unauthorized> {
        let failed = |reason: String| Unauthorized::TokenServer {
            realm: realm.chars().filter(|c| !c.is_control()).take(200).collect(),
            reason,
        };
        let url = Url::parse(realm).map_err(|error| failed(error.to_string()))?;
        // A registry elsewhere has no business with this machine's own servers.
        let private = url.scheme() == "https" || (is_private(&url) && is_loopback(&self.registry));
        if !private || !url.username().is_empty() || url.password().is_some() {
            return Err(failed("it is no https URL".to_owned()));
        }
        let http = client(&url, reqwest::redirect::Policy::none())
            .timeout(TOKEN_TIMEOUT)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let is_anonymous = secret.is_none();
        let response = request(&http, url, asked, secret).send().await;
        let response = response.map_err(|error| failed(cause(&error.without_url())))?;
        let status = response.status();
        if is_anonymous && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(Unauthorized::Missing);
        }
        if !status.is_success() {
            return Err(failed(format!("it answered {}", status.as_u16())));
        }
        // What it says is not repeated: it may be a secret.
        let body =
            small(response).await.ok_or_else(|| failed("its answer is cut or too large".to_owned()))?;
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| failed("its answer is no token".to_owned()))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        token.ok_or_else(|| failed("its answer has no token".to_owned()))
    }
}

/// How a token is asked for: with GET and Basic, or the OAuth 2 way for a refresh token.
fn request(http: &Client, mut url: Url, asked: &[(&str, &str)], secret: Option<Secret>) -> RequestBuilder {
    if let Some(Secret::Identity(refresh)) = &secret {
        let own =
            [("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("refresh_token", refresh.as_str())];
        let mut form = url.clone();
        form.set_query(None);
        form.query_pairs_mut().extend_pairs(own).extend_pairs(asked);
        let body = form.query().unwrap_or_default().to_owned();
        return http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
    }
    url.query_pairs_mut().extend_pairs(asked);
    match secret {
        Some(Secret::Password { user, password }) => http.get(url).basic_auth(user, Some(password)),
        _ => http.get(url),
    }
}

async fn small(response: Response) -> Option<BytesMut> {
    let mut body = BytesMut::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        body.extend_from_slice(&piece.ok()?);
        if body.len() > TOKEN_BYTES_MAX {
            return None;
        }
    }
    Some(body)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn challenges(response: &Response) -> Vec<Challenge> {
    let headers = response.headers().get_all(WWW_AUTHENTICATE).into_iter();
    headers.filter_map(|header| header.to_str().ok()).flat_map(Challenge::parse).collect()
}

/// `HOST` or `HOST:PORT`, as credentials are kept by.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether nobody between can read what is sent.
fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Whether it is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_https_or_within_this_machine() {
        for (url, private, its_host) in [
            ("https://registry.example", true, "registry.example"),
            ("https://registry.example:443", true, "registry.example"),
            ("https://registry.example:8443/x", true, "registry.example:8443"),
            ("http://registry.example", false, "registry.example"),
            ("http://127.0.0.1:8090", true, "127.0.0.1:8090"),
            ("http://[::1]:1", true, "[::1]:1"),
            ("http://localhost", true, "localhost"),
            ("http://localhost.example", false, "localhost.example"),
            ("http://127.0.0.1.example", false, "127.0.0.1.example"),
            ("ftp://localhost", false, "localhost"),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!((is_private(&url), host(&url).as_str()), (private, its_host), "{url}");
        }
    }

    #[test]
    fn nothing_that_is_shown_has_a_secret() {
        let password = Secret::Password { user: "alice".to_owned(), password: "hunter2".to_owned() };
        let secrets = [password, Secret::Identity("hunter2".to_owned()), Secret::Token("hunter2".to_owned())];
        for secret in secrets {
            let credentials = Credentials { secret, from: "a place".to_owned() };
            let access = Access::new(Url::parse("https://registry.example").unwrap());
            *lock(&access.found) = Some(Ok(Some(credentials.clone())));
            let shown = format!("{credentials:?} {access:?}");
            assert!(!shown.contains("hunter2") && !shown.contains("alice"), "{shown}");
        }
    }
}
