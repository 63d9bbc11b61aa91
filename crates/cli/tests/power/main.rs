//! Power cuts on the real process: its writes, syncs and renames are recorded under load, the folders that a power
//! cut may leave at its syncs are built and opened, and all that clients had been told must be there.
//!
//! `record` runs the registry under strace, `trace` reads what that wrote, `model` is a file system that promises
//! as little as it may, `image` what is left of it, `check` looks for what `load` had been told (`facts`).
//! `cargo xtask power` is the long form.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "figures, and what could not be tested, are for people"
)]

mod backups;
mod check;
mod commands;
mod copies;
mod cut;
mod facts;
mod image;
mod load;
mod model;
mod record;
mod restoring;
#[path = "../support/mod.rs"]
mod support;
mod trace;

use std::path::{Path, PathBuf};

use cut::{Cutting, Forget, IsMeant, Loss, Opening, Tally};
use facts::Facts;
use image::{Chance, Cut};
use load::Load;
use model::Model;
use record::{Plan, Recording, record};

/// Rounds of each client in the short form.
const ROUNDS: usize = 5;

/// Syncs that the short form cuts at, in each of its two recordings, and images at each.
const POINTS: usize = 12;
const IMAGES: usize = 2;

/// Syncs at which a loss must show where syncs are not done.
const POINTS_OF_PROOF: usize = 40;

/// A number of the environment.
fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is `{value}`, and must be a number")))
}

/// A memory disk, where there is one: images need no syncs of their own.
const FAST: &str = "/dev/shm";

/// The folders of a test; they stay where the test fails.
struct Scratch {
    /// A real disk: commits are shared while it syncs.
    recordings: Option<tempfile::TempDir>,
    images: Option<tempfile::TempDir>,
}

impl Scratch {
    fn new() -> Self {
        let fast = Path::new(FAST);
        let images = if fast.is_dir() { tempfile::tempdir_in(fast) } else { tempfile::tempdir() };
        Self { recordings: Some(tempfile::tempdir().unwrap()), images: Some(images.unwrap()) }
    }

    fn recordings(&self) -> PathBuf {
        self.recordings.as_ref().unwrap().path().canonicalize().unwrap()
    }

    fn images(&self) -> PathBuf {
        self.images.as_ref().unwrap().path().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for folder in [self.recordings.take(), self.images.take()].into_iter().flatten() {
                // To be looked at.
                let _ = folder.keep();
            }
        }
    }
}

/// Whether this machine can record; one that tests for others must.
fn can_record() -> bool {
    let Err(why) = record::can_record() else { return true };
    let is_ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    assert!(!is_ci, "power cuts cannot be tested: {why}");
    eprintln!("POWER CUTS NOT TESTED: {why}");
    false
}

/// What a power cut in the middle of a recording left, with half of what was pending; a registry that starts on it
/// has something to recover.
fn cut_folder(recording: &Recording, seed: u64, to: &Path) -> Facts {
    let act = recording.syncs[recording.syncs.len() * 2 / 3].act;
    let mut model = Model::of(&recording.before).unwrap();
    for (_, act) in &recording.acts[..act] {
        model.follow(act).unwrap();
    }
    let fates = Cut::Some { seed }.fates(&model.pending);
    image::write(&image::nodes(&model, &fates), to, seed).unwrap();
    recording.facts.before(recording.time_before(act))
}

fn fail(loss: &Loss) -> ! {
    panic!("a power cut loses what was acknowledged: {}\nthe image: {}", loss.words, loss.image.display())
}

/// Records a new registry, and one that starts after a power cut; cuts both.
async fn power_cuts(seed: u64, rounds: usize, points: usize, images: usize) {
    let scratch = Scratch::new();
    let (folder, images_folder) = (scratch.recordings(), scratch.images());
    let cutting = Cutting {
        scratch: &images_folder,
        seed,
        points,
        images,
        only: None,
        forget: None,
        opening: Opening::Served,
    };
    let plan =
        |name, facts| Plan { scratch: &folder, name, load: Load::Mixed { rounds }, facts, inject: None };
    let mut tally = Tally::default();
    println!("seed {seed}");
    let begun = record(plan("begun", Facts::default())).await.unwrap();
    cutting.cut(&begun, &mut tally).await.unwrap_or_else(|loss| fail(&loss));
    let facts = cut_folder(&begun, Chance::of(seed).next(), &folder.join("recovered"));
    let recovered = record(plan("recovered", facts)).await.unwrap();
    cutting.cut(&recovered, &mut tally).await.unwrap_or_else(|loss| fail(&loss));
    tally.tell();
    assert!(tally.points >= points.min(tally.syncs), "too few points");
}

/// A length of the form: the short one's, unless the environment says more.
fn length(name: &str, short: usize) -> usize {
    variable(&format!("WARGATE_POWER_{name}")).map_or(short, |number| usize::try_from(number).unwrap())
}

fn seed() -> u64 {
    variable("WARGATE_POWER_SEED").unwrap_or(u64::from(std::process::id()))
}

/// The short form; `WARGATE_POWER_…` makes it longer (`cargo xtask power`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_power_cuts() {
    if can_record() {
        let (points, images) = (length("POINTS", POINTS), length("IMAGES", IMAGES));
        power_cuts(seed(), length("ROUNDS", ROUNDS), points, images).await;
    }
}

/// Syncs that the short form cuts at in each recording of single acts.
const POINTS_OF_ONE: usize = 4;

