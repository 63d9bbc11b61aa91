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
use wargate_core::digest::Digest;
use wargate_core::log::tile::{BundlePath, TilePath};

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
pub(crate) fn upload_path(id: &str) -> Path {
    Path::from(format!("uploads/{id}"))
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

/// Reads a piece of an object; `None` if there is no such object.
pub(crate) async fn get_range(
    objects: &Arc<dyn ObjectStore>,
    path: &Path,
    range: Range<u64>,
) -> Result<Option<Bytes>, Error> {
    let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    match objects.get_opts(path, options).await {
        Ok(result) => {
            result.bytes().await.map(Some).map_err(|error| Error::internal("read an object", error))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(None),
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

fn pieces(result: GetResult) -> Body {
    let range = result.range.clone();
    match result.payload {
        GetResultPayload::File(file, _) => file_pieces(Arc::new(file), range),
        GetResultPayload::Stream(stream) => {
            stream.map(|piece| piece.map_err(|error| Error::internal("read an object", error))).boxed()
        }
    }
}

/// Reads a file in large pieces off the async threads.
fn file_pieces(file: Arc<std::fs::File>, range: Range<u64>) -> Body {
    futures::stream::try_unfold(range, move |left| {
        let file = file.clone();
        async move {
            if left.is_empty() {
                return Ok(None);
            }
            let end = left.end.min(left.start + READ_BYTES as u64);
            let (start, length) = (left.start, usize::try_from(end - left.start).unwrap_or(READ_BYTES));
            let piece = tokio::task::spawn_blocking(move || read_piece(&file, start, length))
                .await
                .map_err(|error| Error::internal("read an object", error))?
                .map_err(|error| Error::internal("read an object", error))?;
            Ok(Some((piece, end..left.end)))
        }
    })
    .boxed()
}

fn read_piece(file: &std::fs::File, start: u64, length: usize) -> std::io::Result<Bytes> {
    use std::os::unix::fs::FileExt as _;
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, start)?;
    Ok(buffer.into())
}
