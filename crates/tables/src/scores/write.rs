//! Storing and deleting scores.

use hinomi_model::id::TraceId;
use hinomi_model::score::Score;
use rand::Rng;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{ScoreStore, key};
use crate::database::SqliteError;
use crate::retained_rows::ErasureCount;

/// Result of storing scores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredScores {
    /// IDs of the scores, in the order in which they were given.
    pub ids: Vec<String>,
    /// Number of scores that were stored before with the same content.
    pub duplicates: usize,
}

impl ScoreStore {
    /// Stores scores. A score supersedes the stored score with the same identity, unless it is older; then it becomes an earlier version.
    /// A score that is equal to a stored version is not stored again. When this function returns, the scores are on disk. Blocks the
    /// calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. In this case, none of the scores is stored.
    pub fn store_scores(&self, project: u64, scores: &[Score]) -> Result<StoredScores, SqliteError> {
        self.database.write(|transaction| store_all(transaction, project, scores))
    }

    /// Returns the number of erasures. It is read before the spans that are evaluated are read.
    pub fn erasure_count(&self) -> ErasureCount {
        self.erasures.current()
    }

    /// Stores scores of evaluated spans like [`store_scores`](Self::store_scores). Returns `None`, and stores nothing, if spans were erased
    /// since `read_at`: then the spans must be read again. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. In this case, none of the scores is stored.
    pub fn store_evaluated(&self, project: u64, scores: &[Score], read_at: ErasureCount) -> Result<Option<StoredScores>, SqliteError> {
        self.database.write(|transaction| {
            let is_current = self.erasure_count() == read_at;
            is_current.then(|| store_all(transaction, project, scores)).transpose()
        })
    }

    /// Deletes the scores of some traces. Blocks the calling thread.
    pub(super) fn delete_traces(&self, project: u64, traces: impl Iterator<Item = TraceId>) -> Result<(), SqliteError> {
        self.database.write(|transaction| {
            let mut delete = transaction.prepare_cached("DELETE FROM scores WHERE project = ?1 AND trace = ?2")?;
            traces.into_iter().try_for_each(|trace| delete.execute(params![key(project), trace.to_string()]).map(drop))
        })
    }

    /// Deletes all versions of a score. `author`: only if this author made it. Returns the number of deleted rows. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn delete_score(&self, project: u64, id: &str, author: Option<&str>) -> Result<usize, SqliteError> {
        self.database.write(|transaction| {
            let delete = "DELETE FROM scores WHERE project = ?1 AND identity IN
                (SELECT identity FROM scores WHERE project = ?1 AND id = ?2 AND (?3 IS NULL OR (author = ?3 AND source = 'annotation')))";
            transaction.execute(delete, params![key(project), id, author])
        })
    }

    /// Deletes the scores of a project before a time in microseconds since the Unix epoch. Returns the number of deleted scores. Blocks the
    /// calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn delete_before(&self, project: u64, us: i64) -> Result<usize, SqliteError> {
        self.database
            .write(|transaction| transaction.execute("DELETE FROM scores WHERE project = ?1 AND at_us < ?2", params![key(project), us]))
    }
}

fn store_all(transaction: &Transaction, project: u64, scores: &[Score]) -> rusqlite::Result<StoredScores> {
    let mut stored = StoredScores::default();
    for score in scores {
        let (id, is_new) = store_score(transaction, key(project), score)?;
        stored.duplicates += usize::from(!is_new);
        stored.ids.push(id);
    }
    Ok(stored)
}

/// Returns the ID of the stored score, and whether it was not stored before.
fn store_score(transaction: &Transaction, project: i64, score: &Score) -> rusqlite::Result<(String, bool)> {
    let Some(identity) = score.identity() else {
        let id = random_id();
        insert(transaction, project, score, &id, &format!("own:{id}"), false)?;
        return Ok((id, true));
    };
    // The hash of the identity is the ID where the client sent none: a later version has the same ID.
    let id = score.id.clone().unwrap_or_else(|| identity.rsplit(':').next().unwrap_or_default().to_owned());
    if is_stored(transaction, project, score, &identity)? {
        return Ok((id, false));
    }
    let mut current =
        transaction.prepare_cached("SELECT row, at_us FROM scores WHERE project = ?1 AND identity = ?2 AND superseded = 0")?;
    let current: Option<(i64, i64)> = current.query_row(params![project, identity], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let is_older = current.is_some_and(|(_, at_us)| score.at_us < at_us);
    if let Some((row, _)) = current.filter(|_| !is_older) {
        transaction.prepare_cached("UPDATE scores SET superseded = 1 WHERE row = ?1")?.execute([row])?;
    }
    insert(transaction, project, score, &id, &identity, is_older)?;
    Ok((id, true))
}

/// Returns whether the newest version, or a version of the same time, has the same content.
fn is_stored(transaction: &Transaction, project: i64, score: &Score, identity: &str) -> rusqlite::Result<bool> {
    let target = &score.target;
    let mut stored = transaction.prepare_cached(
        "SELECT 1 FROM scores WHERE project = ?1 AND identity = ?2 AND (superseded = 0 OR at_us = ?3) AND name = ?4 AND data_type = ?5
         AND value IS ?6 AND label IS ?7 AND explanation IS ?8 AND comment IS ?9 AND metadata IS ?10
         AND (trace IS ?11 AND span IS ?12 OR ?11 IS NULL AND response IS ?15 AND ?15 IS NOT NULL) AND session IS ?13 AND experiment IS ?14",
    )?;
    stored.exists(params![
        project,
        identity,
        score.at_us,
        score.name,
        score.data_type.as_str(),
        score.value,
        score.label,
        score.explanation,
        score.comment,
        metadata(score),
        target.trace_id.map(|id| id.to_string()),
        target.span_id.map(|id| id.to_string()),
        target.session_id,
        target.experiment_id,
        // A score of a response may have found its call since.
        target.response_id,
    ])
}

fn insert(transaction: &Transaction, project: i64, score: &Score, id: &str, identity: &str, superseded: bool) -> rusqlite::Result<()> {
    let (target, evaluator) = (&score.target, score.evaluator.as_ref());
    let mut insert = transaction.prepare_cached(
        "INSERT INTO scores (project, id, identity, superseded, trace, span, session, dataset_item, experiment, response, name, data_type,
                             value, label, explanation, comment, metadata, source, author, evaluator, evaluator_version, definition, queue,
                             judge_trace, environment, probability, at_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)",
    )?;
    insert.execute(params![
        project,
        id,
        identity,
        superseded,
        target.trace_id.map(|id| id.to_string()),
        target.span_id.map(|id| id.to_string()),
        target.session_id,
        target.dataset_item_id,
        target.experiment_id,
        target.response_id,
        score.name,
        score.data_type.as_str(),
        score.value,
        score.label,
        score.explanation,
        score.comment,
        metadata(score),
        score.source.as_str(),
        score.author,
        evaluator.map(|evaluator| &evaluator.name),
        evaluator.and_then(|evaluator| evaluator.version.as_ref()),
        score.definition_id,
        score.queue_id,
        score.judge_trace_id,
        score.environment,
        score.probability,
        score.at_us,
    ])?;
    Ok(())
}

fn metadata(score: &Score) -> Option<String> {
    (!score.metadata.is_empty()).then(|| serde_json::Value::Object(score.metadata.clone()).to_string())
}

/// Returns a random ID for a score without an identity.
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}
