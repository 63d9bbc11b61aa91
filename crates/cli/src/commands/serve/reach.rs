//! How clients reach a registry: the public URL, TLS, and proxies in front (`DESIGN.md`, "Access").
//!
//! On a loopback address nothing needs to be said. On any other one the public URL must be, and what encrypts: TLS by
//! the registry itself, proxies in front of it, or a plain word that nothing does.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use wargate_server::{ForwardedHeader, ProxyError, Tls, Transport, TrustedProxies};

use crate::error::CommandError;

/// What flags, environment and configuration say, together.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) public_url: Option<String>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) forwarded_header: Option<String>,
    pub(super) plain_http: bool,
}

/// What was said, checked.
#[derive(Debug)]
pub(super) struct Reach {
    /// The URL that all answers name; without it each answer names the address that it was asked at.
    pub(super) public_url: Option<String>,
    /// Whether it tells clients of a URL on another machine than their own.
    pub(super) is_public: bool,
    /// What lies in between.
    pub(super) transport: Transport,
    /// The URL of the address itself.
    pub(super) local_url: String,
}

impl Wanted {
    /// Checks it for a registry that listens at `address`.
    pub(super) fn check(self, address: &SocketAddr) -> Result<Reach, CommandError> {
        let tls = self.tls()?;
        let trusted_proxies = self.proxies()?;
        let public_url = self.public_url.as_deref().map(PublicUrl::parse).transpose()?;
        if let Some(url) = &public_url {
            self.check_encrypted(url, tls.is_some())?;
        }
        if !address.ip().to_canonical().is_loopback() {
            self.check_said(address, public_url.is_some(), tls.is_some() || !trusted_proxies.is_empty())?;
        }
        let is_public = public_url.as_ref().is_some_and(|url| !url.loopback);
        let local_url = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
        // A request does not tell that it came by TLS.
        let public_url = public_url.map(|url| url.text).or_else(|| tls.is_some().then(|| local_url.clone()));
        Ok(Reach { public_url, is_public, transport: Transport { tls, trusted_proxies }, local_url })
    }

    fn tls(&self) -> Result<Option<Tls>, CommandError> {
        let lacks = |given: &str, missing: &str| {
            Err(CommandError::config(format!("`{given}` is given without `{missing}`")).hint(
                "TLS needs both: a PEM file with the chain of certificates, and one with its private key",
            ))
        };
        match (&self.tls_cert, &self.tls_key) {
            (None, None) => Ok(None),
            (Some(_), None) => lacks("tls_cert", "tls_key"),
            (None, Some(_)) => lacks("tls_key", "tls_cert"),
            (Some(certificates), Some(key)) => Tls::read(certificates, key)
                .map(Some)
                .map_err(|error| CommandError::config(format!("no TLS: {error}"))),
        }
    }

    fn proxies(&self) -> Result<TrustedProxies, CommandError> {
        let bad = |key: &str, error: ProxyError| CommandError::config(format!("`{key}`: {error}"));
        let header = self.forwarded_header.as_deref().map(str::parse::<ForwardedHeader>).transpose();
        let header = header.map_err(|error| bad("forwarded_header", error))?.unwrap_or_default();
        TrustedProxies::new(self.trusted_proxies.iter().map(String::as_str), header)
            .map_err(|error| bad("trusted_proxies", error))
    }

    /// What is sent to the public URL is encrypted, unless the word was given.
    fn check_encrypted(&self, url: &PublicUrl, tls: bool) -> Result<(), CommandError> {
        let text = &url.text;
        if url.encrypted || (!tls && (self.plain_http || url.loopback)) {
            return Ok(());
        }
        if tls {
            return Err(CommandError::config(format!("the registry speaks TLS, its public URL is `{text}`"))
                .hint("write https:// in `public_url`"));
        }
        Err(CommandError::config(format!("to `{text}` tokens and content would go in the clear")).hint(
            "write https:// in `public_url` and give --tls-cert and --tls-key, or put a proxy in front that has a \
             certificate (docs/proxies.md); where clear text is meant, say --plain-http",
        ))
    }

    /// On an address that others reach, what they need to know was said.
    fn check_said(&self, address: &SocketAddr, url: bool, encrypted: bool) -> Result<(), CommandError> {
        if !url {
            return Err(CommandError::config(format!(
                "`{address}` can be reached by others, and nothing says under which URL"
            ))
            .hint("write `public_url = \"https://HOST\"` in the configuration, or give --public-url https://HOST"));
        }
        if !encrypted && !self.plain_http {
            return Err(CommandError::config(format!("nothing encrypts what goes to and from `{address}`")).hint(
                "give --tls-cert FILE and --tls-key FILE, or listen on 127.0.0.1 behind a proxy, or name the proxies \
                 that come from elsewhere with --trusted-proxies; where clear text is meant, say --plain-http",
            ));
        }
        Ok(())
    }
}

/// A URL that clients can be told.
#[derive(Debug)]
struct PublicUrl {
    /// Without a slash at its end.
    text: String,
    encrypted: bool,
    loopback: bool,
}

