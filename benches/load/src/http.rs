//! A connection that sends prepared HTTP/1.1 requests and reads the answers, at as little cost as can be: the
//! client shares the machine with the server that it measures.

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    /// Where it points to, if it does.
    pub location: Option<String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Fails on another status.
    pub fn must_be(&self, status: u16) -> Result<()> {
        ensure!(self.status == status, "{} instead of {status}", self.shown());
        Ok(())
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
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.fill().await?;
        };
        let text = std::str::from_utf8(&self.buffer[..head])?;
        let status = text.get(9..12).context("no status")?.parse()?;
        let location = header(text, "location").map(str::to_owned);
        let body = match header(text, "content-length") {
            _ if request.starts_with(b"HEAD ") || status == 204 => Vec::new(),
            Some(length) => {
                let length: usize = length.parse()?;
                while self.buffer.len() < head + length {
                    self.fill().await?;
                }
                self.buffer[head..head + length].to_vec()
            }
            None => self.chunked(head).await?,
        };
        Ok(Answer { status, location, body })
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
            bail!("the server closed the connection");
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
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
