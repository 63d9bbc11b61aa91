//! Large blobs, pushed and pulled in pieces: neither side need hold one of them.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};
use wargate_core::digest::{Digest, Hasher};

use super::artifact::fill;
use super::push::begin_upload;
use crate::drive::{Driven, Target, Until};
use crate::http::{get, put_head};
use crate::options::Options;

/// Pieces in which a blob is made and sent, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// The repository of all of them.
const REPOSITORY: &str = "load/large";

/// Of how much work the server's CPU is told, in bytes.
const CPU_UNIT_BYTES: f64 = 64.0 * 1024.0 * 1024.0;

/// All blobs of a run.
struct Blobs {
    bytes: usize,
    all: Vec<Blob>,
}

/// A blob: one piece again and again, each time with another beginning.
struct Blob {
    piece: Vec<u8>,
    digest: Digest,
}

impl Blobs {
    /// The flags `--blobs`, `--bytes` and `--run`.
    fn of(options: &Options) -> Result<Self> {
        let (run, bytes) = (options.text("run")?, options.number("bytes")?);
        ensure!(bytes > 0 && bytes.is_multiple_of(PIECE_BYTES), "a blob has pieces of {PIECE_BYTES} bytes");
        let all = (0..options.number("blobs")?).map(|number| Blob::new(&run, number, bytes));
        Ok(Self { bytes, all: all.collect() })
    }

    /// What is told of items that move one blob each.
    fn figures<R>(&self, driven: Driven<R>, phase: &str) -> Value {
        let moved = driven.times.len() as f64 * self.bytes as f64;
        let [before, peak] = driven.resident_mib;
        let mut figures = Map::new();
        figures.insert(format!("{phase}_mb_per_s"), json!(moved / 1e6 / driven.seconds));
        let cpu_ms = driven.cpu_seconds * 1e3 / (moved / CPU_UNIT_BYTES);
        figures.insert(format!("{phase}_cpu_ms_each_64_mib"), json!(cpu_ms));
        figures.insert(format!("{phase}_resident_before_mib"), json!(before));
        figures.insert(format!("{phase}_resident_peak_mib"), json!(peak));
        Value::Object(figures)
    }
}

impl Blob {
    fn new(run: &str, number: usize, bytes: usize) -> Self {
        let seed = Digest::of(format!("{run}/large/{number}").as_bytes());
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        fill(&mut piece, &seed, PIECE_BYTES);
        let mut blob = Self { piece, digest: seed };
        let mut hasher = Hasher::new();
        blob.pieces(bytes).for_each(|piece| hasher.update(&piece));
        blob.digest = hasher.finish();
        blob
    }

    fn pieces(&self, bytes: usize) -> impl Iterator<Item = Vec<u8>> {
        (0..bytes / PIECE_BYTES).map(|number| {
            let mut piece = self.piece.clone();
            piece[..8].copy_from_slice(&(number as u64).to_le_bytes());
            piece
        })
    }

    fn path(&self) -> String {
        format!("/v2/{REPOSITORY}/blobs/{}", self.digest)
    }
}

/// Pushes each blob: a session, and one PUT.
pub async fn push(options: &Options) -> Result<Value> {
    let (target, blobs) = (Target::of(options)?, Rc::new(Blobs::of(options)?));
    let (server, pushed) = (target.server.clone(), blobs.clone());
    let driven = target.drive(Until::Count(blobs.all.len()), async move |connection, number| {
        let blob = pushed.all.get(number).context("no such blob")?;
        let path = begin_upload(connection, &server, REPOSITORY, &blob.digest).await?;
        let head = put_head(&server, &path, "application/octet-stream", pushed.bytes);
        connection.send_pieces(&head, blob.pieces(pushed.bytes)).await?.must_be(201)
    });
    Ok(blobs.figures(driven.await?, &options.text("phase")?))
}

/// Pulls them for a time.
pub async fn pull(options: &Options) -> Result<Value> {
    let (target, blobs) = (Target::of(options)?, Rc::new(Blobs::of(options)?));
    let time = Duration::from_secs(options.number("seconds")? as u64);
    let (server, pulled) = (target.server.clone(), blobs.clone());
    let driven = target.drive(Until::Time(time), async move |connection, number| {
        let blob = pulled.all.get(number % pulled.all.len()).context("no such blob")?;
        let mut hasher = Hasher::new();
        connection.stream(&get(&server, &blob.path()), |piece| hasher.update(piece)).await?;
        ensure!(hasher.finish() == blob.digest, "other bytes than were pushed came");
        Ok(())
    });
    Ok(blobs.figures(driven.await?, &options.text("phase")?))
}

/// Writes them as files under the paths of the door.
pub fn files(options: &Options) -> Result<Value> {
    use std::io::Write as _;
    let (blobs, folder) = (Blobs::of(options)?, options.text("folder")?);
    for blob in &blobs.all {
        let path = Path::new(&folder).join(blob.path().trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().context("no folder")?)?;
        let mut file = std::fs::File::create(&path).with_context(|| format!("make {}", path.display()))?;
        blob.pieces(blobs.bytes).try_for_each(|piece| file.write_all(&piece))?;
    }
    Ok(json!({ "files": blobs.all.len() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_the_digest_of_its_pieces_and_of_no_other_blob() {
        let bytes = 3 * PIECE_BYTES;
        let [one, other] = [0, 1].map(|number| Blob::new("a", number, bytes));
        let whole: Vec<u8> = one.pieces(bytes).flatten().collect();
        assert_eq!((whole.len(), Digest::of(&whole)), (bytes, one.digest));
        assert_ne!(whole[..PIECE_BYTES], whole[PIECE_BYTES..2 * PIECE_BYTES]);
        assert_ne!(one.digest, other.digest);
    }
}
