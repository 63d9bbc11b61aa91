use super::*;
use proptest::prelude::*;

#[test]
fn names_that_the_grammar_allows_are_names() {
    for name in [
        "a",
        "0",
        "a1",
        "a/b",
        "a.b",
        "a_b",
        "a__b",
        "a-b",
        "a---b",
        "a-b.c_d__e/f",
        "blobs",
        "a/manifests/b",
        "tags/list",
        "uploads/blobs/uploads",
        &"a".repeat(REPOSITORY_NAME_BYTES_MAX),
        &"a/".repeat(127)[..253],
    ] {
        let parsed: RepositoryName = name.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(parsed.to_string(), name);
        assert_eq!(parsed.as_str(), name);
    }
}

#[test]
fn names_that_the_grammar_forbids_are_refused() {
    for name in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "aB",
        "a.",
        ".a",
        "a..b",
        "a._b",
        "a___b",
        "a_-b",
        "a-_b",
        "-a",
        "a-",
        "_a",
        "a_",
        "_catalog",
        "..",
        "a/../b",
        "a/./b",
        "a b",
        "a\0",
        "a\n",
        "a:b",
        "a%2fb",
        "é",
        "ａ",
        "a\\b",
        "a+b",
        "a@b",
        "a?b",
        "a/..",
        "~",
        "a\u{2024}b",
    ] {
        let error = name.parse::<RepositoryName>().unwrap_err();
        assert!(matches!(error, NameError::Component { .. }), "{name:?}: {error}");
    }
}

#[test]
fn a_name_has_at_most_255_bytes() {
    let name = "a".repeat(REPOSITORY_NAME_BYTES_MAX + 1);
    assert_eq!(name.parse::<RepositoryName>(), Err(NameError::TooLong { bytes: 256 }));
    let components = vec!["a"; 128];
    assert_eq!(RepositoryName::from_components(&components).unwrap().as_str().len(), 255);
    let components = vec!["ab"; 128];
    assert_eq!(RepositoryName::from_components(&components), Err(NameError::TooLong { bytes: 383 }));
}

#[test]
fn a_slash_inside_a_component_does_not_split_it() {
    assert!(RepositoryName::from_components(&["a/b"]).is_err());
    assert!(RepositoryName::from_components::<&str>(&[]).is_err());
    assert_eq!(RepositoryName::from_components(&["a", "b"]).unwrap().as_str(), "a/b");
}

