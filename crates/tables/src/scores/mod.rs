//! Scores, in their own database. There are few scores; they are small, and are updated by ID.

mod retention;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hinomi_model::api_time::rfc3339;
use hinomi_model::id::TraceId;
use hinomi_model::score::{Score, ScoreValue};
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use crate::database;
use crate::database::SqliteError;

/// File name of the database.
const DATABASE: &str = "scores.db";
/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE scores (
        project INTEGER NOT NULL,
        id TEXT NOT NULL,
        trace TEXT NOT NULL,
        span TEXT,
        name TEXT NOT NULL,
        value REAL,
        label TEXT,
        comment TEXT,
        at_us INTEGER NOT NULL,
        PRIMARY KEY (project, id)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX scores_of_trace ON scores (project, trace);
    CREATE INDEX scores_by_time ON scores (project, at_us);
"];

/// Maximum number of scores of one trace in a response.
pub const MAX_SCORES_PER_TRACE: usize = 500;
/// Maximum total size of their texts in bytes.
const MAX_BYTES_PER_TRACE: usize = 1 << 20;

/// A score: a rating of a trace or span by a person or a program.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Score)]
pub struct ScoreRow {
    /// ID of the score.
    pub id: String,
    /// ID of the rated span; null if the score is for the whole trace.
    #[schema(required)]
    pub span_id: Option<String>,
    /// Name of the score, such as `helpfulness`.
    pub name: String,
    /// Numeric value; null for a categorical score.
    #[schema(required)]
    pub value: Option<f64>,
    /// Category; null for a numeric score.
    #[schema(required)]
    pub label: Option<String>,
    /// Comment on the score; null if there is none.
    #[schema(required)]
    pub comment: Option<String>,
    /// Time of the score (RFC 3339).
    pub at: String,
}

/// The scores of all projects.
#[derive(Debug)]
pub struct ScoreStore {
    path: PathBuf,
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
        Ok(ScoreStore { connection: Mutex::new(database::open(&path, &MIGRATIONS)?), path })
    }

    /// Stores scores. A score with a known ID replaces the stored score, unless the new score is older. When this function returns, the
    /// scores are on disk. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. In this case, none of the scores is stored.
    pub fn store_scores(&self, project: u64, scores: &[Score]) -> Result<(), SqliteError> {
        let mut connection = lock(&self.connection);
        let write = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO scores VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                     ON CONFLICT (project, id) DO UPDATE SET trace = ?3, span = ?4, name = ?5, value = ?6, label = ?7, comment = ?8, at_us = ?9
                     WHERE excluded.at_us >= scores.at_us",
                )?;
                for score in scores {
                    let (value, label) = match &score.value {
                        ScoreValue::Number(value) => (Some(*value), None),
                        ScoreValue::Label(label) => (None, Some(label)),
                    };
                    let (trace, span) = (score.trace_id.to_string(), score.span_id.map(|span| span.to_string()));
                    let key = i64::try_from(project).unwrap_or(i64::MAX);
                    insert.execute(params![key, score.id, trace, span, score.name, value, label, score.comment, score.at_us])?;
                }
            }
            transaction.commit()
        };
        write(&mut connection).map_err(SqliteError::sqlite_error(&self.path))
    }

    /// Returns the newest scores of a trace and its spans, at most [`MAX_SCORES_PER_TRACE`] and one megabyte, oldest first, and the total
    /// number of scores. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn scores_of_trace(&self, project: u64, trace: TraceId) -> Result<(Vec<ScoreRow>, u64), SqliteError> {
        let connection = lock(&self.connection);
        let read = || -> rusqlite::Result<(Vec<ScoreRow>, u64)> {
            let of_trace = params![i64::try_from(project).unwrap_or(i64::MAX), trace.to_string()];
            let mut count = connection.prepare_cached("SELECT count(*) FROM scores WHERE project = ?1 AND trace = ?2")?;
            let count: u64 = count.query_row(of_trace, |row| row.get(0))?;
            let mut select = connection.prepare_cached(&format!(
                "SELECT id, span, name, value, label, comment, at_us FROM scores WHERE project = ?1 AND trace = ?2
                 ORDER BY at_us DESC, id DESC LIMIT {MAX_SCORES_PER_TRACE}",
            ))?;
            let row = |row: &rusqlite::Row| {
                Ok(ScoreRow {
                    id: row.get(0)?,
                    span_id: row.get(1)?,
                    name: row.get(2)?,
                    value: row.get(3)?,
                    label: row.get(4)?,
                    comment: row.get(5)?,
                    at: rfc3339(row.get(6)?),
                })
            };
            let mut rows: Vec<ScoreRow> = Vec::new();
            let mut bytes = 0;
            for row in select.query_map(of_trace, row)? {
                let row = row?;
                bytes += row.id.len() + row.name.len() + [&row.label, &row.comment].into_iter().flatten().map(String::len).sum::<usize>();
                if bytes > MAX_BYTES_PER_TRACE && !rows.is_empty() {
                    break;
                }
                rows.push(row);
            }
            rows.reverse();
            Ok((rows, count))
        };
        read().map_err(SqliteError::sqlite_error(&self.path))
    }

    /// Returns the mean of the numeric scores with a name in `from_us..to_us`; `None` if there are none. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn mean_score(&self, project: u64, name: &str, from_us: i64, to_us: i64) -> Result<Option<f64>, SqliteError> {
        let mean = "SELECT avg(value) FROM scores WHERE project = ?1 AND name = ?2 AND at_us >= ?3 AND at_us < ?4";
        let project = i64::try_from(project).unwrap_or(i64::MAX);
        let read = lock(&self.connection).query_row(mean, params![project, name, from_us, to_us], |row| row.get(0));
        read.map_err(SqliteError::sqlite_error(&self.path))
    }

    /// Deletes the scores of a project before a time in microseconds since the Unix epoch. Returns the number of deleted scores. Blocks the
    /// calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn delete_before(&self, project: u64, us: i64) -> Result<usize, SqliteError> {
        let delete = "DELETE FROM scores WHERE project = ?1 AND at_us < ?2";
        let deleted = lock(&self.connection).execute(delete, params![i64::try_from(project).unwrap_or(i64::MAX), us]);
        deleted.map_err(SqliteError::sqlite_error(&self.path))
    }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
