//! Files that pages need: a style, a mark, and a script that nothing depends on.

use std::sync::LazyLock;

use wargate_core::digest::Digest;

/// Characters of a digest in a file's name.
const HASH_CHARS: usize = 16;

/// A file under `/assets/`; its name changes with its content, so it may be kept for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its name, `style-HASH.css`.
    pub name: String,
    /// What it is.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

impl Asset {
    fn new(stem: &str, extension: &str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let digest = Digest::of(bytes).to_string();
        let hash: String = digest.chars().skip("sha256:".len()).take(HASH_CHARS).collect();
        Self { name: format!("{stem}-{hash}.{extension}"), content_type, bytes }
    }
}

pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("style", "css", "text/css; charset=utf-8", include_bytes!("../../../assets/style.css"))
});

pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("copy", "js", "text/javascript; charset=utf-8", include_bytes!("../../../assets/copy.js"))
});

pub(crate) static MARK: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("mark", "svg", "image/svg+xml", include_bytes!("../../../assets/mark.svg")));

/// The file of that name, if it is one of this build's.
#[must_use]
pub fn asset(name: &str) -> Option<&'static Asset> {
    let all: [&'static Asset; 3] = [&STYLE, &SCRIPT, &MARK];
    all.into_iter().find(|asset| asset.name == name)
}
