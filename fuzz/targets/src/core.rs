//! Parsers of the core: records, acts, proofs and the files of the log.

use std::fmt::Debug;

use bytes::Bytes;
use wargate_core::act::{Act, AnnotationKind, Identity, OnBehalfOf, VariantKind, power::Power};
use wargate_core::authority::role::{NameScope, RoleId, Scope, VersionScope};
use wargate_core::authority::{Admission, Annotation, Release, State, Takedown};
use wargate_core::checkpoint::{Checkpoint, peek_note};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{LogId, RecordId, parse_entry};
use wargate_core::key::{KeyId, PublicKey, SecretKey, Signature};
use wargate_core::log::proof::LogProofBundle;
use wargate_core::log::tile::{
    BundlePath, TilePath, decode_entries, decode_names, decode_records, encode_entries, encode_names,
    encode_records,
};
use wargate_core::map::page::Page;
use wargate_core::map::proof::MapProofBundle;
use wargate_core::map::segment::{self, SegmentIndex};
use wargate_core::name::{LogName, Namespace, PackageName};
use wargate_core::note::{Note, Verifier};
use wargate_core::record::{OperatorRecord, PackageRecord, first_extension_field};

use crate::{choice, one_form, text};

/// What was read is read again from what is written of it.
#[track_caller]
fn survives<T: PartialEq + Debug, E: Debug>(
    value: &T,
    written: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, E>,
) {
    assert_eq!(read(written).as_ref().expect("what was written is read"), value);
}

/// Acts have one encoding.
pub fn act(bytes: &[u8]) {
    if let Ok(act) = Act::decode(bytes) {
        assert_eq!(act.encode(), bytes);
        assert!(!act.steps.is_empty());
    }
}

/// The texts inside acts have one form, and scopes keep their order.
pub fn act_texts(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let forms = [
        Power::parse(text).map(|value| value.to_string()),
        Identity::parse(text).map(|value| value.to_string()),
        VariantKind::parse(text).map(|value| value.to_string()),
        AnnotationKind::parse(text).map(|value| value.to_string()),
        NameScope::parse(text).map(|value| value.to_string()),
        VersionScope::parse(text).map(|value| value.to_string()),
        OnBehalfOf::parse(text).map(|value| value.to_string()),
    ];
    for form in forms.into_iter().flatten() {
        assert_eq!(form, text);
    }
    if let Some(scope) = VersionScope::parse(text) {
        assert!(scope.is_within(&scope));
    }
    let texts: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Some(scope) = Scope::parse(&texts) {
        assert_eq!(scope.to_texts(), texts);
    }
}

/// v1 records of both kinds: unknown fields are passed over, what is read is kept.
pub fn record(bytes: &[u8]) {
    if let Ok(record) = PackageRecord::decode(bytes) {
        survives(&record, &record.encode(), PackageRecord::decode);
    }
    if let Ok(record) = OperatorRecord::decode(bytes) {
        survives(&record, &record.encode(), OperatorRecord::decode);
    }
    let _ = first_extension_field(bytes);
}

/// Envelopes have one encoding.
pub fn envelope(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::decode(&Bytes::copy_from_slice(bytes)) {
        assert_eq!(envelope.encode(), bytes);
    }
}

/// Notes, their text as a checkpoint, and the keys that sign them.
pub fn checkpoint_note(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(note) = Note::parse(text) {
        assert!(text.starts_with(note.text) && note.text.ends_with('\n'));
        if let Ok((origin, checkpoint)) = peek_note(text) {
            assert_eq!(checkpoint.note_text(origin), note.text);
        }
    }
    if let Ok((origin, checkpoint)) = Checkpoint::parse_note_text(text) {
        assert_eq!(checkpoint.note_text(origin), text);
    }
    if let Ok(verifier) = Verifier::from_vkey(text)
        && let Some(vkey) = verifier.vkey()
    {
        assert_eq!(vkey, text);
    }
}

/// Pages have one encoding.
pub fn map_page(bytes: &[u8]) {
    if let Ok(page) = Page::decode(bytes) {
        assert_eq!(page.encode(), bytes);
    }
}

