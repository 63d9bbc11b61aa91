//! Cuts a recording at its syncs: builds images and has them checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;

use super::backups::Backups;
use super::check::{check, fsck};
use super::facts::Facts;
use super::image::{Chance, Cut, Fate, nodes, told, write};
use super::model::Model;
use super::record::Recording;
use super::restoring::Restoring;
use super::trace::{Act, Micros};

/// Images that are opened at the same time.
const CHECKS_AT_ONCE: usize = 3;

/// Manners that are tried in turn.
const MANNERS: usize = 8;

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) syncs: usize,
    pub(crate) points: usize,
    pub(crate) images: usize,
    pub(crate) checked: usize,
    /// Points by what was synced.
    pub(crate) kinds: BTreeMap<String, usize>,
}

impl Tally {
    /// Tells people.
    pub(crate) fn tell(&self) {
        println!(
            "{} syncs seen, {} points cut, {} images opened, {} acknowledged things looked for",
            self.syncs, self.points, self.images, self.checked
        );
        for (kind, count) in &self.kinds {
            println!("{count:>6} points at syncs of {kind}");
        }
    }
}

/// Whether a path's syncs are meant.
pub(crate) type IsMeant = fn(&Path) -> bool;

/// Syncs of some paths from some time on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forget {
    pub(crate) from: Micros,
    pub(crate) is_meant: IsMeant,
}

/// What is done with an image.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Opening<'a> {
    /// It is a data folder: served, then checked by `fsck`.
    Served,
    /// The same without `fsck`: what clients had been told must be enough to see a loss.
    OnlyServed,
    /// It is a folder of backups.
    Backups(&'a Backups),
    /// It is a folder into which a backup was restored.
    Restoring(&'a Restoring),
}

impl Opening<'_> {
    async fn check(self, image: &Path, facts: &Facts, until: Micros) -> Result<usize, String> {
        match self {
            Self::OnlyServed => check(image, facts, until).await,
            Self::Served => {
                let checked = check(image, facts, until).await?;
                fsck(image).await?;
                Ok(checked)
            }
            Self::Backups(backups) => backups.check(image, until).await,
            Self::Restoring(restoring) => restoring.check(image, until).await,
        }
    }
}

/// How a recording is cut.
pub(crate) struct Cutting<'a> {
    /// Where images are built.
    pub(crate) scratch: &'a Path,
    pub(crate) seed: u64,
    /// Syncs before and after which it is cut; more than there are is all.
    pub(crate) points: usize,
    /// Images of each moment: two moments a sync.
    pub(crate) images: usize,
    /// The only manner; else all in turn.
    pub(crate) only: Option<Cut>,
    /// Syncs that the model is to take for not done.
    pub(crate) forget: Option<Forget>,
    pub(crate) opening: Opening<'a>,
}

/// An image that lacks something.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) words: String,
    pub(crate) image: PathBuf,
}

/// One image that is to be checked.
struct Image {
    path: PathBuf,
    until: Micros,
    /// What it is, for people.
    words: String,
}

