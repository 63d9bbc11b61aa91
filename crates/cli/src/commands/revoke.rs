//! `wargate revoke`: takes keys from a role, or ends it with all that hangs under it.

use clap::Args;
use wargate_core::act::{self, Step};
use wargate_core::id::RecordId;
use wargate_core::key::KeyId;
use wargate_core::name::LogName;

use super::acting::{self, Acting};
use crate::error::CommandError;

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Whose log: a package, a namespace, or `operator`
    #[arg(value_name = "LOG", value_parser = acting::log)]
    log: LogName,
    /// The role
    #[arg(value_name = "ROLE")]
    role: String,
    /// The id of a key that leaves it; again for more [default: the role ends]
    #[arg(long = "take", value_name = "KEY-ID")]
    keys: Vec<KeyId>,
    /// After a theft: the first record from which what the role released is trusted no more
    #[arg(long, value_name = "RECORD-ID")]
    since: Option<RecordId>,
    #[command(flatten)]
    acting: Acting,
}

impl Revoke {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let step = act::Revoke { role: self.role, key_ids: self.keys, since: self.since };
        self.acting.run(&self.log, |_| Step::Revoke(step)).await
    }
}
