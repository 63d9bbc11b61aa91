//! The one table of all rules, by subject.

use crate::rule::Rule;

mod auth;
mod base;
mod blobs;
mod catalog;
mod chunks;
mod conditions;
mod deletes;
mod digests;
mod errors;
mod lists;
mod manifest_bodies;
mod manifests;
mod mounts;
mod names;
mod ranges;
mod referrers;
mod tag_parameter;
mod tags;
mod tokens;
mod uploads;
mod wasm;

const MODULES: &[&[Rule]] = &[
    base::RULES,
    names::RULES,
    digests::RULES,
    blobs::RULES,
    ranges::RULES,
    uploads::RULES,
    chunks::RULES,
    mounts::RULES,
    manifests::RULES,
    manifest_bodies::RULES,
    conditions::RULES,
    tag_parameter::RULES,
    tags::RULES,
    lists::RULES,
    catalog::RULES,
    referrers::RULES,
    deletes::RULES,
    errors::RULES,
    wasm::RULES,
    auth::RULES,
    tokens::RULES,
];

/// All rules, in the order in which they are tried.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    MODULES.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rule::Level;

    /// Sections of `spec/oci.md`.
    const SECTIONS: [&str; 9] = [
        "Grammar and routing",
        "Endpoints",
        "Upload sessions",
        "Manifests",
        "Lists",
        "Auth",
        "What clients do",
        "The Wasm artifact",
        "Fine print",
    ];

    #[test]
    fn ids_are_unique_words_with_dots() {
        let mut seen = BTreeSet::new();
        for rule in all() {
            assert!(seen.insert(rule.id), "{} is there twice", rule.id);
            let is_word = |word: &str| {
                !word.is_empty() && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            };
            assert!(rule.id.contains('.') && rule.id.split('.').all(is_word), "{}", rule.id);
        }
    }

    #[test]
    fn a_rule_has_a_sentence_and_a_section_of_the_specification() {
        let more = ["Deletion and garbage collection", "Known failures of registries"];
        for rule in all() {
            assert!(SECTIONS.iter().chain(&more).any(|known| *known == rule.section), "{}", rule.id);
            assert!(rule.sentence.ends_with('.') && !rule.sentence.contains('\n'), "{}", rule.id);
        }
    }

    #[test]
    fn there_are_rules_of_every_level() {
        for level in Level::ALL {
            assert!(all().filter(|rule| rule.level == level).count() > 20, "{level}");
        }
    }
}
