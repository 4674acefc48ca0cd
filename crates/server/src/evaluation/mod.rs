//! Evaluation of answers without a model: in the background, of stored data on request (backfill), and as a preview.
//!
//! An evaluator selects its targets by a filter and by sampling ([`selection`]), evaluates them ([`targets`]), and gives scores ([`scores`]).
//! The background work, the backfill and the preview use the same functions, so all of them select the same targets.

mod backfill;
mod definition;
mod prepared;
mod scores;
mod selection;
mod targets;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hinomi_evaluation::evaluators::CompiledEvaluator;
use hinomi_query::{ProjectSnapshot, QueryEngine};
use hinomi_store::Store;
use hinomi_tables::evaluators::EvaluatorStore;
use hinomi_tables::findings::FindingStore;
use hinomi_tables::scores::ScoreStore;

use crate::filter_targets::FilterTargetError;
use crate::trace_work::TraceWorkError;

pub use backfill::{EvaluationBackfillJob, EvaluationBackfillProgress, EvaluationBackfillTask};
pub use definition::score_definition;
pub use prepared::{EvaluatorDraftError, PreparedEvaluator, check_draft};
pub use selection::{CandidateScope, SelectedTarget, TargetSelection, select_targets};
pub use targets::{EvaluatedTarget, TargetOutcome};
pub use worker::EvaluationWork;

/// Maximum number of traces whose texts are in memory at a time.
const MAX_BATCH_TRACES: usize = 200;

/// Databases that the evaluation reads and writes.
#[derive(Debug)]
pub struct EvaluationService {
    /// Spans.
    pub store: Arc<Store>,
    /// Engine that queries run on.
    pub engine: QueryEngine,
    /// Scores.
    pub scores: Arc<ScoreStore>,
    /// Findings, for filters by findings.
    pub findings: Arc<FindingStore>,
    /// Evaluators.
    pub evaluators: Arc<EvaluatorStore>,
    /// Compiled evaluators by ID and version.
    compiled: Mutex<HashMap<(i64, u64), Arc<CompiledEvaluator>>>,
}

impl EvaluationService {
    /// Creates the service.
    pub fn new(
        (store, engine): (Arc<Store>, QueryEngine),
        scores: Arc<ScoreStore>,
        findings: Arc<FindingStore>,
        evaluators: Arc<EvaluatorStore>,
    ) -> EvaluationService {
        EvaluationService { store, engine, scores, findings, evaluators, compiled: Mutex::default() }
    }

    /// Returns the current spans of a project.
    pub fn snapshot(&self, project: u64) -> ProjectSnapshot {
        self.engine.project(self.store.snapshot(), project)
    }
}

impl From<FilterTargetError> for TraceWorkError {
    fn from(error: FilterTargetError) -> TraceWorkError {
        match error {
            FilterTargetError::Query(error) => TraceWorkError::Query(error),
            FilterTargetError::Database(error) => TraceWorkError::Database(error),
            FilterTargetError::TooMany => TraceWorkError::Filter(error),
        }
    }
}
