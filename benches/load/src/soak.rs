//! A load that goes on until the server is gone, and keeps a list of what was acknowledged.
//!
//! Each line of the list says what must be there for ever: `warg LOG RECORD NAME` or `oci RUN NUMBER BYTES`. Whoever
//! has the list can check a server against it, also after the server was killed and started again.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};
use wargate_core::digest::Digest;

use crate::drive::{Target, Until};
use crate::http::{Busy, Connection, get, get_as};
use crate::oci::artifact::{Load, MANIFEST_TYPE};
use crate::oci::push::push_one;
use crate::options::Options;
use crate::records::{author, first, name};
use crate::warg::{is_published, store_content, wait_published};

/// Publishers at the Warg door, pushers at the OCI door, and those who read what was acknowledged.
const WORKERS: [Kind; 8] = [
    Kind::Publish,
    Kind::Publish,
    Kind::Publish,
    Kind::Publish,
    Kind::Push,
    Kind::Push,
    Kind::Read,
    Kind::Read,
];

/// Bytes of a layer; one in [`LARGE_EVERY`] has the larger size.
const LAYER_BYTES: usize = 16 * 1024;
const LARGE_LAYER_BYTES: usize = 1024 * 1024;
const LARGE_EVERY: usize = 100;

/// Repositories that are pushed to in a run.
const REPOSITORIES: usize = 16;

/// How long a worker waits when the server is busy; what was refused is not on the list.
const BUSY_WAIT: Duration = Duration::from_millis(500);

/// How long a worker waits when it is ahead of the rate.
const AHEAD_WAIT: Duration = Duration::from_millis(5);

#[derive(Clone, Copy)]
enum Kind {
    Publish,
    Push,
    Read,
}

/// What all workers share.
struct Soak {
    server: String,
    run: String,
    until: Instant,
    start: Instant,
    per_second: usize,
    next: Cell<usize>,
    list: RefCell<File>,
    done: RefCell<Vec<String>>,
    reads: Cell<usize>,
    busy: Cell<usize>,
}

/// Loads until the time is over or the server is gone.
pub async fn soak(options: &Options) -> Result<Value> {
    let path = options.text("acknowledged")?;
    let list = File::options().create(true).append(true).open(&path).with_context(|| path.clone())?;
    let seconds = Duration::from_secs(options.number("seconds")? as u64);
    let soak = Rc::new(Soak {
        server: options.text("server")?,
        run: options.text("run")?,
        until: Instant::now() + seconds,
        start: Instant::now(),
        per_second: options.number("per-second")?,
        next: Cell::new(0),
        list: RefCell::new(list),
        done: RefCell::default(),
        reads: Cell::new(0),
        busy: Cell::new(0),
    });
    let workers = async {
        match store_content(&soak.server, &soak.run).await {
            Err(error) if is_gone(&error) => return Ok(()),
            other => other?,
        }
        let mut workers = JoinSet::new();
        for kind in WORKERS {
            workers.spawn_local(work(soak.clone(), kind));
        }
        while let Some(done) = workers.join_next().await {
            match done.context("a worker")? {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    };
    LocalSet::new().run_until(workers).await?;
    Ok(
        json!({ "acknowledged": soak.done.borrow().len(), "reads": soak.reads.get(), "busy": soak.busy.get() }),
    )
}

/// Whether the server broke off the connection, or refuses new ones.
fn is_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<std::io::Error>() || cause.is::<crate::http::Closed>())
}

async fn work(soak: Rc<Soak>, kind: Kind) -> Result<()> {
    let mut connection = Connection::open(&soak.server).await?;
    while Instant::now() < soak.until {
        let number = soak.next.get();
        if number as f64 > soak.start.elapsed().as_secs_f64() * soak.per_second as f64 {
            tokio::time::sleep(AHEAD_WAIT).await;
            continue;
        }
        soak.next.set(number + 1);
        let done = match kind {
            Kind::Publish => soak.publish(&mut connection, number).await,
            Kind::Push => soak.push(&mut connection, number).await,
            Kind::Read => soak.read(&mut connection, number).await,
        };
        match done {
            Err(error) if error.chain().any(|cause| cause.is::<Busy>()) => {
                soak.busy.set(soak.busy.get() + 1);
                tokio::time::sleep(BUSY_WAIT).await;
            }
            other => other?,
        }
    }
    Ok(())
}