impl Cutting<'_> {
    /// Cuts at each chosen sync, just before it is done and right after it; stops at the first loss.
    pub(crate) async fn cut(&self, recording: &Recording, tally: &mut Tally) -> Result<(), Loss> {
        tally.syncs += recording.syncs.len();
        let chosen = self.choose(recording);
        let mut model = Model::of(&recording.before).unwrap();
        let mut done = 0;
        for number in chosen {
            let sync = &recording.syncs[number];
            tally.points += 1;
            *tally.kinds.entry(sync.kind.clone()).or_default() += 1;
            let mut images = Vec::new();
            for (when, act) in [("before", sync.act), ("after", sync.act + 1)] {
                for act in &recording.acts[done..act] {
                    self.follow(&mut model, act);
                }
                done = act;
                let place = format!("{when} sync {number}, of {}", sync.path.display());
                images.extend(self.images(&model, number, when, &place, recording.time_before(act)));
            }
            tally.images += images.len();
            tally.checked += self.check(images, &recording.facts).await?;
        }
        self.cut_at_end(recording, model, done, tally).await
    }

    /// After everything was done, and nobody waits for anything any more.
    async fn cut_at_end(
        &self,
        recording: &Recording,
        mut model: Model,
        done: usize,
        tally: &mut Tally,
    ) -> Result<(), Loss> {
        for act in &recording.acts[done..] {
            self.follow(&mut model, act);
        }
        // Every manner at least once: nothing else comes by chance here.
        let all = Cutting { images: self.images.max(MANNERS), only: None, ..*self };
        let images = all.images(&model, recording.syncs.len(), "end", "at the end", Micros::MAX);
        tally.images += images.len();
        tally.checked += self.check(images, &recording.facts).await?;
        Ok(())
    }

    fn follow(&self, model: &mut Model, (time, act): &(Micros, Act)) {
        if let (Some(forget), Act::SyncEnds { path, .. }) = (self.forget, act)
            && *time >= forget.from
            && (forget.is_meant)(path)
        {
            return;
        }
        model.follow(act).unwrap();
    }

    /// Syncs of every kind in turn, by chance; in their order.
    fn choose(&self, recording: &Recording) -> Vec<usize> {
        let mut chance = Chance::of(self.seed);
        let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, sync) in recording.syncs.iter().enumerate() {
            kinds.entry(&sync.kind).or_default().push(number);
        }
        let mut chosen = Vec::new();
        while chosen.len() < self.points && kinds.values().any(|left| !left.is_empty()) {
            for left in kinds.values_mut().filter(|left| !left.is_empty()) {
                let at = chance.below(left.len() as u64) as usize;
                chosen.push(left.swap_remove(at));
            }
        }
        chosen.truncate(self.points);
        chosen.sort_unstable();
        chosen
    }

    /// The images of one moment, written out; manners that leave the same are one.
    fn images(&self, model: &Model, number: usize, when: &str, place: &str, until: Micros) -> Vec<Image> {
        let seed = Chance::of(self.seed ^ (number as u64) << 1 ^ u64::from(when == "after")).next();
        // Both moments and all syncs together see every manner, however few images each has.
        let skip = (2 * number + usize::from(when == "after")) * self.images % MANNERS;
        let mut seen: Vec<Vec<Fate>> = Vec::new();
        let mut images = Vec::new();
        let manners = match self.only {
            Some(only) => vec![only],
            None => Cut::first(skip + self.images, seed).split_off(skip),
        };
        for (count, cut) in manners.into_iter().enumerate() {
            let fates = cut.fates(&model.pending);
            if seen.contains(&fates) {
                continue;
            }
            let path = self.scratch.join(format!("image-{number}-{when}-{count}"));
            write(&nodes(model, &fates), &path, seed).unwrap();
            let words = format!(
                "seed {}, cut {place}, manner {cut:?}; pending then:\n{}",
                self.seed,
                told(model, &fates)
            );
            seen.push(fates);
            images.push(Image { path, until, words });
        }
        images
    }

    async fn check(&self, images: Vec<Image>, facts: &Facts) -> Result<usize, Loss> {
        let mut checks = futures::stream::iter(images.into_iter().map(|image| async move {
            let outcome = self.opening.check(&image.path, facts, image.until).await;
            (image, outcome)
        }))
        .buffer_unordered(CHECKS_AT_ONCE);
        let mut checked = 0;
        while let Some((image, outcome)) = checks.next().await {
            match outcome {
                Ok(count) => {
                    checked += count;
                    std::fs::remove_dir_all(&image.path).unwrap();
                    // There is none where nothing was served.
                    let _ = std::fs::remove_file(image.path.with_extension("log"));
                }
                Err(why) => {
                    let words = format!("{why}\n{}", image.words);
                    return Err(Loss { words, image: image.path });
                }
            }
        }
        Ok(checked)
    }
}
