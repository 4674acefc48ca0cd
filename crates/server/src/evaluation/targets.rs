//! Evaluation of selected targets: reads their texts, and applies the methods of evaluators.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use hinomi_evaluation::evaluators::{Evaluation, EvaluationInput, EvaluationResult, NotApplicableReason};
use hinomi_model::id::TraceId;
use hinomi_model::span::Span;
use hinomi_query::{FullTraces, ProjectSnapshot};
use hinomi_store::rows::SpanRow;
use hinomi_tables::evaluators::EvaluatorTarget;

use super::prepared::PreparedEvaluator;
use super::selection::SelectedTarget;
use super::{EvaluationService, MAX_BATCH_TRACES};
use crate::trace_work::{MAX_TRACE_BYTES, MAX_TRACE_SPANS, TraceWorkError};

/// How far before its last trace a conversation is read, in microseconds: 30 days.
const MAX_SESSION_US: i64 = 30 * 86_400_000_000;
/// Maximum number of traces of a conversation that are evaluated: the last ones.
const MAX_SESSION_TRACES: usize = 100;

/// Outcome of the evaluation of a target.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetOutcome {
    /// The evaluator gave a result.
    Scored(EvaluationResult),
    /// The evaluator does not apply to the target.
    NotApplicable(NotApplicableReason),
    /// The target has too many spans, or too long texts.
    TooLarge,
    /// The target was deleted, or has expired.
    Gone,
}

impl TargetOutcome {
    /// Returns the name under which outcomes are counted.
    pub fn name(&self) -> &'static str {
        match self {
            TargetOutcome::Scored(_) => "scored",
            TargetOutcome::NotApplicable(reason) => reason.as_str(),
            TargetOutcome::TooLarge => "too_large",
            TargetOutcome::Gone => "gone",
        }
    }
}

/// A target with the outcome of its evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluatedTarget {
    /// The target.
    pub target: SelectedTarget,
    /// Outcome.
    pub outcome: TargetOutcome,
    /// End of the target in microseconds since the Unix epoch.
    pub end_us: i64,
    /// Environment of the program.
    pub environment: Option<String>,
}

/// Targets of an evaluator.
pub(super) type EvaluatorWork = (Arc<PreparedEvaluator>, Vec<SelectedTarget>);

impl EvaluationService {
    /// Evaluates targets of several evaluators. Each list of targets becomes a list of outcomes, in any order.
    ///
    /// # Errors
    ///
    /// Returns an error if a query fails, or the server is stopping.
    pub async fn evaluate(
        &self,
        snapshot: &ProjectSnapshot,
        work: Vec<(Arc<PreparedEvaluator>, Vec<SelectedTarget>)>,
    ) -> Result<Vec<(Arc<PreparedEvaluator>, Vec<EvaluatedTarget>)>, TraceWorkError> {
        let (of_sessions, of_traces): (Vec<_>, Vec<_>) =
            work.into_iter().partition(|(evaluator, _)| evaluator.record.draft.target == EvaluatorTarget::Session);
        let mut evaluated: Vec<(Arc<PreparedEvaluator>, Vec<EvaluatedTarget>)> = Vec::new();
        let ids: BTreeSet<TraceId> = of_traces.iter().flat_map(|(_, targets)| targets.iter().filter_map(|target| target.trace)).collect();
        let ids: Vec<TraceId> = ids.into_iter().collect();
        for batch in ids.chunks(MAX_BATCH_TRACES) {
            let full = snapshot.full_traces(batch, MAX_TRACE_SPANS, MAX_TRACE_BYTES).await?;
            let of_batch = |targets: &[SelectedTarget]| {
                let in_batch = |target: &&SelectedTarget| target.trace.is_some_and(|trace| batch.binary_search(&trace).is_ok());
                targets.iter().filter(in_batch).cloned().collect::<Vec<_>>()
            };
            let work: Vec<EvaluatorWork> = of_traces.iter().map(|(evaluator, targets)| (evaluator.clone(), of_batch(targets))).collect();
            let evaluate = move || -> Vec<_> {
                let evaluate = |(evaluator, targets): EvaluatorWork| {
                    let evaluated = targets.into_iter().map(|target| evaluate_in_trace(&evaluator, target, &full)).collect();
                    (evaluator, evaluated)
                };
                work.into_iter().map(evaluate).collect()
            };
            evaluated.extend(tokio::task::spawn_blocking(evaluate).await.map_err(|_| TraceWorkError::Stopping)?);
        }
        evaluated.extend(self.evaluate_sessions(snapshot, of_sessions).await?);
        Ok(evaluated)
    }

