//! How a command fails: what kind of failure, what happened, and what to do next.

use std::process::ExitCode;

use crate::ui;

/// Whose matter a failure is. It decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command was called in a wrong way: exit 2.
    Usage,
    /// A file or a setting is wrong.
    Config,
    /// Something does not hold: a signature, a proof, a digest.
    Verification,
    /// The rules, the owners or the registry do not allow it.
    Denied,
    /// A registry did not answer, or not as it should.
    Network,
    /// The disk, the machine, or a bug.
    Internal,
}

impl Kind {
    fn code(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Config => "config",
            Self::Verification => "verification",
            Self::Denied => "denied",
            Self::Network => "network",
            Self::Internal => "internal",
        }
    }
}

/// A failure, for a person.
#[derive(Debug)]
pub(crate) struct CommandError {
    kind: Kind,
    message: String,
    hints: Vec<String>,
}

impl CommandError {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What happened.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What it is as JSON, for `--json`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "ok": false, "code": self.kind.code(), "message": self.message, "hints": self.hints })
    }

    /// Says it, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        ui::error(self.kind.code(), &self.message);
        for hint in &self.hints {
            ui::hint(hint);
        }
        ExitCode::from(if self.kind == Kind::Usage { 2 } else { 1 })
    }
}
