//! Where pages are: every link inside the site is made here.

use std::fmt::Write as _;

use super::Site;

/// First parts of paths that other doors answer; a namespace of that name would have no pages.
pub const RESERVED_NAMESPACES: &[&str] =
    &["api", "assets", "healthz", "log", "metrics", "readyz", "v1", "v2"];

impl Site {
    /// The host and port, as in an OCI reference.
    pub(crate) fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }

    /// The path before every link: empty, unless the registry lives under one.
    pub(crate) fn base(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
    }

    /// Some file below the root.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.base())
    }

    /// The list, from a cursor on.
    pub(crate) fn list(&self, query: Option<&str>, after: Option<&str>) -> String {
        self.with_query("", query, after)
    }

    /// The list's twin.
    pub(crate) fn list_json(&self, query: Option<&str>, after: Option<&str>) -> String {
        self.with_query("index.json", query, after)
    }

    /// A package's page.
    pub(crate) fn package(&self, name: &str) -> String {
        // An empty part would make `//`, which leads to another host.
        let parts = name.splitn(2, ':').filter(|part| !part.is_empty()).map(encoded);
        self.path(&parts.collect::<Vec<_>>().join("/"))
    }

    /// A release's page.
    pub(crate) fn release(&self, name: &str, version: &str) -> String {
        format!("{}/{}", self.package(name), encoded(version))
    }

    /// The page of a log's keys: a package's, a namespace's, or the registry's own, whose name is empty.
    pub(crate) fn keys(&self, log: &str) -> String {
        match log {
            "" => self.path("-/keys"),
            package if package.contains(':') => format!("{}/keys", self.package(package)),
            namespace => self.path(&format!("{}/-/keys", encoded(namespace))),
        }
    }

    /// Its twin, from some index of the history back.
    pub(crate) fn keys_json(&self, log: &str, before: Option<u64>) -> String {
        let before = before.map(|index| format!("?before={index}")).unwrap_or_default();
        format!("{}.json{before}", self.keys(log))
    }

    fn with_query(&self, file: &str, query: Option<&str>, after: Option<&str>) -> String {
        let mut address = self.path(file);
        let given =
            [("q", query), ("after", after)].into_iter().filter_map(|(key, value)| Some((key, value?)));
        for (index, (key, value)) in given.enumerate() {
            address.push(if index == 0 { '?' } else { '&' });
            address.push_str(key);
            address.push('=');
            address.push_str(&encoded(value));
        }
        address
    }
}

/// A part of a path or a value of a query: RFC 3986's unreserved characters stay, all others are percent-encoded.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(url: &str) -> Site {
        Site { name: "registry".into(), url: url.into(), oci_prefix: String::new(), root_id: None }
    }

    #[test]
    fn links_begin_where_the_registry_lives() {
        for (url, host, package, list) in [
            ("https://wargate.example", "wargate.example", "/acme/hello", "/"),
            ("http://127.0.0.1:8090", "127.0.0.1:8090", "/acme/hello", "/"),
            ("https://example.org/wasm", "example.org", "/wasm/acme/hello", "/wasm/"),
            ("https://example.org/wasm/", "example.org", "/wasm/acme/hello", "/wasm/"),
        ] {
            let site = site(url);
            assert_eq!(site.host(), host);
            assert_eq!(site.package("acme:hello"), package);
            assert_eq!(site.list(None, None), list);
        }
    }

    #[test]
    fn what_is_put_into_a_link_stays_in_its_place() {
        let site = site("https://wargate.example");
        assert_eq!(site.release("acme:hello", "1.0.0-rc.1+b"), "/acme/hello/1.0.0-rc.1%2Bb");
        assert_eq!(site.release("a:b/../c", "1?#"), "/a/b%2F..%2Fc/1%3F%23");
        assert_eq!(site.package("no-namespace"), "/no-namespace");
        assert_eq!(site.package(":evil.example"), "/evil.example");
        assert_eq!(site.keys("acme:hello"), "/acme/hello/keys");
        assert_eq!((site.keys("acme"), site.keys("")), ("/acme/-/keys".to_owned(), "/-/keys".to_owned()));
        assert_eq!(site.keys_json("../x", Some(7)), "/..%2Fx/-/keys.json?before=7");
        assert_eq!(site.list(Some("a&after=b"), Some("ä")), "/?q=a%26after%3Db&after=%C3%A4");
        assert_eq!(site.list_json(None, Some("x")), "/index.json?after=x");
    }
}
