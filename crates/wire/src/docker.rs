//! Docker's `config.json`, which podman, oras and wkg share: what is kept for a host, or which program keeps it. The
//! caller reads the file and runs the program. (Docker CLI, "Configuration files" and "Credential helper protocol".)
//!
//! No failure repeats a part of the file: it is full of secrets.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

/// Largest configuration, and largest answer of a helper, in bytes.
const DOCKER_CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// Longest name of a helper, in bytes.
const HELPER_NAME_BYTES_MAX: usize = 64;

/// The user name by which a helper says that the secret is a token.
const TOKEN_USER: &str = "<token>";

/// What proves who asks.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Secret {
    /// A user and a password, or what stands for one.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// Docker's `identitytoken`: an OAuth 2 refresh token that the registry's token server changes for another.
    Identity(String),
    /// Docker's `registrytoken`: sent as it is.
    Token(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(..)",
            Self::Identity(_) => "Identity(..)",
            Self::Token(_) => "Token(..)",
        })
    }
}

/// Why a configuration or a helper's answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DockerError {
    /// Too large.
    #[error("it is larger than {DOCKER_CONFIG_BYTES_MAX} bytes")]
    TooLarge,
    /// Not of the form.
    #[error("it is malformed at line {line}, column {column}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column.
        column: usize,
    },
    /// The `auth` of the host is not one.
    #[error("`auth` of `{host}` is not the base64 of USER:PASSWORD")]
    Auth {
        /// The host.
        host: String,
    },
    /// The helper of the host has a name that no program would have.
    #[error("the credential helper of `{host}` has a malformed name")]
    HelperName {
        /// The host.
        host: String,
    },
}

/// What is kept for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The secret itself.
    Secret(Secret),
    /// Nothing here, but `docker-credential-NAME get` may know.
    Helper(String),
}

/// The part of the configuration that is about credentials.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerConfig {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Default, Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig").finish_non_exhaustive()
    }
}

