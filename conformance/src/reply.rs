//! A reply, and what rules want of it.

use serde_json::Value;

use crate::digest::Digest;
use crate::outcome::Failure;

/// The codes that an error body may have (`spec/oci.md`, "Endpoints").
pub(crate) const CODES: [&str; 14] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
];

/// A reply with all that came.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// The request, as a failure names it.
    pub(crate) named: String,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
    /// Bytes after the end of the reply.
    pub(crate) stray_bytes: usize,
}

impl Reply {
    /// Reads a head.
    pub(crate) fn head(named: String, head: &[u8]) -> Result<Self, Failure> {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        let Some(status) = status else { return Err(Failure::new(named, "an HTTP reply", first)) };
        let pair = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.filter_map(pair).collect();
        Ok(Self { named, status, headers, bytes: Vec::new(), stray_bytes: 0 })
    }

    /// All lines of a header.
    pub(crate) fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let with_name = move |line: &&'a (String, String)| line.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(with_name).map(|(_, value)| value.as_str())
    }

    /// The first line of a header.
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.lines(name).next()
    }

    /// A failure at this reply.
    pub(crate) fn unlike(&self, expected: impl AsRef<str>, seen: impl AsRef<str>) -> Failure {
        Failure::new(&self.named, expected, seen)
    }

    fn shown(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.bytes)).trim_end().to_owned()
    }

    pub(crate) fn status(&self, status: u16) -> Result<&Self, Failure> {
        self.status_in(&[status])
    }

    pub(crate) fn status_in(&self, statuses: &[u16]) -> Result<&Self, Failure> {
        if statuses.contains(&self.status) {
            return Ok(self);
        }
        let expected: Vec<String> = statuses.iter().map(u16::to_string).collect();
        Err(self.unlike(expected.join(" or "), self.shown()))
    }

    /// Exactly one line of a header, with this value.
    pub(crate) fn has(&self, name: &str, value: impl AsRef<str>) -> Result<&Self, Failure> {
        let value = value.as_ref();
        let lines: Vec<&str> = self.lines(name).collect();
        if lines == [value] {
            return Ok(self);
        }
        let seen = if lines.is_empty() { "no such header".to_owned() } else { lines.join(" | ") };
        Err(self.unlike(format!("`{name}: {value}`"), format!("{} with {seen}", self.status)))
    }

    pub(crate) fn lacks(&self, name: &str) -> Result<&Self, Failure> {
        match self.header(name) {
            None => Ok(self),
            Some(value) => Err(self.unlike(format!("no header `{name}`"), value)),
        }
    }

    /// The value of a header that must be there.
    pub(crate) fn must<'a>(&'a self, name: &'a str) -> Result<&'a str, Failure> {
        self.header(name).ok_or_else(|| {
            let seen = format!("{} without it", self.status);
            self.unlike(format!("a header `{name}`"), seen)
        })
    }

    /// The value of a header holds a text.
    pub(crate) fn mentions(&self, name: &str, text: &str) -> Result<&Self, Failure> {
        let value = self.must(name)?;
        if value.contains(text) {
            return Ok(self);
        }
        Err(self.unlike(format!("`{text}` in `{name}`"), value))
    }

    /// The media type without parameters.
    pub(crate) fn media_type(&self, media_type: &str) -> Result<&Self, Failure> {
        let value = self.must("content-type")?;
        if value.split(';').next().unwrap_or_default().trim() == media_type {
            return Ok(self);
        }
        Err(self.unlike(format!("`content-type: {media_type}`"), value))
    }

    /// These bytes and no others.
    pub(crate) fn body(&self, bytes: &[u8]) -> Result<&Self, Failure> {
        if self.bytes == bytes {
            return Ok(self);
        }
        let expected = format!("the {} bytes of {}", bytes.len(), Digest::of(bytes));
        let seen = format!("{} with {} bytes of {}", self.status, self.bytes.len(), Digest::of(&self.bytes));
        Err(self.unlike(expected, seen))
    }

    /// Nothing after the head.
    pub(crate) fn no_body(&self) -> Result<&Self, Failure> {
        match self.bytes.len() + self.stray_bytes {
            0 => Ok(self),
            count => Err(self.unlike("no body", format!("{} with {count} bytes", self.status))),
        }
    }

    pub(crate) fn digest(&self, digest: &Digest) -> Result<&Self, Failure> {
        self.has("docker-content-digest", digest.to_string())
    }

    pub(crate) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| self.unlike("JSON", format!("{}: {error}", self.shown())))
    }

    /// The codes of an error body in the shape that clients can read.
    pub(crate) fn codes(&self) -> Result<Vec<String>, Failure> {
        self.media_type("application/json")?;
        let body = self.json()?;
        let shape = || self.unlike("an error body `{\"errors\":[{\"code\",\"message\"}]}`", self.shown());
        let errors = body["errors"].as_array().filter(|errors| !errors.is_empty()).ok_or_else(shape)?;
        let mut codes = Vec::with_capacity(errors.len());
        for error in errors {
            error["message"].as_str().ok_or_else(shape)?;
            codes.push(error["code"].as_str().ok_or_else(shape)?.to_owned());
        }
        match codes.iter().find(|code| !CODES.contains(&code.as_str())) {
            Some(code) => Err(self.unlike("a code of the specification", code)),
            None => Ok(codes),
        }
    }

    /// An error with this status and code.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Result<&Self, Failure> {
        self.refused_as(&[(status, code)])
    }

    /// An error with one of these pairs of status and code.
    pub(crate) fn refused_as(&self, allowed: &[(u16, &str)]) -> Result<&Self, Failure> {
        let expected: Vec<String> = allowed.iter().map(|(status, code)| format!("{status} {code}")).collect();
        let expected = expected.join(" or ");
        if !allowed.iter().any(|(status, _)| *status == self.status) {
            return Err(self.unlike(expected, self.shown()));
        }
        let codes = self.codes()?;
        let fits =
            |(status, code): &(u16, &str)| *status == self.status && codes.iter().all(|its| its == code);
        if allowed.iter().any(fits) { Ok(self) } else { Err(self.unlike(expected, self.shown())) }
    }

    /// The path that `Location` leads to on the same server.
    pub(crate) fn location(&self) -> Result<String, Failure> {
        let value = self.must("location")?;
        let path = match value.split_once("://") {
            Some((_, rest)) => rest.find('/').map(|at| &rest[at..]),
            None => Some(value).filter(|value| value.starts_with('/')),
        };
        path.map(str::to_owned).ok_or_else(|| self.unlike("a Location with a path", value))
    }

    /// `Location` leads to this path.
    pub(crate) fn leads_to(&self, path: &str) -> Result<&Self, Failure> {
        let location = self.location()?;
        if location == path { Ok(self) } else { Err(self.unlike(format!("Location {path}"), location)) }
    }

    /// The path of `Link: <…>; rel="next"`.
    pub(crate) fn next_page(&self) -> Result<Option<String>, Failure> {
        let Some(link) = self.header("link") else { return Ok(None) };
        let bad = || self.unlike("`Link: <URL>; rel=\"next\"`", link);
        let (url, rel) = link.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or_else(bad)?;
        if !rel.replace(' ', "").contains("rel=\"next\"") {
            return Err(bad());
        }
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.find('/').map(|at| &rest[at..]),
            None => Some(url).filter(|url| url.starts_with('/')),
        };
        path.map(|path| Some(path.to_owned())).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(head: &str, body: &str) -> Reply {
        let mut reply = Reply::head("GET /x".to_owned(), head.as_bytes()).unwrap();
        reply.bytes = body.as_bytes().to_vec();
        reply
    }

    #[test]
    fn an_error_must_have_the_shape_and_a_known_code() {
        let head = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n";
        let good = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no"}]}"#;
        reply(head, good).refused(404, "NAME_UNKNOWN").unwrap();
        for bad in [
            "",
            "{}",
            r#"{"errors":[]}"#,
            r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#,
            r#"{"errors":[{"code":"UNKNOWN","message":"no"}]}"#,
            r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"no"}]}"#,
            r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no"},{"code":"DENIED","message":"no"}]}"#,
        ] {
            assert!(reply(head, bad).refused(404, "NAME_UNKNOWN").is_err(), "{bad}");
        }
        assert!(reply(head, good).refused(400, "NAME_UNKNOWN").is_err());
        let plain = head.replace("application/json", "text/plain");
        assert!(reply(&plain, good).refused(404, "NAME_UNKNOWN").is_err());
    }

    #[test]
    fn a_header_is_wanted_once_and_exactly() {
        let head = "HTTP/1.1 200 OK\r\nA: 1\r\nB: 1\r\nb: 1\r\nLocation: http://h/v2/x\r\n\r\n";
        let reply = reply(head, "");
        assert!(reply.has("a", "1").is_ok() && reply.has("a", "2").is_err());
        assert!(reply.has("b", "1").is_err() && reply.has("c", "1").is_err());
        assert!(reply.lacks("c").is_ok() && reply.lacks("a").is_err());
        assert_eq!(reply.location().unwrap(), "/v2/x");
    }

    #[test]
    fn a_link_must_lead_to_the_next_page() {
        let link = |value: &str| reply(&format!("HTTP/1.1 200 OK\r\nLink: {value}\r\n\r\n"), "").next_page();
        assert_eq!(link("</a?n=1>; rel=\"next\"").unwrap().unwrap(), "/a?n=1");
        assert_eq!(link("<http://h/a>;rel=\"next\"").unwrap().unwrap(), "/a");
        for bad in ["/a", "</a>", "</a>; rel=\"prev\"", "<a>; rel=\"next\""] {
            assert!(link(bad).is_err(), "{bad}");
        }
    }
}
