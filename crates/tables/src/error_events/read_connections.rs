//! Connections for reading.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Transaction;
use tokio::sync::Semaphore;

use super::ErrorStore;
use super::error::ErrorStoreError;
use crate::database;
use crate::database::SqliteError;

/// Maximum number of concurrent queries; more of them wait.
const MAX_READERS: usize = 4;

/// A pool of a few connections, opened when they are needed.
#[derive(Debug)]
pub(super) struct ErrorReaderPool {
    path: PathBuf,
    idle: Mutex<Vec<rusqlite::Connection>>,
    permits: Arc<Semaphore>,
}

impl ErrorReaderPool {
    pub(super) fn new(path: PathBuf) -> ErrorReaderPool {
        ErrorReaderPool { path, idle: Mutex::default(), permits: Arc::new(Semaphore::new(MAX_READERS)) }
    }

    /// Closes the idle connections.
    pub(super) fn close_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn with_reader<T>(&self, query: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => database::open_reader(&self.path)?,
        };
        // One transaction, so that the query sees one consistent snapshot.
        let answer = connection.transaction().and_then(|transaction| query(&transaction)).map_err(SqliteError::sqlite_error(&self.path))?;
        // A connection that failed is not reused.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(answer)
    }
}

impl ErrorStore {
    /// Runs a query on a thread for blocking work.
    pub(super) async fn read<T, F>(&self, query: F) -> Result<T, ErrorStoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction) -> rusqlite::Result<T> + Send + 'static,
    {
        let readers = self.readers.clone();
        let permit = readers.permits.clone().acquire_owned().await.map_err(|_| ErrorStoreError::Closed)?;
        let answer = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            readers.with_reader(query)
        });
        Ok(answer.await.map_err(|_| ErrorStoreError::Closed)??)
    }
}
