//! Opens SQLite databases: durable, and with a format that this version knows.

mod group_commit;
mod lasting_failures;
mod pooled;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::secret_cipher::SecretCipherError;

pub use group_commit::GroupCommitDatabase;
pub use lasting_failures::{check_all_once, failing_databases, note_error, recheck_failing};
pub use pooled::PooledDatabase;

/// How long a change waits for another process that has locked the database. A command and a server may write at the same time; each
/// change takes milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Error of a database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SqliteError {
    /// A newer version wrote the database.
    #[error("{} was written by a newer version of Hinomi (format {found}; supported: up to {known}); run that version", path.display())]
    Newer {
        /// Path of the database.
        path: PathBuf,
        /// Format version of the database.
        found: u32,
        /// Newest format version that this program reads.
        known: u32,
    },
    /// The disk is full. Writing resumes automatically when space is available.
    #[error("the disk of {} is full; free some space or move the data directory", path.display())]
    DiskFull {
        /// Path of the database.
        path: PathBuf,
    },
    /// Another process has been writing for too long. Writing resumes automatically when that process has finished.
    #[error("{} is locked by another process; stop that process or retry later", path.display())]
    Busy {
        /// Path of the database.
        path: PathBuf,
    },
    /// The database cannot be written.
    #[error("cannot write to {} ({reason}); give this user permission to write there", path.display())]
    ReadOnly {
        /// Path of the database.
        path: PathBuf,
        /// Message of SQLite.
        reason: String,
    },
    /// The file is damaged or not a database.
    #[error("{} is damaged ({reason}); restore the file from a backup, or move the file away to start with an empty database", path.display())]
    Damaged {
        /// Path of the database.
        path: PathBuf,
        /// Message of SQLite.
        reason: String,
    },
    /// A secret cannot be decrypted.
    #[error("{}: {error}", path.display())]
    Secret {
        /// Path of the database.
        path: PathBuf,
        /// Reason.
        error: SecretCipherError,
    },
    /// Any other error of SQLite.
    #[error("database error in {}: {reason}", path.display())]
    Failed {
        /// Path of the database.
        path: PathBuf,
        /// Message of SQLite.
        reason: String,
    },
}

impl SqliteError {
    /// Wraps an error of SQLite about a database.
    pub fn sqlite_error(path: &Path) -> impl Fn(rusqlite::Error) -> SqliteError + use<> {
        let path = path.to_owned();
        move |error| {
            lasting_failures::note_error(&path, &error);
            let (path, reason) = (path.clone(), error.to_string());
            match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => SqliteError::DiskFull { path },
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SqliteError::Busy { path },
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => SqliteError::ReadOnly { path, reason },
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => SqliteError::Damaged { path, reason },
                _ => SqliteError::Failed { path, reason },
            }
        }
    }
}

/// Opens a database, creates it if necessary, and migrates it to the newest format. Each step migrates from one format to the next;
/// `user_version` is the number of completed steps.
///
/// # Errors
///
/// Returns an error if the database cannot be opened, or was written by a newer version. In this case, the database has not been changed.
pub fn open(path: &Path, steps: &[&str]) -> Result<Connection, SqliteError> {
    let failed = SqliteError::sqlite_error(path);
    let mut connection = Connection::open(path).map_err(&failed)?;
    set_pragmas(&connection).map_err(&failed)?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&failed)?;
    check_format(path, found, known)?;
    for step in &steps[found as usize..] {
        transaction.execute_batch(step).map_err(&failed)?;
    }
    if found < known {
        transaction.pragma_update(None, "user_version", known).map_err(&failed)?;
    }
    transaction.commit().map_err(&failed)?;
    Ok(connection)
}

/// Largest format version that any program will ever write: a file with a larger number is damaged, not newer.
const LAST_FORMAT: u32 = 999;

fn check_format(path: &Path, found: u32, known: u32) -> Result<(), SqliteError> {
    let path = path.to_owned();
    match found {
        found if found > LAST_FORMAT => Err(SqliteError::Damaged { path, reason: format!("invalid format {found} in its header") }),
        found if found > known => Err(SqliteError::Newer { path, found, known }),
        _ => Ok(()),
    }
}

