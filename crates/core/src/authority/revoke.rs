//! Revocation: keys leave a role, roles die with all that hangs under them, and releases lose their trust
//! (`spec/delegation.md`, rules 3, 5 and 6, "`since`", "Fine print").

use std::sync::Arc;

use super::judge::Doing;
use super::release::Release;
use super::role::{Power, Role, RoleId};
use super::{DISTRUSTS_MAX, OWNER, Refusal, State, step_refused};
use crate::act::Revoke;
use crate::id::{Layer, RecordId};
use crate::time::Time;

fn refused(reason: impl Into<String>) -> Refusal {
    step_refused("Revoke", reason)
}

impl State {
    pub(super) fn revoke(&mut self, revoke: &Revoke, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        let Some(role) = self.roles.iter().find(|role| role.name == revoke.role).cloned() else {
            // A dead role can lose nothing but trust.
            let dead = doing.dead_role(&revoke.role).filter(|_| revoke.key_ids.is_empty());
            let name = &revoke.role;
            let dead = dead.ok_or_else(|| refused(format!("there is no live role `{name}`")))?;
            let since = revoke.since.ok_or_else(|| refused(format!("role `{name}` is dead already")))?;
            return self.distrust(dead, since, doing);
        };
        if revoke.key_ids.is_empty() && role.is_owner() {
            return Err(refused(format!("role `{OWNER}` stays: revoke keys of it, or recover the log")));
        }
        if let Some(unknown) = revoke.key_ids.iter().find(|key| !role.keys.contains_key(key)) {
            return Err(refused(format!("key {unknown} is not in role `{}`", role.name)));
        }
        self.may_revoke(revoke, &role, doing)?;
        if let Some(since) = revoke.since {
            self.distrust(role.made, since, doing)?;
        }
        self.take(revoke, &role, doing)
    }

    /// Rule 5: the parent or any ancestor agrees at its threshold, or each of the keys itself; to owners, rule 6.
    fn may_revoke(&self, revoke: &Revoke, role: &Role, doing: &Doing<'_>) -> Result<(), Refusal> {
        if role.is_owner() {
            return doing.need_owners("Revoke");
        }
        let leaves =
            !revoke.key_ids.is_empty() && revoke.key_ids.iter().all(|key| doing.signers.contains(key));
        if leaves {
            return Ok(());
        }
        let mut nearest = Ok(());
        for ancestor in self.ancestors(role) {
            match doing.need("Revoke", ancestor) {
                Ok(()) => return Ok(()),
                Err(lacks) if nearest.is_ok() => nearest = Err(lacks),
                Err(_) => {}
            }
        }
        nearest
    }

    /// Takes the keys; a role that falls below its threshold dies.
    fn take(&mut self, revoke: &Revoke, role: &Role, doing: &mut Doing<'_>) -> Result<(), Refusal> {
        let mut left = role.clone();
        left.keys.retain(|key, _| !revoke.key_ids.contains(key));
        if role.powers.contains(&Power::Commit) {
            let whole = revoke.key_ids.is_empty().then(|| role.keys.keys());
            doing.lost_commit.extend(whole.into_iter().flatten().chain(&revoke.key_ids));
        }
        let dies = revoke.key_ids.is_empty() || left.keys.len() < left.threshold as usize;
        if dies && role.is_owner() {
            return Err(refused("fewer owners than must agree would be left"));
        }
        let roles = Arc::make_mut(&mut self.roles);
        if dies {
            roles.retain(|known| known.made != role.made);
            doing.died(role);
            self.bury(doing);
        } else if let Some(known) = roles.iter_mut().find(|known| known.made == role.made) {
            *known = left;
        }
        Ok(())
    }

    /// Removes the roles that are no longer live: their end has come, or what they hang under is gone.
    pub(super) fn bury(&mut self, doing: &mut Doing<'_>) {
        let time = doing.time;
        if self.roles.iter().all(|role| self.is_live(role, time)) {
            return;
        }
        // Parents stand before their children, so one pass finds all that hangs.
        let mut live: Vec<RoleId> = Vec::with_capacity(self.roles.len());
        let mut dead = Vec::new();
        for role in self.roles.iter() {
            if lives(role, time) && role.parent.is_none_or(|parent| live.contains(&parent)) {
                live.push(role.made);
            } else {
                dead.push(role.made);
                doing.died(role);
            }
        }
        Arc::make_mut(&mut self.roles).retain(|role| !dead.contains(&role.made));
    }

    /// "`since`": by the owners at their threshold.
    fn distrust(&mut self, role: RoleId, since: RecordId, doing: &Doing<'_>) -> Result<(), Refusal> {
        if self.log.layer() != Layer::Package {
            return Err(refused("`since` is about releases, and this log has none"));
        }
        if let Some(owner) = self.roles.first() {
            doing.need("Revoke", owner)?;
        }
        let places = doing.context.facts.map(|facts| &facts.places);
        let from = places.and_then(|places| places.get(&since)).copied();
        let from = from.ok_or_else(|| refused(format!("since: {since} is no earlier record of this log")))?;
        let to = doing.place;
        let distrusted = Arc::make_mut(&mut self.distrusted);
        let (known_from, known_to) = distrusted.entry(role).or_insert((from, to));
        (*known_from, *known_to) = ((*known_from).min(from), to);
        if distrusted.len() > DISTRUSTS_MAX {
            return Err(refused(format!("`since` is remembered of at most {DISTRUSTS_MAX} roles")));
        }
        Ok(())
    }

    /// Whether a release is no longer trusted: every role that allowed it is, or hangs under, one whose releases of that
    /// time lost their trust.
    #[must_use]
    pub fn distrusts(&self, release: &Release) -> bool {
        let covers = |(role, (from, to)): (&RoleId, &(u64, u64))| {
            (*from..=*to).contains(&release.place)
                && release.allowed_by.iter().all(|path| path.contains(role))
        };
        self.distrusted.iter().any(covers)
    }
}

/// Rule 3, but for what the role hangs under.
fn lives(role: &Role, time: Time) -> bool {
    role.not_after.is_none_or(|end| time <= end)
}
