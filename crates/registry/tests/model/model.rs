//! What repositories are, in a few maps.

use std::collections::{BTreeMap, BTreeSet};

/// Who asks: their scopes, if it is a token's holder; the last one is the operator.
pub const CALLERS: [Option<&[&str]>; 4] =
    [None, Some(&["one/*:*", "two/*:pull,push"]), Some(&["hidden/*:*", "one/*:pull"]), Some(&[])];

/// The last one is private.
pub const REPOSITORIES: [&str; 3] = ["one/app", "two/app", "hidden/app"];

/// Contents: the empty config, two small ones, and one that is an object.
pub const BLOBS: usize = 4;
pub const LARGE: usize = 2;

/// Manifests: what each is made of.
pub const MANIFESTS: usize = 5;
pub const TAGS: [&str; 2] = ["a", "b"];

pub struct Made {
    pub blobs: &'static [usize],
    pub children: &'static [usize],
    pub subject: Option<Subject>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Manifest(usize),
    Nothing,
}

pub const MADE: [Made; MANIFESTS] = [
    Made { blobs: &[0, 1], children: &[], subject: None },
    Made { blobs: &[0, 2], children: &[], subject: None },
    Made { blobs: &[0, 1, 3], children: &[], subject: Some(Subject::Manifest(0)) },
    Made { blobs: &[], children: &[0], subject: None },
    Made { blobs: &[0, 3], children: &[], subject: Some(Subject::Nothing) },
];

/// A caller and a repository.
pub type At = (usize, usize);

#[derive(Debug, Clone)]
pub enum Op {
    Upload {
        at: At,
        blob: usize,
    },
    /// A HEAD.
    Ask {
        at: At,
        blob: usize,
    },
    Mount {
        at: At,
        blob: usize,
        from: Option<usize>,
    },
    Put {
        at: At,
        manifest: usize,
        tag: Option<usize>,
    },
    /// By digest.
    Get {
        at: At,
        manifest: usize,
    },
    DeleteBlob {
        at: At,
        blob: usize,
    },
    DeleteManifest {
        at: At,
        manifest: usize,
    },
    DeleteTag {
        at: At,
        tag: usize,
    },
    Wait {
        hours: u64,
    },
    Sweep,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// It is not there, or the caller may not know.
    NotThere,
    /// The caller may not, and is told so.
    Refused,
    /// What a manifest names is not there.
    Missing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Pull,
    Push,
    Delete,
}

/// In hours.
const LEASE: u64 = 24;
const RENEWED: u64 = LEASE / 24;
const UNTAGGED: u64 = 30 * 24;
const ASKED: u64 = UNTAGGED / 24;

#[derive(Default)]
pub struct Repository {
    pub begun: bool,
    /// Blobs, and when each was linked.
    pub links: BTreeMap<usize, u64>,
    /// Manifests, and when each was pushed or asked for.
    pub manifests: BTreeMap<usize, u64>,
    pub tags: BTreeMap<usize, usize>,
}

impl Repository {
    fn is_part(&self, blob: usize) -> bool {
        self.manifests.keys().any(|manifest| MADE[*manifest].blobs.contains(&blob))
    }

    /// Whether something here needs a manifest.
    fn is_named(&self, manifest: usize) -> bool {
        self.tags.values().any(|named| *named == manifest)
            || self.manifests.keys().any(|other| MADE[*other].children.contains(&manifest))
            || matches!(MADE[manifest].subject, Some(Subject::Manifest(of)) if self.manifests.contains_key(&of))
    }

    pub fn referrers(&self, subject: Subject) -> BTreeSet<usize> {
        self.manifests.keys().copied().filter(|manifest| MADE[*manifest].subject == Some(subject)).collect()
    }

    fn sweep(&mut self, now: u64) {
        let links: Vec<usize> = self
            .links
            .iter()
            .filter(|(blob, linked)| *linked + LEASE <= now && !self.is_part(**blob))
            .map(|(blob, _)| *blob)
            .collect();
        let manifests: Vec<usize> = self
            .manifests
            .iter()
            .filter(|(manifest, pushed)| *pushed + UNTAGGED <= now && !self.is_named(**manifest))
            .map(|(manifest, _)| *manifest)
            .collect();
        self.links.retain(|blob, _| !links.contains(blob));
        self.manifests.retain(|manifest, _| !manifests.contains(manifest));
    }
}

