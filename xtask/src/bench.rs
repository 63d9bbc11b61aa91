//! `cargo xtask bench …`: the same load against Wargate and its peers, in interleaved rounds, medians.
//!
//! Every figure is printed with its ratio to the peer of the same run, since the machine's own speed changes by the
//! hour.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::{checkout, run};

mod inspect;
mod oci;
pub(crate) mod peer;
mod publish;

pub(crate) use inspect::inspect;
pub(crate) use oci::{Form, oci};
pub(crate) use publish::publish;

use peer::Server;

const ROUNDS: usize = 3;

/// Our own server among those that are measured.
const WARGATE: &str = "wargate";

/// What was measured of each server, by name, one value a round.
#[derive(Default)]
struct Measured {
    servers: BTreeMap<&'static str, BTreeMap<String, Vec<f64>>>,
    /// The disk's own time for a small synced append in each round, in ms.
    sync_ms: Vec<f64>,
    /// Processes that ran or wanted to in the minute before the end of each round, the benchmark's own among them.
    load_average: Vec<f64>,
}

/// A line of the report: what it is about, the value, and what that must reach.
struct Bar {
    what: &'static str,
    value: f64,
    must: Must,
}

/// What a figure must reach.
enum Must {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    fn at_least(what: &'static str, value: f64, least: f64) -> Self {
        Self { what, value, must: Must::AtLeast(least) }
    }

    fn at_most(what: &'static str, value: f64, most: f64) -> Self {
        Self { what, value, must: Must::AtMost(most) }
    }

    /// What was not measured holds nothing.
    fn holds(&self) -> bool {
        match self.must {
            Must::AtLeast(least) => self.value >= least,
            Must::AtMost(most) => self.value <= most,
        }
    }

    fn print(&self) {
        let (sign, bound) = match self.must {
            Must::AtLeast(least) => ('≥', least),
            Must::AtMost(most) => ('≤', most),
        };
        let verdict = if self.holds() { "holds" } else { "MISSED" };
        println!("{:<58} {:>10.2}   {sign} {bound:<8.2} {verdict}", self.what, self.value);
    }
}

/// Builds the server and the load as they are shipped.
fn build() -> Result<()> {
    run::must(&mut run::cargo(&["build", "--release", "-p", "wargate-cli", "-p", "wargate-load"]))
}

impl Measured {
    /// Measures in rounds, each in a folder of its own that is gone afterwards.
    fn rounds(mut round: impl FnMut(&mut Self, usize, &Path) -> Result<()>) -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut measured = Self::default();
        for number in 0..ROUNDS {
            println!("round {} of {ROUNDS}", number + 1);
            let folder = scratch.0.join(format!("round-{number}"));
            std::fs::create_dir_all(&folder)?;
            measured.sync_ms.push(sync_ms(&folder)?);
            round(&mut measured, number, &folder)?;
            measured.load_average.push(load_average()?);
            std::fs::remove_dir_all(&folder)?;
        }
        Ok(measured)
    }

    /// Has the load do something with a server, and keeps what it measured.
    fn take(&mut self, who: &'static str, server: &Server, arguments: &[&str]) -> Result<()> {
        let pid = server.pid().to_string();
        let target = ["--server", &server.address, "--pid", &pid];
        self.keep(who, parse(&load(&[arguments, &target].concat())?));
        Ok(())
    }

    /// Keeps what one round measured.
    fn keep(&mut self, who: &'static str, values: Vec<(String, f64)>) {
        let figures = self.servers.entry(who).or_default();
        for (name, value) in values {
            figures.entry(name).or_default().push(value);
        }
    }

    /// The median of a figure.
    fn of(&self, who: &str, name: &str) -> f64 {
        median(self.servers.get(who).and_then(|figures| figures.get(name)).cloned().unwrap_or_default())
    }

    /// How many times a figure of Wargate's is another's.
    fn ratio(&self, name: &str, other: &str) -> f64 {
        self.of(WARGATE, name) / self.of(other, name)
    }

    fn sync_ms(&self) -> f64 {
        median(self.sync_ms.clone())
    }

    /// Prints all figures, and what they must reach.
    fn report(&self, bars: &[Bar]) {
        let sync_ms = self.sync_ms();
        println!(
            "\nmedians of {ROUNDS} interleaved rounds; a synced 4 KiB append took {sync_ms:.2} ms; load averages {:.1?}",
            self.load_average
        );
        for (who, figures) in &self.servers {
            println!("{who}");
            for (name, values) in figures {
                println!("  {name:<34} {:>12.2}   {values:.1?}", median(values.clone()));
            }
        }
        println!();
        bars.iter().for_each(Bar::print);
        let held = bars.iter().filter(|bar| bar.holds()).count();
        println!("{held} of {} bars hold", bars.len());
    }
}

/// Runs the load; what it prints.
fn load(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(checkout::target().join("release/wargate-load"));
    let output = command.args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("the load failed: {}", arguments.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A folder in the cache, where the disk is that of a real server; gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let folder = checkout::cache()?.join(format!("bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed may stay in the cache.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The disk's own time for a small synced append, in ms: the median of 200.
fn sync_ms(folder: &Path) -> Result<f64> {
    let mut file = std::fs::File::create(folder.join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}

/// Of the last minute.
fn load_average() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split_whitespace().next().unwrap_or_default().parse()?)
}

/// The numbers of a flat JSON object.
fn parse(json: &str) -> Vec<(String, f64)> {
    let fields = json.trim().trim_matches(['{', '}']).split(',');
    fields
        .filter_map(|field| {
            let (name, value) = field.split_once(':')?;
            Some((name.trim().trim_matches('"').to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_their_median_taken() {
        let json = "{\"push_per_s\":87.5,\"push_p50_ms\":1e2}\n";
        assert_eq!(parse(json), [("push_per_s".to_owned(), 87.5), ("push_p50_ms".to_owned(), 100.0)]);
        assert_eq!(parse(""), []);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_bar_holds_at_its_bound_and_never_without_a_figure() {
        for (bar, holds) in [
            (Bar::at_least("a", 2.0, 2.0), true),
            (Bar::at_least("a", 1.9, 2.0), false),
            (Bar::at_most("a", 2.0, 2.0), true),
            (Bar::at_most("a", 2.1, 2.0), false),
            (Bar::at_least("a", f64::NAN, 0.0), false),
            (Bar::at_most("a", f64::NAN, 9.0), false),
        ] {
            assert_eq!(bar.holds(), holds, "{}", bar.value);
        }
    }

    #[test]
    fn ratios_are_of_medians() {
        let mut measured = Measured::default();
        for (who, values) in [(WARGATE, [10.0, 30.0, 20.0]), ("peer", [1.0, 2.0, 9.0])] {
            measured.servers.entry(who).or_default().insert("a".to_owned(), values.to_vec());
        }
        assert_eq!(measured.ratio("a", "peer"), 10.0);
        assert!(measured.ratio("b", "peer").is_nan());
    }
}
