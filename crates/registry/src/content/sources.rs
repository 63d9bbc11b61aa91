//! Content that stays at a publisher's own URL: allowed where the operator names the host.

use wargate_core::digest::Digest;

use crate::config::Config;
use crate::error::Error;
use crate::limits::{SOURCE_URL_BYTES_MAX, SOURCES_PER_CONTENT_MAX};

/// A place outside that has some content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentSource {
    /// An `https` URL.
    pub url: String,
    /// The size that the publisher told, in bytes.
    pub size: Option<u64>,
}

/// Checks the sources that came with a record: each for content that the record names, at an allowed host.
pub(crate) fn check<'a>(
    config: &Config,
    contents: &[Digest],
    sources: &'a [(Digest, Vec<ContentSource>)],
) -> Result<Vec<(Digest, &'a ContentSource)>, Error> {
    let mut links = Vec::new();
    for (digest, places) in sources {
        if !contents.contains(digest) {
            return Err(Error::Invalid {
                reason: format!(
                    "a content source is given for `{digest}`, which the record does not release"
                ),
            });
        }
        if places.len() > SOURCES_PER_CONTENT_MAX {
            return Err(Error::Invalid {
                reason: format!("more than {SOURCES_PER_CONTENT_MAX} sources are given for `{digest}`"),
            });
        }
        for source in places {
            check_url(config, &source.url)?;
            links.push((*digest, source));
        }
    }
    Ok(links)
}

fn check_url(config: &Config, url: &str) -> Result<(), Error> {
    let invalid = |what: &str| Error::Invalid { reason: format!("the content source is refused: {what}") };
    if url.len() > SOURCE_URL_BYTES_MAX {
        return Err(invalid("its URL is too long"));
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid("its URL holds characters that must be percent-encoded"));
    }
    let rest = url.strip_prefix("https://").ok_or_else(|| invalid("its URL is not `https`"))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains('@') {
        return Err(invalid("its URL has no plain host"));
    }
    if config.link_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    Err(Error::Unsupported {
        reason: format!(
            "this registry does not link content at `{host}`: publish without content sources and upload it"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wargate_core::key::{Algorithm, SecretKey};

    #[test]
    fn only_named_hosts_over_https_are_linked() {
        let mut config = Config::new("x/log", SecretKey::from_bytes(Algorithm::EcdsaP256, [1; 32]).unwrap());
        config.link_hosts = vec!["cdn.example".to_owned()];
        check_url(&config, "https://cdn.example/a.wasm").unwrap();
        for bad in [
            "http://cdn.example/a.wasm",
            "https://cdn.example@evil.example/a",
            "https://cdn.example:444/a",
            "https://evil.example/https://cdn.example",
            "https:///a",
            "https://cdn.example/a b",
            "file:///etc/passwd",
        ] {
            assert!(check_url(&config, bad).is_err(), "{bad}");
        }
    }
}
