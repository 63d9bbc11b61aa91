//! What commands that make an act have in common: it is judged before anybody signs, then signed and handed in, or
//! written into a request file for others (`spec/delegation.md`, "Offline signing").

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use wargate_client::{
    Bench, HandedIn, PROPOSAL_WINDOW_SECONDS, Proposal, Request, WINDOW_AFTER_SECONDS, WINDOW_BEFORE_SECONDS,
    bench, submit,
};
use wargate_core::act::{ACT_WINDOW_SECONDS_MAX, Act, Endorsement, Step, endorse};
use wargate_core::authority::Refusal;
use wargate_core::digest::Digest;
use wargate_core::key::{KeyId, PublicKey, Signer};
use wargate_core::name::LogName;
use wargate_core::time::Time;

use super::remote::{Remote, failed, now_seconds, pin_store, tell_first_use, time};
use crate::error::{CommandError, Kind};
use crate::keys::random;
use crate::secret::KeyArg;
use crate::ui;

pub(crate) const DAY_SECONDS: i64 = 24 * 60 * 60;

/// How many days others have to sign, unless said otherwise.
pub(crate) const DAYS_TO_SIGN: i64 = PROPOSAL_WINDOW_SECONDS / DAY_SECONDS;

/// Digits of a proposal's id that are shown.
const SHORT_ID_DIGITS: usize = 12;

/// Options of every command that makes an act.
#[derive(Debug, Args)]
pub(crate) struct Acting {
    /// Do not sign: write a request for others into this file
    #[arg(long, value_name = "FILE")]
    propose: Option<PathBuf>,
    /// How many days others have to sign, if more must agree; at most 30
    #[arg(long, value_name = "DAYS", default_value_t = DAYS_TO_SIGN)]
    days: i64,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) key: KeyArg,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Whose agreement an act may lack that is handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// Others', of the same role.
    Others,
    /// The registry's, which adds its word where it holds something for whoever asks.
    Registry,
}

impl Acting {
    /// Makes an act of one step on a log, and does with it what was asked for.
    pub(crate) async fn run(
        &self,
        log: &LogName,
        step: impl FnOnce(&Bench) -> Step,
    ) -> Result<(), CommandError> {
        self.try_run(log, Lacking::Others, |bench| Ok(vec![step(bench)])).await
    }

    /// The same of several steps, where there may be none.
    pub(crate) async fn try_run(
        &self,
        log: &LogName,
        lacking: Lacking,
        steps: impl FnOnce(&Bench) -> Result<Vec<Step>, CommandError>,
    ) -> Result<(), CommandError> {
        let outcome = self.act(log, lacking, steps).await;
        self.remote.told(outcome)
    }

    async fn act(
        &self,
        log: &LogName,
        lacking: Lacking,
        steps: impl FnOnce(&Bench) -> Result<Vec<Step>, CommandError>,
    ) -> Result<(), CommandError> {
        let registry = self.remote.client_of(log)?;
        let looked = bench(&registry, &pin_store()?, log, &self.remote.limits()).await;
        let (bench, proven) = looked.map_err(|error| failed(&error))?;
        tell_first_use(&registry, &proven);
        let (now, steps) = (now(), steps(&bench)?);
        let (from, until) = window_of_days(self.days, now);
        let mut act = bench.act(steps, from, until, random()?);
        let mut request = Request {
            registry: registry.url().to_owned(),
            act: act.encode(),
            endorsements: Vec::new(),
            bench,
        };
        if let Some(file) = &self.propose {
            judge(&request, now)?;
            tell(&request, &act, now, self.remote.json);
            if !self.dry_run {
                write_new(file, &request)?;
            }
            return Ok(());
        }
        let key = self.key.load()?;
        sign(&mut request, &key)?;
        match judge(&request, now).map_err(|refused| refused.hint(who_may(&request.bench, now)))? {
            // One of several who must agree: it waits for the others at the registry.
            Some(Refusal::Threshold { found: 1.., .. }) => {}
            Some(_) if lacking == Lacking::Registry => {}
            Some(lacks) => return Err(not_allowed(&request, &lacks)),
            None => {
                act.not_after = now.plus_seconds(WINDOW_AFTER_SECONDS);
                request.act = act.encode();
                request.endorsements.clear();
                sign(&mut request, &key)?;
            }
        }
        if self.dry_run || !self.remote.json {
            tell(&request, &act, now, self.remote.json);
        }
        if self.dry_run {
            return Ok(());
        }
        hand_in(&self.remote, &request).await
    }
}