/// One publish, one small and one large upload, one push, and one start after a power cut: the long form cuts at every
/// sync of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_each_survives_power_cuts_at_its_syncs() {
    if !can_record() {
        return;
    }
    let scratch = Scratch::new();
    let (folder, images_folder) = (scratch.recordings(), scratch.images());
    let cutting = Cutting {
        scratch: &images_folder,
        seed: seed(),
        points: length("POINTS_OF_ONE", POINTS_OF_ONE),
        images: length("IMAGES", 1),
        only: None,
        forget: None,
        opening: Opening::Served,
    };
    let plan = |name, load, facts| Plan { scratch: &folder, name, load, facts, inject: None };
    println!("seed {}: one of each", seed());
    let mut tally = Tally::default();
    let one = record(plan("one", Load::OneOfEach, Facts::default())).await.unwrap();
    cutting.cut(&one, &mut tally).await.unwrap_or_else(|loss| fail(&loss));
    tally.tell();
    println!("a start after a power cut");
    let mut tally = Tally::default();
    let facts = cut_folder(&one, Chance::of(seed()).next(), &folder.join("start"));
    let start = record(plan("start", Load::Nothing, facts)).await.unwrap();
    cutting.cut(&start, &mut tally).await.unwrap_or_else(|loss| fail(&loss));
    tally.tell();
}

/// Cuts a recording that must show a loss; what was lost.
async fn must_lose(
    scratch: &Scratch,
    recording: &Recording,
    opening: Opening<'_>,
    forget: Option<Forget>,
    what: &str,
) -> String {
    let images = tempfile::tempdir_in(scratch.images()).unwrap();
    // What was never synced is lost at the end too, most of it.
    for (points, manners) in [(0, 1), (POINTS_OF_PROOF, 1), (usize::MAX, 4)] {
        let scratch = images.path();
        let cutting = Cutting { scratch, seed: 1, points, images: manners, only: None, forget, opening };
        if let Err(loss) = cutting.cut(recording, &mut Tally::default()).await {
            return format!("without {what}: {}", loss.words.lines().next().unwrap_or_default());
        }
    }
    panic!("without {what} nothing is lost: this test sees nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syncs_that_a_disk_swallows_are_caught() {
    if !can_record() {
        return;
    }
    let scratch = Scratch::new();
    // Each thread's first syncs are done, so that a registry begins and acknowledges things that then are not there.
    let inject = Some("fsync,fdatasync:retval=0:when=8+");
    let folder = scratch.recordings();
    let plan = Plan {
        scratch: &folder,
        name: "swallowed",
        load: Load::Mixed { rounds: 3 },
        facts: Facts::default(),
        inject,
    };
    let recording = record(plan).await.unwrap();
    assert!(recording.swallowed > 10, "only {} syncs were swallowed", recording.swallowed);
    println!("{}", must_lose(&scratch, &recording, Opening::OnlyServed, None, "syncs").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_sync_is_needed() {
    if !can_record() {
        return;
    }
    let scratch = Scratch::new();
    let folder = scratch.recordings();
    let plan = Plan {
        scratch: &folder,
        name: "honest",
        load: Load::Mixed { rounds: 3 },
        facts: Facts::default(),
        inject: None,
    };
    let recording = record(plan).await.unwrap();
    // Some are done before anything is acknowledged, the others are left out only from then on.
    let begun = recording.facts.acknowledged[0].at;
    let forgotten: [(&str, u64, IsMeant); 10] = [
        ("keys' syncs", 0, |path| path.starts_with("keys") && path.extension().is_some()),
        ("the keys' folder's syncs", 0, |path| path == Path::new("keys")),
        ("the data folder's syncs", 0, |path| path == Path::new("")),
        ("the WAL's syncs", begun, |path| path == Path::new("ledger.sqlite-wal")),
        ("the ledger's syncs", begun, |path| path == Path::new("ledger.sqlite")),
        ("syncs of what arrives", begun, |path| path.starts_with("objects/uploads/")),
        ("syncs of content's folders", begun, |path| {
            path.starts_with("objects/blobs/sha256/") && path.components().count() == 4
        }),
        ("syncs of the folder above them", begun, |path| path == Path::new("objects/blobs/sha256")),
        ("syncs of tiles and bundles", begun, |path| {
            path.starts_with("objects/log") && path.to_string_lossy().contains('#')
        }),
        ("syncs of the tiles' folders", begun, |path| path.starts_with("objects/log/tile")),
    ];
    for (what, from, is_meant) in forgotten {
        let forget = Some(Forget { from, is_meant });
        println!("{}", must_lose(&scratch, &recording, Opening::OnlyServed, forget, what).await);
    }
}

/// Two first uploads into a new folder: whoever is done first must not count on the other's sync of the folder's name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_files_of_a_new_folder_survive_power_cuts() {
    if !can_record() {
        return;
    }
    let (scratch, mut tally) = (Scratch::new(), Tally::default());
    let (folder, images) = (scratch.recordings(), scratch.images());
    // Slow syncs, in microseconds: the first upload still makes its folders durable when the second is answered.
    let inject = Some("fsync,fdatasync:delay_enter=30000");
    let plan =
        Plan { scratch: &folder, name: "slow", load: Load::OneFolder, facts: Facts::default(), inject };
    let recording = record(plan).await.unwrap();
    let cutting = Cutting {
        scratch: &images,
        seed: 1,
        points: usize::MAX,
        images: 1,
        only: Some(Cut::Nothing),
        forget: None,
        opening: Opening::Served,
    };
    cutting.cut(&recording, &mut tally).await.unwrap_or_else(|loss| fail(&loss));
}
