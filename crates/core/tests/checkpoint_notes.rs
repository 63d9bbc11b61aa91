//! Checkpoints in signed notes: what opens, and everything that must not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use wargate_core::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, open_note, peek_note};
use wargate_core::digest::Digest;
use wargate_core::key::{Algorithm, PublicKey, SecretKey, Signature};
use wargate_core::note::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, Note, NoteError, Verifier};

const ORIGIN: &str = "registry.example/log";

fn secret(algorithm: Algorithm, byte: u8) -> SecretKey {
    SecretKey::from_bytes(algorithm, [byte; 32]).unwrap()
}

fn p256(byte: u8) -> SecretKey {
    secret(Algorithm::EcdsaP256, byte)
}

fn checkpoint() -> Checkpoint {
    Checkpoint { size: 34, root: Digest::of(b"log"), map_root: Digest::of(b"map"), time: 1_790_000_025 }
}

/// A signed note and the line of another signer for it.
fn note_by(key: &SecretKey) -> String {
    SignedCheckpoint::sign(checkpoint(), ORIGIN, key).unwrap().note(ORIGIN, key.public()).unwrap()
}

fn line_by(name: &str, key: &SecretKey, text: &str) -> String {
    let signature = key.sign(text.as_bytes()).unwrap();
    Verifier::new(name, key.public().clone()).unwrap().line(&signature)
}

#[test]
fn what_is_signed_opens_for_its_key_only() {
    let (key, other) = (p256(1), p256(2));
    let signed = SignedCheckpoint::sign(checkpoint(), ORIGIN, &key).unwrap();
    signed.verify_warg(key.public()).unwrap();
    signed.verify_warg(other.public()).unwrap_err();
    let note = note_by(&key);
    assert_eq!(peek_note(&note), Ok((ORIGIN, checkpoint())));
    let keys = [other.public().clone(), key.public().clone()];
    assert_eq!(open_note(&note, ORIGIN, &keys), Ok((checkpoint(), key.public().id())));
    let unsigned = Err(CheckpointError::Note(NoteError::Unsigned { known: 1 }));
    assert_eq!(open_note(&note, ORIGIN, &keys[..1]), unsigned);
    let origin = open_note(&note, "other.example/log", &keys);
    assert!(matches!(origin, Err(CheckpointError::Origin { .. })));
    // The Warg signature and the note's are over different bytes: neither passes for the other.
    let swapped = SignedCheckpoint { note_signature: signed.warg_signature.clone(), ..signed };
    let note = swapped.note(ORIGIN, key.public()).unwrap();
    let failed = CheckpointError::Note(NoteError::Signature { name: ORIGIN.to_owned() });
    assert_eq!(open_note(&note, ORIGIN, &keys), Err(failed));
}

#[test]
fn every_change_of_one_byte_is_refused() {
    let key = p256(1);
    let note = note_by(&key);
    let keys = [key.public().clone()];
    for at in 0..note.len() {
        for mask in [1u8, 2, 0x20, 0x80] {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= mask;
            // What is no text never reaches the parser.
            let Ok(other) = String::from_utf8(bytes) else { continue };
            assert!(open_note(&other, ORIGIN, &keys).is_err(), "byte {at} xor {mask}");
        }
        if note.is_char_boundary(at) {
            assert!(open_note(&note[..at], ORIGIN, &keys).is_err(), "cut at {at}");
            assert!(open_note(&note[at..], ORIGIN, &keys).is_err() || at == 0, "from {at}");
        }
    }
}

#[test]
fn an_ed25519_line_alone_proves_nothing() {
    let (commit, witness) = (p256(1), secret(Algorithm::Ed25519, 2));
    let text = checkpoint().note_text(ORIGIN);
    let alone = format!("{text}\n{}", line_by(ORIGIN, &witness, &text));
    let keys: Vec<PublicKey> = vec![witness.public().clone(), commit.public().clone()];
    assert!(open_note(&alone, ORIGIN, &keys).is_err());
    let verifier = Verifier::new(ORIGIN, witness.public().clone()).unwrap();
    Note::parse(&alone).unwrap().verify(&[verifier]).unwrap();
    let both = format!("{alone}{}", line_by(ORIGIN, &commit, &text));
    assert_eq!(open_note(&both, ORIGIN, &keys).unwrap().1, commit.public().id());
}

