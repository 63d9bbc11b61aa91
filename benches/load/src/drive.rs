//! Drives a server: workers with a connection each, and what their work cost it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

use crate::http::Connection;
use crate::options::Options;
use crate::process::Process;

/// What is under load, and by how many.
pub struct Target {
    /// `HOST:PORT`.
    pub server: String,
    pub process: Process,
    pub connections: usize,
}

/// When the work is done.
#[derive(Clone, Copy)]
pub enum Until {
    /// So many items are done.
    Count(usize),
    /// So much time has passed.
    Time(Duration),
}

/// What was done.
pub struct Driven<R> {
    /// What each item gave.
    pub results: Vec<R>,
    /// How long each item took.
    pub times: Vec<Duration>,
    pub seconds: f64,
    /// CPU that the server used meanwhile.
    pub cpu_seconds: f64,
    /// The server's resident memory before, and the most that it was, in MiB.
    pub resident_mib: [f64; 2],
}

impl Target {
    /// The flags `--server`, `--pid` and `--connections`.
    pub fn of(options: &Options) -> Result<Self> {
        Ok(Self {
            server: options.text("server")?,
            process: Process(options.number("pid")?),
            connections: options.number("connections")?,
        })
    }

    /// Has every worker take the next number and do `each` with it, until there is enough.
    pub async fn drive<R: 'static>(
        &self,
        until: Until,
        each: impl AsyncFn(&mut Connection, usize) -> Result<R> + 'static,
    ) -> Result<Driven<R>> {
        let (next, each) = (Rc::new(Cell::new(0)), Rc::new(each));
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(Connection::open(&self.server).await?);
        }
        let resident = self.process.resident_mib()?;
        self.process.forget_peak()?;
        let cpu = self.process.cpu_seconds()?;
        let start = Instant::now();
        let workers = async {
            let mut workers = JoinSet::new();
            for connection in connections {
                workers.spawn_local(work(connection, until, start, next.clone(), each.clone()));
            }
            let mut all = Vec::new();
            while let Some(done) = workers.join_next().await {
                all.extend(done.context("a worker")?.context("the load")?);
            }
            anyhow::Ok(all)
        };
        let done = LocalSet::new().run_until(workers).await?;
        let seconds = start.elapsed().as_secs_f64();
        let cpu_seconds = self.process.cpu_seconds()? - cpu;
        let resident_mib = [resident, self.process.peak_mib()?];
        let (results, times) = done.into_iter().unzip();
        Ok(Driven { results, times, seconds, cpu_seconds, resident_mib })
    }
}

/// One worker: what its items gave, and how long each took.
async fn work<R>(
    mut connection: Connection,
    until: Until,
    start: Instant,
    next: Rc<Cell<usize>>,
    each: Rc<impl AsyncFn(&mut Connection, usize) -> Result<R>>,
) -> Result<Vec<(R, Duration)>> {
    let mut done = Vec::new();
    loop {
        let number = next.replace(next.get() + 1);
        let began = Instant::now();
        if until.is_over(number, start) {
            return Ok(done);
        }
        let result = each(&mut connection, number).await?;
        done.push((result, began.elapsed()));
    }
}

impl Until {
    fn is_over(self, number: usize, start: Instant) -> bool {
        match self {
            Self::Count(count) => number >= count,
            Self::Time(time) => start.elapsed() >= time,
        }
    }
}

impl<R> Driven<R> {
    /// Items a second.
    pub fn per_s(&self) -> f64 {
        self.times.len() as f64 / self.seconds
    }

    /// The server's CPU for each of `requests` requests that an item took.
    pub fn cpu_us_each(&self, requests: usize) -> f64 {
        self.cpu_seconds * 1e6 / (self.times.len() * requests) as f64
    }

    /// Everything that is printed of a phase whose items took `requests` requests each.
    pub fn figures(self, phase: &str, requests: usize) -> Value {
        let (per_s, cpu) = (self.per_s(), self.cpu_us_each(requests));
        let [p50, p99, _] = quantiles_ms(self.times);
        json!({
            format!("{phase}_per_s"): per_s,
            format!("{phase}_cpu_us_a_request"): cpu,
            format!("{phase}_p50_ms"): p50,
            format!("{phase}_p99_ms"): p99,
        })
    }
}

/// The median, the 99th percentile and the longest.
pub fn quantiles_ms(mut times: Vec<Duration>) -> [f64; 3] {
    times.sort();
    [0.5, 0.99, 1.0].map(|q| {
        let index = (times.len().saturating_sub(1) as f64 * q) as usize;
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let times = (1..=101).rev().map(Duration::from_millis).collect();
        assert_eq!(quantiles_ms(times), [51.0, 100.0, 101.0]);
        assert_eq!(quantiles_ms(Vec::new()), [0.0; 3]);
    }
}
