//! `wargate yank` and `wargate deprecate`: what is better not used any more.

use clap::Args;
use wargate_core::act::{AnnotationKind, Step};
use wargate_core::name::LogName;

use super::acting::Acting;
use super::remote::Reference;
use crate::error::CommandError;

#[derive(Debug, Args)]
pub(crate) struct Yank {
    /// The release
    #[arg(value_name = "NS:NAME@VERSION")]
    release: Reference,
    /// Why, for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    acting: Acting,
}

impl Yank {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let name = self.release.name;
        let version = self
            .release
            .version
            .ok_or_else(|| CommandError::usage(format!("which version of `{name}`? say `{name}@VERSION`")))?;
        let step = Step::Yank { version, reason: self.reason };
        self.acting.run(&LogName::Package(name), |_| step).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct Deprecate {
    /// The release, or the whole package
    #[arg(value_name = "NS:NAME[@VERSION]")]
    release: Reference,
    /// What to use instead, for people; empty withdraws it
    #[arg(value_name = "MESSAGE")]
    message: String,
    #[command(flatten)]
    acting: Acting,
}

impl Deprecate {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let subject = self.release.version.map(|version| version.to_string()).unwrap_or_default();
        let step = Step::Annotate { kind: AnnotationKind::Deprecate, subject, value: self.message };
        self.acting.run(&LogName::Package(self.release.name), |_| step).await
    }
}
