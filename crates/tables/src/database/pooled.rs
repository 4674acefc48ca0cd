//! A database with one connection for writing and as many for reading as are needed at the same time.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction};

use super::{SqliteError, open, open_reader};

/// A database whose readers do not wait for writers.
#[derive(Debug)]
pub struct PooledDatabase {
    path: PathBuf,
    /// Connections for reading that are not in use. They close before the writer: the last connection removes the WAL files, which a reader
    /// cannot do.
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
}

impl PooledDatabase {
    /// Opens a database, and creates or migrates it by the steps that it does not have yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open_pool(path: PathBuf, steps: &[&str]) -> Result<PooledDatabase, SqliteError> {
        Ok(PooledDatabase { writer: Mutex::new(open(&path, steps)?), readers: Mutex::default(), path })
    }

    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a change in one transaction. When it returns without an error, the change is on disk. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. In this case, nothing was changed.
    pub fn write<T>(&self, change: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
        let mut connection = lock(&self.writer);
        let write = |connection: &mut Connection| -> rusqlite::Result<T> {
            let transaction = connection.transaction()?;
            let result = change(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        write(&mut connection).map_err(SqliteError::sqlite_error(&self.path))
    }

    /// Runs a query on one consistent snapshot, without waiting for writers. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn read<T>(&self, query: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
        let idle = lock(&self.readers).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let result = connection.transaction().and_then(|transaction| query(&transaction)).map_err(SqliteError::sqlite_error(&self.path))?;
        // A connection that failed is not reused.
        lock(&self.readers).push(connection);
        Ok(result)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
