//! The servers under load: Wargate, and the peers that it is measured against.
//!
//! Peers are built once from crates.io into the cache outside the checkout, or are Debian's. Each listens on a free
//! port and keeps what it stores in a folder of its own.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{checkout, run};

/// How long a peer may take to start.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

/// How long a server may take to end when it is asked to.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A server under load; ended by its id when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts a peer, which must listen on the address that it was told.
    fn start(command: &mut Command, address: String) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.with_context(|| format!("start {}", command.get_program().display()))?;
        let mut server = Self { child, address };
        let start = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{} ended at once: {status}", command.get_program().display());
            }
            if start.elapsed() > STARTED_WITHIN {
                bail!("{} did not start", command.get_program().display());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked first: nginx ends its workers only then. Each step fails only where the process has ended already.
        let _ = Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status();
        let start = Instant::now();
        while start.elapsed() < ENDED_WITHIN && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK_EVERY);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port: nothing tells which one a peer took.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Makes sure that a package of Debian's is there: `path` is in it.
pub(crate) fn debian(package: &str, path: &str) -> Result<PathBuf> {
    let path = PathBuf::from(path);
    if !path.exists() {
        run::must(Command::new("apt-get").args(["install", "-y", "-qq", package]))?;
    }
    if !path.exists() {
        bail!("{package} has no {}", path.display());
    }
    Ok(path)
}

/// Wargate as it is when nothing is configured.
pub(crate) fn wargate(folder: &Path) -> Result<Server> {
    wargate_at(&checkout::target().join("release/wargate"), folder)
}

/// The same of this build.
pub(crate) fn wargate_at(binary: &Path, folder: &Path) -> Result<Server> {
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("start wargate")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
    let address = line.trim().rsplit("http://").next().unwrap_or_default().to_owned();
    Ok(Server { child, address })
}

/// The Warg reference.
pub(crate) fn warg_server(binary: &Path, folder: &Path, database: Option<&str>) -> Result<Server> {
    std::fs::create_dir_all(folder)?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut command = Command::new(binary);
    command.args(["--listen", &address, "--namespace", "load", "--content-dir"]).arg(folder);
    command.env("WARG_OPERATOR_KEY", "ecdsa-p256:BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=");
    if let Some(url) = database {
        command.args(["--data-store", "postgres", "--database-run-migrations"]);
        command.env("WARG_DATABASE_URL", url);
    }
    Server::start(&mut command, address)
}

/// The OCI reference on files, configured as Debian does but for its logs, which are off.
pub(crate) fn docker_registry(binary: &Path, folder: &Path) -> Result<Server> {
    std::fs::create_dir_all(folder)?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let config = folder.join("config.yml");
    let text = format!(
        "version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: {}
  delete:
    enabled: true
http:
  addr: {address}
",
        folder.join("files").display()
    );
    std::fs::write(&config, text)?;
    Server::start(Command::new(binary).arg("serve").arg(&config), address)
}

/// The OCI registry of crates.io, on files, without its logs.
pub(crate) fn ferro(binary: &Path, folder: &Path) -> Result<Server> {
    std::fs::create_dir_all(folder)?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut command = Command::new(binary);
    command.env("FERRO_OCI_LISTEN", &address).env("FERRO_OCI_STORAGE_DIR", folder).env("RUST_LOG", "off");
    Server::start(&mut command, address)
}

/// nginx on a folder of files: what reading can cost at least.
pub(crate) fn nginx(binary: &Path, folder: &Path, files: &Path) -> Result<Server> {
    std::fs::create_dir_all(folder)?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let config = folder.join("nginx.conf");
    // The workers read what this user wrote, so they run as the same one.
    let text = format!(
        "user root;
daemon off;
worker_processes 2;
pid {folder}/pid;
error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  open_file_cache max=100000 inactive=1h;
  open_file_cache_valid 1h;
  default_type application/octet-stream;
  server {{
    listen {address};
    root {files};
    location ~ /manifests/ {{ default_type application/vnd.oci.image.manifest.v1+json; }}
    location ~ /tags/list$ {{ default_type application/json; }}
  }}
}}
",
        folder = folder.display(),
        files = files.display()
    );
    std::fs::write(&config, text)?;
    Server::start(Command::new(binary).arg("-p").arg(folder).arg("-c").arg(&config), address)
}

/// A PostgreSQL of Debian's, on a folder of its own.
pub(crate) struct Postgres {
    binaries: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    pub(crate) fn start() -> Result<Self> {
        let binaries = debian("postgresql", "/usr/lib/postgresql/15/bin")?;
        let folder = std::env::temp_dir().join(format!("wargate-bench-pg-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let postgres = Self { binaries, folder, port: free_port()? };
        run::must(Command::new("chown").arg("postgres").arg(&postgres.folder))?;
        let (binaries, data) = (postgres.binaries.display(), postgres.folder.join("data"));
        let data = data.display();
        postgres.as_postgres(&format!("{binaries}/initdb -D {data} -A trust"))?;
        let options = format!("-p {} -c listen_addresses=127.0.0.1 -k /tmp", postgres.port);
        postgres
            .as_postgres(&format!("{binaries}/pg_ctl -D {data} -o '{options}' -l {data}/log -w start"))?;
        Ok(postgres)
    }

    /// PostgreSQL refuses to run as root.
    fn as_postgres(&self, line: &str) -> Result<()> {
        run::must(
            Command::new("su").args(["postgres", "-c", line]).current_dir(&self.folder).stdout(Stdio::null()),
        )
    }

    /// The URL of a new database.
    pub(crate) fn database(&self, round: usize) -> Result<String> {
        let name = format!("round{round}");
        self.as_postgres(&format!("createdb -h 127.0.0.1 -p {} {name}", self.port))?;
        Ok(format!("postgres://postgres@127.0.0.1:{}/{name}", self.port))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        let line = format!("{}/pg_ctl -D {} -m immediate stop", self.binaries.display(), data.display());
        // Nothing is left to do where it fails.
        let _ = self.as_postgres(&line);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
