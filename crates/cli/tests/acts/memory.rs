//! What somebody who took a release before is told when the next one comes by another word.

use super::support::oci::Push;
use super::*;

impl Scene {
    /// Pushes a release without a key, as OCI clients do.
    pub(super) fn push(&self, repository: &str, version: &str) {
        let layer = std::fs::read(self.wasm(&format!("pushed-{version}"))).unwrap();
        let push = Push { repository: repository.to_owned(), version: version.to_owned(), layer };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(push.send(&reqwest::Client::new(), &self.server.url)).unwrap();
    }

    /// Lets the registry release 1.x of a package for others.
    pub(super) fn let_registry_release(&self, package: &str, owner: &Key) {
        let publishing = self.data().join("keys/publishing.key").to_str().unwrap().to_owned();
        let shown = self.json(&["key", "show", "--key", &publishing]);
        let public = shown["publicKey"].as_str().unwrap().to_owned();
        let grant = ["grant", package, "registry", "--to", &public, "--may", "release"];
        self.ok(&[&grant[..], &["--over", ">=1.0.0 <2.0.0", "--key", &owner.file]].concat());
    }
}

#[test]
fn owners_who_were_replaced_are_accepted_before_anything_of_theirs_is_taken() {
    let scene = Scene::new();
    let [boss, lost, fresh] = ["boss", "lost", "fresh"].map(|name| scene.key(name));
    let out = scene.path("out.wasm").to_str().unwrap().to_owned();
    let pull = ["pull", "acme:hello", "-o", out.as_str()];
    scene.ok(&["claim", "acme", "--to", &boss.public, "--key", &boss.file]);
    scene.ok(&["grant", "acme", "starters", "--to", &lost.public, "--may", "init", "--key", &boss.file]);
    scene.publish("acme:hello@1.0.0", &lost);
    assert!(scene.ok(&pull).contains("guarded by    one key"));
    scene.ok(&["recover", "acme:hello", "--to", &fresh.public, "--key", &boss.file]);
    scene.publish("acme:hello@1.1.0", &fresh);
    // Also what was there before: whoever replaced them may have distrusted, yanked or endorsed it.
    for release in ["acme:hello", "acme:hello@1.0.0"] {
        let words = ["the owners of acme:hello were replaced at", "wargate trust accept acme:hello"];
        scene.refused(&["pull", release, "-o", &out], &words);
        scene.refused(&["verify", release], &words);
    }
    let told = scene.ok(&["trust", "accept", "acme:hello"]);
    assert!(told.contains("new owners    of acme:hello"), "{told}");
    scene.ok(&pull);
    // Who never took anything has nothing to compare with.
    let newcomer = tempfile::tempdir().unwrap();
    let mut newcomers = scene.wargate(&pull);
    assert!(newcomers.env("WARGATE_STATE", newcomer.path()).output().unwrap().status.success());
}

#[test]
fn a_weaker_word_is_taken_only_where_the_owners_let_it_since() {
    let scene = Scene::new();
    let alice = scene.key("alice");
    let out = scene.path("out.wasm").to_str().unwrap().to_owned();
    // The registry could release it all the time, and never had.
    scene.publish("acme:hello@1.0.0", &alice);
    scene.let_registry_release("acme:hello", &alice);
    let pull = ["pull", "acme:hello", "-o", out.as_str()];
    scene.ok(&pull);
    scene.push("acme/hello", "1.1.0");
    scene.refused(
        &pull,
        &["by the word of the registry, for an account", "came by the publisher's key", "trust accept"],
    );
    scene.ok(&["pull", "acme:hello@1.0.0", "-o", &out]);
    scene.ok(&["trust", "accept", "acme:hello@1.1.0"]);
    assert_eq!(scene.json(&pull)["publishedBy"]["level"], "registry, for an account");
    // What was accepted stays so when the stronger word is heard again.
    scene.publish("acme:hello@1.2.0", &alice);
    scene.ok(&pull);
    let pulled = scene.run(&["pull", "acme:hello@1.1.0", "-o", &out]);
    assert!(pulled.status.success() && !text(&pulled.stderr).contains("let it"), "{pulled:?}");
    // Here its owner let it after somebody had taken something: that is told.
    scene.publish("acme:other@1.0.0", &alice);
    scene.ok(&["pull", "acme:other", "-o", &out]);
    scene.let_registry_release("acme:other", &alice);
    scene.push("acme/other", "1.1.0");
    let weak = ["pull", "acme:other@1.1.0", "-o", out.as_str()];
    let pulled = scene.run(&weak);
    assert!(pulled.status.success() && text(&pulled.stderr).contains("its owners let it"), "{pulled:?}");
    // That is told once, and holds whatever is taken between.
    scene.publish("acme:other@1.2.0", &alice);
    for taken in [&weak, &["pull", "acme:other", "-o", &out], &weak] {
        let pulled = scene.run(taken);
        assert!(pulled.status.success() && !text(&pulled.stderr).contains("let it"), "{pulled:?}");
    }
}
