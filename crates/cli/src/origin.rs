//! The log's origin in a data folder: chosen at the first start, kept for ever.
//!
//! Every checkpoint begins with it, so that a log whose origin changed would be another log to everybody.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use wargate_core::key::PublicKey;
use wargate_core::note::Verifier;
use wargate_store::DataFolder;

use crate::error::CommandError;

fn path(folder: &Path) -> PathBuf {
    folder.join("origin")
}

/// Whether an origin was chosen.
pub(crate) fn is_kept(folder: &Path) -> bool {
    path(folder).exists()
}

/// The origin that is kept, if it can be read.
pub(crate) fn kept(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path(folder)).ok()?;
    Some(text.trim_end().to_owned()).filter(|origin| !origin.is_empty())
}

/// The origin that is kept, else the one that is wanted, else another; kept from now on.
pub(crate) fn choose(
    folder: &DataFolder,
    wanted: Option<&str>,
    otherwise: &str,
    commit: &PublicKey,
) -> Result<String, CommandError> {
    let path = path(folder.path());
    let failed = |error: std::io::Error| CommandError::internal(format!("`{}`: {error}", path.display()));
    if path.exists() {
        let kept = std::fs::read_to_string(&path).map_err(failed)?.trim_end().to_owned();
        return match wanted {
            Some(wanted) if wanted != kept => Err(CommandError::config(format!(
                "the origin `{wanted}` is asked for, this registry's log began as `{kept}`"
            ))
            .hint("a log keeps its origin for ever: correct the configuration")),
            _ => Ok(kept),
        };
    }
    if wanted.is_none() && folder.ledger().exists() {
        return Err(CommandError::config(format!("`{}` is missing, but the log has begun", path.display()))
            .hint("put it back: it is the first line of any checkpoint's note under `objects`"));
    }
    let origin = wanted.unwrap_or(otherwise).to_owned();
    // Now or never: what cannot sign a note would be kept, and the log could not go on.
    check(&origin, commit)?;
    write(folder.path(), &path, &origin).map_err(failed)?;
    Ok(origin)
}

/// Refuses what cannot sign a note.
pub(crate) fn check(origin: &str, commit: &PublicKey) -> Result<(), CommandError> {
    Verifier::new(origin, commit.clone()).map(drop).map_err(|_| {
        CommandError::config(format!("`{origin}` cannot be a log's origin"))
            .hint("it is `HOST/log`: no spaces, no `+`; `origin` in the configuration")
    })
}

fn write(folder: &Path, path: &Path, origin: &str) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    writeln!(file, "{origin}")?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}