impl DockerConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`DockerError::TooLarge`], [`DockerError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DockerError> {
        // An empty file is what `touch` and some tools leave.
        if bytes.len() <= DOCKER_CONFIG_BYTES_MAX && bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        parse(bytes)
    }

    /// What is kept for this host, in the order in which to try: its helper, else the store of all hosts; then what the
    /// file itself holds.
    ///
    /// # Errors
    /// [`DockerError::Auth`], [`DockerError::HelperName`].
    pub fn find(&self, host: &str) -> Result<Vec<Kept>, DockerError> {
        let mut found = Vec::new();
        let own = self.cred_helpers.as_ref().and_then(|helpers| helpers.get(host));
        let helper = own.filter(|name| !name.is_empty()).or(self.creds_store.as_ref());
        if let Some(name) = helper.filter(|name| !name.is_empty()) {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if name.len() > HELPER_NAME_BYTES_MAX || !name.bytes().all(plain) {
                return Err(DockerError::HelperName { host: host.to_owned() });
            }
            found.push(Kept::Helper(name.clone()));
        }
        if let Some(entry) = self.entry(host) {
            found.extend(entry.secret(host)?.map(Kept::Secret));
        }
        Ok(found)
    }

    /// By the host itself, else by a URL of it, as old versions of Docker wrote them.
    fn entry(&self, host: &str) -> Option<&Entry> {
        let auths = self.auths.as_ref()?;
        let of_url = || {
            auths.iter().find_map(|(key, entry)| {
                let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"))?;
                (rest.split('/').next() == Some(host)).then_some(entry)
            })
        };
        auths.get(host).or_else(of_url)?.as_ref()
    }
}

impl Entry {
    fn secret(&self, host: &str) -> Result<Option<Secret>, DockerError> {
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = some(&self.registrytoken) {
            return Ok(Some(Secret::Token(token)));
        }
        if let Some(token) = some(&self.identitytoken) {
            return Ok(Some(Secret::Identity(token)));
        }
        if let Some(auth) = some(&self.auth) {
            let decoded = BASE64.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            // Docker pads with zero bytes at times.
            let pair = decoded.as_deref().and_then(|text| text.trim_end_matches('\0').split_once(':'));
            let Some((user, password)) = pair.filter(|(user, _)| !user.is_empty()) else {
                return Err(DockerError::Auth { host: host.to_owned() });
            };
            return Ok(Some(Secret::Password { user: user.to_owned(), password: password.to_owned() }));
        }
        let pair = some(&self.username).zip(some(&self.password));
        Ok(pair.map(|(user, password)| Secret::Password { user, password }))
    }
}

/// What a helper answers to `get`.
///
/// # Errors
/// [`DockerError::TooLarge`], [`DockerError::Malformed`].
pub fn helper_answer(bytes: &[u8]) -> Result<Secret, DockerError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let Answer { username: user, secret } = parse(bytes)?;
    Ok(if user == TOKEN_USER {
        Secret::Identity(secret)
    } else {
        Secret::Password { user, password: secret }
    })
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DockerError> {
    if bytes.len() > DOCKER_CONFIG_BYTES_MAX {
        return Err(DockerError::TooLarge);
    }
    // A list would pass for an object whose fields all have defaults.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(DockerError::Malformed { line: 1, column: 1 });
    }
    // Its own words may repeat what stands there.
    serde_json::from_slice(bytes)
        .map_err(|error| DockerError::Malformed { line: error.line(), column: error.column() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "registry.example:5000";

    fn password(user: &str, password: &str) -> Kept {
        Kept::Secret(Secret::Password { user: user.to_owned(), password: password.to_owned() })
    }

    fn find(text: &str) -> Result<Vec<Kept>, DockerError> {
        DockerConfig::decode(text.as_bytes()).and_then(|config| config.find(HOST))
    }

    #[test]
    fn what_is_kept_for_a_host_is_found_in_every_shape() {
        let helper = |name: &str| Kept::Helper(name.to_owned());
        let auth = BASE64.encode("alice:s3:cret");
        let of = |entry: &str| format!(r#"{{"auths": {{"{HOST}": {entry}}}}}"#);
        for (text, expected) in [
            (String::new(), vec![]),
            ("{}".to_owned(), vec![]),
            (r#"{"auths": null, "credHelpers": null, "credsStore": "", "other": [1]}"#.to_owned(), vec![]),
            (of("{}"), vec![]),
            (of("null"), vec![]),
            (of(&format!(r#"{{"auth": "{auth}", "email": "x"}}"#)), vec![password("alice", "s3:cret")]),
            (of(&format!(r#"{{"auth": "{}"}}"#, BASE64.encode("a:b\0\0"))), vec![password("a", "b")]),
            (of(r#"{"username": "u", "password": "p"}"#), vec![password("u", "p")]),
            (
                of(r#"{"auth": "eDp5", "identitytoken": "t"}"#),
                vec![Kept::Secret(Secret::Identity("t".into()))],
            ),
            (of(r#"{"registrytoken": "t"}"#), vec![Kept::Secret(Secret::Token("t".into()))]),
            (
                format!(r#"{{"auths": {{"https://{HOST}/v1/": {{"auth": "eDp5"}}}}}}"#),
                vec![password("x", "y")],
            ),
            // Another host's, another port's, a part of the name, or one repository's.
            (r#"{"auths": {"registry.example": {"auth": "eDp5"}}}"#.to_owned(), vec![]),
            (format!(r#"{{"auths": {{"{HOST}/acme": {{"auth": "eDp5"}}}}}}"#), vec![]),
            (format!(r#"{{"auths": {{"https://{HOST}.evil/": {{"auth": "eDp5"}}}}}}"#), vec![]),
            (r#"{"credsStore": "pass"}"#.to_owned(), vec![helper("pass")]),
            (format!(r#"{{"credsStore": "pass", "credHelpers": {{"{HOST}": "own"}}}}"#), vec![helper("own")]),
            (
                format!(r#"{{"credsStore": "pass", "auths": {{"{HOST}": {{"auth": "eDp5"}}}}}}"#),
                vec![helper("pass"), password("x", "y")],
            ),
        ] {
            assert_eq!(find(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_configuration_is_refused_and_not_repeated() {
        let of = |entry: &str| format!(r#"{{"auths": {{"{HOST}": {entry}}}}}"#);
        for text in [
            "not JSON".to_owned(),
            "[]".to_owned(),
            r#"{"auths": "hunter2"}"#.to_owned(),
            r#"{"auths": {"x": "hunter2"}}"#.to_owned(),
            of(r#"{"auth": 12}"#),
            of(r#"{"auth": "hunter2!"}"#),
            of(&format!(r#"{{"auth": "{}"}}"#, BASE64.encode("hunter2"))),
            of(&format!(r#"{{"auth": "{}"}}"#, BASE64.encode(":hunter2"))),
            of(&format!(r#"{{"auth": "{}"}}"#, BASE64.encode(b"\xff:hunter2"))),
            r#"{"credsStore": "../hunter2"}"#.to_owned(),
            r#"{"credsStore": "a hunter2"}"#.to_owned(),
            format!(r#"{{"credsStore": "{}"}}"#, "hunter2".repeat(100)),
            "[".repeat(100_000),
            format!(r#"{{"auths": {{}}, "x": {}"#, "[".repeat(100_000)),
            " {}".repeat(DOCKER_CONFIG_BYTES_MAX),
        ] {
            let refused = find(&text).expect_err(&text[..text.len().min(100)]).to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn a_helper_answers_with_a_password_or_a_token() {
        let answer = helper_answer(br#"{"ServerURL": "x", "Username": "u", "Secret": "s"}"#).unwrap();
        assert_eq!(Kept::Secret(answer), password("u", "s"));
        let token = helper_answer(br#"{"Username": "<token>", "Secret": "t"}"#).unwrap();
        assert_eq!(token, Secret::Identity("t".to_owned()));
        for garbage in ["", "hunter2", r#"{"Username": "hunter2"}"#] {
            let refused = helper_answer(garbage.as_bytes()).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