    /// Evaluates conversations, one at a time.
    async fn evaluate_sessions(
        &self,
        snapshot: &ProjectSnapshot,
        work: Vec<EvaluatorWork>,
    ) -> Result<Vec<(Arc<PreparedEvaluator>, Vec<EvaluatedTarget>)>, TraceWorkError> {
        let mut by_session: HashMap<String, Vec<(Arc<PreparedEvaluator>, SelectedTarget)>> = HashMap::new();
        for (evaluator, targets) in work {
            for target in targets {
                let Some(session) = target.session.clone() else { continue };
                by_session.entry(session).or_default().push((evaluator.clone(), target));
            }
        }
        let sessions: Vec<&str> = by_session.keys().map(String::as_str).collect();
        let starts = || by_session.values().flatten().map(|(_, target)| target.start_us);
        let from_us = starts().min().unwrap_or_default().saturating_sub(MAX_SESSION_US);
        let mut traces =
            if sessions.is_empty() { HashMap::new() } else { snapshot.traces_of_sessions(&sessions, (from_us, i64::MAX)).await? };
        let mut evaluated = Vec::new();
        for (session, work) in by_session {
            let mut ids: Vec<TraceId> = traces.remove(&session).unwrap_or_default().into_iter().map(|(trace, _)| trace).collect();
            ids.drain(..ids.len().saturating_sub(MAX_SESSION_TRACES));
            let full = snapshot.full_traces(&ids, MAX_TRACE_SPANS, MAX_TRACE_BYTES).await?;
            let evaluate = move || {
                let of_target = |(evaluator, target): (Arc<PreparedEvaluator>, SelectedTarget)| {
                    let evaluated = evaluate_session(&evaluator, target, &ids, &full);
                    (evaluator, vec![evaluated])
                };
                work.into_iter().map(of_target).collect::<Vec<_>>()
            };
            evaluated.extend(tokio::task::spawn_blocking(evaluate).await.map_err(|_| TraceWorkError::Stopping)?);
        }
        Ok(evaluated)
    }
}

fn evaluate_in_trace(evaluator: &PreparedEvaluator, target: SelectedTarget, full: &FullTraces) -> EvaluatedTarget {
    let without_rows = |target: SelectedTarget, outcome| {
        let end_us = target.start_us;
        EvaluatedTarget { target, outcome, end_us, environment: None }
    };
    let Some(trace) = target.trace else { return without_rows(target, TargetOutcome::Gone) };
    if full.too_large.contains(&trace) {
        return without_rows(target, TargetOutcome::TooLarge);
    }
    let Some(rows) = full.spans.get(&trace) else { return without_rows(target, TargetOutcome::Gone) };
    let spans = spans_by_start(rows);
    match target.span {
        None => {
            let outcome = outcome_of(evaluator.method.evaluate(&EvaluationInput::Trace(&spans)));
            EvaluatedTarget { target, outcome, end_us: end_of(&spans), environment: environment_of(&spans) }
        }
        Some(id) => {
            let Some(span) = spans.iter().find(|span| span.span_id == id) else { return without_rows(target, TargetOutcome::Gone) };
            let outcome = outcome_of(evaluator.method.evaluate(&EvaluationInput::Span(span)));
            EvaluatedTarget { target, outcome, end_us: span.end_us, environment: span.environment.clone() }
        }
    }
}

fn evaluate_session(evaluator: &PreparedEvaluator, target: SelectedTarget, ids: &[TraceId], full: &FullTraces) -> EvaluatedTarget {
    let traces: Vec<Vec<&Span>> = ids.iter().filter_map(|trace| full.spans.get(trace)).map(|rows| spans_by_start(rows)).collect();
    let all = || traces.iter().flatten().copied().collect::<Vec<&Span>>();
    let (end_us, environment) = (end_of(&all()).max(target.start_us), environment_of(&all()));
    let outcome = match traces.is_empty() {
        true if full.too_large.is_empty() => TargetOutcome::Gone,
        true => TargetOutcome::TooLarge,
        false => outcome_of(evaluator.method.evaluate(&EvaluationInput::Session(&traces))),
    };
    EvaluatedTarget { target, outcome, end_us, environment }
}

fn outcome_of(evaluation: Evaluation) -> TargetOutcome {
    match evaluation {
        Evaluation::Scored(result) => TargetOutcome::Scored(result),
        Evaluation::NotApplicable(reason) => TargetOutcome::NotApplicable(reason),
    }
}

fn spans_by_start(rows: &[SpanRow]) -> Vec<&Span> {
    let mut spans: Vec<&Span> = rows.iter().map(|row| &row.span).collect();
    spans.sort_by_key(|span| (span.start_us, span.span_id));
    spans
}

fn end_of(spans: &[&Span]) -> i64 {
    spans.iter().map(|span| span.end_us).max().unwrap_or_default()
}

fn environment_of(spans: &[&Span]) -> Option<String> {
    spans.iter().find_map(|span| span.environment.clone())
}
