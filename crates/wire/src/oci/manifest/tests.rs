use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use wargate_core::digest::Digest;

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

fn descriptor(media_type: &str) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(media_type.as_bytes()).to_string(), "size": 2 })
}

/// A Wasm artifact, with `changes` to its fields; `null` takes one away.
fn manifest(changes: Value) -> Value {
    let body = json!({
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": descriptor(WASM_CONFIG_TYPE),
        "layers": [descriptor(WASM_LAYER_TYPE)],
    });
    changed(body, changes)
}

fn index(changes: Value) -> Value {
    changed(json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(OCI)] }), changes)
}

#[expect(clippy::needless_pass_by_value, reason = "called with json! alone")]
fn changed(mut body: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    body
}

fn parse(content_type: Option<&str>, body: &Value) -> Result<Manifest, ManifestError> {
    Manifest::parse(content_type, body.to_string().as_bytes())
}

fn parse_text(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(Some(OCI), text.as_bytes())
}

#[test]
fn the_type_comes_from_header_or_body_and_both_must_agree() {
    let bare = manifest(json!({ "mediaType": null }));
    let full = manifest(json!({}));
    for (content_type, body, ok) in [
        (Some(OCI), &full, true),
        (None, &full, true),
        (Some(""), &full, true),
        (Some(OCI), &bare, true),
        (Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"), &full, true),
        (Some(" application/vnd.oci.image.manifest.v1+json ;a=b;c"), &bare, true),
        (None, &bare, false),
        (Some(";charset=utf-8"), &bare, false),
        (Some(DOCKER), &full, false),
        (Some(INDEX), &full, false),
        (Some("application/json"), &full, false),
        (Some("application/octet-stream"), &bare, false),
        (Some("application/vnd.oci.image.manifest.v1+JSON"), &bare, false),
        (Some("application/vnd.docker.distribution.manifest.v1+json"), &bare, false),
        (Some("application/vnd.oci.artifact.manifest.v1+json"), &bare, false),
    ] {
        let outcome = parse(content_type, body);
        assert_eq!(outcome.is_ok(), ok, "{content_type:?} {body}: {outcome:?}");
    }
    assert_eq!(parse(None, &bare), Err(ManifestError::NoType));
    assert!(matches!(parse(Some(DOCKER), &full), Err(ManifestError::TypesDiffer { .. })));
    assert!(matches!(parse(Some("text/html"), &bare), Err(ManifestError::Type(_))));
    assert!(parse(Some(OCI), &full).unwrap().says_type);
    assert!(!parse(Some(OCI), &bare).unwrap().says_type);
}

#[test]
fn all_four_types_are_read() {
    for (media_type, is_index) in [(OCI, false), (INDEX, true), (DOCKER, false), (LIST, true)] {
        let body = if is_index { index(json!({})) } else { manifest(json!({})) };
        let parsed = parse(None, &changed(body, json!({ "mediaType": media_type }))).unwrap();
        assert_eq!(parsed.media_type.to_string(), media_type);
        assert_eq!(parsed.media_type.is_index(), is_index);
        assert_eq!((parsed.layers.len(), parsed.manifests.len()), if is_index { (0, 1) } else { (1, 0) });
    }
}

#[test]
fn a_manifest_is_no_index_and_an_index_no_manifest() {
    let (config, list) = (descriptor("a/b"), json!([descriptor("a/b")]));
    for (body, field) in [
        (manifest(json!({ "manifests": list })), "manifests"),
        (manifest(json!({ "manifests": [] })), "manifests"),
        (manifest(json!({ "mediaType": DOCKER, "manifests": [] })), "manifests"),
        (manifest(json!({ "manifests": [], "config": null, "layers": null })), "manifests"),
        (index(json!({ "layers": list })), "layers"),
        (index(json!({ "layers": [] })), "layers"),
        (index(json!({ "config": config })), "config"),
        (index(json!({ "mediaType": LIST, "config": config })), "config"),
        (index(json!({ "manifests": null, "layers": [] })), "layers"),
    ] {
        let error = parse(None, &body).unwrap_err();
        assert!(
            matches!(error, ManifestError::Confused { field: found, .. } if found == field),
            "{body}: {error}"
        );
    }
    let null = manifest(json!({})).to_string().replacen('{', "{\"manifests\":null,", 1);
    assert!(matches!(parse_text(&null), Err(ManifestError::Confused { .. })));
}

#[test]
fn a_key_is_there_once_in_each_object() {
    let body = manifest(json!({ "annotations": { "a": "1" }, "x": [{ "b": { "c": 1 } }] })).to_string();
    assert!(parse_text(&body).is_ok());
    for (from, to, key) in [
        ("{", "{\"layers\":[],", "layers"),
        ("{", "{\"mediaType\":\"text/html\",", "mediaType"),
        ("{", "{\"l\\u0061yers\":[],", "layers"),
        ("{\"a\":\"1\"}", "{\"a\":\"1\",\"a\":\"1\"}", "a"),
        ("{\"c\":1}", "{\"c\":1,\"d\":2,\"c\":1}", "c"),
        ("{\"c\":1}", "{\"\":1,\"\":1}", ""),
    ] {
        let twice = body.replacen(from, to, 1);
        assert_ne!(twice, body);
        assert_eq!(parse_text(&twice), Err(ManifestError::DuplicateKey { key: key.to_owned() }), "{twice}");
    }
    // The same key in another object, and one that differs in case, are no duplicates.
    assert!(parse_text(&body.replacen("{\"c\":1}", "{\"b\":1,\"B\":2}", 1)).is_ok());
}

#[test]
fn thirty_two_levels_are_read_and_one_more_is_not() {
    let nested = |open: &str, close: &str, levels: usize| {
        let inner = format!("{}0{}", open.repeat(levels), close.repeat(levels));
        manifest(json!({})).to_string().replacen('{', &format!("{{\"x\":{inner},"), 1)
    };
    for (open, close) in [("[", "]"), ("{\"y\":", "}")] {
        assert!(parse_text(&nested(open, close, JSON_DEPTH_MAX - 1)).is_ok());
        for levels in [JSON_DEPTH_MAX, 200, 100_000] {
            assert_eq!(parse_text(&nested(open, close, levels)), Err(ManifestError::TooDeep), "{levels}");
        }
    }
    let empty = nested("[", "]", JSON_DEPTH_MAX).replace('0', "");
    assert_eq!(parse_text(&empty), Err(ManifestError::TooDeep));
}

#[test]
fn only_an_object_is_a_manifest() {
    for text in ["[]", "[{}]", "1", "-1", "1.5", "null", "true", "\"{}\"", "[[[["] {
        assert_eq!(parse_text(text), Err(ManifestError::NotAnObject), "{text}");
    }
    let body = manifest(json!({})).to_string();
    let cut = &body[..body.len() - 1];
    for text in
        ["", " ", "{", "nul", cut, &format!("{body}{body}"), &format!("{body},"), &format!("\u{feff}{body}")]
    {
        assert!(matches!(parse_text(text), Err(ManifestError::Json { .. })), "{text}");
    }
    assert!(parse_text(&format!(" \r\n\t{body}  \n")).is_ok(), "white space around the object is legal");
    let not_utf8 = [body.replacen('{', "{\"x\":\"", 1).as_bytes(), b"\xff\"}"].concat();
    assert!(matches!(Manifest::parse(Some(OCI), &not_utf8), Err(ManifestError::Json { .. })));
}

#[test]
fn four_mebibytes_are_read_and_one_byte_more_is_not() {
    let mut body = manifest(json!({})).to_string();
    body.push_str(&" ".repeat(MANIFEST_BYTES_MAX - body.len()));
    assert!(parse_text(&body).is_ok());
    body.push(' ');
    assert_eq!(parse_text(&body), Err(ManifestError::TooLarge { bytes: MANIFEST_BYTES_MAX + 1 }));
}

#[test]
fn fields_have_their_types_and_the_needed_ones_are_there() {
    let digestless = json!({ "mediaType": "a/b", "size": 1 });
    let negative = changed(descriptor("a/b"), json!({ "size": -1 }));
    let typeless = changed(descriptor("a/b"), json!({ "mediaType": null }));
    for changes in [
        json!({ "schemaVersion": "2" }),
        json!({ "schemaVersion": 2.5 }),
        json!({ "mediaType": 1 }),
        json!({ "config": "x" }),
        json!({ "config": digestless }),
        json!({ "config": negative }),
        json!({ "config": typeless }),
        json!({ "layers": {} }),
        json!({ "layers": [null] }),
        json!({ "subject": [] }),
        json!({ "artifactType": {} }),
        json!({ "annotations": [] }),
        json!({ "annotations": { "a": 1 } }),
        json!({ "annotations": { "a": null } }),
    ] {
        let outcome = parse(Some(OCI), &manifest(changes.clone()));
        assert!(matches!(outcome, Err(ManifestError::Json { .. })), "{changes}: {outcome:?}");
    }
    for version in [json!(null), json!(1), json!(3), json!(0)] {
        let outcome = parse(None, &manifest(json!({ "schemaVersion": version })));
        assert_eq!(outcome, Err(ManifestError::SchemaVersion), "{version}");
    }
    assert_eq!(parse(None, &manifest(json!({ "config": null }))), Err(ManifestError::NoConfig));
}

#[test]
fn a_descriptor_with_a_bad_digest_is_named() {
    let bad = |text: &str| json!({ "mediaType": "a/b", "digest": text, "size": 1 });
    let good = descriptor("a/b");
    for (body, place) in [
        (manifest(json!({ "config": bad("sha256:00") })), "config"),
        (manifest(json!({ "layers": [good, bad("../x")] })), "layers[1]"),
        (manifest(json!({ "subject": bad("") })), "subject"),
        (index(json!({ "manifests": [bad("blake3:00"), good] })), "manifests[0]"),
    ] {
        let error = parse(None, &body).unwrap_err();
        let named = matches!(&error, ManifestError::Digest { place: found, .. } if found == place);
        assert!(named, "{body}: {error}");
    }
}

#[test]
fn what_the_suite_and_clients_push_is_legal() {
    let data =
        changed(descriptor("a/b"), json!({ "data": "e30=", "urls": ["http://x"], "platform": {}, "new": 1 }));
    let null_layers = manifest(json!({ "layers": null })).to_string().replacen('{', "{\"layers\":null,", 1);
    for text in [
        manifest(json!({ "layers": [] })).to_string(),
        manifest(json!({ "layers": null })).to_string(),
        null_layers,
        manifest(json!({ "layers": vec![data.clone(); 500], "org.example": [1.5, null, true, -3, "x"] }))
            .to_string(),
        manifest(json!({ "config": data, "artifactType": "" })).to_string(),
        index(json!({ "manifests": [] })).to_string(),
        index(json!({ "manifests": null })).to_string(),
        index(json!({ "manifests": [descriptor(INDEX), data] })).to_string(),
    ] {
        let outcome = Manifest::parse(None, text.as_bytes());
        assert!(outcome.is_ok(), "{text}: {outcome:?}");
    }
    let long: Value = (0..390).map(|at| (format!("a{at}"), json!("x".repeat(10_000)))).collect();
    assert_eq!(parse(None, &manifest(json!({ "annotations": long }))).unwrap().annotations.len(), 390);
}

#[test]
fn the_fields_are_those_of_the_body() {
    let layer = changed(descriptor("a/b"), json!({ "annotations": { "t": "x.wasm" }, "size": u64::MAX }));
    let changes = json!({
        "layers": [layer], "subject": descriptor(INDEX), "artifactType": "x/y", "annotations": { "k": "é\n" },
    });
    let parsed = parse(None, &manifest(changes)).unwrap();
    assert_eq!(parsed.config.as_ref().unwrap().media_type, WASM_CONFIG_TYPE);
    assert_eq!(parsed.layers[0].digest, Digest::of(b"a/b").into());
    assert_eq!((parsed.layers[0].size, parsed.layers[0].annotations["t"].as_str()), (u64::MAX, "x.wasm"));
    assert_eq!(parsed.subject.as_ref().unwrap().media_type, INDEX);
    assert_eq!(parsed.annotations["k"], "é\n");
    assert_eq!(parsed.listed_artifact_type(), Some("x/y"));
    let silent = parse(None, &manifest(json!({}))).unwrap();
    assert_eq!(silent.listed_artifact_type(), Some(WASM_CONFIG_TYPE));
    assert_eq!(parse(None, &index(json!({}))).unwrap().listed_artifact_type(), None);
}

#[test]
fn layers_that_nobody_may_pass_on_are_not_required() {
    let layers = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "x/application/vnd.docker.image.rootfs.foreign.diff.tar",
        WASM_LAYER_TYPE,
    ];
    let parsed = parse(None, &manifest(json!({ "layers": layers.map(descriptor) }))).unwrap();
    let required: Vec<&str> = parsed.required_blobs().map(|blob| blob.media_type.as_str()).collect();
    assert_eq!(required, [WASM_CONFIG_TYPE, layers[0], layers[5], layers[6], layers[7]]);
}

