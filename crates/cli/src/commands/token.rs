//! `wargate token`: lets people and machines do what not everybody may, on a registry of this machine; also while it
//! runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use wargate_registry::access::Scope;
use wargate_registry::access::tokens::{self, NewToken, Token as Made};
use wargate_registry::clock::{Clock as _, SystemClock};
use wargate_registry::random::SystemRandom;
use wargate_store::{DataFolder, SqliteLedger};

use super::remote::told;
use crate::config::DATA_DEFAULT;
use crate::error::{CommandError, Kind};
use crate::ui;

/// How long a token is good unless the command says.
const LIFE_DEFAULT: &str = "90d";

/// The longest that a token may be good, in days.
const LIFE_DAYS_MAX: u64 = 3650;

#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    command: TokenCommand,
    /// The data folder [default: wargate-data]
    #[arg(long, value_name = "DIR", env = "WARGATE_DATA", global = true)]
    data: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token; it is shown once
    Create {
        /// Who holds it: what is released with it is released on behalf of this account
        account: String,
        /// What it is for, as `acme/*:pull,push`, `acme/hello:*` or `*:pull`; several times if need be
        #[arg(long = "allow", value_name = "NAMES:ACTIONS", required_unless_present = "operator")]
        scopes: Vec<Scope>,
        /// Its holder may do everything, and see the registry's figures
        #[arg(long)]
        operator: bool,
        /// How long it is good: `30d`, `12h`, `45m`, or `never` ends
        #[arg(long, value_name = "TIME", default_value = LIFE_DEFAULT, value_parser = life)]
        expires: Life,
    },
    /// List tokens, and when each was last used
    List,
    /// End a token: it is of no use from now on
    Revoke {
        /// The token's id, as `list` shows it
        id: String,
    },
}

/// How long a token is good; `None` until it is revoked.
#[derive(Debug, Clone, Copy)]
struct Life(Option<Duration>);

fn life(text: &str) -> Result<Life, String> {
    if text == "never" {
        return Ok(Life(None));
    }
    let expected = || format!("expected a number with d, h or m, at most {LIFE_DAYS_MAX}d, or `never`");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(expected)?;
    let seconds = match unit {
        "d" => 24 * 60 * 60,
        "h" => 60 * 60,
        "m" => 60,
        _ => return Err(expected()),
    };
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    let number = number.filter(|seconds| (1..=LIFE_DAYS_MAX * 24 * 60 * 60).contains(seconds));
    number.map(|seconds| Life(Some(Duration::from_secs(seconds)))).ok_or_else(expected)
}

impl Token {
    pub(crate) async fn run(self) -> Result<(), CommandError> {
        let outcome = self.act().await;
        told(self.json, outcome)
    }

    async fn act(&self) -> Result<(), CommandError> {
        let ledger = self.ledger()?;
        let now_ms = SystemClock.now_ms();
        match &self.command {
            TokenCommand::Create { account, scopes, operator, expires } => {
                let (account, scopes) = (account.clone(), scopes.clone());
                let new = NewToken { account, scopes, operator: *operator, life: expires.0 };
                let made = tokens::create(&ledger, &SystemRandom, now_ms, &new).await;
                let (secret, token) = made.map_err(|error| CommandError::usage(error.to_string()))?;
                self.show_new(&secret, &token);
            }
            TokenCommand::List => {
                let all = tokens::list(&ledger).await;
                self.show_all(&all.map_err(|error| CommandError::internal(error.to_string()))?, now_ms);
            }
            TokenCommand::Revoke { id } => {
                let revoked = tokens::revoke(&ledger, id, now_ms).await;
                if !revoked.map_err(|error| CommandError::internal(error.to_string()))? {
                    let message = format!("there is no token `{id}` that could be revoked");
                    return Err(CommandError::new(Kind::Usage, message)
                        .hint("`wargate token list` shows the ids of all tokens"));
                }
                if self.json {
                    ui::json(&json!({ "ok": true, "id": id, "revoked": true }));
                } else {
                    ui::line(&format!("revoked {id}"));
                }
            }
        }
        Ok(())
    }

    fn ledger(&self) -> Result<SqliteLedger, CommandError> {
        let data = self.data.clone().unwrap_or(PathBuf::from(DATA_DEFAULT));
        let refused = |error: &dyn std::fmt::Display| {
            CommandError::config(error.to_string()).hint("name the registry's data folder with --data")
        };
        let folder = DataFolder::look_into(&data).map_err(|error| refused(&error))?;
        if !folder.ledger().exists() {
            return Err(CommandError::config(format!("the registry of `{}` has not begun", data.display()))
                .hint("start it once with `wargate serve`"));
        }
        SqliteLedger::open(folder.ledger(), 1).map_err(|error| CommandError::internal(error.to_string()))
    }

    fn show_new(&self, secret: &str, token: &Made) {
        if self.json {
            let mut told = as_json(token);
            told["token"] = secret.into();
            ui::json(&told);
            return;
        }
        ui::line(secret);
        ui::note(&format!(
            "token {} of `{}` for {}, {}: it is not shown again",
            token.id,
            token.account,
            what_for(token),
            token
                .expires_ms
                .map_or("good until it is revoked".to_owned(), |ms| format!("good until {}", time(ms)))
        ));
    }

    fn show_all(&self, all: &[Made], now_ms: u64) {
        if self.json {
            ui::json(&json!({ "ok": true, "tokens": all.iter().map(as_json).collect::<Vec<_>>() }));
            return;
        }
        if all.is_empty() {
            ui::note("no tokens were made yet");
        }
        for token in all {
            let state = match (token.revoked_ms, token.expires_ms) {
                (Some(ms), _) => format!("revoked {}", time(ms)),
                (None, Some(ms)) if ms <= now_ms => format!("ended {}", time(ms)),
                (None, Some(ms)) => format!("good until {}", time(ms)),
                (None, None) => "good until it is revoked".to_owned(),
            };
            let used = token.used_ms.map_or("never used".to_owned(), |ms| format!("last used {}", time(ms)));
            ui::line(&format!("{}  {}  {}  {state}  {used}", token.id, token.account, what_for(token)));
        }
    }
}

fn what_for(token: &Made) -> String {
    if token.operator {
        return "everything".to_owned();
    }
    token.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn as_json(token: &Made) -> Value {
    json!({
        "ok": true,
        "id": token.id,
        "account": token.account,
        "operator": token.operator,
        "scopes": token.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "created": time(token.created_ms),
        "expires": token.expires_ms.map(time),
        "revoked": token.revoked_ms.map(time),
        "lastUsed": token.used_ms.map(time),
    })
}

/// To the second, in UTC.
fn time(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where something fails")]
    use super::*;

    #[test]
    fn lives_are_read_as_people_write_them() {
        for (text, seconds) in [("90d", 90 * 86_400), ("12h", 43_200), ("1m", 60), ("3650d", 3650 * 86_400)] {
            assert_eq!(life(text).unwrap().0, Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(life("never").unwrap().0, None);
        for text in ["", "d", "0d", "90", "90s", "-1d", "3651d", "99999999999999999999d", "1.5h", "é"] {
            assert!(life(text).is_err(), "{text}");
        }
    }
}
