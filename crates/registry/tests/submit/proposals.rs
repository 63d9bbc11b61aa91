//! Acts that wait for more to agree.

use std::collections::BTreeSet;
use std::time::Duration;

use wargate_core::act::{Grant, endorse};
use wargate_core::authority::role::{Power, Scope};
use wargate_registry::access::{Access, Action};
use wargate_registry::gc::Garbage;
use wargate_registry::limits::{PROPOSALS_PER_LOG_MAX, REJECTION_BYTES_MAX};
use wargate_registry::{Caller, Config, Proposal};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Two of whom both must agree to versions from 2.0.0 on.
const TEAM: [u8; 2] = [20, 21];

impl World {
    /// A package of one key, with a team for versions from 2.0.0 on.
    async fn with_team() -> Self {
        let world = Self::new(true).await;
        let content = module(b"one");
        world.submit(&world.first("acme:hello", 10, &content), &content).await.unwrap();
        let team = Grant {
            role: "team".to_owned(),
            keys: TEAM.iter().map(|seed| key(*seed).public().clone()).collect(),
            threshold: 2,
            powers: vec![Power::Release],
            scope: Scope::parse(&[">=2.0.0 <3.0.0".to_owned()]).unwrap(),
            not_after: None,
            depth: 0,
            parent: String::new(),
        };
        let act = world.act("acme:hello", vec![Step::Grant(team)], 11);
        world.carried(signed("acme:hello", &act, &[key(10)])).await;
        world
    }

    /// A release that the team is to make, within a week; the nonce is the number.
    fn team_release(&self, version: &str, content: &[u8], nonce: u8) -> Act {
        let act = self.act("acme:hello", vec![release(version, content)], nonce);
        Act { not_after: self.clock.now().plus_seconds(7 * 24 * 60 * 60), ..act }
    }

    async fn hand_in(&self, act: SignedAct) -> Result<HandedIn, Error> {
        self.registry.submit(act, WAIT).await
    }

    async fn carried(&self, act: SignedAct) -> Submitted {
        support::carried(self.hand_in(act).await.unwrap())
    }

    async fn proposed(&self, act: SignedAct) -> Proposal {
        match self.hand_in(act).await.unwrap() {
            HandedIn::Proposed(proposal) => *proposal,
            HandedIn::Carried(submitted) => panic!("it was carried: {submitted:?}"),
        }
    }

    async fn waiting(&self) -> Vec<Digest> {
        let waiting = self.registry.proposals(&hello()).await.unwrap();
        waiting.into_iter().map(|proposal| proposal.id).collect()
    }

    async fn store(&self, content: &[u8]) {
        let repository = self.registry.repository("acme/hello".parse().unwrap());
        support::oci::push_blob(&repository, content).await;
    }

    /// The same data, opened by another process.
    async fn reopened(self) -> Self {
        self.registry.close().await;
        let Self { dir, clock, registry, root } = self;
        drop(registry);
        let registry = open(dir.path(), &clock).await;
        Self { dir, clock, registry, root }
    }
}

fn hello() -> LogName {
    "acme:hello".parse().unwrap()
}

