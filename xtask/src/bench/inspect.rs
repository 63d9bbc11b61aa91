//! `bench inspect`: inspecting the corpus on one core, against the validator and the decoder alone.

use anyhow::Result;

use super::{Bar, Measured, WARGATE, build, load, parse};
use crate::checkout;

/// Real and made files, good and bad; those that are let in are measured.
const CORPUS: &str = "../shared/corpus";

/// Measures files up to 4, 16 and 64 KiB.
pub(crate) fn inspect() -> Result<()> {
    build()?;
    let corpus = checkout::root().join(CORPUS);
    let measured = Measured::rounds(|measured, _, _| {
        measured.keep(WARGATE, parse(&load(&["inspect", "--folder", &corpus.to_string_lossy()])?));
        Ok(())
    })?;
    let bar = |what, size| -> Bar {
        Bar::at_least(what, measured.of(WARGATE, &format!("inspected_per_s_{size}")), 2_000.0)
    };
    measured.report(&[
        bar("inspected a second, up to 4 KiB", "4_kib"),
        bar("inspected a second, 4 to 16 KiB", "16_kib"),
        bar("inspected a second, 16 to 64 KiB", "64_kib"),
    ]);
    Ok(())
}
