//! The server's memory over a soak, without what its caches tell that they hold: between lives, by samples of one age,
//! since a young process has less than an old one; and within each long life.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::run;

/// The ages at which a life's memory is compared with other lives'.
const AGES_SECONDS: [u64; 3] = [10, 30, 60];

/// How much more the last quarter may have than the first that counts.
const GROWTH_MAX: f64 = 1.2;

/// How long the server may take to tell.
const METRICS_MAX: Duration = Duration::from_secs(30);

/// Samples of an age without which it says nothing.
const SAMPLES_MIN: usize = 12;

/// One part in so many of the run, its first, does not count between lives: a ledger that is smaller than SQLite's caches
/// does not fill them, and they do not tell what they hold.
const YOUNG_PART: usize = 4;

/// A life that is at least so long, in seconds, has a trend of its own. Its first part does not count, for the same
/// reason.
const LONG_LIFE_SECONDS: u64 = 600;
const WARM_UP_SECONDS: u64 = 300;

/// What was sampled: when in the run, at which age, and how many KiB.
#[derive(Default)]
pub(super) struct Memory {
    samples: Vec<(Duration, u64, u64)>,
    /// Of this life: age in seconds, and KiB.
    life: Vec<(u64, u64)>,
    /// First and last quarter of each long life.
    long_lives: Vec<(u64, u64)>,
    last_kib: u64,
}

impl Memory {
    /// Looks at a process, once a second or so.
    pub(super) fn sample(&mut self, at: Duration, age: Duration, pid: u32, address: &str) -> Result<()> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
        // A process that is ending has none.
        if let Some(kib) = resident_kib(&status) {
            self.last_kib = kib;
            let cached =
                cached_bytes(&metrics(address).context("ask the server what its caches hold")?)? / 1024;
            let kib = kib.saturating_sub(cached);
            self.samples.push((at, age.as_secs(), kib));
            self.life.push((age.as_secs(), kib));
        }
        Ok(())
    }

    /// The process that was sampled ends.
    pub(super) fn end_life(&mut self) {
        let life = std::mem::take(&mut self.life);
        if life.last().is_some_and(|(age, _)| *age >= LONG_LIFE_SECONDS) {
            let warm = life.into_iter().filter(|(age, _)| *age >= WARM_UP_SECONDS).map(|(_, kib)| kib);
            self.long_lives.push(quarters(&warm.collect::<Vec<_>>()));
        }
    }

    pub(super) fn last_mib(&self) -> u64 {
        self.last_kib / 1024
    }

    /// Memory must not have grown between lives, nor within a long one. Whether there was enough to say so.
    pub(super) fn judge(&self) -> Result<bool> {
        let between = AGES_SECONDS.into_iter().filter_map(|age| {
            Some((format!("at the age of {age} s, over the lives"), self.quarters_of_age(age)?))
        });
        let within = self.long_lives.iter().map(|found| ("within a long life".to_owned(), *found));
        let (mut judged, mut grew) = (false, Vec::new());
        for (place, (first, last)) in between.chain(within) {
            judged = true;
            let growth = last as f64 / first as f64;
            println!(
                "RSS without caches {place}: {first} KiB in the first quarter that counts, {last} KiB in the last, \
                 × {growth:.2}"
            );
            if growth > GROWTH_MAX {
                grew.push(format!("× {growth:.2} {place}"));
            }
        }
        if !grew.is_empty() {
            bail!("memory grew: {}; at most × {GROWTH_MAX} is flat", grew.join(", "));
        }
        if !judged {
            run::shout("memory NOT judged: too few lives of the server were long enough, soak for longer");
        }
        Ok(judged)
    }

    fn quarters_of_age(&self, age: u64) -> Option<(u64, u64)> {
        let of_age: Vec<u64> =
            self.samples.iter().filter(|(_, at, _)| *at == age).map(|(_, _, kib)| *kib).collect();
        let grown = &of_age[of_age.len() / YOUNG_PART..];
        (of_age.len() >= SAMPLES_MIN).then(|| quarters(grown))
    }
}

/// The medians of the first and of the last quarter.
fn quarters(samples: &[u64]) -> (u64, u64) {
    let quarter = samples.len() / 4;
    (median(&samples[..quarter]), median(&samples[samples.len() - quarter..]))
}

/// `VmRSS` of proc(5), `status`.
fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The server's metrics.
fn metrics(address: &str) -> Result<String> {
    let mut server = TcpStream::connect(address)?;
    server.set_read_timeout(Some(METRICS_MAX))?;
    write!(server, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    Ok(answer)
}

/// What all caches hold.
fn cached_bytes(metrics: &str) -> Result<u64> {
    let values = metrics.lines().filter(|line| line.starts_with("wargate_cache_bytes{"));
    let values = values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    let all: Vec<f64> = values.collect();
    ensure!(!all.is_empty(), "no `wargate_cache_bytes` among its metrics");
    Ok(all.into_iter().sum::<f64>() as u64)
}

fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(kib: &[u64]) -> Memory {
        let sample = |(at, kib): (usize, &u64)| (Duration::from_secs(at as u64), AGES_SECONDS[0], *kib);
        Memory { samples: kib.iter().enumerate().map(sample).collect(), ..Memory::default() }
    }

    #[test]
    fn memory_that_grows_between_lives_is_told_and_other_is_not() {
        let quarters =
            |first: u64, last: u64| memory(&[[1; 3], [first; 3], [50; 3], [last; 3]].concat()).judge();
        assert!(quarters(100, 120).unwrap());
        assert!(quarters(100, 121).is_err());
        assert!(quarters(300, 100).is_ok());
        // Too few to say.
        assert!(!memory(&[100; 11].map(|kib| kib * 9)).judge().unwrap());
        assert!(!memory(&[&[100; 8][..], &[900; 3]].concat()).judge().unwrap());
    }

    #[test]
    fn memory_that_grows_within_a_long_life_is_told() {
        for (seconds, per_second, is_flat) in [(900, 0, true), (900, 10, false), (500, 10, true)] {
            let mut memory = Memory {
                life: (0..=seconds).map(|age| (age, 1000 + per_second * age)).collect(),
                ..Memory::default()
            };
            memory.end_life();
            assert_eq!(memory.judge().is_ok(), is_flat, "{per_second} KiB a second for {seconds} s");
            assert!(memory.life.is_empty());
        }
    }

    #[test]
    fn what_caches_hold_is_summed() {
        let told = "wargate_cache_bytes{cache=\"logs\"} 100\nwargate_log_size 7\nwargate_cache_bytes{cache=\"x\"} 23\n";
        assert_eq!(cached_bytes(told).unwrap(), 123);
        assert!(cached_bytes("wargate_log_size 7\n").is_err());
    }

    #[test]
    fn resident_memory_is_read() {
        assert_eq!(resident_kib("Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t  1234 kB\n"), Some(1234));
        assert_eq!(resident_kib("Name:\tx\nState:\tZ (zombie)\n"), None);
    }
}
