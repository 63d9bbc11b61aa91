//! The real process with too few descriptors, and told to end under load: no crash, nothing acknowledged is lost.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod support;

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use support::Server;
use support::load::Load;
use support::seen::check;

/// How long the server may take until it takes connections again.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// How long it may take to end: its own bound for requests in flight, and some for the rest.
const END_WITHIN: Duration = Duration::from_secs(45);

/// Connections of those who say nothing; not so many that the system makes them wait to connect.
const CONNECTIONS: u32 = 120;

/// Descriptors of which the half is enough for files and an inspector.
const DESCRIPTORS_ENOUGH: u32 = 64;

fn client() -> Client {
    Client::builder().timeout(Duration::from_secs(5)).build().unwrap()
}

/// CPU that the process used so far: proc(5), `stat`, at 100 ticks a second.
fn cpu(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap().split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // State is no number: the 14th and 15th fields are here the 11th and 12th.
    Duration::from_millis((fields[10] + fields[11]) * 10)
}

/// Everything acknowledged is there.
async fn check_all(load: &Load, http: &Client, url: &str) -> usize {
    let mut seen = std::mem::take(&mut *load.seen.lock().unwrap());
    check(http, url, &mut seen, 0).await;
    let pushed = std::mem::take(&mut *load.pushed.lock().unwrap());
    for push in &pushed {
        assert!(push.is_there(http, url).await, "{}:{} is gone", push.repository, push.version);
    }
    let all = seen.published.len() + pushed.len();
    *load.seen.lock().unwrap() = seen;
    *load.pushed.lock().unwrap() = pushed;
    all
}

async fn too_few_descriptors(most: u32, data: &Path, log: &Path) {
    let server = Server::start_logged(data, log, Some(most), &[]);
    let (url, http, load) = (server.url.clone(), client(), Arc::new(Load::default()));
    let said = || std::fs::read_to_string(log).unwrap();
    load.one_of_each(&http, &url).await.unwrap();
    // Far more connections than descriptors: those that it cannot take wait, and nobody's request is done by half.
    let address = url.strip_prefix("http://").unwrap();
    let idle: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    let short = Client::builder().timeout(Duration::from_secs(1)).build().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = cpu(server.id());
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(5) {
        for size in [10, 90_000] {
            // Over the connection that was there before it goes on: files and inspectors have descriptors.
            let published = load.publish(&http, &url, size).await;
            let pushed = load.push(&http, &url, size).await;
            for answer in [published, pushed] {
                let Err((status, words)) = answer else {
                    done += 1;
                    continue;
                };
                // 0: the client opened another one, and waits. With very few even files have none: it says so.
                let may = if most < DESCRIPTORS_ENOUGH { &[0, 202, 503][..] } else { &[0] };
                assert!(may.contains(&status), "{status} {words}\n{}", said());
            }
        }
        // Whoever is new waits, as with any server that takes no more connections.
        let (status, words) = load.publish(&short, &url, 10).await.unwrap_err();
        assert_eq!(status, 0, "{words}\n{}", said());
    }
    // With very few there may be none for a file at the moment that it is needed.
    assert!(done > 0 || most < DESCRIPTORS_ENOUGH, "over open connections nothing goes on\n{}", said());
    let used = cpu(server.id()).saturating_sub(before);
    assert!(used < Duration::from_secs(2), "it used {used:?} of CPU while it could do nothing");
    drop(idle);
    let start = Instant::now();
    while let Err(words) = load.one_of_each(&http, &url).await {
        assert!(start.elapsed() < BACK_WITHIN, "it does not come back: {words}\n{}", said());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    check_all(&load, &http, &url).await;
    server.end();
    let server = Server::start_logged(data, log, None, &[]);
    assert!(check_all(&load, &http, &server.url).await >= 4);
    server.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_it_waits_for_some_and_loses_nothing() {
    for most in [40, DESCRIPTORS_ENOUGH] {
        let folder = tempfile::tempdir().unwrap();
        too_few_descriptors(most, &folder.path().join("data"), &folder.path().join("log")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_end_it_answers_what_is_in_flight_and_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let load = Arc::new(Load::default());
    for round in 0..4 {
        let mut server = Server::start(&data, &[]);
        let (url, http) = (server.url.clone(), client());
        let writers = load.begin(&http, &url);
        tokio::time::sleep(Duration::from_millis(300 + 150 * round)).await;
        server.signal("TERM");
        let start = Instant::now();
        let status = loop {
            if let Some(status) = server.try_wait() {
                break status;
            }
            assert!(start.elapsed() < END_WITHIN, "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(status.code(), Some(0));
        load.end(writers).await;
        println!("round {round}: it ended after {:?}", start.elapsed());
        for ((door, status), (_, words)) in std::mem::take(&mut *load.refused.lock().unwrap()) {
            // Answered, told to come again, or not let in any more.
            assert!([0, 202, 503].contains(&status), "{door}: {status} {words}");
        }
        let server = Server::start(&data, &[]);
        let all = check_all(&load, &http, &server.url).await;
        println!("{all} are there");
        server.end();
    }
}
