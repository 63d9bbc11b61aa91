//! Each page: its values, gathered for its template.

use askama::Template;
use wargate_wire::api::{
    Beginning, Checkpoint, Deprecation, Extent, Ground, Inspection, Keys, Kind, Layer, Level, LogKind,
    Metadata, Note, Package, PackageList, Problem, Release,
};

use super::copy::{self, CopyLine, approving};
use super::{
    CLAIM_CHARS_MAX, EXTERNS_FOLDED_FROM, EXTERNS_SHOWN_MAX, LEAD_CHARS_MAX, LEVELS_SHOWN_MAX,
    PARTS_SHOWN_MAX, PRODUCER_FIELD_CHARS_MAX, RELEASES_SHOWN_MAX, SUMMARY_CHARS_MAX, Site,
    VERSION_CHARS_MAX, WARNINGS_SHOWN_MAX, WIT_SHOWN_BYTES_MAX, assets, external, filters,
};

/// What all pages have around their own.
struct Frame<'a> {
    site: &'a Site,
    title: String,
    /// What stands in the search field.
    query: &'a str,
    /// The page's twin.
    json: Option<String>,
    checkpoint: Option<&'a Checkpoint>,
}

impl<'a> Frame<'a> {
    fn new(site: &'a Site, title: &str, checkpoint: &'a Checkpoint, json: String) -> Self {
        let title = format!("{title} · {}", site.name);
        Self { site, title, query: "", json: Some(json), checkpoint: Some(checkpoint) }
    }

    fn style(&self) -> String {
        self.site.path(&format!("assets/{}", assets::STYLE.name))
    }

    fn script(&self) -> String {
        self.site.path(&format!("assets/{}", assets::SCRIPT.name))
    }

    fn mark(&self) -> String {
        self.site.path(&format!("assets/{}", assets::MARK.name))
    }
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    list: &'a PackageList,
    next: Option<String>,
    trust: Option<CopyLine>,
}

#[derive(Template)]
#[template(path = "package.html")]
struct PackagePage<'a> {
    frame: Frame<'a>,
    package: &'a Package,
    lines: Vec<CopyLine>,
}

#[derive(Template)]
#[template(path = "release.html")]
struct ReleasePage<'a> {
    frame: Frame<'a>,
    release: &'a Release,
    lines: Vec<CopyLine>,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage<'a> {
    frame: Frame<'a>,
    keys: &'a Keys,
    /// The keys of the log above, in words and with their address.
    above: Option<(&'static str, String)>,
    /// Where a namespace's packages are listed.
    packages: String,
    /// The page with what happened earlier.
    earlier: Option<String>,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame<'a>,
    problem: &'a Problem,
}

/// `/`: packages by name. `after` is the cursor that the page was asked for.
#[must_use]
pub fn render_list(list: &PackageList, after: Option<&str>, site: &Site) -> String {
    let query = list.query.as_deref();
    let title = query.map_or_else(|| "Packages".to_owned(), |query| format!("“{query}”"));
    let mut frame = Frame::new(site, &title, &list.checkpoint, site.list_json(query, after));
    frame.query = query.unwrap_or_default();
    let next = list.next.as_deref().map(|next| site.list(query, Some(next)));
    let first = query.is_none() && after.is_none();
    let trust = copy::trust(site).filter(|_| first);
    finish(&ListPage { frame, list, next, trust })
}

/// `/NAMESPACE/NAME`: a package with its releases.
#[must_use]
pub fn render_package(package: &Package, site: &Site) -> String {
    let json = format!("{}.json", site.package(&package.name));
    let frame = Frame::new(site, &package.name, &package.checkpoint, json);
    let latest = package.latest.as_deref();
    let lines = latest.map(|version| copy::lines(site, &package.name, version)).unwrap_or_default();
    finish(&PackagePage { frame, package, lines })
}

/// `/NAMESPACE/NAME/VERSION`: all about one release.
#[must_use]
pub fn render_release(release: &Release, site: &Site) -> String {
    let json = format!("{}.json", site.release(&release.name, &release.version));
    let title = format!("{} {}", release.name, release.version);
    let frame = Frame::new(site, &title, &release.checkpoint, json);
    let lines = match release.taken_down {
        Some(_) => Vec::new(),
        None => copy::lines(site, &release.name, &release.version),
    };
    finish(&ReleasePage { frame, release, lines })
}

