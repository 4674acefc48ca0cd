//! Evaluators of projects, how often each of them ran, and how far the evaluation has come.
//!
//! This module stores the type and the configuration of an evaluator without reading them: the server checks them before it stores them.
//! The scores that evaluators give are stored with all other scores.

mod counts;
mod records;
mod retention;
mod schema;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::database::{PooledDatabase, SqliteError};

pub use counts::{EvaluationCounts, EvaluationTally};
pub use records::{
    EvaluatorChange, EvaluatorDraft, EvaluatorRecord, EvaluatorSampling, EvaluatorTarget, MAX_EVALUATORS, SamplingRuleDraft,
};
pub use schema::FORMAT;

/// File name of the database.
const DATABASE: &str = "evaluators.db";

/// The evaluators of all projects.
#[derive(Debug)]
pub struct EvaluatorStore {
    database: PooledDatabase,
    /// Whether an evaluator of any project is enabled.
    has_enabled: Arc<AtomicBool>,
}

impl EvaluatorStore {
    /// Opens the evaluators in a data directory: `evaluators.db`.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<EvaluatorStore, SqliteError> {
        let database = PooledDatabase::open_pool(dir.join(DATABASE), schema::MIGRATIONS)?;
        let has_enabled = AtomicBool::new(database.read(records::has_enabled)?);
        Ok(EvaluatorStore { database, has_enabled: Arc::new(has_enabled) })
    }
}

/// Returns a project ID as SQLite stores it.
fn key(project: u64) -> i64 {
    i64::try_from(project).unwrap_or(i64::MAX)
}
