//! Runs the statements that table modules declare, with one transaction per database. Deleted rows are overwritten, also in the WAL of the
//! database.

use std::collections::HashSet;
use std::path::Path;

use hinomi_model::id::TraceId;
use rusqlite::{Transaction, TransactionBehavior, params_from_iter};

use super::{ErasedNames, ErasedRowCounts, ErasureSubject, ExpiringRowCount, ExpiringRows, RetainedRows, RowSelection};
use crate::database;
use crate::database::SqliteError;

/// Deletes the rows of a subject from the database of a module in a data directory.
///
/// # Errors
///
/// Returns an error if the database cannot be written. In this case, either nothing has been deleted, or the WAL still contains deleted
/// rows; repeat the call.
pub fn erase(dir: &Path, table: &dyn RetainedRows, subject: &ErasureSubject) -> Result<ErasedRowCounts, SqliteError> {
    let selections = selections(table, subject);
    if selections.is_empty() {
        return Ok(ErasedRowCounts::default());
    }
    let path = dir.join(table.rules().database);
    let counts = change(&path, |transaction| {
        create_name_tables_of(transaction, subject)?;
        delete(transaction, selections, &[key_of(subject.project)])
    })?;
    if counts.total() > 0 {
        empty_wal(dir, table)?;
    }
    Ok(counts)
}

/// Counts the rows that [`erase`] would delete.
///
/// # Errors
///
/// Returns an error if the database cannot be read.
pub fn count(dir: &Path, table: &dyn RetainedRows, subject: &ErasureSubject) -> Result<ErasedRowCounts, SqliteError> {
    let selections = selections(table, subject);
    let mut counts = ErasedRowCounts::default();
    if selections.is_empty() {
        return Ok(counts);
    }
    let path = dir.join(table.rules().database);
    let failed = SqliteError::sqlite_error(&path);
    let mut connection = database::open_reader(&path)?;
    let transaction = connection.transaction().map_err(&failed)?;
    create_name_tables_of(&transaction, subject).map_err(&failed)?;
    for selection in selections {
        let rows = transaction.query_row(&selection.count_sql(), [key_of(subject.project)], |row| row.get(0)).map_err(&failed)?;
        counts.add(selection.kind, rows);
    }
    Ok(counts)
}

/// Redacts traces and users in the remaining rows of a module. Returns the number of changed rows. The WAL is always emptied, because it
/// may contain names that the module has already removed from its rows.
///
/// # Errors
///
/// Returns an error if the database cannot be read or written; repeat the call.
pub fn redact(dir: &Path, table: &dyn RetainedRows, project: u64, names: &ErasedNames) -> Result<u64, SqliteError> {
    let Some(redaction) = table.rules().redaction else { return Ok(0) };
    let rows = change(&dir.join(table.rules().database), |transaction| redaction(transaction, project, names))?;
    empty_wal(dir, table)?;
    Ok(rows)
}

/// Returns the traces of a project that rows of a module make notable.
///
/// # Errors
///
/// Returns an error if the database cannot be read.
pub fn notable_traces(dir: &Path, table: &dyn RetainedRows, project: u64) -> Result<HashSet<TraceId>, SqliteError> {
    let Some(sql) = table.rules().notable_traces else { return Ok(HashSet::new()) };
    let path = dir.join(table.rules().database);
    let connection = database::open_reader(&path)?;
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut select = connection.prepare(sql)?;
        select.query_map([key_of(project)], |row| row.get(0))?.collect()
    };
    let ids = read().map_err(SqliteError::sqlite_error(&path))?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// Counts the rows of a project that expire with a new cutoff but not with an old cutoff. Both cutoffs are in microseconds since the Unix
