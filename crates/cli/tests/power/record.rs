//! `wargate serve` under the recorder.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::facts::{Fact, Facts, Notes};
use super::load::{self, Load};
use super::model::{Inode, Model, Node, ROOT};
use super::support::{Server, root_of};
use super::trace::{Act, CALLS, Micros, Trace};

/// How long the recorder may take to write its last line.
const TRACE_END_MAX: Duration = Duration::from_secs(60);

/// How far behind its use a name may be made known: two threads' lines may change places.
const LATE_ACTS_MAX: usize = 256;

/// How a process ended, in the recorder's words.
pub(crate) const EXITED: &str = "+++ exited with 0 +++";
pub(crate) const KILLED: &str = "+++ killed by SIGKILL +++";

/// What a registry did to its data folder, and what its clients were told meanwhile.
pub(crate) struct Recording {
    /// The folder as it was found; all of it durable.
    pub(crate) before: PathBuf,
    /// In the order of the model.
    pub(crate) acts: Vec<(Micros, Act)>,
    pub(crate) facts: Facts,
    /// Where the syncs end.
    pub(crate) syncs: Vec<Sync>,
    pub(crate) swallowed: usize,
}

/// The end of a sync.
#[derive(Debug, Clone)]
pub(crate) struct Sync {
    /// Its act.
    pub(crate) act: usize,
    /// What was synced, without what differs from file to file.
    pub(crate) kind: String,
    pub(crate) path: PathBuf,
}

/// Where a recording lies and what is done in it.
pub(crate) struct Plan<'a> {
    /// A folder for everything, a whole path without links.
    pub(crate) scratch: &'a Path,
    /// The data folder's name in it; it may be there already.
    pub(crate) name: &'a str,
    pub(crate) load: Load,
    /// What was told of a folder that is there already.
    pub(crate) facts: Facts,
    /// What the recorder is to do to calls (`strace --inject`).
    pub(crate) inject: Option<&'a str>,
}

