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

use std::path::Path;

use crate::database::{PooledDatabase, SqliteError};
use crate::retained_rows::ErasureCounter;

pub use definitions::{DefinitionChange, DefinitionError, ScoreCategory, ScoreDefinition, ScoreDefinitionDraft, ScoreDirection};
pub use figures::{NamedScoreFigures, ScoreBucket, ScoreFigures, ScoreLabelCount};
pub use list::{ScoreListQuery, ScorePage};
pub use schema::FORMAT;
pub use targets::{MAX_SCORE_TARGETS, ScoredTargets, WaitingScore};
pub use write::{StoredScores, random_id};

/// File name of the database.
const DATABASE: &str = "scores.db";

/// Author of the scores that the server's own evaluators give. They do not make a trace notable, since they can rate every trace.
pub const SERVER_AUTHOR: &str = "hinomi";

/// Maximum number of scores of one trace in a response.
pub const MAX_SCORES_PER_TRACE: usize = 500;
/// Maximum total size of their texts in bytes.
const MAX_BYTES_PER_TRACE: usize = 1 << 20;

/// The scores of all projects.
#[derive(Debug)]
pub struct ScoreStore {
    database: PooledDatabase,
    /// Number of erasures. Scores of spans that were read before an erasure are not stored after it.
    erasures: ErasureCounter,
}

impl ScoreStore {
    /// Opens the scores in a data directory: `scores.db`.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<ScoreStore, SqliteError> {
        Ok(ScoreStore { database: PooledDatabase::open_pool(dir.join(DATABASE), schema::MIGRATIONS)?, erasures: ErasureCounter::default() })
    }
}

/// Returns a project ID as SQLite stores it.
fn key(project: u64) -> i64 {
    i64::try_from(project).unwrap_or(i64::MAX)
}
