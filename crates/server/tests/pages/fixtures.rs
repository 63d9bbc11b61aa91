//! Values as a registry would give them, plain and hostile.

use serde_json::{Value, json};
use wargate_server::web::Site;
use wargate_wire::api::{
    Beginning, Checkpoint, CoreExtern, CustomSection, Deprecation, Extent, Extern, Ground, Inspection,
    InterfaceName, Kind, Level, LogKind, Metadata, Nested, Note, OnBehalfOf, Package, PackageList,
    PackageSummary, Problem, Producer, RecordPlace, Release, ReleaseSummary, SignedBy, Subject, TakenDown,
    Waiting, Wit, Yank,
};

pub(crate) const DAY: &str = "2026-11-24T10:12:30Z";

pub(crate) fn site() -> Site {
    Site {
        name: "wargate.example".into(),
        url: "https://wargate.example".into(),
        oci_prefix: String::new(),
        root_id: Some(digest("root")),
    }
}

pub(crate) fn digest(of: &str) -> String {
    wargate_core::digest::Digest::of(of.as_bytes()).to_string()
}

pub(crate) fn checkpoint() -> Checkpoint {
    Checkpoint { size: 48_213, time: DAY.into(), root: digest("tree") }
}

pub(crate) fn by(level: Level) -> SignedBy {
    let on_behalf_of = match level {
        Level::PublisherKey => None,
        Level::RegistryForCi => Some(OnBehalfOf {
            subject_kind: Subject::Oidc,
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: "repo:acme/hello:ref:refs/tags/v1.2.0".into(),
        }),
        Level::RegistryForAccount => Some(OnBehalfOf {
            subject_kind: Subject::Account,
            issuer: "https://wargate.example".into(),
            subject: "7d0c41".into(),
        }),
    };
    SignedBy { level, key_ids: vec![digest(level.words())], on_behalf_of }
}

fn summary(
    name: &str,
    latest: Option<&str>,
    kind: Option<Kind>,
    releases: u64,
    said: Option<&str>,
) -> PackageSummary {
    PackageSummary {
        name: name.into(),
        latest: latest.map(Into::into),
        kind,
        description: said.map(Into::into),
        releases,
        updated: DAY.into(),
    }
}

pub(crate) fn list() -> PackageList {
    let packages = vec![
        summary(
            "acme:hello",
            Some("1.2.0"),
            Some(Kind::Component),
            4,
            Some("Greets whoever asks, in their own language."),
        ),
        summary("acme:image-filter", Some("0.3.1-alpha.1"), Some(Kind::Module), 12, None),
        summary(
            "acme:markdown-to-html-with-syntax-highlighting",
            Some("12.104.7"),
            Some(Kind::Component),
            1_204,
            Some(
                "Turns CommonMark with tables, footnotes and fenced code into HTML that needs no script. A library \
                  and a command; the syntaxes are data, so a new one needs no new release, and each of them can be \
                  left out.",
            ),
        ),
        summary("acme:withdrawn", None, None, 1, None),
        summary(
            "wasi:clocks",
            Some("0.2.3"),
            Some(Kind::Wit),
            9,
            Some("Clocks: what time it is, and how long it took."),
        ),
        summary(
            "wasi:http",
            Some("0.2.3"),
            Some(Kind::Wit),
            11,
            Some("HTTP requests and responses, both ways."),
        ),
    ];
    PackageList { packages, next: Some("wasi:http".into()), query: None, checkpoint: checkpoint() }
}

fn row(version: &str, level: Level, size: Option<u64>, yanked: bool) -> ReleaseSummary {
    ReleaseSummary {
        version: version.into(),
        kind: Some(Kind::Component),
        digest: digest(version),
        size,
        signed_by: by(level),
        time: DAY.into(),
        yanked: yanked.then(yank),
        taken_down: None,
        distrusted: false,
        deprecated: None,
    }
}

pub(crate) fn deprecation(extent: Extent) -> Deprecation {
    Deprecation { extent, message: "Use acme:greet, which speaks more languages.".into(), time: DAY.into() }
}

pub(crate) fn began() -> Beginning {
    Beginning { key_id: digest("first owner"), ground: Ground::BeforeClaim }
}

pub(crate) fn notes(extents: &[Extent]) -> Vec<Note> {
    let note = |extent: &Extent| Note {
        extent: *extent,
        message: "Audited by Muster & Co.,\nsee <https://audits.example/7>.".into(),
        time: "2026-11-26T12:00:00Z".into(),
    };
    extents.iter().map(note).collect()
}

