//! oras 1.3: artifacts of any kind, and what is attached to them.

use interop::answer::Answer;
use interop::client::Client;
use interop::corpus;
use interop::layout;
use interop::registry::{Registry, digest_in};
use wargate_core::digest::Digest;

/// A fixed time makes the same manifest of the same files.
const FIXED: &str = "org.opencontainers.image.created=2026-01-01T00:00:00Z";

fn oras(registry: &Registry) -> Client {
    let oras = Client::new("ORAS_CLI", registry);
    oras.log_in(registry.login(), &["login", "--plain-http"]);
    oras.write("hello.txt", "hello\n").write("bill.json", "{}\n");
    oras
}

/// Pushes one small file; its manifest's digest.
#[track_caller]
fn push(oras: &Client, at: &str) -> String {
    let kind = ["--artifact-type", "application/x.test"];
    let words = ["push", "--plain-http", "--annotation", FIXED, kind[0], kind[1], at, "hello.txt:text/plain"];
    digest_in(&oras.run(&words).accepted())
}

/// Attaches a file to what is there; the digest of its manifest.
#[track_caller]
fn attach(oras: &Client, to: &str, kind: &str) -> String {
    let words =
        ["attach", "--plain-http", "--no-tty", "--artifact-type", kind, "--format", "json", to, "bill.json"];
    let printed = oras.run(&words).printed();
    digest_in(printed.split("\"digest\"").nth(1).unwrap_or_else(|| panic!("no digest in: {printed}")))
}

/// Releases a file of Wasm as one would who has nothing but oras.
fn release(oras: &Client, at: &str, file: &str) -> Answer {
    let digest = Digest::of(&oras.read(file));
    let config = format!(
        r#"{{"created":"2026-01-01T00:00:00Z","architecture":"wasm","os":"wasip2","layerDigests":["{digest}"]}}"#
    );
    oras.write("config.json", config);
    let config = "config.json:application/vnd.wasm.config.v0+json";
    let layer = format!("{file}:application/wasm");
    oras.run(&["push", "--plain-http", "--annotation", FIXED, "--config", config, at, &layer])
}

#[test]
fn files_are_pushed_and_pulled() {
    Registry::each(|registry| {
        let (oras, at) = (oras(registry), registry.at("oras/files:v1"));
        let digest = push(&oras, &at);
        // The same again is no error and changes nothing.
        assert_eq!(push(&oras, &at), digest);
        let pulled = oras.run(&["pull", "--plain-http", "-o", "out", &at]).accepted();
        assert!(pulled.contains(&format!("Digest: {digest}")), "{pulled}");
        assert_eq!(oras.read("out/hello.txt"), b"hello\n");
        let by_digest = registry.at(&format!("oras/files@{digest}"));
        oras.run(&["pull", "--plain-http", "-o", "again", &by_digest]).accepted();
        assert_eq!(oras.read("again/hello.txt"), b"hello\n");
    });
}

#[test]
fn an_empty_file_and_a_large_one_come_back_as_they_were() {
    /// More than a client holds back, and than one read of ours.
    const LARGE_BYTES: usize = 12 * 1024 * 1024;
    Registry::each(|registry| {
        let (oras, at) = (oras(registry), registry.at("oras/sizes:v1"));
        let large: Vec<u8> = (0..LARGE_BYTES as u64).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        oras.write("empty.txt", "").write("large.bin", &large);
        let files = ["empty.txt:text/plain", "large.bin:application/octet-stream"];
        oras.run(&["push", "--plain-http", &at, files[0], files[1]]).accepted();
        oras.run(&["pull", "--plain-http", "-o", "out", &at]).accepted();
        assert_eq!(oras.read("out/empty.txt"), b"");
        assert!(oras.read("out/large.bin") == large, "other bytes than were pushed");
    });
}

#[test]
fn what_is_missing_is_not_found() {
    Registry::each(|registry| {
        let oras = oras(registry);
        push(&oras, &registry.at("oras/missing:v1"));
        for name in ["oras/missing:v2", "oras/nowhere:v1"] {
            let at = registry.at(name);
            oras.run(&["pull", "--plain-http", &at]).refused(&format!("{at}: not found"));
        }
    });
}

