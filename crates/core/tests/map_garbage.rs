//! Which map pages a commit replaces, against the sets of pages that are reached before and after it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use wargate_core::digest::Digest;
use wargate_core::id::RecordId;
use wargate_core::map::page::{MapError, Page, PageRef, Pages, Slot, replaced_below, update};
use wargate_core::map::segment;

fn key(number: u16) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn record(number: u64) -> RecordId {
    RecordId::from_digest(Digest::of(&number.to_be_bytes()))
}

fn reached(root: PageRef, pages: &Pages, into: &mut BTreeSet<PageRef>) {
    into.insert(root);
    for slot in &pages.get(&root).unwrap().slots {
        if let Slot::Page(below) = slot {
            reached(*below, pages, into);
        }
    }
}

fn replaced(old: PageRef, new: PageRef, pages: &Pages, into: &mut BTreeSet<PageRef>) {
    into.insert(old);
    let (old, page) = (pages.get(&old).unwrap(), pages.get(&new).unwrap());
    let below = replaced_below(old, page).unwrap();
    assert!(below.is_empty() || page.leads_to(new.segment), "who does not lead there need not be asked");
    for (old, new) in below {
        replaced(old, new, pages, into);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_a_commit_replaces_is_what_is_reached_before_and_not_after(
        commits in prop::collection::vec(prop::collection::vec(0u16..400, 1..40), 1..25)
    ) {
        let (mut pages, mut root) = (Pages::default(), None);
        for (at, keys) in (1u64..).zip(&commits) {
            let changes: Vec<_> = keys.iter().map(|number| (key(*number), record(at))).collect();
            let made = update(root, &pages, &changes, at).unwrap();
            for (page_ref, page) in &made.pages {
                pages.insert(*page_ref, Arc::new(page.clone()));
            }
            if let Some(before) = root {
                let (mut was, mut is, mut dead) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
                reached(before, &pages, &mut was);
                reached(made.root, &pages, &mut is);
                replaced(before, made.root, &pages, &mut dead);
                prop_assert_eq!(dead, was.difference(&is).copied().collect::<BTreeSet<_>>());
            }
            root = Some(made.root);
        }
    }

    #[test]
    fn a_segment_without_its_dead_pages_has_the_others_as_they_were(
        keys in prop::collection::vec(0u16..400, 1..80), dead in prop::collection::vec(any::<bool>(), 200)
    ) {
        let changes: Vec<_> = keys.iter().map(|number| (key(*number), record(1))).collect();
        let made = update(None, &Pages::default(), &changes, 7).unwrap().pages;
        let whole = segment::encode(&made);
        let is_dead: BTreeSet<Digest> =
            made.iter().zip(&dead).filter(|(_, dead)| **dead).map(|((page, _), _)| page.hash).collect();
        let (left, pages) = segment::without(&whole, |hash| is_dead.contains(hash)).unwrap();
        let expected: Vec<(PageRef, Page)> =
            made.into_iter().filter(|(page, _)| !is_dead.contains(&page.hash)).collect();
        prop_assert_eq!(pages, expected.len() as u64);
        prop_assert_eq!(segment::decode(&left, 7).unwrap(), expected);
        prop_assert_eq!(segment::without(&left, |hash| is_dead.contains(hash)).unwrap(), (left, pages));
    }
}

#[test]
fn a_page_whose_keys_are_gone_follows_no_other() {
    let keys: Vec<_> = (0..40).map(|number| (key(number), record(1))).collect();
    let made = update(None, &Pages::default(), &keys, 1).unwrap();
    let root = &made.pages[0].1;
    let error = replaced_below(root, &Page::default()).unwrap_err();
    assert!(matches!(error, MapError::Wrong { .. }), "{error}");
    assert!(segment::without(&segment::encode(&made.pages)[..60], |_| false).is_err());
}
