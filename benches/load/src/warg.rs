//! The load on the Warg door: publishing, and reading logs and proofs.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::drive::{Driven, Target, Until, quantiles_ms};
use crate::http::{Answer, BUSY, Connection, get, post};
use crate::options::Options;
use crate::records::{CONTENT, Prepared, author, first, name};

/// Retries of a record before the load gives up.
const RETRIES_MAX: usize = 1_000;

/// How long the load waits for a server that is busy.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// Longest time until a record must be published.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(120);

/// Makes sure that the load's content is stored, so that records which release it need no upload.
pub async fn store_content(server: &str, run: &str) -> Result<()> {
    let mut connection = Connection::open(server).await?;
    let seed = first(server, &author()?, &name(&format!("{run}-seed"), 0)?)?;
    let answer = send_when_free(&mut connection, &seed.request).await?;
    upload_missing(&mut connection, server, &answer, CONTENT).await?;
    wait_published(&mut connection, server, &seed).await
}

/// Uploads the content that a record waits for, by the answer that it was given.
pub async fn upload_missing(
    connection: &mut Connection,
    server: &str,
    answer: &Answer,
    content: &[u8],
) -> Result<()> {
    let status: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(missing) = status["missingContent"].as_object() else { return Ok(()) };
    let url =
        missing.values().next().and_then(|m| m["upload"][0]["url"].as_str()).context("no upload url")?;
    let path = format!("/{}", url.trim_start_matches('/'));
    connection.send(&post(server, &path, "application/octet-stream", content)).await?.must_be(201)
}

/// Waits until a record is published.
pub async fn wait_published(connection: &mut Connection, server: &str, prepared: &Prepared) -> Result<()> {
    let request = get(server, &format!("/v1/package/{}/record/{}", prepared.log, prepared.record));
    let start = Instant::now();
    while start.elapsed() < PUBLISHED_WITHIN {
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

/// Comes again while the server is busy: who publishes alone and fast is ahead of its laying down.
pub async fn send_when_free(connection: &mut Connection, request: &[u8]) -> Result<Answer> {
    let start = Instant::now();
    loop {
        let answer = connection.send(request).await?;
        if answer.status != BUSY || start.elapsed() > PUBLISHED_WITHIN {
            return Ok(answer);
        }
        tokio::time::sleep(BUSY_WAIT).await;
    }
}

/// Whether the answer says `published`; an error on anything but success.
pub fn is_published(answer: &Answer) -> Result<bool> {
    if answer.status >= 300 {
        answer.must_be(200)?;
    }
    Ok(answer.body.windows(11).any(|window| window == b"\"published\""))
}

/// Publishes many packages over many connections: when all were accepted, and when all were provable.
pub async fn publish(options: &Options) -> Result<Value> {
    let (target, run) = (Target::of(options)?, options.text("run")?);
    let packages = options.number("packages")?;
    store_content(&target.server, &run).await?;
    let key = author()?;
    let prepared = (0..packages).map(|i| first(&target.server, &key, &name(&run, i)?));
    let prepared = std::rc::Rc::new(prepared.collect::<Result<Vec<_>>>()?);
    let records = prepared.clone();
    let start = Instant::now();
    let accepted = target.drive(Until::Count(packages), async move |connection, number| {
        let record = records.get(number).context("no such record")?;
        let (mut answer, mut retries) = (connection.send(&record.request).await?, 0);
        // A server that is busy is tried again, as a client would.
        while answer.status >= 500 && retries < RETRIES_MAX {
            retries += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
            answer = connection.send(&record.request).await?;
        }
        Ok(((!is_published(&answer)?).then_some(record.record), retries))
    });
    let accepted = accepted.await?;
    let retries: usize = accepted.results.iter().map(|(_, retries)| retries).sum();
    let later: HashSet<_> = accepted.results.iter().filter_map(|(later, _)| *later).collect();
    let mut connection = Connection::open(&target.server).await?;
    for record in prepared.iter().filter(|record| later.contains(&record.record)) {
        wait_published(&mut connection, &target.server, record).await?;
    }
    let provable = start.elapsed().as_secs_f64();
    Ok(json!({
        "accepted_per_s": accepted.per_s(),
        "provable_per_s": packages as f64 / provable,
        "not_at_once": later.len(),
        "retries": retries,
        "cpu_us_each": accepted.cpu_us_each(1),
    }))
}

/// Publishes one at a time, each until it is provable.
pub async fn lone(options: &Options) -> Result<Value> {
    let (server, run) = (options.text("server")?, options.text("run")?);
    let packages = options.number("packages")?;
    store_content(&server, &run).await?;
    let key = author()?;
    let mut connection = Connection::open(&server).await?;
    let mut times = Vec::with_capacity(packages);
    for i in 0..packages {
        let record = first(&server, &key, &name(&run, i)?)?;
        let start = Instant::now();
        let answer = send_when_free(&mut connection, &record.request).await?;
        if !is_published(&answer)? {
            wait_published(&mut connection, &server, &record).await?;
        }
        times.push(start.elapsed());
    }
    let [p50, p99, max] = quantiles_ms(times);
    Ok(json!({ "p50_ms": p50, "p99_ms": p99, "max_ms": max }))
}

/// Fetches package logs and proofs of what `publish` made.
pub async fn read(options: &Options) -> Result<Value> {
    let (target, run) = (Target::of(options)?, options.text("run")?);
    let (packages, requests) = (options.number("packages")?, options.number("requests")?);
    let server = &target.server;
    let mut connection = Connection::open(server).await?;
    let checkpoint = connection.send(&get(server, "/v1/fetch/checkpoint")).await?;
    let checkpoint: Value = serde_json::from_slice(&checkpoint.body)?;
    let size = checkpoint["contents"]["logLength"].as_u64().context("no checkpoint")?;
    let log = |i: usize| -> Result<Vec<u8>> {
        let log = wargate_core::id::LogId::package(&name(&run, i)?);
        let body = json!({ "logLength": size, "packages": { log.to_string(): null } });
        Ok(post(server, "/v1/fetch/logs", "application/json", &serde_json::to_vec(&body)?))
    };
    let proof = |i: usize| -> Result<Vec<u8>> {
        let body = json!({ "logLength": size, "leafs": [i as u64 % size] });
        Ok(post(server, "/v1/proof/inclusion", "application/json", &serde_json::to_vec(&body)?))
    };
    // A fixed walk that visits packages in no order of their making.
    let pick = |i: usize| i.wrapping_mul(7919) % packages;
    let logs = (0..requests).map(|i| log(pick(i))).collect::<Result<Vec<_>>>()?;
    let proofs = (0..requests).map(|i| proof(pick(i) + 1)).collect::<Result<Vec<_>>>()?;
    let (logs, proofs) = (send_all(&target, logs).await?, send_all(&target, proofs).await?);
    Ok(json!({
        "logs_per_s": logs.per_s(), "logs_cpu_us_each": logs.cpu_us_each(1),
        "proofs_per_s": proofs.per_s(), "proofs_cpu_us_each": proofs.cpu_us_each(1),
    }))
}

async fn send_all(target: &Target, requests: Vec<Vec<u8>>) -> Result<Driven<()>> {
    let all = target.drive(Until::Count(requests.len()), async move |connection, number| {
        connection.send(requests.get(number).context("no such request")?).await?.must_be(200)
    });
    all.await
}
