use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use wargate_core::key::{Algorithm, SecretKey};

use super::*;

fn public() -> PublicKey {
    SecretKey::from_bytes(Algorithm::EcdsaP256, [7; 32]).unwrap().public().clone()
}

/// What is made of this text in a file of this mode.
fn decode_with_mode(text: &str, mode: u32) -> Result<Stub, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
    Stub::decode(text.as_bytes(), &file.path().metadata().unwrap())
}

fn decode(text: &str) -> Result<Stub, String> {
    decode_with_mode(text, 0o600)
}

#[test]
fn what_is_written_is_read_again() {
    for keeper in [
        Keeper::Keyring,
        Keeper::Command("pkcs11-sign --label 'wargate' \"$HOME/x\" | base64 -w0 # \\ ü".to_owned()),
        Keeper::Command(" '''\"\"\" ".to_owned()),
    ] {
        let stub = Stub { public: public(), keeper };
        let text = stub.encode().unwrap();
        assert!(Stub::is_meant(text.as_bytes()), "{text}");
        assert_eq!(decode(&text), Ok(stub), "{text}");
    }
    // As docs/keys.md has it.
    let text = format!(
        "# the token in the safe\nversion = 1\npublic_key = \"{}\"\nkept_in = \"keyring\"\n",
        public()
    );
    assert!(Stub::is_meant(text.as_bytes()));
    assert_eq!(decode(&text), Ok(Stub { public: public(), keeper: Keeper::Keyring }));
}

#[test]
fn every_departure_from_the_form_is_refused() {
    let key = format!("public_key = \"{}\"", public());
    let command = "sign_with = \"sign\"";
    for (lines, said) in [
        (vec!["version = 2", &key, command], "version is 2"),
        (vec!["version = \"1\"", &key, command], "invalid type"),
        (vec![&key, command], "missing field `version`"),
        (vec!["version = 1", command], "missing field `public_key`"),
        (vec!["version = 1", "public_key = \"ed25519:AAAA\"", command], "public key"),
        (vec!["version = 1", &key], "either `sign_with` or `kept_in`"),
        (vec!["version = 1", &key, command, "kept_in = \"keyring\""], "either `sign_with` or `kept_in`"),
        (vec!["version = 1", &key, "kept_in = \"drawer\""], "unknown variant"),
        (vec!["version = 1", &key, command, "passphrase = \"x\""], "unknown field `passphrase`"),
        (vec!["version = 1", &key, command, command], "duplicate key"),
        (vec!["version = 1", &key, "sign_with = \" \""], "one line"),
        (vec!["version = 1", &key, "sign_with = \"a\\nb\""], "one line"),
        (vec!["version = 1", &key, "sign_with = \"\\u001b[2J\""], "control characters"),
        (vec!["version = 1", &key, "sign_with = [\"a\"]"], "invalid type"),
    ] {
        let refused = decode(&lines.join("\n")).unwrap_err();
        assert!(refused.contains(said), "{lines:?}: {refused}");
    }
    let key = Stub { public: public(), keeper: Keeper::Command("a\nb".to_owned()) };
    assert!(key.encode().unwrap_err().contains("one line"), "it would not be read again");
}

#[test]
fn nothing_that_may_be_a_key_is_taken_for_a_stub() {
    let secret = SecretKey::from_bytes(Algorithm::Ed25519, [7; 32]).unwrap().to_secret_text();
    for text in
        [&secret, "-----BEGIN AGE ENCRYPTED FILE-----", "-----BEGIN PRIVATE KEY-----", "", "# \n", "no key"]
    {
        assert!(!Stub::is_meant(text.as_bytes()), "{text}");
    }
}

#[test]
fn a_stub_that_others_may_write_is_refused() {
    let text = Stub { public: public(), keeper: Keeper::Command("sign".to_owned()) }.encode().unwrap();
    for mode in [0o600, 0o400, 0o644, 0o755] {
        assert!(decode_with_mode(&text, mode).is_ok(), "{mode:o}");
    }
    for mode in [0o620, 0o602, 0o666, 0o664, 0o777] {
        let refused = decode_with_mode(&text, mode).unwrap_err();
        assert!(refused.contains(&format!("mode {mode:o}")), "{refused}");
    }
    for (owner, reader, is_taken) in
        [(1000, 1000, true), (0, 1000, true), (1001, 1000, false), (1000, 0, false)]
    {
        assert_eq!(only_its_reader_writes(owner, 0o100_644, reader).is_ok(), is_taken, "{owner} {reader}");
    }
}
