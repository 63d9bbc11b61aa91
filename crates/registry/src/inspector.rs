//! Where untrusted Wasm is parsed (`spec/components.md`, "Hostile input").

use async_trait::async_trait;
use bytes::Bytes;
use wargate_component::{Inspection, Refused, inspect, prepass};

/// Why there is no inspection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The bytes are nothing that a registry of Wasm keeps as a release.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Checking them costs more than a registry spends.
    #[error("the file is too costly to check: {reason}")]
    TooCostly {
        /// What it costs too much of.
        reason: String,
    },
    /// The registry's own trouble.
    #[error("{reason}")]
    Failed {
        /// What failed.
        reason: String,
    },
}

/// Says what bytes of Wasm are.
#[async_trait]
pub trait Inspector: Send + Sync + 'static {
    /// Inspects a whole file.
    ///
    /// # Errors
    /// [`InspectError`].
    async fn inspect(&self, content: Bytes) -> Result<Inspection, InspectError>;
}

/// Inspects in this process what is small and cheap, and nothing else: for embedders who have no program to do it.
#[derive(Debug, Default)]
pub struct InProcess;

#[async_trait]
impl Inspector for InProcess {
    async fn inspect(&self, content: Bytes) -> Result<Inspection, InspectError> {
        let inspected = tokio::task::spawn_blocking(move || {
            if !prepass(&content)?.in_process() {
                return Err(InspectError::TooCostly {
                    reason: "this registry has no inspectors for large files".to_owned(),
                });
            }
            Ok(inspect(&content)?)
        });
        inspected.await.map_err(|error| InspectError::Failed { reason: error.to_string() })?
    }
}
