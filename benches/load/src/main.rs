//! Loads a Warg registry and prints what it measured as one line of JSON.
//!
//! `wargate-load publish --server HOST:PORT --pid PID --packages N --connections C --run NAME`
//! `wargate-load lone    --server HOST:PORT --packages N --run NAME`
//! `wargate-load read    --server HOST:PORT --pid PID --packages N --requests R --connections C --run NAME`
//!
//! The server's CPU is read from the kernel by its process id.

mod http;
mod records;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::http::{Connection, get, post};
use crate::records::{CONTENT, Prepared, author, first, name};

/// Retries of a connection before the load gives up.
const RETRIES_MAX: usize = 1_000;

struct Options(HashMap<String, String>);

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = HashMap::new();
        let mut arguments = arguments;
        while let Some(flag) = arguments.next() {
            let key = flag.strip_prefix("--").context("expected --FLAG VALUE")?.to_owned();
            options.insert(key, arguments.next().context("a flag needs a value")?);
        }
        Ok(Self(options))
    }

    fn text(&self, key: &str) -> Result<String> {
        self.0.get(key).cloned().with_context(|| format!("--{key} is missing"))
    }

    fn number(&self, key: &str) -> Result<usize> {
        Ok(self.text(key)?.parse()?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().context("publish, lone or read?")?;
    let options = Options::parse(arguments)?;
    let result = match verb.as_str() {
        "publish" => publish(&options).await?,
        "lone" => lone(&options).await?,
        "read" => read(&options).await?,
        other => bail!("unknown verb {other}"),
    };
    println!("{result}");
    Ok(())
}

/// CPU seconds that a process has used so far.
fn cpu_seconds(pid: usize) -> Result<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).context("stat")?.parse::<f64>()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// Makes sure that the load's content is stored, so that records which release it need no upload.
async fn store_content(server: &str, run: &str) -> Result<()> {
    let mut connection = Connection::open(server).await?;
    let seed = first(server, &author()?, &name(&format!("{run}-seed"), 0)?)?;
    let answer = connection.send(&seed.request).await?;
    let status: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(missing) = status["missingContent"].as_object() {
        let url =
            missing.values().next().and_then(|m| m["upload"][0]["url"].as_str()).context("no upload url")?;
        let path = format!("/{}", url.trim_start_matches('/'));
        let answer = connection.send(&post(server, &path, "application/octet-stream", CONTENT)).await?;
        ensure!(answer.status == 201, "upload: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    wait_published(&mut connection, server, &seed).await
}

async fn wait_published(connection: &mut Connection, server: &str, prepared: &Prepared) -> Result<()> {
    let request = get(server, &format!("/v1/package/{}/record/{}", prepared.log, prepared.record));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        let answer = connection.send(&request).await?;
        let status: Value = serde_json::from_slice(&answer.body)?;
        match status["state"].as_str() {
            Some("published") => return Ok(()),
            Some("processing" | "sourcing") => tokio::time::sleep(Duration::from_millis(1)).await,
            _ => bail!("unexpected status {status}"),
        }
    }
    bail!("the record was never published")
}

/// Publishes many packages over many connections: when all were accepted, and when all were provable.
async fn publish(options: &Options) -> Result<Value> {
    let (server, run) = (options.text("server")?, options.text("run")?);
    let (packages, connections) = (options.number("packages")?, options.number("connections")?);
    let pid = options.number("pid")?;
    store_content(&server, &run).await?;
    let key = author()?;
    let prepared =
        (0..packages).map(|i| first(&server, &key, &name(&run, i)?)).collect::<Result<Vec<_>>>()?;
    let prepared = Arc::new(prepared);
    let next = Arc::new(AtomicUsize::new(0));
    let cpu = cpu_seconds(pid)?;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (server, prepared, next) = (server.clone(), prepared.clone(), next.clone());
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(&server).await?;
            let (mut later, mut retries) = (Vec::new(), 0usize);
            while let Some(record) = prepared.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut answer = connection.send(&record.request).await?;
                // A server that is busy is tried again, as a client would.
                while answer.status >= 500 && retries < RETRIES_MAX {
                    retries += 1;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    answer = connection.send(&record.request).await?;
                }
                ensure!(answer.status < 300, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
                let published = answer.body.windows(11).any(|window| window == b"\"published\"");
                if !published {
                    later.push(record.record);
                }
            }
            Ok::<_, anyhow::Error>((later, retries))
        }));
    }
    let mut later = std::collections::HashSet::new();
    let mut retries = 0;
    for task in tasks {
        let (records, tried) = task.await??;
        later.extend(records);
        retries += tried;
    }
    let accepted = start.elapsed().as_secs_f64();
    let mut connection = Connection::open(&server).await?;
    for record in prepared.iter().filter(|record| later.contains(&record.record)) {
        wait_published(&mut connection, &server, record).await?;
    }
    let provable = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds(pid)? - cpu;
    Ok(json!({
        "accepted_per_s": packages as f64 / accepted,
        "provable_per_s": packages as f64 / provable,
        "not_at_once": later.len(),
        "retries": retries,
        "cpu_us_each": cpu * 1e6 / packages as f64,
    }))
}