impl Soak {
    fn acknowledge(&self, line: String) -> Result<()> {
        writeln!(self.list.borrow_mut(), "{line}").context("the list")?;
        self.done.borrow_mut().push(line);
        Ok(())
    }

    async fn publish(&self, connection: &mut Connection, number: usize) -> Result<()> {
        let name = name(&self.run, number)?;
        let record = first(&self.server, &author()?, &name)?;
        let answer = connection.send(&record.request).await?;
        if !is_published(&answer)? {
            wait_published(connection, &self.server, &record).await?;
        }
        self.acknowledge(format!("warg {} {} {}", record.log, record.record, name.as_str()))
    }

    async fn push(&self, connection: &mut Connection, number: usize) -> Result<()> {
        let bytes = if number.is_multiple_of(LARGE_EVERY) { LARGE_LAYER_BYTES } else { LAYER_BYTES };
        let artifact = load(&self.run, bytes).artifact(number)?;
        push_one(connection, &self.server, &artifact).await?;
        self.acknowledge(format!("oci {} {number} {bytes}", self.run))
    }

    async fn read(&self, connection: &mut Connection, number: usize) -> Result<()> {
        let line = {
            let done = self.done.borrow();
            if done.is_empty() {
                return Ok(());
            }
            done[number.wrapping_mul(7919) % done.len()].clone()
        };
        check_one(connection, &self.server, &line).await?;
        self.reads.set(self.reads.get() + 1);
        Ok(())
    }
}

/// The artifacts of a run, in a namespace that no key of the other door has to be admitted to: that would make the
/// namespace's own log grow with each package.
fn load(run: &str, layer_bytes: usize) -> Load {
    Load::new("loadoci", run.to_owned(), layer_bytes, REPOSITORIES)
}

/// Checks a server against the list.
pub async fn check(options: &Options) -> Result<Value> {
    let (target, path) = (Target::of(options)?, options.text("acknowledged")?);
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let lines: Rc<Vec<String>> = Rc::new(text.lines().map(str::to_owned).collect());
    let (count, server) = (lines.len(), target.server.clone());
    let checked = target.drive(Until::Count(count), async move |connection, number| {
        let line = lines.get(number).context("no such line")?;
        check_one(connection, &server, line).await.with_context(|| format!("`{line}` was acknowledged"))
    });
    let checked = checked.await?;
    Ok(json!({ "checked": checked.results.len() }))
}

/// What a line says must be there: by its state, or byte for byte.
async fn check_one(connection: &mut Connection, server: &str, line: &str) -> Result<()> {
    match *line.split(' ').collect::<Vec<_>>() {
        ["warg", log, record, _] => {
            let request = get(server, &format!("/v1/package/{log}/record/{record}"));
            let answer = connection.send(&request).await?;
            ensure!(is_published(&answer)?, "{}", answer.shown());
        }
        ["oci", run, number, bytes] => {
            let artifact = load(run, bytes.parse()?).artifact(number.parse()?)?;
            let manifest = get_as(server, &artifact.manifest_path(), MANIFEST_TYPE);
            let layer = get(server, &artifact.blob_path(&artifact.layer));
            for (request, digest) in [(manifest, artifact.manifest.digest), (layer, artifact.layer.digest)] {
                let answer = connection.send(&request).await?;
                answer.must_be(200)?;
                ensure!(Digest::of(&answer.body) == digest, "other bytes than were pushed came");
            }
        }
        _ => bail!("no line of a list: {line}"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_went_away_is_told_from_one_that_answers_wrong() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(is_gone(&anyhow::Error::from(broken).context("the layer")));
        assert!(is_gone(&anyhow::Error::from(crate::http::Closed)));
        assert!(!is_gone(&anyhow::anyhow!("500 instead of 201")));
    }
}
