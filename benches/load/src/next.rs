//! The load on packages that have begun: one release more into each, as a record that `warg` would sign, or as an act.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use wargate_core::act::{self, Act, Release, Step};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::key::SecretKey;
use wargate_core::name::PackageName;
use wargate_core::record::{PackageEntry, PackageRecord};

use crate::drive::{Target, Until};
use crate::http::{Answer, BUSY, Connection, get, post};
use crate::options::Options;
use crate::records::{CONTENT, author, first, name, now, record_request};
use crate::warg::{is_published, store_content, wait_published};

/// How long before now an act may be done, and after, in seconds.
const WINDOW_SECONDS: [i64; 2] = [60, 600];

/// How long the load waits for a server that is busy.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// The nonces of a package's first act, and of its second.
const NONCES: [u8; 2] = [1, 2];

/// Releases 1.1.0 into packages of v1 logs.
pub async fn records(options: &Options) -> Result<Value> {
    let (target, run) = (Target::of(options)?, options.text("run")?);
    let packages = options.number("packages")?;
    store_content(&target.server, &run).await?;
    let (key, mut connection) = (author()?, Connection::open(&target.server).await?);
    let mut requests = Vec::with_capacity(packages);
    for number in 0..packages {
        let name = name(&run, number)?;
        let begun = first(&target.server, &key, &name)?;
        if !is_published(&send_when_free(&mut connection, &begun.request).await?)? {
            wait_published(&mut connection, &target.server, &begun).await?;
        }
        let entries = vec![PackageEntry::Release { version: "1.1.0".parse()?, content: Digest::of(CONTENT) }];
        let record = PackageRecord { prev: Some(begun.record), version: 0, time: now()?, entries };
        let envelope = Envelope::sign(Layer::Package, record.encode().into(), &key)?;
        requests.push(record_request(&target.server, &name, &envelope)?);
    }
    measure(&target, requests, "next_records").await
}

/// Releases 1.1.0 into packages of delegated logs, with their owner's word.
pub async fn acts(options: &Options) -> Result<Value> {
    let (target, run) = (Target::of(options)?, options.text("run")?);
    let packages = options.number("packages")?;
    store_content(&target.server, &run).await?;
    let (key, mut connection) = (author()?, Connection::open(&target.server).await?);
    let root = root(&mut connection, &target.server).await?;
    let mut requests = Vec::with_capacity(packages);
    for number in 0..packages {
        let name = name(&run, number)?;
        let init = Step::Init { keys: vec![key.public().clone()], threshold: 1 };
        let begins = vec![init, release("1.0.0")?];
        let begun = act(&target.server, &name, root, &key, begins, NONCES[0])?;
        send_when_free(&mut connection, &begun).await?.must_be(201)?;
        requests.push(act(&target.server, &name, root, &key, vec![release("1.1.0")?], NONCES[1])?);
    }
    measure(&target, requests, "next_acts").await
}

/// Comes again while the server is busy: who publishes alone and fast is ahead of its laying down.
async fn send_when_free(connection: &mut Connection, request: &[u8]) -> Result<Answer> {
    loop {
        let answer = connection.send(request).await?;
        if answer.status != BUSY {
            return Ok(answer);
        }
        tokio::time::sleep(BUSY_WAIT).await;
    }
}

async fn measure(target: &Target, requests: Vec<Vec<u8>>, phase: &str) -> Result<Value> {
    let (count, requests) = (requests.len(), Rc::new(requests));
    let all = target.drive(Until::Count(count), async move |connection, number| {
        let answer = connection.send(requests.get(number).context("no such request")?).await?;
        anyhow::ensure!(answer.status < 300, "a release was answered {}", answer.status);
        Ok(())
    });
    let all = all.await?;
    Ok(json!({ format!("{phase}_per_s"): all.per_s(), format!("{phase}_cpu_us_each"): all.cpu_us_each(1) }))
}

/// The registry: the id of its operator log's first record.
async fn root(connection: &mut Connection, server: &str) -> Result<RecordId> {
    let checkpoint = connection.send(&get(server, "/v1/fetch/checkpoint")).await?;
    let checkpoint: Value = serde_json::from_slice(&checkpoint.body)?;
    let body = json!({ "logLength": checkpoint["contents"]["logLength"], "packages": {} });
    let asked = post(server, "/v1/fetch/logs", "application/json", &serde_json::to_vec(&body)?);
    let logs: Value = serde_json::from_slice(&connection.send(&asked).await?.body)?;
    let contents = logs["operator"][0]["contentBytes"].as_str().context("no operator log")?;
    Ok(Layer::Operator.record_id(&BASE64.decode(contents)?))
}

fn release(version: &str) -> Result<Step> {
    Ok(Step::Release(Release {
        version: version.parse()?,
        content: Digest::of(CONTENT),
        manifest: None,
        variants: Vec::new(),
        dependencies: Vec::new(),
        on_behalf_of: None,
        breaking: false,
    }))
}

/// An act on a package's log, signed and ready to be sent.
fn act(
    host: &str,
    name: &PackageName,
    root: RecordId,
    key: &SecretKey,
    steps: Vec<Step>,
    nonce: u8,
) -> Result<Vec<u8>> {
    let [before, after] = WINDOW_SECONDS;
    let (not_before, not_after) = (now()?.plus_seconds(-before), now()?.plus_seconds(after));
    let log = LogId::package(name);
    let act = Act { root: Some(root), log, steps, not_before, not_after, nonce: [nonce; 16] }.encode();
    let agreed = act::endorse(&act, key)?;
    let body = json!({
        "log": name.as_str(),
        "act": BASE64.encode(&act),
        "endorsements": [{ "keyId": agreed.key_id.to_string(), "signature": agreed.signature.to_string() }],
    });
    Ok(post(host, "/api/acts", "application/json", &serde_json::to_vec(&body)?))
}
