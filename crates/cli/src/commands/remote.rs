//! What commands that ask a registry have in common: which one, which package, where pins are kept, and the words
//! in which proof is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use semver::Version;
use serde_json::{Value, json};
use wargate_client::{
    CHECKPOINT_AGE_SECONDS_MAX, Error, Limits, Memory, PinStore, Proven, Registry, SignedBy, Unauthorized,
    VerifiedPackage, VerifiedRelease, Weaker,
};
use wargate_core::authority::Takedown;
use wargate_core::name::{LogName, PackageName};
use wargate_core::text::plain;

use crate::credentials::Docker;
use crate::error::{CommandError, Kind};
use crate::registries;
use crate::ui;

/// Options of every command that asks a registry.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The registry [default: the one that wkg's configuration has for the package, else
    /// http://127.0.0.1:8090]
    #[arg(long, value_name = "URL", env = "WARGATE_REGISTRY")]
    registry: Option<String>,
    /// How old the registry's checkpoint may be, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = CHECKPOINT_AGE_SECONDS_MAX)]
    max_age: u64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `NS:NAME` or `NS:NAME@VERSION`.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) name: PackageName,
    pub(crate) version: Option<Version>,
}

impl std::str::FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) =
            text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
        let version = version.map(|version| version.parse().map_err(|error| format!("`{version}`: {error}")));
        Ok(Self {
            name: name.parse().map_err(|error: wargate_core::name::NameError| error.to_string())?,
            version: version.transpose()?,
        })
    }
}

/// Where pins are kept: `$WARGATE_STATE`, else the user's state folder.
pub(crate) fn pin_store() -> Result<PinStore, CommandError> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = of("WARGATE_STATE")
        .or_else(|| of("XDG_STATE_HOME").map(|state| state.join("wargate")))
        .or_else(|| of("HOME").map(|home| home.join(".local/state/wargate")))
        .ok_or_else(|| {
            CommandError::config("there is no folder to keep trust in: set WARGATE_STATE or HOME")
        })?;
    Ok(PinStore::new(folder.join("trust")))
}

pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Remote {
    /// The same where a command has less to say.
    pub(crate) fn of(registry: Option<String>, json: bool) -> Self {
        Self { registry, max_age: CHECKPOINT_AGE_SECONDS_MAX, json }
    }

    /// The registry that has a package.
    pub(crate) fn client(&self, name: &PackageName) -> Result<Registry, CommandError> {
        self.client_of(&LogName::Package(name.clone()))
    }

    /// The registry that has a log.
    pub(crate) fn client_of(&self, log: &LogName) -> Result<Registry, CommandError> {
        match &self.registry {
            Some(url) => client_at(url),
            None => client_at(&registries::url(log)?),
        }
    }

    /// The registry that was named, else another.
    pub(crate) fn client_or(&self, url: &str) -> Result<Registry, CommandError> {
        client_at(self.registry.as_deref().unwrap_or(url))
    }

    /// What a check allows.
    pub(crate) fn limits(&self) -> Limits {
        Limits { now_seconds: now_seconds(), age_seconds_max: self.max_age }
    }

    /// Fetches a package and checks everything about it but its content.
    pub(crate) async fn verify(
        &self,
        registry: &Registry,
        name: &PackageName,
    ) -> Result<VerifiedPackage, CommandError> {
        let package = wargate_client::verify_package(registry, &pin_store()?, name, &self.limits()).await;
        let package = package.map_err(|error| failed(&error))?;
        tell_first_use(registry, &package.proven);
        Ok(package)
    }

    /// A release that may be taken here: of a package of which something was taken before not by a weaker word, unless its
    /// owners said so since.
    pub(crate) fn choose(
        &self,
        package: &VerifiedPackage,
        version: Option<&Version>,
        yanked: bool,
    ) -> Result<VerifiedRelease, CommandError> {
        let release = package.release(version, yanked).map_err(|error| failed(&error))?;
        let memory = pin_store()?.recall(&package.proven.root, &package.name);
        let Some(memory) = memory.map_err(|error| failed(&error))? else { return Ok(release) };
        for weaker in memory.check(package, &release).map_err(|error| failed(&error))? {
            ui::note(&match weaker {
                Weaker::Word { before, now } => format!(
                    "{} came by the {before} before, this release is by the {now}: its owners let it",
                    package.name
                ),
                Weaker::Guard { before, now } => format!(
                    "{now} of the keys of {} may release it now, {before} had to agree before: its owners changed that",
                    package.name
                ),
            });
        }
        Ok(release)
    }

    /// Remembers by whose word a release came that was taken, or accepted.
    pub(crate) fn taken(
        &self,
        package: &VerifiedPackage,
        release: &VerifiedRelease,
    ) -> Result<(), CommandError> {
        let pins = pin_store()?;
        let before = pins.recall(&package.proven.root, &package.name).map_err(|error| failed(&error))?;
        let memory = Memory::of(package, release).and(before.as_ref());
        pins.remember(&memory).map_err(|error| failed(&error))
    }

    /// Says a failure as JSON too, where JSON is asked for.
    pub(crate) fn told<T>(&self, outcome: Result<T, CommandError>) -> Result<T, CommandError> {
        told(self.json, outcome)
    }
}