#[derive(Default)]
pub struct Model {
    now: u64,
    pub repositories: [Repository; 3],
}

/// Public repositories are read by everybody.
pub fn may((caller, repository): At, action: Action) -> bool {
    let public = repository < 2 && action == Action::Pull;
    public
        || match caller {
            0 => false,
            1 => repository == 0 || (repository == 1 && action != Action::Delete),
            2 => repository == 2,
            _ => true,
        }
}

impl Model {
    /// What a caller is told who may not.
    pub fn check(at: At, action: Action) -> Result<(), Answer> {
        match (may(at, action), action) {
            (true, _) => Ok(()),
            // Nobody is asked who they are; whoever said so is told nothing of what they may not see.
            (false, Action::Pull) if at.0 > 0 => Err(Answer::NotThere),
            (false, _) => Err(Answer::Refused),
        }
    }

    pub fn apply(&mut self, op: &Op) -> Answer {
        match self.try_apply(op) {
            Ok(()) => Answer::Done,
            Err(answer) => answer,
        }
    }

    fn try_apply(&mut self, op: &Op) -> Result<(), Answer> {
        let now = self.now;
        match *op {
            Op::Upload { at, blob } => {
                Self::check(at, Action::Push)?;
                self.link(at, blob);
            }
            Op::Ask { at, blob } => {
                Self::check(at, Action::Pull)?;
                let linked = self.repositories[at.1].links.get_mut(&blob).ok_or(Answer::NotThere)?;
                if *linked + RENEWED <= now && may(at, Action::Push) {
                    *linked = now;
                }
            }
            Op::Mount { at, blob, from } => {
                Self::check(at, Action::Push)?;
                let has = |repository: usize| {
                    self.repositories[repository].links.contains_key(&blob)
                        && may((at.0, repository), Action::Pull)
                        && from.is_none_or(|from| from == repository)
                };
                if !(0..REPOSITORIES.len()).any(has) {
                    return Err(Answer::NotThere);
                }
                self.link(at, blob);
            }
            Op::Put { at, manifest, tag } => {
                Self::check(at, Action::Push)?;
                let repository = &mut self.repositories[at.1];
                let made = &MADE[manifest];
                let all = made.blobs.iter().all(|blob| repository.links.contains_key(blob))
                    && made.children.iter().all(|child| repository.manifests.contains_key(child));
                if !all {
                    return Err(Answer::Missing);
                }
                repository.begun = true;
                repository.manifests.insert(manifest, now);
                repository.tags.extend(tag.map(|tag| (tag, manifest)));
            }
            Op::Get { at, manifest } => {
                Self::check(at, Action::Pull)?;
                let asked = self.repositories[at.1].manifests.get_mut(&manifest).ok_or(Answer::NotThere)?;
                if *asked + ASKED <= now {
                    *asked = now;
                }
            }
            Op::DeleteBlob { at, blob } => {
                Self::check(at, Action::Delete)?;
                self.repositories[at.1].links.remove(&blob).ok_or(Answer::NotThere)?;
            }
            Op::DeleteManifest { at, manifest } => {
                Self::check(at, Action::Delete)?;
                let repository = &mut self.repositories[at.1];
                repository.manifests.remove(&manifest).ok_or(Answer::NotThere)?;
                repository.tags.retain(|_, named| *named != manifest);
            }
            Op::DeleteTag { at, tag } => {
                Self::check(at, Action::Delete)?;
                self.repositories[at.1].tags.remove(&tag).ok_or(Answer::NotThere)?;
            }
            Op::Wait { hours } => self.now += hours,
            Op::Sweep => self.repositories.iter_mut().for_each(|repository| repository.sweep(now)),
        }
        Ok(())
    }

    fn link(&mut self, (_, repository): At, blob: usize) {
        self.repositories[repository].begun = true;
        self.repositories[repository].links.insert(blob, self.now);
    }

    /// Whether any repository links a blob.
    pub fn is_linked(&self, blob: usize) -> bool {
        self.repositories.iter().any(|repository| repository.links.contains_key(&blob))
    }
}
