//! `wargate operator init`: the request that begins a registry, made before there is one.

use std::path::PathBuf;

use clap::Args;
use wargate_client::{Bench, Request};
use wargate_core::act::scope::NameScope;
use wargate_core::authority::{Beginning, COMMIT_SECONDS_MAX};
use wargate_core::key::PublicKey;
use wargate_core::time::Time;

use crate::commands::acting::{
    DAY_SECONDS, DAYS_TO_SIGN, end, judge, now, public_key, tell, window_of_days, write_new,
};
use crate::error::CommandError;
use crate::keys::random;
use crate::{origin, ui};

#[derive(Debug, Args)]
pub(super) struct Init {
    /// An owner's public key; again for more
    #[arg(long = "owner", value_name = "PUBLIC-KEY", required = true, value_parser = public_key)]
    owners: Vec<PublicKey>,
    /// How many owners must agree to whatever the operator does
    #[arg(long, value_name = "K")]
    threshold: u32,
    /// The server's commit key, then its spares
    #[arg(long = "commit", value_name = "PUBLIC-KEY", required = true, value_parser = public_key)]
    commit_keys: Vec<PublicKey>,
    /// When they end, at most 180 days from now; the owners prolong them before
    #[arg(long, value_name = "END", default_value = "180d", value_parser = end)]
    commit_until: Time,
    /// The server's publishing key
    #[arg(long, value_name = "PUBLIC-KEY", value_parser = public_key)]
    publishing: PublicKey,
    /// Namespaces that anybody who may push starts by using them, as `*` or `acme-*`; again for more [default: none,
    /// the owners start each]
    #[arg(long = "define", value_name = "SCOPE", value_parser = name_scope)]
    first_use: Vec<NameScope>,
    /// The log's origin, the registry's name for ever: HOST/log
    #[arg(long, value_name = "ORIGIN")]
    origin: String,
    /// How many days the owners have to sign it, at most 30
    #[arg(long, value_name = "DAYS", default_value_t = DAYS_TO_SIGN)]
    days: i64,
    /// The request to write
    #[arg(long, value_name = "FILE")]
    propose: PathBuf,
}

impl Init {
    pub(super) fn run(self, as_json: bool) -> Result<(), CommandError> {
        let now = now();
        if self.commit_until > now.plus_seconds(COMMIT_SECONDS_MAX) {
            let days = COMMIT_SECONDS_MAX / DAY_SECONDS;
            return Err(CommandError::usage(format!("a commit key is good for at most {days} days"))
                .hint("`wargate grant operator commit --until 180d`, signed by the owners, prolongs it"));
        }
        if let Some(commit) = self.commit_keys.first() {
            origin::check(&self.origin, commit)?;
        }
        let beginning = Beginning {
            owners: &self.owners,
            threshold: self.threshold,
            commit_keys: &self.commit_keys,
            commit_until: Some(self.commit_until),
            publishing_key: &self.publishing,
            first_use: self.first_use,
        };
        let bench = Bench::of_no_registry();
        let (from, until) = window_of_days(self.days, now);
        let act = bench.act(beginning.steps(), from, until, random()?);
        let request = Request { registry: self.origin, act: act.encode(), endorsements: Vec::new(), bench };
        judge(&request, now)?;
        write_new(&self.propose, &request)?;
        tell(&request, &act, now, as_json);
        ui::note(&format!(
            "written to {file}: each owner signs it with `wargate sign {file}`, then on the server \
             `wargate operator begin {file}`",
            file = self.propose.display()
        ));
        Ok(())
    }
}

fn name_scope(text: &str) -> Result<NameScope, String> {
    NameScope::parse(text)
        .ok_or_else(|| format!("`{text}` is neither a name nor, as `acme-*` or `*`, a pattern"))
}
