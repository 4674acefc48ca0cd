//! Opening a SQLite database of ours: durable, and of a format that this version knows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

/// Why a database did not open or answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SqliteError {
    /// A newer version wrote it.
    #[error("{} was written by a newer version (format {found}, known here up to {known}); start that version", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// There is no room. Writing goes on by itself as soon as there is.
    #[error("the disk that holds {} is full; free some space or move the data folder", path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// Anything else that SQLite says.
    #[error("could not use {}: {reason}", path.display())]
    Failed {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
}

impl SqliteError {
    /// Wraps what SQLite said of a database.
    pub fn of(path: &Path) -> impl Fn(rusqlite::Error) -> SqliteError + use<> {
        let path = path.to_owned();
        move |error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => SqliteError::DiskFull { path: path.clone() },
            _ => SqliteError::Failed { path: path.clone(), reason: error.to_string() },
        }
    }
}

/// Opens a database, makes it if need be, and brings it to the newest format. Each step leads from one format to the next;
/// `user_version` counts those that were taken.
///
/// # Errors
///
/// When it cannot be opened, or a newer version wrote it.
pub fn open(path: &Path, steps: &[&str]) -> Result<Connection, SqliteError> {
    let failed = SqliteError::of(path);
    let mut connection = Connection::open(path).map_err(&failed)?;
    prepare(&connection).map_err(&failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&failed)?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(SqliteError::Newer { path: path.to_owned(), found, known });
    }
    for step in &steps[found as usize..] {
        transaction.execute_batch(step).map_err(&failed)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(&failed)?;
    transaction.commit().map_err(&failed)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // A command and a server may write at the same time; each change takes milliseconds.
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // What is committed survives a power cut.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_once_and_newer_formats_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let first = "CREATE TABLE a (x);";
        drop(open(&path, &[first]).unwrap());
        let connection = open(&path, &[first, "CREATE TABLE b (x);"]).unwrap();
        connection.execute("INSERT INTO b VALUES (1)", []).unwrap();
        drop(connection);
        assert!(matches!(open(&path, &[first]), Err(SqliteError::Newer { found: 2, known: 1, .. })));
    }
}
