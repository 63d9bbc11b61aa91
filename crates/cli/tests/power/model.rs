//! A file system that promises as little as it may.
//!
//! * A write is in pieces of 4 KiB; each may be on the disk or not, in any order, until its file is synced. A sync
//!   covers what had been written before it began, and the file's size.
//! * A name is durable when its folder was synced after it was made; a folder's own name when the folder above was.
//!   A synced file without a durable name is lost.
//! * A rename within a folder happens whole or not at all. One between folders may leave both names, and never
//!   none: that is all that is asked of the journal of a file system. Nothing is asked of the order of names, nor that
//!   syncing a file syncs its name, as ext4 happens to do.
//! * SQLite's `-shm` file is written through memory and promised by nobody: an image has noise in its place.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::trace::Act;

/// What a disk writes as a whole, in bytes; pieces of a write are cut at its multiples.
pub(crate) const PIECE_BYTES: u64 = 4096;

/// The place of a file or folder, whatever its names.
pub(crate) type Inode = usize;

/// The data folder itself.
pub(crate) const ROOT: Inode = 0;

/// What an inode holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    File(Vec<u8>),
    Folder(BTreeMap<String, Inode>),
}

/// Something that a sync of `inode` makes durable.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) order: u64,
    pub(crate) inode: Inode,
    pub(crate) what: What,
}

/// A change of one file or folder.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// At most a piece.
    Write {
        at: u64,
        bytes: Vec<u8>,
    },
    Size(u64),
    Name {
        name: String,
        target: Inode,
    },
    /// The name goes, but not before the change of order `after` is there.
    NoName {
        name: String,
        after: Option<u64>,
    },
    Rename {
        from: String,
        to: String,
        target: Inode,
    },
}

/// A descriptor.
#[derive(Debug)]
struct Description {
    inode: Inode,
    offset: u64,
    append: bool,
}

/// Everything below one folder.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// What is on the disk for certain.
    pub(crate) durable: Vec<Node>,
    /// What programs see.
    pub(crate) current: Vec<Node>,
    /// What may be on the disk.
    pub(crate) pending: Vec<Change>,
    descriptions: HashMap<u64, Description>,
    /// Where syncs began, by thread.
    begun: HashMap<u64, u64>,
    orders: u64,
}

