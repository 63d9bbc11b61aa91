//! What an embedder lets in: whoever pays for hosting has a say before a release is made.

use semver::Version;
use wargate_component::Inspection;
use wargate_core::digest::Digest;
use wargate_core::name::PackageName;

/// A release that somebody wants to make.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The package.
    pub name: &'a PackageName,
    /// The version.
    pub version: &'a Version,
    /// Its content.
    pub content: &'a Digest,
    /// What the content is; `None` for content that lies elsewhere and was never looked at.
    pub inspection: Option<&'a Inspection>,
}

/// The embedder's say. The registry's own rules are asked besides.
pub trait Admission: Send + Sync + 'static {
    /// Lets the release in, or says why not, in words for the one who sent it.
    ///
    /// # Errors
    /// The reason.
    fn admit(&self, candidate: &Candidate<'_>) -> Result<(), String>;
}

impl<F> Admission for F
where
    F: Fn(&Candidate<'_>) -> Result<(), String> + Send + Sync + 'static,
{
    fn admit(&self, candidate: &Candidate<'_>) -> Result<(), String> {
        self(candidate)
    }
}
