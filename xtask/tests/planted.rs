//! The bugs that the simulator must find fit the source that they are planted in.
#![allow(missing_docs, reason = "a test")]

use std::path::Path;
use std::process::Command;

#[test]
fn every_planted_bug_fits() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("crates/registry/tests/sim/planted");
    let mut found = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of planted bugs") {
        let patch = entry.expect("its entry").path().canonicalize().expect("a path");
        let fits = Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(&root).output();
        let fits = fits.expect("git runs");
        let said = String::from_utf8_lossy(&fits.stderr);
        assert!(fits.status.success(), "{}: {said}", patch.display());
        found += 1;
    }
    assert!(found >= 6, "only {found} planted bugs");
}
