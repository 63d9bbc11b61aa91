//! What a server acknowledged, and whether it still stands by it.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

use serde_json::{Value, json};
use wargate_core::checkpoint::Checkpoint;
use wargate_core::id::{LogId, RecordId, entry, leaf_hash};
use wargate_core::log::proof::LogProofBundle;

/// A record that the server said is published.
pub(crate) struct Acknowledged {
    pub(crate) log: LogId,
    pub(crate) record: RecordId,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) published: Vec<Acknowledged>,
    pub(crate) checkpoints: Vec<Checkpoint>,
}

pub(crate) fn checkpoint(body: &Value) -> Checkpoint {
    let contents = &body["contents"];
    Checkpoint {
        size: contents["logLength"].as_u64().unwrap(),
        root: contents["logRoot"].as_str().unwrap().parse().unwrap(),
        map_root: contents["mapRoot"].as_str().unwrap().parse().unwrap(),
        time: contents["timestamp"].as_u64().unwrap(),
    }
}

/// Everything acknowledged so far is provable against the present checkpoint.
pub(crate) async fn check(http: &reqwest::Client, url: &str, seen: &mut Seen, from: usize) {
    let get = async |path: &str| -> Value {
        http.get(format!("{url}{path}")).send().await.unwrap().json().await.unwrap()
    };
    let now = checkpoint(&get("/v1/fetch/checkpoint").await);
    seen.checkpoints.push(now.clone());
    seen.checkpoints.sort_by_key(|checkpoint| (checkpoint.size, checkpoint.time));
    seen.checkpoints.dedup();
    for pair in seen.checkpoints.windows(2) {
        let (old, new) = (&pair[0], &pair[1]);
        if old.size == new.size {
            assert_eq!((old.root, old.map_root), (new.root, new.map_root), "two trees of size {}", old.size);
            continue;
        }
        let request = json!({ "from": old.size, "to": new.size });
        let answer = http.post(format!("{url}/v1/proof/consistency")).json(&request).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let bundle = decode(&answer["proof"]);
        bundle.verify_consistency(old.size, &old.root, &new.root).unwrap();
    }
    // What is consistent stays so: only the newest checkpoint is needed from here on.
    seen.checkpoints = vec![now.clone()];
    for acknowledged in &seen.published[from..] {
        let path = format!("/v1/package/{}/record/{}", acknowledged.log, acknowledged.record);
        let status = get(&path).await;
        assert_eq!(status["state"], "published", "acknowledged, and now {status}");
        let index = status["registryIndex"].as_u64().unwrap();
        let request = json!({ "logLength": now.size, "leafs": [index] });
        let answer = http.post(format!("{url}/v1/proof/inclusion")).json(&request).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let leaf = leaf_hash(&entry(&acknowledged.log, &acknowledged.record));
        decode(&answer["log"]).verify_inclusion(index, &leaf, &now.root).unwrap();
    }
}

fn decode(base64: &Value) -> LogProofBundle {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64.as_str().unwrap()).unwrap();
    LogProofBundle::decode(&bytes).unwrap()
}
