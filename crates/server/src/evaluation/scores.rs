//! Scores of evaluated targets, and the counts of outcomes.

use std::sync::Arc;

use hinomi_evaluation::evaluators::{EvaluationResult, EvaluationValue};
use hinomi_model::score::{Score, ScoreEvaluator, ScoreSource, ScoreTarget, ScoreValue};
use hinomi_tables::evaluators::{EvaluationTally, EvaluatorRecord};
use hinomi_tables::retained_rows::ErasureCount;
use hinomi_tables::scores::SERVER_AUTHOR;
use serde_json::{Map, Value};

use super::EvaluationService;
use super::prepared::PreparedEvaluator;
use super::targets::{EvaluatedTarget, TargetOutcome};
use crate::trace_work::{TraceWorkError, now_us};

/// Key of the metadata of a score: parts of texts that decided.
const EVIDENCE_KEY: &str = "evidence";
/// Key of the metadata of a score: true if only a part of a text was evaluated.
const PARTIAL_KEY: &str = "partial";

impl EvaluationService {
    /// Stores the scores of evaluated targets, and counts the outcomes.
    ///
    /// # Errors
    ///
    /// Returns [`TraceWorkError::Erased`] if spans were erased since `read_at`, and an error if a database cannot be written. Then nothing is
    /// counted, and the evaluation is repeated.
    pub(super) async fn store_results(
        &self,
        project: u64,
        evaluated: Vec<(Arc<PreparedEvaluator>, Vec<EvaluatedTarget>)>,
        read_at: ErasureCount,
    ) -> Result<EvaluationTally, TraceWorkError> {
        let mut tally = EvaluationTally::new();
        let mut scores = Vec::new();
        for (evaluator, targets) in evaluated {
            for target in targets {
                *tally.entry((evaluator.record.id, target.outcome.name().to_owned())).or_default() += 1;
                scores.extend(score_of(&evaluator.record, target));
            }
        }
        let (store, evaluators) = (self.scores.clone(), self.evaluators.clone());
        let write = move || -> Result<EvaluationTally, TraceWorkError> {
            if !scores.is_empty() && store.store_evaluated(project, &scores, read_at)?.is_none() {
                return Err(TraceWorkError::Erased);
            }
            evaluators.add_counts(&tally, now_us())?;
            Ok(tally)
        };
        tokio::task::spawn_blocking(write).await.map_err(|_| TraceWorkError::Stopping)?
    }
}

/// Returns the score of an evaluated target; `None` if the evaluator gave no result.
fn score_of(evaluator: &EvaluatorRecord, evaluated: EvaluatedTarget) -> Option<Score> {
    let EvaluatedTarget { target, outcome, end_us, environment } = evaluated;
    let TargetOutcome::Scored(EvaluationResult { value, explanation, evidence, is_partial }) = outcome else { return None };
    let rated = match target.trace {
        Some(trace) => ScoreTarget::trace(trace, target.span),
        None => ScoreTarget { session_id: target.session, ..ScoreTarget::default() },
    };
    let value = match value {
        EvaluationValue::Number(number) => ScoreValue::Number(number),
        EvaluationValue::Boolean(yes) => ScoreValue::Boolean(yes),
        EvaluationValue::Category(label) => ScoreValue::Category(label),
    };
    let mut metadata = Map::new();
    if !evidence.is_empty() {
        metadata.insert(EVIDENCE_KEY.to_owned(), evidence.into());
    }
    if is_partial {
        metadata.insert(PARTIAL_KEY.to_owned(), Value::Bool(true));
    }
    Some(Score {
        explanation: Some(explanation),
        metadata,
        source: ScoreSource::Evaluator,
        author: Some(SERVER_AUTHOR.to_owned()),
        evaluator: Some(ScoreEvaluator { name: evaluator.draft.name.clone(), version: Some(evaluator.version.to_string()) }),
        environment,
        probability: target.probability,
        ..Score::new(rated, evaluator.draft.name.clone(), value, end_us)
    })
}
