//! A connection that sends prepared HTTP/1.1 requests and reads the answers, at as little cost as can be: the
//! client shares the machine with the server that it measures.

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How much of a large answer is read at once, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// A kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The beginning of an answer.
struct Head {
    /// Its bytes in the buffer.
    bytes: usize,
    status: u16,
    location: Option<String>,
    link: Option<String>,
    /// The body's, in bytes, if it is told.
    length: Option<usize>,
}

/// The server ended the connection where an answer should come.
#[derive(Debug)]
pub struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server closed the connection")
    }
}

impl std::error::Error for Closed {}

/// The status of a server that cannot do it now.
pub const BUSY: u16 = 503;

/// The server asks to come back later.
#[derive(Debug)]
pub struct Busy;

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server is busy")
    }
}

impl std::error::Error for Busy {}

/// An answer.
pub struct Answer {
    pub status: u16,
    /// Where it points to, if it does.
    pub location: Option<String>,
    /// What is linked to it, if anything is.
    link: Option<String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Fails on another status.
    pub fn must_be(&self, status: u16) -> Result<()> {
        if self.status == BUSY && status != BUSY {
            return Err(Busy.into());
        }
        ensure!(self.status == status, "{} instead of {status}", self.shown());
        Ok(())
    }

    /// The path of the list's next page, if there is one: RFC 8288.
    pub fn next_page(&self) -> Result<Option<String>> {
        let Some(link) = &self.link else { return Ok(None) };
        let path = link.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        Ok(Some(path.context("a link without a target")?.0.to_owned()))
    }

    /// The status and what the server says.
    pub fn shown(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

impl Connection {
    /// Connects to `HOST:PORT`.
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads its answer.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        let head = self.head().await?;
        let body = match head.length {
            _ if request.starts_with(b"HEAD ") || head.status == 204 => Vec::new(),
            Some(length) => {
                while self.buffer.len() < head.bytes + length {
                    self.fill().await?;
                }
                self.buffer[head.bytes..head.bytes + length].to_vec()
            }
            None => self.chunked(head.bytes).await?,
        };
        Ok(Answer { status: head.status, location: head.location, link: head.link, body })
    }

    /// Sends a request whose body comes in pieces, and reads its answer.
    pub async fn send_pieces(
        &mut self,
        head: &[u8],
        pieces: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Answer> {
        self.stream.write_all(head).await?;
        for piece in pieces {
            self.stream.write_all(&piece).await?;
        }
        self.send(&[]).await
    }

    /// Sends a request and hands on its answer's body in pieces, as it comes.
    pub async fn stream(&mut self, request: &[u8], mut each: impl FnMut(&[u8])) -> Result<()> {
        self.stream.write_all(request).await?;
        let head = self.head().await?;
        let length = head.length.context("a large answer does not tell its length")?;
        ensure!(head.status == 200, "{} instead of 200", head.status);
        each(&self.buffer[head.bytes..]);
        let mut left =
            (head.bytes + length).checked_sub(self.buffer.len()).context("more came than should")?;
        let mut piece = vec![0; PIECE_BYTES];
        while left > 0 {
            let read = self.stream.read(&mut piece[..left.min(PIECE_BYTES)]).await?;
            if read == 0 {
                return Err(Closed.into());
            }
            each(&piece[..read]);
            left -= read;
        }
        Ok(())
    }

    /// Reads the beginning of an answer, and perhaps more.
    async fn head(&mut self) -> Result<Head> {
        self.buffer.clear();
        let bytes = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.fill().await?;
        };
        let text = std::str::from_utf8(&self.buffer[..bytes])?;
        Ok(Head {
            bytes,
            status: text.get(9..12).context("no status")?.parse()?,
            location: header(text, "location").map(str::to_owned),
            link: header(text, "link").map(str::to_owned),
            length: header(text, "content-length").map(str::parse).transpose()?,
        })
    }

    async fn chunked(&mut self, head: usize) -> Result<Vec<u8>> {
        let (mut at, mut body) = (head, Vec::new());
        loop {
            let line = loop {
                match find(&self.buffer[at..], b"\r\n") {
                    Some(end) => break at + end,
                    None => self.fill().await?,
                }
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[at..line])?.trim(), 16)?;
            while self.buffer.len() < line + 2 + size + 2 {
                self.fill().await?;
            }
            body.extend_from_slice(&self.buffer[line + 2..line + 2 + size]);
            at = line + 2 + size + 2;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(Closed.into());
        }
        Ok(())
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A request without a body: GET.
pub fn get(host: &str, path: &str) -> Vec<u8> {
    without_body("GET", host, path, "*/*")
}

/// The same for what must have a media type: Docker's registry takes one that is not named for unwanted.
pub fn get_as(host: &str, path: &str, media_type: &str) -> Vec<u8> {
    without_body("GET", host, path, media_type)
}

/// The same as HEAD.
pub fn head_as(host: &str, path: &str, media_type: &str) -> Vec<u8> {
    without_body("HEAD", host, path, media_type)
}

/// HEAD of anything.
pub fn head(host: &str, path: &str) -> Vec<u8> {
    without_body("HEAD", host, path, "*/*")
}

fn without_body(method: &str, host: &str, path: &str, accept: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\naccept: {accept}\r\n\r\n").into_bytes()
}

/// A request with a body: POST.
pub fn post(host: &str, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    with_body("POST", host, path, content_type, body)
}

/// The same as PUT.
pub fn put(host: &str, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    with_body("PUT", host, path, content_type, body)
}

fn with_body(method: &str, host: &str, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    [&head_of_body(method, host, path, content_type, body.len()), body].concat()
}

/// The beginning of a PUT whose body of `length` bytes comes in pieces.
pub fn put_head(host: &str, path: &str, content_type: &str, length: usize) -> Vec<u8> {
    head_of_body("PUT", host, path, content_type, length)
}

fn head_of_body(method: &str, host: &str, path: &str, content_type: &str, length: usize) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n",
    )
    .into_bytes()
}
