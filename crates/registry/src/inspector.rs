//! The inspector's seam: where untrusted Wasm is parsed.
//!
//! What a file is, is said by `wargate-component`; here is where that runs, so that no file costs more than its
//! bound of time and memory (`spec/components.md`, "Hostile input"). [`Inspectors`] have child processes for
//! it; [`InProcess`] is for who has no program to start, and takes only what is small and plain. Not here: what
//! is done with the answer.

mod child;
mod frame;
mod in_process;
mod lane;
mod pool;
mod process;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use wargate_component::kind::HEADER_BYTES;
use wargate_component::limits::WASM_BYTES_MAX;
use wargate_component::{Inspection, Refused, prepass};

pub use self::child::serve_child;
pub use self::frame::ANSWER_BYTES_MAX;
pub use self::in_process::InProcess;
pub use self::pool::{Bounds, Inspectors};
pub use self::process::Program;

/// Says what a file of WebAssembly is, in bounded time and memory.
#[async_trait]
pub trait Inspector: Send + Sync + 'static {
    /// Inspects one file. Dropping the future gives the inspection up.
    ///
    /// # Errors
    /// If the file is refused, or could not be inspected.
    async fn inspect(&self, content: Bytes) -> Result<Inspection, InspectError>;
}

/// Why there is no inspection. The words of the first two are for the person who sent the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The file is refused for what it is.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Checking it passed a bound. That is the file's fault, never an internal failure.
    #[error("too costly to check: {excess}")]
    TooCostly {
        /// Which bound.
        excess: Excess,
    },
    /// Too many files wait already.
    #[error("too many files wait to be checked: try again later")]
    Busy,
    /// The registry's own trouble. The reason is for the operator's log, not for the user.
    #[error("the inspector failed: {reason}")]
    Failed {
        /// What failed.
        reason: String,
    },
}

/// What a file took too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Excess {
    /// Its time was up.
    Time {
        /// The bound in milliseconds.
        max_ms: u64,
    },
    /// Whoever checked it ended before it answered: for want of memory, or by a fault that the file found.
    Ended,
    /// It needs a process of its own, and this registry has none for that.
    NeedsProcess,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { max_ms } => write!(f, "it took more than {} s", max_ms.div_ceil(1_000)),
            Self::Ended => f.write_str("it took more memory than a check may have, or made the check fail"),
            Self::NeedsProcess => f.write_str("this registry checks only small and plain files"),
        }
    }
}

impl InspectError {
    fn failed(doing: &str, cause: impl fmt::Display) -> Self {
        Self::Failed { reason: format!("couldn't {doing}: {cause}") }
    }
}

/// Refuses what needs no look at its sections.
fn glance(content: &[u8]) -> Result<(), Refused> {
    let found = content.len() as u64;
    if found > WASM_BYTES_MAX {
        return Err(Refused::Limit { what: "bytes".into(), found, max: WASM_BYTES_MAX });
    }
    // A header with nothing behind it passes exactly if the header is good.
    prepass(content.get(..HEADER_BYTES).unwrap_or(content)).map(|_| ())
}
