//! As much of a registry as the rules about tokens need: everything in memory, and a token for every right.

mod rights;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(crate) use rights::Fault;
use rights::{Rights, Who};

/// Who may do everything.
pub(crate) const USERNAME: &str = "me";
/// Its password, which is an API token, too.
pub(crate) const PASSWORD: &str = "open+sesame/100%";

/// A running registry.
pub(crate) struct Registry {
    pub(crate) url: String,
}

#[derive(Default)]
struct Content {
    blobs: BTreeMap<(String, String), Vec<u8>>,
    manifests: BTreeMap<(String, String), Vec<u8>>,
    sessions: BTreeMap<String, Vec<u8>>,
    begun: usize,
}

pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"no\"}}]}}");
        Self::new(status, body).with("Content-Type", "application/json")
    }
}

impl Request {
    /// All values of a key, decoded as those of a form.
    pub(crate) fn all(text: &str, key: &str) -> Vec<String> {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(its, _)| *its == key).map(|(_, value)| decoded(&value.replace('+', "%20"))).collect()
    }

    pub(crate) fn first(text: &str, key: &str) -> Option<String> {
        Self::all(text, key).into_iter().next()
    }

    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (mut length, mut authorization) = (0, None);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "authorization" => authorization = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self { method, path: path.to_owned(), query: query.to_owned(), authorization, body })
    }
}

/// A text with its `%XX` decoded.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

impl Registry {
    /// Starts one that lives as long as the test.
    pub(crate) fn start(fault: Option<Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let url = format!("http://{host}");
        let content = Arc::new(Mutex::new(Content::default()));
        let rights = Arc::new(Rights::new(host, fault));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (content, rights) = (content.clone(), rights.clone());
                std::thread::spawn(move || serve(&stream, &content, &rights));
            }
        });
        Self { url }
    }
}

fn serve(mut stream: &TcpStream, content: &Mutex<Content>, rights: &Rights) {
    let Some(request) = Request::read(stream) else { return };
    let reply = answer(&request, content, rights);
    let mut head = format!("HTTP/1.1 {} x\r\nConnection: close\r\n", reply.status);
    if !rights.has(Fault::NoVersion) {
        head.push_str("Docker-Distribution-Api-Version: registry/2.0\r\n");
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if reply.status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
    }
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(b"\r\n")).unwrap();
    if request.method != "HEAD" || rights.has(Fault::BodyOnHead) {
        stream.write_all(&reply.body).unwrap();
    }
}

fn answer(request: &Request, content: &Mutex<Content>, rights: &Rights) -> Reply {
    if request.path == "/v2/token" {
        return rights.token(request);
    }
    let below = request.path.strip_prefix("/v2").unwrap_or_default().trim_start_matches('/');
    let mut content = content.lock().unwrap();
    let ends = ["/blobs/", "/manifests/", "/tags/", "/referrers/"];
    let split = ends.iter().filter_map(|end| Some((below.find(end)?, *end))).max();
    let who = match rights.who(request) {
        Ok(who) => who,
        Err(refusal) => return refusal,
    };
    let Some((at, end)) = split else {
        return match rights.refusal(&who, &needed(request, below), content.knows(below)) {
            Some(refusal) => refusal,
            None if below == "_catalog" => content.catalog(),
            None => Reply::new(200, "{}").with("Content-Type", "application/json"),
        };
    };
    let (name, last) = (&below[..at], &below[at + end.len()..]);
    if let Some(refusal) = rights.refusal(&who, &needed(request, name), content.knows(name)) {
        return refusal;
    }
    content.answer(request, name, end, last, &who, rights)
}

/// The scope that a request needs.
fn needed(request: &Request, name: &str) -> String {
    let session = request.path.contains("/blobs/uploads/");
    match (request.method.as_str(), name) {
        (_, "") => String::new(),
        (_, "_catalog") => "registry:catalog:*".to_owned(),
        ("GET" | "HEAD", _) => format!("repository:{name}:pull"),
        ("DELETE", _) if !session => format!("repository:{name}:delete"),
        _ => format!("repository:{name}:pull,push"),
    }
}

impl Content {
    fn catalog(&self) -> Reply {
        let names: std::collections::BTreeSet<_> = self.manifests.keys().map(|(name, _)| name).collect();
        let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
        let body = format!("{{\"repositories\":[{}]}}", names.join(","));
        Reply::new(200, body).with("Content-Type", "application/json")
    }

    fn knows(&self, name: &str) -> bool {
        self.blobs.keys().chain(self.manifests.keys()).any(|(its, _)| its == name)
    }

    fn answer(
        &mut self,
        request: &Request,
        name: &str,
        end: &str,
        last: &str,
        who: &Who,
        rights: &Rights,
    ) -> Reply {
        let key = (name.to_owned(), last.to_owned());
        let found = |bytes: Option<&Vec<u8>>| {
            bytes.map_or(Reply::error(404, "BLOB_UNKNOWN"), |b| Reply::new(200, b.clone()))
        };
        match (request.method.as_str(), end) {
            ("POST", "/blobs/") => self.begin(request, name, who, rights),
            ("PATCH" | "PUT", "/blobs/") => {
                let digest = Request::first(&request.query, "digest");
                let all = self.sessions.entry(last.to_owned()).or_default();
                all.extend_from_slice(&request.body);
                let Some(digest) = digest else {
                    return Reply::new(202, "").with("Location", request.path.clone());
                };
                let bytes = self.sessions.remove(last).unwrap_or_default();
                self.blobs.insert((name.to_owned(), digest.clone()), bytes);
                Reply::new(201, "")
                    .with("Location", format!("/v2/{name}/blobs/{digest}"))
                    .with("Docker-Content-Digest", digest)
            }
            ("GET" | "HEAD", "/blobs/") => found(self.blobs.get(&key)),
            ("DELETE", "/blobs/") => Reply::new(204, ""),
            ("PUT", "/manifests/") => {
                self.manifests.insert(key, request.body.clone());
                Reply::new(201, "")
            }
            ("DELETE", "/manifests/") => {
                self.manifests.remove(&key);
                Reply::new(202, "")
            }
            (_, "/manifests/") => found(self.manifests.get(&key)),
            _ => {
                let tags: Vec<_> = self
                    .manifests
                    .keys()
                    .filter(|(its, _)| its == name)
                    .map(|(_, tag)| format!("{tag:?}"))
                    .collect();
                let body = format!("{{\"name\":{name:?},\"tags\":[{}]}}", tags.join(","));
                Reply::new(200, body).with("Content-Type", "application/json")
            }
        }
    }

    fn begin(&mut self, request: &Request, name: &str, who: &Who, rights: &Rights) -> Reply {
        let mount = Request::first(&request.query, "mount");
        if let Some(digest) = mount {
            let from = Request::first(&request.query, "from");
            let readable =
                |its: &str| from.as_deref().is_none_or(|from| from == its) && rights.may_mount(who, its);
            let source = self.blobs.iter().find(|((its, d), _)| *d == digest && readable(its));
            if let Some(bytes) = source.map(|(_, bytes)| bytes.clone()) {
                self.blobs.insert((name.to_owned(), digest.clone()), bytes);
                return Reply::new(201, "")
                    .with("Location", format!("/v2/{name}/blobs/{digest}"))
                    .with("Docker-Content-Digest", digest);
            }
        }
        self.begun += 1;
        let session = format!("uploads/{}", self.begun);
        let place = format!("/v2/{name}/blobs/{session}");
        self.sessions.insert(session, Vec::new());
        Reply::new(202, "").with("Location", place).with("Range", "0-0")
    }
}