/// The window of an act that others have some days to sign, as long as it may be.
pub(crate) fn window_of_days(days: i64, now: Time) -> (Time, Time) {
    let until = days.saturating_mul(DAY_SECONDS).min(ACT_WINDOW_SECONDS_MAX - WINDOW_BEFORE_SECONDS);
    (now.plus_seconds(-WINDOW_BEFORE_SECONDS), now.plus_seconds(until))
}

pub(crate) fn now() -> Time {
    Time::from_seconds(i64::try_from(now_seconds()).unwrap_or(i64::MAX))
}

/// What a request lacks as it is signed so far; refuses what no further signature can make valid.
pub(crate) fn judge(request: &Request, time: Time) -> Result<Option<Refusal>, CommandError> {
    let judged = request.bench.judge(&request.act, &request.endorsements, time);
    judged.map_err(|refusal| CommandError::new(Kind::Denied, refusal.to_string()))
}

/// Adds a key's signature.
fn sign(request: &mut Request, key: &impl Signer) -> Result<(), CommandError> {
    let signed = endorse(&request.act, key).map_err(|error| CommandError::config(error.to_string()))?;
    request.endorsements.push(signed);
    Ok(())
}

/// Adds the signature of a key that has a say and has not signed yet, if the act can hold.
pub(crate) fn agree(request: &mut Request, act: &Act, key: &KeyArg) -> Result<(), CommandError> {
    judge(request, now())?;
    let key = key.load()?;
    let id = key.public().id();
    if request.endorsements.iter().any(|one| one.key_id == id) {
        return Err(CommandError::config(format!("key {id} has signed it already")));
    }
    if !request.bench.has_a_say(&id, act, now()) {
        let reason = format!("key {id} has no say in this act: it is in no live role");
        return Err(CommandError::new(Kind::Denied, reason));
    }
    sign(request, &key)?;
    judge(request, now()).map(drop)
}

fn not_allowed(request: &Request, refusal: &Refusal) -> CommandError {
    let error = CommandError::new(Kind::Denied, refusal.to_string());
    match refusal {
        Refusal::Threshold { .. } => error
            .hint("--propose FILE writes a request that others can sign")
            .hint(who_may(&request.bench, now())),
        _ => error.hint(who_may(&request.bench, now())),
    }
}

/// The owners, for a person who may not do it alone.
fn who_may(bench: &Bench, time: Time) -> String {
    let of = |state: &wargate_core::authority::State| {
        state.owners().map(KeyId::to_string).collect::<Vec<_>>().join(", ")
    };
    match bench.state().or(bench.above()) {
        Some(state) if state.live_at(time).next().is_some() => {
            format!("the owners of {} are {}", state.log(), of(state))
        }
        _ => "nobody owns it yet".to_owned(),
    }
}

/// Says what an act does, who agreed to it, and what it lacks.
pub(crate) fn tell(request: &Request, act: &Act, time_now: Time, as_json: bool) {
    let lacks = request.bench.judge(&request.act, &request.endorsements, time_now);
    let lacks = lacks.unwrap_or_else(Some).map(|lacks| lacks.to_string());
    let says: Vec<String> = act.steps.iter().map(ToString::to_string).collect();
    let (from, until) = (time(act.not_before.seconds()), time(act.not_after.seconds()));
    let signed: Vec<String> = request.endorsements.iter().map(|one| signer(request, one, time_now)).collect();
    if as_json {
        ui::json(&json!({
            "ok": true,
            "log": request.bench.log.as_str(),
            "registry": request.registry,
            "root": request.bench.root.map(|root| root.to_string()),
            "says": says,
            "notBefore": from,
            "notAfter": until,
            "signedBy": request.endorsements.iter().map(|one| one.key_id.to_string()).collect::<Vec<_>>(),
            "lacks": lacks,
        }));
        return;
    }
    ui::line(&format!("{}, at {}", request.bench.log, request.registry));
    says.iter().for_each(|said| ui::line(&format!("  {said}")));
    ui::line(&format!("  may be done   from {from} to {until}, once"));
    match request.bench.root {
        Some(root) => ui::line(&format!("  registry      {root}")),
        None => ui::line("  registry      a new one, which begins with this"),
    }
    for signed in signed {
        ui::line(&format!("  signed by     {signed}"));
    }
    match lacks {
        Some(lacks) => ui::line(&format!("  still lacks   {lacks}")),
        None => ui::line("  nothing is missing"),
    }
}