/// Segments have one encoding, and their index finds every page.
pub fn map_segment(bytes: &[u8]) {
    if let Ok(needed) = SegmentIndex::bytes_needed(bytes) {
        assert!(SegmentIndex::decode(bytes).is_err() || needed <= bytes.len() as u64);
    }
    let Ok(pages) = segment::decode(bytes, 7) else { return };
    assert_eq!(segment::encode(&pages), bytes);
    let index = SegmentIndex::decode(bytes).expect("the whole was read by it");
    for (page_ref, _) in &pages {
        assert_eq!(page_ref.segment, 7);
        let found = index.find(&page_ref.hash).expect("every page is in the index");
        assert!(found.end <= bytes.len() as u64);
    }
}

/// The three kinds of bundles: what is read is written the same. The first byte says how wide.
pub fn bundle(bytes: &[u8]) {
    let Some((width, bundle)) = choice(bytes) else { return };
    let wide = width as u16 + 1;
    if let Ok(items) = decode_entries(bundle, wide) {
        assert_eq!(items.len(), usize::from(wide));
        assert!(items.iter().all(|item| parse_entry(item).is_some()));
        assert_eq!(encode_entries(items.into_iter()).expect("as long as it came"), bundle);
    }
    if let Ok(items) = decode_records(bundle, wide) {
        assert_eq!(items.len(), usize::from(wide));
        assert_eq!(encode_records(items.into_iter()).expect("as long as it came"), bundle);
    }
    if let Ok(items) = decode_names(bundle, wide) {
        assert_eq!(items.len(), usize::from(wide));
        assert_eq!(encode_names(items.into_iter()).expect("as long as it came"), bundle);
    }
}

/// Paths of tiles and bundles have one form.
pub fn tile_path(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    one_form::<TilePath>(text);
    one_form::<BundlePath>(text);
}

/// Proof bundles keep what they say, and prove nothing that they were not made for.
pub fn proofs(bytes: &[u8]) {
    if let Ok(bundle) = LogProofBundle::decode(bytes) {
        survives(&bundle, &bundle.encode().expect("as large as it came"), LogProofBundle::decode);
        let root = Digest::of(b"a root that no bundle can have");
        for index in bundle.included.iter().take(8) {
            assert!(bundle.verify_inclusion(*index, &Digest::of(b"leaf"), &root).is_err());
        }
        for from in bundle.consistent.iter().take(8) {
            assert!(bundle.verify_consistency(*from, &Digest::of(b"old"), &root).is_err());
        }
    }
    if let Ok(bundle) = MapProofBundle::decode(bytes) {
        survives(&bundle, &bundle.encode(), MapProofBundle::decode);
    }
}

/// Names of namespaces, packages and logs have one form.
pub fn names(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    one_form::<Namespace>(text);
    one_form::<PackageName>(text);
    // Displayed, it is for people.
    if let Ok(log) = text.parse::<LogName>() {
        assert_eq!(log.as_str(), text);
    }
    if let Ok(name) = text.parse::<PackageName>() {
        assert_eq!(format!("{}:{}", name.namespace(), name.name()), text);
    }
}

/// Ids, keys and signatures have one text form; a secret is not shown by its `Debug`.
pub fn text_forms(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    one_form::<Digest>(text);
    one_form::<LogId>(text);
    one_form::<RecordId>(text);
    one_form::<KeyId>(text);
    one_form::<PublicKey>(text);
    one_form::<Signature>(text);
    if let Ok(key) = text.parse::<SecretKey>() {
        assert_eq!(*key.to_secret_text(), *text);
        assert!(!format!("{key:?}").contains(text));
    }
}

/// What the ledger keeps of a delegated log.
pub fn ledger_state(bytes: &[u8]) {
    if let Ok(state) = State::decode(bytes) {
        survives(&state, &state.encode(), State::decode);
    }
    if let Ok(release) = Release::decode(bytes) {
        survives(&release, &release.encode(), Release::decode);
    }
    if let Ok(role) = RoleId::decode(bytes) {
        survives(&role, &role.encode(), RoleId::decode);
    }
    if let Ok(admission) = Admission::decode(bytes) {
        survives(&admission, &admission.encode(), Admission::decode);
    }
    if let Ok(annotation) = Annotation::decode(bytes) {
        survives(&annotation, &annotation.encode(), Annotation::decode);
    }
    if let Ok(takedown) = Takedown::decode(bytes) {
        survives(&takedown, &takedown.encode(), Takedown::decode);
    }
}
