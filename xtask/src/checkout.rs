//! Where things are: the checkout, what is built from it, and the cache outside it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result};

/// The root of the checkout.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        // As cargo says when it runs us: one folder of built programs may serve several checkouts.
        let xtask =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let xtask = PathBuf::from(xtask);
        xtask.parent().map(Path::to_path_buf).unwrap_or(xtask)
    });
    &ROOT
}

/// Where cargo puts what it builds from the workspace.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The cache that outlives a checkout: pinned programs are built once per machine, not once per clone.
pub(crate) fn cache() -> Result<PathBuf> {
    if let Some(cache) = std::env::var_os("WARGATE_CACHE") {
        return Ok(cache.into());
    }
    let home = std::env::var_os("HOME")
        .context("neither WARGATE_CACHE nor HOME is set: where shall the cache be?")?;
    Ok(PathBuf::from(home).join(".cache/wargate"))
}

/// Whether a CI machine runs this: there nothing may be left out quietly.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}
