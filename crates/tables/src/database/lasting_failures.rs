//! Lasting failures of databases, which are reported for as long as they persist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{ErrorCode, TransactionBehavior};

use super::{SqliteError, open_existing, open_reader};

/// Minimum interval between two complete checks of a damaged database.
const RECHECK_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum size in bytes of databases that are checked completely at the start; damage in larger ones is found when it is read.
const MAX_CHECKED_BYTES: u64 = 1 << 30;

/// A failing database.
#[derive(Debug, Clone)]
struct DatabaseFailure {
    message: String,
    /// Whether its content is damaged: that it can be written does not prove that it works then.
    is_damaged: bool,
    /// Time of the last check.
    checked_at: Instant,
}

static FAILING_DATABASES: Mutex<BTreeMap<PathBuf, DatabaseFailure>> = Mutex::new(BTreeMap::new());

fn lock() -> MutexGuard<'static, BTreeMap<PathBuf, DatabaseFailure>> {
    FAILING_DATABASES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records an error of a database if errors of this kind persist.
pub fn note_error(path: &Path, error: &rusqlite::Error) {
    use ErrorCode::{CannotOpen, DatabaseCorrupt, DiskFull, NotADatabase, PermissionDenied, ReadOnly, SystemIoFailure};
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => add_failure(path, &error.to_string(), true),
        Some(DiskFull | ReadOnly | PermissionDenied | SystemIoFailure | CannotOpen) => add_failure(path, &error.to_string(), false),
        _ => {}
    }
}

fn add_failure(path: &Path, reason: &str, is_damaged: bool) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let message = format!("{name} fails ({reason}): its data cannot be stored; run `hinomi doctor` to find the problem");
    if lock().insert(path.to_owned(), DatabaseFailure { message, is_damaged, checked_at: Instant::now() }).is_none() {
        tracing::error!(path = %path.display(), reason, "database.access.failed");
    }
}

/// Returns the failing databases of a directory: the name of each, and the message about it.
pub fn failing_databases(folder: &Path) -> Vec<(String, String)> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    lock().iter().filter(|(path, _)| is_in_directory(path, folder)).map(|(path, failing)| (name(path), failing.message.clone())).collect()
}

/// Returns whether a database is in a directory. A path without a directory matches any: outside of tests a process has only one.
fn is_in_directory(path: &Path, folder: &Path) -> bool {
    path.parent().is_some_and(|parent| parent == folder || parent == Path::new(""))
}

/// Checks whether failing databases work again.
pub fn recheck_failing(folder: &Path) {
    let known: Vec<(PathBuf, DatabaseFailure)> =
        lock().iter().filter(|(path, _)| is_in_directory(path, folder)).map(|(path, failing)| (path.clone(), failing.clone())).collect();
    for (name, DatabaseFailure { is_damaged, checked_at, .. }) in known {
        let path = if name.parent() == Some(Path::new("")) { folder.join(&name) } else { name.clone() };
        if is_damaged && checked_at.elapsed() < RECHECK_INTERVAL {
            continue;
        }
        // Errors are recorded where they occur.
        if check_writable(&path).and_then(|()| if is_damaged { check_integrity(&path) } else { Ok(()) }).is_ok() {
            lock().remove(&name);
            tracing::info!(path = %path.display(), "database.access.recovered");
        }
    }
}

/// Checks all databases of a directory once, one after the other, so that damage is known before data for them arrives.
pub fn check_all_once(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        let is_small = entry.metadata().is_ok_and(|found| found.len() <= MAX_CHECKED_BYTES);
        if path.extension().is_some_and(|extension| extension == "db") && is_small {
            let _ = check_integrity(&path);
        }
    }
}

fn check_integrity(path: &Path) -> Result<(), SqliteError> {
    let failed = SqliteError::sqlite_error(path);
    let said: String = open_reader(path)?.pragma_query_value(None, "quick_check", |row| row.get(0)).map_err(&failed)?;
    if said == "ok" {
        return Ok(());
    }
    add_failure(path, &said, true);
    Err(SqliteError::Damaged { path: path.to_owned(), reason: said })
}

/// Checks that a database can be written.
fn check_writable(path: &Path) -> Result<(), SqliteError> {
    let failed = SqliteError::sqlite_error(path);
    let mut connection = open_existing(path)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
    let format: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&failed)?;
    transaction.pragma_update(None, "user_version", format).map_err(&failed)?;
    transaction.commit().map_err(&failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_fails_until_it_works_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let connection = super::super::open(&path, &["CREATE TABLE a (x);"]).unwrap();
        connection.execute_batch("PRAGMA max_page_count = 1").unwrap();
        let full = connection.execute("INSERT INTO a VALUES (zeroblob(100000))", []).unwrap_err();
        assert!(matches!(SqliteError::sqlite_error(&path)(full), SqliteError::DiskFull { .. }));
        let said = failing_databases(dir.path());
        assert!(said.len() == 1 && said[0].0 == "x.db" && said[0].1.starts_with("x.db fails (database or disk is full)"), "{said:?}");
        assert!(failing_databases(Path::new("/elsewhere")).is_empty());
        recheck_failing(dir.path());
        assert!(failing_databases(dir.path()).is_empty());
        // A passing error is not a failure of the database.
        let none = connection.prepare("SELECT y FROM a").unwrap_err();
        assert!(matches!(SqliteError::sqlite_error(&path)(none), SqliteError::Failed { .. }));
        assert!(failing_databases(dir.path()).is_empty());
        drop(connection);
        std::fs::write(&path, "no database at all, but longer than the header of one; ".repeat(20)).unwrap();
        check_all_once(dir.path());
        recheck_failing(dir.path());
        assert!(failing_databases(dir.path())[0].1.contains("not a database"), "{:?}", failing_databases(dir.path()));
    }
}
