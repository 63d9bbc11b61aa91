//! skopeo, as Debian has it: images between registries and folders.

use interop::client::Client;
use interop::layout::{self, Layout};
use interop::registry::Registry;

const PLATFORMS: &[&str] = &["linux/amd64", "linux/arm64", "wasip2/wasm"];

/// Somebody with an index of several platforms in the layout `image`.
fn skopeo(registry: &Registry) -> (Client, Layout) {
    let skopeo = Client::new("SKOPEO_CLI", registry);
    skopeo.log_in(registry.login(), &["login", "--tls-verify=false"]);
    // Whose signatures are asked for; without a word on it nothing is copied.
    skopeo.write(".config/containers/policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
    let layout = layout::write(&skopeo.path("image"), "v1", PLATFORMS);
    (skopeo, layout)
}

fn at(registry: &Registry, name: &str) -> String {
    format!("docker://{}", registry.at(name))
}

/// Pushes the index with all that it lists, as it is.
#[track_caller]
fn push_all(skopeo: &Client, to: &str) -> String {
    let words = ["copy", "--all", "--preserve-digests", "--dest-tls-verify=false", "oci:image:v1", to];
    skopeo.run(&words).accepted()
}

#[test]
fn an_index_is_copied_with_all_its_platforms() {
    Registry::each(|registry| {
        let ((skopeo, layout), to) = (skopeo(registry), at(registry, "skopeo/index:v1"));
        let said = push_all(&skopeo, &to);
        assert!(said.contains("Copying 3 of 3 images in list"), "{said}");
        let raw = skopeo.run(&["inspect", "--raw", "--tls-verify=false", &to]).printed();
        for manifest in &layout.manifests {
            assert!(raw.contains(manifest), "{raw}");
        }
        let second = at(registry, "skopeo/index-copy:v1");
        let tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
        skopeo.run(&["copy", "--all", "--preserve-digests", tls[0], tls[1], &to, &second]).accepted();
        assert_eq!(skopeo.run(&["inspect", "--raw", "--tls-verify=false", &second]).printed(), raw);
        skopeo.run(&["copy", "--all", "--src-tls-verify=false", &second, "dir:back"]).accepted();
        assert_eq!(skopeo.read("back/manifest.json"), raw.as_bytes());
    });
}

#[test]
fn one_image_is_copied_and_inspected() {
    Registry::each(|registry| {
        let ((skopeo, _), to) = (skopeo(registry), at(registry, "skopeo/image:v1"));
        let platform = ["--override-os", "linux", "--override-arch", "arm64"];
        let copy = ["copy", "--dest-tls-verify=false", "oci:image:v1", &to];
        skopeo.run(&[&platform[..], &copy].concat()).accepted();
        let inspect = ["inspect", "--tls-verify=false", &to];
        let said = skopeo.run(&[&platform[..], &inspect].concat()).printed();
        for part in [r#""Architecture": "arm64""#, r#""RepoTags": ["#, r#""v1""#] {
            assert!(said.contains(part), "{said}");
        }
        let config = skopeo.run(&["inspect", "--config", "--tls-verify=false", &to]).printed();
        assert!(config.contains("diff_ids"), "{config}");
        // Into a folder and from it to another tag.
        skopeo.run(&["copy", "--src-tls-verify=false", &to, "dir:kept"]).accepted();
        let again = at(registry, "skopeo/image:v2");
        skopeo.run(&["copy", "--dest-tls-verify=false", "dir:kept", &again]).accepted();
        let tags = at(registry, "skopeo/image");
        let tags = skopeo.run(&["list-tags", "--tls-verify=false", &tags]).printed();
        assert!(tags.find(r#""v1""#).is_some_and(|v1| tags.find(r#""v2""#) > Some(v1)), "{tags}");
    });
}

#[test]
fn a_repository_is_synced_to_a_folder_and_back() {
    Registry::each(|registry| {
        let ((skopeo, layout), to) = (skopeo(registry), at(registry, "skopeo/synced:v1"));
        push_all(&skopeo, &to);
        push_all(&skopeo, &at(registry, "skopeo/synced:v2"));
        let sync = ["sync", "--all", "--src-tls-verify=false", "--src", "docker", "--dest", "dir"];
        let from = registry.at("skopeo/synced");
        skopeo.run(&[&sync[..], &[&from, "folder"]].concat()).accepted();
        let sync = ["sync", "--all", "--dest-tls-verify=false", "--src", "dir", "--dest", "docker"];
        let said = skopeo.run(&[&sync[..], &["folder", &registry.at("skopeo/again")]].concat()).accepted();
        assert!(said.contains("Synced 2 images from 1 sources"), "{said}");
        let raw = at(registry, "skopeo/again/synced:v2");
        let raw = skopeo.run(&["inspect", "--raw", "--tls-verify=false", &raw]).printed();
        assert!(raw.contains(&layout.manifests[2]), "{raw}");
    });
}

#[test]
fn an_image_is_deleted() {
    Registry::each(|registry| {
        let ((skopeo, _), to) = (skopeo(registry), at(registry, "skopeo/deleted:v1"));
        push_all(&skopeo, &to);
        skopeo.run(&["delete", "--tls-verify=false", &to]).accepted();
        skopeo.run(&["inspect", "--raw", "--tls-verify=false", &to]).refused("manifest unknown");
        let again = skopeo.run(&["delete", "--tls-verify=false", &to]);
        again.refused("Image may not exist or is not stored with a v2 Schema in a v2 registry");
    });
}

#[test]
fn what_is_missing_is_named() {
    Registry::each(|registry| {
        let (skopeo, _) = skopeo(registry);
        push_all(&skopeo, &at(registry, "skopeo/missing:v1"));
        let inspect = |name: &str| skopeo.run(&["inspect", "--tls-verify=false", &at(registry, name)]);
        inspect("skopeo/missing:v2").refused("manifest unknown");
        if registry.is_ours() {
            inspect("skopeo/missing:v2").refused("`skopeo/missing` has no manifest `v2`");
            inspect("skopeo/nowhere:v2").refused("repository `skopeo/nowhere` is not known here");
        }
        let nowhere = at(registry, "skopeo/nowhere");
        skopeo.run(&["list-tags", "--tls-verify=false", &nowhere]).refused("404 (Not Found)");
    });
}

#[test]
fn a_released_component_is_copied_and_is_a_release_there() {
    Registry::each(|registry| {
        let (skopeo, _) = skopeo(registry);
        let digest = registry.release("skopeo:released", "1.0.0");
        let (from, to) = (at(registry, "skopeo/released:1.0.0"), at(registry, "skopeo/moved:1.0.0"));
        skopeo.run(&["copy", "--src-tls-verify=false", &from, "oci:kept:v1"]).accepted();
        skopeo.run(&["copy", "--dest-tls-verify=false", "oci:kept:v1", &to]).accepted();
        let file = interop::corpus::small_component();
        registry.wkg().gets_the_bytes_of("skopeo:moved", "1.0.0", &file);
        let by_digest = at(registry, &format!("skopeo/moved@{digest}"));
        let raw = skopeo.run(&["inspect", "--raw", "--tls-verify=false", &by_digest]).printed();
        assert!(raw.contains("application/vnd.wasm.config.v0+json"), "{raw}");
        if registry.is_ours() {
            let next = at(registry, "skopeo/released:2.0.0");
            let copy = ["copy", "--all", "--dest-tls-verify=false", "oci:image:v1", &next];
            skopeo.run(&copy).refused("a version of `skopeo:released` is a Wasm artifact");
            let other = registry.wkg();
            other.push("skopeo:other", "1.0.0", &interop::corpus::other_component()).accepted();
            let tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
            let other = at(registry, "skopeo/other:1.0.0");
            let released = "version 1.0.0 of `skopeo:moved` is released already";
            skopeo.run(&["copy", tls[0], tls[1], &other, &to]).refused(released);
            skopeo.run(&["delete", "--tls-verify=false", &to]).refused("yank");
        }
    });
}
