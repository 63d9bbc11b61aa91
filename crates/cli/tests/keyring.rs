//! Keys in the system's keyring: a real one, `gnome-keyring` on a bus of its own, and machines that have none.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends where something fails, and says what it skips"
)]

mod support;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::author::module;
use support::ceremony::part;
use support::scene::Scene;
use support::{assert_refused, text, wargate_under};
use tempfile::{TempDir, tempdir};
use wargate_core::key::{Algorithm, SecretKey};

/// Starts the keyring that the home folder holds, open or closed, and runs a command once it answers.
const UNLOCKED: &str = "printf keyring | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1";
const LOCKED: &str = "gnome-keyring-daemon --start --components=secrets </dev/null >/dev/null 2>&1";
const THEN: &str = "for _ in $(seq 600); do secret-tool search service none >/dev/null 2>&1 && break; sleep 0.1; done; exec \"$@\"";

const STUB: &str = ".config/wargate/key.stub";

/// A bus that starts nothing by itself: what it started could outlive the session, and hold a test's pipes open.
const BARE_BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"#;

/// Whether this machine can have a keyring; one that tests for others must.
fn has_keyring() -> bool {
    let programs = ["dbus-run-session", "gnome-keyring-daemon", "secret-tool"];
    let absent = programs.iter().find(|program| !Path::new("/usr/bin").join(program).is_file());
    let Some(absent) = absent else { return true };
    let is_ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    assert!(!is_ci, "the keyring cannot be tested: there is no {absent}");
    eprintln!("THE KEYRING IS NOT TESTED: there is no {absent} (`cargo xtask test` has it installed)");
    false
}

