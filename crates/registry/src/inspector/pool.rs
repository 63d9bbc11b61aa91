//! A pool of child processes that inspect.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use wargate_component::Inspection;

use super::in_process::InProcess;
use super::lane::Lane;
use super::process::{Process, Program};
use super::{InspectError, Inspector, glance};
use crate::limits::{
    INSPECT_MS_MAX, INSPECTION_WAIT_MS_MAX, INSPECTIONS_PER_CHILD_MAX, INSPECTIONS_WAITING_MAX,
    INSPECTOR_START_MS_MAX,
};

/// The bounds of a pool.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Whether small and plain files are inspected in this process; else all go to children.
    pub in_process: bool,
    /// Children at once.
    pub children: usize,
    /// Files that may wait for a child; one more is told that the registry is busy.
    pub waiting_max: usize,
    /// How long a file may wait.
    pub wait_max: Duration,
    /// How long a child may take to start.
    pub start_max: Duration,
    /// How long the inspection of one file may take.
    pub inspect_max: Duration,
    /// Files that one child inspects before it is replaced.
    pub inspections_per_child_max: u32,
}

impl Default for Bounds {
    /// A child for two cores, and the limits of [`crate::limits`].
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            in_process: true,
            children: (cores / 2).max(1),
            waiting_max: INSPECTIONS_WAITING_MAX,
            wait_max: Duration::from_millis(INSPECTION_WAIT_MS_MAX),
            start_max: Duration::from_millis(INSPECTOR_START_MS_MAX),
            inspect_max: Duration::from_millis(INSPECT_MS_MAX),
            inspections_per_child_max: INSPECTIONS_PER_CHILD_MAX,
        }
    }
}

/// Inspects small and plain files in this process, and all others in long-lived children that are killed when
/// their time is up. Children are started when there is work for them, and end with the pool.
#[derive(Debug)]
pub struct Inspectors {
    program: Program,
    bounds: Bounds,
    in_process: InProcess,
    lane: Lane,
    /// Those without work. The last one in is the first out: it is warm.
    idle: Mutex<Vec<Process>>,
}

impl Inspectors {
    /// A pool of children of this program, within the default [`Bounds`].
    #[must_use]
    pub fn new(program: Program) -> Self {
        Self::with_bounds(program, Bounds::default())
    }

    /// A pool within other bounds.
    #[must_use]
    pub fn with_bounds(program: Program, mut bounds: Bounds) -> Self {
        bounds.children = bounds.children.max(1);
        let lane = Lane::new(bounds.children, bounds.waiting_max, bounds.wait_max);
        Self { program, bounds, in_process: InProcess::new(), lane, idle: Mutex::default() }
    }

    async fn in_child(&self, content: Bytes) -> Result<Inspection, InspectError> {
        let turn = self.lane.enter().await?;
        let mut process = match self.take_idle() {
            Some(process) => process,
            None => Process::start(&self.program, self.bounds.start_max).await?,
        };
        // If this future is dropped meanwhile, so is the child, which kills it.
        let answered = process.ask(&content, self.bounds.inspect_max).await;
        if answered.is_ok() && process.inspections() < self.bounds.inspections_per_child_max {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(process);
        } else {
            // The next one has its turn when this one's memory is free again.
            tokio::spawn(async move {
                process.end().await;
                drop(turn);
            });
        }
        match answered {
            Ok(answer) => Ok(answer?),
            Err(excess) => Err(InspectError::TooCostly { excess }),
        }
    }

    /// A child without work that still runs; one that was ended from outside meanwhile is no file's fault.
    fn take_idle(&self) -> Option<Process> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut process) = idle.pop() {
            if process.is_alive() {
                return Some(process);
            }
        }
        None
    }
}

#[async_trait]
impl Inspector for Inspectors {
    async fn inspect(&self, content: Bytes) -> Result<Inspection, InspectError> {
        glance(&content)?;
        if self.bounds.in_process
            && let Some(answer) = self.in_process.look(content.clone()).await?
        {
            return Ok(answer?);
        }
        self.in_child(content).await
    }
}
