//! notation 1.3: signatures of the Notary Project, with a certificate of one's own.

use interop::client::Client;
use interop::registry::{Login, Registry};

const STORE: &str = "wargate.test";

/// Somebody with a key, its certificate, and a policy that trusts it for everything.
fn notation(registry: &Registry) -> Client {
    let mut notation = Client::new("NOTATION_CLI", registry);
    // Its own `login` keeps passwords in a keychain of the desktop only.
    if let Login::Basic { user, password } = registry.login() {
        notation = notation.with("NOTATION_USERNAME", user).with("NOTATION_PASSWORD", password);
    }
    notation.run(&["cert", "generate-test", "--default", STORE]).accepted();
    let policy = format!(
        r#"{{"version":"1.0","trustPolicies":[{{"name":"all","registryScopes":["*"],
        "signatureVerification":{{"level":"strict"}},"trustStores":["ca:{STORE}"],"trustedIdentities":["*"]}}]}}"#
    );
    notation.write("policy.json", policy);
    notation.run(&["policy", "import", "policy.json"]).accepted();
    notation
}

#[test]
fn a_release_is_signed_listed_and_verified() {
    Registry::each(|registry| {
        let notation = notation(registry);
        let digest = registry.release("notation:signed", "1.0.0");
        let at = registry.at(&format!("notation/signed@{digest}"));
        let unsigned = notation.run(&["verify", "--insecure-registry", &at]);
        unsigned.refused("no signature is associated with");
        for format in ["jws", "cose"] {
            let sign = ["sign", "--insecure-registry", "--signature-format", format, &at];
            let said = notation.run(&sign).accepted();
            assert!(said.contains("Successfully signed"), "{said}");
        }
        let list = notation.run(&["list", "--insecure-registry", &at]).printed();
        assert!(list.contains("application/vnd.cncf.notary.signature"), "{list}");
        assert_eq!(list.matches("sha256:").count(), 3, "{list}");
        let said = notation.run(&["verify", "--insecure-registry", &at]).accepted();
        assert!(said.contains("Successfully verified signature"), "{said}");
        let inspected = notation.run(&["inspect", "--insecure-registry", &at]).printed();
        assert!(inspected.contains("media type: application/cose"), "{inspected}");
        assert!(inspected.contains("media type: application/jose+json"), "{inspected}");
    });
}

#[test]
fn signatures_go_into_referrers_without_a_tag() {
    Registry::each(|registry| {
        if !registry.is_ours() {
            return;
        }
        let notation = notation(registry);
        let digest = registry.release("notation:untagged", "1.0.0");
        let at = registry.at(&format!("notation/untagged@{digest}"));
        notation.run(&["sign", "--insecure-registry", "--force-referrers-tag=false", &at]).accepted();
        notation.run(&["verify", "--insecure-registry", &at]).accepted();
    });
}

#[test]
fn somebody_elses_signature_is_not_believed() {
    Registry::each(|registry| {
        let (one, other) = (notation(registry), notation(registry));
        let digest = registry.release("notation:other", "1.0.0");
        let at = registry.at(&format!("notation/other@{digest}"));
        one.run(&["sign", "--insecure-registry", &at]).accepted();
        other.run(&["verify", "--insecure-registry", &at]).refused("signature verification failed");
    });
}

#[test]
fn what_is_missing_is_not_found() {
    Registry::each(|registry| {
        let (notation, at) = (notation(registry), registry.at("notation/nowhere:v1"));
        notation.run(&["sign", "--insecure-registry", &at]).refused(&format!("{at}: not found"));
    });
}
