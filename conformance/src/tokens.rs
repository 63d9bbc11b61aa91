//! What a request needs to be let in: nothing, Basic, or a token for its scope (`spec/oci.md`, "Auth").

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::http::{self, Auth, Request};
use crate::outcome::Failure;
use crate::reply::Reply;

/// Who the run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user with a password.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// An API token.
    Token(String),
}

impl Credentials {
    /// The `Authorization` header for the token endpoint; of a token, any user's name does.
    pub(crate) fn basic(&self) -> String {
        match self {
            Self::Password { username, password } => basic(username, password),
            Self::Token(token) => basic("token", token),
        }
    }
}

/// `Basic …`
pub(crate) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// A challenge that a server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) scheme: String,
    pub(crate) values: BTreeMap<String, String>,
    /// Whether every value was quoted.
    pub(crate) quoted: bool,
}

impl Challenge {
    /// Reads `Bearer realm="…",service="…"`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.split_once(' ')?;
        let (mut values, mut quoted) = (BTreeMap::new(), true);
        while !rest.trim().is_empty() {
            let (key, after) = rest.split_once('=')?;
            let (value, after) = match after.strip_prefix('"') {
                Some(inside) => inside.split_once('"')?,
                None => {
                    quoted = false;
                    after.split_at(after.find(',').unwrap_or(after.len()))
                }
            };
            values.insert(key.trim().to_ascii_lowercase(), value.to_owned());
            rest = after.trim_start().strip_prefix(',').unwrap_or(after);
        }
        Some(Self { scheme: scheme.to_owned(), values, quoted })
    }

    pub(crate) fn value(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }
}

/// How the server lets people in, and the tokens that it gave.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) credentials: Option<Credentials>,
    challenge: Option<Challenge>,
    kept: Mutex<BTreeMap<String, String>>,
}

impl Tokens {
    /// Asks the server how it lets people in.
    pub(crate) async fn ask(host: &str, credentials: Option<Credentials>) -> Result<Self, Failure> {
        let reply = http::exchange(host, &Request::get("/v2/")).await?;
        let challenge = match reply.status {
            401 => reply.header("www-authenticate").and_then(Challenge::parse),
            _ => None,
        };
        if reply.status == 401 && credentials.is_none() {
            return Err(reply.unlike("to be let in, or --username and --password, or --token", "401"));
        }
        Ok(Self { credentials, challenge, kept: Mutex::default() })
    }

    /// Gives a request what it needs.
    pub(crate) async fn authorize(&self, host: &str, request: Request) -> Result<Request, Failure> {
        let (Auth::OfTheRun, Some(credentials), Some(challenge)) =
            (&request.auth, &self.credentials, &self.challenge)
        else {
            return Ok(request);
        };
        if !challenge.scheme.eq_ignore_ascii_case("bearer") {
            return Ok(request.auth(Auth::Exactly(credentials.basic())));
        }
        let scopes = scopes(&request.target);
        let kept = |of: &Self| of.kept.lock().ok().and_then(|kept| kept.get(&scopes).cloned());
        let token = match kept(self) {
            Some(token) => token,
            None => {
                let reply = self.token(host, &scopes, Auth::Exactly(credentials.basic())).await?;
                let token = token_of(&reply)?;
                if let Ok(mut kept) = self.kept.lock() {
                    kept.insert(scopes, token.clone());
                }
                token
            }
        };
        Ok(request.auth(Auth::Exactly(format!("Bearer {token}"))))
    }

    /// The path of the token endpoint, with the service in its query; `None` if there is no token flow.
    pub(crate) fn realm(&self) -> Option<String> {
        let challenge = self.challenge.as_ref()?;
        let realm = challenge.value("realm");
        let (_, rest) = realm.split_once("://")?;
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        let joint = if path.contains('?') { '&' } else { '?' };
        Some(format!("{path}{joint}service={}", challenge.value("service")))
    }

    /// Asks for a token: `scopes` separated by spaces, each of which is a parameter of its own.
    pub(crate) async fn token(&self, host: &str, scopes: &str, auth: Auth) -> Result<Reply, Failure> {
        let realm =
            self.realm().ok_or_else(|| Failure::new("GET /v2/", "a challenge with a realm", "none"))?;
        let query: String = scopes.split(' ').filter(|scope| !scope.is_empty()).map(parameter).collect();
        http::exchange(host, &Request::get(format!("{realm}{query}")).auth(auth)).await
    }
}

/// A scope as a query has it, whatever stands in the name that it is made of.
fn parameter(scope: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/,*".contains(&byte);
    let encoded = scope.bytes().map(|byte| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    format!("&scope={}", encoded.collect::<String>())
}

/// The token in a reply of the token endpoint.
pub(crate) fn token_of(reply: &Reply) -> Result<String, Failure> {
    let body: Value = reply.status(200)?.json()?;
    let token = body["token"].as_str().or(body["access_token"].as_str()).map(str::to_owned);
    token.ok_or_else(|| reply.unlike("a `token`", "none"))
}

/// The scopes that a request needs, separated by spaces: those of its repository, and to read where it mounts from.
fn scopes(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let below = path.strip_prefix("/v2/").unwrap_or_default();
    if below == "_catalog" {
        return "registry:catalog:*".to_owned();
    }
    let ends = ["/blobs/", "/manifests/", "/tags/", "/referrers/"];
    let Some(at) = ends.iter().filter_map(|end| below.rfind(end)).max() else { return String::new() };
    let name = decoded(below[..at].trim_end_matches('/'));
    let from = query.split('&').find_map(|pair| pair.strip_prefix("from=")).map(decoded);
    let from = from.map_or(String::new(), |from| format!(" repository:{from}:pull"));
    format!("repository:{name}:pull,push,delete{from}")
}

/// A text with its `%XX` decoded, where they can be.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%').and_then(|pair| hex::decode(pair).ok());
        bytes.push(pair.as_ref().map_or(*first, |decoded| decoded[0]));
        rest = if pair.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let text = r#"Bearer realm="https://h/v2/token",service="h",scope="repository:a:pull,push""#;
        let challenge = Challenge::parse(text).unwrap();
        assert!(challenge.quoted && challenge.scheme == "Bearer");
        assert_eq!(challenge.value("scope"), "repository:a:pull,push");
        assert_eq!(challenge.value("realm"), "https://h/v2/token");
        assert!(!Challenge::parse("Bearer realm=x,service=\"h\"").unwrap().quoted);
        assert_eq!(Challenge::parse("Basic realm=\"a, b\"").unwrap().value("realm"), "a, b");
    }

    #[test]
    fn a_request_needs_the_scope_of_its_repository() {
        for (target, needed) in [
            ("/v2/", ""),
            ("/v2/_catalog?n=1", "registry:catalog:*"),
            ("/v2/a/b/blobs/sha256:0", "repository:a/b:pull,push,delete"),
            ("/v2/a/blobs/uploads/", "repository:a:pull,push,delete"),
            ("/v2/a/blobs/uploads/?mount=x&from=c", "repository:a:pull,push,delete repository:c:pull"),
            ("/v2/a/blobs/uploads/00/manifests/x", "repository:a/blobs/uploads/00:pull,push,delete"),
            ("/v2/a/tags/list", "repository:a:pull,push,delete"),
            ("/v2/%61%2/tags/list", "repository:a%2:pull,push,delete"),
        ] {
            assert_eq!(scopes(target), needed, "{target}");
        }
    }
}
