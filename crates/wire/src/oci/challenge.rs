//! What a registry asks for: `WWW-Authenticate` (RFC 9110, section 11.6.1), of which Basic (RFC 7617) and Bearer with
//! a token server (the distribution project's token authentication) are understood.

use std::fmt;

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A user and a password.
    Basic,
    /// A token that the server at `realm` gives.
    Bearer {
        /// The URL of the token server.
        realm: String,
        /// Whom the token is for.
        service: Option<String>,
        /// What the token allows.
        scope: Option<String>,
    },
    /// Something else, by its name.
    Other(String),
}

impl Challenge {
    /// All challenges of one header.
    #[must_use]
    pub fn parse(header: &str) -> Vec<Self> {
        let mut found: Vec<(&str, Vec<(&str, String)>)> = Vec::new();
        for piece in pieces(header) {
            // `Scheme`, `Scheme name=value` or `name=value`.
            let (name, value) =
                piece.split_once('=').map_or((piece, None), |(name, value)| (name, Some(value)));
            let name = name.trim();
            let (scheme, name) = match (name.split_once(char::is_whitespace), value) {
                (Some((scheme, name)), _) => (Some(scheme), name.trim()),
                (None, None) => (Some(name), ""),
                (None, Some(_)) => (None, name),
            };
            found.extend(scheme.map(|scheme| (scheme, Vec::new())));
            if let (Some(value), Some((_, parameters))) = (value, found.last_mut()) {
                parameters.push((name, unquoted(value.trim())));
            }
        }
        found.into_iter().map(|(scheme, parameters)| Self::of(scheme, &parameters)).collect()
    }

    fn of(scheme: &str, parameters: &[(&str, String)]) -> Self {
        let get = |name: &str| {
            let its = parameters.iter().find(|(its, _)| its.eq_ignore_ascii_case(name));
            its.map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            return Self::Basic;
        }
        match get("realm") {
            Some(realm) if scheme.eq_ignore_ascii_case("bearer") => {
                Self::Bearer { realm, service: get("service"), scope: get("scope") }
            }
            _ => Self::Other(scheme.to_owned()),
        }
    }
}

/// As a server says it. Values hold no quotes or backslashes: they are made of parsed names.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic => f.write_str("Basic realm=\"wargate\""),
            Self::Bearer { realm, service, scope } => {
                write!(f, "Bearer realm=\"{realm}\"")?;
                for (name, value) in [("service", service), ("scope", scope)] {
                    if let Some(value) = value {
                        write!(f, ",{name}=\"{value}\"")?;
                    }
                }
                Ok(())
            }
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// What stands between the commas that are not in quotes.
fn pieces(header: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in header.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                pieces.push(&header[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&header[start..]);
    pieces.into_iter().map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let (mut text, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => break,
            _ => {
                text.push(c);
                escaped = false;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: own(service), scope: own(scope) }
    }

    #[test]
    fn challenges_are_read_as_servers_write_them() {
        let other = |scheme: &str| Challenge::Other(scheme.to_owned());
        for (header, expected) in [
            (r#"Basic realm="x""#, vec![Challenge::Basic]),
            ("basic", vec![Challenge::Basic]),
            (
                r#"Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push""#,
                vec![bearer("https://a/t", Some("s"), Some("repository:a/b:pull,push"))],
            ),
            (
                r#"Negotiate, BEARER Realm=https://a , Basic realm="a, b=\"c\"", charset="UTF-8""#,
                vec![other("Negotiate"), bearer("https://a", None, None), Challenge::Basic],
            ),
            ("Bearer", vec![other("Bearer")]),
            (r#"Bearer service="s""#, vec![other("Bearer")]),
            ("", vec![]),
            (", ,", vec![]),
            ("realm=x", vec![]),
            (r#"Bearer realm="never closed"#, vec![bearer("never closed", None, None)]),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn challenges_are_read_as_they_are_written() {
        for challenge in [
            Challenge::Basic,
            bearer("https://a/t", None, None),
            bearer("https://a/t", Some("a:80"), None),
            bearer("https://a/t", Some("a"), Some("repository:a/b:pull,push repository:c:pull")),
        ] {
            assert_eq!(Challenge::parse(&challenge.to_string()), [challenge]);
        }
    }
}
