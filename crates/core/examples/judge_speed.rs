//! How many records of a delegated package a core judges in a second, signatures aside and with them: `cargo run --release
//! -p wargate-core --example judge_speed`.
//!
//! The package has five roles, most releases are by one key of `ci`, some by two of `team`, and some by the registry for
//! somebody. What is measured is [`State::judge_verified`], which opens a record, reads its act and judges it; and the
//! same with the facts that it names looked up before and kept after, as who follows a whole log does. With signatures it is
//! [`State::judge`] against the time that the record's signatures alone take.

#![expect(clippy::print_stdout, reason = "it is a program of its own, not the library")]
#![expect(clippy::disallowed_macros, reason = "it says what it measured")]
#![expect(clippy::disallowed_methods, reason = "it measures by the machine's clock")]

use std::time::{Duration, Instant};

use wargate_core::act::{
    Act, Dependency, Endorsement, Grant, OnBehalfOf, Release, Step, Variant, VariantKind, endorse,
};
use wargate_core::authority::role::{Power, Scope};
use wargate_core::authority::{Context, Facts, Named, State, genesis_act};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::Layer;
use wargate_core::key::{Algorithm, PublicKey, SecretKey};
use wargate_core::name::LogName;
use wargate_core::time::Time;

type Failure = Box<dyn std::error::Error>;

const RELEASES: u32 = 50_000;
const ROUNDS: usize = 5;

/// The seed of the commit key.
const COMMIT: u8 = 2;

const START: Time = Time::from_seconds(1_800_000_000);

/// Records of which the signatures are verified too.
const SIGNED: u32 = 5_000;

fn secret(seed: u8) -> Result<SecretKey, Failure> {
    Ok(SecretKey::from_bytes(Algorithm::EcdsaP256, [seed; 32])?)
}

fn public(seed: u8) -> Result<PublicKey, Failure> {
    Ok(secret(seed)?.public().clone())
}

/// A record that releases.
struct Record {
    envelope: Envelope,
    /// What it names.
    named: Named,
    act: Vec<u8>,
    /// Who agreed to the act.
    endorsements: Vec<(Endorsement, PublicKey)>,
}

impl Record {
    /// Verifies its signatures, and nothing else.
    fn verify(&self, commit: &PublicKey) -> Result<(), Failure> {
        self.envelope.verify(Layer::Package, commit)?;
        self.endorsements.iter().try_for_each(|(endorsement, key)| endorsement.verify(&self.act, key))?;
        Ok(())
    }
}

fn grant(
    role: &str,
    seeds: &[u8],
    threshold: u32,
    powers: &[Power],
    scope: &[&str],
) -> Result<Step, Failure> {
    let texts: Vec<String> = scope.iter().map(ToString::to_string).collect();
    Ok(Step::Grant(Grant {
        role: role.to_owned(),
        keys: seeds.iter().map(|seed| public(*seed)).collect::<Result<_, _>>()?,
        threshold,
        powers: powers.to_vec(),
        scope: Scope::parse(&texts).ok_or("no scope")?,
        not_after: Some(START.plus_seconds(90 * 24 * 60 * 60)),
        depth: 0,
        parent: String::new(),
    }))
}

fn release(number: u32, on_behalf_of: Option<OnBehalfOf>) -> Result<Step, Failure> {
    let digest = |what: &str| Digest::of(format!("{what} {number}").as_bytes());
    let dependency = |name: &str| -> Result<Dependency, Failure> {
        Ok(Dependency {
            name: name.parse()?,
            requirement: "^0.2.0".to_owned(),
            version: Some("0.2.3".parse()?),
            content: Some(digest(name)),
        })
    };
    Ok(Step::Release(Release {
        version: format!("1.{}.{}", number / 100, number % 100).parse()?,
        content: digest("content"),
        manifest: Some(digest("manifest")),
        variants: vec![Variant { kind: VariantKind::Locked, content: digest("locked"), manifest: None }],
        dependencies: vec![dependency("wasi:io")?, dependency("wasi:clocks")?],
        on_behalf_of,
        breaking: false,
    }))
}

/// A registry with one package.
struct Logs {
    operator: State,
    namespace: State,
    package: State,
    acts: u64,
    time: Time,
}

impl Logs {
    fn begun() -> Result<Self, Failure> {
        let [operator, namespace, package] = ["", "acme", "acme:hello"].map(|name| match name {
            "" => Ok(LogName::Operator),
            name => name.parse(),
        });
        let (operator, namespace, package) =
            (State::empty(operator?), State::empty(namespace?), State::empty(package?));
        let mut logs = Self { operator, namespace, package, acts: 0, time: START };
        let genesis = genesis_act(&[public(1)?], 1, &[public(COMMIT)?], &public(3)?, START, [0; 16]);
        logs.operator = logs.carry(&logs.operator, &genesis, &[1])?.1;
        let init =
            |seed| -> Result<Step, Failure> { Ok(Step::Init { keys: vec![public(seed)?], threshold: 1 }) };
        let act = logs.act(&logs.namespace.clone(), vec![init(4)?]);
        logs.namespace = logs.carry(&logs.namespace, &act, &[4, 3])?.1;
        let steps = vec![
            init(5)?,
            grant("ci", &[6], 1, &[Power::Release], &[">=1.0.0 <2.0.0"])?,
            grant("team", &[7, 8, 9], 2, &[Power::Release, Power::Yank], &[">=1.0.0-0 <3.0.0"])?,
            grant("registry", &[3], 1, &[Power::Release], &[">=1.0.0 <2.0.0"])?,
            grant("notary", &[10], 1, &[Power::Annotate], &[])?,
        ];
        let act = logs.act(&logs.package.clone(), steps);
        logs.package = logs.carry(&logs.package, &act, &[5, 4])?.1;
        Ok(logs)
    }

