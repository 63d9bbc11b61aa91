//! The load on packages that have begun: one release more into each, as a record that `warg` would sign, or as an act.

use std::rc::Rc;

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

use crate::drive::{Driven, Target, Until};
use crate::http::{Connection, get, post};
use crate::oci::artifact::module;
use crate::options::Options;
use crate::records::{CONTENT, OWNED_NAMESPACE, Prepared, author, first, name, name_in, now, record_request};
use crate::warg::{is_published, send_when_free, store_content, upload_missing, wait_published};

/// How long before now an act may be done, and after, in seconds.
const WINDOW_SECONDS: [i64; 2] = [60, 600];

/// What stands between the parts of a form.
const BOUNDARY: &str = "a-boundary-that-is-in-no-part-of-it";

/// The nonces of a package's first act, and of its second.
const NONCES: [u8; 2] = [1, 2];

/// What is released: stored already, or with every release content of its own, which has to be uploaded as clients do.
enum Releasing {
    Stored,
    Whole { bytes: usize },
}

impl Releasing {
    fn of(options: &Options) -> Result<Self> {
        Ok(match options.number_or("content-bytes", 0)? {
            0 => Self::Stored,
            bytes => Self::Whole { bytes },
        })
    }

    fn content(&self, name: &PackageName) -> Result<Vec<u8>> {
        match self {
            Self::Stored => Ok(CONTENT.to_vec()),
            Self::Whole { bytes } => module(&Digest::of(name.as_str().as_bytes()), *bytes),
        }
    }

    fn phase(&self, of: &str) -> String {
        match self {
            Self::Stored => format!("next_{of}"),
            Self::Whole { .. } => format!("whole_{of}"),
        }
    }
}

/// Releases 1.1.0 into packages of v1 logs, as `warg` does: the record, what it still waits for, and its state.
pub async fn records(options: &Options) -> Result<Value> {
    let (target, run) = (Target::of(options)?, options.text("run")?);
    let (packages, releasing) = (options.number("packages")?, Releasing::of(options)?);
    store_content(&target.server, &run).await?;
    let (key, mut connection) = (author()?, Connection::open(&target.server).await?);
    let mut prepared = Vec::with_capacity(packages);
    for number in 0..packages {
        let name = name(&run, number)?;
        let begun = first(&target.server, &key, &name)?;
        if !is_published(&send_when_free(&mut connection, &begun.request).await?)? {
            wait_published(&mut connection, &target.server, &begun).await?;
        }
        let content = releasing.content(&name)?;
        let entries =
            vec![PackageEntry::Release { version: "1.1.0".parse()?, content: Digest::of(&content) }];
        let record = PackageRecord { prev: Some(begun.record), version: 0, time: now()?, entries };
        let envelope = Envelope::sign(Layer::Package, record.encode().into(), &key)?;
        let request = record_request(&target.server, &name, &envelope)?;
        let next = Prepared { log: begun.log, record: envelope.record_id(Layer::Package), request };
        prepared.push((next, content));
    }
    let (server, prepared) = (target.server.clone(), Rc::new(prepared));
    let all = target.drive(Until::Count(packages), async move |connection, number| {
        let (next, content) = prepared.get(number).context("no such record")?;
        let answer = connection.send(&next.request).await?;
        if is_published(&answer)? {
            return Ok(());
        }
        upload_missing(connection, &server, &answer, content).await?;
        wait_published(connection, &server, next).await
    });
    Ok(measured(&all.await?, &releasing.phase("records")))
}

/// Releases 1.1.0 into packages of delegated logs with their owner's word, as `wargate` does: in one request.
pub async fn acts(options: &Options) -> Result<Value> {
    let (target, run) = (Target::of(options)?, options.text("run")?);
    let (packages, releasing) = (options.number("packages")?, Releasing::of(options)?);
    store_content(&target.server, &run).await?;
    let (key, mut connection) = (author()?, Connection::open(&target.server).await?);
    let root = root(&mut connection, &target.server).await?;
    let mut requests = Vec::with_capacity(packages);
    for number in 0..packages {
        let name = name_in(OWNED_NAMESPACE, &run, number)?;
        let init = Step::Init { keys: vec![key.public().clone()], threshold: 1 };
        let begins = vec![init, release("1.0.0", CONTENT)?];
        let begun = Signed::new(&name, root, &key, begins, NONCES[0])?.request(&target.server)?;
        send_when_free(&mut connection, &begun).await?.must_be(201)?;
        let content = releasing.content(&name)?;
        let next = Signed::new(&name, root, &key, vec![release("1.1.0", &content)?], NONCES[1])?;
        requests.push(match releasing {
            Releasing::Stored => next.request(&target.server)?,
            Releasing::Whole { .. } => next.request_with(&target.server, &content)?,
        });
    }
    let all = target.drive(Until::Count(packages), async move |connection, number| {
        connection.send(requests.get(number).context("no such request")?).await?.must_be(201)
    });
    Ok(measured(&all.await?, &releasing.phase("acts")))
}

fn measured(all: &Driven<()>, phase: &str) -> Value {
    json!({ format!("{phase}_per_s"): all.per_s(), format!("{phase}_cpu_us_each"): all.cpu_us_each(1) })
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

fn release(version: &str, content: &[u8]) -> Result<Step> {
    Ok(Step::Release(Release {
        version: version.parse()?,
        content: Digest::of(content),
        manifest: None,
        variants: Vec::new(),
        dependencies: Vec::new(),
        on_behalf_of: None,
        breaking: false,
    }))
}

/// An act on a package's log, signed.
struct Signed {
    name: PackageName,
    body: Value,
}

impl Signed {
    fn new(name: &PackageName, root: RecordId, key: &SecretKey, steps: Vec<Step>, nonce: u8) -> Result<Self> {
        let [before, after] = WINDOW_SECONDS;
        let (not_before, not_after) = (now()?.plus_seconds(-before), now()?.plus_seconds(after));
        let log = LogId::package(name);
        let act = Act { root: Some(root), log, steps, not_before, not_after, nonce: [nonce; 16] }.encode();
        let agreed = act::endorse(&act, key)?;
        let endorsement =
            json!({ "keyId": agreed.key_id.to_string(), "signature": agreed.signature.to_string() });
        let body = json!({ "act": BASE64.encode(&act), "endorsements": [endorsement] });
        Ok(Self { name: name.clone(), body })
    }

    /// The request of an act of which all that it releases is stored.
    fn request(mut self, host: &str) -> Result<Vec<u8>> {
        self.body["log"] = self.name.as_str().into();
        Ok(post(host, "/api/acts", "application/json", &serde_json::to_vec(&self.body)?))
    }

    /// The request that brings the content along.
    fn request_with(&self, host: &str, content: &[u8]) -> Result<Vec<u8>> {
        let path = format!("/api/packages/{}/{}/releases", self.name.namespace(), self.name.name());
        let part = |name| format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n");
        let mut form = part("act").into_bytes();
        form.extend(serde_json::to_vec(&self.body)?);
        form.extend(["\r\n", &part("content")].concat().into_bytes());
        form.extend(content);
        form.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
        Ok(post(host, &path, &format!("multipart/form-data; boundary={BOUNDARY}"), &form))
    }
}
