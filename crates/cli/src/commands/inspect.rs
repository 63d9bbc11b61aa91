//! `wargate inspect`: the process in which the registry has untrusted files parsed. It is not for people.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, exit};

use clap::Args;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wargate_registry::inspector::serve_child;
use wargate_registry::limits::INSPECTOR_MEMORY_BYTES_MAX;

use crate::error::CommandError;

/// Standard input, output and error, and nothing that a file could open.
const DESCRIPTORS_MAX: u64 = 3;

/// Stack of the thread that watches for the parent's end, in bytes.
const WATCHER_STACK_BYTES: usize = 64 << 10;

/// Set to 0, the allocator asks the kernel for what it needs. Else it has a GiB of addresses before `main`, and a
/// bound on addresses would be one on half of that GiB, none of which is ever given back.
const ALLOCATOR_RESERVE: &str = "MIMALLOC_ARENA_RESERVE";

#[derive(Debug, Args)]
pub(crate) struct Inspect {}

impl Inspect {
    /// Bounds this process, then inspects files until the parent is gone (`spec/components.md`, "Hostile input").
    #[expect(clippy::unused_self, reason = "as the other commands")]
    pub(crate) fn run(self) -> Result<(), CommandError> {
        if std::env::var_os(ALLOCATOR_RESERVE).is_none_or(|value| value != "0") {
            let error = begin_anew();
            return Err(CommandError::internal(format!("couldn't start the inspector anew: {error}")));
        }
        // What a file makes fail is told by the parent, in its words.
        std::panic::set_hook(Box::new(|_| {}));
        let bounded = bound_process().and_then(|()| end_with_parent());
        bounded.map_err(|error| CommandError::internal(format!("couldn't bound the inspector: {error}")))?;
        serve_child(io::stdin().lock(), io::stdout().lock())
            .map_err(|error| CommandError::internal(format!("the registry is gone: {error}")))
    }
}

/// Becomes this command again, with an allocator that can be bounded; returns only if that fails.
fn begin_anew() -> io::Error {
    // The program that runs, also when another took its place on the disk.
    let running = PathBuf::from("/proc/self/exe");
    let program = if running.exists() { Ok(running) } else { std::env::current_exe() };
    match program {
        Ok(program) => {
            Command::new(program).arg0("wargate").arg("inspect").env(ALLOCATOR_RESERVE, "0").exec()
        }
        Err(error) => error,
    }
}

/// Takes from this process what a file must not get: memory, a dump of it, and descriptors.
fn bound_process() -> io::Result<()> {
    let bounds = [
        (Resource::As, INSPECTOR_MEMORY_BYTES_MAX),
        (Resource::Core, 0),
        (Resource::Nofile, DESCRIPTORS_MAX),
    ];
    for (resource, max) in bounds {
        // Who started it may have been stricter.
        let max = getrlimit(resource).maximum.map_or(max, |maximum| maximum.min(max));
        setrlimit(resource, Rlimit { current: Some(max), maximum: Some(max) })?;
    }
    Ok(())
}

/// Ends this process as soon as nobody can write to its input any more, even amid a file.
fn end_with_parent() -> io::Result<()> {
    let watch = || {
        let input = io::stdin();
        // No event is asked for: the end of the other side is told always, and is all that is told.
        let mut watched = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::empty())];
        while matches!(poll(&mut watched, None), Err(rustix::io::Errno::INTR)) {}
        exit(0);
    };
    std::thread::Builder::new().stack_size(WATCHER_STACK_BYTES).spawn(watch).map(|_| ())
}
