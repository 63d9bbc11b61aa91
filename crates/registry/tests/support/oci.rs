//! Pushing as OCI clients do, without HTTP.

use bytes::Bytes;
use wargate_core::act::{Identity, OnBehalfOf};
use wargate_core::digest::Digest;
use wargate_registry::{Error, ManifestPush, Pushed, Pusher, Repository, TagCondition};
use wargate_wire::oci::manifest::Manifest;
use wargate_wire::oci::reference::{Algorithm, ContentDigest, Reference, Tag};

use super::WAIT;

/// The type of an image's manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub fn pusher() -> Pusher {
    let on_behalf_of = OnBehalfOf {
        identity: Identity::Account,
        issuer: "registry.test".to_owned(),
        subject: "anonymous".to_owned(),
    };
    Pusher { on_behalf_of, wait: WAIT }
}

/// Pushes a blob in pieces, and names it by a digest of this kind.
pub async fn push_blob_as(repository: &Repository, algorithm: Algorithm, bytes: &[u8]) -> ContentDigest {
    let session = repository.begin_upload().unwrap();
    for piece in bytes.chunks(100_000) {
        let mut upload = repository.upload(session).unwrap();
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let digest = ContentDigest::of(algorithm, bytes);
    repository.upload(session).unwrap().finish(&digest).await.unwrap();
    digest
}

pub async fn push_blob(repository: &Repository, bytes: &[u8]) -> Digest {
    push_blob_as(repository, Algorithm::Sha256, bytes).await.sha256().unwrap()
}

pub async fn put(repository: &Repository, reference: &str, manifest: &[u8]) -> Result<Pushed, Error> {
    put_as(repository, reference, manifest, &[], None).await
}

/// The same with tags besides, and where they must point now.
pub async fn put_as(
    repository: &Repository,
    reference: impl ToString,
    manifest: &[u8],
    tags: &[&str],
    condition: Option<TagCondition>,
) -> Result<Pushed, Error> {
    let parsed = Manifest::parse(None, manifest).unwrap();
    let reference: Reference = reference.to_string().parse().unwrap();
    let mut push = ManifestPush::new(&reference, &parsed, Bytes::copy_from_slice(manifest));
    push.tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
    push.condition = condition;
    repository.put_manifest(push, &pusher()).await
}

/// A descriptor.
pub fn part(media_type: &str, digest: impl std::fmt::Display, size: usize) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

/// A Wasm artifact of parts that were pushed; `note` makes another manifest of the same parts.
pub fn wasm_manifest(config: &str, layer: &str, note: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layer}],"annotations":{{"note":"{note}"}}}}"#
    );
    body.into_bytes()
}

/// Pushes the parts of a Wasm artifact; its manifest.
pub async fn push_wasm_parts(repository: &Repository, wasm: &[u8], note: &str) -> Vec<u8> {
    let content = push_blob(repository, wasm).await;
    let config = br#"{"created":"2026-11-25T00:00:00Z","architecture":"wasm","os":"wasip2"}"#;
    let config_digest = push_blob(repository, config).await;
    let config = part("application/vnd.wasm.config.v0+json", config_digest, config.len());
    wasm_manifest(&config, &part("application/wasm", content, wasm.len()), note)
}

/// Pushes a file of Wasm as a client does.
pub async fn push_wasm(repository: &Repository, tag: &str, wasm: &[u8], note: &str) -> Result<Pushed, Error> {
    let manifest = push_wasm_parts(repository, wasm, note).await;
    put(repository, tag, &manifest).await
}

/// A manifest of nothing but the empty config, and fields besides; its config is pushed first.
pub async fn plain(repository: &Repository, more: &str) -> Vec<u8> {
    let empty = push_blob(repository, b"{}").await;
    let config = part("application/vnd.oci.empty.v1+json", empty, 2);
    format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[]{more}}}"#)
        .into_bytes()
}

pub fn tags(tags: &[Tag]) -> Vec<&str> {
    tags.iter().map(Tag::as_str).collect()
}
