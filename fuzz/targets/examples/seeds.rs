//! Writes the first inputs of the kept corpus, `fuzz/corpus/TARGET/seed-*`: one valid thing of every kind, always the
//! same. To be run again when a format changes: `cargo run -p wargate-fuzz-targets --example seeds`.
#![allow(clippy::unwrap_used, reason = "a seed that cannot be made is a bug here")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;
use wargate_core::act::{
    Act, AnnotationKind, Dependency, Endorsement, Grant, Identity, OnBehalfOf, Release, Revoke, Step,
    Variant, VariantKind, endorse, power::Power,
};
use wargate_core::authority::role::{NameScope, RoleId, Scope, VersionScope};
use wargate_core::authority::{self, Admission, Annotation, Context, State, Takedown, Yanked, genesis_act};
use wargate_core::checkpoint::{Checkpoint, SignedCheckpoint};
use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::{Layer, LogId, RecordId};
use wargate_core::key::{Algorithm, PublicKey, SecretKey};
use wargate_core::log::proof::LogProofBundle;
use wargate_core::log::tile::{encode_entries, encode_names, encode_records};
use wargate_core::log::tree::NodeId;
use wargate_core::map::page::{self, Pages};
use wargate_core::map::proof::{MapProof, MapProofBundle};
use wargate_core::map::segment;
use wargate_core::name::{LogName, PackageName};
use wargate_core::note::Verifier;
use wargate_core::record::{OperatorEntry, OperatorRecord, PackageEntry, PackagePermission, PackageRecord};
use wargate_core::time::Time;

const NOW: Time = Time::from_seconds(1_800_000_000);
const ORIGIN: &str = "registry.example";

fn key(n: u8) -> SecretKey {
    // Its signatures are the same each time.
    SecretKey::from_bytes(Algorithm::Ed25519, [n; 32]).unwrap()
}

fn public(n: u8) -> PublicKey {
    key(n).public().clone()
}

/// For whom that is asked; its signatures differ each time, so it signs nothing here.
fn p256(n: u8) -> PublicKey {
    SecretKey::from_bytes(Algorithm::EcdsaP256, [n; 32]).unwrap().public().clone()
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn record_id(text: &str) -> RecordId {
    RecordId::from_digest(digest(text))
}

fn hello() -> PackageName {
    "acme:hello".parse().unwrap()
}

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("seed-{name}")), bytes).unwrap();
}

fn write_all<T: AsRef<[u8]>>(target: &str, inputs: impl IntoIterator<Item = T>) {
    for (index, input) in inputs.into_iter().enumerate() {
        write(target, &format!("{index:02}"), input);
    }
}

fn steps() -> Vec<Step> {
    let grant = Grant {
        role: "ci".to_owned(),
        keys: vec![public(3)],
        threshold: 1,
        powers: vec![Power::Release, Power::Yank],
        scope: Scope::Versions(vec![VersionScope::parse(">=1.0.0 <2.0.0-0").unwrap()]),
        not_after: Some(NOW),
        depth: 1,
        parent: "owner".to_owned(),
    };
    let release = Release {
        version: "1.0.0".parse().unwrap(),
        content: digest("content"),
        manifest: Some(digest("manifest")),
        variants: vec![Variant { kind: VariantKind::Locked, content: digest("locked"), manifest: None }],
        dependencies: vec![Dependency {
            name: "wasi:http".parse().unwrap(),
            requirement: "0.2".to_owned(),
            version: Some("0.2.0".parse().unwrap()),
            content: None,
        }],
        on_behalf_of: OnBehalfOf::parse("oidc https://ci.example a b"),
        breaking: true,
    };
    let names = Scope::Names(vec![NameScope::parse("he*").unwrap(), NameScope::all()]);
    vec![
        Step::Init { keys: vec![public(1), public(2)], threshold: 2 },
        Step::Grant(Grant { scope: names, not_after: None, ..grant.clone() }),
        Step::Grant(grant),
        Step::Revoke(Revoke {
            role: "ci".to_owned(),
            key_ids: vec![public(3).id()],
            since: Some(record_id("since")),
        }),
        Step::Release(release),
        Step::Yank { version: "1.0.0".parse().unwrap(), reason: "broken".to_owned() },
        Step::Annotate {
            kind: AnnotationKind::Deprecate,
            subject: "1.0.0".to_owned(),
            value: "use 2".to_owned(),
        },
        Step::Admit { name: "hello".to_owned(), key: p256(4) },
        Step::Recover { keys: vec![public(5)], threshold: 1 },
    ]
}

