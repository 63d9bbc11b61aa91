//! Grants: a role is made, or a live one gets more keys (`spec/delegation.md`, rules 2 and 4, "Fine print").

use std::collections::BTreeSet;

use super::role::{Power, Role};
use super::scope::NameScope;
use super::{OWNER, Refusal, Signers, State, can_commit, step_refused};
use crate::act::Grant;
use crate::id::RecordId;
use crate::key::PublicKey;
use crate::time::Time;

/// Longest name of a role, in bytes.
const ROLE_NAME_BYTES_MAX: usize = 64;

fn refused(reason: impl Into<String>) -> Refusal {
    step_refused("Grant", reason)
}

/// Role names are kebab-case, 1 to 64 bytes.
fn check_role_name(name: &str) -> Result<(), Refusal> {
    let word_ok = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if name.len() <= ROLE_NAME_BYTES_MAX && name.split('-').all(word_ok) {
        Ok(())
    } else {
        Err(refused("a role's name is kebab-case, 1 to 64 bytes"))
    }
}

impl State {
    pub(super) fn grant(
        &mut self,
        grant: &Grant,
        at: usize,
        record: RecordId,
        time: Time,
        signers: &Signers,
    ) -> Result<(), Refusal> {
        check_role_name(&grant.role)?;
        let held =
            self.live_at(time).find(|role| grant.keys.iter().any(|key| role.keys.contains_key(&key.id())));
        if let Some(role) = held {
            return Err(refused(format!("a key is in the live role `{}` already", role.name)));
        }
        let live = self.roles.get(&grant.role).filter(|role| self.is_live(role, time)).cloned();
        let role = match live {
            Some(role) => self.grow_role(role, grant, signers)?,
            None => self.new_role(grant, at, record, time, signers)?,
        };
        if role.powers.contains(&Power::Commit) {
            if role.threshold != 1 || role.depth != 0 || !role.keys.values().all(can_commit) {
                return Err(refused("`commit` has threshold 1, depth 0 and P-256 keys"));
            }
            self.commit_ever.extend(role.keys.iter().map(|(id, key)| (*id, key.clone())));
        }
        if role.powers.contains(&Power::Publish) {
            self.publish_ever.extend(role.keys.keys());
        }
        self.roles.insert(role.name.clone(), role);
        Ok(())
    }

    /// Rule 4: more keys for a live role, by its parent's threshold; what it may do stays.
    fn grow_role(&self, mut role: Role, grant: &Grant, signers: &Signers) -> Result<Role, Refusal> {
        let parent = match &role.parent {
            Some(parent) => self.roles.get(parent).ok_or_else(|| refused("its parent is gone"))?,
            None => &role,
        };
        signers.need("Grant", parent)?;
        let powers = parse_powers(&grant.powers)?;
        let scope = parse_scope(&grant.scope)?;
        let same_parent = grant.parent.is_empty()
            && role.parent.as_deref().is_none_or(|parent| parent == OWNER)
            || role.parent.as_deref() == Some(grant.parent.as_str());
        if !(powers.is_empty() || powers == role.powers)
            || !(scope.is_empty() || scope == role.scope)
            || !(grant.depth == 0 || grant.depth == role.depth)
            || !same_parent
        {
            return Err(refused(format!(
                "role `{}` is live: its powers, scope, depth and parent stay",
                role.name
            )));
        }
        if let Some(end) = grant.not_after {
            check_end(Some(end), parent.not_after)?;
            role.not_after = Some(end);
        }
        role.keys.extend(grant.keys.iter().map(|key| (key.id(), key.clone())));
        if grant.threshold > 0 {
            role.threshold = grant.threshold;
        }
        check_threshold(role.threshold, role.keys.len())?;
        Ok(role)
    }

