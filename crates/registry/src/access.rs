//! Who may do what: every door's callers, what they hold, and what is hidden from whom.
//!
//! One rule ([`Caller::may`]) decides for every door, since it is asked here, below them: a [`crate::Registry`] is bound
//! to a caller, and what it hands out is bound to the same one. Not here: where a caller's word comes from (the doors
//! read headers), and what owners of a log may do (their signatures say that).

use std::collections::BTreeSet;
use std::sync::Arc;

use wargate_core::name::Namespace;
use wargate_wire::oci::reference::RepositoryName;

use crate::error::Error;

mod scope;
pub(crate) mod session;
pub mod tokens;

pub use scope::{Action, Actions, Names, Scope, ScopeError};
pub use session::{Asked, Session};

/// What the operator lets happen without a word of who it is, and what is nobody's to see but its own people's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What everybody may do with what is not private.
    pub anonymous: Actions,
    /// Names that only those see who hold a token for them.
    pub private: Vec<Names>,
}

impl Access {
    /// Everybody may do everything: for trying it out, or behind something else that decides.
    pub const OPEN: Self = Self { anonymous: Actions::ALL, private: Vec::new() };

    /// Whether nobody needs to say who they are for anything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.anonymous == Actions::ALL && self.private.is_empty()
    }

    /// Whether the operator wants this namespace private.
    pub(crate) fn makes_private(&self, namespace: &Namespace) -> bool {
        self.private.iter().any(|names| names.cover(namespace.as_str()))
    }

    /// The namespaces that the operator wants private by name.
    pub(crate) fn private_namespaces(&self) -> impl Iterator<Item = Namespace> {
        self.private.iter().filter_map(|names| match names {
            Names::Namespace(namespace) => namespace.parse().ok(),
            Names::All | Names::Exactly(_) => None,
        })
    }
}

/// What holds now: the operator's word, and that of the owners of namespaces.
pub(crate) struct Rules<'a> {
    access: &'a Access,
    /// The namespaces whose own log makes them private.
    private: Arc<BTreeSet<Namespace>>,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(access: &'a Access, private: Arc<BTreeSet<Namespace>>) -> Self {
        Self { access, private }
    }

    /// Whether this repository, or package by its repository's name, is private.
    fn is_private(&self, name: &str) -> bool {
        let namespace = name.split('/').next().unwrap_or_default();
        self.access.private.iter().any(|names| names.cover(name))
            || self.private.iter().any(|private| private.as_str() == namespace)
    }

    fn hides_nothing(&self) -> bool {
        self.access.private.is_empty() && self.private.is_empty()
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller(Standing);

#[derive(Debug, Clone)]
enum Standing {
    /// The embedder, or an operator by name: nothing is hidden, everything is allowed.
    Operator(Option<Account>),
    /// Nobody said who it is.
    Anonymous,
    /// Somebody with a token.
    Account(Account, Arc<[Scope]>),
    /// Any of them for a moment, with what was asked for and granted.
    Session { whose: Box<Caller>, scopes: Arc<[Scope]>, lists: bool },
}

/// By whom a caller is known.
#[derive(Debug, Clone)]
struct Account {
    name: Arc<str>,
    /// The id of the token that says so.
    token: Arc<str>,
}

/// Why a caller may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// Nobody knows who it is: it may come again and say so.
    Unknown,
    /// It holds too little for now: it may ask for more.
    TooNarrow,
    /// It is known, and may not.
    Known,
}

impl Caller {
    /// The embedder itself.
    #[must_use]
    pub fn operator() -> Self {
        Self(Standing::Operator(None))
    }

