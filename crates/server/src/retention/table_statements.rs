//! SQL statements that delete a subject from each database. `?1` is the project, `?2` a time; `temp.traces` contains the traces, both as
//! the blobs and as the texts that tables use, and `temp.people` the users.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use hinomi_model::id::TraceId;
use hinomi_tables::database;
use hinomi_tables::database::SqliteError;
use rusqlite::{Transaction, TransactionBehavior, params_from_iter};

use super::name_redaction;
use super::name_redaction::DeletedNames;

/// Number of deleted rows of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DeletedRowCounts {
    pub(super) errors: u64,
    pub(super) scores: u64,
    pub(super) log_lines: u64,
    pub(super) series: u64,
    pub(super) incidents: u64,
    /// Not reported separately.
    pub(super) other: u64,
}

/// Counter for the rows of a statement.
type DeletedRowCounter = fn(&mut DeletedRowCounts) -> &mut u64;

/// Database, counter and SQL of a statement.
type DeletionStatement = (&'static str, DeletedRowCounter, &'static str);

/// Deletes the data of traces or of a user.
pub(super) const OF_TRACES: &[DeletionStatement] = &[
    (
        "errors.db",
        |c| &mut c.errors,
        "DELETE FROM events WHERE project = ?1 AND (trace IN (SELECT bytes FROM temp.traces) OR user_id IN (SELECT id FROM temp.people))",
    ),
    ("errors.db", |c| &mut c.other, "DELETE FROM issues WHERE project = ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE issue = issues.id)"),
    ("scores.db", |c| &mut c.scores, "DELETE FROM scores WHERE project = ?1 AND trace IN (SELECT text FROM temp.traces)"),
    ("logs.db", |c| &mut c.log_lines, "DELETE FROM lines WHERE project = ?1 AND trace IN (SELECT bytes FROM temp.traces)"),
    (
        "metrics.db",
        |c| &mut c.series,
        "DELETE FROM series WHERE project = ?1 AND EXISTS
         (SELECT 1 FROM json_each(series.attributes) WHERE value IN (SELECT id FROM temp.people))",
    ),
    (
        "metrics.db",
        |c| &mut c.other,
        "DELETE FROM metrics WHERE project = ?1 AND NOT EXISTS (SELECT 1 FROM series WHERE metric = metrics.id)",
    ),
];

/// Deletes the data of a project.
pub(super) const OF_PROJECT: &[DeletionStatement] = &[
    ("errors.db", |c| &mut c.errors, "DELETE FROM events WHERE project = ?1"),
    ("errors.db", |c| &mut c.other, "DELETE FROM issues WHERE project = ?1"),
    ("scores.db", |c| &mut c.scores, "DELETE FROM scores WHERE project = ?1"),
    ("logs.db", |c| &mut c.log_lines, "DELETE FROM lines WHERE project = ?1"),
    ("metrics.db", |c| &mut c.series, "DELETE FROM series WHERE project = ?1"),
    ("metrics.db", |c| &mut c.other, "DELETE FROM metrics WHERE project = ?1"),
    ("alerts.db", |c| &mut c.incidents, "DELETE FROM incidents WHERE project = ?1"),
    ("alerts.db", |c| &mut c.other, "DELETE FROM rules WHERE project = ?1"),
    // Notices that the delivery worker has not taken yet.
    ("alerts.db", |c| &mut c.other, "DELETE FROM notices WHERE json_extract(body, '$.project') = ?1"),
    ("notify.db", |c| &mut c.other, "DELETE FROM notices WHERE project = ?1"),
    ("notify.db", |c| &mut c.other, "DELETE FROM targets WHERE project = ?1"),
    ("bill.db", |c| &mut c.other, "DELETE FROM lines WHERE project = ?1"),
    ("bill.db", |c| &mut c.other, "DELETE FROM imports WHERE project = ?1"),
    ("outcomes.db", |c| &mut c.other, "DELETE FROM outcomes WHERE project = ?1"),
    ("outcomes.db", |c| &mut c.other, "DELETE FROM hints WHERE project = ?1"),
];

/// Deletes expired data, except that of the given traces.
pub(super) const EXPIRED: &[DeletionStatement] = &[
    (
        "errors.db",
        |c| &mut c.errors,
        "DELETE FROM events WHERE project = ?1 AND time_us < ?2 AND (trace IS NULL OR trace NOT IN (SELECT bytes FROM temp.traces))",
    ),
    ("errors.db", |c| &mut c.other, "DELETE FROM issues WHERE project = ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE issue = issues.id)"),
    (
        "scores.db",
        |c| &mut c.scores,
        "DELETE FROM scores WHERE project = ?1 AND at_us < ?2 AND trace NOT IN (SELECT text FROM temp.traces)",
    ),
    (
        "logs.db",
        |c| &mut c.log_lines,
        "DELETE FROM lines WHERE project = ?1 AND at_us < ?2 AND trace NOT IN (SELECT bytes FROM temp.traces)",
    ),
];

/// Deletes expired log lines only.
pub(super) const EXPIRED_LINES: &[DeletionStatement] = &[(
    "logs.db",
    |c| &mut c.log_lines,
    "DELETE FROM lines WHERE project = ?1 AND at_us < ?2 AND trace NOT IN (SELECT bytes FROM temp.traces)",
)];

/// JSON texts that may name traces and users: database, table, condition.
pub(super) const MENTIONS: [(&str, &str, &str); 4] = [
    ("alerts.db", "incidents", "project = ?1"),
    ("alerts.db", "timeline", "incident IN (SELECT id FROM incidents WHERE project = ?1)"),
    ("alerts.db", "notices", "json_extract(body, '$.project') = ?1"),
    ("notify.db", "notices", "project = ?1"),
];