/// Publishes one at a time, each until it is provable.
async fn lone(options: &Options) -> Result<Value> {
    let (server, run) = (options.text("server")?, options.text("run")?);
    let packages = options.number("packages")?;
    store_content(&server, &run).await?;
    let key = author()?;
    let mut connection = Connection::open(&server).await?;
    let mut times = Vec::with_capacity(packages);
    for i in 0..packages {
        let record = first(&server, &key, &name(&run, i)?)?;
        let start = Instant::now();
        let answer = connection.send(&record.request).await?;
        ensure!(answer.status < 300, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
        if !answer.body.windows(11).any(|window| window == b"\"published\"") {
            wait_published(&mut connection, &server, &record).await?;
        }
        times.push(start.elapsed());
    }
    Ok(quantiles(times))
}

fn quantiles(mut times: Vec<Duration>) -> Value {
    times.sort();
    let at = |q: f64| {
        let index = ((times.len() - 1) as f64 * q) as usize;
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    json!({ "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0) })
}

/// Fetches package logs and proofs of what `publish` made.
async fn read(options: &Options) -> Result<Value> {
    let (server, run) = (options.text("server")?, options.text("run")?);
    let (packages, requests) = (options.number("packages")?, options.number("requests")?);
    let (connections, pid) = (options.number("connections")?, options.number("pid")?);
    let mut connection = Connection::open(&server).await?;
    let checkpoint = connection.send(&get(&server, "/v1/fetch/checkpoint")).await?;
    let checkpoint: Value = serde_json::from_slice(&checkpoint.body)?;
    let size = checkpoint["contents"]["logLength"].as_u64().context("no checkpoint")?;
    let log = |i: usize| -> Result<Vec<u8>> {
        let log = wargate_core::id::LogId::package(&name(&run, i)?);
        let body = json!({ "logLength": size, "packages": { log.to_string(): null } });
        Ok(post(&server, "/v1/fetch/logs", "application/json", &serde_json::to_vec(&body)?))
    };
    let proof = |i: usize| -> Result<Vec<u8>> {
        let body = json!({ "logLength": size, "leafs": [i as u64 % size] });
        Ok(post(&server, "/v1/proof/inclusion", "application/json", &serde_json::to_vec(&body)?))
    };
    // A fixed walk that visits packages in no order of their making.
    let pick = |i: usize| i.wrapping_mul(7919) % packages;
    let logs = (0..requests).map(|i| log(pick(i))).collect::<Result<Vec<_>>>()?;
    let proofs = (0..requests).map(|i| proof(pick(i) + 1)).collect::<Result<Vec<_>>>()?;
    let (logs_per_s, logs_cpu) = drive(&server, logs, connections, pid).await?;
    let (proofs_per_s, proofs_cpu) = drive(&server, proofs, connections, pid).await?;
    Ok(json!({
        "logs_per_s": logs_per_s, "logs_cpu_us_each": logs_cpu,
        "proofs_per_s": proofs_per_s, "proofs_cpu_us_each": proofs_cpu,
    }))
}

async fn drive(server: &str, requests: Vec<Vec<u8>>, connections: usize, pid: usize) -> Result<(f64, f64)> {
    let count = requests.len();
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let cpu = cpu_seconds(pid)?;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (server, requests, next) = (server.to_owned(), requests.clone(), next.clone());
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(&server).await?;
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = connection.send(request).await?;
                ensure!(answer.status == 200, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
            }
            Ok::<_, anyhow::Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok((count as f64 / seconds, (cpu_seconds(pid)? - cpu) * 1e6 / count as f64))
}
