//! A run of the rules.

use std::time::Duration;

use crate::outcome::{Failure, Outcome, Summary, Verdict};
use crate::rule::{Level, Rule};
use crate::rules;
use crate::site::Site;
use crate::tokens::{Credentials, Tokens};

/// How long a rule may take.
const RULE_WITHIN: Duration = Duration::from_secs(180);

/// Why a rule about tokens was not tried.
const NO_CREDENTIALS: &str = "needs credentials: give --username and --password, or --token";

/// The first part of repositories' names, unless another is given.
pub const REPOSITORY_DEFAULT: &str = "conformance";

/// A server to judge.
#[derive(Debug, Clone)]
pub struct Target {
    /// `http://HOST:PORT`.
    pub url: String,
    /// The first part of all repositories' names.
    pub repository: String,
    /// Who the run is.
    pub credentials: Option<Credentials>,
}

impl Target {
    /// A server that lets everybody in.
    #[must_use]
    pub fn open(url: impl Into<String>) -> Self {
        Self { url: url.into(), repository: REPOSITORY_DEFAULT.to_owned(), credentials: None }
    }
}

/// Which rules to try.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Only those with these ids, or with ids that begin with one of these and a dot; all if empty.
    pub only: Vec<String>,
    /// Only those of this level.
    pub level: Option<Level>,
}

impl Choice {
    /// Whether a rule is among them.
    #[must_use]
    pub fn takes(&self, rule: &Rule) -> bool {
        let named = |id: &String| rule.id == id || rule.id.starts_with(&format!("{id}."));
        (self.only.is_empty() || self.only.iter().any(named))
            && self.level.is_none_or(|level| level == rule.level)
    }
}

/// A run that cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is none.
    #[error("`{url}` is not the address of a server: expected http://HOST:PORT")]
    Url {
        /// What was given.
        url: String,
    },
    /// Nothing is chosen.
    #[error("no rule has the id `{id}`: --list shows all")]
    NoSuchRule {
        /// What was given.
        id: String,
    },
    /// The server does not answer, or lets nobody in.
    #[error("the server cannot be judged: {failure}")]
    Server {
        /// What was seen.
        failure: Failure,
    },
}

/// Tries all chosen rules one after the other and tells of each as it comes out.
///
/// # Errors
/// If the run cannot begin.
pub async fn judge(
    target: &Target,
    choice: &Choice,
    mut told: impl FnMut(&Verdict),
) -> Result<Summary, StartError> {
    if let Some(id) = choice.only.iter().find(|id| !known(id)) {
        return Err(StartError::NoSuchRule { id: id.clone() });
    }
    let host = host(&target.url).ok_or_else(|| StartError::Url { url: target.url.clone() })?;
    let tokens = Tokens::ask(&host, target.credentials.clone()).await;
    let tokens = tokens.map_err(|failure| StartError::Server { failure })?;
    let site = Site::new(host, target.repository.clone(), tokens);
    let mut summary = Summary::default();
    for rule in rules::all().filter(|rule| choice.takes(rule)) {
        let outcome = outcome(rule, &site).await;
        let verdict = Verdict { rule, outcome };
        told(&verdict);
        summary.verdicts.push(verdict);
    }
    Ok(summary)
}

fn known(id: &str) -> bool {
    let choice = Choice { only: vec![id.to_owned()], level: None };
    rules::all().any(|rule| choice.takes(rule))
}

async fn outcome(rule: &Rule, site: &Site) -> Outcome {
    if rule.needs_credentials() && site.tokens.credentials.is_none() {
        return Outcome::Skipped(NO_CREDENTIALS);
    }
    match tokio::time::timeout(RULE_WITHIN, (rule.check)(site)).await {
        Ok(Ok(())) => Outcome::Kept,
        Ok(Err(failure)) => Outcome::Broken(failure),
        Err(_) => {
            let expected = format!("an end within {} s", RULE_WITHIN.as_secs());
            Outcome::Broken(Failure::new(rule.id, expected, "none"))
        }
    }
}

/// `HOST:PORT` of a URL.
fn host(url: &str) -> Option<String> {
    let host = url.strip_prefix("http://")?.trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '?', '@']) {
        return None;
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port { host.to_owned() } else { format!("{host}:80") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_a_port() {
        assert_eq!(host("http://a:1/").as_deref(), Some("a:1"));
        assert_eq!(host("http://a").as_deref(), Some("a:80"));
        for bad in ["a:1", "https://a", "http://", "http://a/v2", "http://u:p@a"] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn an_id_that_no_rule_has_is_told() {
        let choice = Choice { only: vec!["blob.nothing".to_owned()], level: None };
        let outcome = judge(&Target::open("http://127.0.0.1:1"), &choice, |_| {}).await;
        assert!(matches!(outcome, Err(StartError::NoSuchRule { id }) if id == "blob.nothing"));
    }
}