impl Model {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        let root = vec![Node::Folder(BTreeMap::new())];
        Self { durable: root.clone(), current: root, ..Self::default() }
    }

    /// A folder as it lies, all of it durable.
    pub(crate) fn of(folder: &Path) -> std::io::Result<Self> {
        let mut model = Self::empty();
        let mut nodes = std::mem::take(&mut model.durable);
        load(&mut nodes, ROOT, folder)?;
        model.durable.clone_from(&nodes);
        model.current = nodes;
        Ok(model)
    }

    /// Whether nobody promises anything of this file.
    pub(crate) fn is_noise(name: &str) -> bool {
        name.ends_with("-shm")
    }

    /// Follows an act; the inode of a sync's end.
    ///
    /// # Errors
    /// What the model does not know; then nothing was changed.
    pub(crate) fn follow(&mut self, act: &Act) -> Result<Option<Inode>, String> {
        match act {
            Act::Open { fd, path, create, truncate, append } => {
                self.open(*fd, path, *create, *truncate, *append)?;
            }
            Act::Write { fd, path, at, bytes } => self.write(*fd, path, *at, bytes)?,
            Act::Seek { fd, path, to } => {
                if let Ok(description) = self.description(*fd, path) {
                    description.offset = *to;
                }
            }
            Act::Resize { path, size } => {
                let inode = self.must_find(path)?;
                self.resize(inode, *size);
            }
            Act::SyncBegins { thread, .. } => {
                self.begun.insert(*thread, self.orders);
            }
            Act::SyncEnds { thread, path } => {
                let inode = self.must_find(path)?;
                let until = self.begun.remove(thread).ok_or("a sync that had not begun")?;
                self.sync(inode, until);
                return Ok(Some(inode));
            }
            Act::SyncSwallowed { path } => return self.must_find(path).map(Some),
            Act::MakeFolder { path } => {
                self.place(path)?;
                let inode = self.add(Node::Folder(BTreeMap::new()));
                self.name(path, inode)?;
            }
            Act::Rename { from, to } => self.rename(from, to)?,
            Act::Link { from, to } => {
                let inode = self.must_find(from)?;
                self.name(to, inode)?;
            }
            Act::Remove { path } => self.remove(path, None)?,
            Act::MapShared { path } => {
                if !Self::is_noise(&path.to_string_lossy()) {
                    return Err("it is written through memory".to_owned());
                }
            }
        }
        Ok(None)
    }

    fn open(
        &mut self,
        fd: u64,
        path: &Path,
        create: bool,
        truncate: bool,
        append: bool,
    ) -> Result<(), String> {
        let inode = match self.find(path) {
            Some(inode) => inode,
            None if create => {
                self.place(path)?;
                let inode = self.add(Node::File(Vec::new()));
                self.name(path, inode)?;
                inode
            }
            // Only read, and its name is on its way: whoever writes to it or syncs it must find it.
            None => {
                self.descriptions.remove(&fd);
                return Ok(());
            }
        };
        if truncate && self.bytes(inode).is_some_and(|bytes| !bytes.is_empty()) {
            self.resize(inode, 0);
        }
        self.descriptions.insert(fd, Description { inode, offset: 0, append });
        Ok(())
    }

    fn write(&mut self, fd: u64, path: &Path, at: Option<u64>, bytes: &[u8]) -> Result<(), String> {
        let description = self.description(fd, path)?;
        let (inode, append, offset) = (description.inode, description.append, description.offset);
        let size = self.bytes(inode).ok_or("a folder was written")?.len() as u64;
        let start = at.unwrap_or(if append { size } else { offset });
        if at.is_none() {
            self.description(fd, path)?.offset = start + bytes.len() as u64;
        }
        if Self::is_noise(&path.to_string_lossy()) {
            return Ok(());
        }
        let mut done = 0;
        while done < bytes.len() {
            let at = start + done as u64;
            let room = (PIECE_BYTES - at % PIECE_BYTES) as usize;
            let piece = &bytes[done..bytes.len().min(done + room)];
            self.change(inode, What::Write { at, bytes: piece.to_vec() });
            done += piece.len();
        }
        Ok(())
    }

    fn resize(&mut self, inode: Inode, size: u64) {
        self.change(inode, What::Size(size));
    }

    /// Renames; a link to itself is left alone, as the system does.
    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), String> {
        let target = self.must_find(from)?;
        if self.find(to) == Some(target) {
            return Ok(());
        }
        let ((from_folder, from_name), (to_folder, to_name)) = (self.place(from)?, self.place(to)?);
        if from_folder == to_folder {
            self.change(from_folder, What::Rename { from: from_name, to: to_name, target });
            return Ok(());
        }
        self.name(to, target)?;
        let after = Some(self.orders);
        self.remove(from, after)
    }

    fn name(&mut self, path: &Path, target: Inode) -> Result<(), String> {
        let (folder, name) = self.place(path)?;
        self.change(folder, What::Name { name, target });
        Ok(())
    }

    fn remove(&mut self, path: &Path, after: Option<u64>) -> Result<(), String> {
        let (folder, name) = self.place(path)?;
        self.change(folder, What::NoName { name, after });
        Ok(())
    }

    /// Everything that changed of an inode up to an order is durable.
    fn sync(&mut self, inode: Inode, until: u64) {
        let mut rest = Vec::with_capacity(self.pending.len());
        for change in std::mem::take(&mut self.pending) {
            if change.inode == inode && change.order <= until {
                apply(&mut self.durable[inode], &change.what);
            } else {
                rest.push(change);
            }
        }
        self.pending = rest;
    }

    fn change(&mut self, inode: Inode, what: What) {
        self.orders += 1;
        apply(&mut self.current[inode], &what);
        self.pending.push(Change { order: self.orders, inode, what });
    }

    fn add(&mut self, node: Node) -> Inode {
        self.durable.push(node.clone());
        self.current.push(node);
        self.current.len() - 1
    }

    fn bytes(&self, inode: Inode) -> Option<&Vec<u8>> {
        match &self.current[inode] {
            Node::File(bytes) => Some(bytes),
            Node::Folder(_) => None,
        }
    }

    /// The descriptor, if it still is of what the recorder says.
    fn description(&mut self, fd: u64, path: &Path) -> Result<&mut Description, String> {
        let inode = self.must_find(path)?;
        let description = self.descriptions.get_mut(&fd).ok_or("a descriptor that nobody opened")?;
        if description.inode != inode {
            return Err("a descriptor of another file".to_owned());
        }
        Ok(description)
    }

    fn must_find(&self, path: &Path) -> Result<Inode, String> {
        self.find(path).ok_or_else(|| format!("`{}` is unknown", path.display()))
    }

    /// What has this path now.
    pub(crate) fn find(&self, path: &Path) -> Option<Inode> {
        path.components().try_fold(ROOT, |inode, part| match &self.current[inode] {
            Node::Folder(names) => names.get(part.as_os_str().to_str()?).copied(),
            Node::File(_) => None,
        })
    }

    fn place(&self, path: &Path) -> Result<(Inode, String), String> {
        let parent = self.must_find(path.parent().ok_or("it has no folder")?)?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("it has no name")?;
        Ok((parent, name.to_owned()))
    }

    /// A path that an inode has now, for people.
    pub(crate) fn path_of(&self, inode: Inode) -> PathBuf {
        fn below(nodes: &[Node], from: Inode, wanted: Inode) -> Option<PathBuf> {
            let Node::Folder(names) = &nodes[from] else { return None };
            names.iter().find_map(|(name, target)| {
                if *target == wanted {
                    return Some(PathBuf::from(name));
                }
                below(nodes, *target, wanted).map(|rest| Path::new(name).join(rest))
            })
        }
        if inode == ROOT {
            return PathBuf::from(".");
        }
        below(&self.current, ROOT, inode)
            .unwrap_or_else(|| PathBuf::from(format!("(no name, inode {inode})")))
    }
}

