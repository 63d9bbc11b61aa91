//! The walk along the log: every record in order, once for everything that is the whole log's, and once for each part
//! of the logs whose facts fit into memory.

use wargate_core::digest::Digest;
use wargate_core::envelope::Envelope;
use wargate_core::id::LogId;
use wargate_core::map::page::PageRef;
use wargate_core::name::LogName;
use wargate_core::time::Time;

use super::facts;
use super::pin::{Laid, Pin};
use super::replay::Replay;
use super::resolve::{Heard, Said, WINDOW_RECORDS};
use super::trunk::Trunk;
use super::{Check, Damage, FACTS_MAX, Remedy};
use crate::error::Error;

/// Walks the log until the facts of every log were compared.
pub(super) async fn walk(check: &mut Check<'_>, pin: &Pin, laid: &Laid) -> Result<(), Error> {
    let size = pin.size();
    let mut from = 0;
    loop {
        let mut walk = Walk { pin, laid, from, until: None, replay: Replay::default() };
        if from == 0 {
            walk.whole(check).await?;
        } else {
            walk.again(check).await?;
        }
        let until = walk.until.unwrap_or(size);
        let is_last = until >= size;
        facts::compare(check, &walk.replay, from..until, is_last, size).await?;
        if is_last {
            return Ok(());
        }
        from = until;
    }
}

/// One walk along the whole log.
pub(super) struct Walk<'p> {
    pub(super) pin: &'p Pin,
    pub(super) laid: &'p Laid,
    /// The logs with numbers from here on are held.
    from: u64,
    /// And below this one; `None` while there is room for more.
    until: Option<u64>,
    pub(super) replay: Replay,
}

