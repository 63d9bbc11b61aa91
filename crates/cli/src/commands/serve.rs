//! `wargate serve`: runs a registry on a data folder.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::net::TcpListener;
use wargate_core::authority;
use wargate_registry::clock::{Clock, SystemClock};
use wargate_registry::{Access, Genesis, Registry};
use wargate_server::{Options, Tls};
use wargate_store::DataFolder;

use crate::config::ServeConfig;
use crate::error::{CommandError, Kind};
use crate::keys::{self, Make, RegistryKeys};
use crate::{origin, ui};

pub(super) mod opening;
mod reach;

use opening::Opening;
use reach::Wanted;

const LISTEN_DEFAULT: &str = "127.0.0.1:8090";

/// Connections of the ledger that answer long reads beside the writer.
pub(super) const LEDGER_READERS: usize = 2;

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8090]
    #[arg(long, value_name = "HOST:PORT", env = "WARGATE_LISTEN")]
    listen: Option<String>,
    /// The data folder, made if it is not there [default: wargate-data]
    #[arg(long, value_name = "DIR", env = "WARGATE_DATA")]
    data: Option<PathBuf>,
    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "WARGATE_CONFIG")]
    config: Option<PathBuf>,
    /// The URL under which clients reach the registry
    #[arg(long, value_name = "URL", env = "WARGATE_PUBLIC_URL")]
    public_url: Option<String>,
    /// Speak TLS with this chain of certificates, a PEM file; it and the key are read anew on SIGHUP
    #[arg(long, value_name = "FILE", env = "WARGATE_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The private key of the first certificate, a PEM file
    #[arg(long, value_name = "FILE", env = "WARGATE_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Proxies that may say who the client is, by address or network (10.0.0.0/8)
    #[arg(long, value_name = "ADDRESS", env = "WARGATE_TRUSTED_PROXIES", value_delimiter = ',')]
    trusted_proxies: Vec<String>,
    /// Serve others without any encryption, here or by a proxy
    #[arg(long)]
    plain_http: bool,
    /// Start open to everybody on an address that is not loopback
    #[arg(long)]
    open: bool,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let config = self.config.as_deref().map(ServeConfig::read).transpose()?.unwrap_or_default();
        start_log(config.log_json);
        if let Err(error) = wargate_server::raise_descriptor_limit() {
            tracing::warn!(%error, "couldn't raise the limit of open descriptors");
        }
        let listen = self.listen.clone().or(config.listen.clone()).unwrap_or(LISTEN_DEFAULT.to_owned());
        let listener = TcpListener::bind(&listen)
            .await
            .map_err(|error| CommandError::config(format!("couldn't listen on `{listen}`: {error}")))?;
        let address = listener.local_addr().map_err(|error| CommandError::internal(error.to_string()))?;
        self.check_open(&address)?;
        let reach = self.wanted(&config).check(&address)?;
        let data = config.data_folder(self.data.as_deref());
        if !address.ip().to_canonical().is_loopback() {
            check_owners_elsewhere(&data)?;
        }
        let folder = DataFolder::open(&data).map_err(|error| CommandError::config(error.to_string()))?;
        super::restore::check_may_sign(folder.path())?;
        let access = config.access(self.open || address.ip().is_loopback())?;
        let registry = open_registry(&folder, &config, access, &address).await?;
        let root_key = keys::root_key(&folder.keys());
        if let Some(path) = root_key.as_ref().filter(|_| reach.is_public) {
            tracing::warn!(path = %path.display(), "a root key lies here: who takes this machine is the registry");
        }
        let url = reach.public_url.as_deref().unwrap_or(&reach.local_url);
        let greeting = greeting(&registry, root_key.as_deref().and_then(Path::parent), url);
        let router = wargate_server::router(registry.clone(), Options { public_url: reach.public_url });
        // Before the line that scripts wait for: what they send then must find its listener.
        let told_to_end = told_to_end()?;
        if let Some(tls) = &reach.transport.tls {
            reload_when_told(tls.clone())?;
        }
        ui::announce(&format!("listening on {}", reach.local_url));
        ui::announce(&greeting);
        wargate_server::serve_over(listener, reach.transport, router, told_to_end)
            .await
            .map_err(|error| CommandError::internal(format!("couldn't serve: {error}")))?;
        registry.close().await;
        Ok(())
    }

    /// What flags and environment say of how clients reach it, else what the configuration says.
    fn wanted(&self, config: &ServeConfig) -> Wanted {
        let own = &self.trusted_proxies;
        let trusted_proxies = if own.is_empty() { &config.trusted_proxies } else { own };
        Wanted {
            public_url: self.public_url.clone().or(config.public_url.clone()),
            tls_cert: self.tls_cert.clone().or(config.tls_cert.clone()),
            tls_key: self.tls_key.clone().or(config.tls_key.clone()),
            trusted_proxies: trusted_proxies.clone(),
            forwarded_header: config.forwarded_header.clone(),
            plain_http: self.plain_http || config.plain_http,
        }
    }

    /// Without a configuration only a loopback address is open to whoever comes.
    fn check_open(&self, address: &SocketAddr) -> Result<(), CommandError> {
        if address.ip().is_loopback() || self.open || self.config.is_some() {
            return Ok(());
        }
        Err(CommandError::config(format!(
            "`{address}` can be reached by others, and without a configuration anybody could publish there"
        ))
        .hint("listen on 127.0.0.1, give a configuration with --config, or say --open if that is meant"))
    }
}