fn act_of(steps: Vec<Step>) -> Act {
    Act {
        root: Some(record_id("root")),
        log: LogId::package(&hello()),
        steps,
        not_before: NOW,
        not_after: NOW.plus_seconds(60),
        nonce: [7; 16],
    }
}

/// A request to grant something in a log, on the state that the genesis left.
fn request(operator: &State) {
    let base64 = |bytes: Vec<u8>| serde_json::to_value(wargate_wire::text::Base64(bytes)).unwrap();
    let root = operator.first_record();
    let log = LogName::Package(hello());
    let act = Act { root, log: log.log_id(), ..act_of(steps()) }.encode();
    let endorsement = endorse(&act, &key(1)).unwrap();
    let file = json!({
        "format": "wargate-request-1",
        "registry": "https://registry.example",
        "log": log.as_str(),
        "says": [],
        "act": base64(act),
        "endorsements": [{ "keyId": endorsement.key_id.to_string(), "signature": endorsement.signature.to_string() }],
        "standsOn": {
            "root": root.unwrap().to_string(),
            "operator": base64(operator.encode()),
            "namespace": base64(State::empty("acme".parse().unwrap()).encode()),
            "own": base64(State::empty(log.clone()).encode()),
            "places": { record_id("since").to_string(): 3 },
        },
    });
    write("request", "grant", file.to_string());
}

fn acts() {
    write_all("act", steps().into_iter().map(|step| act_of(vec![step]).encode()));
    write("act", "all", act_of(steps()).encode());
    write_all(
        "act_texts",
        ["release", "oidc", "locked", "deprecate", "he*", "*", ">=1.0.0 <2.0.0-0", "account a b c", "a\nb*"],
    );
    let kept = authority::Release {
        version: "1.0.0".parse().unwrap(),
        record: record_id("release"),
        time: NOW,
        content: digest("content"),
        manifest: Some(digest("manifest")),
        on_behalf_of: Some(OnBehalfOf {
            identity: Identity::Account,
            issuer: "i".to_owned(),
            subject: "s".to_owned(),
        }),
        place: 3,
        allowed_by: BTreeSet::new(),
        endorsed: Some(record_id("endorse")),
        variants: [VariantKind::Locked].into(),
        yanked: Some(Yanked { record: record_id("yank"), time: NOW, reason: "broken".to_owned() }),
        carried_yank: None,
    };
    write("ledger_state", "release", kept.encode());
    let empty = State::empty(LogName::Package(hello()));
    write("ledger_state", "empty", empty.encode());
    let act = genesis_act(&[public(1)], 1, &[p256(2), p256(3)], &p256(4), NOW, [1; 16]).encode();
    let endorsement = endorse(&act, &key(1)).unwrap();
    let context = Context::default();
    let carried = State::empty(LogName::Operator).carry(
        &context,
        NOW,
        &act,
        std::slice::from_ref(&endorsement),
        &p256(2).id(),
    );
    let carried = carried.unwrap();
    write("ledger_state", "operator", carried.changes.state.encode());
    fact_rows();
    request(&carried.changes.state);
    write("act", "genesis", act);
    let Endorsement { key_id, signature } = endorsement;
    let body = json!({"act": "AAEC", "endorsements": [
        {"keyId": key_id.to_string(), "signature": signature.to_string()}]});
    write("json_api", "act", body.to_string());
}

