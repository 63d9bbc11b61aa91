//! Random sequences of pushes, deletes, mounts, waiting and sweeps, by several callers, against a model in memory: the
//! same answers, the same visible state, and nothing is read without a link and a right (`spec/oci.md`).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    dead_code,
    reason = "a test ends where something fails"
)]

mod model;
mod scene;
#[path = "../support/mod.rs"]
mod support;

use model::{Answer, At, BLOBS, CALLERS, MADE, MANIFESTS, Model, Op, REPOSITORIES, TAGS};
use proptest::prelude::*;
use scene::Scene;

/// A caller and a repository, mostly one that may do everything there.
fn at() -> impl Strategy<Value = At> {
    prop_oneof![
        1 => (0..CALLERS.len(), 0..REPOSITORIES.len()),
        2 => prop::sample::select(vec![(1, 0), (2, 2), (3, 0), (3, 1), (3, 2)]),
    ]
}

/// One thing that somebody does, or all that a push takes.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (blob, manifest) = (0..BLOBS, 0..MANIFESTS);
    let tag = 0..TAGS.len();
    let one = prop_oneof![
        3 => (at(), blob.clone()).prop_map(|(at, blob)| Op::Upload { at, blob }),
        2 => (at(), blob.clone()).prop_map(|(at, blob)| Op::Ask { at, blob }),
        3 => (at(), blob.clone(), prop::option::of(0..REPOSITORIES.len()))
            .prop_map(|(at, blob, from)| Op::Mount { at, blob, from }),
        2 => (at(), manifest.clone(), prop::option::of(tag.clone()))
            .prop_map(|(at, manifest, tag)| Op::Put { at, manifest, tag }),
        1 => (at(), blob).prop_map(|(at, blob)| Op::DeleteBlob { at, blob }),
        3 => (at(), manifest.clone()).prop_map(|(at, manifest)| Op::DeleteManifest { at, manifest }),
        2 => (at(), tag.clone()).prop_map(|(at, tag)| Op::DeleteTag { at, tag }),
        1 => (at(), manifest.clone()).prop_map(|(at, manifest)| Op::Get { at, manifest }),
        2 => prop::sample::select(vec![1u64, 12, 25, 31 * 24]).prop_map(|hours| Op::Wait { hours }),
        3 => Just(Op::Sweep),
    ];
    let push = (at(), manifest, prop::option::of(tag)).prop_map(|(at, manifest, tag)| {
        let uploads = MADE[manifest].blobs.iter().map(|blob| Op::Upload { at, blob: *blob });
        uploads.chain([Op::Put { at, manifest, tag }]).collect()
    });
    prop_oneof![3 => one.prop_map(|op| vec![op]), 1 => push]
}

async fn run(ops: Vec<Op>) {
    let (scene, mut model) = (Scene::new().await, Model::default());
    for op in &ops {
        let (found, expected) = (scene.apply(op).await, model.apply(op));
        assert_eq!(found, expected, "{op:?}");
        if matches!(op, Op::Sweep) {
            scene.compare(&mut model, CALLERS.len() - 1).await;
        }
    }
    for caller in 0..CALLERS.len() {
        scene.compare(&mut model, caller).await;
    }
    assert_eq!(scene.apply(&Op::Wait { hours: 25 }).await, Answer::Done);
    model.apply(&Op::Wait { hours: 25 });
    scene.end(&mut model).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn repositories_are_as_the_model_says(ops in prop::collection::vec(ops(), 1..80)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(ops.concat()));
    }
}
