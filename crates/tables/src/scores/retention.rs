//! Expiry and erasure of scores.

use std::sync::Arc;

use super::{DATABASE, ScoreStore};
use crate::database::SqliteError;
use crate::retained_rows::{
    ErasedRowKind, ErasureSubject, ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, TableRetention, blocking_expiry, delete_expired,
};

const OF_PROJECT: [RowSelection; 2] = [scores("project = ?1"), RowSelection::new("definitions", "project = ?1")];
const OF_NAMES: [RowSelection; 1] = [scores(
    "project = ?1 AND (trace IN (SELECT text FROM temp.traces) OR author IN (SELECT id FROM temp.people) AND source = 'user_feedback')",
)];
const EXPIRED: [RowSelection; 1] =
    [scores("project = ?1 AND at_us < ?2 AND (trace IS NULL OR trace NOT IN (SELECT text FROM temp.traces))")];

const fn scores(condition: &'static str) -> RowSelection {
    RowSelection::new("scores", condition).counted_as(ErasedRowKind::Score)
}

static RULES: TableRetention = TableRetention {
    of_names: &OF_NAMES,
    // The author is `SERVER_AUTHOR`.
    notable_traces: Some(
        "SELECT DISTINCT trace FROM scores WHERE project = ?1 AND trace IS NOT NULL AND NOT (source = 'evaluator' AND author IS 'hinomi')",
    ),
    ..TableRetention::new(DATABASE, &OF_PROJECT)
};

impl RetainedRows for ScoreStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    fn expire(self: Arc<Self>, project: u64, cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        blocking_expiry(DATABASE, move || {
            let before_us = cutoffs.notable_trace_cutoff_us;
            if cutoffs.pinned.is_empty() {
                return Ok(self.delete_before(project, before_us)? as u64);
            }
            Ok(delete_expired(self.database.path(), &EXPIRED, project, before_us, &cutoffs.pinned)?.total())
        })
    }

    fn forget(&self, subject: &ErasureSubject) -> Result<bool, SqliteError> {
        self.erasures.increment();
        if let Some(names) = &subject.names {
            // Scores of evaluators that were stored after the rows of these traces were erased.
            self.delete_traces(subject.project, names.traces.iter().copied())?;
        }
        Ok(true)
    }
}