/// What the ledger keeps of a log beside its state and its releases.
fn fact_rows() {
    let (record, time) = (record_id("said"), NOW);
    write("ledger_state", "dead-role", RoleId { record, step: 2 }.encode());
    let admission = Admission { name: "hello".to_owned(), key: p256(9).id() };
    write("ledger_state", "admission", admission.encode());
    let (subject, value) = ("1.0.0".to_owned(), "use another".to_owned());
    let annotation = Annotation { kind: AnnotationKind::Deprecate, subject, value, record, time };
    write("ledger_state", "annotation", annotation.encode());
    let takedown = Takedown {
        package: hello(),
        version: Some("1.0.0".parse().unwrap()),
        reason: "malware".to_owned(),
        lifted: false,
        not_after: Some(NOW),
        record,
        time,
    };
    write("ledger_state", "takedown", takedown.encode());
}

fn records() {
    let package = PackageRecord {
        prev: Some(record_id("before")),
        version: 0,
        time: NOW,
        entries: vec![
            PackageEntry::Init { key: p256(9) },
            PackageEntry::GrantFlat { key: p256(1), permissions: PackagePermission::ALL.to_vec() },
            PackageEntry::RevokeFlat {
                key_id: public(1).id(),
                permissions: vec![PackagePermission::Release],
            },
            PackageEntry::Release { version: "1.0.0-rc.1+b".parse().unwrap(), content: digest("content") },
            PackageEntry::Yank { version: "1.0.0".parse().unwrap() },
        ],
    };
    write("record", "package", package.encode());
    let operator = OperatorRecord {
        prev: None,
        version: 0,
        time: NOW,
        entries: vec![
            OperatorEntry::Init { key: p256(1) },
            OperatorEntry::DefineNamespace { namespace: "acme".parse().unwrap() },
            OperatorEntry::ImportNamespace {
                namespace: "wasi".parse().unwrap(),
                registry: "wasi.example".to_owned(),
            },
        ],
    };
    write("record", "operator", operator.encode());
    let mut extended = package.encode();
    extended.extend([0x82, 0x7d, 2, b'x', b'y']);
    write("record", "extended", extended);
    let envelope = Envelope::sign(Layer::Package, package.encode().into(), &key(1)).unwrap();
    write("envelope", "package", envelope.encode());
    let tiny = Envelope::sign(Layer::Package, "x".into(), &key(1)).unwrap().encode();
    write("envelope", "tiny", &tiny);
    let with_width = |width: u8, bundle: Vec<u8>| [&[width][..], &bundle].concat();
    let entry = [7u8; 64];
    write("bundle", "entries", with_width(1, encode_entries([&entry[..], &entry].into_iter()).unwrap()));
    write("bundle", "records", with_width(1, encode_records([&tiny[..], b"y"].into_iter()).unwrap()));
    write("bundle", "names", with_width(2, encode_names(["acme:hello", "a:b", ""].into_iter()).unwrap()));
}

fn transparency() {
    let checkpoint =
        Checkpoint { size: 3, root: digest("root"), map_root: digest("map"), time: 1_800_000_000 };
    let signed = SignedCheckpoint::sign(checkpoint, ORIGIN, &key(1)).unwrap();
    write("checkpoint_note", "note", signed.note(ORIGIN, &public(1)).unwrap());
    write("checkpoint_note", "text", signed.checkpoint.note_text(ORIGIN));
    write("checkpoint_note", "vkey", Verifier::new(ORIGIN, public(1)).unwrap().vkey().unwrap());

    let leaves: Vec<(Digest, RecordId)> =
        (0..6).map(|n| (digest(&format!("key {n}")), record_id(&format!("record {n}")))).collect();
    let update = page::update(None, &Pages::default(), &leaves, 7).unwrap();
    let pages = update.pages;

    for (index, (_, page)) in pages.iter().enumerate() {
        write("map_page", &format!("{index:02}"), page.encode());
    }
    write("map_segment", "six", segment::encode(&pages));
    write("map_segment", "none", segment::encode(&[]));

    let hashes = [(NodeId::leaf(0), digest("a")), (NodeId { height: 1, index: 1 }, digest("b"))];
    let log =
        LogProofBundle { size: 4, consistent: vec![2], included: vec![1], hashes: BTreeMap::from(hashes) };
    write("proofs", "log", log.encode().unwrap());
    let proof = MapProof { peers: vec![None, Some(digest("peer")), None] };
    write("proofs", "map", MapProofBundle { proofs: vec![proof] }.encode());
    write_all(
        "tile_path",
        [
            "tile/0/000",
            "tile/63/x001/x234/067.p/8",
            "tile/entries/x001/000",
            "records/000.p/255",
            "names/999",
        ],
    );
    let texts = [
        digest("a").to_string(),
        public(1).to_string(),
        public(1).id().to_string(),
        p256(9).to_string(),
        key(1).to_secret_text(),
        signed.warg_signature.to_string(),
    ];
    write_all("text_forms", texts);
    write_all("names", ["acme", "acme:hello-world", "operator", "namespace:acme", "a1-B2:x"]);
}