#[test]
fn manifests_are_fetched_pushed_and_deleted() {
    Registry::each(|registry| {
        let (oras, at) = (oras(registry), registry.at("oras/manifests:v1"));
        let digest = push(&oras, &at);
        let manifest = oras.run(&["manifest", "fetch", "--plain-http", &at]).printed();
        let described = oras.run(&["manifest", "fetch", "--plain-http", "--descriptor", &at]).printed();
        assert!(described.contains(&digest), "{described}");
        assert!(described.contains(&format!("\"size\":{}", manifest.len())), "{described}");
        oras.write("manifest.json", &manifest);
        let second = registry.at("oras/manifests:v2");
        let said = oras.run(&["manifest", "push", "--plain-http", &second, "manifest.json"]).accepted();
        assert_eq!(digest_in(&said), digest);
        oras.write("other.json", manifest.replace("hello.txt", "bye.txt"));
        let third = registry.at("oras/manifests:v3");
        oras.run(&["manifest", "push", "--plain-http", &third, "other.json"]).accepted();
        // It deletes by digest: all tags of it go.
        let said = oras.run(&["manifest", "delete", "--plain-http", "--force", &at]).accepted();
        assert!(said.contains("Deleted [registry]"), "{said}");
        let repository = registry.at("oras/manifests");
        assert_eq!(oras.run(&["repo", "tags", "--plain-http", &repository]).printed().trim(), "v3");
        oras.run(&["manifest", "fetch", "--plain-http", &second]).refused(&format!("{second}: not found"));
    });
}

#[test]
fn blobs_are_pushed_fetched_and_deleted() {
    Registry::each(|registry| {
        let (oras, repository) = (oras(registry), registry.at("oras/blobs"));
        let digest =
            digest_in(&oras.run(&["blob", "push", "--plain-http", &repository, "hello.txt"]).accepted());
        let at = format!("{repository}@{digest}");
        let fetch = ["blob", "fetch", "--plain-http", "--output", "-", &at];
        assert_eq!(oras.run(&fetch).printed(), "hello\n");
        let described = oras.run(&["blob", "fetch", "--plain-http", "--descriptor", &at]).printed();
        assert!(described.contains("\"size\":6"), "{described}");
        oras.run(&["blob", "delete", "--plain-http", "--force", &at]).accepted();
        oras.run(&fetch).refused(&format!("{at}: not found"));
    });
}

#[test]
fn tags_are_made_and_listed_in_order() {
    Registry::each(|registry| {
        let (oras, at) = (oras(registry), registry.at("oras/tags:v1"));
        push(&oras, &at);
        oras.run(&["tag", "--plain-http", &at, "v10", "v2"]).accepted();
        let repository = registry.at("oras/tags");
        let mut tags: Vec<_> = Vec::new();
        let printed = oras.run(&["repo", "tags", "--plain-http", &repository]).printed();
        tags.extend(printed.split_whitespace());
        if !registry.is_ours() {
            tags.sort_unstable();
        }
        assert_eq!(tags, ["v1", "v10", "v2"]);
        let rest = oras.run(&["repo", "tags", "--plain-http", "--last", "v10", &repository]).printed();
        assert!(!registry.is_ours() || rest.trim() == "v2", "{rest}");
    });
}

#[test]
fn repositories_are_listed() {
    Registry::each(|registry| {
        let oras = oras(registry);
        for name in ["oras/ls/one", "oras/ls/two"] {
            push(&oras, &registry.at(&format!("{name}:v1")));
        }
        let all = oras.run(&["repo", "ls", "--plain-http", registry.host()]).printed();
        let all: Vec<_> = all.lines().collect();
        assert!(["oras/ls/one", "oras/ls/two"].iter().all(|name| all.contains(name)), "{all:?}");
        let under = oras.run(&["repo", "ls", "--plain-http", &registry.at("oras/ls/")]).printed();
        assert_eq!(under.split_whitespace().collect::<Vec<_>>(), ["one", "two"]);
    });
}