/// Runs statements, in one transaction per database. Deleted rows are overwritten, also in the WAL of the database.
pub(super) fn run(
    data: &Path,
    steps: &[DeletionStatement],
    project: u64,
    before_us: Option<i64>,
    traces: &HashSet<TraceId>,
    people: &[String],
) -> Result<DeletedRowCounts, SqliteError> {
    let mut counts = DeletedRowCounts::default();
    for of_one in steps.chunk_by(|a, b| a.0 == b.0) {
        changed(&data.join(of_one[0].0), |transaction| {
            name(transaction, traces, people)?;
            let mut gone = 0;
            for (_, counted, sql) in of_one {
                let parameters = [Some(number(project)), before_us].into_iter().flatten().take(if sql.contains("?2") { 2 } else { 1 });
                let rows = transaction.execute(sql, params_from_iter(parameters))? as u64;
                *counted(&mut counts) += rows;
                gone += rows;
            }
            Ok(gone)
        })?;
    }
    Ok(counts)
}

/// Counts what statements would delete. They must not use the time.
pub(super) fn count(
    data: &Path,
    steps: &[DeletionStatement],
    project: u64,
    traces: &HashSet<TraceId>,
    people: &[String],
) -> Result<DeletedRowCounts, SqliteError> {
    let mut counts = DeletedRowCounts::default();
    for of_one in steps.chunk_by(|a, b| a.0 == b.0) {
        let path = data.join(of_one[0].0);
        let failed = SqliteError::of(&path);
        let mut connection = database::open_reader(&path)?;
        let transaction = connection.transaction().map_err(&failed)?;
        name(&transaction, traces, people).map_err(&failed)?;
        for (_, counted, sql) in of_one {
            let sql = sql.replacen("DELETE FROM", "SELECT count(*) FROM", 1);
            let rows: i64 = transaction.query_row(&sql, [number(project)], |row| row.get(0)).map_err(&failed)?;
            *counted(&mut counts) += rows.unsigned_abs();
        }
    }
    Ok(counts)
}

/// Redacts traces and users in incident timelines and notifications. Returns the number of changed rows. Names that the alert evaluator
/// has already redacted itself are overwritten too.
pub(super) fn blank(data: &Path, project: u64, names: &DeletedNames) -> Result<u64, SqliteError> {
    let mut blanked = 0;
    for (database, table, condition) in MENTIONS {
        blanked +=
            changed(&data.join(database), |transaction| name_redaction::blank(transaction, (table, condition), number(project), names))?;
    }
    let databases: BTreeSet<&str> = MENTIONS.iter().map(|(database, ..)| *database).collect();
    databases.into_iter().try_for_each(|database| empty(&data.join(database)))?;
    Ok(blanked)
}

fn empty(path: &Path) -> Result<(), SqliteError> {
    database::empty_wal(&database::open_existing(path)?).map_err(SqliteError::of(path))
}

/// Empties the WALs of the databases from which expired rows are deleted.
pub(super) fn empty_wals(data: &Path) -> Result<(), SqliteError> {
    EXPIRED.iter().try_for_each(|(database, ..)| empty(&data.join(database)))
}

/// Returns the traces of a project with errors or scores.
pub(super) fn notable(data: &Path, project: u64) -> Result<HashSet<TraceId>, SqliteError> {
    let mut found = HashSet::new();
    for (database, sql) in [
        ("errors.db", "SELECT DISTINCT lower(hex(trace)) FROM events WHERE project = ?1 AND trace IS NOT NULL"),
        ("scores.db", "SELECT DISTINCT trace FROM scores WHERE project = ?1"),
    ] {
        let path = data.join(database);
        let connection = database::open_reader(&path)?;
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut select = connection.prepare(sql)?;
            select.query_map([number(project)], |row| row.get(0))?.collect()
        };
        let ids = read().map_err(SqliteError::of(&path))?;
        found.extend(ids.iter().filter_map(|id| id.parse::<TraceId>().ok()));
    }
    Ok(found)
}

/// Changes a database that other connections use too. `work` returns the number of changed rows, which is also the result.
fn changed(path: &Path, work: impl FnOnce(&Transaction) -> rusqlite::Result<u64>) -> Result<u64, SqliteError> {
    let failed = SqliteError::of(path);
    let mut connection = database::open_existing(path)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
    let rows = work(&transaction).map_err(&failed)?;
    transaction.commit().map_err(&failed)?;
    if rows > 0 {
        database::empty_wal(&connection).map_err(&failed)?;
    }
    Ok(rows)
}

fn number(project: u64) -> i64 {
    i64::try_from(project).unwrap_or(i64::MAX)
}

/// Creates the temporary tables of traces and users for the statements.
fn name(transaction: &Transaction, traces: &HashSet<TraceId>, people: &[String]) -> rusqlite::Result<()> {
    transaction
        .execute_batch("CREATE TEMP TABLE traces (bytes BLOB PRIMARY KEY, text TEXT); CREATE TEMP TABLE people (id TEXT PRIMARY KEY);")?;
    let mut insert = transaction.prepare("INSERT INTO temp.traces VALUES (?1, ?2)")?;
    for trace in traces {
        insert.execute(rusqlite::params![trace.0.to_be_bytes(), trace.to_string()])?;
    }
    for person in people {
        transaction.execute("INSERT INTO temp.people VALUES (?1)", [person])?;
    }
    Ok(())
}
