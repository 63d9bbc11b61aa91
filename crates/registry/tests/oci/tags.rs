//! Tags: several in one push, conditions on where they point, and those that follow from a log.

use wargate_core::digest::Digest;
use wargate_core::record::PackageEntry;
use wargate_registry::{Error, Released, TagCondition};
use wargate_wire::oci::reference::ContentDigest;

use crate::support::oci::{INDEX, MANIFEST, part, plain, push_wasm, push_wasm_parts, put, put_as, tags};
use crate::support::{Author, module};
use crate::world::World;

async fn points_at(repository: &wargate_registry::Repository, tag: &str) -> Option<Digest> {
    repository.manifest(&tag.parse().unwrap()).await.ok().map(|found| found.digest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_by_digest_makes_all_its_tags_or_none() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let manifest = plain(&repository, "").await;
    let digest = Digest::of(&manifest);
    put_as(&repository, digest, &manifest, &["a", "b", "a"], None).await.unwrap();
    assert_eq!(tags(&repository.tags().await.unwrap()), ["a", "b"]);
    let other = plain(&repository, r#","annotations":{"o":"o"}"#).await;
    let absent =
        put_as(&repository, Digest::of(&other), &other, &["c", "b", "d"], Some(TagCondition::Absent));
    assert!(matches!(absent.await, Err(Error::TagMoved { .. })));
    assert_eq!(tags(&repository.tags().await.unwrap()), ["a", "b"]);
    assert_eq!(points_at(&repository, &Digest::of(&other).to_string()).await, None, "not even itself");
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_version_refuses_all_tags_of_a_push() {
    let world = World::new().await;
    push_wasm(&world.hello, "1.0.0", &module(b"one"), "").await.unwrap();
    let manifest = push_wasm_parts(&world.hello, &module(b"two"), "").await;
    let digest = Digest::of(&manifest).to_string();
    for wrong in ["1.0.0", "latest"] {
        let all = ["2.0.0", wrong, "edge"];
        let refused = put_as(&world.hello, &digest, &manifest, &all, None).await;
        assert!(
            matches!(refused, Err(Error::AlreadyReleased { .. } | Error::LatestFollows { .. })),
            "{refused:?}"
        );
        assert_eq!(tags(&world.hello.tags().await.unwrap()), ["1.0.0"], "{wrong}");
    }
    let all = ["2.0.0", "2.1.0", "edge"];
    let pushed = put_as(&world.hello, &digest, &manifest, &all, None).await.unwrap();
    assert!(matches!(pushed.release, Some(Released::Now { .. })));
    assert_eq!(tags(&world.hello.tags().await.unwrap()), ["1.0.0", "2.0.0", "2.1.0", "edge"]);
    for tag in ["2.0.0", "2.1.0", "edge", "latest"] {
        assert_eq!(points_at(&world.hello, tag).await, Some(Digest::of(&manifest)), "{tag}");
    }
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_lets_one_of_two_writers_move_a_tag() {
    let world = World::new().await;
    let repository = world.repository("loose/things");
    let mut manifests = Vec::new();
    for note in ["a", "b", "c"] {
        manifests.push(plain(&repository, &format!(r#","annotations":{{"n":"{note}"}}"#)).await);
    }
    let [a, b, c] = &manifests[..] else { panic!() };
    let is = |bytes: &[u8]| Some(TagCondition::Is(Digest::of(bytes).into()));
    let push = async |bytes: &[u8], condition| put_as(&repository, "tag", bytes, &[], condition).await;
    let moved = |done: Result<wargate_registry::Pushed, Error>| {
        assert!(matches!(done, Err(Error::TagMoved { .. })), "{done:?}");
    };
    moved(push(a, is(b)).await);
    push(a, Some(TagCondition::Absent)).await.unwrap();
    moved(push(b, Some(TagCondition::Absent)).await);
    moved(push(b, is(c)).await);
    assert_eq!(points_at(&repository, "tag").await, Some(Digest::of(a)));
    let unknown = ContentDigest::of(wargate_wire::oci::reference::Algorithm::Sha512, a);
    moved(push(b, Some(TagCondition::Is(unknown))).await);
    // Both know that it points at `a`; one wins.
    let (one, two) = tokio::join!(push(b, is(a)), push(c, is(a)));
    assert_ne!(one.is_ok(), two.is_ok(), "{one:?} {two:?}");
    let winner = if one.is_ok() { b } else { c };
    assert_eq!(points_at(&repository, "tag").await, Some(Digest::of(winner)));
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_on_a_version_is_held_against_the_log() {
    let world = World::new().await;
    let manifest = push_wasm_parts(&world.hello, &module(b"one"), "").await;
    let push = async |tag: &str, condition| put_as(&world.hello, tag, &manifest, &[], Some(condition)).await;
    push("1.0.0", TagCondition::Absent).await.unwrap();
    let again = push("1.0.0", TagCondition::Absent).await;
    assert!(matches!(again, Err(Error::TagMoved { .. })), "{again:?}");
    push("1.0.0", TagCondition::Is(Digest::of(&manifest).into())).await.unwrap();
    let never = push("2.0.0", TagCondition::Is(Digest::of(&manifest).into())).await;
    assert!(matches!(never, Err(Error::TagMoved { .. })), "{never:?}");
    assert_eq!(tags(&world.hello.tags().await.unwrap()), ["1.0.0"]);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_never_another_content_nor_anything_but_a_wasm_artifact() {
    let world = World::new().await;
    let wasm = module(b"one");
    let first = push_wasm(&world.hello, "1.0.0", &wasm, "").await.unwrap();
    // The same layer under another manifest is the same release, told by its recorded manifest.
    let again = push_wasm(&world.hello, "1.0.0", &wasm, "again").await.unwrap();
    assert_eq!(again.digest, first.digest);
    assert!(matches!(again.release, Some(Released::Before { .. })));
    let other = push_wasm(&world.hello, "1.0.0", &module(b"two"), "").await.unwrap_err();
    let words = other.to_string();
    assert!(words.contains("1.0.0") && words.contains(&Digest::of(&wasm).to_string()), "{words}");
    // An image, an index, a Docker manifest: a version and `latest` take none of them, any other tag does.
    let image = plain(&world.hello, "").await;
    let child = part(MANIFEST, Digest::of(&image), image.len());
    put(&world.hello, "image", &image).await.unwrap();
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{child}]}}"#).into_bytes();
    let docker = String::from_utf8(image.clone()).unwrap();
    let docker =
        docker.replace(MANIFEST, "application/vnd.docker.distribution.manifest.v2+json").into_bytes();
    for foreign in [&image, &index, &docker] {
        for tag in ["1.0.0", "2.0.0", "2.0.0-rc.1"] {
            let refused = put(&world.hello, tag, foreign).await;
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{tag} {refused:?}");
        }
        assert!(matches!(put(&world.hello, "latest", foreign).await, Err(Error::LatestFollows { .. })));
        put(&world.hello, "v2.0.0", foreign).await.unwrap();
        let by_tag = put_as(&world.hello, Digest::of(foreign), foreign, &["3.0.0"], None);
        assert!(matches!(by_tag.await, Err(Error::Invalid { .. })));
    }
    assert_eq!(tags(&world.hello.tags().await.unwrap()), ["1.0.0", "image", "v2.0.0"]);
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yanked_version_is_not_listed_but_served_and_is_not_latest() {
    let world = World::new().await;
    let mut alice = Author::new(10, "acme:mine", &world.clock);
    for version in ["1.0.0", "1.1.0", "2.0.0-rc.1"] {
        alice.release(&world.registry, version, &module(version.as_bytes())).await;
    }
    let mine = world.repository("acme/mine");
    let digest = points_at(&mine, "1.1.0").await.unwrap();
    assert_eq!(points_at(&mine, "latest").await, Some(digest));
    let referrers = async |digest: Digest| {
        let (page, _) = mine.referrers(&digest.into(), None, None).await.unwrap();
        page.manifests().to_vec()
    };
    assert_eq!(referrers(digest).await, []);
    alice.publish(&world.registry, vec![PackageEntry::Yank { version: "1.1.0".parse().unwrap() }]).await;
    assert_eq!(tags(&mine.tags().await.unwrap()), ["1.0.0", "2.0.0-rc.1"]);
    let by_tag = mine.manifest(&"1.1.0".parse().unwrap()).await.unwrap();
    assert!(by_tag.yanked && by_tag.digest == digest);
    // Tools that know no yank are told by what refers to it: once, however often they ask.
    let told = referrers(digest).await;
    assert_eq!(told, referrers(digest).await);
    let [told] = &told[..] else { panic!("{told:?}") };
    assert_eq!(told.artifact_type.as_deref(), Some("application/vnd.microsoft.artifact.lifecycle"));
    assert_eq!(told.annotations["vnd.microsoft.artifact.lifecycle.end-of-life.date"], "2027-01-15");
    let named = told.digest.to_string().parse().unwrap();
    assert_eq!(mine.manifest(&named).await.unwrap().bytes.len() as u64, told.size);
    assert_eq!(referrers(points_at(&mine, "1.0.0").await.unwrap()).await, []);
    let by_digest = mine.manifest(&digest.to_string().parse().unwrap()).await.unwrap();
    assert_eq!(by_digest.bytes, by_tag.bytes);
    assert!(mine.blob(&Digest::of(&module(b"1.1.0")).into()).await.is_ok());
    assert_eq!(points_at(&mine, "latest").await, points_at(&mine, "1.0.0").await);
    alice.publish(&world.registry, vec![PackageEntry::Yank { version: "1.0.0".parse().unwrap() }]).await;
    assert_eq!(points_at(&mine, "latest").await, None, "a pre-release is never latest");
    world.end_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_listed_once_in_byte_order_whether_pushed_or_released() {
    let world = World::new().await;
    let mut alice = Author::new(10, "acme:mine", &world.clock);
    alice.release(&world.registry, "1.0.0", &module(b"hers")).await;
    push_wasm(&world.hello, "1.0.0", &module(b"one"), "").await.unwrap();
    for name in ["acme/mine-too", "acme/m", "acme", "zoo/a/b"] {
        plain(&world.repository(name), "").await;
    }
    let names = async |after: &str, limit| {
        let names = world.registry.repositories(after, limit).await.unwrap();
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let all = ["acme", "acme/hello", "acme/m", "acme/mine", "acme/mine-too", "zoo/a/b"];
    assert_eq!(names("", 100).await, all);
    let mut paged: Vec<String> = Vec::new();
    loop {
        let page = names(paged.last().map_or("", String::as_str), 2).await;
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert_eq!(names("acme/mina", 1).await, ["acme/mine"], "after a name that is not there");
    world.end_sound().await;
}
