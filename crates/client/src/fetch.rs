//! Asking a registry over HTTP, within limits: an answer is bounded in size and in time.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use reqwest::redirect::Policy as Redirects;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wargate_core::digest::{Digest, Hasher};
use wargate_core::map::page::PageRef;
use wargate_core::name::PackageName;
use wargate_core::verify::Failure;
use wargate_wire::api::Problem;
use wargate_wire::text::Text;
use wargate_wire::warg::{ContentSource, ContentSourcesResponse};

use crate::access::{Access, is_loopback};
use crate::credentials::CredentialSource;
use crate::error::Error;
use crate::package::VerifiedRelease;

/// Largest answer that is no content, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Largest content, in bytes.
pub const CONTENT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a registry may send nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long sending a release may take, with the registry's verdict.
const SEND_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// A registry at a URL.
#[derive(Debug, Clone)]
pub struct Registry {
    url: String,
    http: reqwest::Client,
    access: Access,
}

impl Registry {
    /// The registry at this URL.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is no `http` or `https` URL, or has a password in it: a URL is shown and kept.
    pub fn new(url: &str) -> Result<Self, Error> {
        let malformed = |reason: String| Error::Malformed { url: url.to_owned(), reason };
        let parsed = reqwest::Url::parse(url).map_err(|error| malformed(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
            return Err(malformed("expected `http://HOST:PORT` or `https://HOST`".to_owned()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            let host = parsed.host_str().unwrap_or_default().to_owned();
            let reason = "a user or a password has no place in a registry's URL".to_owned();
            return Err(Error::Malformed { url: host, reason });
        }
        let http = client(&parsed, Redirects::default())
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(|error| malformed(error.to_string()))?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), http, access: Access::new(parsed) })
    }

    /// Looks for credentials there when the registry asks for some.
    #[must_use]
    pub fn with_credentials(mut self, source: Arc<dyn CredentialSource>) -> Self {
        self.access.ask(source);
        self
    }

    /// The URL, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let url = self.at(path);
        let answer = self.answer(&url, || self.http.get(&url)).await?;
        parse(&url, &answer)
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Error> {
        let url = self.at(path);
        let answer = self.answer(&url, || self.http.post(&url).json(body)).await?;
        parse(&url, &answer)
    }

    /// A map page from the log door.
    pub(crate) async fn map_page(&self, page: &PageRef) -> Result<Bytes, Error> {
        let url = self.at(&format!("/log/map/{}/{}", page.segment, page.hash.to_hex()));
        self.answer(&url, || self.http.get(&url)).await
    }

    /// Sends a form whose parts lie in memory. How long that takes depends on the sender's line.
    pub(crate) async fn post_form<T: DeserializeOwned>(
        &self,
        path: &str,
        boundary: &str,
        form: Vec<Bytes>,
    ) -> Result<T, Error> {
        let url = self.at(path);
        let size: usize = form.iter().map(Bytes::len).sum();
        let http = client(self.access.registry(), Redirects::default()).timeout(SEND_TIMEOUT).build();
        let http =
            http.map_err(|error| Error::Unreachable { url: url.clone(), reason: error.to_string() })?;
        let request = || {
            let pieces = futures::stream::iter(form.clone().into_iter().map(Ok::<_, std::io::Error>));
            http.post(&url)
                .header("content-type", format!("multipart/form-data; boundary={boundary}"))
                .header("content-length", size)
                .body(reqwest::Body::wrap_stream(pieces))
        };
        self.published(url.clone(), request).await
    }

    /// Hands an act in, as JSON.
    pub(crate) async fn post_act<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Error> {
        let url = self.at(path);
        self.published(url.clone(), || self.http.post(&url).json(body)).await
    }

    /// What was published; a refusal with the registry's words.
    async fn published<T: DeserializeOwned>(
        &self,
        url: String,
        request: impl Fn() -> reqwest::RequestBuilder,
    ) -> Result<T, Error> {
        let (status, answer) = whole(self.access.send(&url, request).await?, &url).await?;
        if (200..300).contains(&status) {
            return parse(&url, &answer);
        }
        match serde_json::from_slice(&answer) {
            Ok(Problem { code, message, hint, .. }) => {
                let (code, message, hint) = (shown(&code), shown(&message), hint.as_deref().map(shown));
                Err(Error::NotPublished { status, code, message, hint })
            }
            Err(_) => Err(Error::Refused { url, status, message: message(&answer) }),
        }
    }

    async fn answer(&self, url: &str, request: impl Fn() -> reqwest::RequestBuilder) -> Result<Bytes, Error> {
        let (status, body) = whole(self.access.send(url, request).await?, url).await?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        Err(Error::Refused { url: url.to_owned(), status, message: message(&body) })
    }