#[test]
fn a_checkpoint_has_one_text() {
    let good = checkpoint().note_text(ORIGIN);
    assert_eq!(Checkpoint::parse_note_text(&good), Ok((ORIGIN, checkpoint())));
    let lines: Vec<&str> = good.lines().collect();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n") + "\n"
    };
    for bad in [
        String::new(),
        good.trim_end().to_owned(),
        good.clone() + "\n",
        good.clone() + "extension\n",
        good.replace('\n', "\r\n"),
        lines[..4].join("\n") + "\n",
        [lines[0], lines[1], lines[2], lines[4], lines[3], ""].join("\n"),
        with(0, ""),
        with(1, "0"),
        with(1, "034"),
        with(1, "+34"),
        with(1, " 34"),
        with(1, "0x22"),
        with(1, "-1"),
        with(1, "18446744073709551616"),
        with(2, ""),
        with(2, "AAAA"),
        with(2, lines[2].trim_end_matches('=')),
        with(2, &"-".repeat(44)),
        with(3, lines[2]),
        with(3, &lines[3].replace("map ", "map  ")),
        with(3, &lines[3].replace("map ", "Map ")),
        with(4, "1790000025"),
        with(4, "time 01790000025"),
        with(4, "time +1790000025"),
        with(4, "time "),
    ] {
        assert!(Checkpoint::parse_note_text(&bad).is_err(), "{bad:?}");
    }
    let most = Checkpoint { size: u64::MAX, time: u64::MAX, ..checkpoint() };
    assert_eq!(Checkpoint::parse_note_text(&most.note_text("o")), Ok(("o", most)));
}

#[test]
fn the_id_leaves_out_the_time_and_the_signed_bytes_do_not() {
    let (a, b) = (checkpoint(), Checkpoint { time: 1, ..checkpoint() });
    assert_eq!(a.id(), b.id());
    assert_ne!(a.warg_signed_bytes(), b.warg_signed_bytes());
    for other in [
        Checkpoint { size: 35, ..checkpoint() },
        Checkpoint { root: a.map_root, ..checkpoint() },
        Checkpoint { map_root: a.root, ..checkpoint() },
    ] {
        assert_ne!(a.id(), other.id());
        assert_ne!(a.warg_signed_bytes(), other.warg_signed_bytes());
    }
}

#[test]
fn lines_of_strangers_are_passed_over_up_to_a_bound() {
    let key = secret(Algorithm::Ed25519, 1);
    let known = [Verifier::new("a.example", key.public().clone()).unwrap()];
    let text = "Some text.\n\nWith an empty line.\n";
    let mine = line_by("a.example", &key, text);
    let strangers: Vec<String> = (2..=NOTE_SIGNATURES_MAX)
        .map(|n| line_by(&format!("n{n}.example"), &secret(Algorithm::Ed25519, n as u8), text))
        .collect();
    let note = format!("{text}\n{}{mine}", strangers.concat());
    let parsed = Note::parse(&note).unwrap();
    assert_eq!(parsed.text, text);
    assert_eq!(parsed.verify(&known).unwrap().len(), 1);
    assert!(Note::parse(&(note + &mine)).is_err());
    // The name alone, or the id alone, is not the key; and one signer counts once.
    let other = Verifier::new("b.example", key.public().clone()).unwrap();
    let note = format!("{text}\n{mine}{mine}");
    let parsed = Note::parse(&note).unwrap();
    assert_eq!(parsed.verify(std::slice::from_ref(&other)).unwrap_err(), NoteError::Unsigned { known: 1 });
    assert_eq!(parsed.verify(&known).unwrap().len(), 1);
    let renamed = format!("{text}\n{}", mine.replace("a.example", "b.example"));
    assert!(Note::parse(&renamed).unwrap().verify(&[known[0].clone(), other]).is_err());
}

