//! What a token is for: names and actions, in text `NAMES:ACTIONS`.

use std::fmt;
use std::str::FromStr;

use wargate_wire::oci::reference::RepositoryName;

/// What may be done with a repository or a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Read it, and know that it is there.
    Pull,
    /// Upload to it, release in it.
    Push,
    /// Take things out of it.
    Delete,
}

impl Action {
    const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Some actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions(u8);

impl Actions {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// Each of them.
    pub const ALL: Self = Self(0b111);

    /// Whether it is among them.
    #[must_use]
    pub fn has(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each once, in order.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.has(*action))
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |bits, action| bits | action.bit()))
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("*");
        }
        f.write_str(&self.iter().map(Action::name).collect::<Vec<_>>().join(","))
    }
}

/// Why a text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// There is no action of this name.
    #[error("`{action}` is none of `pull`, `push`, `delete` and `*`")]
    Action {
        /// What stands there.
        action: String,
    },
    /// It has no colon.
    #[error("`{text}` is not of the form NAMES:ACTIONS, as `acme/*:pull,push`")]
    Form {
        /// What was given.
        text: String,
    },
    /// The names are none.
    #[error("`{names}` is neither a repository (`acme/hello`) nor a namespace (`acme/*`) nor `*`")]
    Names {
        /// What stands there.
        names: String,
    },
}

impl FromStr for Actions {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text == "*" {
            return Ok(Self::ALL);
        }
        let parse = |part: &str| {
            let known = Action::ALL.into_iter().find(|action| action.name() == part);
            known.ok_or_else(|| ScopeError::Action { action: part.to_owned() })
        };
        text.split(',').map(parse).collect()
    }
}

/// Repositories by name; a package `acme:hello` is the repository `acme/hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// `*`: all.
    All,
    /// `acme/*`: everything in a namespace.
    Namespace(String),
    /// `acme/hello`: one.
    Exactly(String),
}

impl Names {
    /// Whether a repository is among them.
    #[must_use]
    pub fn cover(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(namespace) => name.split('/').next() == Some(namespace),
            Self::Exactly(one) => one == name,
        }
    }
}

impl FromStr for Names {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text == "*" {
            return Ok(Self::All);
        }
        let (name, all) = text.strip_suffix("/*").map_or((text, false), |namespace| (namespace, true));
        let names = || ScopeError::Names { names: text.to_owned() };
        let name = name.parse::<RepositoryName>().map_err(|_| names())?.to_string();
        match all {
            true if name.contains('/') => Err(names()),
            true => Ok(Self::Namespace(name)),
            false => Ok(Self::Exactly(name)),
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Namespace(namespace) => write!(f, "{namespace}/*"),
            Self::Exactly(name) => f.write_str(name),
        }
    }
}

/// What may be done with which names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Which.
    pub names: Names,
    /// What.
    pub actions: Actions,
}

impl Scope {
    /// Whether one of several lets an action happen.
    pub(super) fn any(scopes: &[Self], action: Action, name: &str) -> bool {
        scopes.iter().any(|scope| scope.actions.has(action) && scope.names.cover(name))
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        // A repository's name holds no colon.
        let (names, actions) =
            text.split_once(':').ok_or_else(|| ScopeError::Form { text: text.to_owned() })?;
        Ok(Self { names: names.parse()?, actions: actions.parse()? })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.names, self.actions)
    }
}
