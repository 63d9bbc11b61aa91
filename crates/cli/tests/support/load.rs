//! Writers at both doors of a server, who keep what was acknowledged and what refused them.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;

use super::author::{Author, module, try_publish};
use super::oci::Push;
use super::seen::{Acknowledged, Seen};

/// A door and its status.
pub(crate) type Answer = (&'static str, u16);

/// What was acknowledged by the writers, and what refused them.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) stop: AtomicBool,
    pub(crate) number: AtomicU64,
    pub(crate) seen: Mutex<Seen>,
    pub(crate) pushed: Mutex<Vec<Push>>,
    /// Records that were taken and had no verdict yet.
    pub(crate) promised: Mutex<Vec<Acknowledged>>,
    /// Refusals by door and status, and one of each in words.
    pub(crate) refused: Mutex<BTreeMap<Answer, (u64, String)>>,
}

fn letters(number: u64) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}

impl Load {
    fn note(&self, door: &'static str, status: u16, words: String) {
        self.refused.lock().unwrap().entry((door, status)).or_insert((0, words)).0 += 1;
    }

    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// Publishes one record at the Warg door, with new content of this size.
    pub(crate) async fn publish(&self, http: &Client, url: &str, size: usize) -> Result<(), (u16, String)> {
        let number = self.next();
        let author = Author::new(&format!("disk:p{}", letters(number)));
        let content = module(&[&number.to_le_bytes()[..], &vec![b'x'; size]].concat());
        let signed = author.release("1.0.0", &content);
        match try_publish(http, url, &signed, &content).await {
            Ok(None) => {
                let acknowledged = Acknowledged { log: signed.log, record: signed.id };
                self.seen.lock().unwrap().published.push(acknowledged);
                Ok(())
            }
            Ok(Some((202, words))) => {
                self.promised.lock().unwrap().push(Acknowledged { log: signed.log, record: signed.id });
                Err((202, words))
            }
            Ok(Some(refused)) => Err(refused),
            Err(error) => Err((0, format!("{error:?}"))),
        }
    }

    /// Pushes one artifact at the OCI door.
    pub(crate) async fn push(&self, http: &Client, url: &str, size: usize) -> Result<(), (u16, String)> {
        let number = self.next();
        let layer = module(&[&number.to_le_bytes()[..], &vec![b'y'; size]].concat());
        let repository = format!("diskoci/p{}", letters(number % 7));
        let push = Push { repository, version: format!("1.0.{number}"), layer };
        match push.send(http, url).await {
            Ok(()) => {
                self.pushed.lock().unwrap().push(push);
                Ok(())
            }
            Err(Some(refused)) => Err((refused.status.as_u16(), refused.body)),
            Err(None) => Err((0, "the server is gone".to_owned())),
        }
    }

    pub(crate) async fn one_of_each(&self, http: &Client, url: &str) -> Result<(), String> {
        let words = |(status, words): (u16, String)| format!("{status} {words}");
        self.publish(http, url, 70_000).await.map_err(words)?;
        self.push(http, url, 10).await.map_err(words)
    }

    /// Writes at both doors, small and large, until it is told to stop.
    pub(crate) fn begin(self: &Arc<Self>, http: &Client, url: &str) -> Vec<tokio::task::JoinHandle<()>> {
        self.stop.store(false, Ordering::Relaxed);
        (0..6)
            .map(|writer: usize| {
                let (load, http, url) = (self.clone(), http.clone(), url.to_owned());
                tokio::spawn(async move {
                    while !load.stop.load(Ordering::Relaxed) {
                        let (door, done) = match writer {
                            0..3 => ("warg", load.publish(&http, &url, [10, 3_000, 90_000][writer]).await),
                            _ => ("oci", load.push(&http, &url, [10, 80_000, 1_500_000][writer - 3]).await),
                        };
                        if let Err((status, words)) = done {
                            load.note(door, status, words);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                })
            })
            .collect()
    }

    pub(crate) async fn end(&self, writers: Vec<tokio::task::JoinHandle<()>>) {
        self.stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
    }

    pub(crate) fn times_refused(&self) -> u64 {
        self.refused.lock().unwrap().values().map(|(times, _)| times).sum()
    }
}
