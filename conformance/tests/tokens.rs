//! The rules about tokens against a registry of a few lines that gives them as it should, and against the same with one
//! fault each: a rule that no fault can break says nothing.
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

mod registry;

use std::collections::BTreeSet;

use registry::{Fault, PASSWORD, Registry, USERNAME};
use wargate_conformance::{Choice, Credentials, Summary, Target, judge, rules};

async fn judged(fault: Option<Fault>, credentials: Credentials, only: &[&str]) -> Summary {
    let registry = Registry::start(fault);
    let target = Target { credentials: Some(credentials), ..Target::open(&registry.url) };
    let choice = Choice { only: only.iter().map(ToString::to_string).collect(), level: None };
    judge(&target, &choice, |_| {}).await.unwrap()
}

fn password() -> Credentials {
    Credentials::Password { username: USERNAME.to_owned(), password: PASSWORD.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_gives_tokens_as_it_should_keeps_every_rule_about_them() {
    for credentials in [password(), Credentials::Token(PASSWORD.to_owned())] {
        let summary = judged(None, credentials, &["auth"]).await;
        let broken: Vec<_> = summary.verdicts.iter().map(ToString::to_string).collect();
        let broken: Vec<_> = broken.iter().filter(|line| !line.starts_with("ok")).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_breaks_the_rule_that_is_about_it() {
    for &(fault, rule) in Fault::ALL {
        let summary = judged(Some(fault), password(), &["auth"]).await;
        assert!(summary.failing().contains(&rule), "{fault:?} broke {:?}, not {rule}", summary.failing());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_about_tokens_is_broken_by_a_fault() {
    let mut broken = BTreeSet::new();
    for &(fault, _) in Fault::ALL {
        broken.extend(judged(Some(fault), password(), &["auth"]).await.failing());
    }
    let all: BTreeSet<_> = rules().filter(|rule| rule.needs_credentials()).map(|rule| rule.id).collect();
    let never: Vec<_> = all.difference(&broken).collect();
    assert!(never.is_empty(), "no fault breaks {never:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_rules_run_with_tokens_too() {
    let only = [
        "blob.get.bytes",
        "upload.put.created",
        "manifest.get.by-tag",
        "mount.created",
        "tags.shape",
        "name.digits",
    ];
    let summary = judged(None, password(), &only).await;
    assert_eq!(summary.failing(), Vec::<&str>::new(), "{:#?}", summary.verdicts);
}