/// Opens an existing database for reading only.
///
/// # Errors
///
/// Returns an error if the database cannot be opened.
pub fn open_reader(path: &Path) -> Result<Connection, SqliteError> {
    let failed = SqliteError::sqlite_error(path);
    // Each connection is used by one thread at a time.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    connection.busy_timeout(LOCK_TIMEOUT).map_err(&failed)?;
    Ok(connection)
}

/// Checks a database without changing it. `known` is the newest format version that this program reads.
///
/// # Errors
///
/// Returns an error if the database is damaged, empty, of a newer format or unreadable.
pub fn check_database(path: &Path, known: u32) -> Result<(), SqliteError> {
    let failed = SqliteError::sqlite_error(path);
    let connection = open_reader(path)?;
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&failed)?;
    check_format(path, found, known)?;
    if found == 0 {
        return Err(SqliteError::Damaged { path: path.to_owned(), reason: "the file is empty".to_owned() });
    }
    let said: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).map_err(&failed)?;
    if said == "ok" { Ok(()) } else { Err(SqliteError::Damaged { path: path.to_owned(), reason: said }) }
}

/// Opens an existing database for changes by a process that does not own it.
///
/// # Errors
///
/// Returns an error if the database cannot be opened.
pub fn open_existing(path: &Path) -> Result<Connection, SqliteError> {
    let failed = SqliteError::sqlite_error(path);
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(&failed)?;
    set_pragmas(&connection).map_err(&failed)?;
    Ok(connection)
}

/// Checkpoints the WAL of a database and truncates it, because it still contains deleted data. Waits for readers.
///
/// # Errors
///
/// Returns an error if the database cannot be written.
pub fn truncate_wal(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Writes a copy of a database at this moment, while others write to it.
///
/// # Errors
///
/// Returns an error if the database cannot be read or the copy cannot be written.
pub fn copy_to(path: &Path, target: &Path) -> Result<(), SqliteError> {
    let connection = open_reader(path)?;
    connection.execute("VACUUM INTO ?1", [target.to_string_lossy()]).map(drop).map_err(SqliteError::sqlite_error(path))
}

fn set_pragmas(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOCK_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // Committed changes survive a power failure.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Deleted data is overwritten and does not remain in the file.
    connection.pragma_update(None, "secure_delete", true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE a (x);";

    #[test]
    fn migrations_run_once_and_newer_formats_are_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        drop(open(&path, &[FIRST]).unwrap());
        let connection = open(&path, &[FIRST, "CREATE TABLE b (x);"]).unwrap();
        connection.execute("INSERT INTO b VALUES (1)", []).unwrap();
        drop(connection);
        let error = open(&path, &[FIRST]).unwrap_err();
        assert!(matches!(error, SqliteError::Newer { found: 2, known: 1, .. }));
        assert!(error.to_string().contains("run that version"), "{error}");
    }

    #[test]
    fn failed_migration_keeps_the_previous_format() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        drop(open(&path, &[FIRST]).unwrap());
        assert!(matches!(open(&path, &[FIRST, "CREATE TABLE b (x); CREATE nonsense;"]), Err(SqliteError::Failed { .. })));
        let connection = open(&path, &[FIRST]).unwrap();
        assert!(connection.prepare("SELECT x FROM b").is_err());
    }

    #[test]
    fn kinds_of_failure_are_distinguished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let connection = open(&path, &[FIRST]).unwrap();
        let other = open(&path, &[FIRST]).unwrap();
        other.busy_timeout(Duration::from_millis(1)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let insert = "INSERT INTO a VALUES (zeroblob(100000))";
        assert!(matches!(SqliteError::sqlite_error(&path)(other.execute(insert, []).unwrap_err()), SqliteError::Busy { .. }));
        connection.execute_batch("ROLLBACK; PRAGMA max_page_count = 1").unwrap();
        assert!(matches!(SqliteError::sqlite_error(&path)(connection.execute(insert, []).unwrap_err()), SqliteError::DiskFull { .. }));
        let reader = open_reader(&path).unwrap();
        assert!(matches!(SqliteError::sqlite_error(&path)(reader.execute(insert, []).unwrap_err()), SqliteError::ReadOnly { .. }));
        let text = dir.path().join("text.db");
        std::fs::write(&text, "no database at all, but longer than the header of one; ".repeat(20)).unwrap();
        assert!(matches!(open(&text, &[FIRST]), Err(SqliteError::Damaged { .. })));
    }
}
