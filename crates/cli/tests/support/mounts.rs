//! Tests that mount: each runs again in a process of its own with a mount namespace of its own, which ends with it.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::print_stdout, reason = "whoever runs the tests must see what was not run")]
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

use std::path::Path;
use std::process::Command;

/// Set where a test runs in mounts of its own.
const INSIDE: &str = "WARGATE_TEST_OWN_MOUNTS";

/// Runs `body` where it may mount; where nobody may, says so loudly, and fails in CI.
pub(crate) fn in_own_mounts(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let may = Command::new("unshare").args(["--mount", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        let in_ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        assert!(!in_ci, "`{test}` needs root, to mount");
        println!("\n!!! `{test}` was NOT run: it needs root, to mount\n");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(this)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed in mounts of its own");
}

/// Runs a command that must succeed.
#[track_caller]
pub(crate) fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {}: {said}", args.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// A disk in memory of so many MiB.
pub(crate) fn mount_tmpfs(at: &Path, mib: u32) {
    run("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs", at.to_str().unwrap()]);
}

/// Fills the file system up with one file, and says how many bytes that took.
pub(crate) fn fill(ballast: &Path) -> u64 {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(ballast).unwrap();
    for size in [1 << 20, 4096] {
        while file.write_all(&vec![0xaa; size]).is_ok() {}
    }
    file.metadata().unwrap().len()
}
