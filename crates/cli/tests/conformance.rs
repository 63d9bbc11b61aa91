//! The rules of `conformance/` against the real process: all are kept, with and without tokens.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's failure")]

mod support;

use std::collections::BTreeSet;

use support::{Server, text, wargate};
use wargate_conformance::{Choice, Credentials, Summary, Target, judge, rules};

/// A server with this configuration, judged as whoever has a token for everything, or as nobody.
async fn judged(config: Option<&str>, credentials: impl FnOnce(String) -> Option<Credentials>) -> Summary {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("wargate.toml"));
    let mut args = Vec::new();
    if let Some(config) = config {
        std::fs::write(&file, config).unwrap();
        args.extend(["--config", file.to_str().unwrap()]);
    }
    let server = Server::start(&data, &args);
    let made = ["token", "create", "judge", "--allow", "*:*", "--data", data.to_str().unwrap()];
    let token = text(&wargate(&made).output().unwrap().stdout).trim().to_owned();
    let target = Target { credentials: credentials(token), ..Target::open(&server.url) };
    let summary = judge(&target, &Choice::default(), |_| {}).await.unwrap();
    server.end();
    summary
}

fn all_kept(summary: &Summary) {
    let failing: BTreeSet<_> = summary.failing().into_iter().collect();
    let broken = summary.verdicts.iter().filter(|verdict| failing.contains(verdict.rule.id));
    let broken: Vec<String> = broken.map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{summary}:\n{}", broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_is_kept_where_everybody_is_let_in() {
    let summary = judged(None, |_| None).await;
    all_kept(&summary);
    let about_tokens = rules().filter(|rule| rule.needs_credentials()).count();
    assert_eq!(summary.skipped(), about_tokens, "only what needs credentials is left out");
}

const NOBODY: &str = "[access]\nanonymous = []\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_is_kept_where_it_takes_a_token() {
    let summary = judged(Some(NOBODY), |token| Some(Credentials::Token(token))).await;
    all_kept(&summary);
    assert_eq!(summary.skipped(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_is_kept_where_it_takes_a_password() {
    let password = |token| Some(Credentials::Password { username: "judge".to_owned(), password: token });
    let summary = judged(Some(NOBODY), password).await;
    all_kept(&summary);
    assert_eq!(summary.skipped(), 0);
}
