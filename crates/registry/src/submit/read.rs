//! An act that was handed in, held against what is known of its log and those above.

use std::collections::{BTreeMap, BTreeSet};

use wargate_core::act::{Act, Endorsement};
use wargate_core::authority::{self, Facts, Refusal, State, Weighed};
use wargate_core::id::LogId;
use wargate_core::key::KeyId;
use wargate_core::name::{LogName, PackageName};
use wargate_core::plan::{LogFacts, needs_of_act};

use super::bench::{Bench, refused};
use super::contents::{self, Contents};
use super::{SignedAct, Submitted, SubmittedRelease, releases};
use crate::custody::{self, Endorsed};
use crate::db::{Row, Statement};
use crate::error::Error;
use crate::facts;
use crate::limits::{DONE_ACT_PAGE, DONE_ACT_PAGES_MAX, ENDORSEMENTS_MAX};
use crate::publish;
use crate::shared::Shared;
use crate::tables::{records, standing};

/// An act that can be read and is for this registry, and what is known of its log and those above.
pub(crate) struct Read<'a> {
    signed: &'a SignedAct,
    pub(crate) act: Act,
    logs: BTreeMap<LogId, LogFacts>,
}

/// Takes an act out of what was handed in: one that can be read, of as many as may endorse one, for a log of this registry
/// that takes any now.
pub(super) fn open(shared: &Shared, signed: &SignedAct) -> Result<Act, Error> {
    if let LogName::Package(name) = &signed.log {
        publish::check_open(shared, &name.namespace())?;
    }
    let invalid = |reason: String| Error::Invalid { reason };
    if signed.endorsements.len() > ENDORSEMENTS_MAX {
        return Err(invalid(format!("an act has at most {ENDORSEMENTS_MAX} endorsements")));
    }
    let act = Act::decode(&signed.act).map_err(|error| invalid(error.to_string()))?;
    for (same, what) in
        [(act.log == signed.log.log_id(), "log"), (act.root == shared.state.load().tree.root, "registry")]
    {
        if !same {
            return Err(invalid(Refusal::Elsewhere { what }.to_string()));
        }
    }
    Ok(act)
}

/// An act that nothing but its content speaks against, and maybe that too few agree to it.
pub(crate) struct Judged {
    /// The act by which its namespace begins first, if that is new.
    pub(super) namespace: Option<Endorsed>,
    /// The endorsements that count, with the registry's where its log begins; each was verified.
    pub(crate) endorsements: Vec<Endorsement>,
    /// The agreement that it lacks.
    pub(crate) lacks: Option<Refusal>,
}

impl Judged {
    fn of(weighed: Weighed) -> Self {
        let (endorsements, lacks) = match weighed {
            Weighed::Agreed(endorsements) => (endorsements, None),
            Weighed::Proposed(proposal) => (proposal.endorsements, Some(proposal.lacks)),
        };
        Self { namespace: None, endorsements, lacks }
    }
}

impl<'a> Read<'a> {
    pub(crate) async fn new(shared: &Shared, signed: &'a SignedAct) -> Result<Self, Error> {
        Ok(Self::fetch(shared, signed, open(shared, signed)?, Vec::new()).await?.0)
    }

    /// The same of an act that was [opened](open), and in one round trip what is known of the content that it releases.
    pub(super) async fn with_contents(
        shared: &Shared,
        signed: &'a SignedAct,
        act: Act,
    ) -> Result<(Self, Contents), Error> {
        let asked = contents::select(shared, &act);
        let (read, answers) = Self::fetch(shared, signed, act, asked).await?;
        let contents = contents::read(&read.act, answers)?;
        Ok((read, contents))
    }

    /// With the answers to what else is asked.
    async fn fetch(
        shared: &Shared,
        signed: &'a SignedAct,
        act: Act,
        others: Vec<Statement>,
    ) -> Result<(Self, Vec<Vec<Row>>), Error> {
        let mut needs = needs_of_act(&signed.log, &act);
        let mut logs = BTreeMap::new();
        // Of the logs above nothing else is asked. Were one of these outdated, the sequencer looks into the ledger.
        needs.retain(|log, needs| {
            let state = shared.states.get(log).filter(|_| needs.is_bare());
            let known = state.map(|state| LogFacts::Delegated { state, facts: Box::default() });
            known.map(|known| logs.insert(*log, known)).is_none()
        });
        let (found, _, answers) = facts::fetch_with(&*shared.db, &shared.states, &needs, others).await?;
        logs.extend(found.logs);
        Ok((Self { signed, act, logs }, answers))
    }

