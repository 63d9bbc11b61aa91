//! cosign 3.1, which keeps signatures and attestations as bundles that refer to what they are about.

use interop::registry::Registry;

use crate::cosign::{self, Signer};

fn cosign(registry: &Registry) -> Signer {
    // Without a configuration of its services, which it would fetch, it can be told to leave out the log.
    Signer::new("COSIGN_3_CLI", registry, &["--use-signing-config=false", "--tlog-upload=false"])
}

#[test]
fn a_release_is_signed_attested_and_verified() {
    Registry::each(|registry| {
        let (signer, other) = (cosign(registry), cosign(registry));
        cosign::signs_attests_and_verifies(&signer, &other, registry, "cosign:referrers");
        let tree = signer.tree(&registry.at("cosign/referrers:1.0.0"));
        for kind in ["https://sigstore.dev/cosign/sign/v1", "https://cosign.sigstore.dev/attestation/v1"] {
            assert!(tree.contains(&format!("{kind} artifacts via OCI referrer")), "{tree}");
        }
    });
}

#[test]
fn signatures_of_two_people_are_beside_each_other() {
    Registry::each(|registry| {
        let (one, other) = (cosign(registry), cosign(registry));
        let digest = registry.release("cosign:both", "1.0.0");
        let at = registry.at(&format!("cosign/both@{digest}"));
        one.sign(&at).accepted();
        other.sign(&at).accepted();
        one.verify(&at).accepted();
        other.verify(&at).accepted();
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
