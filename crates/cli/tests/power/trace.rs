//! What the recorder wrote, line by line, as acts on the data folder.
//!
//! Lines are those of `strace -f -ttt -y -xx`: a thread, the time at which the call began, the call. All text in
//! them is hexadecimal, so punctuation is structure. A call that another thread interrupts comes as two lines. What
//! is not understood is refused: a write that the model does not see would make it lie.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The calls that may change what a power cut leaves, or say what has become durable.
pub(crate) const CALLS: &str = "open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,truncate,ftruncate,\
    fallocate,fsync,fdatasync,sync_file_range,syncfs,sync,rename,renameat,renameat2,unlink,unlinkat,link,linkat,\
    symlink,symlinkat,mkdir,mkdirat,rmdir,dup,dup2,dup3,lseek,mmap,copy_file_range,sendfile,splice,io_uring_setup";

/// Microseconds since 1970, as all times here.
pub(crate) type Micros = u64;

/// What a call did to the data folder. Paths are below it; the empty path is the folder itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Open {
        fd: u64,
        path: PathBuf,
        create: bool,
        truncate: bool,
        append: bool,
    },
    Write {
        fd: u64,
        path: PathBuf,
        at: Option<u64>,
        bytes: Vec<u8>,
    },
    Seek {
        fd: u64,
        path: PathBuf,
        to: u64,
    },
    Resize {
        path: PathBuf,
        size: u64,
    },
    /// Only what was written before this is made durable by the end of the same thread's sync.
    SyncBegins {
        thread: u64,
        path: PathBuf,
    },
    SyncEnds {
        thread: u64,
        path: PathBuf,
    },
    /// It was answered and not done.
    SyncSwallowed {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    /// Written through memory from now on.
    MapShared {
        path: PathBuf,
    },
}

/// Why a line cannot be modelled, with the line.
pub(crate) type Refused = String;

/// Longest part of a refused line that is shown, in characters.
const SHOWN_MAX: usize = 400;

/// Reads lines in their order.
pub(crate) struct Trace {
    folder: PathBuf,
    /// Calls that have begun, by thread.
    begun: HashMap<u64, String>,
}

