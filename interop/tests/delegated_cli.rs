//! Packages whose owners act with `wargate`, seen from outside by the unmodified `warg` 0.10: it knows nothing of
//! roles and keys, and goes on reading all the same (`spec/delegation.md`, "Projection", "Carrier records").

use interop::corpus;
use interop::owner::Owner;
use interop::person::Person;
use interop::server::Server;
use tempfile::TempDir;

#[test]
fn a_theft_and_a_rotation_of_the_commit_key_are_followed() {
    let data = TempDir::new().unwrap();
    let mut server = Server::start(data.path());
    let (alice, ben) = (Owner::new(server.url()), Person::new(server.url()));
    let (hello, greeter) = (corpus::small_component(), corpus::other_component());
    let publish = |key: &std::path::Path, file: &std::path::Path, version: &str| {
        let (file, release) = (file.canonicalize().unwrap(), format!("test:owned@{version}"));
        alice.does_with(key, &["publish", file.to_str().unwrap(), &release])
    };
    publish(&alice.key, &hello, "1.0.0");
    ben.downloads_the_bytes_of("test:owned", "1.0.0", &hello);

    // A key for CI releases, is stolen, and loses its trust.
    let ci = data.path().join("ci.key");
    alice.make_key(&ci);
    let grant = ["grant", "test:owned", "ci", "--may", "release", "--over", ">=1.0.0 <2.0.0", "--to"];
    alice.does_with(&alice.key, &[&grant[..], &[&alice.shown(&ci, "public key")]].concat());
    publish(&ci, &greeter, "1.1.0");
    ben.downloads_the_bytes_of("test:owned", "1.1.0", &greeter);
    let stolen = publish(&ci, &hello, "1.2.0");
    let since = stolen.lines().find_map(|line| line.trim().strip_prefix("record        ")).unwrap();
    let since = since.split(' ').next().unwrap();
    alice.does_with(&alice.key, &["revoke", "test:owned", "ci", "--since", since]);
    ben.download("test:owned", "1.2.0").refused("1.2.0");
    ben.downloads_the_bytes_of("test:owned", "1.1.0", &greeter);

    // The registry's commit key is replaced; each log is told of it by the old one.
    let (root, old) = (data.path().join("keys/root.key"), data.path().join("keys/commit.key"));
    let fresh = data.path().join("fresh.key");
    alice.make_key(&fresh);
    alice.does_with(&root, &["grant", "operator", "commit", "--to", &alice.shown(&fresh, "public key")]);
    let config = data.path().join("serve.toml");
    let (fresh, old_path) = (fresh.to_str().unwrap(), old.to_str().unwrap());
    std::fs::write(&config, format!("commit_key = '{fresh}'\nformer_commit_keys = ['{old_path}']\n"))
        .unwrap();
    server = server.crash_and_restart_with(data.path(), &["--config", config.to_str().unwrap()]);
    publish(&alice.key, &greeter, "1.3.0");
    ben.downloads_the_bytes_of("test:owned", "1.3.0", &greeter);
    alice.does_with(&root, &["revoke", "operator", "commit", "--take", &alice.shown(&old, "key id")]);
    publish(&alice.key, &hello, "1.4.0");
    ben.downloads_the_bytes_of("test:owned", "1.4.0", &hello);
    // Somebody new, whose client reads both logs from their first record.
    let carla = Person::new(server.url());
    carla.downloads_the_bytes_of("test:owned", "1.4.0", &hello);
    carla.download("test:owned", "1.2.0").refused("1.2.0");
    let trust = TempDir::new().unwrap();
    server.verifies(trust.path(), "test:owned@1.4.0");
}