    /// Rule 2: a new role gets no more than its parent has.
    fn new_role(
        &self,
        grant: &Grant,
        at: usize,
        record: RecordId,
        time: Time,
        signers: &Signers,
    ) -> Result<Role, Refusal> {
        let parent_name = if grant.parent.is_empty() { OWNER } else { grant.parent.as_str() };
        let parent = self
            .roles
            .get(parent_name)
            .filter(|parent| self.is_live(parent, time))
            .ok_or_else(|| refused(format!("there is no live role `{parent_name}` to hang it under")))?;
        signers.need("Grant", parent)?;
        if grant.keys.is_empty() {
            return Err(refused("a new role has at least one key"));
        }
        check_threshold(grant.threshold, grant.keys.len())?;
        if grant.depth >= parent.depth {
            return Err(refused(format!("its depth must be below its parent's, {}", parent.depth)));
        }
        let powers = attenuate_powers(&grant.powers, parent)?;
        let scope = attenuate_scope(&grant.scope, &powers, parent)?;
        let not_after = grant.not_after.or(parent.not_after);
        check_end(not_after, parent.not_after)?;
        Ok(Role {
            name: grant.role.clone(),
            made: (record, at),
            keys: grant.keys.iter().map(|key: &PublicKey| (key.id(), key.clone())).collect(),
            threshold: grant.threshold,
            powers,
            scope,
            not_after,
            depth: grant.depth,
            parent: Some(parent.name.clone()),
        })
    }
}

fn check_threshold(threshold: u32, keys: usize) -> Result<(), Refusal> {
    if threshold >= 1 && threshold as usize <= keys {
        Ok(())
    } else {
        Err(refused("the threshold is from 1 to the number of keys"))
    }
}

/// A child ends no later than its parent.
fn check_end(child: Option<Time>, parent: Option<Time>) -> Result<(), Refusal> {
    match (child, parent) {
        (_, None) => Ok(()),
        (Some(child), Some(parent)) if child <= parent => Ok(()),
        _ => Err(refused("it ends later than the role that it hangs under")),
    }
}

fn parse_powers(texts: &[String]) -> Result<BTreeSet<Power>, Refusal> {
    let unknown =
        |text: &String| refused(format!("`{}` is no power of the operator log", text.escape_debug()));
    texts.iter().map(|text| Power::parse(text).ok_or_else(|| unknown(text))).collect()
}

fn parse_scope(texts: &[String]) -> Result<Vec<NameScope>, Refusal> {
    let unknown = |text: &String| refused(format!("`{}` is no scope of names", text.escape_debug()));
    texts.iter().map(|text| NameScope::parse(text).ok_or_else(|| unknown(text))).collect()
}

fn attenuate_powers(texts: &[String], parent: &Role) -> Result<BTreeSet<Power>, Refusal> {
    let named = parse_powers(texts)?;
    if named.is_empty() {
        // `commit` and `publish` are never copied.
        return Ok(parent.powers.iter().copied().filter(|power| !power.is_named_only()).collect());
    }
    for power in &named {
        let allowed =
            if power.is_named_only() { parent.name == OWNER } else { parent.powers.contains(power) };
        if !allowed {
            return Err(refused(format!("role `{}` cannot hand on `{power}`", parent.name)));
        }
    }
    Ok(named)
}

fn attenuate_scope(
    texts: &[String],
    powers: &BTreeSet<Power>,
    parent: &Role,
) -> Result<Vec<NameScope>, Refusal> {
    let named = parse_scope(texts)?;
    if powers.iter().all(|power| power.is_named_only()) {
        return if named.is_empty() {
            Ok(named)
        } else {
            Err(refused("`commit` and `publish` take no scope"))
        };
    }
    if named.is_empty() {
        return Ok(parent.scope.clone());
    }
    match named.iter().all(|scope| parent.scope.iter().any(|of_parent| scope.is_within(of_parent))) {
        true => Ok(named),
        false => Err(refused(format!("its scope is wider than that of role `{}`", parent.name))),
    }
}