pub(crate) fn yank() -> Yank {
    let reason = Some("it greets in the wrong language".into());
    Yank { time: "2026-11-25T08:00:00Z".into(), reason, key_ids: vec![digest("owner")] }
}

pub(crate) fn taken_down(until: Option<&str>) -> TakenDown {
    TakenDown {
        reason: "it steals keys; see https://advisory.example/7".into(),
        until: until.map(Into::into),
        time: "2026-11-25T09:30:00Z".into(),
        record_id: digest("takedown"),
    }
}

pub(crate) fn waiting() -> Waiting {
    Waiting {
        proposal: digest("proposal"),
        says: vec![format!("releases 2.0.0: content {}", digest("content"))],
        lacks: "Release needs the agreement of 2 keys of the role `team`, it has 1".into(),
        handed_in_by: Some("ann".into()),
        not_after: "2026-12-08T09:00:00Z".into(),
    }
}

pub(crate) fn package() -> Package {
    Package {
        name: "acme:hello".into(),
        namespace: "acme".into(),
        description: Some("Greets whoever asks, in their own language.".into()),
        latest: Some("1.2.0".into()),
        log_id: digest("log"),
        log_kind: LogKind::Delegated,
        owners: vec![digest("owner"), digest("second owner")],
        guarded_by: Some(2),
        began: None,
        imported_from: None,
        deprecated: None,
        notes: Vec::new(),
        releases: vec![
            row("2.0.0-rc.1", Level::RegistryForCi, Some(91_750), false),
            row("1.2.0", Level::PublisherKey, Some(89_412), false),
            row("1.1.0", Level::RegistryForAccount, Some(1_204_881), true),
            row("1.0.0", Level::PublisherKey, None, false),
        ],
        waiting: Vec::new(),
        checkpoint: checkpoint(),
    }
}

fn interface(namespace: &str, package: &str, interface: &str, version: &str) -> Extern {
    Extern {
        name: format!("{namespace}:{package}/{interface}@{version}"),
        sort: "instance".into(),
        interface: Some(InterfaceName {
            namespace: namespace.into(),
            package: package.into(),
            interface: interface.into(),
            version: Some(version.into()),
            track: Some("0.2".into()),
        }),
        ..Extern::default()
    }
}

fn plain(name: &str, sort: &str) -> Extern {
    Extern { name: name.into(), sort: sort.into(), ..Extern::default() }
}

const WIT: &str = "package root:component;

world root {
  import wasi:clocks/wall-clock@0.2.3;
  import wasi:http/types@0.2.3;
  import wasi:io/streams@0.2.3;
  import translations: acme:words/lookup@1.0.0;

  export greet: func(name: string) -> result<string, string>;
  export wasi:http/incoming-handler@0.2.3;
}
";

pub(crate) fn inspection() -> Inspection {
    let translations = Extern {
        implements: Some("acme:words/lookup@1.0.0".into()),
        external_id: Some("acme:words@^1.0".into()),
        interface: interface("acme", "words", "lookup", "1.0.0").interface,
        ..plain("translations", "instance")
    };
    let producer = |field: &str, name: &str, version: &str| Producer {
        field: field.into(),
        name: name.into(),
        version: version.into(),
    };
    let section = |name: &str, size| CustomSection { name: name.into(), size };
    Inspection {
        validator: "wasmparser 0.263.0".into(),
        imports: vec![
            interface("wasi", "clocks", "wall-clock", "0.2.3"),
            interface("wasi", "http", "types", "0.2.3"),
            interface("wasi", "io", "streams", "0.2.3"),
            translations,
        ],
        exports: vec![plain("greet", "func"), interface("wasi", "http", "incoming-handler", "0.2.3")],
        core_modules: 2,
        nested: vec![Nested { digest: digest("nested"), size: 24_000 }],
        metadata: Metadata {
            name: Some("hello".into()),
            authors: Some("Ada Example, Bo Muster".into()),
            description: Some("Greets whoever asks, in their own language.".into()),
            licenses: Some("Apache-2.0 WITH LLVM-exception".into()),
            licenses_spdx: true,
            source: Some("https://git.example/acme/hello".into()),
            homepage: Some("https://acme.example/hello".into()),
            revision: Some("4f1c0a9d0b7d6b3f".into()),
            version: Some("1.2.0".into()),
        },
        producers: vec![
            producer("language", "Rust", ""),
            producer("processed-by", "rustc", "1.95.0 (59807616e 2026-04-14)"),
            producer("processed-by", "wit-component", "0.263.0"),
        ],
        sections: vec![
            section("producers", 143),
            section("component-name", 1_204),
            section("component-type", 8_812),
        ],
        wit: Some(Wit {
            text: Some(WIT.into()),
            worlds: vec!["root:component/root".into()],
            ..Wit::default()
        }),
        ..Inspection::default()
    }
}

