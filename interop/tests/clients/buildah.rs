//! buildah, as Debian has it.

use interop::registry::Registry;

use crate::storage;

#[test]
fn an_image_is_built_pushed_and_pulled() {
    Registry::each(|registry| {
        let buildah = storage::keeper("BUILDAH_CLI", registry);
        storage::builds_pushes_and_pulls(&buildah, &registry.at("buildah/image:v1"));
    });
}

#[test]
fn a_list_of_manifests_is_pushed_and_pulled() {
    Registry::each(|registry| {
        let buildah = storage::keeper("BUILDAH_CLI", registry);
        storage::pushes_a_list(&buildah, &registry.at("buildah/one:v1"), &registry.at("buildah/list:v1"));
    });
}

#[test]
fn what_is_missing_is_named() {
    Registry::each(|registry| {
        let buildah = storage::keeper("BUILDAH_CLI", registry);
        storage::names_what_is_missing(&buildah, registry, &registry.at("buildah/nowhere:v1"));
    });
}