impl PublicUrl {
    fn parse(text: &str) -> Result<Self, CommandError> {
        let text = text.trim_end_matches('/');
        let bad = |reason: &str| {
            CommandError::config(format!("the public URL `{text}` {reason}")).hint(
                "it is `https://HOST`, or `https://HOST:PORT`: what clients write to reach the registry",
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("has no scheme"))?;
        let encrypted = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(bad("has another scheme than https or http")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let plain =
            |text: &str, more: &[u8]| text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b));
        if !plain(path, b"-._~/") {
            return Err(bad("has more behind its host than a path"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(bad("has no good port"));
        }
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = address.parse::<IpAddr>();
        if host.is_empty() || (address.is_err() && !plain(host, b".-")) {
            return Err(bad("has no good host"));
        }
        if address.as_ref().is_ok_and(IpAddr::is_unspecified) {
            return Err(bad("names no host: nobody can reach that address"));
        }
        let loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        Ok(Self { text: text.to_owned(), encrypted, loopback })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it says about them, or the public URL.
    fn checked(address: &str, wanted: Wanted) -> Result<Option<String>, String> {
        let reach = wanted.check(&address.parse().unwrap());
        reach.map(|reach| reach.public_url).map_err(|error| error.to_json().to_string())
    }

    fn wanted(url: &str, proxies: &[&str], plain_http: bool) -> Wanted {
        let trusted_proxies = proxies.iter().map(|proxy| (*proxy).to_owned()).collect();
        let public_url = Some(url.to_owned()).filter(|url| !url.is_empty());
        Wanted { public_url, trusted_proxies, plain_http, ..Wanted::default() }
    }

    #[test]
    fn off_loopback_it_must_be_said_where_it_is_and_what_encrypts() {
        const HERE: &str = "127.0.0.1:8090";
        const THERE: &str = "192.0.2.1:8090";
        const A: &str = "https://a.example";
        let proxy = &["192.0.2.9"][..];
        for (address, url, proxies, plain_http, expected) in [
            (HERE, "", &[][..], false, Ok("")),
            ("[::1]:8090", "", &[], false, Ok("")),
            ("[::ffff:127.0.0.1]:8090", "", &[], false, Ok("")),
            (HERE, "http://localhost:8090", &[], false, Ok("http://localhost:8090")),
            (HERE, "http://127.0.0.1:8090/", &[], false, Ok("http://127.0.0.1:8090")),
            (HERE, "http://[::1]:8090", &[], false, Ok("http://[::1]:8090")),
            (HERE, "https://a.example/", &[], false, Ok(A)),
            (HERE, "http://a.example", &[], false, Err("in the clear")),
            (HERE, "http://a.example", &[], true, Ok("http://a.example")),
            (THERE, "", &[], false, Err("nothing says under which URL")),
            (THERE, "", proxy, false, Err("public_url")),
            (THERE, "", &[], true, Err("public_url")),
            ("0.0.0.0:8090", "", &[], false, Err("--public-url")),
            ("[::]:8090", "", &[], false, Err("--public-url")),
            (THERE, A, &[], false, Err("nothing encrypts")),
            (THERE, A, proxy, false, Ok(A)),
            (THERE, A, &[], true, Ok(A)),
            (THERE, "http://a.example", proxy, false, Err("--plain-http")),
            (THERE, "http://a.example:8090", &[], true, Ok("http://a.example:8090")),
            (THERE, A, &["everybody"], false, Err("trusted_proxies")),
        ] {
            let said = checked(address, wanted(url, proxies, plain_http));
            match (&said, expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(found.as_deref().unwrap_or_default(), expected, "{address} {url}");
                }
                (Err(words), Err(expected)) => assert!(words.contains(expected), "{address} {url}: {words}"),
                _ => panic!("{address} {url} {proxies:?} {plain_http}: {said:?}"),
            }
        }
    }

    #[test]
    fn a_public_url_is_scheme_host_port_and_path_alone() {
        for good in ["https://a.example:8443", "https://a.example/registry", "https://[2001:db8::1]:8443"] {
            assert_eq!(checked("127.0.0.1:1", wanted(good, &[], false)), Ok(Some(good.to_owned())));
        }
        for bad in [
            "a.example",
            "ftp://a.example",
            "HTTPS://a.example",
            "https://",
            "https:///path",
            "https://a.example?x=1",
            "https://a.example/#top",
            "https://me:secret@a.example",
            "https://a example",
            "https://a.example:port",
            "https://a.example:",
            "https://a.example:99999",
            "https://[2001:db8::1",
            "https://0.0.0.0",
            "https://a.example/\"><script>",
        ] {
            let words = checked("127.0.0.1:1", wanted(bad, &[], false)).unwrap_err();
            assert!(words.contains("the public URL `") && words.contains("https://HOST"), "{bad}: {words}");
        }
    }

    #[test]
    fn half_of_tls_is_refused() {
        let half = |cert: Option<&str>, key: Option<&str>| Wanted {
            tls_cert: cert.map(PathBuf::from),
            tls_key: key.map(PathBuf::from),
            ..Wanted::default()
        };
        for (cert, key, words) in [
            (Some("/c"), None, "`tls_cert` is given without `tls_key`"),
            (None, Some("/k"), "`tls_key` is given without `tls_cert`"),
            (Some("/nonexistent/c"), Some("/k"), "couldn't read `/nonexistent/c`"),
        ] {
            assert!(checked("127.0.0.1:1", half(cert, key)).unwrap_err().contains(words));
        }
    }
}