/// epoch.
///
/// # Errors
///
/// Returns an error if the database cannot be read.
pub fn count_expiring(
    dir: &Path,
    table: &dyn RetainedRows,
    rows: &ExpiringRows,
    project: u64,
    old_us: i64,
    new_us: i64,
) -> Result<ExpiringRowCount, SqliteError> {
    let path = dir.join(table.rules().database);
    let connection = database::open_reader(&path)?;
    let ExpiringRows { table, time_us, .. } = rows;
    let sql = format!("SELECT count(*), sum({time_us} >= ?2 AND {time_us} < ?3) FROM {table} WHERE project = ?1");
    let count = |row: &rusqlite::Row| Ok(ExpiringRowCount { all: row.get(0)?, expiring: row.get::<_, Option<u64>>(1)?.unwrap_or(0) });
    connection.query_row(&sql, [key_of(project), old_us, new_us], count).map_err(SqliteError::sqlite_error(&path))
}

/// Deletes rows of a project before a time, in microseconds since the Unix epoch, for a module whose selections keep the rows of some
/// traces (`temp.traces`). The WAL is not emptied; the caller of [`RetainedRows::expire`] does that. Blocks the calling thread.
///
/// # Errors
///
/// Returns an error if the database cannot be written. In this case, nothing has been deleted.
pub fn delete_expired(
    path: &Path,
    selections: &[RowSelection],
    project: u64,
    before_us: i64,
    kept: &HashSet<TraceId>,
) -> Result<ErasedRowCounts, SqliteError> {
    change(path, |transaction| {
        create_name_tables(transaction, kept, &[])?;
        delete(transaction, selections, &[key_of(project), before_us])
    })
}

/// Empties the WAL of a module's database, which still contains deleted rows.
///
/// # Errors
///
/// Returns an error if the database cannot be written.
pub fn empty_wal(dir: &Path, table: &dyn RetainedRows) -> Result<(), SqliteError> {
    let path = dir.join(table.rules().database);
    database::truncate_wal(&database::open_existing(&path)?).map_err(SqliteError::sqlite_error(&path))
}

fn selections(table: &dyn RetainedRows, subject: &ErasureSubject) -> &'static [RowSelection] {
    let rules = table.rules();
    if subject.names.is_some() { rules.of_names } else { rules.of_project }
}

/// Changes a database that other connections use too.
fn change<T>(path: &Path, work: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
    let failed = SqliteError::sqlite_error(path);
    let mut connection = database::open_existing(path)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
    let result = work(&transaction).map_err(&failed)?;
    transaction.commit().map_err(&failed)?;
    Ok(result)
}

/// Deletes selected rows. A selection may use fewer parameters than there are.
fn delete(transaction: &Transaction, selections: &[RowSelection], parameters: &[i64]) -> rusqlite::Result<ErasedRowCounts> {
    let mut counts = ErasedRowCounts::default();
    for selection in selections {
        let mut statement = transaction.prepare(&selection.delete_sql())?;
        let used = parameters.iter().take(statement.parameter_count());
        counts.add(selection.kind, statement.execute(params_from_iter(used))? as u64);
    }
    Ok(counts)
}

fn create_name_tables_of(transaction: &Transaction, subject: &ErasureSubject) -> rusqlite::Result<()> {
    let none = ErasedNames::default();
    let ErasedNames { traces, users } = subject.names.as_ref().unwrap_or(&none);
    create_name_tables(transaction, traces, users)
}

/// Creates the temporary tables of traces and users that conditions use.
fn create_name_tables(transaction: &Transaction, traces: &HashSet<TraceId>, users: &[String]) -> rusqlite::Result<()> {
    transaction
        .execute_batch("CREATE TEMP TABLE traces (bytes BLOB PRIMARY KEY, text TEXT); CREATE TEMP TABLE people (id TEXT PRIMARY KEY);")?;
    let mut insert = transaction.prepare("INSERT INTO temp.traces VALUES (?1, ?2)")?;
    for trace in traces {
        insert.execute(rusqlite::params![trace.0.to_be_bytes(), trace.to_string()])?;
    }
    let mut insert = transaction.prepare("INSERT INTO temp.people VALUES (?1)")?;
    for user in users {
        insert.execute([user])?;
    }
    Ok(())
}

fn key_of(project: u64) -> i64 {
    i64::try_from(project).unwrap_or(i64::MAX)
}
