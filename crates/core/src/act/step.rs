//! Steps: the things that an act can do, each with its values typed (`spec/delegation.md`, "Acts and records").
//!
//! Not here: how they are read and written (`message`), and what they may do, which is decided where logs are
//! judged.

use std::fmt;

use semver::Version;

use super::power::Power;
use super::scope::Scope;
use crate::digest::Digest;
use crate::id::RecordId;
use crate::key::{KeyId, PublicKey};
use crate::name::{Namespace, PackageName};
use crate::time::Time;

/// One thing that an act does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Names the log's owners; the first step of its first record.
    Init {
        /// Their keys.
        keys: Vec<PublicKey>,
        /// How many of them must agree.
        threshold: u32,
    },
    /// Makes a role, or adds to a live one.
    Grant(Grant),
    /// Takes keys from a role, or ends it.
    Revoke(Revoke),
    /// Releases a version of a package.
    Release(Release),
    /// Yanks a version of a package.
    Yank {
        /// The version.
        version: Version,
        /// Why, for people.
        reason: String,
    },
    /// Says something about a version, a name, or the whole log.
    Annotate {
        /// What kind of thing.
        kind: AnnotationKind,
        /// About what; its meaning depends on the layer and the kind.
        subject: String,
        /// What is said.
        value: String,
    },
    /// Namespace: lets a v1 log start.
    Admit {
        /// The part after the colon.
        name: String,
        /// The key that may start it, P-256.
        key: PublicKey,
    },
    /// Package, namespace: new owners, by the layer above.
    Recover {
        /// Their keys.
        keys: Vec<PublicKey>,
        /// How many of them must agree.
        threshold: u32,
    },
    /// Operator: says that a namespace is another registry's.
    Import {
        /// The namespace.
        namespace: Namespace,
        /// That registry's domain.
        registry: String,
    },
    /// Operator: removes content, or puts it aside for a while.
    Takedown {
        /// The package.
        package: PackageName,
        /// Its version; `None` means all.
        version: Option<Version>,
        /// Why, for people.
        reason: String,
        /// Whether an earlier one ends instead.
        lifted: bool,
        /// When it ends by itself: a quarantine.
        not_after: Option<Time>,
    },
}

/// What a grant says; what is absent is copied from the parent, or unchanged in a live role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The role's name.
    pub role: String,
    /// The keys that get it.
    pub keys: Vec<PublicKey>,
    /// How many of its keys must agree; 0 if absent.
    pub threshold: u32,
    /// Its powers; none if absent.
    pub powers: Vec<Power>,
    /// What it may use them on; unlimited if absent.
    pub scope: Scope,
    /// When it ends.
    pub not_after: Option<Time>,
    /// How deep it may delegate.
    pub depth: u32,
    /// The role that it hangs under; empty if absent, which means `owner` for a new role.
    pub parent: String,
}

/// What a revoke says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoke {
    /// The role's name.
    pub role: String,
    /// The keys that lose it; none means the whole role.
    pub key_ids: Vec<KeyId>,
    /// The first record from which the role's releases are no longer trusted.
    pub since: Option<RecordId>,
}

/// What a release says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The version.
    pub version: Version,
    /// Its content.
    pub content: Digest,
    /// The manifest that the OCI door serves it by.
    pub manifest: Option<Digest>,
    /// The same content made ready in other ways.
    pub variants: Vec<Variant>,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
    /// For whom a publishing key endorses it.
    pub on_behalf_of: Option<OnBehalfOf>,
    /// Whether its author says that it breaks what came before.
    pub breaking: bool,
}

/// The content of a release, made ready in another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// In which way.
    pub kind: VariantKind,
    /// The variant's content.
    pub content: Digest,
    /// Its manifest.
    pub manifest: Option<Digest>,
}

/// A package that a release needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The package.
    pub name: PackageName,
    /// The versions that will do, as the component says it.
    pub requirement: String,
    /// The version that was used, if one was.
    pub version: Option<Version>,
    /// Its content.
    pub content: Option<Digest>,
}

/// The person or machine for whom a publishing key endorses: `oidc ISSUER SUBJECT` or `account ISSUER SUBJECT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnBehalfOf {
    /// How the registry knows them.
    pub identity: Identity,
    /// Who vouches for the subject.
    pub issuer: String,
    /// The subject; it may hold spaces.
    pub subject: String,
}

/// Text values that are names of one list each.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$word_doc])* $word,)* }

        impl $name {
            /// Its text in an act.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }

            /// The inverse of [`Self::as_str`].
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$word),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// How the registry knows somebody.
    Identity {
        /// By an identity provider's word, usually a CI job's.
        Oidc = "oidc",
        /// By an account.
        Account = "account",
    }
}

words! {
    /// In which way a variant was made.
    VariantKind {
        /// Its dependencies have exact versions.
        Locked = "locked",
        /// Its dependencies are inside.
        Bundled = "bundled",
    }
}

words! {
    /// What an annotation is.
    AnnotationKind {
        /// Better not used any more.
        Deprecate = "deprecate",
        /// A note for people.
        Note = "note",
        /// A variant of a release.
        Variant = "variant",
        /// A release that the registry signed, lifted to the publisher's own level.
        Endorse = "endorse",
        /// A policy of the log.
        Policy = "policy",
        /// The key of another log origin that signs checkpoints too.
        Vkey = "vkey",
    }
}

impl OnBehalfOf {
    /// Reads the text form: fields separated by one space, the subject is the rest.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (identity, rest) = text.split_once(' ')?;
        let (issuer, subject) = rest.split_once(' ')?;
        let identity = Identity::parse(identity)?;
        let whole = !issuer.is_empty() && !subject.is_empty();
        whole.then(|| Self { identity, issuer: issuer.to_owned(), subject: subject.to_owned() })
    }
}

impl fmt::Display for OnBehalfOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.identity, self.issuer, self.subject)
    }
}

impl Step {
    /// The keys that it lets into a role; they are in a live one after it.
    #[must_use]
    pub fn lets_in(&self) -> &[PublicKey] {
        match self {
            Self::Init { keys, .. } | Self::Recover { keys, .. } => keys,
            Self::Grant(grant) => &grant.keys,
            Self::Revoke(_)
            | Self::Release(_)
            | Self::Yank { .. }
            | Self::Annotate { .. }
            | Self::Admit { .. }
            | Self::Import { .. }
            | Self::Takedown { .. } => &[],
        }
    }

    /// The step's name, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Init { .. } => "Init",
            Self::Grant(_) => "Grant",
            Self::Revoke(_) => "Revoke",
            Self::Release(_) => "Release",
            Self::Yank { .. } => "Yank",
            Self::Annotate { .. } => "Annotate",
            Self::Admit { .. } => "Admit",
            Self::Recover { .. } => "Recover",
            Self::Import { .. } => "Import",
            Self::Takedown { .. } => "Takedown",
        }
    }
}
