//! Small images on disk, in the layout of the OCI image specification, to be pushed by clients.

use std::path::Path;
use std::process::{Command, Stdio};

use wargate_core::digest::Digest;

/// A manifest of one image.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A list of manifests.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image index that was written to a folder.
#[derive(Debug)]
pub struct Layout {
    /// Digest of the index.
    pub digest: String,
    /// Digests of its manifests, one for each platform.
    pub manifests: Vec<String>,
}

/// Writes an index with an image for each platform, `OS/ARCHITECTURE`, tagged `tag`.
///
/// # Panics
/// If a file cannot be written.
pub fn write(folder: &Path, tag: &str, platforms: &[&str]) -> Layout {
    std::fs::create_dir_all(folder.join("blobs/sha256")).expect("the folder of the layout");
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes).to_string();
        let name = digest.replace(':', "/");
        std::fs::write(folder.join("blobs").join(name), bytes).expect("a blob of the layout");
        digest
    };
    let mut manifests = Vec::new();
    let mut entries = Vec::new();
    for platform in platforms {
        let (os, architecture) = platform.split_once('/').expect("OS/ARCHITECTURE");
        let tar = tar_of("platform", platform.as_bytes());
        let layer = gzip(&tar);
        let config = format!(
            r#"{{"architecture":"{architecture}","os":"{os}","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            Digest::of(&tar)
        );
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
            descriptor("application/vnd.oci.image.config.v1+json", &put(config.as_bytes()), config.len(), ""),
            descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &put(&layer), layer.len(), "")
        );
        let platform = format!(r#","platform":{{"architecture":"{architecture}","os":"{os}"}}"#);
        manifests.push(put(manifest.as_bytes()));
        let digest = manifests.last().map_or("", String::as_str);
        entries.push(descriptor(MANIFEST, digest, manifest.len(), &platform));
    }
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#, entries.join(","));
    let digest = put(index.as_bytes());
    let name = format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{tag}"}}"#);
    let top = descriptor(INDEX, &digest, index.len(), &name);
    let top = format!(r#"{{"schemaVersion":2,"manifests":[{top}]}}"#);
    std::fs::write(folder.join("index.json"), top).expect("the layout's index");
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
        .expect("the layout's mark");
    Layout { digest, manifests }
}

fn descriptor(media_type: &str, digest: &str, size: usize, more: &str) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}{more}}}"#)
}

/// A tar archive with one file.
///
/// # Panics
/// If the name or the content has a form that this cannot write.
pub fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    const BLOCK_BYTES: usize = 512;
    let mut header = vec![0; BLOCK_BYTES];
    let fields: &[(usize, String)] = &[
        (0, name.to_owned()),
        (100, "0000644\0".to_owned()),
        (108, "0000000\0".to_owned()),
        (116, "0000000\0".to_owned()),
        (124, format!("{:011o}\0", content.len())),
        (136, "00000000000\0".to_owned()),
        (148, "        ".to_owned()),
        (156, "0".to_owned()),
        (257, "ustar\x0000".to_owned()),
    ];
    for (at, text) in fields {
        header[*at..*at + text.len()].copy_from_slice(text.as_bytes());
    }
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = content.len().next_multiple_of(BLOCK_BYTES) - content.len();
    // Two blocks of zeros end it.
    [&header, content, &vec![0; padding + 2 * BLOCK_BYTES]].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut command = Command::new("gzip");
    command.arg("-n").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("`gzip` starts");
    // Less than a pipe holds, so it cannot wait for us while we wait for it.
    child.stdin.take().expect("its stdin is piped").write_all(bytes).expect("`gzip` reads");
    child.wait_with_output().expect("`gzip` ends").stdout
}
