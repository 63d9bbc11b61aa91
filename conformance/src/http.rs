//! HTTP/1.1 over a plain connection, as raw as the rules need it.
//!
//! A request goes out exactly as a rule wrote it: no path is tidied, no header added but `Host`, `Connection` and the
//! framing of the body. A reply keeps all its header lines, and whatever stands after its end. Each request has a
//! connection of its own, so no reply can be taken for another's. Not here: TLS.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::outcome::Failure;
use crate::reply::Reply;
use crate::site::{DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST};

/// How long a reply may take.
const REPLY_WITHIN: Duration = Duration::from_secs(60);

/// How long a reply may take that waits for nothing.
const AT_ONCE: Duration = Duration::from_secs(10);

/// How long bytes are waited for after a reply that must have no body.
const STRAY_BYTES_WITHIN: Duration = Duration::from_millis(500);

/// The longest head of a reply, in bytes.
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// The longest reply, in bytes.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many bytes are read at once.
const READ_BYTES: usize = 64 * 1024;

/// What credentials go with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Auth {
    /// Those of the run, as the server wants them.
    OfTheRun,
    /// None.
    Nobody,
    /// This `Authorization` header.
    Exactly(String),
}

/// What follows the head of a request.
#[derive(Debug, Clone)]
enum Body {
    /// Nothing, and no word about it.
    None,
    /// Bytes with their `Content-Length`.
    Sized(Vec<u8>),
    /// Bytes in chunks of the transfer coding.
    Chunked(Vec<Vec<u8>>),
}

/// A request as it goes out.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    /// Path and query, byte for byte.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    body: Body,
    pub(crate) auth: Auth,
}

impl Request {
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), headers: Vec::new(), body: Body::None, auth: Auth::OfTheRun }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn head(target: impl Into<String>) -> Self {
        Self::new("HEAD", target)
    }

    pub(crate) fn delete(target: impl Into<String>) -> Self {
        Self::new("DELETE", target)
    }

    /// A `POST` without a body, as clients begin uploads.
    pub(crate) fn post(target: impl Into<String>) -> Self {
        Self::new("POST", target).body(b"")
    }

    pub(crate) fn put(target: impl Into<String>, body: impl AsRef<[u8]>) -> Self {
        Self::new("PUT", target).body(body)
    }

    pub(crate) fn patch(target: impl Into<String>, body: impl AsRef<[u8]>) -> Self {
        Self::new("PATCH", target).body(body)
    }

    /// One more header line.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Bytes with their length.
    pub(crate) fn body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.body = Body::Sized(bytes.as_ref().to_vec());
        self
    }

    /// Bytes in chunks of this size, without a length before them.
    pub(crate) fn chunked(mut self, bytes: impl AsRef<[u8]>, chunk_bytes: usize) -> Self {
        self.body = Body::Chunked(bytes.as_ref().chunks(chunk_bytes).map(<[u8]>::to_vec).collect());
        self
    }

    /// The types of manifests that clients take, as they say it: some servers give none without it.
    pub(crate) fn accepting(self) -> Self {
        self.header("Accept", [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", "))
    }

    pub(crate) fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// The request as a failure names it.
    pub(crate) fn named(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    fn head_bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut line = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            line("Host", host);
        }
        line("Connection", "close");
        if let Auth::Exactly(value) = &self.auth {
            line("Authorization", value);
        }
        match &self.body {
            Body::None => {}
            Body::Sized(bytes) => line("Content-Length", &bytes.len().to_string()),
            Body::Chunked(_) => line("Transfer-Encoding", "chunked"),
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// A request whose body is still being written.
pub(crate) struct Unfinished {
    named: String,
    method: &'static str,
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
}

/// Sends a request to `address` and waits for its reply.
pub(crate) async fn exchange(address: &str, request: &Request) -> Result<Reply, Failure> {
    let stream = connect(address).await.map_err(|error| Failure::io(&request.named(), &error))?;
    let (mut read, mut write) = stream.into_split();
    // A server may answer before it has read everything, and close: what could not be written then is no failure.
    let sent = async {
        if send(&mut write, address, request).await.is_err() {
            std::future::pending::<()>().await;
        }
        // Held open: a half-closed connection is a client that went away.
        std::future::pending::<()>().await;
    };
    let reply = async {
        tokio::select! {
            reply = receive(&mut read, request.method, request.named()) => reply,
            () = sent => Err(Failure::new(request.named(), "a reply", "none")),
        }
    };
    within(request.named(), reply).await
}

/// The same, for an answer that needs nothing to be waited for.
pub(crate) async fn at_once(
    named: &str,
    reply: impl Future<Output = Result<Reply, Failure>>,
) -> Result<Reply, Failure> {
    let late = |_| Failure::new(named, format!("an answer within {} s", AT_ONCE.as_secs()), "none");
    tokio::time::timeout(AT_ONCE, reply).await.map_err(late)?
}

/// Begins a request with chunked coding and sends its first chunk only.
pub(crate) async fn begin(address: &str, request: &Request, first: &[u8]) -> Result<Unfinished, Failure> {
    let io = |error: std::io::Error| Failure::io(&request.named(), &error);
    let (read, mut write) = connect(address).await.map_err(io)?.into_split();
    let request = request.clone().chunked(b"", 1);
    let named = request.named();
    let io = |error: std::io::Error| Failure::io(&named, &error);
    write.write_all(&request.head_bytes(address)).await.map_err(io)?;
    write.write_all(&chunk(first)).await.map_err(io)?;
    write.flush().await.map_err(io)?;
    Ok(Unfinished { named: named.clone(), method: request.method, read, write })
}

impl Unfinished {
    /// Sends the last chunk and waits for the reply.
    pub(crate) async fn finish(mut self, last: &[u8]) -> Result<Reply, Failure> {
        let bytes = [chunk(last), b"0\r\n\r\n".to_vec()].concat();
        self.write.write_all(&bytes).await.map_err(|error| Failure::io(&self.named, &error))?;
        within(self.named.clone(), receive(&mut self.read, self.method, self.named.clone())).await
    }
}

async fn connect(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn within(
    named: String,
    reply: impl Future<Output = Result<Reply, Failure>>,
) -> Result<Reply, Failure> {
    let late = |_| Failure::new(named, format!("a reply within {} s", REPLY_WITHIN.as_secs()), "none");
    tokio::time::timeout(REPLY_WITHIN, reply).await.map_err(late)?
}

async fn send(write: &mut OwnedWriteHalf, host: &str, request: &Request) -> std::io::Result<()> {
    let mut head = request.head_bytes(host);
    match &request.body {
        Body::None => write.write_all(&head).await?,
        Body::Sized(bytes) => {
            head.extend_from_slice(bytes);
            write.write_all(&head).await?;
        }
        Body::Chunked(pieces) => {
            write.write_all(&head).await?;
            for piece in pieces {
                write.write_all(&chunk(piece)).await?;
            }
            write.write_all(b"0\r\n\r\n").await?;
        }
    }
    write.flush().await
}

/// A chunk of the transfer coding; none for no bytes, which would end the body.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return Vec::new();
    }
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

async fn receive(read: &mut OwnedReadHalf, method: &str, named: String) -> Result<Reply, Failure> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = head_end(&bytes) {
            let reply = Reply::head(named.clone(), &bytes[..end])?;
            if reply.status >= 200 {
                bytes.drain(..end);
                return body(read, method, reply, bytes).await;
            }
            bytes.drain(..end);
        } else if bytes.len() > HEAD_BYTES_MAX || !more(read, &mut bytes, &named).await? {
            let seen = format!("{} bytes without an end of the head", bytes.len());
            return Err(Failure::new(named, "a reply", seen));
        }
    }
}