impl Walk<'_> {
    /// The first walk: everything.
    async fn whole(&mut self, check: &mut Check<'_>) -> Result<(), Error> {
        let size = self.pin.size();
        let mut trunk = Trunk::new(check.is_whole());
        for from in (0..size).step_by(usize::try_from(WINDOW_RECORDS).unwrap_or(usize::MAX)) {
            let to = size.min(from + WINDOW_RECORDS);
            check.progress("the log", from, Some(size));
            let window = check.window(from / WINDOW_RECORDS, self.laid.to).await;
            let mut rows = check.record_rows(from, to, self.known(), &window).await;
            trunk.enter(check, window, from, to).await;
            for index in from..to {
                let row = rows.remove(&index).unwrap_or_else(|| Err("it is missing".to_owned()));
                trunk.hear(check, self, index, row).await?;
            }
            check.count("records", to - from);
        }
        let delegated = self.replay.delegated_time.unwrap_or(Time::from_seconds(0));
        trunk.finish(check, self, delegated).await?;
        if let Some(last) = trunk.last().filter(|last| !check.is_whole() && last.size <= self.laid.to) {
            let root = PageRef { hash: last.map_root, segment: last.size };
            for (log, head) in self.replay.heads().collect::<Vec<_>>() {
                check.check_in_map(root, &log.map_key(), &head).await;
            }
        }
        Ok(())
    }

    /// Any further walk: the records of the logs that had no room before.
    async fn again(&mut self, check: &mut Check<'_>) -> Result<(), Error> {
        let size = self.pin.size();
        for from in (0..size).step_by(usize::try_from(WINDOW_RECORDS).unwrap_or(usize::MAX)) {
            let to = size.min(from + WINDOW_RECORDS);
            check.progress("more logs", from, Some(size));
            let window = check.window(from / WINDOW_RECORDS, self.laid.to).await;
            let mut rows = check.record_rows(from, to, self.known(), &window).await;
            for index in from..to {
                let row = rows.remove(&index).unwrap_or_else(|| Err("it is missing".to_owned()));
                let heard = Heard::new(index, row, &window);
                // What is wrong with it was told the first time.
                match self.said(&heard, heard.leaf().as_ref()) {
                    Some(said) => drop(self.judge(check, index, &said, None)),
                    None => self.break_off(&heard),
                }
            }
        }
        Ok(())
    }

    /// Whether this walk holds the facts of a log that begins now.
    fn takes(&mut self, check: &Check<'_>, number: u64, name: &LogName) -> bool {
        if !matches!(name, LogName::Package(_)) {
            return true;
        }
        if number < self.from || self.until.is_some() {
            return false;
        }
        if self.replay.facts > check.options.facts_max.unwrap_or(FACTS_MAX) {
            self.until = Some(number);
            return false;
        }
        check.picks("log", &number.to_be_bytes())
    }

    /// Judges a record if its log is held. `other` is what another place has as its envelope. Which of them is right,
    /// if it was judged at all.
    pub(super) fn judge(
        &mut self,
        check: &mut Check<'_>,
        index: u64,
        said: &Said,
        other: Option<&Envelope>,
    ) -> Judged {
        let (Some(number), Some(envelope)) = (said.number, &said.envelope) else { return Judged::Not };
        if number == index {
            let Some(name) = &said.name else {
                let wrong = "no name that has the log's id is to be found";
                check.found(Damage::row("logs", index, wrong, Remedy::Restore));
                self.replay.miss(index);
                return Judged::Not;
            };
            if !self.takes(check, number, name) {
                self.replay.pass(envelope);
                return Judged::Not;
            }
            if let Err(reason) = self.replay.begin(number, name, envelope) {
                self.replay.miss(index);
                return self.refuse(check, index, number, &reason);
            }
        }
        if !self.replay.logs.contains_key(&number) {
            self.replay.pass(envelope);
            return Judged::Not;
        }
        let Err(reason) = self.replay.judge(number, index, envelope) else { return Judged::Holds };
        let Some(other) = other.filter(|other| *other != envelope) else {
            return self.refuse(check, index, number, &reason);
        };
        self.replay.mend(number);
        match self.replay.judge(number, index, other) {
            Ok(()) => Judged::OtherHolds(reason),
            Err(_) => self.refuse(check, index, number, &reason),
        }
    }

    fn refuse(&self, check: &mut Check<'_>, index: u64, number: u64, reason: &str) -> Judged {
        if number >= self.from {
            let wrong = format!("the rules refuse it: {reason}");
            check.found(Damage::row("records", index, wrong, Remedy::Restore));
        }
        Judged::Not
    }

    /// The ids of the logs that are held.
    fn known(&self) -> impl Fn(u64) -> Option<LogId> + '_ {
        |number| self.replay.logs.get(&number).map(|log| log.log_id)
    }

    /// The record with this leaf, with all that the places know of it.
    pub(super) fn said(&self, heard: &Heard, leaf: Option<&Digest>) -> Option<Said> {
        let leaf = leaf?;
        let mut said = heard.with_leaf(leaf)?.clone();
        said.number = self.number_of(heard, &said);
        if said.name.is_none() && said.number == Some(heard.index) {
            let bundles = heard.bundles.as_ref().filter(|bundles| bundles.log == said.log);
            said.name = bundles.and_then(|bundles| bundles.name.clone());
        }
        Some(said)
    }

    /// Nothing more can be said of the log of a record that is lost.
    pub(super) fn break_off(&mut self, heard: &Heard) {
        self.replay.miss(heard.index);
        let places = heard.row.as_ref().ok().into_iter().chain(&heard.bundles);
        let number = places.filter_map(|said| self.number_of(heard, said)).next();
        match number {
            Some(number) => self.replay.break_off(number),
            // Whose record it was is not known, so any log may lack it.
            None => self.replay.doubt(),
        }
    }

    /// The number of the log that a place speaks of: as its row says, unless a log that is held says otherwise.
    pub(super) fn number_of(&self, heard: &Heard, said: &Said) -> Option<u64> {
        let row = heard.row.as_ref().ok().filter(|row| row.log == said.log);
        let number = said.number.or(row.and_then(|row| row.number));
        let is_sure = number.is_some_and(|number| {
            let held = self.replay.logs.get(&number).map(|log| log.log_id);
            number == heard.index
                || held == Some(said.log)
                || (held.is_none() && row.is_some_and(|row| row.is_in_logs))
        });
        if is_sure {
            return number;
        }
        let held = self.replay.logs.iter().find(|(_, log)| log.log_id == said.log);
        held.map(|(number, _)| *number).or(number)
    }
}

/// What judging a record showed.
pub(super) enum Judged {
    /// It holds.
    Holds,
    /// It does not, for this reason, but with the other envelope it does.
    OtherHolds(String),
    /// Its log is not held, or it does not hold.
    Not,
}
