//! Who signed a release, in the three levels that every page and command names (`spec/delegation.md`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wargate_core::authority;

/// Whose signature a release stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// The registry's publishing key signed, for somebody who has an account with it.
    RegistryForAccount,
    /// The registry's publishing key signed, for a CI job whose identity its issuer vouched for.
    RegistryForCi,
    /// The publisher signed with a key of their own: the registry couldn't have made this release.
    PublisherKey,
}

impl Level {
    /// The words for it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PublisherKey => authority::Level::PublisherKey.words(),
            Self::RegistryForCi => authority::Level::RegistryForCi.words(),
            Self::RegistryForAccount => authority::Level::RegistryForAccount.words(),
        }
    }
}

impl From<authority::Level> for Level {
    fn from(level: authority::Level) -> Self {
        match level {
            authority::Level::PublisherKey => Self::PublisherKey,
            authority::Level::RegistryForCi => Self::RegistryForCi,
            authority::Level::RegistryForAccount => Self::RegistryForAccount,
        }
    }
}

/// Who signed a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedBy {
    /// Whose signature it stands on.
    pub level: Level,
    /// The ids of the keys that signed.
    pub key_ids: Vec<String>,
    /// For whom the registry signed; null for a publisher's key.
    pub on_behalf_of: Option<OnBehalfOf>,
}

/// Somebody for whom the registry signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnBehalfOf {
    /// How the registry knows them.
    pub subject_kind: Subject,
    /// Who vouches for the subject.
    #[schema(example = "https://token.actions.githubusercontent.com")]
    pub issuer: String,
    /// The subject, as the issuer names it.
    #[schema(example = "repo:acme/hello:ref:refs/tags/v1.2.0")]
    pub subject: String,
}

/// How the registry knows somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// By a token of an OpenID Connect issuer.
    Oidc,
    /// By an account.
    Account,
}
