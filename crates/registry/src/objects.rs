//! The objects: where each lies, and reading and writing them. The engine behind is any `object_store`.
//!
//! All but `log/checkpoint` are immutable. Layout as in `spec/transparency.md`, "Tiles" and "Ours"; content
//! lies under `blobs/`. Paths are built from typed names only.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore, ObjectStoreExt as _, PutPayload,
};
use wargate_core::digest::{Digest, Hasher};
use wargate_core::log::tile::{BundlePath, TilePath};
use wargate_wire::oci::path::SessionId;

use crate::error::Error;

/// How much of a file is read at once, in bytes: `object_store`'s own 8 KiB pieces are thirty times slower.
const READ_BYTES: usize = 256 * 1024;

/// Where the static checkpoint lies.
pub(crate) fn checkpoint_path() -> Path {
    Path::from("log/checkpoint")
}

pub(crate) fn tile_path(tile: &TilePath) -> Path {
    Path::from(format!("log/{tile}"))
}

pub(crate) fn bundle_path(bundle: &BundlePath) -> Path {
    Path::from(format!("log/{bundle}"))
}

/// The map segment of the commit that made the tree `size` large.
pub(crate) fn segment_path(size: u64) -> Path {
    Path::from(format!("log/map/{size}"))
}

pub(crate) fn blob_path(digest: &Digest) -> Path {
    let hex = digest.to_hex();
    Path::from(format!("blobs/sha256/{}/{hex}", &hex[..2]))
}

/// A blob that is still arriving.
pub(crate) fn upload_path(id: &SessionId) -> Path {
    Path::from(format!("uploads/{id}"))
}

/// What [`upload_path`]s lie under.
pub(crate) fn uploads_prefix() -> Path {
    Path::from("uploads")
}

/// Reads a whole object; `None` if there is none.
pub(crate) async fn get(objects: &Arc<dyn ObjectStore>, path: &Path) -> Result<Option<Bytes>, Error> {
    match objects.get(path).await {
        Ok(result) => {
            result.bytes().await.map(Some).map_err(|error| Error::internal("read an object", error))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::internal("open an object", error)),
    }
}

/// A piece of an object.
pub(crate) enum Piece {
    /// There is no such object.
    Absent,
    /// It is another one than the tag says.
    Changed,
    /// Its bytes, and the tag of the object that they are of.
    Bytes(Bytes, Option<String>),
}

/// Reads a piece of an object; with `tag` only if it is still the one that has it.
pub(crate) async fn get_range(
    objects: &Arc<dyn ObjectStore>,
    path: &Path,
    range: Range<u64>,
    tag: Option<String>,
) -> Result<Piece, Error> {
    let options =
        GetOptions { range: Some(GetRange::Bounded(range)), if_match: tag, ..GetOptions::default() };
    match objects.get_opts(path, options).await {
        Ok(result) => {
            let tag = result.meta.e_tag.clone();
            let bytes = result.bytes().await.map_err(|error| Error::internal("read an object", error))?;
            Ok(Piece::Bytes(bytes, tag))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(Piece::Absent),
        Err(object_store::Error::Precondition { .. }) => Ok(Piece::Changed),
        Err(error) => Err(Error::internal("open an object", error)),
    }
}

/// Writes an object whole; the same bytes may be written again (recovery does).
pub(crate) async fn put(objects: &Arc<dyn ObjectStore>, path: &Path, bytes: Bytes) -> Result<(), Error> {
    objects
        .put(path, PutPayload::from_bytes(bytes))
        .await
        .map(drop)
        .map_err(|error| Error::internal(&format!("write the object {path}"), error))
}

/// A body in pieces.
pub type Body = futures::stream::BoxStream<'static, Result<Bytes, Error>>;

/// Streams a piece of an object.
pub(crate) async fn stream(
    objects: &Arc<dyn ObjectStore>,
    path: &Path,
    range: Range<u64>,
) -> Result<Option<Body>, Error> {
    let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    match objects.get_opts(path, options).await {
        Ok(result) => Ok(Some(pieces(result))),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::internal("open an object", error)),
    }
}

