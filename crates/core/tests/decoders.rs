//! Every decoder of the core takes any bytes: it answers, in bounded time, and does not panic.

use proptest::prelude::*;
use wargate_core::act::Act;
use wargate_core::checkpoint::peek_note;
use wargate_core::envelope::Envelope;
use wargate_core::log::proof::LogProofBundle;
use wargate_core::log::tile::{BundlePath, TilePath, decode_entries, decode_names, decode_records};
use wargate_core::map::page::Page;
use wargate_core::map::proof::MapProofBundle;
use wargate_core::map::segment;
use wargate_core::name::{LogName, PackageName};
use wargate_core::note::{Note, Verifier};
use wargate_core::record::{OperatorRecord, PackageRecord, first_extension_field};

fn decode_all(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Page::decode(bytes);
    let _ = segment::decode(bytes, 1);
    let _ = LogProofBundle::decode(bytes);
    let _ = MapProofBundle::decode(bytes);
    let _ = Act::decode(bytes);
    let _ = PackageRecord::decode(bytes);
    let _ = OperatorRecord::decode(bytes);
    let _ = first_extension_field(bytes);
    let _ = Envelope::decode(&bytes.to_vec().into());
    let _ = Note::parse(&text);
    let _ = peek_note(&text);
    let _ = Verifier::from_vkey(&text);
    let _ = text.parse::<TilePath>();
    let _ = text.parse::<BundlePath>();
    let _ = text.parse::<PackageName>();
    let _ = text.parse::<LogName>();
    for width in [1, 3, 256] {
        let _ = decode_entries(bytes, width);
        let _ = decode_records(bytes, width);
        let _ = decode_names(bytes, width);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decode_all(&bytes);
    }

    #[test]
    fn decoders_take_protobuf_like_bytes(
        fields in prop::collection::vec((0u8..20, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
    ) {
        let field = |(number, body): &(u8, Vec<u8>)| {
            let mut bytes = vec![number << 3 | 2, body.len() as u8];
            bytes.extend(body);
            bytes
        };
        decode_all(&fields.iter().flat_map(field).collect::<Vec<u8>>());
    }
}

#[test]
fn huge_lengths_and_deep_nesting_are_refused_at_once() {
    // A field that declares 4 GiB, and one that declares 2^63 bytes.
    decode_all(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    decode_all(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    // Groups within groups, 100,000 deep.
    decode_all(&vec![0x0b; 100_000]);
    decode_all(&[&u32::MAX.to_be_bytes()[..], &[0; 64]].concat());
}