#[test]
fn one_shape_is_a_wasm_artifact() {
    let parsed = parse(None, &manifest(json!({}))).unwrap();
    let artifact = parsed.wasm().unwrap();
    assert_eq!(artifact.content_hash, Digest::of(WASM_LAYER_TYPE.as_bytes()));
    assert_eq!(
        (&artifact.config.media_type[..], &artifact.layer.media_type[..]),
        (WASM_CONFIG_TYPE, WASM_LAYER_TYPE)
    );
    assert_eq!(parsed.wasm_problem(), None);
    let (layer, other) = (descriptor(WASM_LAYER_TYPE), descriptor("a/b"));
    let long = changed(layer.clone(), json!({ "digest": format!("sha512:{}", "0f".repeat(64)) }));
    for (changes, problem) in [
        (json!({ "mediaType": DOCKER }), WasmProblem::ManifestType),
        (json!({ "artifactType": "x/y" }), WasmProblem::ArtifactType),
        (json!({ "config": other }), WasmProblem::ConfigType),
        (json!({ "layers": [] }), WasmProblem::LayerCount { layers: 0 }),
        (json!({ "layers": [layer, layer] }), WasmProblem::LayerCount { layers: 2 }),
        (json!({ "layers": [layer, other] }), WasmProblem::LayerCount { layers: 2 }),
        (json!({ "layers": [other] }), WasmProblem::LayerType),
        (json!({ "layers": [long] }), WasmProblem::LayerDigest),
    ] {
        let parsed = parse(None, &manifest(changes.clone())).unwrap();
        assert_eq!((parsed.wasm(), parsed.wasm_problem()), (None, Some(problem)), "{changes}");
        assert!(problem.to_string().contains("Wasm artifact"));
    }
    let bare = parse(Some(OCI), &manifest(json!({ "mediaType": null }))).unwrap();
    assert_eq!((bare.wasm(), bare.wasm_problem()), (None, Some(WasmProblem::NoMediaType)));
    let foreign = descriptor("application/vnd.wasm.content.layer.v1+wasm");
    let foreign =
        manifest(json!({ "config": descriptor("application/vnd.wasm.config.v1+json"), "layers": [foreign] }));
    for body in [foreign, index(json!({})), manifest(json!({ "config": descriptor("a/b"), "layers": [] }))] {
        let parsed = parse(None, &body).unwrap();
        assert_eq!((parsed.wasm(), parsed.wasm_problem()), (None, None), "{body}");
    }
}

