//! What waits at the registry for more people to agree.

use super::*;

/// A package whose versions from 2.0.0 on two of three must release, and its owner.
fn with_team(scene: &Scene) -> (Key, [Key; 3]) {
    let [alice, one, two, three] = ["alice", "one", "two", "three"].map(|name| scene.key(name));
    scene.publish("acme:hello@1.0.0", &alice);
    let to = ["--to", &one.public, "--to", &two.public, "--to", &three.public, "--threshold", "2"];
    let what = ["grant", "acme:hello", "team", "--may", "release", "--over", ">=2.0.0 <3.0.0"];
    scene.ok(&[&what[..], &to, &["--key", &alice.file]].concat());
    (alice, [one, two, three])
}

#[test]
fn a_release_waits_for_the_second_person_who_approves_it_by_its_version() {
    let scene = Scene::new();
    let (alice, [one, two, three]) = with_team(&scene);
    let wasm = scene.wasm("two");
    let publish = ["publish", &wasm, "acme:hello@2.0.0", "--key", &one.file];
    let planned = scene.ok(&[&publish[..], &["--dry-run"]].concat());
    assert!(planned.contains("waits, since  Release needs the agreement of 2 keys"), "{planned}");
    let told = scene.ok(&publish);
    assert!(told.contains("it waits at the registry until") && told.contains("it has 1"), "{told}");
    let approve = told.split("wargate approve ").nth(1).unwrap().trim().to_owned();
    assert_eq!(scene.tags("acme/hello"), ["1.0.0"]);

    let listed = scene.ok(&["proposals", "acme:hello"]);
    assert!(listed.contains("releases 2.0.0") && listed.contains(&one.id), "{listed}");
    let approve: Vec<&str> = approve.split(' ').collect();
    let approve = [&["approve"][..], &approve].concat();
    let shown = scene.ok(&[&approve[..], &["--dry-run"]].concat());
    assert!(shown.contains("still lacks") && shown.contains("signed by     "), "{shown}");
    let by = |key: &Key| [&approve[..], &["--key", &key.file]].concat().join("\n");
    let run = |args: &str| args.split('\n').map(str::to_owned).collect::<Vec<_>>();
    for (key, words) in [(&one, "has signed it already"), (&scene.key("stranger"), "has no say in this act")]
    {
        let args = run(&by(key));
        scene.refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[words]);
    }
    let done = scene.ok(&["approve", "acme:hello@2.0.0", "--key", &two.file]);
    assert!(done.contains("nothing is missing") && done.contains("done: record sha256:"), "{done}");
    assert_eq!(scene.tags("acme/hello"), ["1.0.0", "2.0.0"]);
    assert_eq!(scene.json(&["verify", "acme:hello@2.0.0"])["ok"], true);
    let nothing = scene.ok(&["proposals", "acme:hello"]);
    assert!(nothing.contains("nothing waits"), "{nothing}");
    scene.refused(&["approve", "acme:hello@2.0.0", "--key", &three.file], &["nothing such waits"]);

    // Several wait: it must be said which.
    for (version, key) in [("2.1.0", &one), ("2.2.0", &three)] {
        let wasm = scene.wasm(version);
        let told = scene.json(&["publish", &wasm, &format!("acme:hello@{version}"), "--key", &key.file]);
        assert!(told["lacks"].as_str().unwrap().contains("it has 1"), "{told}");
    }
    assert_refused(
        &scene.run(&["approve", "acme:hello", "--key", &two.file]),
        2,
        &["several wait", "say which"],
    );
    let told = scene.json(&["reject", "acme:hello@2.1.0", "--reason", "not before the audit"]);
    assert_eq!(told["rejected"], "not before the audit");
    let wasm = scene.wasm("2.1.0");
    // Another act for the same is another proposal; the owner needs nobody.
    scene.ok(&["publish", &wasm, "acme:hello@2.1.0", "--key", &alice.file]);
    // A signer without network.
    let file = scene.path("waits.json").to_str().unwrap().to_owned();
    scene.ok(&["approve", "acme:hello", "--propose", &file]);
    scene.ok(&["sign", &file, "--key", &two.file]);
    assert!(scene.ok(&["submit", &file]).contains("done: record"));
    assert_eq!(scene.tags("acme/hello"), ["1.0.0", "2.0.0", "2.1.0", "2.2.0"]);
}

#[test]
fn what_the_registry_signed_for_somebody_is_made_ones_own_afterwards() {
    let scene = Scene::new();
    let [alice, stranger] = ["alice", "stranger"].map(|name| scene.key(name));
    scene.publish("acme:hello@1.0.0", &alice);
    scene.let_registry_release("acme:hello", &alice);
    scene.push("acme/hello", "1.1.0");
    let level = || scene.json(&["verify", "acme:hello@1.1.0"])["publishedBy"]["level"].clone();
    assert_eq!(level(), "registry, for an account");
    scene.refused(&["sign", "acme:hello@1.1.0", "--key", &stranger.file], &["needs the agreement"]);
    scene.refused(&["sign", "acme:hello@1.2.0", "--key", &alice.file], &["has no version 1.2.0"]);
    scene.refused(&["sign", "no-such-file", "--key", &alice.file], &["no-such-file"]);
    scene.ok(&["sign", "acme:hello@1.1.0", "--key", &alice.file]);
    assert_eq!(level(), "publisher's key");
}

#[test]
fn an_act_of_one_owner_of_two_waits_for_the_other() {
    let scene = Scene::new();
    let [one, two, ci] = ["one", "two", "ci"].map(|name| scene.key(name));
    let claim = ["claim", "acme", "--to", &one.public, "--to", &two.public, "--threshold", "2"];
    let told = scene.ok(&[&claim[..], &["--key", &one.file]].concat());
    assert!(told.contains("others agree with   wargate approve acme"), "{told}");
    scene.ok(&["approve", "acme", "--key", &two.file]);
    let grant = ["grant", "acme", "starters", "--to", &ci.public, "--may", "init", "--over", "h*"];
    let waits = scene.json(&[&grant[..], &["--days", "3", "--key", &two.file]].concat());
    assert_eq!(waits["ok"], true, "{waits}");
    let list = scene.json(&["proposals", "acme"]);
    let proposal = &list["proposals"][0];
    assert_eq!((&proposal["signedBy"][0], &proposal["handedInBy"]), (&two.id.clone().into(), &Value::Null));
    scene.ok(&["approve", "acme", proposal["proposal"].as_str().unwrap(), "--key", &one.file]);
    scene.publish("acme:hello@1.0.0", &ci);
}