fn wire() {
    let sha = digest("blob");
    write_all("oci_reference", ["acme/hello", "1.0.0-rc.1", "latest", &sha.to_string(), "1.0.0_b"]);
    write_all(
        "oci_path",
        [
            "/v2/".to_owned(),
            "/v2/_catalog".to_owned(),
            format!("/v2/acme/hello/blobs/{sha}"),
            "/v2/acme/hello/manifests/1.0.0".to_owned(),
            "/v2/acme/hello/blobs/uploads/".to_owned(),
            "/v2/acme/hello/blobs/uploads/00112233445566778899aabbccddeeff".to_owned(),
            "/v2/acme%2Fx/tags/list".to_owned(),
            format!("/v2/a/referrers/{}", sha.to_string().replace(':', "%3A")),
        ],
    );
    write_all("oci_query", ["digest=sha256%3Aab&n=10&last=x+y", "n=%zz", "from=a%2Fb&&n"]);
    write_all("oci_range", ["0-9", "bytes 10-19/*", "0-18446744073709551614"]);
    write_all(
        "oci_challenge",
        [
            r#"Basic realm="a, \"b\"""#,
            r#"Negotiate, Bearer realm="https://a/t",service="s",scope="r:a/b:pull""#,
        ],
    );
    let descriptor = |kind: &str| json!({"mediaType": kind, "digest": sha.to_string(), "size": 4});
    let image = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.wasm.config.v0+json"), "layers": [descriptor("application/wasm")],
        "subject": descriptor("application/vnd.oci.image.manifest.v1+json"),
        "artifactType": "a/b", "annotations": {"a": "b"},
    });
    let index = json!({
        "schemaVersion": 2, "manifests": [descriptor("application/vnd.oci.image.manifest.v1+json")],
    });
    write("oci_manifest", "image", format!("\0{image}"));
    write("oci_manifest", "index", format!("\x01{index}"));
    write("oci_manifest", "own-type", format!("\x7f{image}"));
    write_all(
        "docker_config",
        [
            r#"{"auths":{"registry.example:5000":{"auth":"dXNlcjpwYXNz"}}}"#,
            r#"{"auths":{"https://registry.example:5000/v1/":{"identitytoken":"t"}},"credsStore":"pass"}"#,
            r#"{"credHelpers":{"registry.example:5000":"own"},"auths":{"registry.example:5000":{"username":"u","password":"p","registrytoken":"r"}}}"#,
            r#"{"ServerURL":"x","Username":"<token>","Secret":"s"}"#,
        ],
    );
    let part = |name: &str, value: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    write("form", "two", format!("\x03{}{}--B--\r\n", part("act", "{}"), part("content", "\r\n-x\r\n--C")));
    write("form", "kind", "\0multipart/form-data; charset=x; boundary=\"abc\"");
    write_all("http_range", ["\x09bytes=0-3", "\x09bytes=5-", "\x09bytes=-2", "\0bytes=0-"]);
}