/// Does a change.
pub(crate) fn apply(node: &mut Node, what: &What) {
    match (node, what) {
        (Node::File(content), What::Write { at, bytes }) => {
            let at = *at as usize;
            if content.len() < at + bytes.len() {
                content.resize(at + bytes.len(), 0);
            }
            content[at..at + bytes.len()].copy_from_slice(bytes);
        }
        (Node::File(content), What::Size(size)) => content.resize(*size as usize, 0),
        (Node::Folder(names), What::Name { name, target }) => {
            names.insert(name.clone(), *target);
        }
        (Node::Folder(names), What::NoName { name, .. }) => {
            names.remove(name);
        }
        (Node::Folder(names), What::Rename { from, to, target }) => {
            names.remove(from);
            names.insert(to.clone(), *target);
        }
        (node, what) => panic!("{what:?} on {node:?}"),
    }
}

fn load(nodes: &mut Vec<Node>, inode: Inode, folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let child = nodes.len();
        if entry.file_type()?.is_dir() {
            nodes.push(Node::Folder(BTreeMap::new()));
            load(nodes, child, &entry.path())?;
        } else {
            nodes.push(Node::File(std::fs::read(entry.path())?));
        }
        if let Node::Folder(names) = &mut nodes[inode] {
            names.insert(entry.file_name().to_string_lossy().into_owned(), child);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
