//! What a power cut may leave of a folder: what is durable, and of the rest whatever the seed keeps.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use super::model::{Change, Inode, Model, Node, ROOT, What, apply};

/// What a disk never tears, in bytes.
const SECTOR_BYTES: usize = 512;

/// Bytes of noise in the place of what nobody promises.
const NOISE_BYTES: usize = 32 * 1024;

/// A row of numbers that follows from its seed (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What becomes of a pending change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    Kept,
    /// Of a piece only so many sectors came.
    Torn(usize),
    /// The file's size came, the piece's bytes did not.
    Zeros,
}

/// A manner of cutting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Nothing,
    Everything,
    /// Every name, no bytes: files that are there and empty.
    NamesOnly,
    /// All bytes, no name.
    BytesOnly,
    /// Everything but the oldest half: the order is violated.
    NewestHalf,
    /// Each by chance.
    Some {
        seed: u64,
    },
    /// Each by chance, pieces torn or zeros.
    Torn {
        seed: u64,
    },
}

impl Cut {
    /// The first `count` manners for a point whose seed this is.
    pub(crate) fn first(count: usize, seed: u64) -> Vec<Self> {
        let mut chance = Chance::of(seed);
        let fixed = [Self::Nothing, Self::NamesOnly, Self::Everything, Self::BytesOnly, Self::NewestHalf];
        let mut fixed = fixed.into_iter();
        (0..count)
            .map(|number| match number % 4 {
                1 => Self::Some { seed: chance.next() },
                3 => Self::Torn { seed: chance.next() },
                _ => fixed.next().unwrap_or(Self::Some { seed: chance.next() }),
            })
            .collect()
    }

    /// What becomes of each pending change.
    pub(crate) fn fates(self, pending: &[Change]) -> Vec<Fate> {
        let mut chance = match self {
            Self::Some { seed } | Self::Torn { seed } => Chance::of(seed),
            _ => Chance::of(0),
        };
        // A seed also says how much is kept, from little to nearly all.
        let of_eight = 1 + chance.below(7);
        let keep = |yes: bool| if yes { Fate::Kept } else { Fate::Lost };
        let fate = |(number, change): (usize, &Change)| {
            let is_piece = matches!(change.what, What::Write { .. });
            let is_bytes = is_piece || matches!(change.what, What::Size(_));
            match self {
                Self::Nothing => Fate::Lost,
                Self::Everything => Fate::Kept,
                Self::NamesOnly => keep(!is_bytes),
                Self::BytesOnly => keep(is_bytes),
                Self::NewestHalf => keep(number >= pending.len() / 2),
                Self::Some { .. } => keep(chance.below(8) < of_eight),
                Self::Torn { .. } => match chance.below(4) {
                    0 => Fate::Lost,
                    1 if is_piece => Fate::Torn(1 + chance.below(7) as usize),
                    2 if is_piece => Fate::Zeros,
                    _ => Fate::Kept,
                },
            }
        };
        pending.iter().enumerate().map(fate).collect()
    }
}

/// What is on the disk after these fates.
pub(crate) fn nodes(model: &Model, fates: &[Fate]) -> Vec<Node> {
    let mut nodes = model.durable.clone();
    let pending: HashSet<u64> = model.pending.iter().map(|change| change.order).collect();
    let mut kept = HashSet::new();
    for (change, fate) in model.pending.iter().zip(fates) {
        let node = &mut nodes[change.inode];
        match (&change.what, *fate) {
            (_, Fate::Lost) => continue,
            // Never neither name.
            (What::NoName { after: Some(after), .. }, _)
                if pending.contains(after) && !kept.contains(after) =>
            {
                continue;
            }
            (What::Write { at, bytes }, Fate::Torn(sectors)) => {
                let bytes = bytes[..bytes.len().min(sectors * SECTOR_BYTES)].to_vec();
                apply(node, &What::Write { at: *at, bytes });
            }
            (What::Write { at, bytes }, Fate::Zeros) => {
                if let Node::File(content) = node {
                    content.resize(content.len().max(*at as usize + bytes.len()), 0);
                }
            }
            (what, _) => apply(node, what),
        }
        kept.insert(change.order);
    }
    nodes
}

/// Writes a tree out, with noise where nobody promises anything.
pub(crate) fn write(nodes: &[Node], to: &Path, seed: u64) -> std::io::Result<()> {
    write_folder(nodes, ROOT, to, &mut Chance::of(seed))
}

fn write_folder(nodes: &[Node], inode: Inode, to: &Path, chance: &mut Chance) -> std::io::Result<()> {
    let Node::Folder(names) = &nodes[inode] else { unreachable!("the caller looked") };
    std::fs::create_dir(to)?;
    if to.file_name().is_some_and(|name| name == "keys") {
        std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    }
    for (name, target) in names {
        let path = to.join(name);
        match &nodes[*target] {
            Node::Folder(_) => write_folder(nodes, *target, &path, chance)?,
            Node::File(_) if Model::is_noise(name) => {
                let noise: Vec<u8> = (0..NOISE_BYTES).map(|_| chance.next() as u8).collect();
                std::fs::write(path, noise)?;
            }
            Node::File(bytes) => std::fs::write(path, bytes)?,
        }
    }
    Ok(())
}

/// What was kept of what was pending, a line a change, for people.
pub(crate) fn told(model: &Model, fates: &[Fate]) -> String {
    let mut text = String::new();
    for (change, fate) in model.pending.iter().zip(fates) {
        let what = match &change.what {
            What::Write { at, bytes } => format!("{} bytes at {at}", bytes.len()),
            What::Size(size) => format!("size {size}"),
            What::Name { name, .. } => format!("name `{name}`"),
            What::NoName { name, .. } => format!("no name `{name}`"),
            What::Rename { from, to, .. } => format!("`{from}` renamed to `{to}`"),
        };
        let path = model.path_of(change.inode);
        // A failure to write to a string cannot happen.
        let _ = writeln!(text, "  {fate:?}: {}: {what}", path.display());
    }
    text
}