/// Reads what follows the head, by the framing that the head names.
async fn body(
    read: &mut OwnedReadHalf,
    method: &str,
    mut reply: Reply,
    mut bytes: Vec<u8>,
) -> Result<Reply, Failure> {
    let named = reply.named.clone();
    if method == "HEAD" || matches!(reply.status, 204 | 304) {
        let rest = async { while let Ok(true) = more(read, &mut bytes, &named).await {} };
        // A server may keep the connection open although it was asked not to.
        let _ = tokio::time::timeout(STRAY_BYTES_WITHIN, rest).await;
        reply.stray_bytes = bytes.len();
        return Ok(reply);
    }
    if reply.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        loop {
            if let Some(whole) = dechunk(&bytes) {
                reply.bytes = whole;
                return Ok(reply);
            }
            if !more(read, &mut bytes, &named).await? {
                return Err(Failure::new(named, "a whole chunked body", "its connection ended"));
            }
        }
    }
    let length = reply.header("content-length").map(str::parse::<usize>);
    match length {
        Some(Ok(length)) => {
            while bytes.len() < length {
                if !more(read, &mut bytes, &named).await? {
                    let seen = format!("only {} bytes, status {}", bytes.len(), reply.status);
                    return Err(Failure::new(named, format!("a body of {length} bytes"), seen));
                }
            }
            reply.stray_bytes = bytes.len() - length;
            bytes.truncate(length);
        }
        Some(Err(_)) => return Err(Failure::new(named, "a number as Content-Length", "none")),
        None => while more(read, &mut bytes, &named).await? {},
    }
    reply.bytes = bytes;
    Ok(reply)
}

/// Reads some more; whether there was any.
async fn more(read: &mut OwnedReadHalf, bytes: &mut Vec<u8>, named: &str) -> Result<bool, Failure> {
    if bytes.len() > REPLY_BYTES_MAX {
        let seen = format!("more than {REPLY_BYTES_MAX} bytes");
        return Err(Failure::new(named, "a reply of reasonable size", seen));
    }
    bytes.reserve(READ_BYTES);
    read.read_buf(bytes).await.map(|count| count > 0).map_err(|error| Failure::io(named, &error))
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The bytes of a whole chunked body; `None` while its end is not there.
fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(&rest[..line_end]).ok()?;
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).ok()?;
        rest = &rest[line_end + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_read_to_its_end_and_not_before() {
        let body = [chunk(b"abc"), chunk(b""), chunk(b"0123456789abcdefg"), b"0\r\n\r\n".to_vec()].concat();
        assert_eq!(dechunk(&body).unwrap(), b"abc0123456789abcdefg");
        for cut in 0..body.len() - 4 {
            assert_eq!(dechunk(&body[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn a_request_goes_out_as_it_was_written() {
        let request = Request::put("/v2/a/../%2e?x=%3A", b"abc").header("Accept", "a").header("Accept", "b");
        let request = request.auth(Auth::Exactly("Bearer t".to_owned()));
        let expected = "PUT /v2/a/../%2e?x=%3A HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\nAuthorization: Bearer t\r\n\
            Content-Length: 3\r\nAccept: a\r\nAccept: b\r\n\r\n";
        assert_eq!(String::from_utf8(request.head_bytes("h:1")).unwrap(), expected);
    }
}
