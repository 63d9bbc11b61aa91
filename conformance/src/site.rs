//! The server under judgement, and repositories on it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::digest::Digest;
use crate::http::{self, Auth, Request};
use crate::outcome::Failure;
use crate::reply::Reply;
use crate::tokens::Tokens;

/// The media type of an image manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index.
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of Docker's manifest.
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media type of Docker's index.
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The media type of an image's config.
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of an image's layer.
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The server under judgement.
pub(crate) struct Site {
    /// `HOST:PORT`.
    pub(crate) host: String,
    /// The first part of all names.
    prefix: String,
    /// Differs in every run, so that no run meets what another left.
    run: String,
    counter: AtomicU32,
    pub(crate) tokens: Tokens,
    /// A repository with many tags, which is costly to make.
    pub(crate) many_tags: OnceCell<String>,
}

/// A repository on it.
#[derive(Clone)]
pub(crate) struct Repo<'a> {
    pub(crate) site: &'a Site,
    pub(crate) name: String,
}

/// An open upload session, as a client holds it.
pub(crate) struct Session<'a> {
    pub(crate) site: &'a Site,
    /// Where the next request goes.
    pub(crate) place: String,
}

impl Site {
    pub(crate) fn new(host: String, prefix: String, tokens: Tokens) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let run = format!("r{:x}{:x}", now, std::process::id());
        Self { host, prefix, run, counter: AtomicU32::new(0), tokens, many_tags: OnceCell::new() }
    }

    /// A number that nobody else in this run has.
    pub(crate) fn number(&self) -> u32 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// The first part of the names that this run makes.
    pub(crate) fn run_prefix(&self) -> String {
        format!("{}/{}", self.prefix, self.run)
    }

    /// A repository that nobody has seen yet. Its name is no package's.
    pub(crate) fn repo(&self) -> Repo<'_> {
        self.named(format!("{}/{}", self.run_prefix(), self.number()))
    }

    /// A repository of two components, which can be a package's.
    pub(crate) fn package(&self) -> Repo<'_> {
        self.named(format!("{}/{}-p{}", self.prefix, self.run, self.number()))
    }

    pub(crate) fn named(&self, name: impl Into<String>) -> Repo<'_> {
        Repo { site: self, name: name.into() }
    }

    /// Bytes that no other rule and no other run pushes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        format!("content {} of {}", self.number(), self.run).into_bytes()
    }

    /// So many bytes that no other rule pushes.
    pub(crate) fn many_bytes(&self, count: usize) -> Vec<u8> {
        let seed = self.bytes();
        let numbers = (0_u32..).flat_map(u32::to_le_bytes);
        seed.iter().copied().chain(numbers).take(count).collect()
    }

    /// A digest that no content has.
    pub(crate) fn absent(&self) -> Digest {
        Digest::of(self.bytes())
    }

    /// Sends a request, with what credentials it needs.
    pub(crate) async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let request = self.tokens.authorize(&self.host, request).await?;
        http::exchange(&self.host, &request).await
    }

    pub(crate) async fn get(&self, target: impl Into<String>) -> Result<Reply, Failure> {
        self.send(as_clients_do(Request::get(target))).await
    }

    pub(crate) async fn head(&self, target: impl Into<String>) -> Result<Reply, Failure> {
        self.send(as_clients_do(Request::head(target))).await
    }

    pub(crate) async fn post(&self, target: impl Into<String>) -> Result<Reply, Failure> {
        self.send(Request::post(target)).await
    }

    pub(crate) async fn delete(&self, target: impl Into<String>) -> Result<Reply, Failure> {
        self.send(Request::delete(target)).await
    }

    /// Begins a request with credentials and leaves its body open.
    pub(crate) async fn begin(&self, request: Request, first: &[u8]) -> Result<http::Unfinished, Failure> {
        let request = self.tokens.authorize(&self.host, request).await?;
        http::begin(&self.host, &request, first).await
    }

    /// A request with nobody's credentials.
    pub(crate) async fn nobody(&self, request: Request) -> Result<Reply, Failure> {
        self.send(request.auth(Auth::Nobody)).await
    }
}

impl<'a> Repo<'a> {
    pub(crate) fn blob(&self, digest: &Digest) -> String {
        format!("/v2/{}/blobs/{digest}", self.name)
    }

    pub(crate) fn manifest(&self, reference: impl std::fmt::Display) -> String {
        format!("/v2/{}/manifests/{reference}", self.name)
    }

    pub(crate) fn uploads(&self) -> String {
        format!("/v2/{}/blobs/uploads/", self.name)
    }

    pub(crate) fn tags(&self) -> String {
        format!("/v2/{}/tags/list", self.name)
    }

    pub(crate) fn referrers(&self, digest: &Digest) -> String {
        format!("/v2/{}/referrers/{digest}", self.name)
    }

