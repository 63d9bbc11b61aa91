//! What buildah and podman have in common: both build, push and pull images that they keep in a storage of their own.

use interop::client::Client;
use interop::registry::Registry;

/// Somebody whose images are kept in the home, in plain folders: nothing is mounted, nothing asks for much of the
/// machine.
pub(crate) fn keeper(variable: &'static str, registry: &Registry) -> Client {
    let client = Client::new(variable, registry);
    let (root, run) = (client.path("images"), client.path("run"));
    let place = |path: &std::path::Path| path.to_str().expect("a path in UTF-8").to_owned();
    let (root, run) = (place(&root), place(&run));
    let client = client.with("XDG_RUNTIME_DIR", &run).with("TMPDIR", "/var/tmp").beginning(&[
        "--root",
        &root,
        "--runroot",
        &run,
        "--storage-driver",
        "vfs",
    ]);
    client
        .write("run/made", "")
        .write("file", "hello\n")
        .write("Containerfile", "FROM scratch\nCOPY file /file\n");
    client.write(".config/containers/policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
    client.log_in(registry.login(), &["login", "--tls-verify=false"]);
    client
}

/// An image is built from nothing, pushed, forgotten and pulled, by tag and by digest.
pub(crate) fn builds_pushes_and_pulls(client: &Client, at: &str) {
    client.run(&["build", "--isolation", "chroot", "-t", at, "."]).accepted();
    client.run(&["push", "--tls-verify=false", "--digestfile", "digest", at]).accepted();
    let id = |client: &Client| client.run(&["images", "--quiet", "--no-trunc", at]).printed();
    let built = id(client);
    assert!(built.contains("sha256:"), "{built}");
    client.run(&["rmi", at]).accepted();
    client.run(&["pull", "--tls-verify=false", at]).accepted();
    assert_eq!(id(client), built);
    let digest = String::from_utf8(client.read("digest")).expect("a digest");
    let repository = at.rsplit_once(':').expect("a tag").0;
    client.run(&["pull", "--tls-verify=false", &format!("{repository}@{digest}")]).accepted();
}

/// A list of manifests is pushed and pulled.
pub(crate) fn pushes_a_list(client: &Client, image: &str, at: &str) {
    client.run(&["build", "--isolation", "chroot", "-t", image, "."]).accepted();
    client.run(&["push", "--tls-verify=false", image]).accepted();
    client.run(&["manifest", "create", "list"]).accepted();
    let image = format!("docker://{image}");
    client.run(&["manifest", "add", "--tls-verify=false", "list", &image]).accepted();
    let to = format!("docker://{at}");
    client.run(&["manifest", "push", "--all", "--tls-verify=false", "list", &to]).accepted();
    client.run(&["pull", "--tls-verify=false", at]).accepted();
}

/// What is not there is refused in our words.
pub(crate) fn names_what_is_missing(client: &Client, registry: &Registry, at: &str) {
    let pull = client.run(&["pull", "--tls-verify=false", at]);
    pull.refused(if registry.is_ours() { "is not known here" } else { "unknown" });
}
