//! Preview of an evaluator on stored data.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use hinomi_evaluation::evaluators::{EvaluationResult, EvaluationValue};
use hinomi_model::score::ScoreDataType;
use hinomi_tables::evaluators::{EvaluatorDraft, EvaluatorRecord};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::auth::AuthorizedProject;
use super::super::params::QueryParameters;
use super::super::permission::Member;
use super::super::{ApiError, ApiState, error};
use super::check_visibility;
use crate::evaluation::{CandidateScope, EvaluatedTarget, SelectedTarget, TargetOutcome, check_draft, select_targets};
use crate::query_parameters::TimeRangeParameters;
use crate::trace_work::TraceWorkError;

/// Maximum number of targets in a response. All of them are counted.
const MAX_TARGETS: usize = 10_000;
/// Number of targets that a preview evaluates: the newest ones.
const EVALUATED_TARGETS: usize = 20;

/// What an evaluator would evaluate.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct EvaluatorPreview {
    /// Selected targets, the newest first; at most 10,000.
    targets: Vec<EvaluatorPreviewTarget>,
    /// Number of all selected targets.
    selected: u64,
    /// Number of targets that the filter matches.
    of: u64,
    /// Expected cost in US dollars. Evaluators without a model cost nothing.
    cost: f64,
    /// Results for the newest selected targets; at most 20.
    results: Vec<EvaluatorPreviewResult>,
}

/// A selected target.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct EvaluatorPreviewTarget {
    /// ID of the trace; null for a conversation.
    #[schema(required)]
    trace_id: Option<String>,
    /// ID of the span; null for a trace or a conversation.
    #[schema(required)]
    span_id: Option<String>,
    /// ID of the conversation; null if the target has none.
    #[schema(required)]
    session_id: Option<String>,
}

/// Result for a target.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct EvaluatorPreviewResult {
    /// The target.
    target: EvaluatorPreviewTarget,
    /// `scored`, `too_large`, `gone`, or the reason why the evaluator does not apply.
    outcome: String,
    /// Type of the value; null without a score.
    #[schema(required)]
    data_type: Option<ScoreDataType>,
    /// Number, or 1 and 0 for yes and no; null without a score, and for a category.
    #[schema(required)]
    value: Option<f64>,
    /// Category; null if there is none.
    #[schema(required)]
    label: Option<String>,
    /// What was compared, and what decided; null without a score.
    #[schema(required)]
    explanation: Option<String>,
    /// Parts of texts that decided.
    evidence: Vec<String>,
}

fn target_view(target: SelectedTarget) -> EvaluatorPreviewTarget {
    EvaluatorPreviewTarget {
        trace_id: target.trace.map(|id| id.to_string()),
        span_id: target.span.map(|id| id.to_string()),
        session_id: target.session,
    }
}

fn result_view(evaluated: EvaluatedTarget) -> EvaluatorPreviewResult {
    let (target, outcome) = (target_view(evaluated.target), evaluated.outcome.name().to_owned());
    let TargetOutcome::Scored(EvaluationResult { value, explanation, evidence, .. }) = evaluated.outcome else {
        return EvaluatorPreviewResult {
            target,
            outcome,
            data_type: None,
            value: None,
            label: None,
            explanation: None,
            evidence: Vec::new(),
        };
    };
    let (data_type, value, label) = match value {
        EvaluationValue::Number(number) => (ScoreDataType::Numeric, Some(number), None),
        EvaluationValue::Boolean(yes) => (ScoreDataType::Boolean, Some(f64::from(u8::from(yes))), None),
        EvaluationValue::Category(label) => (ScoreDataType::Categorical, None, Some(label)),
    };
    EvaluatorPreviewResult { target, outcome, data_type: Some(data_type), value, label, explanation: Some(explanation), evidence }
}

/// Returns which stored targets an evaluator would evaluate, what that would cost, and its results for the newest targets. Nothing is stored.
#[utoipa::path(post, path = "/projects/{project}/evaluators/preview", tag = "evaluators", params(("project" = u64, Path, description = "ID of the project."), TimeRangeParameters), request_body = EvaluatorDraft,
    responses((status = 200, body = EvaluatorPreview), (status = 400, body = error::ErrorResponse)))]
pub(in crate::api) async fn preview(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    QueryParameters(range): QueryParameters<TimeRangeParameters>,
    body: Result<Json<EvaluatorDraft>, JsonRejection>,
) -> Result<Json<EvaluatorPreview>, ApiError> {
    check_visibility(authorized.messages)?;
    let Json(draft) = body?;
    let (from_us, to_us) = range.range()?;
    check_draft(&draft)?;
    let record = EvaluatorRecord { id: 0, project: authorized.project, version: 0, draft, created_us: 0, updated_us: 0 };
    let evaluator = Arc::new(api.evaluation.prepare_one(record).await?);
    let snapshot = api.snapshot(authorized.project);
    let selection = select_targets(&snapshot, &evaluator, CandidateScope::Range(from_us, to_us)).await?;
    let newest = || selection.targets.iter().rev().cloned();
    let first: Vec<SelectedTarget> = newest().take(EVALUATED_TARGETS).collect();
    let evaluated = api.evaluation.evaluate(&snapshot, vec![(evaluator, first.clone())]).await?;
    let mut results: Vec<EvaluatedTarget> = evaluated.into_iter().flat_map(|(_, targets)| targets).collect();
    results.sort_by_key(|result| first.iter().position(|target| *target == result.target));
    Ok(Json(EvaluatorPreview {
        selected: selection.targets.len() as u64,
        of: selection.of,
        cost: 0.0,
        targets: newest().take(MAX_TARGETS).map(target_view).collect(),
        results: results.into_iter().map(result_view).collect(),
    }))
}

impl From<TraceWorkError> for ApiError {
    fn from(error: TraceWorkError) -> ApiError {
        match error {
            TraceWorkError::Query(error) => error.into(),
            TraceWorkError::Filter(error) => error.into(),
            TraceWorkError::Evaluator(reason) => ApiError::bad_request("invalid_value", reason),
            error @ (TraceWorkError::Database(_) | TraceWorkError::Erased | TraceWorkError::Stopping) => ApiError::internal(error),
        }
    }
}
