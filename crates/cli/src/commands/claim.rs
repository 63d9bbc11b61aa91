//! `wargate claim`: starts a namespace that nobody has; `wargate admit`: lets a key start a v1 log in it; `wargate policy`:
//! says what its owners demand.

use clap::Args;
use wargate_core::act::{AnnotationKind, Step};
use wargate_core::authority::Policy;
use wargate_core::key::PublicKey;
use wargate_core::name::{LogName, Namespace, PackageName};

use super::acting::{self, Acting};
use crate::error::CommandError;

#[derive(Debug, Args)]
pub(crate) struct Claim {
    /// The namespace
    #[arg(value_name = "NS")]
    namespace: Namespace,
    /// An owner's public key; again for more
    #[arg(long = "to", value_name = "PUBLIC-KEY", required = true, value_parser = acting::public_key)]
    owners: Vec<PublicKey>,
    /// How many of them must agree
    #[arg(long, value_name = "N", default_value_t = 1)]
    threshold: u32,
    #[command(flatten)]
    acting: Acting,
}

impl Claim {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let step = Step::Init { keys: self.owners, threshold: self.threshold };
        self.acting.run(&LogName::Namespace(self.namespace), |_| step).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct Admit {
    /// The package, which has not begun
    #[arg(value_name = "NS:NAME")]
    package: PackageName,
    /// The public key, as `warg key info` shows it
    #[arg(long, value_name = "PUBLIC-KEY", value_parser = acting::public_key)]
    to: PublicKey,
    #[command(flatten)]
    acting: Acting,
}

impl Admit {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let log = LogName::Namespace(self.package.namespace());
        let step = Step::Admit { name: self.package.name().to_owned(), key: self.to };
        self.acting.run(&log, |_| step).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct SetPolicy {
    /// Whose log: a namespace, which includes its packages, or a package
    #[arg(value_name = "LOG", value_parser = acting::log)]
    log: LogName,
    /// `delegated-only`, `private`, `two-persons`, or several in one text, ascending; empty for none
    #[arg(value_name = "WORDS")]
    policy: Policy,
    #[command(flatten)]
    acting: Acting,
}

impl SetPolicy {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let (kind, value) = (AnnotationKind::Policy, self.policy.to_string());
        let step = Step::Annotate { kind, subject: String::new(), value };
        self.acting.run(&self.log, |_| step).await
    }
}