#[test]
fn a_known_line_that_fails_rejects_the_note() {
    let (good, bad) = (secret(Algorithm::Ed25519, 1), p256(2));
    let known: Vec<Verifier> =
        [&good, &bad].iter().map(|key| Verifier::new("a.example", key.public().clone()).unwrap()).collect();
    let text = "Some text.\n";
    let holds = line_by("a.example", &good, text);
    let fails = line_by("a.example", &bad, "Another text.\n");
    let long = Signature::from_bytes(Algorithm::EcdsaP256, &[7; 72]).unwrap();
    for fails in [fails, known[1].line(&long)] {
        for note in [format!("{text}\n{holds}{fails}"), format!("{text}\n{fails}{holds}")] {
            let note = Note::parse(&note).unwrap();
            let failed = NoteError::Signature { name: "a.example".to_owned() };
            assert_eq!(note.verify(&known).unwrap_err(), failed);
            assert_eq!(note.verify(&known[..1]).unwrap().len(), 1);
        }
    }
}

#[test]
fn notes_that_are_refused() {
    let text = "Some text.\n";
    let line = line_by("a.example", &p256(1), text);
    let base64 = line.trim_end().rsplit_once(' ').unwrap().1;
    Note::parse(&format!("{text}\n{line}")).unwrap();
    for bad in [
        format!("{text}{line}"),
        format!("{text}\n{}", line.trim_end()),
        format!("{text}\n"),
        format!("{text}\n\n"),
        format!("{text}\n{line}\n"),
        format!("{text}\n{line}more\n"),
        format!("{text}\n {line}"),
        format!("{text}\n- a.example {base64}\n"),
        format!("{text}\n\u{2014}  a.example {base64}\n"),
        format!("{text}\n\u{2014} a.example  {base64}\n"),
        format!("{text}\n\u{2014} a.example {base64} \n"),
        format!("{text}\n\u{2014} a+b {base64}\n"),
        format!("{text}\n\u{2014} a\u{a0}b {base64}\n"),
        format!("{text}\n\u{2014}  {base64}\n"),
        format!("{text}\n\u{2014} a.example\n"),
        format!("{text}\n\u{2014} a.example AAAA\n"),
        format!("{text}\n\u{2014} a.example AAAAAA==\n"),
        format!("{text}\n\u{2014} a.example AAAAAAB=\n"),
        format!("Some\ttext.\n\n{line}"),
        format!("Some text.\u{7f}\n\n{line}"),
        format!("{}\n\n{line}", "x".repeat(NOTE_BYTES_MAX)),
    ] {
        assert!(Note::parse(&bad).is_err(), "{:?}", &bad[..bad.len().min(200)]);
    }
    for name in ["", "a b", "a+b", "a\u{3000}b", "a\nb"] {
        assert!(Verifier::new(name, p256(1).public().clone()).is_err(), "{name:?}");
    }
}

#[test]
fn vkeys_have_one_text() {
    let key = secret(Algorithm::Ed25519, 1);
    let vkey = Verifier::new(ORIGIN, key.public().clone()).unwrap().vkey().unwrap();
    assert_eq!(Verifier::from_vkey(&vkey).unwrap().vkey().unwrap(), vkey);
    assert_eq!(Verifier::new(ORIGIN, p256(1).public().clone()).unwrap().vkey(), None);
    for at in 0..vkey.len() {
        let mut bytes = vkey.clone().into_bytes();
        bytes[at] ^= 1;
        let other = String::from_utf8(bytes).unwrap();
        assert!(Verifier::from_vkey(&other).is_err(), "{other}");
        assert!(Verifier::from_vkey(&vkey[..at]).is_err(), "{at}");
    }
    assert!(Verifier::from_vkey(&vkey.to_uppercase()).is_err());
    assert!(Verifier::from_vkey(&format!("{vkey}+")).is_err());
}
