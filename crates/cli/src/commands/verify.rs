//! `wargate verify`.
use crate::error::CommandError;
use clap::Args;
#[derive(Debug, Args)]
pub(crate) struct Verify {}
impl Verify {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        Err(CommandError::usage("not here yet"))
    }
}