impl Trace {
    /// A trace in which this folder, a whole path without links, is what matters.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), begun: HashMap::new() }
    }

    /// The time of a line, and what became known to have happened with it.
    pub(crate) fn line(&mut self, line: &str) -> Result<(Micros, Vec<Act>), Refused> {
        let refused = |why: &str| {
            let shown: String = line.chars().take(SHOWN_MAX).collect();
            format!("the recorder wrote what is not modelled ({why}): {shown}")
        };
        let (thread, rest) = line.split_once(' ').ok_or_else(|| refused("no thread"))?;
        let thread = thread.parse().map_err(|_| refused("no thread"))?;
        let (time, rest) = rest.trim_start().split_once(' ').ok_or_else(|| refused("no time"))?;
        let time = micros(time).ok_or_else(|| refused("no time"))?;
        if rest.starts_with("+++") || rest.starts_with("---") {
            return Ok((time, Vec::new()));
        }
        let mut acts = Vec::new();
        let whole = if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            if let Some(path) = self.synced(begin) {
                acts.push(Act::SyncBegins { thread, path });
            }
            self.begun.insert(thread, begin.to_owned());
            return Ok((time, acts));
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, end) = resumed.split_once(" resumed>").ok_or_else(|| refused("no call"))?;
            let begin = self.begun.remove(&thread).ok_or_else(|| refused("resumed what had not begun"))?;
            begin + end
        } else {
            if let Some(path) = self.synced(rest) {
                acts.push(Act::SyncBegins { thread, path });
            }
            rest.to_owned()
        };
        let call = Call::parse(&whole).ok_or_else(|| refused("no call"))?;
        acts.extend(self.act(thread, &call).map_err(refused)?);
        Ok((time, acts))
    }

    /// What a beginning call will sync.
    fn synced(&self, begin: &str) -> Option<PathBuf> {
        let argument = begin.strip_prefix("fsync(").or_else(|| begin.strip_prefix("fdatasync("))?;
        let argument = argument.split(')').next()?;
        self.inside(&described(argument)?.1)
    }

    /// The path below the data folder, if it is there.
    fn inside(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.folder).ok().map(Path::to_owned)
    }

    fn act(&self, thread: u64, call: &Call<'_>) -> Result<Vec<Act>, &'static str> {
        let is_sync = matches!(call.name, "fsync" | "fdatasync");
        let Some(answer) = call.answer else {
            // The process was killed within it: nobody can say whether it was done, and nobody counts on a sync.
            return if !is_sync && self.touches(call) { Err("killed within a call") } else { Ok(Vec::new()) };
        };
        if answer < 0 {
            return if is_sync && self.touches(call) { Err("a sync failed") } else { Ok(Vec::new()) };
        }
        if call.injected && !(is_sync && self.touches(call)) {
            return if self.touches(call) { Err("injected") } else { Ok(Vec::new()) };
        }
        let answer = answer.unsigned_abs();
        match call.name {
            "open" | "openat" => self.open(call, answer),
            "write" | "pwrite64" => self.write(call, answer),
            "lseek" => self.of_descriptor(call, |fd, path| Act::Seek { fd, path, to: answer }),
            "ftruncate" => {
                let size = call.number(1)?;
                self.of_descriptor(call, |_, path| Act::Resize { path, size })
            }
            "fsync" | "fdatasync" if call.injected => {
                self.of_descriptor(call, |_, path| Act::SyncSwallowed { path })
            }
            "fsync" | "fdatasync" => self.of_descriptor(call, |_, path| Act::SyncEnds { thread, path }),
            "mkdir" => self.of_path(call, |path| Act::MakeFolder { path }),
            "unlink" | "rmdir" => self.of_path(call, |path| Act::Remove { path }),
            "rename" => self.of_two_paths(call, |from, to| Act::Rename { from, to }),
            "link" => self.of_two_paths(call, |from, to| Act::Link { from, to }),
            "mmap" => self.map(call),
            "sync" | "syncfs" | "io_uring_setup" => Err("a call that is not modelled"),
            _ if self.touches(call) => Err("a call that is not modelled"),
            _ => Ok(Vec::new()),
        }
    }

    /// Whether any argument lies in the data folder, or cannot be told not to.
    fn touches(&self, call: &Call<'_>) -> bool {
        call.arguments.iter().any(|argument| {
            let path = described(argument).map(|(_, path)| path).or_else(|| text(argument));
            path.is_some_and(|path| self.inside(&path).is_some())
        })
    }

    fn open(&self, call: &Call<'_>, fd: u64) -> Result<Vec<Act>, &'static str> {
        let (_, path) = described(call.result).ok_or("an opened file without a path")?;
        let Some(path) = self.inside(&path) else { return Ok(Vec::new()) };
        let flags = call.arguments.iter().find(|argument| argument.starts_with("O_")).ok_or("no flags")?;
        let has = |flag: &str| flags.split('|').any(|other| other == flag);
        if has("O_SYNC") || has("O_DSYNC") || has("O_DIRECT") || has("O_TMPFILE") {
            return Err("a way to open that is not modelled");
        }
        let (create, truncate, append) = (has("O_CREAT"), has("O_TRUNC"), has("O_APPEND"));
        Ok(vec![Act::Open { fd, path, create, truncate, append }])
    }

    fn write(&self, call: &Call<'_>, written: u64) -> Result<Vec<Act>, &'static str> {
        let at = if call.name == "pwrite64" { Some(call.number(3)?) } else { None };
        let Some((fd, path)) = self.descriptor(call) else { return Ok(Vec::new()) };
        let mut bytes = call.arguments.get(1).and_then(|text| unquoted(text)).ok_or("bytes that were cut")?;
        let written = usize::try_from(written).map_err(|_| "a long write")?;
        if written > bytes.len() {
            return Err("bytes that were cut");
        }
        bytes.truncate(written);
        Ok(vec![Act::Write { fd, path, at, bytes }])
    }

    fn map(&self, call: &Call<'_>) -> Result<Vec<Act>, &'static str> {
        let [_, _, protection, flags, file, _] = call.arguments.as_slice() else { return Err("a mapping") };
        let Some((_, path)) = described(file) else { return Ok(Vec::new()) };
        let Some(path) = self.inside(&path) else { return Ok(Vec::new()) };
        if flags.contains("MAP_SHARED") && protection.contains("PROT_WRITE") {
            return Ok(vec![Act::MapShared { path }]);
        }
        Ok(Vec::new())
    }

    fn descriptor(&self, call: &Call<'_>) -> Option<(u64, PathBuf)> {
        let (fd, path) = described(call.arguments.first()?)?;
        Some((fd, self.inside(&path)?))
    }

    fn of_descriptor(
        &self,
        call: &Call<'_>,
        act: impl FnOnce(u64, PathBuf) -> Act,
    ) -> Result<Vec<Act>, &'static str> {
        Ok(self.descriptor(call).map(|(fd, path)| act(fd, path)).into_iter().collect())
    }

    fn of_path(&self, call: &Call<'_>, act: impl FnOnce(PathBuf) -> Act) -> Result<Vec<Act>, &'static str> {
        let path =
            call.arguments.first().and_then(|argument| text(argument)).ok_or("a call without a path")?;
        if path.is_relative() {
            return Err("a relative path");
        }
        Ok(self.inside(&path).map(act).into_iter().collect())
    }

    fn of_two_paths(
        &self,
        call: &Call<'_>,
        act: impl FnOnce(PathBuf, PathBuf) -> Act,
    ) -> Result<Vec<Act>, &'static str> {
        let [from, to] = call.arguments.as_slice() else { return Err("two paths") };
        let (from, to) = (text(from).ok_or("two paths")?, text(to).ok_or("two paths")?);
        if from.is_relative() || to.is_relative() {
            return Err("a relative path");
        }
        match (self.inside(&from), self.inside(&to)) {
            (Some(from), Some(to)) => Ok(vec![act(from, to)]),
            (None, None) => Ok(Vec::new()),
            _ => Err("a name that crosses the data folder's border"),
        }
    }
}

/// A whole call.
struct Call<'a> {
    name: &'a str,
    arguments: Vec<&'a str>,
    /// `None`: it never ended.
    answer: Option<i64>,
    /// What is behind the equals sign.
    result: &'a str,
    injected: bool,
}

impl<'a> Call<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (name, rest) = text.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let arguments = split(arguments.trim_end().strip_suffix(')')?);
        let number = result.split([' ', '<']).next()?;
        let answer = match number {
            "?" => None,
            address if address.starts_with("0x") => Some(0),
            number => Some(number.parse().ok()?),
        };
        Some(Self { name, arguments, answer, result, injected: result.ends_with("(INJECTED)") })
    }

    fn number(&self, at: usize) -> Result<u64, &'static str> {
        self.arguments.get(at).and_then(|text| text.parse().ok()).ok_or("no number")
    }
}

