//! Packages that the registry began for somebody without a key.

use super::*;

#[test]
fn a_package_in_the_registrys_keeping_is_claimed_by_who_it_was_begun_for() {
    let scene = Scene::new();
    let [alice, bob] = ["alice", "bob"].map(|name| scene.key(name));
    scene.push("acme/hello", "1.0.0");
    let claim = ["owner", "claim", "acme:hello"];
    let told = scene.ok(&[&claim[..], &["--key", &alice.file]].concat());
    assert!(told.contains("done: record") && told.contains("the role `registry`"), "{told}");
    scene.refused(&[&claim[..], &["--key", &bob.file]].concat(), &["is not in the registry's keeping"]);
    // The registry goes on for others, as a role that its owner can end.
    scene.push("acme/hello", "1.1.0");
    scene.publish("acme:hello@1.2.0", &alice);
    scene.ok(&["revoke", "acme:hello", "registry", "--key", &alice.file]);
    scene.push("acme/hello", "1.3.0");
    assert_eq!(scene.tags("acme/hello"), ["1.0.0", "1.1.0", "1.2.0"], "it waits for her");
    scene.ok(&["approve", "acme:hello@1.3.0", "--key", &alice.file]);

    scene.push("acme/other", "1.0.0");
    let alone = ["owner", "claim", "acme:other", "--without-registry", "--key", &alice.file];
    let told = scene.ok(&[&alone[..], &["--dry-run"]].concat());
    assert!(told.contains("still lacks") && !told.contains("`registry`"), "{told}");
    scene.ok(&alone);
    scene.push("acme/other", "1.1.0");
    assert_eq!(scene.tags("acme/other"), ["1.0.0"]);
    // A namespace that the registry started is the registry's: its owner admits nobody there.
    scene.refused(
        &["admit", "acme:third", "--to", &bob.public, "--key", &bob.file],
        &["Admit needs the agreement"],
    );
    scene.ok(&["claim", "mine", "--to", &alice.public, "--key", &alice.file]);
    scene.ok(&["admit", "mine:third", "--to", &bob.public, "--key", &alice.file]);
}
