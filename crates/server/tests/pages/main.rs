//! The pages: what they look like, and that no value can break them.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's failure")]

mod contrast;
mod fixtures;
mod html;
mod keys;

use fixtures::{
    began, deprecation, hostile, hostile_text, list, module, notes, package, problem, release, site,
    taken_down, waiting, with_every_text, yank,
};
use keys::{above, keys, v1};
use wargate_server::web::{self, render_keys, render_list, render_package, render_problem, render_release};
use wargate_wire::api::{Extent, Extern, Layer, LogKind, Package, PackageList, Release};

/// Every page with ordinary and extraordinary values.
fn pages() -> Vec<(&'static str, String)> {
    let site = site();
    let found = PackageList { query: Some("acme \"<&".into()), next: None, ..list() };
    let nothing_found = PackageList { packages: Vec::new(), ..found.clone() };
    let empty = PackageList { query: None, ..nothing_found.clone() };
    let unseen = Release { inspection: None, kind: None, size: None, latest: None, ..release() };
    let gone = |until| Release { inspection: None, taken_down: Some(taken_down(until)), ..release() };
    let mut kept_back = package();
    kept_back.releases[1].taken_down = Some(taken_down(None));
    kept_back.releases[3].taken_down = Some(taken_down(Some(fixtures::DAY)));
    let waits = Package { waiting: vec![waiting()], ..package() };
    let mut bare = package();
    (bare.latest, bare.description) = (None, None);
    bare.releases.clear();
    bare.owners.clear();
    bare.guarded_by = None;
    let v1_log = Package {
        log_kind: LogKind::V1,
        began: Some(began()),
        imported_from: Some("greetings.example".into()),
        ..package()
    };
    let mut fallen = package();
    fallen.deprecated = Some(deprecation(Extent::Namespace));
    fallen.notes = notes(&[Extent::Package, Extent::Namespace]);
    (fallen.releases[0].distrusted, fallen.releases[1].deprecated) =
        (true, Some(deprecation(Extent::Release)));
    let distrusted = Release { distrusted: true, yanked: Some(yank()), ..release() };
    let deprecated = Release {
        deprecated: Some(deprecation(Extent::Package)),
        notes: notes(&[Extent::Release]),
        yanked: Some(yank()),
        ..release()
    };
    vec![
        ("list", render_list(&list(), None, &site)),
        ("list_found", render_list(&found, Some("acme:a"), &site)),
        ("list_nothing_found", render_list(&nothing_found, None, &site)),
        ("list_empty", render_list(&empty, None, &site)),
        ("package", render_package(&package(), &site)),
        ("package_bare", render_package(&bare, &site)),
        ("package_waits", render_package(&waits, &site)),
        ("package_kept_back", render_package(&kept_back, &site)),
        ("package_v1", render_package(&v1_log, &site)),
        ("package_fallen", render_package(&fallen, &site)),
        ("keys", render_keys(&keys(), None, &site)),
        ("keys_v1", render_keys(&v1(), Some(9), &site)),
        ("keys_namespace", render_keys(&above("acme", Layer::Namespace), None, &site)),
        ("keys_operator", render_keys(&above("", Layer::Operator), None, &site)),
        ("release_distrusted", render_release(&distrusted, &site)),
        ("release_deprecated", render_release(&deprecated, &site)),
        ("release", render_release(&release(), &site)),
        ("release_module", render_release(&module(), &site)),
        ("release_unseen", render_release(&unseen, &site)),
        ("release_taken_down", render_release(&gone(None), &site)),
        ("release_quarantined", render_release(&gone(Some(fixtures::DAY)), &site)),
        ("release_hostile", render_release(&hostile(), &site)),
        ("problem", render_problem(&problem(), &site)),
    ]
}

/// Every page with every text of every value replaced, the registry's own included.
fn pages_of(text: &str) -> Vec<(&'static str, String)> {
    let mut site = site();
    text.clone_into(&mut site.name);
    site.root_id = Some(text.into());
    let notes = notes(&[Extent::Package]);
    let (began, imported_from) = (Some(began()), Some(String::new()));
    let waits = Package { waiting: vec![waiting()], notes, began, imported_from, ..package() };
    let taken = Release { inspection: None, taken_down: Some(taken_down(Some(fixtures::DAY))), ..release() };
    vec![
        ("list", render_list(&with_every_text(&list(), text), Some(text), &site)),
        ("package", render_package(&with_every_text(&package(), text), &site)),
        ("package_waits", render_package(&with_every_text(&waits, text), &site)),
        ("release", render_release(&with_every_text(&release(), text), &site)),
        ("keys", render_keys(&with_every_text(&keys(), text), None, &site)),
        ("keys_v1", render_keys(&with_every_text(&v1(), text), None, &site)),
        ("module", render_release(&with_every_text(&module(), text), &site)),
        ("hostile", render_release(&with_every_text(&hostile(), text), &site)),
        ("taken_down", render_release(&with_every_text(&taken, text), &site)),
        ("problem", render_problem(&with_every_text(&problem(), text), &site)),
    ]
}