#[test]
fn a_message_never_repeats_a_strangers_text_at_length() {
    let long = "x\n".repeat(100_000);
    let key = serde_json::to_string(&long).unwrap();
    for body in [
        manifest(json!({ "schemaVersion": long })).to_string(),
        manifest(json!({ "mediaType": long })).to_string(),
        manifest(json!({ "config": { "mediaType": "a", "digest": long, "size": 1 } })).to_string(),
        manifest(json!({})).to_string().replacen('{', &format!("{{{key}:1,{key}:1,"), 1),
    ] {
        for content_type in [None, Some(OCI), Some(long.as_str())] {
            let message = Manifest::parse(content_type, body.as_bytes()).unwrap_err().to_string();
            assert!(message.len() < 600 && !message.contains('\n'), "{}", message.len());
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just(OCI), Just(INDEX), Just("sha256:00")].prop_map(Value::from),
        Just(descriptor("a/b")),
    ];
    let key = prop_oneof![
        Just("config"),
        Just("layers"),
        Just("manifests"),
        Just("subject"),
        Just("annotations"),
        Just("mediaType"),
        Just("digest"),
        Just("size"),
        Just("schemaVersion"),
        Just("artifactType"),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        prop_assert!(Manifest::parse(None, &bytes).is_err());
    }

    #[test]
    fn no_broken_manifest_panics(at in 0..400_usize, byte: u8) {
        let mut bytes = manifest(json!({ "annotations": { "a": "b" } })).to_string().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Manifest::parse(Some(OCI), &bytes);
    }

    #[test]
    fn any_fields_are_read_or_refused(value in any_json(), key in "config|layers|manifests|subject|annotations") {
        for mut body in [manifest(json!({})), index(json!({}))] {
            body[&key] = value.clone();
            if let Ok(read) = parse(None, &body) {
                let empty = |key: &str| body[key].as_array().is_none_or(Vec::is_empty);
                prop_assert_eq!(read.layers.is_empty(), empty("layers"));
                prop_assert_eq!(read.manifests.is_empty(), empty("manifests"));
                prop_assert_eq!(read.config.is_none(), read.media_type.is_index());
            }
        }
    }
}