/// A person without a screen, or a machine of one.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempdir().unwrap());
        let run = home.path().join("run");
        std::fs::create_dir(&run).unwrap();
        std::fs::set_permissions(run, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(home.path().join("bus.conf"), BARE_BUS).unwrap();
        home
    }

    /// The words that begin a session.
    fn session(&self) -> [String; 3] {
        let config = format!("--config-file={}", self.path().join("bus.conf").display());
        ["dbus-run-session".to_owned(), config, "--".to_owned()]
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn at_home(&self, command: &mut Command) {
        command
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path().join("run"));
        command
            .env("WARGATE_STATE", self.path().join("state"))
            .env("WARGATE_KEY_PASSPHRASE", "correct horse");
        for name in ["DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
    }

    /// `wargate` under these words.
    fn wargate(&self, outer: &[&str], args: &[&str]) -> Command {
        let mut command = wargate_under(outer, args);
        self.at_home(&mut command);
        command
    }

    /// `wargate` in a session with a keyring.
    fn within(&self, keyring: &str, args: &[&str]) -> Output {
        let session = self.session();
        let [run, config, end] = session.each_ref().map(String::as_str);
        let script = format!("{keyring}; {THEN}");
        self.wargate(&[run, config, end, "sh", "-c", &script, "sh"], args).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let output = self.within(UNLOCKED, args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// What another program does to what the keyring has under a key, and what it says.
    fn secret_tool(&self, verb: &[&str], public: &str, input: &str) -> String {
        let [run, config, end] = self.session();
        let mut command = Command::new(run);
        command
            .args([&config, &end, "sh", "-c", &format!("{UNLOCKED}; {THEN}"), "sh", "secret-tool"])
            .args(verb);
        command.args(["service", "wargate", "username", public]);
        self.at_home(&mut command);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        text(&child.wait_with_output().unwrap().stdout)
    }
}

#[test]
fn a_key_in_the_keyring_signs_and_comes_out_only_when_asked() {
    if !has_keyring() {
        return;
    }
    let (home, scene) = (Home::new(), Scene::new());
    let made = home.ok(&["key", "new", "--keyring", "--json"]);
    let public = part(&made, "publicKey");
    assert_eq!(part(&made, "kept"), "keyring");
    let stub = home.path().join(STUB);
    assert_eq!(stub.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&stub).unwrap();
    assert_eq!(kept, format!("version = 1\npublic_key = \"{public}\"\nkept_in = \"keyring\"\n"));
    // What others see of it is the key's own text.
    let secret: SecretKey = home.secret_tool(&["lookup"], &public, "").parse().unwrap();
    assert_eq!(secret.public().to_string(), public);

    // Neither needs the keyring.
    let list = home.wargate(&[], &["key", "list"]).output().unwrap();
    assert!(
        text(&list.stdout).ends_with(&format!("key.stub  keyring  {public}\n")),
        "{}",
        text(&list.stdout)
    );
    let show = home.wargate(&[], &["key", "show"]).output().unwrap();
    assert!(text(&show.stdout).contains("kept in     the system's keyring"), "{}", text(&show.stderr));

    std::fs::write(home.path().join("hello.wasm"), module(b"hello")).unwrap();
    let publish = ["publish", "hello.wasm", "acme:hello@1.0.0", "--registry", &scene.server.url, "--json"];
    let published = home.ok(&publish);
    let verified = scene.wargate(&["verify", "acme:hello@1.0.0", "--json"]).output().unwrap();
    assert!(text(&verified.stdout).contains(&part(&made, "keyId")), "{published}");

    assert_refused(&home.within(UNLOCKED, &["key", "new", "--keyring"]), 1, &["is there already"]);
    assert_refused(&home.within(UNLOCKED, &["key", "new"]), 1, &["key.stub` is there already"]);
    let encrypt = home.within(UNLOCKED, &["key", "encrypt", STUB]);
    assert_refused(&encrypt, 1, &["nothing to encrypt", "the system's keyring has the key", "key import"]);

    // A copy, and from it the key on another machine.
    home.ok(&["key", "import", STUB, "--output", "copy.age"]);
    let other = Home::new();
    std::fs::rename(home.path().join("copy.age"), other.path().join("copy.age")).unwrap();
    let moved = other.ok(&["key", "import", "copy.age", "--keyring", "--json"]);
    assert_eq!(part(&moved, "publicKey"), public);
    let moved: SecretKey = other.secret_tool(&["lookup"], &public, "").parse().unwrap();
    assert_eq!(moved.public().to_string(), public);
}

#[test]
fn a_keyring_that_does_not_give_the_key_says_why_at_once() {
    if !has_keyring() {
        return;
    }
    let home = Home::new();
    let public = part(&home.ok(&["key", "new", "--keyring", "--json"]), "publicKey");
    let copy = ["key", "import", STUB, "--output", "copy.age"];
    let locked = ["keyring is locked", "no screen", "gnome-keyring-daemon --unlock"];
    assert_refused(&home.within(LOCKED, &copy), 1, &locked);
    assert_refused(&home.within(LOCKED, &["key", "new", "--keyring", "--output", "b.stub"]), 1, &locked);
    home.secret_tool(&["clear"], &public, "");
    assert_refused(&home.within(UNLOCKED, &copy), 1, &["the system's keyring has no key", &public]);
    let other = SecretKey::from_bytes(Algorithm::Ed25519, [7; 32]).unwrap().to_secret_text();
    home.secret_tool(&["store", "--label=other"], &public, &other);
    let refused = home.within(UNLOCKED, &copy);
    assert_refused(&refused, 1, &["what the system's keyring keeps for", &public, "is not that key"]);
    assert!(!text(&refused.stderr).contains("BwcHBwcH"), "the secret is repeated");
    for name in ["copy.age", "b.stub"] {
        assert!(!home.path().join(name).exists(), "{name}");
    }
}

/// As it is on servers and in containers; a bus that takes a connection and says nothing is the worst of them.
#[test]
fn without_a_keyring_it_is_said_what_to_do_instead_and_all_else_is_as_ever() {
    let home = Home::new();
    let silent = home.path().join("silent");
    let _listener = UnixListener::bind(&silent).unwrap();
    let make = ["key", "new", "--keyring", "--json"];
    let mut buses = vec![
        home.wargate(&[], &make),
        home.wargate(&["env", "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent"], &make),
        home.wargate(&["env", "DBUS_SESSION_BUS_ADDRESS=nonsense"], &make),
        home.wargate(&["env", &format!("DBUS_SESSION_BUS_ADDRESS=unix:path={}", silent.display())], &make),
    ];
    if has_keyring() {
        buses.push(home.wargate(&home.session().each_ref().map(String::as_str), &make));
    }
    for mut command in buses {
        let output = command.output().unwrap();
        assert_refused(
            &output,
            1,
            &["error[config]", "the system's keyring", "needs no keyring", "WARGATE_KEY"],
        );
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["code"], "config");
        assert!(!home.path().join(STUB).exists(), "{command:?}");
    }
    for args in [&["key", "new"][..], &["key", "show"], &["key", "list"]] {
        assert!(home.wargate(&[], args).output().unwrap().status.success(), "{args:?}");
    }
}
