//! podman, as Debian has it. Nothing is run: images are built from nothing, pushed, pulled and looked for.

use interop::client::Client;
use interop::registry::Registry;

use crate::storage;

fn podman(registry: &Registry) -> Client {
    // A machine without systemd cannot be asked for control groups.
    storage::keeper("PODMAN_CLI", registry).beginning(&["--cgroup-manager", "cgroupfs"])
}

#[test]
fn an_image_is_built_pushed_and_pulled() {
    Registry::each(|registry| {
        storage::builds_pushes_and_pulls(&podman(registry), &registry.at("podman/image:v1"));
    });
}

#[test]
fn a_list_of_manifests_is_pushed_and_pulled() {
    Registry::each(|registry| {
        let (image, list) = (registry.at("podman/one:v1"), registry.at("podman/list:v1"));
        storage::pushes_a_list(&podman(registry), &image, &list);
    });
}

#[test]
fn images_are_searched_for() {
    Registry::each(|registry| {
        let podman = podman(registry);
        let image = registry.at("podman/searched:v1");
        podman.run(&["build", "--isolation", "chroot", "-t", &image, "."]).accepted();
        podman.run(&["push", "--tls-verify=false", &image]).accepted();
        let found = podman.run(&["search", "--tls-verify=false", &registry.at("podman/sear")]).printed();
        assert!(found.contains(&registry.at("podman/searched")), "{found}");
        let tags = ["search", "--tls-verify=false", "--list-tags", &registry.at("podman/searched")];
        let tags = podman.run(&tags).printed();
        assert!(tags.lines().any(|line| line.ends_with("v1")), "{tags}");
    });
}

#[test]
fn what_is_missing_is_named() {
    Registry::each(|registry| {
        storage::names_what_is_missing(&podman(registry), registry, &registry.at("podman/nowhere:v1"));
    });
}
