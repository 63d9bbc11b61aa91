//! `wargate trust`.
use crate::error::CommandError;
use clap::Args;
#[derive(Debug, Args)]
pub(crate) struct Trust {}
impl Trust {
    pub(crate) fn run(self) -> Result<(), CommandError> {
        Err(CommandError::usage("not here yet"))
    }
}