fn by(act: &Act, seeds: &[u8]) -> SignedAct {
    let keys: Vec<SecretKey> = seeds.iter().map(|seed| key(*seed)).collect();
    signed("acme:hello", act, &keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_two_must_sign_waits_and_the_last_signature_makes_it_a_record() {
    let world = World::with_team().await;
    let content = module(b"two");
    world.store(&content).await;
    let (act, size) = (world.team_release("2.0.0", &content, 1), world.size());
    let waits = world.proposed(by(&act, &TEAM[..1])).await;
    assert_eq!(waits.id, Act::digest(&act.encode()));
    let words = "Release needs the agreement of 2 keys of the role `team`, it has 1";
    assert_eq!(waits.lacks.as_deref(), Some(words));
    assert_eq!((world.waiting().await, world.size()), (vec![waits.id], size));
    // The same again changes nothing.
    assert_eq!(world.proposed(by(&act, &TEAM[..1])).await.id, waits.id);
    assert_eq!(world.waiting().await, [waits.id]);
    let world = world.reopened().await;
    assert_eq!(world.waiting().await, [waits.id], "it is durable");
    // The other one signs the same act, and hands in nothing but that.
    let done = world.carried(by(&act, &TEAM[1..])).await;
    assert_eq!((done.index, world.size()), (size, size + 1));
    assert!(world.waiting().await.is_empty());
    let unknown = world.registry.proposal(&hello(), &waits.id).await;
    assert!(matches!(unknown, Err(Error::UnknownProposal { .. })), "{unknown:?}");
    let layers = world.judged("acme:hello").await;
    let Some(PackageLog::Delegated { facts, .. }) = layers.package else { panic!("it is delegated") };
    assert!(facts.releases.contains_key(&"2.0.0".parse().unwrap()));
    // Handed in once more, it is the release of before.
    assert!(world.carried(by(&act, &TEAM[1..])).await.before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_agreement_gets_done_is_refused_and_not_kept() {
    let world = World::with_team().await;
    let content = module(b"two");
    world.store(&content).await;
    let act = world.team_release("2.0.0", &content, 1);
    // A stranger learns that their key has no say.
    denied(
        world.hand_in(by(&act, &[33])).await.map(support::carried),
        &["needs the agreement", "the owners of `acme:hello`"],
    );
    // What can never hold; content that is not here; content that is no Wasm.
    let twice = world.act("acme:hello", vec![release("2.0.0", &content), release("1.0.0", &content)], 2);
    let refused = world.hand_in(by(&twice, &TEAM[..1])).await;
    assert!(refused.is_err(), "{refused:?}");
    let absent = world.team_release("2.1.0", &module(b"absent"), 3);
    let refused = world.hand_in(by(&absent, &TEAM[..1])).await;
    assert!(matches!(refused, Err(Error::UnknownContent { .. })), "{refused:?}");
    world.store(b"no wasm").await;
    let refused = world.hand_in(by(&world.team_release("2.1.0", b"no wasm", 4), &TEAM[..1])).await;
    assert!(matches!(refused, Err(Error::ContentRefused { .. })), "{refused:?}");
    // Everybody may hand in an act of the operator's: only with the word of one who may.
    let (log, step) = (
        LogName::Operator,
        Step::Annotate {
            kind: AnnotationKind::Policy,
            subject: String::new(),
            value: "two-persons".to_owned(),
        },
    );
    let act = Act { log: log.log_id(), ..world.act("acme:hello", vec![step], 5) };
    let act: Bytes = act.encode().into();
    let nobody = SignedAct { log, act, endorsements: Vec::new() };
    denied(world.hand_in(nobody).await.map(support::carried), &["needs the agreement"]);
    assert!(world.waiting().await.is_empty());
    assert!(world.registry.proposals(&LogName::Operator).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_turned_down_is_hidden_and_its_signed_bytes_stay_usable() {
    let world = World::with_team().await;
    let content = module(b"two");
    world.store(&content).await;
    let act = world.team_release("2.0.0", &content, 1);
    let id = world.proposed(by(&act, &TEAM[..1])).await.id;
    for reason in ["", " ", &"x".repeat(REJECTION_BYTES_MAX + 1)] {
        let refused = world.registry.reject(&hello(), &id, reason).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
    let elsewhere = world.registry.reject(&"acme".parse().unwrap(), &id, "no").await;
    assert!(matches!(elsewhere, Err(Error::UnknownProposal { .. })), "{elsewhere:?}");
    world.registry.reject(&hello(), &id, &"x".repeat(REJECTION_BYTES_MAX)).await.unwrap();
    assert!(world.waiting().await.is_empty());
    let told = world.registry.proposal(&hello(), &id).await.unwrap();
    assert_eq!((told.lacks, told.rejected), (None, Some("x".repeat(REJECTION_BYTES_MAX))));
    let again = world.registry.reject(&hello(), &id, "no").await;
    assert!(matches!(again, Err(Error::UnknownProposal { .. })), "{again:?}");
    denied(world.hand_in(by(&act, &TEAM[..1])).await.map(support::carried), &["turned down: x"]);
    world.carried(by(&act, &TEAM)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_keeps_so_many_until_their_time_is_over() {
    let world = World::with_team().await;
    let content = module(b"two");
    world.store(&content).await;
    for nonce in 1..=u8::try_from(PROPOSALS_PER_LOG_MAX).unwrap() {
        world.proposed(by(&world.team_release("2.0.0", &content, nonce), &TEAM[..1])).await;
    }
    let more = world.team_release("2.0.0", &content, 200);
    let words = format!("{PROPOSALS_PER_LOG_MAX} proposals are kept");
    denied(world.hand_in(by(&more, &TEAM[..1])).await.map(support::carried), &[&words]);
    // One that waits already takes more signatures all the same, and once it is done the others can't be any more.
    let first = world.team_release("2.0.0", &content, 1);
    world.carried(by(&first, &TEAM[1..])).await;
    assert!(world.waiting().await.is_empty());
    world.clock.advance(DAY * 8);
    let removed = world.registry.collect_garbage(false).await.unwrap();
    assert_eq!(removed.of(Garbage::Proposals).count, PROPOSALS_PER_LOG_MAX as u64 - 1);
    world.proposed(by(&world.team_release("2.1.0", &content, 201), &TEAM[..1])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_kept_for_as_long_as_its_release_waits() {
    let world = World::with_team().await;
    let (waits, gone) = (module(b"waits"), module(b"gone"));
    let act = world.team_release("2.0.0", &waits, 1);
    let mut arriving = world.registry.begin_act_content(&by(&act, &TEAM[..1]), None).await.unwrap();
    arriving.write(waits.clone().into()).await.unwrap();
    arriving.finish().await.unwrap();
    world.proposed(by(&act, &TEAM[..1])).await;
    let other = world.next("acme:hello", 10, "1.5.0", &gone);
    let mut arriving = world.registry.begin_act_content(&other, None).await.unwrap();
    arriving.write(gone.clone().into()).await.unwrap();
    arriving.finish().await.unwrap();
    world.clock.advance(DAY * 6);
    let swept = async || {
        let mut contents = 0;
        for _ in 0..3 {
            contents += world.registry.collect_garbage(false).await.unwrap().of(Garbage::Contents).count;
        }
        contents
    };
    assert_eq!(swept().await, 1, "what nothing waits for");
    world.clock.advance(DAY * 2);
    assert_eq!(swept().await, 1, "what nothing waits for any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_push_neither_sees_nor_turns_down_what_waits() {
    let world = World::with_team().await;
    let content = module(b"two");
    world.store(&content).await;
    let id = world.proposed(by(&world.team_release("2.0.0", &content, 1), &TEAM[..1])).await.id;
    world.registry.close().await;
    let World { dir, clock, registry, .. } = world;
    drop(registry);
    let (db, objects) = engines(dir.path());
    let access = Access { anonymous: [Action::Pull].into_iter().collect(), private: Vec::new() };
    let registry =
        Registry::open(Config { access, ..config() }, db, objects, clock.clone(), None).await.unwrap();
    let anonymous = registry.seen_by(Caller::anonymous());
    let refused = [
        anonymous.proposals(&hello()).await.map(drop),
        anonymous.proposal(&hello(), &id).await.map(drop),
        anonymous.reject(&hello(), &id, "no").await,
    ];
    for refused in refused {
        assert!(matches!(refused, Err(Error::Unauthenticated { .. })), "{refused:?}");
    }
    assert_eq!(registry.proposals(&hello()).await.unwrap().len(), 1);
}

/// Pushing through the OCI door into a package whose owners let the registry release nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_the_registry_may_not_release_waits_for_the_packages_people() {
    let world = World::with_team().await;
    let repository = world.registry.repository("acme/hello".parse().unwrap());
    let wasm = module(b"pushed");
    let push = async |note: &str| {
        let pushed = support::oci::push_wasm(&repository, "2.0.0", &wasm, note).await;
        match pushed.map(|pushed| (pushed.digest, pushed.release)) {
            Ok((digest, Some(Released::Proposed(proposal)))) => Ok((digest, proposal)),
            Ok((_, other)) => panic!("it is no proposal: {other:?}"),
            Err(error) => Err(error),
        }
    };
    let (digest, proposal) = push("a").await.unwrap();
    // The owner alone may do it too, and came closest of those who may.
    assert!(proposal.lacks.as_deref().unwrap().contains("needs the agreement of 1"), "{proposal:?}");
    assert!(proposal.signed.endorsements.is_empty());
    let tag = "2.0.0".parse().unwrap();
    assert!(repository.manifest(&tag).await.is_err(), "the tag is not there yet");
    // The same layer by the same subject is the same proposal, whatever the config says.
    assert_eq!(push("b").await.unwrap().1.id, proposal.id);
    // What it needs is not deleted, nor swept.
    let by_digest = digest.to_string().parse().unwrap();
    let refused = repository.delete_manifest(&by_digest).await;
    assert!(matches!(refused, Err(Error::Proposed { .. })), "{refused:?}");
    let refused = repository.delete_blob(&Digest::of(&wasm).into()).await;
    assert!(matches!(refused, Err(Error::Proposed { .. })), "{refused:?}");
    world.clock.advance(DAY * 10);
    for _ in 0..3 {
        world.registry.collect_garbage(false).await.unwrap();
    }
    // Both sign, and it appears as it was pushed first.
    let agreed = TEAM.map(|seed| endorse(&proposal.signed.act, &key(seed)).unwrap());
    for (place, one) in agreed.into_iter().enumerate() {
        let handed_in = world.hand_in(SignedAct { endorsements: vec![one], ..proposal.signed.clone() }).await;
        assert_eq!(matches!(handed_in.unwrap(), HandedIn::Carried(_)), place == 1);
    }
    assert_eq!(repository.manifest(&tag).await.unwrap().named, digest);
    // From now on the same push finds the release.
    let again = support::oci::push_wasm(&repository, "2.0.0", &wasm, "c").await.unwrap();
    assert!(matches!(again.release, Some(Released::Before { .. })), "{again:?}");
    let levels: BTreeSet<String> = world
        .registry
        .snapshot()
        .package(&"acme:hello".parse().unwrap())
        .await
        .unwrap()
        .releases
        .iter()
        .map(|release| release.level.to_string())
        .collect();
    assert_eq!(levels, BTreeSet::from(["publisher's key".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_was_turned_down_says_so_when_it_comes_again() {
    let world = World::with_team().await;
    let repository = world.registry.repository("acme/hello".parse().unwrap());
    let wasm = module(b"pushed");
    let pushed = support::oci::push_wasm(&repository, "2.0.0", &wasm, "a").await.unwrap();
    let Some(Released::Proposed(proposal)) = pushed.release else { panic!("{pushed:?}") };
    world.registry.reject(&hello(), &proposal.id, "not this week").await.unwrap();
    let again = support::oci::push_wasm(&repository, "2.0.0", &wasm, "b").await;
    let Err(Error::Denied { reason }) = again else { panic!("{again:?}") };
    assert!(reason.contains("turned down: not this week"), "{reason}");
    // Then nothing holds its parts.
    repository.delete_manifest(&pushed.digest.to_string().parse().unwrap()).await.unwrap();
}
