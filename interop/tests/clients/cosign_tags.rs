//! cosign 2.5, which keeps signatures and attestations under tags that are made of the digest.

use interop::registry::Registry;

use crate::cosign::{self, Signer};

fn cosign(registry: &Registry) -> Signer {
    Signer::new("COSIGN_2_CLI", registry, &["--tlog-upload=false"])
}

#[test]
fn a_release_is_signed_attested_and_verified() {
    Registry::each(|registry| {
        let (signer, other) = (cosign(registry), cosign(registry));
        cosign::signs_attests_and_verifies(&signer, &other, registry, "cosign:tags");
        let tree = signer.tree(&registry.at("cosign/tags:1.0.0"));
        for end in [".sig\n", ".att\n"] {
            assert!(tree.contains(end), "{tree}");
        }
    });
}

#[test]
fn a_second_signature_is_added_to_the_first() {
    Registry::each(|registry| {
        let (one, other) = (cosign(registry), cosign(registry));
        let digest = registry.release("cosign:twice", "1.0.0");
        let at = registry.at(&format!("cosign/twice@{digest}"));
        one.sign(&at).accepted();
        other.sign(&at).accepted();
        one.verify(&at).accepted();
        other.verify(&at).accepted();
    });
}

#[test]
fn a_release_is_copied_with_its_signature() {
    Registry::each(|registry| {
        let signer = cosign(registry);
        let digest = registry.release("cosign:kept", "1.0.0");
        signer.sign(&registry.at(&format!("cosign/kept@{digest}"))).accepted();
        let (from, to) = (registry.at("cosign/kept:1.0.0"), registry.at("cosign/copied:1.0.0"));
        signer.client.run(&["copy", "--allow-http-registry", &from, &to]).accepted();
        signer.verify(&to).accepted();
        registry.wkg().gets_the_bytes_of("cosign:copied", "1.0.0", &interop::corpus::small_component());
    });
}

#[test]
fn signatures_are_cleaned_away() {
    Registry::each(|registry| {
        let signer = cosign(registry);
        let digest = registry.release("cosign:cleaned", "1.0.0");
        let at = registry.at(&format!("cosign/cleaned@{digest}"));
        signer.sign(&at).accepted();
        // It succeeds also where a registry deletes nothing.
        let clean = ["clean", "--allow-http-registry", "--force", "--type", "all", &at];
        signer.client.run(&clean).accepted();
        signer.verify(&at).refused("no signatures found");
    });
}

#[test]
fn what_is_missing_is_named() {
    Registry::each(|registry| {
        let signer = cosign(registry);
        let at = registry.at("cosign/nowhere:1.0.0");
        let unknown = if registry.is_ours() { "NAME_UNKNOWN" } else { "_UNKNOWN" };
        signer.sign(&at).refused(unknown);
        signer.verify(&at).refused(unknown);
    });
}
