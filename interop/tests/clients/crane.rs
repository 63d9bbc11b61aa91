//! crane 0.20: images and indexes, moved and looked at from a command line.

use interop::client::Client;
use interop::layout;
use interop::registry::{Registry, digest_in};

fn crane(registry: &Registry) -> Client {
    let crane = Client::new("CRANE_CLI", registry);
    crane.log_in(registry.login(), &["auth", "login"]);
    crane.write("layer.tar", layout::tar_of("hi", b"hi\n"));
    crane
}

/// Makes a small image of one file and pushes it; its digest.
#[track_caller]
fn append(crane: &Client, at: &str) -> String {
    digest_in(&crane.run(&["append", "--oci-empty-base", "-f", "layer.tar", "-t", at]).printed())
}

#[test]
fn an_image_is_pushed_looked_at_and_pulled() {
    Registry::each(|registry| {
        let (crane, at) = (crane(registry), registry.at("crane/image:v1"));
        let digest = append(&crane, &at);
        assert_eq!(crane.run(&["digest", &at]).printed().trim(), digest);
        assert!(crane.run(&["validate", "--remote", &at]).accepted().contains("PASS"));
        assert!(crane.run(&["manifest", &at]).printed().contains(layout::MANIFEST));
        let config = digest_in(&crane.run(&["manifest", &at]).printed());
        let blob = format!("{}@{config}", registry.at("crane/image"));
        assert_eq!(crane.run(&["blob", &blob]).printed(), crane.run(&["config", &at]).printed());
        crane.run(&["pull", "--format", "oci", &at, "pulled"]).accepted();
        let again = registry.at("crane/image:again");
        let pushed = crane.run(&["push", "pulled", &again]).printed();
        assert_eq!(digest_in(&pushed), digest);
        // As a file of docker's, from which the image is made anew.
        crane.run(&["pull", &at, "pulled.tar"]).accepted();
        let docker = registry.at("crane/image:docker");
        crane.run(&["push", "pulled.tar", &docker]).accepted();
        assert!(crane.run(&["validate", "--remote", &docker]).accepted().contains("PASS"));
    });
}

#[test]
fn tags_are_made_listed_and_deleted() {
    Registry::each(|registry| {
        let (crane, at) = (crane(registry), registry.at("crane/tags:v1"));
        let digest = append(&crane, &at);
        for tag in ["v2", "v10"] {
            crane.run(&["tag", &at, tag]).accepted();
        }
        let repository = registry.at("crane/tags");
        let list = || {
            let printed = crane.run(&["ls", &repository]).printed();
            let mut tags: Vec<_> = printed.split_whitespace().map(str::to_owned).collect();
            tags.sort_unstable();
            tags
        };
        assert_eq!(list(), ["v1", "v10", "v2"]);
        if registry.is_ours() {
            // Only the tag goes.
            crane.run(&["delete", &registry.at("crane/tags:v2")]).accepted();
            assert_eq!(list(), ["v1", "v10"]);
            crane.run(&["delete", &registry.at("crane/tags:v2")]).refused("MANIFEST_UNKNOWN: `crane/tags`");
        }
        assert_eq!(crane.run(&["digest", &at]).printed().trim(), digest);
        crane.run(&["delete", &format!("{repository}@{digest}")]).accepted();
        crane.run(&["manifest", &at]).refused("MANIFEST_UNKNOWN");
    });
}

#[test]
fn an_image_is_copied_and_the_catalog_lists_both() {
    Registry::each(|registry| {
        let (crane, at, to) = (crane(registry), registry.at("crane/from:v1"), registry.at("crane/to:v1"));
        let digest = append(&crane, &at);
        crane.run(&["tag", &at, "v2"]).accepted();
        let said = crane.run(&["copy", &at, &to]).accepted();
        assert!(said.contains("mounted blob"), "{said}");
        assert_eq!(crane.run(&["digest", &to]).printed().trim(), digest);
        let (all, to) = (registry.at("crane/from"), registry.at("crane/all"));
        crane.run(&["copy", "--all-tags", &all, &to]).accepted();
        assert_eq!(crane.run(&["ls", &to]).printed().split_whitespace().count(), 2);
        let catalog = crane.run(&["catalog", registry.host()]).printed();
        let catalog: Vec<_> = catalog.lines().collect();
        for name in ["crane/from", "crane/to", "crane/all"] {
            assert!(catalog.contains(&name), "{catalog:?}");
        }
        let full = crane.run(&["catalog", "--full-ref", registry.host()]).printed();
        assert!(full.contains(&registry.at("crane/to\n")), "{full}");
    });
}

#[test]
fn an_index_is_made_of_images_and_filtered() {
    Registry::each(|registry| {
        let (crane, at) = (crane(registry), registry.at("crane/index:all"));
        let layout = layout::write(&crane.path("image"), "v1", &["linux/amd64", "linux/arm64"]);
        let pushed = crane.run(&["push", "--index", "image", &registry.at("crane/index:layout")]).printed();
        let repository = registry.at("crane/index");
        assert!(crane.run(&["validate", "--remote", pushed.trim()]).accepted().contains("PASS"), "{pushed}");
        let (one, other) = (
            format!("{repository}@{}", layout.manifests[0]),
            format!("{repository}@{}", layout.manifests[1]),
        );
        crane.run(&["index", "append", "-m", &one, "-m", &other, "-t", &at]).accepted();
        assert!(crane.run(&["validate", "--remote", &at]).accepted().contains("PASS"));
        let amd64 = crane.run(&["digest", "--platform", "linux/arm64", &at]).printed();
        assert_eq!(amd64.trim(), layout.manifests[1]);
        let filtered = registry.at("crane/index:some");
        crane.run(&["index", "filter", &at, "--platform", "linux/amd64", "-t", &filtered]).accepted();
        let manifest = crane.run(&["manifest", &filtered]).printed();
        assert!(manifest.contains(&layout.manifests[0]), "{manifest}");
        assert!(!manifest.contains(&layout.manifests[1]), "{manifest}");
    });
}

#[test]
fn refusals_are_shown_as_we_said_them() {
    Registry::each(|registry| {
        if !registry.is_ours() {
            return;
        }
        let crane = crane(registry);
        append(&crane, &registry.at("crane/here:v1"));
        let missing = "MANIFEST_UNKNOWN: `crane/here` has no manifest `v2`";
        crane.run(&["manifest", &registry.at("crane/here:v2")]).refused(missing);
        let nowhere = "NAME_UNKNOWN: repository `crane/nowhere` is not known here";
        crane.run(&["ls", &registry.at("crane/nowhere")]).refused(nowhere);
        registry.release("crane:once", "1.0.0");
        let (released, next) = (registry.at("crane/once:1.0.0"), registry.at("crane/once:2.0.0"));
        let words = ["append", "-f", "layer.tar", "-t", &next];
        crane.run(&words).refused("MANIFEST_INVALID: a version of `crane:once` is a Wasm artifact");
        crane.run(&["tag", &released, "latest"]).refused("UNSUPPORTED: `latest` of `crane:once`");
        crane.run(&["delete", &released]).refused("UNSUPPORTED");
        crane.run(&["delete", &released]).refused("yank");
        // The same artifact under another name is a release of that one.
        crane.run(&["copy", &released, &registry.at("crane/copied:1.0.0")]).accepted();
        let file = interop::corpus::small_component();
        registry.wkg().gets_the_bytes_of("crane:copied", "1.0.0", &file);
    });
}