    /// A delegated log that has begun.
    fn begun(&self, log: &LogName) -> Option<(&State, &Facts)> {
        match self.logs.get(&log.log_id()) {
            Some(LogFacts::Delegated { state, facts }) => Some((state, facts)),
            _ => None,
        }
    }

    pub(crate) fn package(&self) -> Option<&PackageName> {
        match &self.signed.log {
            LogName::Package(name) => Some(name),
            LogName::Namespace(_) | LogName::Operator => None,
        }
    }

    /// The record that carried it before, or that released all of it, if one did.
    pub(crate) async fn before(&self, shared: &Shared) -> Result<Option<Submitted>, Error> {
        let Some((state, facts)) = self.begun(&self.signed.log) else { return Ok(None) };
        match self.package() {
            Some(name) if releases(&self.act).next().is_some() => self.released(shared, name, facts).await,
            _ if state.remembers(&Act::digest(&self.signed.act)) => self.done(shared).await,
            _ => Ok(None),
        }
    }

    /// The record that carried it, of an act that is known to be done: one of the latest, in its window.
    async fn done(&self, shared: &Shared) -> Result<Option<Submitted>, Error> {
        let mut below = i64::MAX.unsigned_abs();
        for _ in 0..DONE_ACT_PAGES_MAX {
            let page = vec![records::select_log_back(&self.act.log, below, DONE_ACT_PAGE)];
            let page = records::rows(shared.db.read(page).await?.pop().unwrap_or_default())?;
            let Some(earliest) = page.last() else { return Ok(None) };
            below = earliest.index;
            for row in page {
                let told = authority::told(&row.envelope.contents, self.signed.log.layer(), false);
                let told = told.map_err(|error| Error::internal("read a record", error))?;
                if told.time < self.act.not_before {
                    return Ok(None);
                }
                if told.act.as_ref() == Some(&self.act) {
                    let (record, index) = (row.record, row.index);
                    return Ok(Some(Submitted { record, index, before: true, releases: Vec::new() }));
                }
            }
        }
        Ok(None)
    }

    /// The record that released all of it, if one did.
    async fn released(
        &self,
        shared: &Shared,
        name: &PackageName,
        facts: &Facts,
    ) -> Result<Option<Submitted>, Error> {
        let mut last: Option<&authority::Release> = None;
        let mut found = Vec::new();
        for release in releases(&self.act) {
            let Some(known) = facts.releases.get(&release.version) else { continue };
            if known.content != release.content {
                return Err(Error::AlreadyReleased {
                    name: name.clone(),
                    version: known.version.clone(),
                    content: known.content,
                });
            }
            last = last.filter(|last| last.place > known.place).or(Some(known));
            let (version, content, manifest) = (known.version.clone(), known.content, known.manifest);
            found.push(SubmittedRelease { version, content, manifest });
        }
        let all = found.len() == releases(&self.act).count();
        let Some(record) = last.filter(|_| all).map(|last| last.record) else { return Ok(None) };
        let row = shared.db.read(vec![standing::select(&self.act.log, &record, None)]).await?.pop();
        let index = standing::one(row.unwrap_or_default())?.index;
        let index = index.ok_or_else(|| Error::internal("find a release's record", "it is missing"))?;
        Ok(Some(Submitted { record, index, before: true, releases: found }))
    }

