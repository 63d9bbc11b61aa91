//! Large blobs: how fast they come and go, and how much memory our server takes meanwhile.

use std::path::Path;

use anyhow::Result;

use super::{FERRO, Form, NGINX, Peers, READ_SECONDS, REGISTRY, start};
use crate::bench::peer::{self, Server};
use crate::bench::{Measured, WARGATE, load};

/// Blobs that are pushed over [`CONNECTIONS`], and then pulled.
const BLOBS: &str = "8";
const CONNECTIONS: &str = "4";

/// Blobs that are pushed and pulled all at once, so that memory for each shows.
const MANY: &str = "32";

/// Measures each server on a fresh folder, which is gone afterwards: the disk need not hold what all of them took.
pub(super) fn round(measured: &mut Measured, peers: &Peers, folder: &Path, form: Form) -> Result<()> {
    let bytes = match form {
        Form::Short => "67108864",
        Form::Long => "1073741824",
    };
    let folder = folder.join("large");
    let what = |run| ["--run", run, "--bytes", bytes, "--blobs"];
    let mut all = vec![WARGATE, REGISTRY];
    // A blob of 1 GiB is more than it takes: it holds each in memory.
    if matches!(form, Form::Short) {
        all.push(FERRO);
    }
    for who in all {
        let server = start(who, peers, &folder)?;
        if who == WARGATE {
            let many = [&what("many")[..], &[MANY]].concat();
            push(measured, who, &server, MANY, &many, "push_many_large")?;
            pull(measured, who, &server, MANY, &many, "pull_many_large")?;
        }
        let blobs = [&what("large")[..], &[BLOBS]].concat();
        push(measured, who, &server, CONNECTIONS, &blobs, "push_large")?;
        pull(measured, who, &server, CONNECTIONS, &blobs, "pull_large")?;
        drop(server);
        std::fs::remove_dir_all(&folder)?;
    }
    let files = folder.join("files");
    let blobs = [&what("large")[..], &[BLOBS]].concat();
    load(&[&["oci-large-files", "--folder", &files.to_string_lossy()], &blobs[..]].concat())?;
    let server = peer::nginx(&peers.nginx, &folder.join("nginx"), &files)?;
    pull(measured, NGINX, &server, CONNECTIONS, &blobs, "pull_large")?;
    drop(server);
    Ok(std::fs::remove_dir_all(&folder)?)
}

fn push(
    measured: &mut Measured,
    who: &'static str,
    server: &Server,
    connections: &str,
    what: &[&str],
    phase: &str,
) -> Result<()> {
    let how = ["oci-push-large", "--connections", connections, "--phase", phase];
    measured.take(who, server, &[&how, what].concat())
}

fn pull(
    measured: &mut Measured,
    who: &'static str,
    server: &Server,
    connections: &str,
    what: &[&str],
    phase: &str,
) -> Result<()> {
    let how = ["oci-pull-large", "--connections", connections, "--seconds", READ_SECONDS, "--phase", phase];
    measured.take(who, server, &[&how, what].concat())
}
