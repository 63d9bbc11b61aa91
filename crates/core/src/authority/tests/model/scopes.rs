//! Scopes, from their texts alone (`spec/delegation.md`, rule 2 and "Fine print"). No text at all is no limit.

use semver::{Prerelease, Version};

/// A and B of `>=A <B`, B as it counts.
fn interval(text: &str) -> (Version, Version) {
    let (from, below) = text.split_once(" <").unwrap();
    let mut below: Version = below.parse().unwrap();
    if below.pre.is_empty() {
        below.pre = Prerelease::new("0").unwrap();
    }
    (from.trim_start_matches(">=").parse().unwrap(), below)
}

pub(super) fn is_unlimited(scope: &[String]) -> bool {
    scope.is_empty() || scope.iter().any(|text| text == "*")
}

pub(super) fn covers_name(scope: &[String], name: &str) -> bool {
    let one = |text: &String| match text.strip_suffix('*') {
        Some(stem) => name.starts_with(stem),
        None => name == text,
    };
    scope.is_empty() || scope.iter().any(one)
}

pub(super) fn covers_version(scope: &[String], version: &Version) -> bool {
    let one = |text: &String| {
        let (from, below) = interval(text);
        let within = from.cmp_precedence(version).is_le() && version.cmp_precedence(&below).is_lt();
        within && (version.pre.is_empty() || !from.pre.is_empty())
    };
    scope.is_empty() || scope.iter().any(one)
}

fn one_is_within(child: &str, parent: &str) -> bool {
    if child.starts_with(">=") {
        let ((from, below), (of_parent, below_parent)) = (interval(child), interval(parent));
        let between = of_parent.cmp_precedence(&from).is_le() && below.cmp_precedence(&below_parent).is_le();
        return between && (from.pre.is_empty() || !of_parent.pre.is_empty());
    }
    match (child.strip_suffix('*'), parent.strip_suffix('*')) {
        (_, None) => child == parent,
        (Some(stem), Some(of_parent)) => stem.starts_with(of_parent),
        (None, Some(of_parent)) => child.starts_with(of_parent),
    }
}

pub(super) fn is_within(child: &[String], parent: &[String]) -> bool {
    let one = |text: &String| parent.iter().any(|of_parent| one_is_within(text, of_parent));
    is_unlimited(parent) || (!child.is_empty() && child.iter().all(one))
}

pub(super) fn is_same(one: &[String], other: &[String]) -> bool {
    let holds = |of: &[String], all: &[String]| all.iter().all(|text| of.contains(text));
    (is_unlimited(one) && is_unlimited(other)) || (holds(one, other) && holds(other, one))
}
