//! `cargo xtask bench publish`: the same load against Wargate and the reference, three interleaved rounds, medians.
//!
//! Peers are built once from crates.io into the cache outside the checkout; PostgreSQL is Debian's. Every figure is
//! printed with its ratio to the peer of the same run, since the machine's own speed changes by the hour.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{checkout, run, tools};

const ROUNDS: usize = 3;
const PACKAGES: &str = "10000";
const CONNECTIONS: &str = "64";
const LONE: &str = "300";
const READS: &str = "20000";

/// A server under load; ended by its id when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails only where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Figures = BTreeMap<String, Vec<f64>>;

/// Measures publishing and reading.
pub(crate) fn publish() -> Result<()> {
    run::must(&mut run::cargo(&["build", "--release", "-p", "wargate-cli", "-p", "wargate-load"]))?;
    let reference = tools::WARG_SERVER.install_peer()?;
    let scratch = tempdir()?;
    let postgres = Postgres::start()?;
    let mut all: BTreeMap<&str, Figures> = BTreeMap::new();
    let mut syncs = Vec::new();
    for round in 0..ROUNDS {
        println!("round {} of {ROUNDS}", round + 1);
        syncs.push(sync_ms(&scratch)?);
        let folder = scratch.join(format!("wargate-{round}"));
        measure(all.entry("wargate").or_default(), &wargate(&folder)?, true)?;
        let folder = scratch.join(format!("memory-{round}"));
        measure(
            all.entry("reference in memory").or_default(),
            &warg_server(&reference, &folder, None)?,
            false,
        )?;
        let url = postgres.database(round)?;
        let folder = scratch.join(format!("postgres-{round}"));
        let server = warg_server(&reference, &folder, Some(&url))?;
        measure(all.entry("reference on PostgreSQL").or_default(), &server, false)?;
    }
    drop(postgres);
    std::fs::remove_dir_all(&scratch)?;
    report(&all, median(syncs));
    Ok(())
}

