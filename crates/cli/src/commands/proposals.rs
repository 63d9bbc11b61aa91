//! `wargate proposals`, `wargate approve` and `wargate reject`: what waits at a registry for more people to agree
//! (`spec/delegation.md`, "Everyday shapes").

use std::path::PathBuf;

use clap::Args;
use semver::Version;
use serde_json::json;
use wargate_client::{Proposal, Registry, Request, bench, proposals, reject};
use wargate_core::name::LogName;

use super::acting::{self, agree, hand_in, judge, now, short, tell, write_new};
use super::remote::{Reference, Remote, failed, pin_store, tell_first_use, time};
use crate::error::{CommandError, Kind};
use crate::secret::KeyArg;
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct ShowProposals {
    /// A package, a namespace, or `operator`
    #[arg(value_name = "LOG", value_parser = acting::log)]
    log: LogName,
    #[command(flatten)]
    remote: Remote,
}

impl ShowProposals {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.show().await;
        self.remote.told(outcome)
    }

    async fn show(&self) -> Result<(), CommandError> {
        let registry = self.remote.client_of(&self.log)?;
        let waiting = proposals(&registry, &self.log).await.map_err(|error| failed(&error))?;
        if self.remote.json {
            let each = |one: &Proposal| {
                json!({
                    "proposal": one.id.to_string(),
                    "says": says(one),
                    "lacks": one.lacks,
                    "signedBy": one.endorsements.iter().map(|by| by.key_id.to_string()).collect::<Vec<_>>(),
                    "handedInBy": one.handed_in_by,
                    "notAfter": time(one.act.not_after.seconds()),
                })
            };
            ui::json(&json!({ "ok": true, "proposals": waiting.iter().map(each).collect::<Vec<_>>() }));
            return Ok(());
        }
        if waiting.is_empty() {
            ui::line(&format!("nothing waits for more to agree in {}", self.log));
        }
        for one in &waiting {
            ui::line(&format!(
                "{}  by {}",
                short(&one.id),
                one.handed_in_by.as_deref().unwrap_or("a signer")
            ));
            says(one).iter().for_each(|said| ui::line(&format!("  {said}")));
            for by in &one.endorsements {
                ui::line(&format!("  signed by     {}", by.key_id));
            }
            ui::line(&format!("  still lacks   {}", one.lacks.as_deref().unwrap_or_default()));
            ui::line(&format!("  ends          {}", time(one.act.not_after.seconds())));
        }
        Ok(())
    }
}

fn says(proposal: &Proposal) -> Vec<String> {
    proposal.act.steps.iter().map(ToString::to_string).collect()
}

/// Which proposal is meant.
#[derive(Debug, Args)]
struct Which {
    /// The release that waits, or a package, a namespace or `operator`
    #[arg(value_name = "NS:NAME@VERSION or LOG", value_parser = Waiting::parse)]
    waiting: Waiting,
    /// The beginning of its id, if several wait
    #[arg(value_name = "ID")]
    id: Option<String>,
}

/// A log, and of a package maybe the version that is to be released.
#[derive(Debug, Clone)]
struct Waiting {
    log: LogName,
    version: Option<Version>,
}

impl Waiting {
    fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('@') {
            return Ok(Self { log: acting::log(text)?, version: None });
        }
        let Reference { name, version } = text.parse()?;
        Ok(Self { log: LogName::Package(name), version })
    }
}

impl Which {
    /// The only one that fits.
    async fn find(&self, registry: &Registry) -> Result<Proposal, CommandError> {
        let Waiting { log, version } = &self.waiting;
        let id = self.id.as_deref().map(|id| id.trim_start_matches("sha256:"));
        let mut fitting = proposals(registry, log).await.map_err(|error| failed(&error))?;
        fitting.retain(|one| {
            version.as_ref().is_none_or(|version| one.releases(version))
                && id.is_none_or(|id| one.id.to_hex().starts_with(id))
        });
        if fitting.len() > 1 {
            let ids: Vec<String> = fitting.iter().map(|one| short(&one.id)).collect();
            return Err(CommandError::usage(format!("several wait: {}; say which", ids.join(", "))));
        }
        fitting.pop().ok_or_else(|| {
            CommandError::new(Kind::Config, format!("nothing such waits in {log}"))
                .hint(format!("`wargate proposals {}` lists what does", acting::named(log)))
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    which: Which,
    /// Do not sign here: write a request into this file, for a machine without network
    #[arg(long, value_name = "FILE")]
    propose: Option<PathBuf>,
    /// Say what it does, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    remote: Remote,
}

impl Approve {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.approve().await;
        self.remote.told(outcome)
    }

    async fn approve(&self) -> Result<(), CommandError> {
        let log = &self.which.waiting.log;
        let registry = self.remote.client_of(log)?;
        let proposal = self.which.find(&registry).await?;
        let looked = bench(&registry, &pin_store()?, log, &self.remote.limits()).await;
        let (bench, proven) = looked.map_err(|error| failed(&error))?;
        tell_first_use(&registry, &proven);
        let act = proposal.act;
        let (registry, bytes, endorsements) =
            (registry.url().to_owned(), proposal.bytes, proposal.endorsements);
        let mut request = Request { registry, act: bytes, endorsements, bench };
        let only_looks = self.dry_run || self.propose.is_some();
        if only_looks {
            judge(&request, now())?;
        } else {
            agree(&mut request, &act, &self.key)?;
        }
        if only_looks || !self.remote.json {
            tell(&request, &act, now(), self.remote.json);
        }
        match &self.propose {
            Some(file) if !self.dry_run => write_new(file, &request),
            _ if self.dry_run => Ok(()),
            _ => hand_in(&self.remote, &request).await,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Reject {
    #[command(flatten)]
    which: Which,
    /// Why, for whoever proposed it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    remote: Remote,
}

impl Reject {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.reject().await;
        self.remote.told(outcome)
    }

    async fn reject(&self) -> Result<(), CommandError> {
        let log = &self.which.waiting.log;
        let registry = self.remote.client_of(log)?;
        let proposal = self.which.find(&registry).await?;
        reject(&registry, log, &proposal.id, &self.reason).await.map_err(|error| failed(&error))?;
        if self.remote.json {
            ui::json(&json!({ "ok": true, "proposal": proposal.id.to_string(), "rejected": self.reason }));
            return Ok(());
        }
        ui::line(&format!("turned down {}: {}", short(&proposal.id), self.reason));
        Ok(())
    }
}