#[test]
fn every_page_is_the_one_that_was_reviewed() {
    for (name, page) in pages() {
        // The names of files change with their content; that is tested elsewhere.
        let hashes = [(r"(style|copy|mark)-[0-9a-f]{16}", "$1-HASH")];
        insta::with_settings!({ filters => hashes, snapshot_suffix => name }, {
            insta::assert_snapshot!("page", page);
        });
    }
}

#[test]
fn every_page_holds_together_whatever_its_values_hold() {
    let all = [pages(), pages_of(&hostile_text()), pages_of(""), pages_of("javascript:alert(1)")].concat();
    for (name, page) in all {
        let tags = html::read(&page).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut ids: Vec<_> = tags.iter().filter_map(|tag| tag.get("id")).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{name}: an id is there twice");
        for label in tags.iter().filter_map(|tag| tag.get("aria-labelledby")) {
            assert!(ids.binary_search(&label).is_ok(), "{name}: no {label}");
        }
        assert_eq!(tags.iter().filter(|tag| tag.name == "h1").count(), 1, "{name}");
        let tables = tags.iter().filter(|tag| tag.name == "table").count();
        assert_eq!(tags.iter().filter(|tag| tag.name == "caption").count(), tables, "{name}");
    }
}

#[test]
fn nothing_on_a_page_runs_or_loads_but_our_own_files() {
    for (name, page) in [pages(), pages_of(&hostile_text()), pages_of("javascript:alert(1)")].concat() {
        for tag in html::read(&page).unwrap() {
            for (key, value) in &tag.attributes {
                assert!(!key.starts_with("on") && key != "style", "{name}: {tag:?}");
                if key == "src"
                    || (key == "href" && tag.name == "link" && tag.get("rel") != Some("alternate"))
                {
                    let file = value.strip_prefix("/assets/").unwrap_or_else(|| panic!("{name}: {value}"));
                    assert!(web::asset(file).is_some(), "{name}: {file}");
                }
                if key == "href" || key == "action" {
                    let outside = value.starts_with("https://") || value.starts_with("http://");
                    let inside = value.starts_with('/') && !value.starts_with("//") || value == "#main";
                    assert!(inside || outside, "{name}: {value}");
                    assert!(inside || tag.get("rel") == Some("noopener nofollow ugc"), "{name}: {value}");
                }
            }
        }
    }
}

#[test]
fn no_text_turns_hides_or_forges_what_is_around_it() {
    for (name, page) in [pages(), pages_of(&hostile_text())].concat() {
        let bad = page.chars().find(|c| {
            matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
                || (c.is_control() && *c != '\n')
        });
        assert_eq!(bad, None, "{name}");
        assert!(!page.contains("<script>") && !page.contains("<img"), "{name}");
    }
    let page = render_release(&hostile(), &site());
    assert!(page.contains("&#60;script&#62;alert(1)") && page.contains("\\u{202e}evil"));
    assert!(!page.contains("href=\"javascript") && !page.contains("href=\"https://git.example@"));
}

#[test]
fn a_page_of_the_largest_release_stays_bounded() {
    let mut release = release();
    let inspection = release.inspection.as_mut().unwrap();
    inspection.imports = vec![Extern { name: "a".repeat(1024), ..Extern::default() }; 10_000];
    inspection.wit.as_mut().unwrap().text = Some("x".repeat(1 << 20));
    let page = render_release(&release, &site());
    assert!(page.len() < 1 << 20, "{} bytes", page.len());
    assert!(page.contains("9,500 more of them") && page.contains("too large for a page"));
}

#[test]
fn a_registry_below_a_path_keeps_its_links_there() {
    let mut site = site();
    site.url = "https://example.org/wasm".into();
    let pages = [
        render_list(&list(), None, &site),
        render_release(&release(), &site),
        render_keys(&keys(), None, &site),
    ];
    for page in pages {
        for tag in html::read(&page).unwrap() {
            for link in [tag.get("href"), tag.get("src"), tag.get("action")].into_iter().flatten() {
                assert!(!link.starts_with('/') || link.starts_with("/wasm/"), "{link}");
            }
        }
    }
}
