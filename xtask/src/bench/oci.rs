//! `bench oci`: pushing and pulling small artifacts at the OCI door, against Debian's registry on files, and reads
//! against nginx with the same bytes.

use anyhow::Result;

use super::peer::{self, Server};
use super::{Bar, Measured, WARGATE, build, load};

const REGISTRY: &str = "docker-registry";
const NGINX: &str = "nginx";

/// Artifacts that are pushed, unless the command says how many.
const ARTIFACTS_DEFAULT: &str = "1000";
const REPOSITORIES: &str = "40";
const LAYER_BYTES: &str = "16384";
const CONNECTIONS: &str = "16";

/// How long each kind of read is measured.
const READ_SECONDS: &str = "2";

/// The verbs that read, and the figures they give.
const READS: [(&str, &str); 4] =
    [("oci-pull", "pull"), ("oci-head", "head"), ("oci-get-blob", "get_blob"), ("oci-tags", "tags")];

/// Measures pushes, pulls and the requests of which pulls consist.
pub(crate) fn oci(artifacts: Option<&str>) -> Result<()> {
    build()?;
    let registry = peer::debian("docker-registry", "/usr/bin/docker-registry")?;
    let nginx = peer::debian("nginx-light", "/usr/sbin/nginx")?;
    let artifacts = artifacts.unwrap_or(ARTIFACTS_DEFAULT);
    let what = ["--artifacts", artifacts, "--repositories", REPOSITORIES, "--layer-bytes", LAYER_BYTES];
    let what = [&what[..], &["--run", "small"]].concat();
    let measured = Measured::rounds(|measured, _, folder| {
        let server = peer::wargate(&folder.join("wargate"))?;
        push(measured, WARGATE, &server, &what)?;
        read(measured, WARGATE, &server, &what)?;
        drop(server);
        let server = peer::docker_registry(&registry, &folder.join("registry"))?;
        push(measured, REGISTRY, &server, &what)?;
        read(measured, REGISTRY, &server, &what)?;
        drop(server);
        let files = folder.join("files");
        load(&[&["oci-files", "--folder", &files.to_string_lossy()], &what[..]].concat())?;
        read(measured, NGINX, &peer::nginx(&nginx, &folder.join("nginx"), &files)?, &what)
    })?;
    measured.report(&bars(&measured));
    ratios(&measured);
    Ok(())
}

fn push(measured: &mut Measured, who: &'static str, server: &Server, what: &[&str]) -> Result<()> {
    measured.take(who, server, &[&["oci-push", "--connections", CONNECTIONS], what].concat())
}

fn read(measured: &mut Measured, who: &'static str, server: &Server, what: &[&str]) -> Result<()> {
    READS.iter().try_for_each(|(verb, _)| {
        let how = [*verb, "--connections", CONNECTIONS, "--seconds", READ_SECONDS];
        measured.take(who, server, &[&how, what].concat())
    })
}

fn bars(measured: &Measured) -> [Bar; 2] {
    [
        ("push, durable, ÷ docker-registry", measured.ratio("push_per_s", REGISTRY), "≥ 5".to_owned()),
        ("pull ÷ docker-registry", measured.ratio("pull_per_s", REGISTRY), "≥ 10".to_owned()),
    ]
}

/// How each phase compares: rates, and the server's CPU.
fn ratios(measured: &Measured) {
    let line = |phase: &str, cells: [String; 4]| {
        println!("{phase:<10}{}", cells.map(|cell| format!(" {cell:>16}")).concat());
    };
    println!();
    line("", ["rate ÷ registry", "rate ÷ nginx", "CPU ÷ registry", "CPU ÷ nginx"].map(str::to_owned));
    for phase in std::iter::once("push").chain(READS.map(|(_, phase)| phase)) {
        let rate = |who| measured.ratio(&format!("{phase}_per_s"), who);
        let cpu = |who| measured.ratio(&format!("{phase}_cpu_us_a_request"), who);
        let row = [rate(REGISTRY), rate(NGINX), cpu(REGISTRY), cpu(NGINX)];
        // nginx takes no pushes.
        line(phase, row.map(|ratio| if ratio.is_nan() { "–".to_owned() } else { format!("{ratio:.2}") }));
    }
}