async fn open_registry(
    folder: &DataFolder,
    config: &ServeConfig,
    access: Access,
    address: &SocketAddr,
) -> Result<Registry, CommandError> {
    // All of the configuration is checked before anything is kept for ever.
    config.imports()?;
    let keys = registry_keys(folder, config)?;
    let genesis = genesis(&keys)?;
    let otherwise = format!("{address}/log");
    let origin = origin::choose(folder, config.origin.as_deref(), &otherwise, keys.commit.public())?;
    Opening { folder, config, keys, origin, access }.open(genesis).await
}

/// The keys of a registry; on a first start they are made, unless its owners begin it elsewhere.
fn registry_keys(folder: &DataFolder, config: &ServeConfig) -> Result<RegistryKeys, CommandError> {
    let begun = keys::has_begun(folder.path());
    if !begun && keys::wait_for_owners(&folder.keys()) {
        return Err(not_begun(folder.path()));
    }
    let make = if begun { Make::Nothing } else { Make::All };
    RegistryKeys::load(&folder.keys(), config.commit_key.as_deref(), make)
}

/// Who reaches the server over the network must not find the key that can do everything: off loopback the registry has
/// begun with an act of its owners, who keep their keys elsewhere (`spec/delegation.md`, "Offline signing").
fn check_owners_elsewhere(data: &Path) -> Result<(), CommandError> {
    if let Some(path) = keys::root_key(&data.join("keys")) {
        return Err(CommandError::config(format!(
            "`{}` can do everything, and lies on a machine that others reach",
            path.display()
        ))
        .hint("move it to one that no network reaches, and keep a copy: this registry goes on without it")
        .hint("a registry of several owners begins with `wargate operator keys` (docs/keys.md)"));
    }
    if keys::has_begun(data) { Ok(()) } else { Err(not_begun(data)) }
}

fn not_begun(data: &Path) -> CommandError {
    let data = data.display();
    CommandError::config(format!("the registry in `{data}` has not begun: it does with an act of its owners"))
        .hint(format!(
            "wargate operator keys --data {data}, wargate operator init, wargate sign, wargate operator begin \
             (docs/keys.md)"
        ))
        .hint("on a loopback address `serve` makes all keys of a new registry itself, to try it out")
}

/// The act that would begin the registry, if it has not begun and its keys are here.
fn genesis(keys: &RegistryKeys) -> Result<Option<Genesis>, CommandError> {
    let (Some(root), Some(spare), Some(publishing)) = (&keys.root, &keys.commit_spare, &keys.publishing)
    else {
        return Ok(None);
    };
    let act = authority::genesis_act(
        std::slice::from_ref(root.public()),
        1,
        &[keys.commit.public().clone(), spare.public().clone()],
        publishing.public(),
        SystemClock.now(),
        keys::random()?,
    )
    .encode();
    let endorsement = wargate_core::act::endorse(&act, root)
        .map_err(|error| CommandError::internal(format!("couldn't sign the first act: {error}")))?;
    Ok(Some(Genesis { act: act.into(), endorsements: vec![endorsement] }))
}

/// Which registry this is and how to use it, for the operator.
fn greeting(registry: &Registry, owners_keys: Option<&Path>, url: &str) -> String {
    let snapshot = registry.snapshot();
    let size = snapshot.checkpoint().size();
    let root = snapshot.root().map(ToString::to_string).unwrap_or_default();
    let mut text = String::new();
    if let (1, Some(keys)) = (size, owners_keys) {
        text = format!(
            "\nA new registry. Its root, commit and publishing keys were made in {}: good for trying it out.\n\
             Who has that folder is the registry; for production keep the root key elsewhere.\n",
            keys.display()
        );
    }
    let (scheme, host) = url.split_once("://").unwrap_or(("", url));
    let insecure = if scheme == "https" { String::new() } else { format!("--insecure {host} ") };
    text + &format!(
        "\nThis registry is {root}. Pin it wherever you verify:\n\
             \x20 wargate trust add {url} --root {root}\n\
             \nLook at its packages: {url}/\n\
             \nPublish with wkg 0.16:\n\
             \x20 wkg oci push {insecure}{host}/acme/hello:1.0.0 hello.wasm\n\
             Or with warg 0.10:\n\
             \x20 warg config --registry {url} --keyring-backend flat-file\n\
             \x20 warg key new\n\
             \x20 warg publish start acme:mine\n\
             \x20 warg publish init acme:mine\n\
             \x20 warg publish release --name acme:mine --version 1.0.0 hello.wasm\n\
             \x20 warg publish submit\n\
             Then: wargate verify acme:hello@1.0.0 --registry {url}"
    )
}

/// Listens for SIGTERM and SIGINT from now on; done when one comes.
fn told_to_end() -> Result<impl Future<Output = ()>, CommandError> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| {
        signal(kind).map_err(|error| CommandError::internal(format!("couldn't hear signals: {error}")))
    };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to end: finishing what is in flight");
    })
}

/// Reads certificate and key anew whenever SIGHUP comes.
fn reload_when_told(tls: Tls) -> Result<(), CommandError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut told = signal(SignalKind::hangup())
        .map_err(|error| CommandError::internal(format!("couldn't hear signals: {error}")))?;
    tokio::spawn(async move {
        while told.recv().await.is_some() {
            match tls.reload() {
                Ok(()) => tracing::info!("the certificate was read anew; new connections get it"),
                Err(error) => tracing::error!(%error, "the certificate from before is kept"),
            }
        }
    });
    Ok(())
}

fn start_log(json: bool) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ui::is_colored())
        .with_writer(std::io::stderr);
    let started = if json { log.json().try_init() } else { log.try_init() };
    if let Err(error) = started {
        let error = CommandError::new(Kind::Internal, format!("couldn't start the log: {error}"));
        ui::note(&error.to_json().to_string());
    }
}
