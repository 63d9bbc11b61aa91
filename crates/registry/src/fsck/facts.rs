//! The tables that follow from the log, against what the records gave; with `rebuild` they are made anew.

use std::ops::Range;

use super::replay::Replay;
use super::resolve::WINDOW_RECORDS;
use super::rows::{ALL, Difference, PAGE_ROWS, Table};
use super::{Check, Damage, Remedy};
use crate::db::{Batch, Row, Statement, Value};
use crate::error::Error;
use crate::tables::int;

/// Holds the rows of the logs with these numbers against the records. `is_last`: there are no logs after them.
pub(super) async fn compare(
    check: &mut Check<'_>,
    replay: &Replay,
    logs: Range<u64>,
    is_last: bool,
    size: u64,
) -> Result<(), Error> {
    let mut from = logs.start;
    while from < logs.end {
        check.progress("the tables that follow from the log", from, Some(size));
        let until = logs.end.min(from + WINDOW_RECORDS);
        // Rows of logs that never were lie behind the last.
        let behind = if is_last && until == logs.end { i64::MAX.unsigned_abs() } else { until };
        compare_some(check, replay, from..behind, size).await?;
        from = until;
    }
    Ok(())
}

async fn compare_some(
    check: &mut Check<'_>,
    replay: &Replay,
    logs: Range<u64>,
    size: u64,
) -> Result<(), Error> {
    let mut expected: Vec<(Table, Vec<Row>)> = Vec::with_capacity(ALL.len());
    for table in ALL {
        let numbers = replay.logs.range(logs.clone()).map(|(number, _)| *number);
        expected.push((table, numbers.flat_map(|number| replay.rows(&table, number)).collect()));
    }
    let mut repair: (Batch, Batch) = (Batch::new(), Batch::new());
    let mut damage = Vec::new();
    for (table, rows) in &expected {
        check.count(table.name, rows.len() as u64);
        for difference in differences(check, replay, table, rows, &logs, size).await? {
            let (deletes, inserts): (Batch, Batch) =
                difference.repair.into_iter().partition(|statement| statement.sql.starts_with("delete"));
            repair.0.extend(deletes);
            repair.1.extend(inserts);
            damage.push(difference.damage);
        }
    }
    let is_whole = replay.is_sure(&logs);
    if check.options.rebuild && is_whole && check.is_whole() {
        let mut batch: Batch = ALL.iter().map(|table| table.delete_range(logs.start, logs.end)).collect();
        for (table, rows) in &expected {
            batch.extend(rows.iter().map(|row| table.insert(row)));
        }
        check.db.write(batch).await?;
    } else if check.options.repair && !damage.is_empty() {
        repair.0.extend(repair.1);
        check.db.write(repair.0).await?;
    } else {
        if check.options.rebuild && !is_whole {
            let place = format!("the rows of logs {}..{}", logs.start, logs.end);
            check.note(format!("{place} are not made anew: some of their records are damaged"));
        }
        damage.into_iter().for_each(|one| check.found(one));
        return Ok(());
    }
    damage.into_iter().for_each(|one| check.found(one.mended()));
    Ok(())
}

async fn differences(
    check: &mut Check<'_>,
    replay: &Replay,
    table: &Table,
    expected: &[Row],
    logs: &Range<u64>,
    size: u64,
) -> Result<Vec<Difference>, Error> {
    let found = match rows(check, table, logs).await {
        Ok(found) => found,
        Err(error) => {
            check.found(Damage::row(table.name, "", error, Remedy::Rebuild));
            return Ok(Vec::new());
        }
    };
    let is_whole = check.is_whole();
    let concerns = |row: &Row| match row.first() {
        Some(Value::Int(number)) => {
            let number = u64::try_from(*number).unwrap_or(u64::MAX);
            replay.is_sure(&(number..number + 1)) && (is_whole || replay.logs.contains_key(&number))
        }
        _ => true,
    };
    let found = found.into_iter().filter(concerns).collect();
    let mut left = Vec::new();
    for difference in table.differences(expected.to_vec(), found) {
        if !has_moved(check, difference.log, size).await? {
            left.push(difference);
        }
    }
    Ok(left)
}

/// All rows of some logs.
async fn rows(check: &Check<'_>, table: &Table, logs: &Range<u64>) -> Result<Vec<Row>, Error> {
    let mut all: Vec<Row> = Vec::new();
    loop {
        let rows = check.read(table.select(logs.start, logs.end, all.last())).await?;
        let more = table.keys == 2 && rows.len() as u64 == PAGE_ROWS;
        all.extend(rows);
        if !more {
            return Ok(all);
        }
    }
}

/// Whether the log has a record that was committed after the check began.
async fn has_moved(check: &Check<'_>, log: u64, size: u64) -> Result<bool, Error> {
    let statement = Statement::new(
        "select 1 from records where log = $1 and idx >= $2 limit 1",
        vec![int(log), int(size)],
    );
    Ok(!check.read(statement).await?.is_empty())
}