pub(crate) fn release() -> Release {
    Release {
        name: "acme:hello".into(),
        namespace: "acme".into(),
        version: "1.2.0".into(),
        latest: Some("1.2.0".into()),
        kind: Some(Kind::Component),
        digest: digest("1.2.0"),
        size: Some(89_412),
        manifest_digest: Some(digest("manifest")),
        signed_by: by(Level::PublisherKey),
        time: DAY.into(),
        yanked: None,
        taken_down: None,
        distrusted: false,
        deprecated: None,
        notes: Vec::new(),
        guarded_by: Some(1),
        record: RecordPlace {
            log_index: 48_101,
            record_id: digest("record"),
            log_id: digest("log"),
            log_kind: LogKind::Delegated,
        },
        inspection: Some(inspection()),
        checkpoint: checkpoint(),
    }
}

/// A yanked core module that CI published, with much in it.
pub(crate) fn module() -> Release {
    let module = |at: usize| CoreExtern {
        module: Some("wasi_snapshot_preview1".into()),
        name: format!("import_{at}"),
        sort: "func".into(),
    };
    let export = |name: &str, sort: &str| CoreExtern { module: None, name: name.into(), sort: sort.into() };
    let core = Inspection {
        validator: "wasmparser 0.263.0".into(),
        experimental: true,
        features: vec!["threads".into(), "gc".into()],
        core_imports: (0..200).map(module).collect(),
        core_exports: vec![export("_start", "func"), export("memory", "memory")],
        warnings: vec![
            "the section `producers` is there twice".into(),
            "the name `_start` is no word".into(),
        ],
        ..Inspection::default()
    };
    Release {
        version: "1.1.0+build.7".into(),
        kind: Some(Kind::Module),
        manifest_digest: None,
        signed_by: by(Level::RegistryForCi),
        yanked: Some(yank()),
        taken_down: None,
        inspection: Some(core),
        ..release()
    }
}

pub(crate) fn problem() -> Problem {
    Problem {
        status: 404,
        code: "package-unknown".into(),
        message: "There is no package acme:helo.".into(),
        hint: Some("Look at its spelling, or search for a part of its name.".into()),
    }
}

/// What somebody who wants to break a page would write.
pub(crate) fn hostile_text() -> String {
    let attack = "</code></pre></title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}evil\u{2066}\u{1b}[2J\u{feff}{{ 7 * 7 }}&lt;";
    format!("{attack}{}", "W".repeat(4096 - attack.len()))
}

/// Words that JSON takes from a list of its own.
const WORDS: &[&str] = &["extent", "ground", "kind", "layer", "level", "logKind", "subjectKind"];

/// The same value with every text replaced.
pub(crate) fn with_every_text<T>(value: &T, text: &str) -> T
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    fn replace(value: &mut Value, text: &str) {
        match value {
            Value::String(old) => text.clone_into(old),
            Value::Array(items) => items.iter_mut().for_each(|item| replace(item, text)),
            Value::Object(fields) => {
                let open = fields.iter_mut().filter(|(key, _)| !WORDS.contains(&key.as_str()));
                open.for_each(|(_, value)| replace(value, text));
            }
            _ => {}
        }
    }
    let mut json = json!(value);
    replace(&mut json, text);
    serde_json::from_value(json).unwrap()
}

/// A release whose publisher wrote what they liked where they can.
pub(crate) fn hostile() -> Release {
    let mut release = release();
    let honest = inspection();
    let metadata = Metadata {
        homepage: Some("javascript:alert(document.domain)".into()),
        source: Some("https://git.example@evil.example/".into()),
        licenses_spdx: false,
        ..with_every_text(&honest.metadata, &hostile_text())
    };
    let imports = (0..200).map(|at| interface("wasi", "http", &format!("types-{at}"), "0.2.3"));
    release.signed_by = by(Level::RegistryForAccount);
    release.latest = Some("1.3.0".into());
    release.inspection = Some(Inspection {
        metadata,
        imports: imports.collect(),
        exports: vec![plain("<script>alert(1)</script>", "func")],
        warnings: vec!["a warning\u{202e} with <b>markup</b>".into()],
        ..honest
    });
    release
}
