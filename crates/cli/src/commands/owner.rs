//! `wargate owner claim`: makes a package one's own that the registry began for somebody who pushed without a key
//! (`spec/delegation.md`, "Everyday shapes").

use clap::{Args, Subcommand};
use wargate_client::Bench;
use wargate_core::act::Step;
use wargate_core::authority;
use wargate_core::key::{PublicKey, Signer as _};
use wargate_core::name::{LogName, PackageName};

use super::acting::{self, Acting, Lacking};
use crate::error::{CommandError, Kind};

#[derive(Debug, Args)]
pub(crate) struct Owner {
    #[command(subcommand)]
    command: OwnerCommand,
}

#[derive(Debug, Subcommand)]
enum OwnerCommand {
    /// Move a package from the registry's keeping to keys of one's own, by the account that it was begun for
    Claim(Claim),
}

#[derive(Debug, Args)]
struct Claim {
    /// The package
    #[arg(value_name = "NS:NAME")]
    package: PackageName,
    /// A new owner's public key; again for more [default: the key at hand]
    #[arg(long = "to", value_name = "PUBLIC-KEY", value_parser = acting::public_key)]
    owners: Vec<PublicKey>,
    /// How many of them must agree
    #[arg(long, value_name = "N", default_value_t = 1)]
    threshold: u32,
    /// Let the registry release nothing for others any more
    #[arg(long)]
    without_registry: bool,
    #[command(flatten)]
    acting: Acting,
}

impl Owner {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let OwnerCommand::Claim(claim) = self.command;
        claim.run().await
    }
}

impl Claim {
    async fn run(mut self) -> Result<(), CommandError> {
        if self.owners.is_empty() {
            let key = self.acting.remote.told(self.acting.key.load())?;
            self.owners.push(key.public().clone());
        }
        let log = LogName::Package(self.package.clone());
        self.acting.try_run(&log, Lacking::Registry, |bench| self.steps(bench)).await
    }

    fn steps(&self, bench: &Bench) -> Result<Vec<Step>, CommandError> {
        let custodian = bench.custodian().ok_or_else(|| {
            let reason =
                format!("`{}` is not in the registry's keeping: it has owners of its own", self.package);
            CommandError::new(Kind::Denied, reason)
                .hint(format!("`wargate info {}` shows them", self.package))
        })?;
        let (owners, threshold) = (self.owners.clone(), self.threshold);
        let claim = authority::Claim { owners, threshold, registry_releases: !self.without_registry };
        Ok(claim.steps(custodian))
    }
}