#[test]
fn tags_follow_their_grammar() {
    for tag in
        ["a", "_", "0", "A", "latest", "1.0.0-rc.1", "a..b", "a--", "__", "sha256-ab.sig", &"a".repeat(128)]
    {
        assert_eq!(tag.parse::<Tag>().unwrap().to_string(), tag);
    }
    for bad in [
        "",
        ".a",
        "-a",
        "a+b",
        "1.0.0+b",
        "a/b",
        "a:b",
        "a b",
        " a",
        "a\n",
        "a\0",
        "..",
        "é",
        &"a".repeat(129),
    ] {
        assert!(bad.parse::<Tag>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_tag_is_a_version_only_in_the_canonical_form() {
    let version = |tag: &str| tag.parse::<Tag>().unwrap().version();
    for tag in ["0.0.0", "1.2.3", "1.2.3-rc.1", "10.20.30-a-b.0", "1.0.0--"] {
        let version = version(tag).unwrap_or_else(|| panic!("{tag}"));
        assert_eq!(version.to_string(), tag);
        assert!(version.build.is_empty());
    }
    for tag in [
        "1",
        "1.2",
        "v1.2.3",
        "01.2.3",
        "1.2.3-01",
        "1.2.3.4",
        "latest",
        "1.2.3-",
        "99999999999999999999.0.0",
    ] {
        assert_eq!(version(tag), None, "{tag}");
    }
}

#[test]
fn only_latest_is_latest() {
    for (tag, latest) in [("latest", true), ("Latest", false), ("latest1", false), ("1.0.0", false)] {
        assert_eq!(tag.parse::<Tag>().unwrap().is_latest(), latest, "{tag}");
    }
}

#[test]
fn digests_of_two_algorithms_have_one_spelling_each() {
    let sha256 = Digest::of(b"").to_string();
    let sha512 = format!("sha512:{}", "0f".repeat(64));
    for text in [&sha256, &sha512] {
        let digest: ContentDigest = text.parse().unwrap();
        assert_eq!(&digest.to_string(), text);
        assert_eq!(format!("{digest:?}"), *text);
        assert_eq!(
            text.strip_prefix(digest.algorithm().as_str()).unwrap()[1..],
            hex::encode(digest.as_bytes())
        );
    }
    let parsed: ContentDigest = sha256.parse().unwrap();
    assert_eq!(parsed, Digest::of(b"").into());
    assert_eq!(parsed.sha256(), Some(Digest::of(b"")));
    assert_eq!(sha512.parse::<ContentDigest>().unwrap().sha256(), None);
}

#[test]
fn everything_else_is_no_digest() {
    type Kind = fn(&ContentDigestError) -> bool;
    let no_colon: Kind = |error| matches!(error, ContentDigestError::NoColon { .. });
    let algorithm: Kind = |error| matches!(error, ContentDigestError::Algorithm { .. });
    let digits: Kind = |error| matches!(error, ContentDigestError::Digits { .. });
    let hex = "ab".repeat(32);
    for (text, kind) in [
        (String::new(), no_colon),
        (hex.clone(), no_colon),
        (format!("sha256-{hex}"), no_colon),
        (format!(":{hex}"), algorithm),
        (format!("SHA256:{hex}"), algorithm),
        (format!(" sha256:{hex}"), algorithm),
        (format!("sha384:{hex}{hex}"), algorithm),
        (format!("blake3:{hex}"), algorithm),
        (format!("sha256+b64:{hex}"), algorithm),
        (format!("../sha256:{hex}"), algorithm),
        ("sha256:".to_owned(), digits),
        ("sha256:bad".to_owned(), digits),
        (format!("sha256:{}", hex.to_uppercase()), digits),
        (format!("sha256:{hex}0"), digits),
        (format!("sha256:{hex}00"), digits),
        (format!("sha256:{}", &hex[1..]), digits),
        (format!("sha256::{}", &hex[1..]), digits),
        (format!("sha256:{}/", &hex[1..]), digits),
        (format!("sha256:{}\n", &hex[1..]), digits),
        (format!("sha256:{}é", &hex[2..]), digits),
        (format!("sha512:{hex}"), digits),
        (format!("sha512:{hex}{}", hex.to_uppercase()), digits),
        (format!("sha256:{hex}{hex}"), digits),
    ] {
        let error = text.parse::<ContentDigest>().unwrap_err();
        assert!(kind(&error), "{text}: {error}");
    }
}

#[test]
fn a_colon_makes_a_digest_never_a_tag() {
    assert!(matches!("latest".parse(), Ok(Reference::Tag(_))));
    assert!(matches!(Digest::of(b"").to_string().parse(), Ok(Reference::Digest(_))));
    assert!(matches!("a:b".parse::<Reference>(), Err(ReferenceError::Digest(_))));
    assert!(matches!(":".parse::<Reference>(), Err(ReferenceError::Digest(_))));
    assert!(matches!("".parse::<Reference>(), Err(ReferenceError::Tag(_))));
}

#[test]
fn a_refused_text_is_shown_short_and_escaped() {
    let long = format!("a\n{}", "x".repeat(10_000));
    let errors = [
        long[..200].parse::<RepositoryName>().unwrap_err().to_string(),
        long.parse::<Tag>().unwrap_err().to_string(),
        long.parse::<ContentDigest>().unwrap_err().to_string(),
        format!("{long}:00").parse::<ContentDigest>().unwrap_err().to_string(),
        format!("sha256:{long}").parse::<ContentDigest>().unwrap_err().to_string(),
    ];
    for error in errors {
        assert!(error.len() < 300, "{error}");
        assert!(error.contains("a\\n"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

/// The grammar of the specification, written as a generator.
const NAME: &str = "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}){0,4}";

proptest! {
    #[test]
    fn every_name_of_the_grammar_parses_to_itself(name in NAME) {
        prop_assert_eq!(name.parse::<RepositoryName>().unwrap().to_string(), name);
    }

    #[test]
    fn every_tag_of_the_grammar_parses_to_itself(tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
        let reference: Reference = tag.parse().unwrap();
        prop_assert_eq!(&reference.to_string(), &tag);
        prop_assert_eq!(reference, Reference::Tag(tag.parse().unwrap()));
    }

    #[test]
    fn every_digest_parses_to_itself(short: [u8; 32], long in any::<[[u8; 32]; 2]>()) {
        let long = std::array::from_fn(|at| long[at / 32][at % 32]);
        for digest in [ContentDigest::Sha256(Digest::from_bytes(short)), ContentDigest::Sha512(long)] {
            prop_assert_eq!(digest.to_string().parse::<ContentDigest>().unwrap(), digest);
            prop_assert_eq!(digest.to_string().parse::<Reference>().unwrap(), Reference::Digest(digest));
        }
    }

    #[test]
    fn what_parses_displays_as_it_came(text in "[a-zA0:/._-]{0,12}|\\PC{0,40}|[\\x00-\\x7f]{0,20}") {
        if let Ok(name) = text.parse::<RepositoryName>() {
            prop_assert_eq!(name.to_string(), text.clone());
        }
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string(), text);
        }
    }
}

#[test]
fn both_hashes_give_what_their_standards_say() {
    for (algorithm, hex) in [
        (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            Algorithm::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ] {
        let digest = ContentDigest::of(algorithm, b"abc");
        assert_eq!(digest.to_string(), format!("{}:{hex}", algorithm.as_str()));
        assert_eq!(ContentDigest::from_sha512(digest.as_bytes()).is_some(), algorithm == Algorithm::Sha512);
    }
    let mut hasher = Sha512Hasher::default();
    hasher.update(b"a");
    hasher.update(b"");
    hasher.update(b"bc");
    assert_eq!(hasher.finish(), ContentDigest::of(Algorithm::Sha512, b"abc"));
}
