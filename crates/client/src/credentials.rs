//! What a registry may ask for before it answers: a user and a password, or a token. Where they are kept is the
//! caller's matter ([`CredentialSource`]); where they are sent is decided in `access.rs`.

use wargate_wire::docker::Secret;

/// A secret, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The secret.
    pub secret: Secret,
    /// The place it is from, for people.
    pub from: String,
}

/// Where credentials are looked for when a registry asks.
pub trait CredentialSource: Send + Sync {
    /// Those for a host (`HOST` or `HOST:PORT`, as in its URL), if there are any. It is called at most once per
    /// [`crate::Registry`], and may take its time.
    ///
    /// # Errors
    /// Why they cannot be had, for people; without any secret.
    fn find(&self, host: &str) -> Result<Option<Credentials>, String>;
}
