//! The bytes that an act releases are held against what it says of them.

use wargate_component::manifest::{Layer, artifact};
use wargate_core::act::{Release, Step};
use wargate_core::digest::Digest;
use wargate_registry::Error;
use wargate_registry::limits::INSPECTIONS_AT_ONCE_MAX;

use super::support::{WAIT, carried, key, module};
use super::{World, init, invalid, release, release_of, signed};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_may_name_the_manifest_that_follows_from_its_content_and_no_other() {
    let world = World::new(true).await;
    let content = module(b"one");
    let layer = Layer { digest: Digest::of(&content), size: content.len() as u64 };
    let inspection = wargate_component::inspect(&content).unwrap();
    let manifest = artifact(layer, &inspection, "hello", &"1.0.0".parse().unwrap()).manifest;
    for (named, accepted) in [(Digest::of(b"another"), false), (Digest::of(&manifest), true)] {
        let release = Release { manifest: Some(named), ..release_of("1.0.0", &content) };
        let act = world.act("acme:hello", vec![init(10), Step::Release(release)], 1);
        let outcome = world.submit(&signed("acme:hello", &act, &[key(10)]), &content).await;
        if accepted {
            assert_eq!(outcome.unwrap().releases[0].manifest, Some(named));
        } else {
            invalid(outcome, "manifest");
        }
    }
    // The OCI door serves it under the logged digest.
    let repository = world.registry.repository("acme/hello".parse().unwrap());
    let served = repository.manifest(&"1.0.0".parse().unwrap()).await.unwrap();
    assert_eq!(served.bytes, manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_must_be_here_and_be_what_it_says() {
    let world = World::new(true).await;
    let content = module(b"one");
    let act = world.first("acme:hello", 10, &content);
    let missing = world.registry.submit(act.clone(), WAIT).await;
    assert!(matches!(missing, Err(Error::UnknownContent { digest }) if digest == Digest::of(&content)));
    let other = world.submit(&act, &module(b"other")).await;
    assert!(matches!(other, Err(Error::DigestMismatch { .. })), "{other:?}");
    let no_wasm = world.first("acme:hello", 10, b"no wasm at all");
    let refused = world.submit(&no_wasm, b"no wasm at all").await;
    assert!(matches!(refused, Err(Error::ContentRefused { .. })), "{refused:?}");
    assert_eq!(world.size(), 1);
}

/// What several contents are is read one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_releases_several_contents_is_held_against_each() {
    let world = World::new(true).await;
    let claims = b"\0asm\x01\0\0\0\0\x0d\x07version1.3.0".to_vec();
    let versions = ["1.0.0", "1.1.0", "1.2.0"].map(|version| (version, module(version.as_bytes())));
    world.submit(&world.first("acme:hello", 10, &versions[0].1), &versions[0].1).await.unwrap();
    // Each is stored by a package of its own.
    for (by, (name, content)) in (20..).zip([("acme:b", &versions[1].1), ("acme:c", &versions[2].1)]) {
        world.submit(&world.first(name, by, content), content).await.unwrap();
    }
    let one = world.act("acme:d", vec![init(30), release("1.3.0", &claims)], 30);
    world.submit(&signed("acme:d", &one, &[key(30)]), &claims).await.unwrap();

    let steps = |claimed: &str| {
        let others = versions[1..].iter().map(|(version, content)| release(version, content));
        others.chain([release(claimed, &claims)]).collect::<Vec<_>>()
    };
    assert!(steps("1.3.0").len() > INSPECTIONS_AT_ONCE_MAX);
    let wrong = signed("acme:hello", &world.act("acme:hello", steps("1.4.0"), 1), &[key(10)]);
    let refused = world.registry.submit(wrong, WAIT).await;
    assert!(
        matches!(&refused, Err(Error::ContentRefused { reason }) if reason.contains("1.3.0")),
        "{refused:?}"
    );
    let right = signed("acme:hello", &world.act("acme:hello", steps("1.3.0"), 2), &[key(10)]);
    assert_eq!(carried(world.registry.submit(right, WAIT).await.unwrap()).releases.len(), 3);
}
