//! Why the client did not do it: the network, the registry's answer, or what it told does not hold.

use std::path::PathBuf;

use semver::Version;
use wargate_core::authority::{Level, Takedown};
use wargate_core::digest::Digest;
use wargate_core::name::PackageName;
use wargate_core::verify::{Failure, Recovery};

/// Why the client did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the registry told does not hold.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The registry cannot be reached.
    #[error("couldn't reach `{url}`: {reason}")]
    Unreachable {
        /// The URL.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// The registry answered with an error.
    #[error("`{url}` answered {status}: {message}")]
    Refused {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// Somebody asks for credentials (401), and gets none that will do.
    #[error("couldn't get `{url}`: `{host}` asks who you are, {reason}")]
    Unauthorized {
        /// The URL.
        url: String,
        /// Who asks.
        host: String,
        /// Why it is not told.
        reason: Unauthorized,
    },
    /// The registry's answer is not one.
    #[error("the answer of `{url}` is malformed: {reason}")]
    Malformed {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The release cannot be made, by what is proven of the package and the registry.
    #[error("{reason}")]
    CannotRelease {
        /// Why, and who could.
        reason: String,
    },
    /// The version was released with another content.
    #[error("`{name}@{version}` is released already, with content `{content}`: a version is released once")]
    AlreadyReleased {
        /// The package.
        name: PackageName,
        /// The version.
        version: Version,
        /// What was released.
        content: Digest,
    },
    /// The registry did not take the release.
    #[error("the registry did not publish it ({status} {code}): {message}")]
    NotPublished {
        /// The HTTP status.
        status: u16,
        /// What kind of refusal, for programs.
        code: String,
        /// What it says.
        message: String,
        /// What it says to do next.
        hint: Option<String>,
    },
    /// The key cannot sign.
    #[error("couldn't sign: {reason}")]
    Sign {
        /// What is wrong with it.
        reason: String,
    },
    /// The registry has no such package.
    #[error("there is no package `{name}` at this registry")]
    NoSuchPackage {
        /// The package.
        name: PackageName,
    },
    /// The package has no such release.
    #[error("`{name}` has no release {version}")]
    NoSuchRelease {
        /// The package.
        name: PackageName,
        /// The version.
        version: Version,
    },
    /// The package has no release that is not yanked.
    #[error("`{name}` has no release that is not yanked")]
    NoLiveRelease {
        /// The package.
        name: PackageName,
    },
    /// The release was yanked.
    #[error("`{name}@{version}` was yanked")]
    Yanked {
        /// The package.
        name: PackageName,
        /// The version.
        version: Version,
    },
    /// The release lost its owners' trust.
    #[error(
        "`{name}@{version}` is distrusted by the owners of `{name}`: whoever released it should not have been able to"
    )]
    Distrusted {
        /// The package.
        name: PackageName,
        /// The version.
        version: Version,
    },
    /// The registry's operator keeps its bytes back, by a record that everybody sees.
    #[error("{takedown}")]
    TakenDown {
        /// What was said of it.
        takedown: Box<Takedown>,
    },
    /// A registry does not give out the bytes of a release, and nobody said why in the log.
    #[error(
        "silent takedown: `{name}@{version}` is in the log, but the registry does not give out its bytes ({status}: \
         {message}), and no record of its operator's log says why"
    )]
    SilentTakedown {
        /// The package.
        name: PackageName,
        /// The version.
        version: Version,
        /// The HTTP status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// Owners were replaced from above since something was taken.
    #[error(
        "the owners of {} were replaced at {}, by the word of the layer above and not of the old ones (record {}): \
         `{name}` is not what was taken here before",
        .recovery.log, .recovery.time, .recovery.record
    )]
    OwnersReplaced {
        /// The package.
        name: PackageName,
        /// Where.
        recovery: Box<Recovery>,
    },
    /// A release comes by a weaker word than those that were taken.
    #[error(
        "`{name}@{version}` is by the word of the {now}; what was taken of `{name}` before came by the {before}, and its \
         owners changed nothing since"
    )]
    WeakerWord {
        /// The package.
        name: PackageName,
        /// The version.
        version: Version,
        /// By which word releases came before.
        before: Level,
        /// By which this one comes.
        now: Level,
    },
    /// A pin cannot be read or written.
    #[error("the trust file `{path}`: {reason}")]
    Pin {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The content cannot be written.
    #[error("couldn't write the content: {reason}")]
    Write {
        /// What the disk says.
        reason: String,
    },
}

/// Why a host that asked for credentials did not get any, or not the right ones. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unauthorized {
    /// None were found.
    #[error("and there are no credentials for it")]
    Missing,
    /// They could not be had.
    #[error("but the credentials for it couldn't be read: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
    /// Its answer was 401 again.
    #[error("{}", not_taken(.from.as_deref()))]
    NotTaken {
        /// Where they were found; `None` for what a token server gives anybody.
        from: Option<String>,
    },
    /// They are of another sort than what was asked for.
    #[error("{}", unusable(.asked, .from.as_deref()))]
    Unusable {
        /// What was asked for.
        asked: String,
        /// Where they were found.
        from: Option<String>,
    },
    /// Somebody on the way could read them.
    #[error("and credentials are not sent over plain HTTP to another machine")]
    NotPrivate,
    /// It is not the registry, but where that sent us.
    #[error("but credentials go to `{registry}` alone, which referred to it")]
    Elsewhere {
        /// The registry.
        registry: String,
    },
    /// The token server that the registry named gave no token.
    #[error("but its token server `{realm}` gave no token: {reason}")]
    TokenServer {
        /// The token server.
        realm: String,
        /// Why.
        reason: String,
    },
}

fn not_taken(from: Option<&str>) -> String {
    match from {
        Some(from) => format!("and refuses the credentials that are in {from}"),
        None => "and a token for everybody does not do; there are no credentials for it".to_owned(),
    }
}

fn unusable(asked: &str, from: Option<&str>) -> String {
    match from {
        Some(from) => format!("in a way ({asked}) that the credentials in {from} cannot answer"),
        None => format!("in a way ({asked}) that no credentials answer"),
    }
}
