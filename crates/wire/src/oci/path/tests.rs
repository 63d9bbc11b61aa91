use super::*;
use proptest::prelude::*;
use wargate_core::digest::Digest;

fn digest() -> ContentDigest {
    Digest::of(b"").into()
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn session() -> SessionId {
    SessionId::from_bytes([0xab; SESSION_ID_BYTES])
}

/// Puts the digest for `D` and the session for `S`.
fn path(text: &str) -> String {
    text.replace('D', &digest().to_string()).replace('S', &session().to_string())
}

#[test]
fn every_endpoint_has_its_path() {
    let tag = |text: &str| Reference::Tag(text.parse().unwrap());
    for (text, route) in [
        ("/v2", Route::Base),
        ("/v2/", Route::Base),
        ("/v2/_catalog", Route::Catalog),
        ("/v2/a/blobs/D", Route::Blob { name: name("a"), digest: digest() }),
        ("/v2/a/b/blobs/D", Route::Blob { name: name("a/b"), digest: digest() }),
        ("/v2/a/manifests/latest", Route::Manifest { name: name("a"), reference: tag("latest") }),
        ("/v2/a/manifests/D", Route::Manifest { name: name("a"), reference: Reference::Digest(digest()) }),
        ("/v2/a/blobs/uploads", Route::Uploads { name: name("a") }),
        ("/v2/a/blobs/uploads/", Route::Uploads { name: name("a") }),
        ("/v2/a/blobs/uploads/S", Route::Upload { name: name("a"), session: session() }),
        ("/v2/a/tags/list", Route::Tags { name: name("a") }),
        ("/v2/a/referrers/D", Route::Referrers { name: name("a"), digest: digest() }),
    ] {
        assert_eq!(parse(&path(text)), Ok(route), "{text}");
    }
}

#[test]
fn the_right_end_decides_when_a_name_has_the_words_of_endpoints() {
    let tag = |text: &str| Reference::Tag(text.parse().unwrap());
    for (text, route) in [
        ("/v2/blobs/blobs/D", Route::Blob { name: name("blobs"), digest: digest() }),
        ("/v2/a/blobs/uploads/blobs/D", Route::Blob { name: name("a/blobs/uploads"), digest: digest() }),
        ("/v2/uploads/blobs/uploads", Route::Uploads { name: name("uploads") }),
        ("/v2/a/blobs/uploads/blobs/uploads/", Route::Uploads { name: name("a/blobs/uploads") }),
        (
            "/v2/blobs/uploads/blobs/uploads/S",
            Route::Upload { name: name("blobs/uploads"), session: session() },
        ),
        ("/v2/a/manifests/blobs/uploads", Route::Uploads { name: name("a/manifests") }),
        ("/v2/tags/list/tags/list", Route::Tags { name: name("tags/list") }),
        ("/v2/a/manifests/tags/list", Route::Tags { name: name("a/manifests") }),
        ("/v2/a/blobs/uploads/tags/list", Route::Tags { name: name("a/blobs/uploads") }),
        (
            "/v2/manifests/manifests/manifests",
            Route::Manifest { name: name("manifests"), reference: tag("manifests") },
        ),
        ("/v2/a/tags/manifests/list", Route::Manifest { name: name("a/tags"), reference: tag("list") }),
        ("/v2/a/manifests/_catalog", Route::Manifest { name: name("a"), reference: tag("_catalog") }),
        (
            "/v2/a/blobs/uploads/manifests/b",
            Route::Manifest { name: name("a/blobs/uploads"), reference: tag("b") },
        ),
        ("/v2/referrers/referrers/D", Route::Referrers { name: name("referrers"), digest: digest() }),
        ("/v2/v2/tags/list", Route::Tags { name: name("v2") }),
    ] {
        assert_eq!(parse(&path(text)), Ok(route), "{text}");
    }
}

#[test]
fn segments_are_decoded_once() {
    let encoded = digest().to_string().replace(':', "%3A");
    for text in [encoded.clone(), encoded.to_lowercase(), encoded.replace('e', "%65")] {
        let route = Route::Blob { name: name("a"), digest: digest() };
        assert_eq!(parse(&format!("/v2/%61/bl%6Fbs/{text}")), Ok(route), "{text}");
    }
    let twice = encoded.replace('%', "%25");
    assert!(matches!(parse(&format!("/v2/a/blobs/{twice}")), Err(PathError::Digest(_))));
}

#[test]
fn hostile_names_are_refused_as_names() {
    for hostile in [
        "",
        "A",
        "a%41",
        "..",
        "%2e%2e",
        "a/..",
        "a/%2e%2e",
        "a%2fb",
        "a%2Fb",
        "%2f",
        "a%00",
        "%00",
        "a%0a",
        "a%5cb",
        "a%252fb",
        "a//b",
        "a/",
        "/a",
        ".",
        "a/./b",
        "_catalog",
        "a%20b",
        "a+b",
        "a:b",
        "a%c3%a9",
        "-",
        "a;b",
        "é",
        &"a/".repeat(200),
    ] {
        for end in ["tags/list", "blobs/uploads/", "blobs/uploads/S", "blobs/D", "manifests/x", "referrers/D"]
        {
            let path = path(end);
            let outcome = parse(&format!("/v2/{hostile}/{path}"));
            assert!(matches!(outcome, Err(PathError::Name(_))), "{hostile:?} {end}: {outcome:?}");
        }
    }
}

#[test]
fn an_endpoint_without_a_name_has_an_empty_name() {
    for text in ["/v2/tags/list", "/v2/blobs/uploads", "/v2/blobs/uploads/", "/v2/manifests/x", "/v2/blobs/D"]
    {
        assert!(matches!(parse(&path(text)), Err(PathError::Name(_))), "{text}");
    }
}

#[test]
fn what_stands_at_the_right_end_is_checked() {
    type Kind = fn(&PathError) -> bool;
    let digest: Kind = |error| matches!(error, PathError::Digest(_));
    let tag: Kind = |error| matches!(error, PathError::Reference(ReferenceError::Tag(_)));
    let reference: Kind = |error| matches!(error, PathError::Reference(ReferenceError::Digest(_)));
    let session: Kind = |error| matches!(error, PathError::Session(_));
    let encoding: Kind = |error| matches!(error, PathError::Encoding { .. });
    let none: Kind = |error| matches!(error, PathError::NoEndpoint { .. });
    let name: Kind = |error| matches!(error, PathError::Name(_));
    for (text, kind) in [
        ("/v2/a/blobs/", digest),
        ("/v2/a/blobs/latest", digest),
        ("/v2/a/blobs/sha256:bad", digest),
        ("/v2/a/blobs/..%2f..%2fetc", digest),
        ("/v2/a/referrers/latest", digest),
        ("/v2/a/referrers/", digest),
        ("/v2/a/manifests/", tag),
        ("/v2/a/manifests/.a", tag),
        ("/v2/a/manifests/a%2fb", tag),
        ("/v2/a/manifests/a%00", tag),
        ("/v2/a/manifests/1.0.0+b", tag),
        ("/v2/a/manifests/a:b", reference),
        ("/v2/a/manifests/sha256%3A00", reference),
        ("/v2/a/blobs/uploads/x", session),
        ("/v2/a/blobs/uploads/..", session),
        ("/v2/a/blobs/uploads/SS", session),
        ("/v2/a/blobs/uploads/ABABABABABABABABABABABABABABABAB", session),
        ("/v2/a/blobs/uploads/list", session),
        ("/v2/%/tags/list", encoding),
        ("/v2/a/manifests/%ff", encoding),
        ("/v2/a/manifests/%c0%af", encoding),
        ("/v2/a", none),
        ("/v2/a/b/c", none),
        ("/v2/a/uploads/b", none),
        ("/v2/a/blobs/uploads/S/x", none),
        ("/v2x", none),
        ("/v1/", none),
        ("/%762/", none),
        ("v2/", none),
        ("", none),
        ("/", none),
        ("/v2//", name),
        ("/v2/_catalog/", name),
        ("/v2/a/", name),
        ("/v2/a/tags/list/", name),
        ("/v2/a/blobs/uploads/S/", name),
        ("/v2/a/blobs/uploads//", name),
        ("/v2/a/../b", name),
    ] {
        let error = parse(&path(text)).expect_err(text);
        assert!(kind(&error), "{text}: {error:?}");
    }
}

#[test]
fn a_session_id_has_one_spelling() {
    let text = "00112233445566778899aabbccddeeff";
    assert_eq!(text.parse::<SessionId>().unwrap().to_string(), text);
    for bad in [
        "",
        &text[1..],
        &text.to_uppercase(),
        &format!("{text}0"),
        &format!("{text}00"),
        &text.replace('0', "g"),
    ] {
        assert!(bad.parse::<SessionId>().is_err(), "{bad}");
    }
}

const WORD: &str = "blobs|manifests|tags|list|uploads|referrers|[a-z0-9]{1,3}";

fn any_name() -> impl Strategy<Value = RepositoryName> {
    proptest::collection::vec(WORD, 1..6).prop_map(|words| words.join("/").parse().unwrap())
}

fn any_digest() -> impl Strategy<Value = ContentDigest> {
    let sha512 = any::<[[u8; 32]; 2]>()
        .prop_map(|halves| ContentDigest::Sha512(std::array::from_fn(|at| halves[at / 32][at % 32])));
    prop_oneof![any::<[u8; 32]>().prop_map(|bytes| Digest::from_bytes(bytes).into()), sha512]
}

fn any_route() -> impl Strategy<Value = Route> {
    let reference = prop_oneof![
        any_digest().prop_map(Reference::Digest),
        prop_oneof![WORD, "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,9}"]
            .prop_map(|tag| Reference::Tag(tag.parse().unwrap())),
    ];
    (any_name(), any_digest(), reference, any::<[u8; 16]>(), 0..8).prop_map(
        |(name, digest, reference, session, kind)| match kind {
            0 => Route::Base,
            1 => Route::Catalog,
            2 => Route::Blob { name, digest },
            3 => Route::Manifest { name, reference },
            4 => Route::Uploads { name },
            5 => Route::Upload { name, session: SessionId::from_bytes(session) },
            6 => Route::Tags { name },
            _ => Route::Referrers { name, digest },
        },
    )
}

/// Every byte but the slashes as an escape.
fn escape_all(path: &str) -> String {
    path.bytes().map(|byte| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02x}") }).collect()
}

proptest! {
    #[test]
    fn every_route_is_found_again(route in any_route()) {
        let path = route.to_string();
        prop_assert_eq!(parse(&path), Ok(route.clone()));
        let below = escape_all(path.strip_prefix("/v2/").unwrap());
        if route != Route::Catalog {
            prop_assert_eq!(parse(&format!("/v2/{below}")), Ok(route));
        }
    }

    #[test]
    fn no_path_panics_and_what_is_found_is_canonical(
        below in "((blobs|uploads|tags|list|manifests|_catalog|[a-z]|%2[ef]|%[0-9a-f]{2}|\\.|:|é|[A-Z%+ ])/?){0,8}|\\PC{0,40}",
    ) {
        if let Ok(route) = parse(&format!("/v2/{below}")) {
            prop_assert_eq!(parse(&route.to_string()), Ok(route));
        }
        let _ = parse(&below);
    }
}
