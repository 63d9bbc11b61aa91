//! What a step does, in words for the one who is asked to sign it.

use std::fmt;

use super::{Grant, Release, Revoke, Step};
use crate::key::PublicKey;
use crate::text::plain;
use crate::time::Time;

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init { keys, threshold } => {
                write!(f, "begins the log, owned by {}", of_keys(keys, *threshold))
            }
            Self::Grant(grant) => grant.fmt(f),
            Self::Revoke(revoke) => revoke.fmt(f),
            Self::Release(release) => release.fmt(f),
            Self::Yank { version, reason } => write!(f, "yanks {version}{}", because(reason)),
            Self::Annotate { kind, subject, value } => {
                let about = if subject.is_empty() { "the whole log" } else { subject };
                if value.is_empty() {
                    return write!(f, "withdraws what was said as `{kind}` of {about}");
                }
                write!(f, "says `{kind}` of {about}: {}", plain(value))
            }
            Self::Admit { name, key } => write!(f, "lets key {} start the v1 log `{name}`", key.id()),
            Self::Recover { keys, threshold } => {
                write!(
                    f,
                    "gives the log to new owners, {}; every other role of it ends",
                    of_keys(keys, *threshold)
                )
            }
            Self::Import { namespace, registry } => {
                write!(f, "says that the namespace `{namespace}` is the registry {registry}'s")
            }
            Self::Takedown { package, version, reason, lifted, not_after } => {
                let what = match version {
                    Some(version) => format!("{package}@{version}"),
                    None => format!("all of {package}"),
                };
                match (lifted, not_after) {
                    (true, _) => write!(f, "brings back {what}{}", because(reason)),
                    (false, Some(end)) => write!(f, "puts {what} aside until {end}{}", because(reason)),
                    (false, None) => write!(f, "takes down {what}{}", because(reason)),
                }
            }
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grants the role `{}`", self.role)?;
        if !self.parent.is_empty() {
            write!(f, " under `{}`", self.parent)?;
        }
        if !self.keys.is_empty() {
            write!(f, " to {}", ids(&self.keys))?;
        }
        if self.threshold > 0 {
            write!(f, ", of whom {} must agree", self.threshold)?;
        }
        if !self.powers.is_empty() {
            let powers: Vec<&str> = self.powers.iter().map(|power| power.as_str()).collect();
            write!(f, "; it may {}", powers.join(", "))?;
        }
        let scope = self.scope.to_texts();
        if !scope.is_empty() {
            write!(f, ", over {}", scope.join(" or "))?;
        }
        if self.depth > 0 {
            write!(f, "; it may hand that on, {} deep", self.depth)?;
        }
        until(f, self.not_after)
    }
}

impl fmt::Display for Revoke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key_ids.is_empty() {
            write!(f, "ends the role `{}` and all that hangs under it", self.role)?;
        } else {
            let ids: Vec<String> = self.key_ids.iter().map(ToString::to_string).collect();
            write!(f, "takes {} from the role `{}`", ids.join(", "), self.role)?;
        }
        match &self.since {
            Some(since) => write!(f, "; what it released from record {since} on is trusted no more"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "releases {} with the content {}", self.version, self.content)?;
        for variant in &self.variants {
            write!(f, ", {} as {}", variant.kind, variant.content)?;
        }
        if let Some(whom) = &self.on_behalf_of {
            write!(f, ", on behalf of {whom}")?;
        }
        if self.breaking { f.write_str(", which breaks what came before") } else { Ok(()) }
    }
}

fn ids(keys: &[PublicKey]) -> String {
    keys.iter().map(|key| key.id().to_string()).collect::<Vec<_>>().join(", ")
}

fn of_keys(keys: &[PublicKey], threshold: u32) -> String {
    match keys {
        [one] => one.id().to_string(),
        _ => format!("{} (of whom {threshold} must agree)", ids(keys)),
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {}", plain(reason)) }
}

fn until(f: &mut fmt::Formatter<'_>, end: Option<Time>) -> fmt::Result {
    match end {
        Some(end) => write!(f, "; until {end}"),
        None => Ok(()),
    }
}