    fn act(&mut self, log: &State, steps: Vec<Step>) -> Act {
        self.acts += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.acts.to_be_bytes());
        let (not_before, not_after) = (self.time, self.time.plus_seconds(600));
        Act {
            root: self.operator.first_record(),
            log: log.log().log_id(),
            steps,
            not_before,
            not_after,
            nonce,
        }
    }

    fn context(&self, log: &State) -> Context<'_> {
        Context {
            operator: (*log.log() != LogName::Operator).then_some(&self.operator),
            namespace: matches!(log.log(), LogName::Package(_)).then_some(&self.namespace),
            facts: None,
        }
    }

    fn carry(&self, log: &State, act: &Act, seeds: &[u8]) -> Result<(Envelope, State), Failure> {
        let act = act.encode();
        let endorsements = endorse_all(&act, seeds)?.into_iter().map(|(endorsement, _)| endorsement);
        let (context, commit) = (self.context(log), secret(COMMIT)?);
        let endorsements: Vec<Endorsement> = endorsements.collect();
        let carried = log.carry_verified(&context, self.time, &act, &endorsements, &commit.public().id())?;
        let envelope = Envelope::sign(log.log().layer(), carried.contents.into(), &commit)?;
        Ok((envelope, carried.changes.state))
    }

    fn releases(&mut self) -> Result<Vec<Record>, Failure> {
        let mut log = self.package.clone();
        let mut records = Vec::new();
        for number in 0..RELEASES {
            self.time = self.time.plus_seconds(i64::from(number % 4 == 0));
            let (seeds, somebody): (&[u8], _) = match number % 10 {
                0 | 1 => (&[7, 9], None),
                2 => (&[3], OnBehalfOf::parse("oidc https://ci.example repo:acme/hello:ref:refs/heads/main")),
                _ => (&[6], None),
            };
            let act = self.act(&log, vec![release(number, somebody)?]);
            let (envelope, after) = self.carry(&log, &act, seeds)?;
            let mut named = Named::default();
            named.extend(&act);
            let act = act.encode();
            let endorsements = endorse_all(&act, seeds)?;
            records.push(Record { envelope, named, act, endorsements });
            log = after;
        }
        Ok(records)
    }
}

fn endorse_all(act: &[u8], seeds: &[u8]) -> Result<Vec<(Endorsement, PublicKey)>, Failure> {
    seeds.iter().map(|seed| Ok((endorse(act, &secret(*seed)?)?, public(*seed)?))).collect()
}

/// The processor's time that was spent on this thread, or where the system does not tell it, the time that went by: a
/// machine may be busy with other things too.
struct Clock(Instant);

impl Clock {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn now(&self) -> Duration {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
        nanos.map_or_else(|| self.0.elapsed(), Duration::from_nanos)
    }
}

fn main() -> Result<(), Failure> {
    let mut logs = Logs::begun()?;
    let records = logs.releases()?;
    let bytes: usize = records.iter().map(|record| record.envelope.contents.len()).sum();
    println!("{RELEASES} records of {} bytes", bytes / records.len());
    for _ in 0..ROUNDS {
        judge(&logs, &records)?;
    }
    for _ in 0..ROUNDS {
        judge_signed(&logs, &records)?;
    }
    Ok(())
}

/// Signatures aside.
fn judge(logs: &Logs, records: &[Record]) -> Result<(), Failure> {
    let speed = |begun: Duration, clock: &Clock| f64::from(RELEASES) / (clock.now() - begun).as_secs_f64();
    let clock = Clock::new();
    let (mut state, none) = (logs.package.clone(), Facts::default());
    let begun = clock.now();
    for record in records {
        let context = Context { facts: Some(&none), ..logs.context(&state) };
        state = state.judge_verified(&context, &record.envelope)?.state;
    }
    let judged = speed(begun, &clock);
    let (mut state, mut facts) = (logs.package.clone(), Facts::default());
    let begun = clock.now();
    for record in records {
        let of_it = facts.about(&record.named);
        let context = Context { facts: Some(&of_it), ..logs.context(&state) };
        let changes = state.judge_verified(&context, &record.envelope)?;
        facts.follow(&changes);
        state = changes.state;
    }
    println!("{judged:>9.0} records a second are judged, {:>9.0} with all facts kept", speed(begun, &clock));
    Ok(())
}

/// With signatures, against the signatures alone.
fn judge_signed(logs: &Logs, records: &[Record]) -> Result<(), Failure> {
    let (clock, commit, none) = (Clock::new(), public(COMMIT)?, Facts::default());
    let mut state = logs.package.clone();
    let signed = &records[..SIGNED as usize];
    let begun = clock.now();
    signed.iter().try_for_each(|record| record.verify(&commit))?;
    let verified = clock.now();
    for record in signed {
        let context = Context { facts: Some(&none), ..logs.context(&state) };
        state = state.judge(&context, &record.envelope)?.state;
    }
    let (verifying, judging) = (verified - begun, clock.now() - verified);
    let rate = |all: Duration| f64::from(SIGNED) / all.as_secs_f64();
    println!(
        "{:>9.0} records a second are judged with their signatures, which alone take the time of {:.0}: {:.3}",
        rate(judging),
        rate(verifying),
        rate(judging) / rate(verifying)
    );
    Ok(())
}
