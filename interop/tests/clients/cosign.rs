//! What both versions of cosign do, with a key of one's own and without any service of Sigstore's.

use interop::answer::Answer;
use interop::client::Client;
use interop::registry::Registry;

/// Words of every command: the registry has no TLS.
const HTTP: &str = "--allow-http-registry";

/// Words of every check: no transparency log of Sigstore's is asked.
const NO_LOG: &str = "--insecure-ignore-tlog";

/// Somebody with cosign and a key pair.
pub(crate) struct Signer {
    pub(crate) client: Client,
    /// How this version is told to sign without a log.
    offline: &'static [&'static str],
}

impl Signer {
    pub(crate) fn new(variable: &'static str, registry: &Registry, offline: &'static [&'static str]) -> Self {
        let client = Client::new(variable, registry).with("COSIGN_PASSWORD", "secret");
        client.log_in(registry.login(), &["login"]);
        client.run(&["generate-key-pair"]).accepted();
        client.write("predicate.json", r#"{"tests":"passed"}"#);
        Self { client, offline }
    }

    pub(crate) fn sign(&self, at: &str) -> Answer {
        let words = ["sign", "--key", "cosign.key", HTTP, "--yes"];
        self.client.run(&[&words, self.offline, &[at]].concat())
    }

    pub(crate) fn attest(&self, at: &str) -> Answer {
        let words = ["attest", "--key", "cosign.key", HTTP, "--yes", "--type", "custom"];
        self.client.run(&[&words, self.offline, &["--predicate", "predicate.json", at]].concat())
    }

    pub(crate) fn verify(&self, at: &str) -> Answer {
        self.client.run(&["verify", "--key", "cosign.pub", HTTP, NO_LOG, at])
    }

    pub(crate) fn verify_attestation(&self, at: &str) -> Answer {
        let words = ["verify-attestation", "--key", "cosign.pub", HTTP, NO_LOG, "--type", "custom", at];
        self.client.run(&words)
    }

    /// What cosign says belongs to an artifact.
    pub(crate) fn tree(&self, at: &str) -> String {
        self.client.run(&["tree", HTTP, at]).accepted()
    }
}

/// A release is signed and attested, and both hold: for its digest, for its version, and for whoever has the public
/// key; but not with another key, and not for what nobody signed.
#[track_caller]
pub(crate) fn signs_attests_and_verifies(
    signer: &Signer,
    other: &Signer,
    registry: &Registry,
    package: &str,
) {
    let digest = registry.release(package, "1.0.0");
    let repository = registry.at(&package.replace(':', "/"));
    let (at, version) = (format!("{repository}@{digest}"), format!("{repository}:1.0.0"));
    signer.verify(&at).refused("no signatures found");
    signer.sign(&at).accepted();
    for at in [&at, &version] {
        let said = signer.verify(at).accepted();
        assert!(said.contains("The signatures were verified against the specified public key"), "{said}");
        assert!(said.contains(&digest), "{said}");
    }
    signer.attest(&at).accepted();
    signer.verify_attestation(&version).accepted();
    other.verify(&at).refused("no matching");
    other.verify_attestation(&at).refused("no matching attestations");
    // The release is what it was.
    registry.wkg().gets_the_bytes_of(package, "1.0.0", &interop::corpus::small_component());
}
