//! A registry inside somebody else's server: an own page, an own say in what is let in, the Warg door below `/warg`
//! and the OCI door where OCI clients look for it.

#![expect(clippy::print_stdout, reason = "it is a program of its own, not the library")]

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use wargate_core::act::endorse;
use wargate_core::authority::genesis_act;
use wargate_core::key::{Algorithm, SecretKey};
use wargate_registry::clock::{Clock as _, SystemClock};
use wargate_registry::{Candidate, Config, Genesis, Registry};
use wargate_server::{Options, oci_door, serve, warg_door};
use wargate_store::{SqliteLedger, open_files};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).ok_or("usage: embed FOLDER")?);
    std::fs::create_dir_all(folder.join("objects"))?;
    let registry = open(&folder).await?;
    let options = Options { public_url: Some("http://127.0.0.1/warg".to_owned()) };
    let doors = oci_door(registry.clone(), options.clone());
    let router = Router::new()
        .route("/", get(async || "A shop that has a registry, too."))
        .nest("/warg", warg_door(registry.clone(), options))
        .merge(doors);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    serve(listener, router, interrupted).await?;
    registry.close().await;
    Ok(())
}

async fn open(folder: &std::path::Path) -> Result<Registry, Failure> {
    // Real keys are made once, of randomness, and kept; the root key not on this machine.
    let key = |seed| SecretKey::from_bytes(Algorithm::EcdsaP256, [seed; 32]);
    let (root, commit, spare, publishing) = (key(1)?, key(2)?, key(3)?, key(4)?);
    let commit_keys = [commit.public().clone(), spare.public().clone()];
    let owners = [root.public().clone()];
    let act = genesis_act(&owners, 1, &commit_keys, publishing.public(), SystemClock.now(), [0; 16]).encode();
    let endorsements = vec![endorse(&act, &root)?];
    let mut config = Config::new("shop.example/log", commit);
    config.publishing_key = Some(Arc::new(publishing));
    config.admission = Some(Arc::new(|candidate: &Candidate<'_>| {
        let finished = candidate.version.pre.is_empty();
        if finished { Ok(()) } else { Err("this shop sells no pre-releases".to_owned()) }
    }));
    let db = SqliteLedger::open(folder.join("ledger.sqlite"), 2)?;
    let objects = open_files(&folder.join("objects"))?;
    let genesis = Some(Genesis { act: act.into(), endorsements });
    Ok(Registry::open(config, Arc::new(db), objects, Arc::new(SystemClock), genesis).await?)
}