#[test]
fn what_is_attached_is_discovered() {
    Registry::each(|registry| {
        let oras = oras(registry);
        let digest = registry.release("oras:attached", "1.0.0");
        let at = registry.at("oras/attached:1.0.0");
        let none = oras.run(&["discover", "--plain-http", "--format", "json", &at]).printed();
        assert!(none.contains(r#""referrers": []"#), "{none}");
        let bill = attach(&oras, &at, "application/x.bill");
        let note = attach(&oras, &at, "application/x.note");
        // Attached to what is attached.
        let deep = attach(&oras, &registry.at(&format!("oras/attached@{bill}")), "application/x.deep");
        let tree = oras.run(&["discover", "--plain-http", "--no-tty", &at]).printed();
        let places: Vec<_> = [&digest, &bill, &note, &deep].iter().map(|digest| tree.find(*digest)).collect();
        assert!(places.iter().all(Option::is_some), "{tree}");
        assert!(places[3] > places[1], "{tree}");
        let json = oras.run(&["discover", "--plain-http", "--format", "json", &at]).printed();
        for part in [r#""artifactType": "application/x.bill""#, r#""artifactType": "application/x.deep""#] {
            assert!(json.contains(part), "{json}");
        }
        let some =
            ["discover", "--plain-http", "--format", "json", "--artifact-type", "application/x.note", &at];
        let some = oras.run(&some).printed();
        assert!(some.contains(&note) && !some.contains(&bill), "{some}");
        let tags = oras.run(&["repo", "tags", "--plain-http", &registry.at("oras/attached")]).printed();
        // A registry without referrers would get a tag for them.
        assert!(!registry.is_ours() || !tags.contains("sha256-"), "{tags}");
    });
}

#[test]
fn what_is_attached_is_deleted_and_the_release_stays() {
    Registry::each(|registry| {
        let oras = oras(registry);
        registry.release("oras:detached", "1.0.0");
        let at = registry.at("oras/detached:1.0.0");
        let bill = registry.at(&format!("oras/detached@{}", attach(&oras, &at, "application/x.bill")));
        oras.run(&["manifest", "delete", "--plain-http", "--force", &bill]).accepted();
        let none = oras.run(&["discover", "--plain-http", "--format", "json", &at]).printed();
        assert!(none.contains(r#""referrers": []"#), "{none}");
        registry.wkg().gets_the_bytes_of("oras:detached", "1.0.0", &corpus::small_component());
    });
}

#[test]
fn whoever_keeps_to_the_tag_of_referrers_finds_them_there() {
    Registry::each(|registry| {
        let (oras, by_tag) = (oras(registry), "v1.1-referrers-tag");
        registry.release("oras:by-tag", "1.0.0");
        let at = registry.at("oras/by-tag:1.0.0");
        let kind = ["--artifact-type", "application/x.bill"];
        let words =
            ["attach", "--plain-http", "--distribution-spec", by_tag, kind[0], kind[1], &at, "bill.json"];
        oras.run(&words).accepted();
        for spec in ["v1.1-referrers-tag", "v1.1-referrers-api"] {
            let words = ["discover", "--plain-http", "--distribution-spec", spec, &at];
            if spec == by_tag || registry.is_ours() {
                let tree = oras.run(&words).printed();
                assert!(tree.contains("application/x.bill"), "{spec}: {tree}");
            }
        }
    });
}

#[test]
fn an_artifact_is_copied_with_what_is_attached() {
    Registry::each(|registry| {
        let (oras, at, to) = (oras(registry), registry.at("oras/from:v1"), registry.at("oras/to:v1"));
        let digest = push(&oras, &at);
        let bill = attach(&oras, &at, "application/x.bill");
        let said = oras.run(&["cp", "-r", "--from-plain-http", "--to-plain-http", &at, &to]).accepted();
        assert!(said.contains(&format!("Digest: {digest}")), "{said}");
        let tree = oras.run(&["discover", "--plain-http", "--no-tty", &to]).printed();
        assert!(tree.contains(&bill), "{tree}");
        // And by way of a folder.
        oras.run(&["cp", "-r", "--from-plain-http", "--to-oci-layout", &at, "kept:v1"]).accepted();
        let back = registry.at("oras/back:v1");
        oras.run(&["cp", "-r", "--from-oci-layout", "--to-plain-http", "kept:v1", &back]).accepted();
        let tree = oras.run(&["discover", "--plain-http", "--no-tty", &back]).printed();
        assert!(tree.contains(&digest) && tree.contains(&bill), "{tree}");
    });
}

#[test]
fn a_repository_is_backed_up_and_restored() {
    Registry::each(|registry| {
        let (oras, at) = (oras(registry), registry.at("oras/kept:v1"));
        let digest = push(&oras, &at);
        let bill = attach(&oras, &at, "application/x.bill");
        let backup = ["backup", "--plain-http", "--include-referrers", "-o", "kept.tar", &at];
        let said = oras.run(&backup).accepted();
        assert!(said.contains("Pulled tag v1 with 1 referrer(s)"), "{said}");
        let to = registry.at("oras/restored:v1");
        let said = oras.run(&["restore", "--plain-http", "--input", "kept.tar", &to]).accepted();
        assert!(said.contains("Pushed tag v1 with 1 referrer(s)"), "{said}");
        let tree = oras.run(&["discover", "--plain-http", "--no-tty", &to]).printed();
        assert!(tree.contains(&digest) && tree.contains(&bill), "{tree}");
    });
}

#[test]
fn one_platform_of_an_index_is_pulled() {
    Registry::each(|registry| {
        let oras = oras(registry);
        let layout = layout::write(&oras.path("image"), "v1", &["linux/amd64", "wasip2/wasm"]);
        let at = registry.at("oras/index:v1");
        let said = oras.run(&["cp", "--from-oci-layout", "--to-plain-http", "image:v1", &at]).accepted();
        assert!(said.contains(&format!("Digest: {}", layout.digest)), "{said}");
        let one = ["manifest", "fetch", "--plain-http", "--descriptor", "--platform", "wasip2/wasm", &at];
        let one = oras.run(&one).printed();
        assert!(one.contains(&layout.manifests[1]), "{one}");
    });
}

#[test]
fn an_index_is_made_of_what_is_there() {
    Registry::each(|registry| {
        let (oras, repository) = (oras(registry), registry.at("oras/made"));
        let digest = push(&oras, &format!("{repository}:one"));
        let at = format!("{repository}:all,newest");
        oras.run(&["manifest", "index", "create", "--plain-http", &at, "one"]).accepted();
        let newest = format!("{repository}:newest");
        let index = oras.run(&["manifest", "fetch", "--plain-http", &newest]).printed();
        assert!(index.contains(layout::INDEX) && index.contains(&digest), "{index}");
        let of = |tag: &str| oras.run(&["resolve", "--plain-http", &format!("{repository}:{tag}")]).printed();
        assert_eq!(of("all"), of("newest"));
        assert_eq!(of("one").trim(), digest);
    });
}

#[test]
fn wasm_is_released_once_and_the_refusals_say_why() {
    Registry::each(|registry| {
        if !registry.is_ours() {
            return;
        }
        let (oras, at) = (oras(registry), registry.at("oras/once:1.0.0"));
        oras.take("hello.wasm", &corpus::small_component()).take("other.wasm", &corpus::other_component());
        release(&oras, &at, "hello.wasm").accepted();
        release(&oras, &at, "hello.wasm").accepted();
        registry.wkg().gets_the_bytes_of("oras:once", "1.0.0", &corpus::small_component());
        let refused = "denied: version 1.0.0 of `oras:once` is released already, with content `sha256:";
        release(&oras, &at, "other.wasm").refused(refused);
        let next = registry.at("oras/once:1.1.0");
        release(&oras, &next, "hello.txt").refused("not a WebAssembly file");
        let text = ["push", "--plain-http", &next, "hello.txt:text/plain"];
        oras.run(&text).refused("a version of `oras:once` is a Wasm artifact");
        oras.run(&["tag", "--plain-http", &at, "latest"])
            .refused("`latest` of `oras:once` is its highest version");
        let delete = ["manifest", "delete", "--plain-http", "--force", &at];
        oras.run(&delete).refused("yank");
        registry.wkg().gets_the_bytes_of("oras:once", "1.0.0", &corpus::small_component());
    });
}
