//! One target under libFuzzer: the one that `WARGATE_FUZZ_TARGET` names. `cargo xtask fuzz` says how.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use wargate_fuzz_targets::{Target, find};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("WARGATE_FUZZ_TARGET").unwrap_or_default();
    let target = find(&name).unwrap_or_else(|| panic!("WARGATE_FUZZ_TARGET: there is no target `{name}`"));
    // The engine's hook ends the process at any panic, but one that the parser catches is an answer. One that comes
    // out of the target is told here and ends the process all the same.
    std::panic::set_hook(Box::new(|panic| {
        if std::env::var_os("WARGATE_FUZZ_PANICS").is_some() {
            eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
        }
    }));
    target
});

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() > TARGET.bytes_max {
        return Corpus::Reject;
    }
    (TARGET.run)(bytes);
    Corpus::Keep
});
