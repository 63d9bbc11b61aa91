//! `wargate operator`: how a registry begins whose owners keep their keys where no network reaches
//! (`spec/delegation.md`, "Offline signing"; `docs/keys.md`, "A registry of several owners").
//!
//! On the server `keys` makes what is used every day, elsewhere `init` writes the request that owners sign with
//! `wargate sign`, and on the server `begin` carries it. No root key is ever on the server.

use clap::{Args, Subcommand};

use super::remote::told;
use crate::error::CommandError;

mod begin;
mod init;
mod keys;

#[derive(Debug, Args)]
pub(crate) struct Operator {
    #[command(subcommand)]
    command: OperatorCommand,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    /// On the server: make the keys that a registry uses every day, and show their public halves
    Keys(keys::Keys),
    /// Write the request that begins a registry, for its owners to sign; needs no network
    Init(init::Init),
    /// On the server: begin the registry with what its owners signed
    Begin(begin::Begin),
}

impl Operator {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = match self.command {
            OperatorCommand::Keys(keys) => keys.run(self.json),
            OperatorCommand::Init(init) => init.run(self.json),
            OperatorCommand::Begin(begin) => begin.run(self.json).await,
        };
        told(self.json, outcome)
    }
}
