//! `wargate takedown`, `quarantine` and `import`: what an operator keeps back, and which namespaces are another
//! registry's. Acts on the operator's log, as every reader sees them.

use clap::Args;
use wargate_core::act::Step;
use wargate_core::name::{LogName, Namespace};
use wargate_core::time::Time;

use super::acting::{self, Acting};
use super::remote::Reference;
use crate::config;
use crate::error::CommandError;

#[derive(Debug, Args)]
pub(crate) struct Takedown {
    /// The release, or the whole package
    #[arg(value_name = "NS:NAME[@VERSION]")]
    release: Reference,
    /// Why, for people
    #[arg(long, value_name = "TEXT", required_unless_present = "lift")]
    reason: Option<String>,
    /// Give it out again: ends what was said of exactly this, be it a takedown or a quarantine
    #[arg(long)]
    lift: bool,
    #[command(flatten)]
    acting: Acting,
}

impl Takedown {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let reason = self.reason.unwrap_or_default();
        keep_back(self.release, reason, self.lift, None, &self.acting).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct Quarantine {
    /// The release, or the whole package
    #[arg(value_name = "NS:NAME[@VERSION]")]
    release: Reference,
    /// When it ends by itself, as `14d` or `2027-01-31T12:00:00Z`
    #[arg(long, value_name = "END", value_parser = acting::end)]
    until: Time,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    acting: Acting,
}

impl Quarantine {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        keep_back(self.release, self.reason, false, Some(self.until), &self.acting).await
    }
}

async fn keep_back(
    release: Reference,
    reason: String,
    lifted: bool,
    not_after: Option<Time>,
    acting: &Acting,
) -> Result<(), CommandError> {
    let Reference { name: package, version } = release;
    let step = Step::Takedown { package, version, reason, lifted, not_after };
    acting.run(&LogName::Operator, |_| step).await
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The namespace, which nobody has here
    #[arg(value_name = "NAMESPACE")]
    namespace: Namespace,
    /// The registry whose it is
    #[arg(value_name = "DOMAIN", value_parser = config::domain)]
    domain: String,
    #[command(flatten)]
    acting: Acting,
}

impl Import {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let step = Step::Import { namespace: self.namespace, registry: self.domain };
        self.acting.run(&LogName::Operator, |_| step).await
    }
}
