//! Grants: a role is made, or a live one gets more keys (`spec/delegation.md`, rules 2, 4 and 6, "Fine print").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::judge::Doing;
use super::role::{Power, Role, RoleId, Scope};
use super::{OWNER, Refusal, State, step_refused};
use crate::act::Grant;
use crate::id::Layer;
use crate::key::{Algorithm, KeyId, PublicKey};
use crate::time::Time;

fn refused(reason: impl Into<String>) -> Refusal {
    step_refused("Grant", reason)
}

impl State {
    pub(super) fn grant(&mut self, grant: &Grant, id: RoleId, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        let layer = self.log.layer();
        check_layer(grant, layer)?;
        let keys: BTreeMap<KeyId, PublicKey> = grant.keys.iter().map(|key| (key.id(), key.clone())).collect();
        let in_it = |role: &&Role| keys.keys().any(|key| role.keys.contains_key(key));
        if let Some(role) = self.roles.iter().find(in_it) {
            return Err(refused(format!("a key is in the live role `{}` already", role.name)));
        }
        let live = self.roles.iter().find(|role| role.name == grant.role).cloned();
        let role = match live {
            Some(role) => self.grow_role(role, grant, &keys, doing)?,
            None => self.new_role(grant, keys.clone(), id, doing)?,
        };
        check_commit(&role)?;
        self.check_persons(&role, "Grant", doing)?;
        if role.powers.contains(&Power::Commit) {
            let ever = Arc::make_mut(&mut self.commit_ever);
            ever.retain(|key| !grant.keys.contains(key));
            ever.extend(grant.keys.iter().cloned());
            doing.got_commit.extend(grant.keys.iter().cloned());
        } else if role.powers.contains(&Power::Publish) {
            Arc::make_mut(&mut self.publish_ever).extend(keys.into_keys());
        }
        let roles = Arc::make_mut(&mut self.roles);
        match roles.iter_mut().find(|known| known.made == role.made) {
            Some(known) => *known = role,
            None => roles.push(role),
        }
        Ok(())
    }

    /// Rule 4: more keys for a live role, by its parent's threshold; what it may do stays.
    fn grow_role(
        &self,
        mut role: Role,
        grant: &Grant,
        keys: &BTreeMap<KeyId, PublicKey>,
        doing: &Doing<'_>,
    ) -> Result<Role, Refusal> {
        let parent = match role.parent {
            Some(parent) => Some(self.made_by(parent).ok_or_else(|| refused("its parent is gone"))?),
            None => None,
        };
        match parent {
            Some(parent) => doing.need("Grant", parent)?,
            None => doing.need_owners("Grant")?,
        }
        let powers: BTreeSet<Power> = grant.powers.iter().copied().collect();
        let stays = (powers.is_empty() || powers == role.powers)
            && (grant.scope == Scope::Unlimited || grant.scope.is_same(&role.scope))
            && (grant.depth == 0 || grant.depth == role.depth)
            && (grant.parent.is_empty() || parent.is_some_and(|parent| parent.name == grant.parent));
        if !stays {
            let name = &role.name;
            return Err(refused(format!("role `{name}` is live: its powers, scope, depth and parent stay")));
        }
        if let Some(end) = grant.not_after {
            let parent = parent.ok_or_else(|| refused(format!("role `{OWNER}` does not end")))?;
            check_end(end, parent, doing.time)?;
            role.not_after = Some(end);
        }
        role.keys.extend(keys.iter().map(|(id, key)| (*id, key.clone())));
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
        keys: BTreeMap<KeyId, PublicKey>,
        id: RoleId,
        doing: &Doing<'_>,
    ) -> Result<Role, Refusal> {
        let parent_name = if grant.parent.is_empty() { OWNER } else { grant.parent.as_str() };
        let parent = self.roles.iter().find(|role| role.name == parent_name);
        let parent = parent
            .ok_or_else(|| refused(format!("there is no live role `{parent_name}` to hang it under")))?;
        doing.need("Grant", parent)?;
        check_threshold(grant.threshold, grant.keys.len())?;
        if grant.depth >= parent.depth {
            return Err(refused(format!("its depth must be below its parent's, {}", parent.depth)));
        }
        let powers = attenuate_powers(&grant.powers, parent)?;
        let scope = attenuate_scope(&grant.scope, &powers, parent)?;
        let not_after = grant.not_after.or(parent.not_after);
        if let Some(end) = not_after {
            check_end(end, parent, doing.time)?;
        }
        Ok(Role {
            name: grant.role.clone(),
            made: id,
            keys,
            threshold: grant.threshold,
            powers,
            scope,
            not_after,
            depth: grant.depth,
            parent: Some(parent.made),
        })
    }
}

/// Powers and scopes are those of the log's layer.
fn check_layer(grant: &Grant, layer: Layer) -> Result<(), Refusal> {
    if let Some(power) = grant.powers.iter().find(|power| !power.is_of(layer)) {
        return Err(refused(format!("`{power}` is no power of this kind of log")));
    }
    match (&grant.scope, layer) {
        (Scope::Versions(_), Layer::Operator | Layer::Namespace) => {
            Err(refused("its scope is of versions, here it is of names"))
        }
        (Scope::Names(_), Layer::Package) => Err(refused("its scope is of names, here it is of versions")),
        _ => Ok(()),
    }
}

/// `commit` stands alone, with threshold 1, depth 0 and P-256 keys: v1 clients must be able to verify by each.
fn check_commit(role: &Role) -> Result<(), Refusal> {
    if !role.powers.contains(&Power::Commit) {
        return Ok(());
    }
    let p256 = role.keys.values().all(|key| key.algorithm() == Algorithm::EcdsaP256);
    if role.powers.len() == 1 && role.threshold == 1 && role.depth == 0 && p256 {
        Ok(())
    } else {
        Err(refused("`commit` stands alone, with threshold 1, depth 0 and P-256 keys"))
    }
}

fn check_threshold(threshold: u32, keys: usize) -> Result<(), Refusal> {
    if threshold >= 1 && threshold as usize <= keys {
        Ok(())
    } else {
        Err(refused("the threshold is from 1 to the number of keys"))
    }
}

/// A child ends no later than its parent. A role that is dead at birth would put keys into v1 fields that never
/// held `commit`, so that is refused too.
fn check_end(end: Time, parent: &Role, now: Time) -> Result<(), Refusal> {
    if parent.not_after.is_some_and(|parent| end > parent) {
        return Err(refused("it ends later than the role that it hangs under"));
    }
    if end < now {
        return Err(refused("it would end before the record's time"));
    }
    Ok(())
}

fn attenuate_powers(named: &[Power], parent: &Role) -> Result<BTreeSet<Power>, Refusal> {
    if named.is_empty() {
        return Ok(parent.powers.iter().copied().filter(|power| !power.is_named_only()).collect());
    }
    for power in named {
        let allowed = if power.is_named_only() { parent.is_owner() } else { parent.powers.contains(power) };
        if !allowed {
            return Err(refused(format!("role `{}` cannot hand on `{power}`", parent.name)));
        }
    }
    Ok(named.iter().copied().collect())
}

fn attenuate_scope(named: &Scope, powers: &BTreeSet<Power>, parent: &Role) -> Result<Scope, Refusal> {
    if *named == Scope::Unlimited {
        return Ok(parent.scope.clone());
    }
    if powers.iter().all(|power| power.is_named_only()) {
        return Err(refused("`commit` and `publish` take no scope"));
    }
    if named.is_within(&parent.scope) {
        Ok(named.clone())
    } else {
        Err(refused(format!("its scope is wider than that of role `{}`", parent.name)))
    }
}
