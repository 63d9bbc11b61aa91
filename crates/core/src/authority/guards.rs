//! What guards an action: the least threshold among the live roles that cover it (`spec/delegation.md`, "`since`").

use semver::Version;

use super::role::{Power, Role};
use super::{State, Subject};
use crate::time::Time;

impl State {
    /// The fewest keys that must agree to use a power on anything at all, at a time; `None` where no live role holds
    /// it.
    #[must_use]
    pub fn guard(&self, power: Power, time: Time) -> Option<u32> {
        self.holding(power, time).map(|role| role.threshold).min()
    }

    /// The fewest keys that must agree to release this version, at a time; `None` where no live role may.
    #[must_use]
    pub fn release_guard(&self, version: &Version, time: Time) -> Option<u32> {
        let covers = |role: &&Role| Subject::Version(version).is_in(&role.scope);
        self.holding(Power::Release, time).filter(covers).map(|role| role.threshold).min()
    }

    fn holding(&self, power: Power, time: Time) -> impl Iterator<Item = &Role> {
        self.live_at(time).filter(move |role| role.powers.contains(&power))
    }

    /// The last moment of a role's life: its own end, or that of a role that it hangs under, whichever comes first.
    #[must_use]
    pub fn end_of(&self, role: &Role) -> Option<Time> {
        std::iter::once(role).chain(self.ancestors(role)).filter_map(|role| role.not_after).min()
    }
}
