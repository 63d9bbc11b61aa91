//! Power cuts of backups and of a restore.

use std::path::Path;
use std::sync::Arc;

use super::backups::Backups;
use super::commands::{Commands, Kill};
use super::cut::{Cutting, Forget, IsMeant, Opening, Tally};
use super::facts::{Fact, Facts, Notes};
use super::load::{self, Load};
use super::record::Recording;
use super::restoring::Restoring;
use super::support::{Server, root_of};
use super::{Scratch, can_record, fail, length, must_lose, seed};

/// Rounds of each client before the backups and beside them.
const ROUNDS: usize = 2;

/// Syncs that the short form cuts at.
const POINTS: usize = 4;

/// A backup is killed when its first content has got a name, which is not durable: the next backup finds it there.
const KILL: Kill = Kill { folder: "/objects/blobs/" };

/// A kill within a write cannot be modelled; then it is tried again so often.
const TRIES: usize = 5;

/// Syncs of a backup without which one that was acknowledged is lost.
const NEEDED: [(&str, IsMeant); 6] = [
    ("the ledger copies' syncs", |path| {
        path.starts_with("ledger-a.sqlite") || path.starts_with("ledger-b.sqlite")
    }),
    ("the record's syncs", |path| path.starts_with("backup.json.new")),
    ("the backup's folder's syncs", |path| path == Path::new("")),
    ("the keys' syncs", |path| path.starts_with("keys") && path.extension().is_some()),
    ("syncs of content", |path| path.starts_with("objects/blobs") && path.to_string_lossy().contains('#')),
    ("syncs of content's folders", |path| {
        path.starts_with("objects/blobs") && !path.to_string_lossy().contains('#')
    }),
];

/// Backups into one folder beside a registry under load: one that is killed, a whole one, and one of what is new.
async fn record_backups(folder: &Path, rounds: usize) -> (Recording, Backups) {
    let data = folder.join("served");
    let notes = Arc::new(Notes::of(Facts::default()));
    let server = Server::start(&data, &[]);
    notes.told(Fact::Root(root_of(&server.greeting(), &server.url)));
    load::run(&server.url, Arc::clone(&notes), "first", Load::Mixed { rounds }).await;
    let url = server.url.clone();
    let beside = tokio::spawn({
        let notes = Arc::clone(&notes);
        async move { load::run(&url, notes, "beside", Load::Mixed { rounds: rounds * 2 }).await }
    });
    let mut tries = 0;
    let (mut commands, mut runs) = loop {
        let mut commands = Commands::on(folder, &format!("backup-{tries}"));
        match tokio::task::block_in_place(|| back_up(&mut commands, &data, Some(KILL))) {
            Ok(ran) => break (commands, vec![ran]),
            Err(why) if tries < TRIES && why.contains("killed within a call") => tries += 1,
            Err(why) => panic!("{why}"),
        }
    };
    runs.push(tokio::task::block_in_place(|| back_up(&mut commands, &data, None)).unwrap());
    beside.await.unwrap();
    load::run(&server.url, Arc::clone(&notes), "last", Load::Mixed { rounds: 1 }).await;
    runs.push(tokio::task::block_in_place(|| back_up(&mut commands, &data, None)).unwrap());
    server.end();
    let facts = Arc::into_inner(notes).expect("all clients have ended").into_facts();
    (commands.into_recording().unwrap(), Backups { data, facts, runs })
}

fn back_up(
    commands: &mut Commands<'_>,
    data: &Path,
    kill: Option<Kill>,
) -> Result<super::commands::Ran, String> {
    let to = commands.folder().to_owned();
    let args = ["backup", "--with-keys", "--data", data.to_str().unwrap(), "--to", to.to_str().unwrap()];
    commands.run(&args, kill, data)
}

/// A restore whose owner takes the risk at once or later.
fn record_restore(folder: &Path, backup: &Path, backups: &Backups, is_later: bool) -> (Recording, Restoring) {
    let mut commands = Commands::on(folder, if is_later { "accepted-later" } else { "accepted-at-once" });
    let to = commands.folder().to_str().unwrap().to_owned();
    let (restore, from) = (["restore", "--data", &to], ["--from", backup.to_str().unwrap()]);
    let accept = ["--accept-fork-risk"];
    let mut run = |args: &[&[&str]]| commands.run(&args.concat(), None, &backups.data).unwrap();
    let (restore, accept) = if is_later {
        (run(&[&restore, &from]), Some(run(&[&restore, &accept])))
    } else {
        (run(&[&restore, &from, &accept]), None)
    };
    let facts = backups.facts.before(backups.runs.last().unwrap().began);
    let (backup, data, turn) = (backup.to_owned(), backups.data.clone(), Default::default());
    let restoring = Restoring { backup, data, facts, restore, accept, turn };
    (commands.into_recording().unwrap(), restoring)
}

/// The newest folder of backups of a recording.
fn backup_folder(recording: &Recording) -> std::path::PathBuf {
    recording.before.with_extension("")
}

fn cutting<'a>(images: &'a Path, opening: Opening<'a>) -> Cutting<'a> {
    Cutting {
        scratch: images,
        seed: seed(),
        points: length("POINTS_OF_ONE", POINTS),
        images: length("IMAGES", 1),
        only: None,
        forget: None,
        opening,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_survive_power_cuts() {
    if !can_record() {
        return;
    }
    let scratch = Scratch::new();
    let (folder, images) = (scratch.recordings(), scratch.images());
    let (begun, backups) = record_backups(&folder, ROUNDS).await;
    println!("seed {}: backups", seed());
    let mut tally = Tally::default();
    let cut = cutting(&images, Opening::Backups(&backups)).cut(&begun, &mut tally).await;
    cut.unwrap_or_else(|loss| fail(&loss));
    tally.tell();
    for (what, is_meant) in NEEDED {
        let forget = Some(Forget { from: 0, is_meant });
        println!("{}", must_lose(&scratch, &begun, Opening::Backups(&backups), forget, what).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_restored_survives_power_cuts() {
    if !can_record() {
        return;
    }
    let scratch = Scratch::new();
    let (folder, images) = (scratch.recordings(), scratch.images());
    let (begun, backups) = record_backups(&folder, 1).await;
    println!("seed {}", seed());
    for is_later in [false, true] {
        println!("restore, accepted {}", if is_later { "later" } else { "at once" });
        let (restored, restoring) = record_restore(&folder, &backup_folder(&begun), &backups, is_later);
        let mut tally = Tally::default();
        let cut = cutting(&images, Opening::Restoring(&restoring)).cut(&restored, &mut tally).await;
        cut.unwrap_or_else(|loss| fail(&loss));
        tally.tell();
    }
}
