//! How often evaluators ran, by day and outcome.

use std::collections::BTreeMap;

use rusqlite::params;

use super::EvaluatorStore;
use crate::database::SqliteError;

/// A day in microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Outcomes of evaluations to add, by evaluator and name of the outcome.
pub type EvaluationTally = BTreeMap<(i64, String), u64>;

/// Numbers of evaluations of an evaluator by outcome.
pub type EvaluationCounts = BTreeMap<String, u64>;

impl EvaluatorStore {
    /// Adds outcomes of evaluations of a day. Outcomes of deleted evaluators are ignored. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn add_counts(&self, tally: &EvaluationTally, now_us: i64) -> Result<(), SqliteError> {
        if tally.is_empty() {
            return Ok(());
        }
        self.database.write(|transaction| {
            let mut add = transaction.prepare_cached(
                "INSERT INTO evaluation_counts SELECT id, ?2, ?3, ?4 FROM evaluators WHERE id = ?1
                 ON CONFLICT (evaluator, day, outcome) DO UPDATE SET count = count + ?4",
            )?;
            for ((evaluator, outcome), count) in tally {
                add.execute(params![evaluator, now_us.div_euclid(DAY_US), outcome, *count as i64])?;
            }
            Ok(())
        })
    }

    /// Returns how often each evaluator of a project ran since a time, by outcome. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn counts_since(&self, project: u64, since_us: i64) -> Result<BTreeMap<i64, EvaluationCounts>, SqliteError> {
        self.database.read(|transaction| {
            let mut select = transaction.prepare_cached(
                "SELECT evaluator, outcome, sum(count) FROM evaluation_counts JOIN evaluators ON evaluators.id = evaluator
                 WHERE project = ?1 AND day >= ?2 GROUP BY evaluator, outcome",
            )?;
            let mut found: BTreeMap<i64, EvaluationCounts> = BTreeMap::new();
            let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            for row in select.query_map(params![super::key(project), since_us.div_euclid(DAY_US)], row)? {
                let (evaluator, outcome, count): (i64, String, u64) = row?;
                found.entry(evaluator).or_default().insert(outcome, count);
            }
            Ok(found)
        })
    }
}