/// A signer with the role that it signs for.
fn signer(request: &Request, endorsement: &Endorsement, time: Time) -> String {
    let role = request.bench.signers(time).find(|(key, _)| **key == endorsement.key_id);
    match role {
        Some((key, role)) => format!("{key}, of the role `{role}`"),
        None => format!("{}, of no role yet", endorsement.key_id),
    }
}

/// Hands a request in, and says where it stands.
pub(crate) async fn hand_in(remote: &Remote, request: &Request) -> Result<(), CommandError> {
    let registry = remote.client_or(&request.registry)?;
    let carried = submit(&registry, &request.bench.log, &request.act, &request.endorsements).await;
    let carried = match carried.map_err(|error| failed(&error))? {
        HandedIn::Carried(carried) => carried,
        HandedIn::Proposed(proposal) => {
            waits(remote, &proposal);
            return Ok(());
        }
    };
    if remote.json {
        ui::json(&json!({
            "ok": true,
            "log": request.bench.log.as_str(),
            "recordId": carried.record.to_string(),
            "registryIndex": carried.index,
            "before": carried.before,
        }));
        return Ok(());
    }
    let done = if carried.before { "done before" } else { "done" };
    ui::line(&format!("{done}: record {} at index {}", carried.record, carried.index));
    Ok(())
}

/// Says what waits at a registry for others, and how they agree.
pub(crate) fn waits(remote: &Remote, proposal: &Proposal) {
    let lacks = proposal.lacks.as_deref().unwrap_or_default();
    if remote.json {
        ui::json(&json!({
            "ok": true,
            "log": proposal.log.as_str(),
            "proposal": proposal.id.to_string(),
            "lacks": lacks,
            "notAfter": time(proposal.act.not_after.seconds()),
        }));
        return;
    }
    ui::line(&format!("it waits at the registry until {}: {lacks}", time(proposal.act.not_after.seconds())));
    ui::line(&format!(
        "  others agree with   wargate approve {} {}",
        named(&proposal.log),
        short(&proposal.id)
    ));
}

/// A log as commands name it.
pub(crate) fn named(log: &LogName) -> &str {
    if *log == LogName::Operator { "operator" } else { log.as_str() }
}

/// The beginning of a proposal's id that tells it from others.
pub(crate) fn short(id: &Digest) -> String {
    id.to_hex().chars().take(SHORT_ID_DIGITS).collect()
}

/// Writes a request into a new file, and says what to do with it.
pub(crate) fn write_new(path: &Path, request: &Request) -> Result<(), CommandError> {
    let failed =
        |cause: String| CommandError::config(format!("couldn't write `{}`: {cause}", path.display()));
    let text = request.to_text().map_err(|error| failed(error.to_string()))?;
    let file = std::fs::File::create_new(path);
    let mut file = file.map_err(|error| failed(error.to_string()).hint("--propose names another file"))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(|error| failed(error.to_string()))?;
    ui::note(&format!(
        "written to {}: `wargate sign` adds a signature, `wargate submit` hands it in",
        path.display()
    ));
    Ok(())
}

/// Reads a public key's text, for a command's option.
pub(crate) fn public_key(text: &str) -> Result<PublicKey, String> {
    text.parse().map_err(|error: wargate_core::key::KeyError| format!("{error}; `wargate key show` tells it"))
}

/// Reads when something ends: a day and time as `2027-01-31T12:00:00Z`, or a number of days from now, as `90d`.
pub(crate) fn end(text: &str) -> Result<Time, String> {
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        return Ok(now().plus_seconds(i64::from(days) * DAY_SECONDS));
    }
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    let at = parsed.map_err(|_| {
        format!("`{text}` is neither a number of days, as `90d`, nor a time, as `2027-01-31T12:00:00Z`")
    })?;
    Ok(Time::from_seconds(at.as_second()))
}

/// Reads a log's name, for a command's argument: a package, a namespace, or `operator`.
pub(crate) fn log(text: &str) -> Result<LogName, String> {
    if text == "operator" {
        return Ok(LogName::Operator);
    }
    match text.parse() {
        Ok(LogName::Operator) => Err("whose log? `NS:NAME`, `NS` or `operator`".to_owned()),
        Ok(log) => Ok(log),
        Err(error) => Err(format!("{error}")),
    }
}