/// Whether the recorder is there and may look at other processes.
pub(crate) fn can_record() -> Result<(), String> {
    let output = std::process::Command::new("strace")
        .args(["-f", "--seccomp-bpf", "-o", "/dev/null", "true"])
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("strace failed: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("strace could not be started (Debian's package `strace`): {error}")),
    }
}

/// Runs a registry and its clients, and ends it.
pub(crate) async fn record(plan: Plan<'_>) -> Result<Recording, String> {
    let data = plan.scratch.join(plan.name);
    let before = plan.scratch.join(format!("{}.before", plan.name));
    // The data folder's own name is not what is tested.
    std::fs::create_dir_all(&data).unwrap();
    let model = Model::of(&data).unwrap();
    super::image::write(&model.durable, &before, 0).unwrap();
    let trace = plan.scratch.join(format!("{}.trace", plan.name));
    let words = recorder(&trace, plan.inject);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let server = Server::start_under(&words, &data);
    let notes = Arc::new(Notes::of(plan.facts));
    notes.told(Fact::Root(root_of(&server.greeting(), &server.url)));
    load::run(&server.url, Arc::clone(&notes), plan.name, plan.load).await;
    let process = server.id();
    server.end();
    let acts = read(&trace, &data, process, EXITED)?;
    let facts = Arc::into_inner(notes).expect("all clients have ended").into_facts();
    Recording::of(before, model, &data, acts, facts)
}

/// The recorder's words before those of the command.
pub(crate) fn recorder(trace: &Path, inject: Option<&str>) -> Vec<String> {
    // -D: the command is our own child, to which signals go.
    let words = "strace -D -f --seccomp-bpf -ttt -y -xx -s 67108864 -o";
    let mut words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    words.extend([trace.to_str().unwrap().to_owned(), "-e".to_owned(), format!("trace={CALLS}")]);
    words.extend(inject.into_iter().flat_map(|calls| ["-e".to_owned(), format!("inject={calls}")]));
    words
}

/// All acts on a folder, once the recorder has written the process's end.
pub(crate) fn read(trace: &Path, data: &Path, process: u32, end: &str) -> Result<Vec<(Micros, Act)>, String> {
    let start = Instant::now();
    let begin = format!("{process} ");
    loop {
        let text = BufReader::new(std::fs::File::open(trace).unwrap());
        let mut reader = Trace::of(data);
        let mut acts = Vec::new();
        let mut has_ended = false;
        for line in text.lines() {
            let line = line.unwrap();
            has_ended |= line.starts_with(&begin) && line.ends_with(end);
            // The last line may still be half there; then it is read again.
            match reader.line(&line) {
                Ok((time, found)) => acts.extend(found.into_iter().map(|act| (time, act))),
                Err(_) if start.elapsed() < TRACE_END_MAX && !has_ended => break,
                Err(refused) => return Err(refused),
            }
        }
        if has_ended {
            return Ok(acts);
        }
        if start.elapsed() > TRACE_END_MAX {
            return Err("the recorder did not write the end of the process".to_owned());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Recording {
    /// The acts of processes on a folder that began as `model`; the folder must now be what the model has.
    pub(crate) fn of(
        before: PathBuf,
        model: Model,
        folder: &Path,
        acts: Vec<(Micros, Act)>,
        facts: Facts,
    ) -> Result<Self, String> {
        let mut recording = Self { before, acts, facts, syncs: Vec::new(), swallowed: 0 };
        let model = recording.follow(model)?;
        compare(&model, ROOT, folder)?;
        Ok(recording)
    }

    /// Follows all acts once: they are brought into an order that has every name made before it is used.
    fn follow(&mut self, mut model: Model) -> Result<Model, String> {
        for number in 0..self.acts.len() {
            let mut late = number;
            let synced = loop {
                match model.follow(&self.acts[number].1) {
                    Ok(synced) => break synced,
                    Err(why) => {
                        let Some(name) = self.late_name(late + 1, number + LATE_ACTS_MAX) else {
                            let mut act = format!("{:?}", self.acts[number].1);
                            act.truncate(300);
                            return Err(format!("the model cannot follow {act}: {why}"));
                        };
                        late = name;
                        self.acts[number..=name].rotate_right(1);
                    }
                }
            };
            let act = &self.acts[number].1;
            self.swallowed += usize::from(matches!(act, Act::SyncSwallowed { .. }));
            if let (Some(inode), Act::SyncEnds { path, .. } | Act::SyncSwallowed { path }) = (synced, act) {
                let is_folder = matches!(model.current[inode], Node::Folder(_));
                let kind = kind(path, is_folder);
                self.syncs.push(Sync { act: number, kind, path: path.clone() });
            }
        }
        Ok(model)
    }

    /// The next act that makes a name.
    fn late_name(&self, from: usize, to: usize) -> Option<usize> {
        let acts = self.acts.get(from..self.acts.len().min(to))?;
        let makes_name = |act: &Act| {
            matches!(act, Act::MakeFolder { .. } | Act::Rename { .. } | Act::Open { create: true, .. })
        };
        acts.iter().position(|(_, act)| makes_name(act)).map(|at| from + at)
    }

    /// The latest time at which what was done before an act was all that was done.
    pub(crate) fn time_before(&self, act: usize) -> Micros {
        // Acts that changed places have changed times.
        let near = self.acts[act..].iter().take(LATE_ACTS_MAX * 2);
        near.map(|(time, _)| *time).min().unwrap_or(Micros::MAX)
    }
}

/// What kind of thing lies at a path: its place without the names that differ.
fn kind(path: &Path, is_folder: bool) -> String {
    let depth = path.components().count();
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    let kept = if is_folder || depth == 1 { depth } else { depth - 1 };
    let place = parts[..kept.min(3)].join("/");
    match (is_folder, depth) {
        (true, 0) => "the data folder".to_owned(),
        (true, _) => format!("{place}/"),
        (false, 1) => place,
        (false, _) => format!("{place}/*"),
    }
}

/// The model must have seen all: its files are those on the disk.
fn compare(model: &Model, inode: Inode, folder: &Path) -> Result<(), String> {
    let Node::Folder(names) = &model.current[inode] else { return Ok(()) };
    let mut found = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        found.insert(entry.unwrap().file_name().into_string().unwrap());
    }
    let known: std::collections::BTreeSet<_> = names.keys().cloned().collect();
    if found != known {
        return Err(format!("{} holds {found:?}, the model has {known:?}", folder.display()));
    }
    for (name, target) in names {
        let path = folder.join(name);
        match &model.current[*target] {
            Node::Folder(_) => compare(model, *target, &path)?,
            Node::File(bytes) if !Model::is_noise(name) && std::fs::read(&path).unwrap() != *bytes => {
                return Err(format!("{} is not what the model has", path.display()));
            }
            Node::File(_) => {}
        }
    }
    Ok(())
}
