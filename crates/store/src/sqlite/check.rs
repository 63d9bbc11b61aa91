//! What SQLite itself finds wrong with its file.

use wargate_registry::db::{Db, DbError, Row, Statement, Value};

/// A line for each thing; none if the file is sound.
pub(super) async fn check(db: &impl Db) -> Result<Vec<String>, DbError> {
    let ask = |sql| db.read(vec![Statement::new(sql, vec![])]);
    let sound = ask("pragma integrity_check").await?.into_iter().flatten().map(words);
    let mut wrong: Vec<String> = sound.filter(|line| line != "ok").collect();
    let foreign = ask("pragma foreign_key_check").await?.into_iter().flatten().map(words);
    wrong.extend(foreign.map(|line| format!("a row points at none: {line}")));
    Ok(wrong)
}

fn words(row: Row) -> String {
    let text = |value: Value| match value {
        Value::Text(text) => Some(text),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    };
    row.into_iter().filter_map(text).collect::<Vec<_>>().join(" ")
}
