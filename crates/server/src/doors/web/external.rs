//! Links out of a page, which come from strangers.

/// The address, if it may be a link: `http` or `https`, plain ASCII, and a host that doesn't pretend.
///
/// Everything else is shown as text. A name before an `@` would be read as the host by people, and by no browser.
pub(crate) fn link(text: &str) -> Option<&str> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://")?;
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let plain = rest.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`'));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    (web && plain && host && !authority.contains('@')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::link;

    #[test]
    fn a_link_is_http_and_says_where_it_leads() {
        for good in [
            "https://example.org",
            "http://example.org/a?b=c#d",
            "HTTPS://EXAMPLE.ORG/@user",
            "https://[::1]:8080/",
        ] {
            assert_eq!(link(good), Some(good));
        }
        assert_eq!(link(" https://example.org\n"), Some("https://example.org"));
        for bad in [
            "",
            "example.org",
            "javascript:alert(1)",
            "javascript://example.org/%0aalert(1)",
            "data:text/html,<script>",
            "ftp://example.org",
            "https://",
            "https:///example.org",
            "https://good.example@evil.example/",
            "https://good.example\\@evil.example/",
            "https://exämple.org/",
            "https://example.org/\u{202e}gnp",
            "https://example.org/ a",
            "https://example.org/\"onclick=\"",
            "java\nscript://example.org",
        ] {
            assert_eq!(link(bad), None, "{bad:?}");
        }
    }
}
