//! Scores and score definitions, in their own database.
//!
//! A score has versions: a later score with the same identity ([`Score::identity`](hinomi_model::score::Score::identity)) supersedes the
//! earlier one, which is kept. Lists and figures use the newest version unless they say otherwise.

mod definitions;
mod figures;
mod list;
mod retention;
mod row;
mod schema;
mod targets;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction};

use crate::database;
use crate::database::SqliteError;

pub use definitions::{DefinitionChange, DefinitionError, ScoreCategory, ScoreDefinition, ScoreDefinitionDraft, ScoreDirection};
pub use figures::{NamedScoreFigures, ScoreBucket, ScoreFigures, ScoreLabelCount};
pub use list::{ScoreListQuery, ScorePage};
pub use schema::FORMAT;
pub use targets::{MAX_SCORE_TARGETS, ScoredTargets, WaitingScore};
pub use write::{StoredScores, random_id};

/// File name of the database.
const DATABASE: &str = "scores.db";

/// Maximum number of scores of one trace in a response.
pub const MAX_SCORES_PER_TRACE: usize = 500;
/// Maximum total size of their texts in bytes.
const MAX_BYTES_PER_TRACE: usize = 1 << 20;

/// The scores of all projects.
#[derive(Debug)]
pub struct ScoreStore {
    path: PathBuf,
    /// Connections for reading that are not in use. They close before the writer: the last connection removes the WAL files, which a reader
    /// cannot do.
    readers: Mutex<Vec<Connection>>,
    connection: Mutex<Connection>,
}

impl ScoreStore {
    /// Opens the scores in a data directory: `scores.db`.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<ScoreStore, SqliteError> {
        let path = dir.join(DATABASE);
        Ok(ScoreStore { connection: Mutex::new(database::open(&path, schema::MIGRATIONS)?), readers: Mutex::default(), path })
    }

    /// Runs a change in one transaction. When it returns without an error, the change is on disk.
    fn write<T>(&self, change: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
        let mut connection = lock(&self.connection);
        let write = |connection: &mut Connection| -> rusqlite::Result<T> {
            let transaction = connection.transaction()?;
            let result = change(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        write(&mut connection).map_err(SqliteError::sqlite_error(&self.path))
    }

    /// Runs a query on one consistent snapshot, without waiting for writers.
    fn read<T>(&self, query: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
        let idle = lock(&self.readers).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => database::open_reader(&self.path)?,
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

/// Returns a project ID as SQLite stores it.
fn key(project: u64) -> i64 {
    i64::try_from(project).unwrap_or(i64::MAX)
}