    /// Whoever says nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Standing::Anonymous)
    }

    fn known_by(&self) -> Option<&Account> {
        match &self.0 {
            Standing::Operator(account) => account.as_ref(),
            Standing::Account(account, _) => Some(account),
            Standing::Session { whose, .. } => whose.known_by(),
            Standing::Anonymous => None,
        }
    }

    /// The account that it is known by; releases are made on behalf of it.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.known_by().map(|account| &*account.name)
    }

    /// Whether it is the operator.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        matches!(self.0, Standing::Operator(_))
    }

    /// Whether it said who it is.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.0, Standing::Anonymous)
    }

    /// Whether it is a session that did not ask for the list of everything: whoever asks for that gets it.
    #[must_use]
    pub fn did_not_ask_to_list(&self) -> bool {
        matches!(self.0, Standing::Session { lists: false, .. })
    }

    /// Whether it may do this with a repository, or with a package by its repository's name.
    pub(crate) fn may(&self, rules: &Rules<'_>, action: Action, name: &str) -> bool {
        let public = || rules.access.anonymous.has(action) && !rules.is_private(name);
        match &self.0 {
            Standing::Operator(_) => true,
            Standing::Anonymous => public(),
            Standing::Account(_, scopes) => public() || Scope::any(scopes, action, name),
            // Only what was asked for: a session that is handed on can do no more.
            Standing::Session { scopes, .. } => Scope::any(scopes, action, name),
        }
    }

    /// Whether it may do this with every name there is or could be, so that none need be looked up.
    pub(crate) fn may_all(&self, rules: &Rules<'_>, action: Action) -> bool {
        self.is_operator()
            || (rules.access.anonymous.has(action)
                && rules.hides_nothing()
                && !matches!(self.0, Standing::Session { .. }))
    }

    /// Whether a list of everything names this repository to it: a session that was granted the list sees there what
    /// whoever it belongs to may pull.
    pub(crate) fn may_list(&self, rules: &Rules<'_>, name: &str) -> bool {
        match &self.0 {
            Standing::Session { whose, lists: true, .. } => whose.may(rules, Action::Pull, name),
            _ => self.may(rules, Action::Pull, name),
        }
    }

    /// The same as [`Caller::may`] where a refusal is answered.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if it may come again and say who it is, or ask for more; else [`Error::Denied`], or,
    /// of a pull, [`Error::UnknownRepository`]: what somebody may not see is not told from what is not there.
    pub(crate) fn check(
        &self,
        rules: &Rules<'_>,
        action: Action,
        name: &RepositoryName,
    ) -> Result<(), Error> {
        if self.may(rules, action, name.as_str()) {
            return Ok(());
        }
        let refused = self.refusal(rules, action, name.as_str());
        let name = name.clone();
        Err(match (refused, action) {
            (Refused::Known, Action::Pull) => Error::UnknownRepository { repository: name },
            (Refused::Known, _) => Error::Denied {
                reason: format!(
                    "`{}` may not {action} `{name}` here: ask the registry's operator for a token with `{name}:{action}`",
                    self.account().unwrap_or("this token")
                ),
            },
            (refused, _) => {
                Error::Unauthenticated { action, name, too_narrow: refused == Refused::TooNarrow }
            }
        })
    }

    fn refusal(&self, rules: &Rules<'_>, action: Action, name: &str) -> Refused {
        match &self.0 {
            Standing::Anonymous => Refused::Unknown,
            // To ask for more is of use only to those who would get it.
            Standing::Session { whose, .. } if whose.may(rules, action, name) => Refused::TooNarrow,
            Standing::Session { whose, .. } => whose.refusal(rules, action, name),
            Standing::Operator(_) | Standing::Account(..) => Refused::Known,
        }
    }

    /// Of the scopes asked for, what it may: never more than it holds.
    fn granted(&self, rules: &Rules<'_>, asked: &[(RepositoryName, Actions)]) -> Vec<Scope> {
        let granted = asked.iter().map(|(name, actions)| {
            let may = actions.iter().filter(|action| self.may(rules, *action, name.as_str()));
            Scope { names: Names::Exactly(name.to_string()), actions: may.collect() }
        });
        granted.filter(|scope| !scope.actions.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests;
