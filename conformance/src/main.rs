//! `wargate-conformance`: judges the registry at an address.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to a person at a terminal"
)]

use std::process::ExitCode;

use clap::Parser;
use serde_json::json;
use wargate_conformance::{
    Choice, Credentials, Level, Outcome, REPOSITORY_DEFAULT, Summary, Target, Verdict, judge, rules,
};

/// Judges an OCI registry rule by rule. Exit code 0: all rules that were tried are kept; 1: not all; 2: it could not
/// be judged.
#[derive(Debug, Parser)]
#[command(name = "wargate-conformance", version)]
struct Arguments {
    /// The server: http://HOST:PORT
    #[arg(required_unless_present = "list")]
    url: Option<String>,
    /// The first part of the repositories' names; one word, if the server is Wargate
    #[arg(long, value_name = "NAME", default_value = REPOSITORY_DEFAULT)]
    repository: String,
    /// Who is let in
    #[arg(long, value_name = "USER", requires = "password", conflicts_with = "token")]
    username: Option<String>,
    /// The password
    #[arg(long, requires = "username", env = "CONFORMANCE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// An API token instead
    #[arg(long, env = "CONFORMANCE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Only these rules; `blob.get` stands for all that begin so
    #[arg(long, value_name = "ID", num_args = 1..)]
    only: Vec<String>,
    /// Only rules of this level: must, client or ours
    #[arg(long)]
    level: Option<Level>,
    /// One JSON document instead of lines
    #[arg(long)]
    json: bool,
    /// Only list the rules
    #[arg(long)]
    list: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let choice = Choice { only: arguments.only.clone(), level: arguments.level };
    if arguments.list {
        list(&choice);
        return ExitCode::SUCCESS;
    }
    let password = arguments.username.zip(arguments.password);
    let password = password.map(|(username, password)| Credentials::Password { username, password });
    let target = Target {
        url: arguments.url.unwrap_or_default(),
        repository: arguments.repository,
        credentials: password.or(arguments.token.map(Credentials::Token)),
    };
    let told = |verdict: &Verdict| {
        if !arguments.json {
            println!("{verdict}");
        }
    };
    match judge(&target, &choice, told).await {
        Ok(summary) => {
            let text = if arguments.json { as_json(&summary) } else { summary.to_string() };
            println!("{text}");
            if summary.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn list(choice: &Choice) {
    for rule in rules().filter(|rule| choice.takes(rule)) {
        println!("{:<8}{:<44}{}  [{}]", rule.level, rule.id, rule.sentence, rule.section);
    }
    for level in Level::ALL {
        let count = rules().filter(|rule| choice.takes(rule) && rule.level == level).count();
        println!("{count} {level}");
    }
}

fn as_json(summary: &Summary) -> String {
    let one = |verdict: &Verdict| {
        let (outcome, failure, why) = match &verdict.outcome {
            Outcome::Kept => ("ok", None, None),
            Outcome::Broken(failure) => ("fail", Some(failure), None),
            Outcome::Skipped(why) => ("skip", None, Some(why)),
        };
        json!({
            "id": verdict.rule.id,
            "level": verdict.rule.level.as_str(),
            "section": verdict.rule.section,
            "sentence": verdict.rule.sentence,
            "outcome": outcome,
            "at": failure.map(|failure| &failure.at),
            "expected": failure.map(|failure| &failure.expected),
            "seen": failure.map(|failure| &failure.seen),
            "why": why,
        })
    };
    let rules: Vec<_> = summary.verdicts.iter().map(one).collect();
    let report = json!({
        "rules": rules,
        "passed": summary.passed(),
        "failed": summary.failed(),
        "skipped": summary.skipped(),
    });
    format!("{report:#}")
}
