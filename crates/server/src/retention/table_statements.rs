//! What of a subject lies in which database, as a table of statements. `?1` is the project, `?2` a time; `temp.traces` holds the traces that
//! are meant, as the blob and the text that tables have them as, and `temp.people` the users.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use hinomi_model::id::TraceId;
use hinomi_tables::database;
use hinomi_tables::database::SqliteError;
use rusqlite::{Transaction, TransactionBehavior, params_from_iter};

use super::name_redaction;
use super::name_redaction::DeletedNames;

/// How many rows of each sort went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DeletedRowCounts {
    pub(super) errors: u64,
    pub(super) scores: u64,
    pub(super) log_lines: u64,
    pub(super) series: u64,
    pub(super) incidents: u64,
    /// Told of nowhere by itself.
    pub(super) other: u64,
}

/// Where a statement's rows are counted.
type DeletedRowCounter = fn(&mut DeletedRowCounts) -> &mut u64;

/// A statement on a database.
type DeletionStatement = (&'static str, DeletedRowCounter, &'static str);

/// What belongs to traces, or to a user.
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

/// What belongs to a project.
pub(super) const OF_PROJECT: &[DeletionStatement] = &[
    ("errors.db", |c| &mut c.errors, "DELETE FROM events WHERE project = ?1"),
    ("errors.db", |c| &mut c.other, "DELETE FROM issues WHERE project = ?1"),
    ("scores.db", |c| &mut c.scores, "DELETE FROM scores WHERE project = ?1"),
    ("logs.db", |c| &mut c.log_lines, "DELETE FROM lines WHERE project = ?1"),
    ("metrics.db", |c| &mut c.series, "DELETE FROM series WHERE project = ?1"),
    ("metrics.db", |c| &mut c.other, "DELETE FROM metrics WHERE project = ?1"),
    ("alerts.db", |c| &mut c.incidents, "DELETE FROM incidents WHERE project = ?1"),
    ("alerts.db", |c| &mut c.other, "DELETE FROM rules WHERE project = ?1"),
    // What delivery has not taken yet.
    ("alerts.db", |c| &mut c.other, "DELETE FROM notices WHERE json_extract(body, '$.project') = ?1"),
    ("notify.db", |c| &mut c.other, "DELETE FROM notices WHERE project = ?1"),
    ("notify.db", |c| &mut c.other, "DELETE FROM targets WHERE project = ?1"),
    ("bill.db", |c| &mut c.other, "DELETE FROM lines WHERE project = ?1"),
    ("bill.db", |c| &mut c.other, "DELETE FROM imports WHERE project = ?1"),
    ("outcomes.db", |c| &mut c.other, "DELETE FROM outcomes WHERE project = ?1"),
    ("outcomes.db", |c| &mut c.other, "DELETE FROM hints WHERE project = ?1"),
];

/// What is too old, but for the traces that are named.
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

/// The same of lines of logs alone, which are texts.
pub(super) const EXPIRED_LINES: &[DeletionStatement] = &[(
    "logs.db",
    |c| &mut c.log_lines,
    "DELETE FROM lines WHERE project = ?1 AND at_us < ?2 AND trace NOT IN (SELECT bytes FROM temp.traces)",
)];

/// Texts (JSON) in which traces and users may be named: database, table, condition.
pub(super) const MENTIONS: [(&str, &str, &str); 4] = [
    ("alerts.db", "incidents", "project = ?1"),
    ("alerts.db", "timeline", "incident IN (SELECT id FROM incidents WHERE project = ?1)"),
    ("alerts.db", "notices", "json_extract(body, '$.project') = ?1"),
    ("notify.db", "notices", "project = ?1"),
];

/// Runs statements, those of a database in one transaction. What they delete is overwritten, in the file beside the database too.
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

/// Counts what statements would delete. The time is not asked for.
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

/// Blanks traces and users in the stories and messages of alerts. Returns in how many rows. What the bell has taken out of its own stories by
/// then is overwritten too.
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

/// Empties what stands beside the databases from which expired rows go.
pub(super) fn empty_wals(data: &Path) -> Result<(), SqliteError> {
    EXPIRED.iter().try_for_each(|(database, ..)| empty(&data.join(database)))
}

/// Traces of a project with errors or scores.
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

/// Changes a database that others have open too. `work` says how many rows it changed; so does this.
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

/// Puts what is meant where the statements find it.
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