    /// Every place that has the content, as far as the Warg door tells.
    async fn sources(&self, digest: &Digest) -> Result<Vec<String>, Error> {
        let mut found: ContentSourcesResponse = self.get(&format!("/v1/content/{digest}")).await?;
        let sources = found.content_sources.remove(&Text(*digest)).unwrap_or_default();
        Ok(sources.into_iter().map(|ContentSource::HttpGet { url, .. }| url).collect())
    }

    /// Streams a release's content into `sink`, from the first place that answers, and checks its digest. It comes from
    /// either door: where the Warg door tells of none, from the OCI door.
    ///
    /// # Errors
    /// [`Failure::Content`], [`Failure::EndlessData`], [`Error::Unreachable`], [`Error::Write`];
    /// [`Error::SilentTakedown`] if neither door knows the content of a release that the log has live. What the sink took
    /// is worth nothing unless this is `Ok`.
    pub async fn download(
        &self,
        name: &PackageName,
        release: &VerifiedRelease,
        bytes_max: u64,
        sink: &mut (dyn FnMut(&[u8]) -> std::io::Result<()> + Send),
    ) -> Result<u64, Error> {
        let digest = &release.content;
        let (sources, mut failed) = match self.sources(digest).await {
            Ok(sources) => (sources, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        for url in sources {
            match self.open(&url).await {
                Ok(response) => return stream(response, digest, bytes_max, &url, sink).await,
                Err(error) => failed = Some(error),
            }
        }
        let repository = self.at(&format!("/v2/{}/{}", name.namespace(), name.name()));
        // The manifest links the blob; what it says is of no interest here.
        let opened = match self.open(&format!("{repository}/manifests/{}", release.version)).await {
            Ok(_) => self.open(&format!("{repository}/blobs/{digest}")).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(response) => stream(response, digest, bytes_max, &repository, sink).await,
            // What the first door said is nearer to the cause.
            Err(error) => Err(withheld(name, release, &error, failed.as_ref()).or(failed).unwrap_or(error)),
        }
    }

    async fn open(&self, url: &str) -> Result<reqwest::Response, Error> {
        let response = self.access.send(url, || self.http.get(url)).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let message = "no content".to_owned();
        Err(Error::Refused { url: url.to_owned(), status: status.as_u16(), message })
    }
}

/// Whether both doors say that the bytes are not to be had, or not any more.
fn withheld(
    name: &PackageName,
    release: &VerifiedRelease,
    error: &Error,
    failed: Option<&Error>,
) -> Option<Error> {
    let refused = |error: &Error| match error {
        Error::Refused { status: status @ (404 | 410 | 451), message, .. } => {
            Some((*status, message.clone()))
        }
        _ => None,
    };
    let (mut status, mut message) = refused(error)?;
    if let Some(failed) = failed {
        (status, message) = refused(failed)?;
    }
    Some(Error::SilentTakedown { name: name.clone(), version: release.version.clone(), status, message })
}

/// What all requests have in common.
pub(crate) fn client(url: &reqwest::Url, redirects: Redirects) -> reqwest::ClientBuilder {
    let client = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(redirects);
    // What is for this machine does not go through a proxy, where others could read it.
    if is_loopback(url) { client.no_proxy() } else { client }
}

/// The status and the body of an answer.
async fn whole(response: reqwest::Response, url: &str) -> Result<(u16, Bytes), Error> {
    let unreachable =
        |error: reqwest::Error| Error::Unreachable { url: url.to_owned(), reason: cause(&error) };
    let status = response.status().as_u16();
    let mut body = BytesMut::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        body.extend_from_slice(&piece.map_err(unreachable)?);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Failure::EndlessData { bytes_max: ANSWER_BYTES_MAX as u64 }.into());
        }
    }
    Ok((status, body.freeze()))
}

async fn stream(
    response: reqwest::Response,
    digest: &Digest,
    bytes_max: u64,
    url: &str,
    sink: &mut (dyn FnMut(&[u8]) -> std::io::Result<()> + Send),
) -> Result<u64, Error> {
    let mut hasher = Hasher::new();
    let mut size = 0u64;
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        let piece =
            piece.map_err(|error| Error::Unreachable { url: url.to_owned(), reason: cause(&error) })?;
        size += piece.len() as u64;
        if size > bytes_max {
            return Err(Failure::EndlessData { bytes_max }.into());
        }
        hasher.update(&piece);
        sink(&piece).map_err(|error| Error::Write { reason: error.to_string() })?;
    }
    let found = hasher.finish();
    if found == *digest { Ok(size) } else { Err(Failure::Content { expected: *digest, found }.into()) }
}

/// The innermost cause says most.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// What an error body says, cut.
fn message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    // Without a message the body itself says what was not found.
    shown(json["message"].as_str().unwrap_or(&text))
}

/// What a registry says, for people: cut, and without what could disturb a terminal.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 600;
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

fn parse<T: DeserializeOwned>(url: &str, answer: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(answer)
        .map_err(|error| Error::Malformed { url: url.to_owned(), reason: error.to_string() })
}