/// The arguments of a call: split where no bracket is open.
fn split(arguments: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_u32, 0, Vec::new());
    for (at, byte) in arguments.bytes().enumerate() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(arguments[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(arguments[start..].trim());
    parts
}

/// `7<PATH>`: a descriptor and what it is of. What was deleted meanwhile keeps its name and lies nowhere.
fn described(argument: &str) -> Option<(u64, PathBuf)> {
    let (fd, rest) = argument.split_once('<')?;
    let (path, _) = rest.split_once('>')?;
    let path = String::from_utf8(from_hex(path)?).ok()?;
    Some((fd.parse().ok()?, PathBuf::from(path)))
}

/// A string argument as a path.
fn text(argument: &str) -> Option<PathBuf> {
    String::from_utf8(unquoted(argument)?).ok().map(PathBuf::from)
}

/// The bytes of a string argument; `None` if it was cut short.
fn unquoted(argument: &str) -> Option<Vec<u8>> {
    from_hex(argument.strip_prefix('"')?.strip_suffix('"')?)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len() / 4);
    for piece in text.as_bytes().chunks(4) {
        let &[b'\\', b'x', high, low] = piece else { return None };
        bytes.push((digit(high)? * 16 + digit(low)?) as u8);
    }
    Some(bytes)
}

/// `SECONDS.MICROS`.
fn micros(text: &str) -> Option<Micros> {
    let (seconds, micros) = text.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?)
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
