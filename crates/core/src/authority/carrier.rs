//! Records without an act: they tell v1 clients what they cannot see otherwise, and change nothing for us
//! (`spec/delegation.md`, "Carrier records").
//!
//! They may let keys that held `commit` in and out, so that a v1 client follows a rotation, and yank what lost its
//! trust. What v1 clients would refuse is refused here too: it would end what it is there to keep going.

use std::collections::BTreeMap;
use std::sync::Arc;

use semver::Version;

use super::carry::{self, Entries, Opened};
use super::enact::Carried;
use super::judge::Changes;
use super::release::{Release, Yanked};
use super::{Context, Refusal, State};
use crate::id::RecordId;
use crate::key::{KeyId, PublicKey};
use crate::record::{OperatorEntry, OperatorPermission, PackageEntry, PackagePermission};
use crate::time::Time;

/// What a carrier record says, the same in every layer.
enum Word<'a> {
    Grant(&'a PublicKey),
    Revoke(&'a KeyId),
    Yank(&'a Version),
}

fn refused(reason: &'static str) -> Refusal {
    Refusal::Carrier { reason }
}

fn operator_word(entry: &OperatorEntry) -> Option<Word<'_>> {
    let all = OperatorPermission::ALL;
    match entry {
        OperatorEntry::GrantFlat { key, permissions } => (*permissions == all).then_some(Word::Grant(key)),
        OperatorEntry::RevokeFlat { key_id, permissions } => {
            (*permissions == all).then_some(Word::Revoke(key_id))
        }
        _ => None,
    }
}

fn package_word(entry: &PackageEntry) -> Option<Word<'_>> {
    let all = PackagePermission::ALL;
    match entry {
        PackageEntry::GrantFlat { key, permissions } => (*permissions == all).then_some(Word::Grant(key)),
        PackageEntry::RevokeFlat { key_id, permissions } => {
            (*permissions == all).then_some(Word::Revoke(key_id))
        }
        PackageEntry::Yank { version } => Some(Word::Yank(version)),
        _ => None,
    }
}

/// The entries of a carrier record; permissions are all that there are, ascending.
fn words(entries: &Entries) -> Result<Vec<Word<'_>>, Refusal> {
    let words: Option<Vec<Word<'_>>> = match entries {
        Entries::Operator(entries) => entries.iter().map(operator_word).collect(),
        Entries::Package(entries) => entries.iter().map(package_word).collect(),
    };
    let words =
        words.ok_or_else(|| refused("it has no act, and its entries do more than a carrier record's"))?;
    if words.is_empty() { Err(refused("it has neither an act nor entries")) } else { Ok(words) }
}

impl State {
    /// What v1 clients of this log must be told before `signer` may sign its next record, or now at the latest: the
    /// keys that hold `commit`, and what lost its trust. `signer` is a key that v1 clients of this log know; the
    /// facts of `context` hold the releases that may need it. `None` if there is nothing to tell.
    ///
    /// # Errors
    /// [`Refusal`], if v1 clients would not take it from this signer.
    pub fn carry_news(
        &self,
        context: &Context<'_>,
        time: Time,
        signer: &KeyId,
    ) -> Result<Option<Carried>, Refusal> {
        let Self { log, v1_keys, .. } = self;
        let operator = self.operator_of(context)?;
        let unknown: Vec<PublicKey> =
            operator.commit_keys(time).filter(|key| !v1_keys.contains(&key.id())).cloned().collect();
        let releases = context.facts.into_iter().flat_map(|facts| facts.releases.values());
        let unsaid = |release: &&Release| {
            release.yanked.is_none() && release.carried_yank.is_none() && self.distrusts(release)
        };
        let yanks =
            releases.filter(unsaid).map(|release| PackageEntry::Yank { version: release.version.clone() });
        let entries = match Entries::none(log.layer()) {
            Entries::Operator(_) => {
                Entries::Operator(unknown.into_iter().map(carry::operator_grant).collect())
            }
            Entries::Package(_) => {
                Entries::Package(unknown.into_iter().map(carry::package_grant).chain(yanks).collect())
            }
        };
        if entries.is_empty() {
            return Ok(None);
        }
        let (prev, act, endorsements) = (self.head(), bytes::Bytes::new(), Vec::new());
        let opened = Opened { prev, time, entries, act, endorsements };
        self.check_time(context, time)?;
        let contents = carry::contents(&opened);
        let record = log.layer().record_id(&contents);
        let changes = self.follow_carrier(context, &opened, record, signer)?;
        Ok(Some(Carried { contents, endorsements: Vec::new(), changes }))
    }

    /// Whether a release lost its trust and v1 clients were not told.
    #[must_use]
    pub fn is_news(&self, release: &Release) -> bool {
        release.yanked.is_none() && release.carried_yank.is_none() && self.distrusts(release)
    }

    /// Judges a record without an act.
    pub(super) fn follow_carrier(
        &self,
        context: &Context<'_>,
        opened: &Opened,
        record: RecordId,
        signer: &KeyId,
    ) -> Result<Changes, Refusal> {
        let operator = self.operator_of(context)?;
        let mut next = self.clone();
        let mut releases: BTreeMap<&Version, Release> = BTreeMap::new();
        for word in words(&opened.entries)? {
            let v1_keys = Arc::make_mut(&mut next.v1_keys);
            if !v1_keys.contains(signer) {
                return Err(refused("v1 clients of this log do not know the key that signs it"));
            }
            match word {
                Word::Grant(key) if operator.key(&key.id()).is_none() => {
                    return Err(refused("it lets in a key that never held `commit`"));
                }
                Word::Grant(key) if !v1_keys.insert(key.id()) => {
                    return Err(refused("it lets in a key that v1 clients know already"));
                }
                Word::Revoke(key) if !v1_keys.remove(key) => {
                    return Err(refused("it revokes a key that v1 clients do not know"));
                }
                Word::Grant(_) | Word::Revoke(_) => {}
                Word::Yank(version) => {
                    let known = releases.get(version).or_else(|| context.release(version));
                    let news = known.filter(|release| self.is_news(release));
                    let release = news.ok_or_else(|| refused("it yanks what is not newly distrusted"))?;
                    let yanked = Yanked { record, time: opened.time, reason: String::new() };
                    let release = Release { carried_yank: Some(yanked), ..release.clone() };
                    releases.insert(version, release);
                }
            }
        }
        next.advance(record, opened.time);
        let releases = releases.into_values().collect();
        Ok(Changes { releases, ..Changes::of(self, next) })
    }
}
