//! `bench publish`: publishing and reading at the Warg door, against the reference in memory and on PostgreSQL.

use anyhow::Result;

use super::peer::{self, Postgres, Server};
use super::{Bar, Measured, WARGATE, build};
use crate::tools;

const MEMORY: &str = "reference in memory";
const POSTGRES: &str = "reference on PostgreSQL";

const PACKAGES: &str = "10000";
const CONNECTIONS: &str = "64";
const LONE: &str = "300";

/// Packages into each of which one release more is published.
const NEXT: &str = "3000";

/// Bytes of the content that a release brings along.
const CONTENT_BYTES: &str = "4096";

const READS: &str = "20000";

/// Measures publishing and reading.
pub(crate) fn publish() -> Result<()> {
    build()?;
    let reference = tools::WARG_SERVER.install_peer("postgres")?;
    let postgres = Postgres::start()?;
    let measured = Measured::rounds(|measured, round, folder| {
        let server = peer::wargate(&folder.join("wargate"))?;
        measured.take(WARGATE, &server, &["lone", "--packages", LONE, "--run", "lone"])?;
        many(measured, WARGATE, &server)?;
        next(measured, &server)?;
        drop(server);
        let server = peer::warg_server(&reference, &folder.join("memory"), None)?;
        many(measured, MEMORY, &server)?;
        drop(server);
        let url = postgres.database(round)?;
        let server = peer::warg_server(&reference, &folder.join("postgres"), Some(&url))?;
        many(measured, POSTGRES, &server)
    })?;
    measured.report(&bars(&measured));
    Ok(())
}

/// One release more into packages that have begun, by records and by acts, both in either order: whoever comes later finds
/// a warmer server and a larger ledger. First of what is stored, then with content of its own.
fn next(measured: &mut Measured, server: &Server) -> Result<()> {
    for (bytes, runs) in [("0", ["a", "b", "c", "d"]), (CONTENT_BYTES, ["e", "f", "g", "h"])] {
        for (verb, run) in ["next-records", "next-acts", "next-acts", "next-records"].into_iter().zip(runs) {
            let load = ["--packages", NEXT, "--connections", CONNECTIONS, "--content-bytes", bytes];
            measured.take(WARGATE, server, &[&[verb, "--run", run], &load[..]].concat())?;
        }
    }
    Ok(())
}

fn many(measured: &mut Measured, who: &'static str, server: &Server) -> Result<()> {
    let load = ["--packages", PACKAGES, "--connections", CONNECTIONS, "--run", "many"];
    measured.take(who, server, &[&["publish"], &load[..]].concat())?;
    measured.take(who, server, &[&["read", "--requests", READS], &load[..]].concat())
}

fn bars(measured: &Measured) -> [Bar; 8] {
    let provable = measured.of(WARGATE, "provable_per_s");
    let accepted = |who| measured.of(who, "accepted_per_s");
    let next = |of| measured.of(WARGATE, of);
    let lone_ms = 3.0 * measured.sync_ms() + 3.0;
    [
        Bar::at_most("lone publish, p50 ms", measured.of(WARGATE, "p50_ms"), lone_ms),
        Bar::at_least("provable ÷ accepted in memory", provable / accepted(MEMORY), 3.5),
        Bar::at_least("provable ÷ accepted on PostgreSQL", provable / accepted(POSTGRES), 7.0),
        Bar::at_most("server CPU a publish, µs", measured.of(WARGATE, "cpu_us_each"), 220.0),
        Bar::at_least("package logs ÷ reference", measured.ratio("logs_per_s", MEMORY), 1.0),
        Bar::at_least(
            "release by an act ÷ by a v1 record",
            next("next_acts_per_s") / next("next_records_per_s"),
            0.9,
        ),
        Bar::at_least(
            "the same with content of its own",
            next("whole_acts_per_s") / next("whole_records_per_s"),
            0.9,
        ),
        Bar::at_least("proofs ÷ reference", measured.ratio("proofs_per_s", MEMORY), 1.0),
    ]
}