fn tempdir() -> Result<PathBuf> {
    let folder = checkout::cache()?.join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The disk's own time for a small synced append, in ms: the median of 200.
fn sync_ms(folder: &Path) -> Result<f64> {
    let mut file = std::fs::File::create(folder.join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}

fn wargate(folder: &Path) -> Result<Server> {
    let binary = checkout::target().join("release/wargate");
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("start wargate")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
    let address = line.trim().rsplit("http://").next().unwrap_or_default().to_owned();
    Ok(Server { child, address })
}

fn warg_server(binary: &Path, folder: &Path, database: Option<&str>) -> Result<Server> {
    std::fs::create_dir_all(folder)?;
    // A free port, as nothing tells which one the reference took.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(binary);
    command.args(["--listen", &address, "--namespace", "load", "--content-dir"]).arg(folder);
    command.env("WARG_OPERATOR_KEY", "ecdsa-p256:BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=");
    if let Some(url) = database {
        command.args(["--data-store", "postgres", "--database-run-migrations"]);
        command.env("WARG_DATABASE_URL", url);
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("start warg-server")?;
    let server = Server { child, address };
    let start = Instant::now();
    while std::net::TcpStream::connect(&server.address).is_err() {
        if start.elapsed() > Duration::from_secs(30) {
            bail!("warg-server did not start");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(server)
}

fn measure(figures: &mut Figures, server: &Server, lone: bool) -> Result<()> {
    let load = checkout::target().join("release/wargate-load");
    let pid = server.child.id().to_string();
    let mut take = |arguments: &[&str]| -> Result<()> {
        let mut command = Command::new(&load);
        command.args(arguments).args(["--server", &server.address, "--pid", &pid]);
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            bail!("the load failed: {}", arguments.join(" "));
        }
        for (name, value) in parse(&String::from_utf8_lossy(&output.stdout)) {
            figures.entry(name).or_default().push(value);
        }
        Ok(())
    };
    if lone {
        take(&["lone", "--packages", LONE, "--run", "lone"])?;
    }
    take(&["publish", "--packages", PACKAGES, "--connections", CONNECTIONS, "--run", "many"])?;
    let read = ["read", "--packages", PACKAGES, "--requests", READS, "--connections", CONNECTIONS];
    take(&[&read[..], &["--run", "many"]].concat())
}

/// The numbers of a flat JSON object.
fn parse(json: &str) -> Vec<(String, f64)> {
    let fields = json.trim().trim_matches(['{', '}']).split(',');
    fields
        .filter_map(|field| {
            let (name, value) = field.split_once(':')?;
            Some((name.trim().trim_matches('"').to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(all: &BTreeMap<&str, Figures>, sync_ms: f64) {
    let of = |who: &str, name: &str| {
        let values = all.get(who).and_then(|figures| figures.get(name)).cloned().unwrap_or_default();
        median(values)
    };
    println!("\nmedians of {ROUNDS} interleaved rounds; a synced 4 KiB append took {sync_ms:.2} ms");
    for (who, figures) in all {
        println!("{who}");
        for (name, values) in figures {
            println!("  {name:<20} {:>12.2}   {values:.1?}", median(values.clone()));
        }
    }
    let (memory, postgres) = ("reference in memory", "reference on PostgreSQL");
    let publish = of("wargate", "provable_per_s");
    let lines = [
        ("lone publish, p50 ms", of("wargate", "p50_ms"), format!("≤ {:.2}", 3.0 * sync_ms + 3.0)),
        ("provable ÷ accepted in memory", publish / of(memory, "accepted_per_s"), "≥ 3.5".to_owned()),
        ("provable ÷ accepted on PostgreSQL", publish / of(postgres, "accepted_per_s"), "≥ 7".to_owned()),
        ("server CPU a publish, µs", of("wargate", "cpu_us_each"), "≤ 220".to_owned()),
        (
            "package logs ÷ reference",
            of("wargate", "logs_per_s") / of(memory, "logs_per_s"),
            "≥ 1".to_owned(),
        ),
        ("proofs ÷ reference", of("wargate", "proofs_per_s") / of(memory, "proofs_per_s"), "≥ 1".to_owned()),
    ];
    for (what, value, bar) in lines {
        println!("{what:<36} {value:>10.2}   must reach {bar}");
    }
}

/// A PostgreSQL of Debian's, on a folder of its own.
struct Postgres {
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    fn start() -> Result<Self> {
        let binaries = Path::new("/usr/lib/postgresql/15/bin");
        if !binaries.is_dir() {
            run::must(Command::new("apt-get").args(["install", "-y", "-qq", "postgresql"]))?;
        }
        let folder = std::env::temp_dir().join(format!("wargate-bench-pg-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let postgres = Self { folder, port };
        run::must(Command::new("chown").arg("postgres").arg(&postgres.folder))?;
        let data = postgres.folder.join("data");
        let data = data.to_string_lossy();
        postgres.as_postgres(&format!("{}/initdb -D {data} -A trust", binaries.display()))?;
        let options = format!("-p {port} -c listen_addresses=127.0.0.1 -k /tmp");
        postgres.as_postgres(&format!(
            "{}/pg_ctl -D {data} -o '{options}' -l {data}/log -w start",
            binaries.display()
        ))?;
        Ok(postgres)
    }

    /// PostgreSQL refuses to run as root.
    fn as_postgres(&self, line: &str) -> Result<()> {
        run::must(
            Command::new("su").args(["postgres", "-c", line]).current_dir(&self.folder).stdout(Stdio::null()),
        )
    }

    fn database(&self, round: usize) -> Result<String> {
        let name = format!("round{round}");
        self.as_postgres(&format!("createdb -h 127.0.0.1 -p {} {name}", self.port))?;
        Ok(format!("postgres://postgres@127.0.0.1:{}/{name}", self.port))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        let line = format!("/usr/lib/postgresql/15/bin/pg_ctl -D {} -m immediate stop", data.display());
        // Nothing is left to do where it fails.
        let _ = self.as_postgres(&line);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
