//! What must not get slower as a registry grows: pushes into many repositories, pushes into one package, and pages of
//! lists.

use std::path::Path;

use anyhow::Result;

use super::{CONNECTIONS, Form, READ_SECONDS, REPOSITORIES, artifacts, push};
use crate::bench::peer::{self, Server};
use crate::bench::{Measured, WARGATE};

/// Artifacts that begin the packages, and that are measured early and late in short.
const SLICE: usize = 1_000;

/// Artifacts that are measured early and late where there are many: a second's worth tells more of the disk than of us.
const LONG_SLICE: usize = 5_000;

/// Tags of one package, and referrers of one manifest, in the end.
const LISTED: usize = 10_000;

/// Artifacts that the load makes in memory at once.
const MADE_AT_ONCE: usize = 10_000;

/// Measures our server as it grows.
pub(super) fn round(measured: &mut Measured, folder: &Path, form: Form) -> Result<()> {
    let (total, slice) = match form {
        Form::Short => (10_000, SLICE),
        Form::Long => (100_000, LONG_SLICE),
    };
    let server = peer::wargate(&folder.join("growth"))?;
    let many = Growing { server: &server, run: "many", repositories: REPOSITORIES };
    // The first ones begin the packages, and are another kind of work.
    many.fill(measured, 0, SLICE)?;
    many.push(measured, SLICE, SLICE + slice, "push_early")?;
    many.fill(measured, SLICE + slice, total - slice)?;
    many.push(measured, total - slice, total, "push_late")?;
    let tags = Growing { server: &server, run: "tags", repositories: "1" };
    tags.slice(measured, 0, "push_few_tags")?;
    tags.pages(measured, SLICE, "tags_page_few")?;
    tags.fill(measured, SLICE, LISTED - SLICE)?;
    tags.slice(measured, LISTED - SLICE, "push_many_tags")?;
    tags.pages(measured, LISTED, "tags_page_many")?;
    for (first, end, phase) in [(0, SLICE, "referrers_few"), (SLICE, LISTED, "referrers_many")] {
        let (first, end) = (first.to_string(), end.to_string());
        let pushed = format!("push_{phase}");
        let how = ["--connections", CONNECTIONS, "--first", &first, "--referrers", &end, "--phase", &pushed];
        measured.take(WARGATE, &server, &[&["oci-push-referrers"], &how[..]].concat())?;
        let how = ["--connections", "1", "--seconds", READ_SECONDS, "--referrers", &end, "--phase", phase];
        measured.take(WARGATE, &server, &[&["oci-referrers"], &how[..]].concat())?;
    }
    Ok(())
}

/// A run that is pushed piece by piece.
struct Growing<'a> {
    server: &'a Server,
    run: &'a str,
    repositories: &'a str,
}

impl Growing<'_> {
    /// Pushes [`SLICE`] artifacts from a number on.
    fn slice(&self, measured: &mut Measured, first: usize, phase: &str) -> Result<()> {
        self.push(measured, first, first + SLICE, phase)
    }

    /// Pushes those in between.
    fn fill(&self, measured: &mut Measured, first: usize, end: usize) -> Result<()> {
        (first..end)
            .step_by(MADE_AT_ONCE)
            .try_for_each(|first| self.push(measured, first, end.min(first + MADE_AT_ONCE), "push_between"))
    }

    fn push(&self, measured: &mut Measured, first: usize, end: usize, phase: &str) -> Result<()> {
        let (first, end) = (first.to_string(), end.to_string());
        let what = artifacts(self.run, &end, self.repositories);
        let what = [&what[..], &["--first", &first]].concat();
        push(measured, WARGATE, self.server, CONNECTIONS, &what, phase)
    }

    /// Pages of the tags of the only repository.
    fn pages(&self, measured: &mut Measured, tags: usize, phase: &str) -> Result<()> {
        let tags = tags.to_string();
        let what = artifacts(self.run, &tags, self.repositories);
        let how =
            ["oci-tags-page", "--connections", CONNECTIONS, "--seconds", READ_SECONDS, "--phase", phase];
        measured.take(WARGATE, self.server, &[&how[..], &what].concat())
    }
}