fn json_bodies() {
    let (id, log) = (record_id("r").to_string(), LogId::package(&hello()).to_string());
    let (hash, key_id) = (digest("d").to_string(), public(1).id().to_string());
    let signature = key(1).sign(b"x").unwrap().to_string();
    let envelope = json!({"contentBytes": "AAEC", "keyId": key_id, "signature": signature});
    let published = json!({"contentBytes": "AAEC", "keyId": key_id, "signature": signature,
        "registryIndex": 1, "fetchToken": id});
    let contents = json!({"logRoot": hash, "logLength": 3, "mapRoot": hash, "timestamp": 9});
    let bodies = [
        envelope.clone(),
        published.clone(),
        json!({"contents": contents, "keyId": key_id, "signature": signature}),
        json!({"logLength": 3, "limit": 10, "operator": id, "packages": {log.clone(): null}}),
        json!({"more": true, "operator": [published], "packages": {}, "warnings": [{"message": "m"}]}),
        json!({"packages": {log.clone(): "acme:hello"}}),
        json!({"packageName": "acme:hello", "record": envelope, "contentSources":
            {hash.clone(): [{"type": "httpGet", "url": "u", "acceptRanges": true, "size": 1}]}}),
        json!({"recordId": id, "state": "sourcing", "missingContent":
            {hash.clone(): {"upload": [{"type": "http", "method": "POST", "url": "u", "headers": {"a": "b"}}]}}}),
        json!({"recordId": id, "state": "published", "registryIndex": 1}),
        json!({"from": 1, "to": 2}),
        json!({"logLength": 1, "leafs": [0]}),
        json!({"log": "AA==", "map": "AAA=", "proof": ""}),
        json!({"checkpoint": "verified", "signature": "invalid", "retryAfter": 1}),
        json!({"hashAlgorithm": "sha256", "sources":
            [{"firstRegistryIndex": 0, "lastRegistryIndex": 1, "url": "u"}]}),
    ];
    write_all("json_warg", bodies.map(|body| body.to_string()));
    let released = json!({"package": "acme:hello", "version": "1.0.0", "digest": hash, "manifest": hash,
        "recordId": id, "registryIndex": 2, "before": false});
    let problem = json!({"status": 404, "code": "package-unknown", "message": "m", "hint": null});
    let release = json!({
        "name": "acme:hello", "namespace": "acme", "version": "1.0.0", "latest": null, "kind": null,
        "digest": hash, "size": null, "manifestDigest": null,
        "signedBy": {"level": "publisherKey", "keyIds": [], "onBehalfOf": null},
        "time": "2026-11-24T10:00:00Z", "yanked": null,
        "record": {"logIndex": 0, "recordId": id, "logId": log, "logKind": "v1"},
        "inspection": null,
        "checkpoint": {"size": 1, "time": "2026-11-24T10:00:00Z", "root": hash},
    });
    write_all("json_api", [released, problem, release].map(|body| body.to_string()));
}

fn component() {
    use wargate_fuzz_targets::component::with_import;
    let names = [
        "a",
        "wasi:http/types@0.2.0",
        "a:b:c/d/e@1.0.0",
        "a:b/c@1",
        "[method]a.b",
        "[constructor]a",
        "a:b",
        ":/@",
        "unlocked-dep=<a:b@{>=1.0.0 <2.0.0}>",
        "url=<https://x>",
        "/:@",
        "a:b/@",
        "a:/b",
        "ä:b/c",
        "a:b/c@999999999999999999999.0.0",
    ];
    write_all("component_name", names);
    write("component", "import", with_import(b"wasi:http/types@0.2.0"));
    write("component", "empty-module", b"\0asm\x01\0\0\0");
    let mut texts = vec![vec![2]];
    texts[0].extend(b"MIT OR Apache-2.0");
    texts.push(b"\x06 1.2.3".to_vec());
    texts.push(b"\x06\x1b[2J".to_vec());
    texts.push(b"\x03https://x".to_vec());
    // `producers`: one field, one tool with its version.
    texts.push(b"\x08\x01\x08language\x01\x04Rust\x041.95".to_vec());
    // `name`: the module's.
    texts.push(b"\x09\x00\x02\x01m".to_vec());
    // `component-name` in a component.
    texts.push(b"\x8c\x00\x02\x01c".to_vec());
    write_all("metadata", texts);
    let inspection = wargate_component::inspect(&with_import(b"wasi:http/types@0.2.0")).unwrap();
    write("inspection", "import", serde_json::to_vec(&inspection).unwrap());
}

fn main() {
    acts();
    records();
    transparency();
    wire();
    json_bodies();
    component();
}
