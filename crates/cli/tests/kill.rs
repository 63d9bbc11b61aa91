//! `kill -9` of the real process under load, at random moments: what was acknowledged as published is there and
//! provable afterwards, and every checkpoint ever served is consistent with the next.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::Server;
use support::author::{Author, module, publish};
use support::seen::{Acknowledged, Seen, check, checkpoint};

const KILLS: u32 = 50;
const WRITERS: usize = 6;

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
