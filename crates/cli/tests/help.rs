//! What `--help` says, word by word: a change of it is a change for people and their scripts.
//!
//! After a change that is meant: `WARGATE_BLESS=1 cargo test -p wargate-cli --test help`, and read the difference.

mod support;

use std::path::Path;

use support::{assert_refused, text, wargate};

const COMMANDS: [&[&str]; 47] = [
    &[],
    &["serve"],
    &["fsck"],
    &["publish"],
    &["key"],
    &["key", "new"],
    &["key", "import"],
    &["key", "list"],
    &["key", "encrypt"],
    &["operator"],
    &["operator", "keys"],
    &["operator", "init"],
    &["operator", "begin"],
    &["key", "show"],
    &["verify"],
    &["pull"],
    &["info"],
    &["backup"],
    &["restore"],
    &["trust"],
    &["trust", "add"],
    &["trust", "accept"],
    &["trust", "list"],
    &["trust", "remove"],
    &["gc"],
    &["token"],
    &["yank"],
    &["deprecate"],
    &["claim"],
    &["owner"],
    &["owner", "claim"],
    &["admit"],
    &["policy"],
    &["grant"],
    &["revoke"],
    &["recover"],
    &["sign"],
    &["submit"],
    &["proposals"],
    &["approve"],
    &["reject"],
    &["takedown"],
    &["quarantine"],
    &["import"],
    &["token", "create"],
    &["token", "list"],
    &["token", "revoke"],
];

#[test]
fn help_is_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help");
    for command in COMMANDS {
        let output = wargate(command).arg("--help").output().unwrap();
        assert!(output.status.success());
        let name = if command.is_empty() { "wargate".to_owned() } else { command.join("-") };
        let path = folder.join(format!("{name}.txt"));
        let help = text(&output.stdout);
        if std::env::var_os("WARGATE_BLESS").is_some() {
            std::fs::write(&path, &help).unwrap();
        }
        let known =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(known == help, "{} says otherwise; now it is:\n{help}", path.display());
    }
}

#[test]
fn a_wrong_call_ends_with_2() {
    for args in [&[][..], &["srve"], &["serve", "--nonsense"], &["trust"]] {
        assert_refused(&wargate(args).output().unwrap(), 2, &["Usage:"]);
    }
}
