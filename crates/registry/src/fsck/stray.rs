//! Objects that nothing names: worth a note, and no damage. Uploads that broke off leave some.

use futures::StreamExt as _;
use object_store::path::Path;
use wargate_core::digest::Digest;

use super::pin::Pin;
use super::{Check, Damage, Remedy};
use crate::db::Statement;
use crate::files::StaticPath;
use crate::objects;
use crate::tables::bytes;

/// Blobs that are looked up at once.
const BLOBS_AT_ONCE: usize = 256;

/// Lists the objects and notes those that nothing names.
pub(super) async fn list(check: &mut Check<'_>, pin: &Pin) {
    list_log(check, pin).await;
    list_blobs(check).await;
}

async fn list_log(check: &mut Check<'_>, pin: &Pin) {
    let objects = check.objects.clone();
    let mut listed = objects.list(Some(&Path::from("log")));
    let mut seen = 0;
    while let Some(meta) = listed.next().await {
        let path = match meta {
            Ok(meta) => meta.location,
            Err(error) => return check.found(Damage::object("log", error, Remedy::Look)),
        };
        seen += 1;
        check.progress("objects", seen, None);
        if !is_named(&path, pin) {
            check.note(format!("{path} is an object that nothing names"));
        }
    }
}

/// Whether a log of the size that is there now may have such a file.
fn is_named(path: &Path, pin: &Pin) -> bool {
    let Some(file) = path.as_ref().strip_prefix("log/") else { return false };
    match file.parse::<StaticPath>() {
        Ok(StaticPath::Checkpoint) => true,
        Ok(StaticPath::Tile(tile)) => {
            let hashes = pin.records_end.checked_shr(8 * u32::from(tile.id.level)).unwrap_or(0);
            tile.id.index * 256 + u64::from(tile.width) <= hashes
        }
        Ok(StaticPath::Bundle(bundle)) => {
            bundle.index.saturating_mul(256) + u64::from(bundle.width) <= pin.records_end
        }
        Ok(StaticPath::MapSegment { size }) => size <= pin.records_end,
        Ok(StaticPath::MapPage(_)) | Err(_) => false,
    }
}

async fn list_blobs(check: &mut Check<'_>) {
    let objects = check.objects.clone();
    let mut listed = objects.list(Some(&Path::from("blobs"))).chunks(BLOBS_AT_ONCE);
    while let Some(metas) = listed.next().await {
        let mut named = Vec::new();
        for meta in metas {
            match meta {
                Ok(meta) => match digest_of(&meta.location) {
                    Some(digest) => named.push((meta.location, digest)),
                    None => check.note(format!("{} is an object that nothing names", meta.location)),
                },
                Err(error) => return check.found(Damage::object("blobs", error, Remedy::Look)),
            }
        }
        let known = |digest: &Digest| {
            // Swept content whose object goes soon is named too.
            Statement::new(
                "select 1 from content where digest = $1 union all \
                 select 1 from swept_content where digest = $1",
                vec![bytes(digest.as_bytes())],
            )
        };
        let statements = named.iter().map(|(_, digest)| known(digest)).collect();
        let Ok(answers) = check.db.read(statements).await else { return };
        for ((path, _), rows) in named.into_iter().zip(answers) {
            if rows.is_empty() {
                check.note(format!("{path} is content that no row names"));
            }
        }
    }
}

/// The digest of a blob that lies where it belongs.
fn digest_of(path: &Path) -> Option<Digest> {
    let digest = format!("sha256:{}", path.filename()?).parse::<Digest>().ok()?;
    (objects::blob_path(&digest) == *path).then_some(digest)
}
