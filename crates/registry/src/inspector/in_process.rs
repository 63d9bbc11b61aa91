//! Inspecting in the registry's own process, what is small and plain.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::spawn_blocking;
use wargate_component::limits::IN_PROCESS_BYTES_MAX;
use wargate_component::{Inspection, inspect, prepass};

use super::child::Answer;
use super::lane::Lane;
use super::{Excess, InspectError, Inspector, glance};
use crate::limits::{IN_PROCESS_WAITING_MAX, INSPECTION_WAIT_MS_MAX};

/// For an embedder that has no program to start: takes what [`Cost::in_process`](wargate_component::Cost) allows,
/// and refuses everything else as too costly to check here.
#[derive(Debug)]
pub struct InProcess {
    lane: Lane,
}

impl InProcess {
    /// With a thread for every core.
    #[must_use]
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let wait_max = Duration::from_millis(INSPECTION_WAIT_MS_MAX);
        Self { lane: Lane::new(cores, IN_PROCESS_WAITING_MAX, wait_max) }
    }

    /// Looks at it on a thread that may block; `None` if it is for a process that may be killed. A file over the
    /// size that would be allowed is not even walked.
    pub(super) async fn look(&self, content: Bytes) -> Result<Option<Answer>, InspectError> {
        if content.len() as u64 > IN_PROCESS_BYTES_MAX {
            return Ok(None);
        }
        let turn = self.lane.enter().await?;
        let looking = spawn_blocking(move || {
            // The thread goes on if nobody waits any more, so the turn is its own.
            let _turn = turn;
            match prepass(&content) {
                Ok(cost) if !cost.in_process() => None,
                Ok(_) => Some(inspect(&content)),
                Err(refused) => Some(Err(refused)),
            }
        });
        looking.await.map_err(|error| match error.is_panic() {
            true => InspectError::TooCostly { excess: Excess::Ended },
            false => InspectError::failed("inspect in process", error),
        })
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Inspector for InProcess {
    async fn inspect(&self, content: Bytes) -> Result<Inspection, InspectError> {
        glance(&content)?;
        match self.look(content).await? {
            Some(answer) => Ok(answer?),
            None => Err(InspectError::TooCostly { excess: Excess::NeedsProcess }),
        }
    }
}
