//! `bench oci`: the OCI door against Debian's registry on files, a registry of crates.io's, and, for reads, nginx with
//! the same bytes.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::peer::{self, Server};
use super::{Measured, WARGATE, build, load};
use crate::tools;

mod bars;
mod growth;
mod large;

const REGISTRY: &str = "docker-registry";
const FERRO: &str = "ferro-oci-server";
const NGINX: &str = "nginx";

const ARTIFACTS: &str = "1000";
const REPOSITORIES: &str = "40";
const LAYER_BYTES: &str = "16384";
const CONNECTIONS: &str = "16";

/// Artifacts that are pushed one after the other.
const LONE_ARTIFACTS: &str = "100";

/// How long each kind of read is measured.
const READ_SECONDS: &str = "2";

/// The verbs that read small things, and the figures they give.
const READS: [(&str, &str); 6] = [
    ("oci-pull", "pull"),
    ("oci-get-blob", "get_blob"),
    ("oci-head", "head"),
    ("oci-get-manifest", "get_manifest"),
    ("oci-resolve", "resolve"),
    ("oci-tags", "tags"),
];

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// Blobs of 64 MiB, and up to 10,000 artifacts.
    Short,
    /// Blobs of 1 GiB, and up to 100,000 artifacts.
    Long,
}

/// The programs of the peers.
struct Peers {
    registry: PathBuf,
    ferro: PathBuf,
    nginx: PathBuf,
}

/// Measures every phase, and prints what each must reach.
pub(crate) fn oci(form: Form) -> Result<()> {
    build()?;
    let peers = Peers {
        registry: peer::debian("docker-registry", "/usr/bin/docker-registry")?,
        ferro: tools::FERRO.install_peer("")?,
        nginx: peer::debian("nginx-light", "/usr/sbin/nginx")?,
    };
    let measured = Measured::rounds(|measured, _, folder| {
        small(measured, &peers, folder)?;
        large::round(measured, &peers, folder, form)?;
        growth::round(measured, folder, form)
    })?;
    measured.report(&bars::bars(&measured));
    bars::ratios(&measured);
    Ok(())
}

/// Starts one of the registries.
fn start(who: &'static str, peers: &Peers, folder: &Path) -> Result<Server> {
    let folder = folder.join(who);
    match who {
        REGISTRY => peer::docker_registry(&peers.registry, &folder),
        FERRO => peer::ferro(&peers.ferro, &folder),
        _ => peer::wargate(&folder),
    }
}

/// What is pushed: `count` artifacts of the run `run`, over so many repositories.
fn artifacts<'a>(run: &'a str, count: &'a str, repositories: &'a str) -> [&'a str; 8] {
    let ([artifacts, repositories_flag], layer) = (["--artifacts", "--repositories"], "--layer-bytes");
    [artifacts, count, repositories_flag, repositories, layer, LAYER_BYTES, "--run", run]
}

/// Small artifacts: pushed together and alone, and read.
fn small(measured: &mut Measured, peers: &Peers, folder: &Path) -> Result<()> {
    let what = artifacts("small", ARTIFACTS, REPOSITORIES);
    for who in [WARGATE, REGISTRY, FERRO] {
        let server = start(who, peers, folder)?;
        push(measured, who, &server, CONNECTIONS, &what, "push")?;
        push(measured, who, &server, "1", &artifacts("lone", LONE_ARTIFACTS, REPOSITORIES), "push_lone")?;
        read(measured, who, &server, &what)?;
    }
    let files = folder.join("files");
    load(&[&["oci-files", "--folder", &files.to_string_lossy()], &what[..]].concat())?;
    read(measured, NGINX, &peer::nginx(&peers.nginx, &folder.join("nginx"), &files)?, &what)
}

fn push(
    measured: &mut Measured,
    who: &'static str,
    server: &Server,
    connections: &str,
    what: &[&str],
    phase: &str,
) -> Result<()> {
    let how = ["oci-push", "--connections", connections, "--phase", phase];
    measured.take(who, server, &[&how, what].concat())
}

fn read(measured: &mut Measured, who: &'static str, server: &Server, what: &[&str]) -> Result<()> {
    READS.iter().try_for_each(|(verb, _)| {
        let how = [*verb, "--connections", CONNECTIONS, "--seconds", READ_SECONDS];
        measured.take(who, server, &[&how, what].concat())
    })
}
