//! `cargo xtask power`: power cuts of the real process, the long form of what `cargo xtask test` does in short.
//!
//! Not here: how that is done (`crates/cli/tests/power`).

use anyhow::{Context as _, Result};

use crate::{run, tools};

/// More syncs than a recording has.
const POINTS: &str = "1000000";

/// Every sync of one of each act; rounds of each client and images of each moment, unless the environment says
/// otherwise.
const LONG: [(&str, &str); 3] =
    [("WARGATE_POWER_POINTS_OF_ONE", POINTS), ("WARGATE_POWER_ROUNDS", "12"), ("WARGATE_POWER_IMAGES", "8")];

/// The tests, one after the other.
const TESTS: [&str; 4] = [
    "one_of_each_survives_power_cuts_at_its_syncs",
    "copies::backups_survive_power_cuts",
    "copies::what_is_restored_survives_power_cuts",
    "what_was_acknowledged_survives_power_cuts",
];

/// Cuts one publish, upload, push, start, backup and restore at every sync, and recordings under load at so many
/// syncs each, or at all.
pub(crate) fn run(points: Option<&str>) -> Result<()> {
    tools::install_recorder()?;
    let points = points.unwrap_or(POINTS);
    points.parse::<u32>().with_context(|| format!("--points `{points}` is no number"))?;
    let mut test = run::cargo(&["test", "--locked", "--package", "wargate-cli", "--test", "power", "--"]);
    test.args(["--exact", "--nocapture", "--test-threads=1"]).args(TESTS);
    test.env("WARGATE_POWER_POINTS", points);
    for (name, long) in LONG {
        if std::env::var_os(name).is_none() {
            test.env(name, long);
        }
    }
    run::must(&mut test)
}
