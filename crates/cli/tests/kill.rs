//! `kill -9` of the real process under load, at random moments: what was acknowledged as published is there and
//! provable afterwards, and every checkpoint ever served is consistent with the next.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Server;
use support::author::{Author, module, publish};
use wargate_core::checkpoint::Checkpoint;
use wargate_core::id::{LogId, RecordId, entry, leaf_hash};
use wargate_core::log::proof::LogProofBundle;

const KILLS: u32 = 50;
const WRITERS: usize = 6;

/// A record that the server said is published.
struct Acknowledged {
    log: LogId,
    record: RecordId,
}

#[derive(Default)]
struct Seen {
    published: Vec<Acknowledged>,
    checkpoints: Vec<Checkpoint>,
}

fn checkpoint(body: &Value) -> Checkpoint {
    let contents = &body["contents"];
    Checkpoint {
        size: contents["logLength"].as_u64().unwrap(),
        root: contents["logRoot"].as_str().unwrap().parse().unwrap(),
        map_root: contents["mapRoot"].as_str().unwrap().parse().unwrap(),
        time: contents["timestamp"].as_u64().unwrap(),
    }
}

/// Publishes until the server is gone; a release is retried as it was signed, as a client would.
async fn write(http: reqwest::Client, url: String, number: usize, round: u32, seen: Arc<Mutex<Seen>>) {
    let letters = |mut n: u64| {
        let mut text = String::new();
        loop {
            text.push(char::from(b'a' + (n % 26) as u8));
            n /= 26;
            if n == 0 {
                return text;
            }
        }
    };
    for i in 0..u64::MAX {
        let name = format!("kill:w{}-{}-{}", letters(number as u64), letters(u64::from(round)), letters(i));
        let author = Author::new(&name);
        // Some content is new, and of both placements; some is there already.
        let content = module(&vec![b'x'; if i % 3 == 0 { 70_000 + i as usize } else { (i % 5) as usize }]);
        let signed = author.release("1.0.0", &content);
        match publish(&http, &url, &signed, &content).await {
            Ok(true) => {
                let acknowledged = Acknowledged { log: signed.log, record: signed.id };
                seen.lock().unwrap().published.push(acknowledged);
            }
            Ok(false) | Err(_) => return,
        }
        if let Ok(answer) = http.get(format!("{url}/v1/fetch/checkpoint")).send().await
            && let Ok(body) = answer.json::<Value>().await
        {
            seen.lock().unwrap().checkpoints.push(checkpoint(&body));
        }
    }
}

/// Everything acknowledged so far is provable against the present checkpoint.
async fn check(http: &reqwest::Client, url: &str, seen: &mut Seen, from: usize) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_records_survive_kills() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("data");
    let http = reqwest::Client::new();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let seed = std::process::id();
    println!("seed of the moments: {seed}");
    let mut chance = u64::from(seed);
    let start = Instant::now();
    for round in 0..KILLS {
        let server = Server::start(&folder, &[]);
        let url = server.url.clone();
        let from = seen.lock().unwrap().published.len();
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| tokio::spawn(write(http.clone(), url.clone(), number, round, seen.clone())))
            .collect();
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis(20 + (chance >> 33) % 400)).await;
        server.signal("KILL");
        for writer in writers {
            writer.await.unwrap();
        }
        drop(server);
        let server = Server::start(&folder, &[]);
        let mut so_far = std::mem::take(&mut *seen.lock().unwrap());
        check(&http, &server.url, &mut so_far, from).await;
        *seen.lock().unwrap() = so_far;
        // This one is killed too, right after its start.
        server.signal("KILL");
    }
    let server = Server::start(&folder, &[]);
    let mut all = std::mem::take(&mut *seen.lock().unwrap());
    check(&http, &server.url, &mut all, 0).await;
    println!(
        "{} records acknowledged over {} kills in {:?}",
        all.published.len(),
        2 * KILLS,
        start.elapsed()
    );
    assert!(all.published.len() > KILLS as usize, "the load was no load");
}
