//! `wargate sign` and `wargate submit`: what becomes of a request file, and of a release that the registry signed for
//! somebody.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use semver::Version;
use wargate_client::{Bench, REQUEST_BYTES_MAX, Request};
use wargate_core::act::{Act, AnnotationKind, Step};
use wargate_core::name::LogName;

use super::acting::{Acting, Lacking, agree, hand_in, judge, now, tell};
use super::remote::{Reference, Remote, pin_store};
use crate::error::{CommandError, Kind};
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The request; or a release that the registry signed for somebody, to make it its publishers' own
    #[arg(value_name = "FILE or NS:NAME@VERSION")]
    what: String,
    #[command(flatten)]
    acting: Acting,
}

impl Sign {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let file = Path::new(&self.what);
        if !file.exists()
            && let Ok(Reference { name, version: Some(version) }) = self.what.parse()
        {
            let steps = |bench: &Bench| Ok(vec![endorse(bench, &version)?]);
            return self.acting.try_run(&LogName::Package(name), Lacking::Others, steps).await;
        }
        self.acting.remote.told(self.sign(file))
    }

    /// Asks nobody: what is needed is in the file.
    fn sign(&self, file: &Path) -> Result<(), CommandError> {
        let Acting { key, dry_run, .. } = &self.acting;
        let json = self.acting.remote.json;
        let mut request = read(file)?;
        let act = Act::decode(&request.act).map_err(|error| CommandError::config(error.to_string()))?;
        check_registry(&request)?;
        if *dry_run {
            judge(&request, now())?;
            tell(&request, &act, now(), json);
            return Ok(());
        }
        agree(&mut request, &act, key)?;
        replace(file, &request)?;
        tell(&request, &act, now(), json);
        Ok(())
    }
}

/// Makes a release its publishers' own that the registry had signed for somebody: by its content, so that nobody agrees
/// to other bytes than those that stand.
fn endorse(bench: &Bench, version: &Version) -> Result<Step, CommandError> {
    let release = bench
        .release(version)
        .ok_or_else(|| CommandError::new(Kind::Denied, format!("{} has no version {version}", bench.log)))?;
    let (subject, value) = (version.to_string(), release.content.to_string());
    Ok(Step::Annotate { kind: AnnotationKind::Endorse, subject, value })
}

/// A registry that is pinned is the one that the act names.
fn check_registry(request: &Request) -> Result<(), CommandError> {
    let Some(root) = request.bench.root else {
        ui::note("it begins a new registry: compare each key with what its holder tells");
        return Ok(());
    };
    let pin =
        pin_store()?.load(&request.registry).map_err(|error| CommandError::config(error.to_string()))?;
    match pin {
        Some(pin) if pin.root.0 != root => Err(CommandError::new(
            Kind::Verification,
            format!(
                "the act is for the registry {root}, and {} is pinned as {}",
                request.registry, pin.root.0
            ),
        )),
        Some(_) => Ok(()),
        None => {
            ui::note(&format!(
                "{} is not pinned here: compare {root} with what its operator tells",
                request.registry
            ));
            Ok(())
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The request, signed by enough
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

impl Submit {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.submit().await;
        self.remote.told(outcome)
    }

    async fn submit(&self) -> Result<(), CommandError> {
        let request = read(&self.file)?;
        if request.bench.root.is_none() {
            return Err(CommandError::config("no registry takes it: one begins with it")
                .hint(format!("on the server: wargate operator begin {} --data DIR", self.file.display())));
        }
        hand_in(&self.remote, &request).await
    }
}

/// Reads a request.
pub(crate) fn read(path: &Path) -> Result<Request, CommandError> {
    let failed = |cause: String| CommandError::config(format!("the request `{}`: {cause}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    file.take(REQUEST_BYTES_MAX).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    Request::parse(&text).map_err(|error| failed(error.to_string()))
}

/// Puts the signed request in the place of the other, whole or not at all.
fn replace(path: &Path, request: &Request) -> Result<(), CommandError> {
    let failed =
        |cause: String| CommandError::config(format!("couldn't write `{}`: {cause}", path.display()));
    let text = request.to_text().map_err(|error| failed(error.to_string()))?;
    let beside = path.with_extension("signed");
    std::fs::write(&beside, text).map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&beside, path).map_err(|error| failed(error.to_string()))
}