/// `/NAMESPACE/NAME/keys`, `/NAMESPACE/-/keys`, `/-/keys`: who may do what in a log. `before` is the index of the
/// registry's log below which its history was asked for.
#[must_use]
pub fn render_keys(keys: &Keys, before: Option<u64>, site: &Site) -> String {
    let log = if keys.log.is_empty() { &site.name } else { &keys.log };
    let json = site.keys_json(&keys.log, before);
    let frame = Frame::new(site, &format!("Keys of {log}"), &keys.checkpoint, json);
    let above = match (keys.layer, keys.log_kind, keys.log.split_once(':')) {
        // A v1 log may stand in a namespace that has no log.
        (Layer::Package, LogKind::Delegated, Some((namespace, _))) => {
            Some(("the namespace’s keys", site.keys(namespace)))
        }
        (Layer::Package | Layer::Namespace, ..) => Some(("the registry’s keys", site.keys(""))),
        (Layer::Operator, ..) => None,
    };
    let packages = site.list(Some(&format!("{}:", keys.log)), None);
    let earlier = keys.next.map(|next| format!("{}?before={next}", site.keys(&keys.log)));
    finish(&KeysPage { frame, keys, above, packages, earlier })
}

/// What is shown instead of a page that isn't there or went wrong.
#[must_use]
pub fn render_problem(problem: &Problem, site: &Site) -> String {
    let title = format!("{} · {}", problem.status, site.name);
    let frame = Frame { site, title, query: "", json: None, checkpoint: None };
    finish(&ProblemPage { frame, problem })
}

/// Writing to a string cannot fail, and the filters don't; should a template learn to, its page is empty.
fn finish(page: &impl Template) -> String {
    page.render().unwrap_or_else(|error| {
        tracing::error!(%error, "couldn't write a page; this is a bug in Wargate");
        String::new()
    })
}

/// How a level is drawn.
fn level_class(level: &Level) -> &'static str {
    match level {
        Level::PublisherKey => "level publisher",
        Level::RegistryForCi => "level ci",
        Level::RegistryForAccount => "level account",
    }
}

/// What a level means, in a sentence.
fn level_meaning(level: &Level) -> &'static str {
    match level {
        Level::PublisherKey => {
            "Signed with a key of the publisher’s own. The registry could not have made this release."
        }
        Level::RegistryForCi => {
            "Signed by the registry, for a CI job whose identity its issuer vouched for. It is the registry’s word."
        }
        Level::RegistryForAccount => {
            "Signed by the registry, for somebody with an account here. It is the registry’s word."
        }
    }
}

/// What a page of keys is about, in a sentence.
fn lead(keys: &Keys) -> &'static str {
    match keys.layer {
        Layer::Package => "Whose signatures make a release of this package, and how many it takes.",
        Layer::Namespace => "Whose signatures start packages in this namespace, and how many it takes.",
        Layer::Operator => "Whose signatures this registry stands on, and how many it takes.",
    }
}

/// What is deprecated, as a page says it.
fn deprecated(said: &Deprecation) -> &'static str {
    match said.extent {
        Extent::Release => "This version is deprecated",
        Extent::Package => "This package is deprecated",
        Extent::Namespace => "This namespace is deprecated",
    }
}

/// What is noted, as a page says it.
fn noted(said: &Note) -> &'static str {
    match said.extent {
        Extent::Release => "Noted of this version",
        Extent::Package => "Noted of this package",
        Extent::Namespace => "Noted of this namespace",
    }
}

/// Why the key that began a v1 log could.
fn ground(began: &Beginning) -> &'static str {
    match began.ground {
        Ground::Unclaimed => "in a namespace without owners",
        Ground::BeforeClaim => "before its namespace had owners",
        Ground::Admitted => "let in by its namespace’s owners",
    }
}

/// Whether the publisher says anything that the facts have a line for.
fn says_something(said: &Metadata) -> bool {
    let texts = [
        &said.name,
        &said.authors,
        &said.licenses,
        &said.source,
        &said.homepage,
        &said.revision,
        &said.version,
    ];
    texts.iter().any(|text| text.is_some())
}

/// The WIT text, if a page can bear it.
fn shown_wit(inspection: &Inspection) -> Option<&str> {
    let text = inspection.wit.as_ref()?.text.as_deref()?;
    (text.len() <= WIT_SHOWN_BYTES_MAX).then_some(text)
}

/// How many are there but not shown.
fn left_out<T>(all: &[T], shown_max: usize) -> u64 {
    all.len().saturating_sub(shown_max) as u64
}
