//! Evaluators are deleted with their project. They contain no names of traces and users.

use super::{DATABASE, EvaluatorStore};
use crate::retained_rows::{RetainedRows, RowSelection, TableRetention};

const OF_PROJECT: [RowSelection; 2] = [
    RowSelection::new("evaluation_counts", "evaluator IN (SELECT id FROM evaluators WHERE project = ?1)"),
    RowSelection::new("evaluators", "project = ?1"),
];

static RULES: TableRetention = TableRetention::new(DATABASE, &OF_PROJECT);

impl RetainedRows for EvaluatorStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }
}