    /// Judges the act as the sequencer will, if it is done now.
    pub(crate) fn judge(&self, shared: &Shared) -> Result<Judged, Error> {
        if let Some(name) = self.package() {
            releases(&self.act).try_for_each(|release| shared.check_given(name, &release.version))?;
        }
        if let (Some(name), Some(LogFacts::V1(_))) = (self.package(), self.logs.get(&self.act.log)) {
            return Err(custody::not_delegated(name));
        }
        let begun = self.begun(&LogName::Operator);
        let (operator, _) =
            begun.ok_or_else(|| Error::internal("judge an act", "the operator log is missing"))?;
        let mut bench = Bench { shared, operator, namespace: None, time: shared.log_time() };
        let endorsements = self.signed.endorsements.clone();
        let log = &self.signed.log;
        let namespace = self.package().map(|name| LogName::Namespace(name.namespace()));
        bench.namespace = namespace.as_ref().and_then(|log| self.begun(log)).map(|(state, _)| state);
        let Some((state, facts)) = self.begun(log) else {
            return match log {
                LogName::Package(name) => self.judge_start(&bench, name, endorsements),
                LogName::Namespace(_) | LogName::Operator => self.judge_claim(&bench, endorsements),
            };
        };
        let weighed = bench.weigh(state, facts, &self.signed.act, &endorsements);
        let weighed = weighed.map_err(|refusal| refused(&refusal, Some((log.as_str(), state))))?;
        self.judged(weighed, Some((log.as_str(), state)))
    }

    /// A stranger's agreement makes no proposal: whoever signed should know that it does not count.
    fn judged(&self, weighed: Weighed, asked: Option<(&str, &State)>) -> Result<Judged, Error> {
        let mut judged = Judged::of(weighed);
        let Some(lacks) = &judged.lacks else { return Ok(judged) };
        let handed_in =
            |one: &Endorsement| self.signed.endorsements.iter().any(|own| own.key_id == one.key_id);
        judged.endorsements.retain(handed_in);
        if judged.endorsements.is_empty() && !self.signed.endorsements.is_empty() {
            return Err(refused(lacks, asked));
        }
        Ok(judged)
    }

    /// The same where the act begins a namespace: the registry has a say where names come into being on first use.
    fn judge_claim(&self, bench: &Bench<'_>, mut endorsements: Vec<Endorsement>) -> Result<Judged, Error> {
        let LogName::Namespace(namespace) = &self.signed.log else {
            return Err(Error::Invalid { reason: "the operator log begins with the registry".to_owned() });
        };
        let defines = |keys: &BTreeSet<KeyId>| bench.operator.define_covers(namespace, keys, bench.time);
        self.vouch(bench.shared, &mut endorsements, defines)?;
        let empty = State::empty(self.signed.log.clone());
        let weighed = bench.weigh(&empty, &Facts::default(), &self.signed.act, &endorsements);
        self.judged(weighed.map_err(|refusal| refused(&refusal, None))?, None)
    }

    /// The same where the act begins the package: the registry has a say in a namespace that is new or its own.
    fn judge_start(
        &self,
        bench: &Bench<'_>,
        name: &PackageName,
        mut endorsements: Vec<Endorsement>,
    ) -> Result<Judged, Error> {
        let shared = bench.shared;
        let mut begun = None;
        let fresh;
        let namespace = match bench.namespace {
            Some(namespace) => namespace,
            None => {
                let start = custody::namespace_start(shared, name)?;
                fresh = bench.begin(&start)?;
                begun = Some(start);
                &fresh
            }
        };
        let bench = Bench { namespace: Some(namespace), ..*bench };
        let parent = name.namespace();
        let asked = Some((parent.as_str(), namespace));
        let own = |keys: &BTreeSet<KeyId>| namespace.init_covers(name.name(), keys, bench.time);
        self.vouch(shared, &mut endorsements, own)?;
        let empty = State::empty(self.signed.log.clone());
        let weighed = bench.weigh(&empty, &Facts::default(), &self.signed.act, &endorsements);
        let judged = self.judged(weighed.map_err(|refusal| refused(&refusal, asked))?, asked)?;
        Ok(Judged { namespace: begun, ..judged })
    }

    /// Adds the publishing key's word where names come into being on first use, nobody else who may gave theirs, and
    /// the registry may.
    fn vouch(
        &self,
        shared: &Shared,
        endorsements: &mut Vec<Endorsement>,
        covers: impl Fn(&BTreeSet<KeyId>) -> bool,
    ) -> Result<(), Error> {
        let signers: BTreeSet<KeyId> = endorsements.iter().map(|endorsement| endorsement.key_id).collect();
        if let Some(key) = shared.config.publishing_key.as_deref()
            && shared.config.names_on_first_use
            && !covers(&signers)
            && covers(&BTreeSet::from([key.public().id()]))
        {
            endorsements.push(custody::endorse(&self.signed.act, key)?);
        }
        Ok(())
    }
}
