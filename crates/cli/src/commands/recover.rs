//! `wargate recover`: gives a log whose owners are lost to new ones, by the word of the layer above.

use clap::Args;
use wargate_core::act::Step;
use wargate_core::key::PublicKey;
use wargate_core::name::LogName;

use super::acting::{self, Acting};
use crate::error::CommandError;

#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// Whose log: a package or a namespace
    #[arg(value_name = "LOG", value_parser = acting::log)]
    log: LogName,
    /// A new owner's public key; again for more
    #[arg(long = "to", value_name = "PUBLIC-KEY", required = true, value_parser = acting::public_key)]
    keys: Vec<PublicKey>,
    /// How many of them must agree
    #[arg(long, value_name = "N", default_value_t = 1)]
    threshold: u32,
    #[command(flatten)]
    acting: Acting,
}

impl Recover {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let step = Step::Recover { keys: self.keys, threshold: self.threshold };
        self.acting.run(&self.log, |_| step).await
    }
}