    /// Begins an upload.
    pub(crate) async fn session(&self) -> Result<Session<'a>, Failure> {
        let reply = self.site.post(self.uploads()).await?;
        reply.status(202)?;
        Ok(Session { site: self.site, place: reply.location()? })
    }

    /// Pushes a blob as most clients do, and makes sure that it was taken.
    pub(crate) async fn push(&self, bytes: impl AsRef<[u8]>) -> Result<Digest, Failure> {
        let digest = Digest::of(&bytes);
        let mut session = self.session().await?;
        session.put(&digest, bytes).await?.status(201)?;
        Ok(digest)
    }

    /// A blob of its own, pushed.
    pub(crate) async fn some_blob(&self) -> Result<(Digest, Vec<u8>), Failure> {
        let bytes = self.site.bytes();
        Ok((self.push(&bytes).await?, bytes))
    }

    /// An image whose parts are pushed; it is not, and differs from every other.
    pub(crate) async fn image(&self) -> Result<Value, Failure> {
        let config = self.some_blob().await?;
        let layer = self.some_blob().await?;
        Ok(json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config.0, config.1.len()),
            "layers": [descriptor(LAYER, &layer.0, layer.1.len())],
        }))
    }

    /// The request that pushes a manifest with the type that it says.
    pub(crate) fn put_request(&self, reference: impl std::fmt::Display, manifest: &Value) -> Request {
        let media_type = manifest["mediaType"].as_str().unwrap_or(MANIFEST);
        Request::put(self.manifest(reference), text(manifest)).header("Content-Type", media_type)
    }

    pub(crate) async fn put(
        &self,
        reference: impl std::fmt::Display,
        manifest: &Value,
    ) -> Result<Reply, Failure> {
        self.site.send(self.put_request(reference, manifest)).await
    }

    /// Pushes bytes as a manifest of this type.
    pub(crate) async fn put_bytes(
        &self,
        reference: impl std::fmt::Display,
        media_type: &str,
        bytes: impl AsRef<[u8]>,
    ) -> Result<Reply, Failure> {
        self.site.send(Request::put(self.manifest(reference), bytes).header("Content-Type", media_type)).await
    }

    /// Pushes an image of its own under a tag; its digest and its bytes.
    pub(crate) async fn tagged(&self, tag: &str) -> Result<(Digest, Vec<u8>), Failure> {
        let image = self.image().await?;
        self.put(tag, &image).await?.status(201)?;
        let bytes = text(&image);
        Ok((Digest::of(&bytes), bytes))
    }

    /// Puts a manifest under its digest; the digest.
    pub(crate) async fn put_by_digest(&self, manifest: &Value) -> Result<Digest, Failure> {
        let digest = Digest::of(text(manifest));
        self.put(&digest, manifest).await?.status(201)?;
        Ok(digest)
    }

    /// The tags that a list has.
    pub(crate) async fn listed(&self, query: &str) -> Result<Vec<String>, Failure> {
        let reply = self.site.get(format!("{}{query}", self.tags())).await?;
        strings(&reply, "tags")
    }
}

impl Session<'_> {
    /// Sends a request to the session and follows where it leads.
    pub(crate) async fn send(&mut self, request: Request) -> Result<Reply, Failure> {
        let reply = self.site.send(request).await?;
        if reply.status < 300 && reply.header("location").is_some() {
            self.place = reply.location()?;
        }
        Ok(reply)
    }

    /// Where a `PUT` with this digest goes.
    pub(crate) fn end(&self, digest: impl std::fmt::Display) -> String {
        let joint = if self.place.contains('?') { '&' } else { '?' };
        format!("{}{joint}digest={digest}", self.place)
    }

    pub(crate) async fn patch(&mut self, bytes: impl AsRef<[u8]>) -> Result<Reply, Failure> {
        self.send(Request::patch(&self.place, bytes).header("Content-Type", "application/octet-stream")).await
    }

    /// A chunk that says where it belongs.
    pub(crate) async fn patch_at(&mut self, range: &str, bytes: impl AsRef<[u8]>) -> Result<Reply, Failure> {
        let request = Request::patch(&self.place, bytes).header("Content-Range", range);
        self.send(request.header("Content-Type", "application/octet-stream")).await
    }

    pub(crate) async fn put(&mut self, digest: &Digest, bytes: impl AsRef<[u8]>) -> Result<Reply, Failure> {
        let request = Request::put(self.end(digest), bytes);
        self.send(request.header("Content-Type", "application/octet-stream")).await
    }

    pub(crate) async fn get(&mut self) -> Result<Reply, Failure> {
        self.send(Request::get(&self.place)).await
    }

    pub(crate) async fn cancel(&mut self) -> Result<Reply, Failure> {
        self.send(Request::delete(&self.place)).await
    }
}

/// A read of a manifest says which types it takes.
fn as_clients_do(request: Request) -> Request {
    if request.target.contains("/manifests/") { request.accepting() } else { request }
}

/// A descriptor.
pub(crate) fn descriptor(media_type: &str, digest: &Digest, size: usize) -> Value {
    json!({ "mediaType": media_type, "digest": digest.as_str(), "size": size })
}

/// The descriptor of a manifest with these bytes.
pub(crate) fn manifest_descriptor(manifest: &Value) -> Value {
    let bytes = text(manifest);
    descriptor(manifest["mediaType"].as_str().unwrap_or(MANIFEST), &Digest::of(&bytes), bytes.len())
}

/// An index over manifests.
pub(crate) fn index(children: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children })
}

/// The JSON text that goes out for a value.
pub(crate) fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// A list of strings in a reply.
pub(crate) fn strings(reply: &Reply, key: &str) -> Result<Vec<String>, Failure> {
    let body = reply.status(200)?.json()?;
    let bad = || reply.unlike(format!("a list `{key}` of strings"), body.to_string());
    let list = body[key].as_array().ok_or_else(bad)?;
    list.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(bad)).collect()
}

/// Fails unless both are the same.
#[expect(clippy::needless_pass_by_value, reason = "callers make what they compare on the spot")]
pub(crate) fn same<T: std::fmt::Debug + PartialEq>(at: &str, seen: T, expected: T) -> Result<(), Failure> {
    if seen == expected {
        return Ok(());
    }
    Err(Failure::new(at, format!("{expected:?}"), format!("{seen:?}")))
}