/// Streams an object as it lies, whatever its size, with the store's tag of it; `None` if there is none.
pub(crate) async fn stream_whole(
    objects: &Arc<dyn ObjectStore>,
    path: &Path,
) -> Result<Option<(Body, Option<String>)>, Error> {
    match objects.get(path).await {
        Ok(result) => {
            let tag = result.meta.e_tag.clone();
            Ok(Some((pieces(result), tag)))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::internal("open an object", error)),
    }
}

/// The size of an object in bytes; `None` if there is none.
pub(crate) async fn size(objects: &Arc<dyn ObjectStore>, path: &Path) -> Result<Option<u64>, Error> {
    match objects.head(path).await {
        Ok(meta) => Ok(Some(meta.size)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::internal("look at an object", error)),
    }
}

/// Passes a whole body on and takes its digest; where it is another one, the body breaks off before its last piece, so
/// that nobody takes it for whole. Else `whole` is told.
pub(crate) fn checked(body: Body, digest: Digest, size: u64, whole: impl FnOnce() + Send + 'static) -> Body {
    let start = (body, Hasher::new(), 0u64, Some(whole));
    futures::stream::try_unfold(start, move |(mut body, mut hasher, mut done, mut whole)| async move {
        let wrong = |wrong: &str| Err(damaged(&blob_path(&digest), wrong));
        let Some(piece) = body.next().await else {
            return if done == size { Ok(None) } else { wrong("it is shorter than it should be") };
        };
        let piece = piece?;
        hasher.update(&piece);
        done += piece.len() as u64;
        if done > size || (done == size && hasher.clone().finish() != digest) {
            return wrong("its bytes have another digest");
        }
        if done == size && body.next().await.is_some() {
            return wrong("it is longer than it should be");
        }
        if let Some(whole) = whole.take_if(|_| done == size) {
            whole();
        }
        Ok(Some((piece, (body, hasher, done, whole))))
    })
    .boxed()
}

/// What was to be served is damaged: told to the operator and counted, and an error to who asked for it.
pub(crate) fn damaged(what: &dyn std::fmt::Display, wrong: impl std::fmt::Display) -> Error {
    tracing::error!(%what, %wrong, "something stored is damaged and is not served: run `wargate fsck`");
    metrics::counter!("wargate_damaged_total").increment(1);
    Error::internal(&format!("serve {what}, which is damaged"), wrong)
}

fn pieces(result: GetResult) -> Body {
    let range = result.range.clone();
    match result.payload {
        GetResultPayload::File(file, _) => file_pieces(Arc::new(file), range),
        GetResultPayload::Stream(stream) => {
            stream.map(|piece| piece.map_err(|error| Error::internal("read an object", error))).boxed()
        }
    }
}

/// Reads a file in large pieces off the async threads. Those threads have the memory for it, since they give it back:
/// what many other threads had and did not give back themselves would stay with each of them.
fn file_pieces(file: Arc<std::fs::File>, range: Range<u64>) -> Body {
    futures::stream::try_unfold(range, move |left| {
        let file = file.clone();
        async move {
            if left.is_empty() {
                return Ok(None);
            }
            let end = left.end.min(left.start + READ_BYTES as u64);
            let buffer = vec![0; usize::try_from(end - left.start).unwrap_or(READ_BYTES)];
            let piece = tokio::task::spawn_blocking(move || read_piece(&file, left.start, buffer))
                .await
                .map_err(|error| Error::internal("read an object", error))?
                .map_err(|error| Error::internal("read an object", error))?;
            Ok(Some((piece, end..left.end)))
        }
    })
    .boxed()
}

fn read_piece(file: &std::fs::File, start: u64, mut buffer: Vec<u8>) -> std::io::Result<Bytes> {
    use std::os::unix::fs::FileExt as _;
    file.read_exact_at(&mut buffer, start)?;
    Ok(buffer.into())
}
