//! Fetches the facts that a batch is judged by: what `plan::needs` names, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wargate_core::authority::{self, State};
use wargate_core::id::LogId;
use wargate_core::plan::{Facts, LogFacts, LogNeeds};
use wargate_core::v1::package;

use crate::db::{Db, Row, Statement};
use crate::error::Error;
use crate::state_cache::StateCache;
use crate::tables::logs::{self, LogKind};
use crate::tables::{facts, releases};

/// By log id, the log's number in the ledger: the index of its first record.
pub(crate) type LogNumbers = HashMap<LogId, u64>;

/// The facts but for map pages, and the numbers of the logs that have begun. A state is read and decoded only where the one
/// that is known is not as of the log's head.
pub(crate) async fn fetch(
    db: &dyn Db,
    states: &StateCache,
    needs: &BTreeMap<LogId, LogNeeds>,
) -> Result<(Facts, LogNumbers), Error> {
    let (facts, numbers, _) = fetch_with(db, states, needs, Vec::new()).await?;
    Ok((facts, numbers))
}

/// The same, and the answers to what else is asked in the same round trip.
pub(crate) async fn fetch_with(
    db: &dyn Db,
    states: &StateCache,
    needs: &BTreeMap<LogId, LogNeeds>,
    others: Vec<Statement>,
) -> Result<(Facts, LogNumbers, Vec<Vec<Row>>), Error> {
    if needs.is_empty() && others.is_empty() {
        return Ok((Facts::default(), LogNumbers::new(), Vec::new()));
    }
    let known: Vec<Option<State>> = needs.keys().map(|log| states.get(log)).collect();
    let asked = needs.iter().zip(&known);
    let asked = asked.flat_map(|((log, needs), known)| select(log, needs, known.as_ref()));
    let statements = asked.chain(others).collect();
    let mut answers = db.read(statements).await?.into_iter();
    let (mut facts, mut numbers) = (Facts::default(), LogNumbers::new());
    for ((log, needs), known) in needs.iter().zip(known) {
        let (found, number) = read(needs, known, &mut answers)?;
        facts.logs.insert(*log, found);
        numbers.extend(number.map(|number| (*log, number)));
    }
    Ok((facts, numbers, answers.collect()))
}

/// What is asked of one log, in the order in which [`read`] takes the answers.
fn select(log: &LogId, needs: &LogNeeds, known: Option<&State>) -> Vec<Statement> {
    let head = known.and_then(State::head);
    let mut statements = vec![logs::select_standing(log, head.as_ref())];
    statements.extend(needs.keys.iter().map(|key| logs::select_key(log, key)));
    let named = &needs.named;
    if named.all_releases {
        statements.push(releases::select_all(log));
    } else {
        statements.extend(named.versions.iter().map(|version| releases::select(log, version)));
    }
    statements.extend(named.roles.iter().map(|name| facts::select_dead_role(log, name)));
    statements.extend(named.admissions.iter().map(|admission| facts::select_admission(log, admission)));
    statements.extend(named.records.iter().map(|record| facts::select_place(log, record)));
    statements
}

fn read(
    needs: &LogNeeds,
    known: Option<State>,
    answers: &mut impl Iterator<Item = Vec<Row>>,
) -> Result<(LogFacts, Option<u64>), Error> {
    let mut next = || answers.next().ok_or_else(|| Error::internal("read facts", "an answer is missing"));
    let standing = logs::standing(next()?)?;
    let mut keys = BTreeMap::new();
    for id in &needs.keys {
        keys.extend(logs::key(next()?)?.map(|key| (*id, key)));
    }
    let mut released = Vec::new();
    let answered = if needs.named.all_releases { 1 } else { needs.named.versions.len() };
    for _ in 0..answered {
        released.extend(releases::rows(next()?)?);
    }
    let mut dead = BTreeMap::new();
    for name in &needs.named.roles {
        dead.extend(facts::dead_role(next()?)?.map(|role| (name.clone(), role)));
    }
    let mut admitted = BTreeSet::new();
    for _ in &needs.named.admissions {
        admitted.extend(facts::admission(next()?)?);
    }
    let mut places = BTreeMap::new();
    for record in &needs.named.records {
        places.extend(facts::place(next()?)?.map(|place| (*record, place)));
    }
    let Some(standing) = standing else { return Ok((LogFacts::Absent, None)) };
    let found = match standing.kind {
        LogKind::V1 => {
            let releases = released.into_iter().map(|row| Ok((row.version.clone(), row.v1()?)));
            let releases = releases.collect::<Result<_, Error>>()?;
            LogFacts::V1(package::State { head: Some(standing.head), keys, releases })
        }
        LogKind::Delegated => {
            let known = known.filter(|state| state.head() == Some(standing.head.record));
            let missing = || Error::internal("read facts", format!("no state of {} is kept", needs.name));
            let state = standing.state.or(known).ok_or_else(missing)?;
            let releases = released.into_iter().map(|row| Ok((row.version.clone(), row.delegated()?)));
            let releases = releases.collect::<Result<authority::Releases, Error>>()?;
            let claimed = BTreeSet::new();
            let facts = authority::Facts { releases, dead, admitted, places, claimed, said: BTreeMap::new() };
            LogFacts::Delegated { state, facts: Box::new(facts) }
        }
    };
    Ok((found, Some(standing.first_index)))
}
