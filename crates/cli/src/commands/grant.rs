//! `wargate grant`: makes a role, or lets more keys into a live one.

use clap::Args;
use wargate_client::Bench;
use wargate_core::act::power::Power;
use wargate_core::act::scope::Scope;
use wargate_core::act::{self, Step};
use wargate_core::key::PublicKey;
use wargate_core::name::LogName;
use wargate_core::time::Time;

use super::acting::{self, Acting};
use crate::error::CommandError;

#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// Whose log: a package, a namespace, or `operator`
    #[arg(value_name = "LOG", value_parser = acting::log)]
    log: LogName,
    /// The role's name; one that is live gets the keys, and another end or threshold if they are given
    #[arg(value_name = "ROLE")]
    role: String,
    /// A public key that gets it; again for more
    #[arg(long = "to", value_name = "PUBLIC-KEY", value_parser = acting::public_key)]
    keys: Vec<PublicKey>,
    /// How many of its keys must agree [default: 1 for a new role]
    #[arg(long, value_name = "N")]
    threshold: Option<u32>,
    /// What it may do, as `release` or `yank`; again for more [default: what its parent may]
    #[arg(long = "may", value_name = "POWER", value_delimiter = ',', value_parser = power)]
    powers: Vec<Power>,
    /// On what: versions as `>=1.0.0 <2.0.0`, or names as `http-*`; again for more [default: as its parent]
    #[arg(long = "over", value_name = "SCOPE")]
    scope: Vec<String>,
    /// When it ends, as `90d` or `2027-01-31T12:00:00Z` [default: as its parent]
    #[arg(long, value_name = "END", value_parser = acting::end)]
    until: Option<Time>,
    /// How deep it may hand on what it may do
    #[arg(long, value_name = "N", default_value_t = 0)]
    depth: u32,
    /// The role that it hangs under [default: owner]
    #[arg(long, value_name = "ROLE")]
    under: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

impl Grant {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let scope = Scope::parse(&self.scope).ok_or_else(|| {
            CommandError::usage(format!("`{}` is no scope", self.scope.join("`, `")))
                .hint("versions as `>=1.0.0 <2.0.0`, names as `hello`, `http-*` or `*`")
        })?;
        let step = |bench: &Bench| {
            let is_live = bench
                .state()
                .is_some_and(|state| state.live_at(acting::now()).any(|role| role.name == self.role));
            Step::Grant(act::Grant {
                role: self.role,
                // A live role keeps its threshold.
                threshold: self.threshold.unwrap_or(u32::from(!is_live)),
                keys: self.keys,
                powers: self.powers,
                scope,
                not_after: self.until,
                depth: self.depth,
                parent: self.under.unwrap_or_default(),
            })
        };
        self.acting.run(&self.log, step).await
    }
}

fn power(text: &str) -> Result<Power, String> {
    let all: Vec<&str> = Power::ALL.iter().map(|power| power.as_str()).collect();
    Power::parse(text).ok_or_else(|| format!("`{text}` is none of {}", all.join(", ")))
}