/// A registry, with Docker's credentials if it asks for some. The one place where a command gets its client.
fn client_at(url: &str) -> Result<Registry, CommandError> {
    let registry = Registry::new(url).map_err(|error| CommandError::usage(error.to_string()))?;
    Ok(registry.with_credentials(Arc::new(Docker::of_environment())))
}

/// Says that a registry was trusted without being known, if it was.
pub(crate) fn tell_first_use(registry: &Registry, proven: &Proven) {
    if proven.first_use {
        ui::note(&format!(
            "trusting {} on first use: it is {}\n  compare that with what its operator tells; from now on a change is refused",
            registry.url(),
            proven.root
        ));
    }
}

/// Says a failure as JSON too, where JSON is asked for.
pub(crate) fn told<T>(as_json: bool, outcome: Result<T, CommandError>) -> Result<T, CommandError> {
    if let (true, Err(error)) = (as_json, &outcome) {
        ui::json(&error.to_json());
    }
    outcome
}

/// A client's failure for a person.
pub(crate) fn failed(error: &Error) -> CommandError {
    let text = error.to_string();
    match error {
        Error::Failure(_) => CommandError::new(Kind::Verification, text).hint(
            "do not use what came from there; tell the registry's operator, and compare from another network",
        ),
        Error::Unreachable { .. } => {
            CommandError::new(Kind::Network, text).hint("is the registry running, and is --registry its URL?")
        }
        Error::Unauthorized { host, reason, .. } => denied(host, reason, text),
        Error::Refused { status: 401 | 403, .. } => {
            CommandError::new(Kind::Denied, text).hint(Docker::of_environment().looked())
        }
        Error::Refused { .. } | Error::Malformed { .. } => CommandError::new(Kind::Network, text),
        Error::NoSuchPackage { .. } | Error::NoSuchRelease { .. } | Error::NoLiveRelease { .. } => {
            CommandError::new(Kind::Verification, text).hint("`wargate info NS:NAME` lists what there is")
        }
        Error::Yanked { .. } => {
            CommandError::new(Kind::Verification, text).hint("--yanked takes it all the same, if you must")
        }
        Error::Distrusted { .. } => CommandError::new(Kind::Verification, text)
            .hint("nothing installs it any more; take another version, and look what used this one"),
        Error::TakenDown { .. } => CommandError::new(Kind::Verification, text)
            .hint("nothing installs it while that holds; `wargate info NS:NAME` lists what there is besides"),
        Error::SilentTakedown { .. } => CommandError::new(Kind::Verification, text).hint(
            "who takes something down says so in the log: ask the registry's operator, or a mirror that has it",
        ),
        Error::OwnersReplaced { name, .. } => unheard(text, name),
        Error::WeakerWord { name, version, .. } => unheard(text, &format!("{name}@{version}")),
        Error::CannotRelease { .. } => CommandError::new(Kind::Denied, text),
        Error::AlreadyReleased { .. } => {
            CommandError::new(Kind::Denied, text).hint("release it under another version")
        }
        Error::NotPublished { status, hint, .. } => {
            let kind = if *status >= 500 { Kind::Network } else { Kind::Denied };
            let refused = CommandError::new(kind, text);
            match hint {
                Some(hint) => refused.hint(hint.clone()),
                None => refused,
            }
        }
        Error::Pin { .. } | Error::Sign { .. } => CommandError::config(text),
        _ => CommandError::internal(text),
    }
}

/// What the log does not justify, and somebody has to.
fn unheard(text: String, accepted: &impl std::fmt::Display) -> CommandError {
    CommandError::new(Kind::Verification, text)
        .hint("ask the package's people, by another way than this registry, whether that is right")
        .hint(format!("if it is: `wargate trust accept {accepted}`"))
}

/// What to do where a host asked for credentials.
fn denied(host: &str, reason: &Unauthorized, text: String) -> CommandError {
    let denied = CommandError::new(Kind::Denied, text);
    match reason {
        Unauthorized::NotPrivate => denied.hint(format!("name it by https: --registry https://{host}")),
        Unauthorized::Elsewhere { .. } => denied.hint("tell the registry's operator"),
        _ => denied
            .hint(format!("`docker login {host}` or `podman login {host}` keeps credentials for it"))
            .hint(Docker::of_environment().looked()),
    }
}

