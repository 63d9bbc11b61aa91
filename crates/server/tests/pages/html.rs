//! A reader of just enough HTML to tell whether a page holds together.

/// An element's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

const VOID: &[&str] = &["meta", "link", "input", "br"];

/// All that our templates use: anything else got in from a value.
const KNOWN: &[&str] = &[
    "a", "aside", "body", "br", "button", "caption", "code", "dd", "details", "div", "dl", "dt", "footer",
    "form", "h1", "h2", "h3", "head", "header", "html", "input", "label", "li", "link", "main", "meta",
    "nav", "p", "pre", "script", "section", "span", "strong", "summary", "table", "tbody", "td", "th",
    "thead", "time", "title", "tr", "ul",
];

/// Every element of a page, or what is wrong with it.
pub(crate) fn read(page: &str) -> Result<Vec<Tag>, String> {
    let mut rest = page.strip_prefix("<!doctype html>").ok_or("no doctype")?;
    let mut open: Vec<String> = Vec::new();
    let mut tags = Vec::new();
    while let Some(at) = rest.find('<') {
        let near = rest[at..].chars().take(60).collect::<String>();
        if rest[..at].contains('>') {
            return Err(format!("a bare `>` before {near}"));
        }
        let end = rest[at..].find('>').ok_or_else(|| format!("no end: {near}"))? + at;
        let inner = &rest[at + 1..end];
        if let Some(name) = inner.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("{near} closes what is not open"));
            }
        } else {
            let tag = tag(inner).ok_or_else(|| format!("unreadable: {near}"))?;
            if !KNOWN.contains(&tag.name.as_str()) {
                return Err(format!("unknown: {near}"));
            }
            if !VOID.contains(&tag.name.as_str()) {
                open.push(tag.name.clone());
            }
            tags.push(tag);
        }
        rest = &rest[end + 1..];
    }
    if open.is_empty() { Ok(tags) } else { Err(format!("left open: {open:?}")) }
}

fn tag(inner: &str) -> Option<Tag> {
    let (name, mut rest) = inner.split_at(inner.find(' ').unwrap_or(inner.len()));
    let mut attributes = Vec::new();
    while let Some(after) = rest.strip_prefix(' ') {
        let end = after.find(['=', ' ']).unwrap_or(after.len());
        let key = &after[..end];
        let lowercase = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if !lowercase {
            return None;
        }
        let mut value = "";
        rest = &after[end..];
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let end = quoted.find('"')?;
            value = &quoted[..end];
            rest = &quoted[end + 1..];
        }
        attributes.push((key.to_owned(), value.to_owned()));
    }
    rest.is_empty().then(|| Tag { name: name.to_owned(), attributes })
}

#[test]
fn the_reader_sees_what_is_broken() {
    assert!(read("<!doctype html><p class=\"a\">x<br></p>").is_ok());
    for broken in [
        "<p></p>",
        "<!doctype html><p>",
        "<!doctype html><p></a>",
        "<!doctype html><p class=a></p>",
        "<!doctype html><p \"x\"></p>",
        "<!doctype html><img src=\"x\">",
        "<!doctype html>a > b<p></p>",
        "<!doctype html><p class=\"a></p>",
    ] {
        assert!(read(broken).is_err(), "{broken}");
    }
}