/// Seconds since the epoch as people write them.
pub(crate) fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

fn age(package: &VerifiedPackage) -> u64 {
    now_seconds().saturating_sub(package.proven.checkpoint.time)
}

/// Whose word a release is, for a person.
pub(crate) fn signed_by(signed: &SignedBy) -> String {
    let keys: Vec<String> = signed.keys.iter().map(ToString::to_string).collect();
    match &signed.on_behalf_of {
        None => format!("{}, proven by its signature: {}", signed.level, keys.join(", ")),
        Some(somebody) => {
            format!("{}: {} of {}", signed.level, plain(&somebody.subject), plain(&somebody.issuer))
        }
    }
}

/// The same for a script.
pub(crate) fn signed_by_json(signed: &SignedBy) -> Value {
    json!({
        "level": signed.level.to_string(),
        "keyIds": signed.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "onBehalfOf": signed.on_behalf_of.as_ref().map(ToString::to_string),
    })
}

/// What was proven, and by whose word, in three lines: published by whom, live as of when, how old that is.
pub(crate) fn tell(package: &VerifiedPackage, release: &VerifiedRelease) {
    let checkpoint = &package.proven.checkpoint;
    let at = i64::try_from(checkpoint.time).unwrap_or(i64::MAX);
    ui::line(&format!("{}@{}  {}", package.name, release.version, release.content));
    ui::line(&format!(
        "  published by  {} ({})",
        signed_by(&release.signed_by),
        time(release.released_seconds)
    ));
    if let Some(guard) = release.guard {
        let keys = if guard == 1 { "one key".to_owned() } else { format!("{guard} keys together") };
        ui::line(&format!("  guarded by    {keys}, which can release such a version"));
    }
    ui::line(&format!(
        "  {:<12}  as of checkpoint {}, {} (log proven; map: registry's word only)",
        standing(release, "live"),
        checkpoint.size,
        time(at)
    ));
    if let Some(reason) = &release.yank_reason {
        ui::line(&format!("  yanked for    {}", plain(reason)));
    }
    if let Some(instead) = &release.deprecated {
        ui::line(&format!("  DEPRECATED    {}", plain(instead)));
    }
    let pinned = if package.proven.root_given { "pinned" } else { "trusted on first use" };
    ui::line(&format!(
        "  registry      {} ({pinned}), checkpoint {} s old",
        package.proven.root,
        age(package)
    ));
}

/// How a release stands, in a word.
pub(crate) fn standing(release: &VerifiedRelease, live: &'static str) -> &'static str {
    match &release.taken_down {
        _ if release.distrusted => "DISTRUSTED",
        Some(takedown) if takedown.not_after.is_some() => "IN QUARANTINE",
        Some(_) => "TAKEN DOWN",
        None if release.yanked => "YANKED",
        None => live,
    }
}

/// Why a release is kept back, for a script.
pub(crate) fn taken_down_json(release: &VerifiedRelease) -> Value {
    let told = |takedown: &Takedown| {
        json!({
            "reason": takedown.reason,
            "until": takedown.not_after.map(|end| end.to_string()),
            "time": takedown.time.to_string(),
            "record": takedown.record.to_string(),
        })
    };
    release.taken_down.as_ref().map_or(Value::Null, told)
}

/// The same for a script.
pub(crate) fn tell_json(package: &VerifiedPackage, release: &VerifiedRelease) -> Value {
    json!({
        "ok": true,
        "package": package.name.as_str(),
        "version": release.version.to_string(),
        "digest": release.content.to_string(),
        "publishedBy": signed_by_json(&release.signed_by),
        "publishedAt": time(release.released_seconds),
        "yanked": release.yanked,
        "yankReason": release.yank_reason,
        "deprecated": release.deprecated,
        "distrusted": release.distrusted,
        "guardedBy": release.guard,
        "takenDown": taken_down_json(release),
        "checkpoint": {
            "size": package.proven.checkpoint.size,
            "root": package.proven.checkpoint.root.to_string(),
            "mapRoot": package.proven.checkpoint.map_root.to_string(),
            "time": time(i64::try_from(package.proven.checkpoint.time).unwrap_or(i64::MAX)),
            "keyId": package.proven.checkpoint_key.to_string(),
            "ageSeconds": age(package),
            "vouchedForBy": ["registry"],
        },
        "root": { "id": package.proven.root.to_string(), "given": package.proven.root_given },
    })
}
