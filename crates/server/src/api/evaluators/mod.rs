//! Evaluators of a project.

pub(super) mod backfill;
pub(super) mod preview;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use hinomi_model::api_time::rfc3339;
use hinomi_tables::database::SqliteError;
use hinomi_tables::evaluators::{EvaluatorChange, EvaluatorDraft, EvaluatorRecord, EvaluatorSampling, EvaluatorStore, EvaluatorTarget};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::audit_trail::{AuditDetails, audit_details};
use super::auth::AuthorizedProject;
use super::permission::{Admin, Viewer};
use super::visibility::MessageVisibility;
use super::{ApiError, ApiState, error};
use crate::evaluation::{EvaluatorDraftError, check_draft, score_definition};

/// Number of days whose evaluations are counted, including the current day (UTC).
const COUNTED_DAYS: i64 = 7;
/// A day in microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Evaluators of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EvaluatorList {
    /// Evaluators by name.
    evaluators: Vec<EvaluatorView>,
    /// Time in seconds without new spans after which a trace and its calls are evaluated.
    quiet_trace_s: u64,
    /// Time in seconds without a new trace after which a conversation is evaluated.
    quiet_session_s: u64,
}

/// An evaluator.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Evaluator)]
pub(super) struct EvaluatorView {
    /// ID of the evaluator.
    id: i64,
    /// Name of the evaluator and of its scores.
    name: String,
    /// Version: increases when type, configuration or target change.
    version: u64,
    /// Type of the evaluator, such as `contains`.
    #[serde(rename = "type")]
    evaluator_type: String,
    /// Configuration of the type.
    #[schema(value_type = BTreeMap<String, Value>)]
    config: Value,
    /// What is evaluated.
    target: EvaluatorTarget,
    /// Filter in the filter language. Empty for all targets.
    q: String,
    /// Which fraction of the targets is evaluated.
    sampling: EvaluatorSampling,
    /// Seed of the sampling. Evaluators with the same seed and rate select the same conversations.
    seed: u64,
    /// Maximum cost of a day in US dollars; null for no limit. Evaluators without a model cost nothing.
    #[schema(required)]
    daily_budget: Option<f64>,
    /// False if the evaluator does not run.
    enabled: bool,
    /// Number of evaluations of the last seven days (UTC) by outcome: `scored`, `too_large`, `gone`, or the reason why the evaluator did not
    /// apply.
    outcomes: BTreeMap<String, u64>,
    /// Time of creation (RFC 3339).
    created_at: String,
    /// Time of the last change (RFC 3339).
    updated_at: String,
}

fn view(record: EvaluatorRecord, outcomes: BTreeMap<String, u64>) -> EvaluatorView {
    let EvaluatorRecord { id, project, version, draft, created_us, updated_us } = record;
    let EvaluatorDraft { name, evaluator_type, config, target, q, sampling, seed, daily_budget, enabled } = draft;
    EvaluatorView {
        id,
        name,
        version,
        evaluator_type,
        config,
        target,
        q,
        sampling,
        seed: seed.unwrap_or(project),
        daily_budget,
        enabled,
        outcomes,
        created_at: rfc3339(created_us),
        updated_at: rfc3339(updated_us),
    }
}

/// Lists the evaluators of a project.
#[utoipa::path(get, path = "/projects/{project}/evaluators", tag = "evaluators", params(("project" = u64, Path, description = "ID of the project.")),
    responses((status = 200, body = EvaluatorList)))]
pub(super) async fn list(State(api): State<Arc<ApiState>>, authorized: AuthorizedProject<Viewer>) -> Result<Json<EvaluatorList>, ApiError> {
    let read =
        move |store: &EvaluatorStore| Ok((store.evaluators(authorized.project)?, store.counts_since(authorized.project, since_us())?));
    let (records, mut outcomes) = run_on_evaluators(&api, read).await?;
    let evaluators = records.into_iter().map(|record| {
        let outcomes = outcomes.remove(&record.id).unwrap_or_default();
        view(record, outcomes)
    });
    let (quiet_trace_s, quiet_session_s) = (api.quiet_times.trace_s, api.quiet_times.session_s);
    Ok(Json(EvaluatorList { evaluators: evaluators.collect(), quiet_trace_s, quiet_session_s }))
}

/// Returns an evaluator.
#[utoipa::path(get, path = "/projects/{project}/evaluators/{evaluator}", tag = "evaluators", params(("project" = u64, Path, description = "ID of the project."), ("evaluator" = i64, Path, description = "ID of the evaluator.")),
    responses((status = 200, body = EvaluatorView), (status = 404, body = error::ErrorResponse)))]
pub(super) async fn get(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, evaluator)): Path<(String, String)>,
) -> Result<Json<EvaluatorView>, ApiError> {
    Ok(Json(stored_view(&api, authorized.project, evaluator_id(&evaluator)?).await?))
}

/// Creates an evaluator. It evaluates the data that arrives from now on.
///
/// If the project has no score definition with the name of the evaluator, one is created: with the range of the values, which end is good, and
/// from which value a score is bad.
#[utoipa::path(post, path = "/projects/{project}/evaluators", tag = "evaluators", params(("project" = u64, Path, description = "ID of the project.")), request_body = EvaluatorDraft,
    responses((status = 201, body = EvaluatorView), (status = 400, body = error::ErrorResponse), (status = 409, body = error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Result<Json<EvaluatorDraft>, JsonRejection>,
) -> Result<(StatusCode, Extension<AuditDetails>, Json<EvaluatorView>), ApiError> {
    check_visibility(authorized.messages)?;
    let Json(draft) = body?;
    let (details, stored) = store(&api, authorized.project, None, draft).await?;
    Ok((StatusCode::CREATED, details, stored))
}

/// Replaces an evaluator. If its type, configuration or target change, its version increases. Its scores stay.
#[utoipa::path(put, path = "/projects/{project}/evaluators/{evaluator}", tag = "evaluators", params(("project" = u64, Path, description = "ID of the project."), ("evaluator" = i64, Path, description = "ID of the evaluator.")), request_body = EvaluatorDraft,
    responses((status = 200, body = EvaluatorView), (status = 400, body = error::ErrorResponse), (status = 404, body = error::ErrorResponse), (status = 409, body = error::ErrorResponse)))]
pub(super) async fn replace(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, evaluator)): Path<(String, String)>,
    body: Result<Json<EvaluatorDraft>, JsonRejection>,
) -> Result<(Extension<AuditDetails>, Json<EvaluatorView>), ApiError> {
    check_visibility(authorized.messages)?;
    let Json(draft) = body?;
    store(&api, authorized.project, Some(evaluator_id(&evaluator)?), draft).await
}

/// Deletes an evaluator. Its scores stay.
#[utoipa::path(delete, path = "/projects/{project}/evaluators/{evaluator}", tag = "evaluators", params(("project" = u64, Path, description = "ID of the project."), ("evaluator" = i64, Path, description = "ID of the evaluator.")),
    responses((status = 204, description = "The evaluator was deleted."), (status = 404, body = error::ErrorResponse)))]
pub(super) async fn delete(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, evaluator)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = evaluator_id(&evaluator)?;
    let is_deleted = run_on_evaluators(&api, move |store| store.delete_evaluator(authorized.project, id)).await?;
    if is_deleted { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found("evaluator")) }
}

async fn store(
    api: &ApiState,
    project: u64,
    id: Option<i64>,
    draft: EvaluatorDraft,
) -> Result<(Extension<AuditDetails>, Json<EvaluatorView>), ApiError> {
    let draft = EvaluatorDraft { name: draft.name.trim().to_owned(), ..draft };
    let method = check_draft(&draft)?;
    let definition = score_definition(&draft, &method);
    let now_us = jiff::Timestamp::now().as_microsecond();
    let change = run_on_evaluators(api, move |store| store.store_evaluator(project, id, &draft, now_us)).await?;
    match change {
        EvaluatorChange::Stored(record) => {
            // Fails if the project has a definition with this name, which then stays.
            super::scores::run_on_scores(api, move |scores| scores.store_definition(project, None, &definition)).await?;
            let details = audit_details([("evaluator", record.id.into()), ("name", record.draft.name.clone().into())]);
            Ok((details, Json(stored_view(api, project, record.id).await?)))
        }
        EvaluatorChange::NameTaken => Err(ApiError::conflict("name_taken", "another evaluator of the project has this name")),
        EvaluatorChange::TooMany => Err(ApiError::conflict("too_many_evaluators", "the project already has 100 evaluators")),
        EvaluatorChange::NotFound => Err(ApiError::not_found("evaluator")),
    }
}

async fn stored_view(api: &ApiState, project: u64, id: i64) -> Result<EvaluatorView, ApiError> {
    let read = move |store: &EvaluatorStore| Ok((store.evaluator(project, id)?, store.counts_since(project, since_us())?));
    let (record, mut outcomes) = run_on_evaluators(api, read).await?;
    let record = record.ok_or_else(|| ApiError::not_found("evaluator"))?;
    Ok(view(record, outcomes.remove(&id).unwrap_or_default()))
}

/// Rejects callers from whom messages are hidden: the results of an evaluator tell what a text contains.
fn check_visibility(messages: MessageVisibility) -> Result<(), ApiError> {
    if messages.is_hidden() { Err(ApiError::messages_hidden()) } else { Ok(()) }
}

fn since_us() -> i64 {
    jiff::Timestamp::now().as_microsecond() - (COUNTED_DAYS - 1) * DAY_US
}

fn evaluator_id(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("evaluator"))
}

/// Runs work on the evaluators on a thread for blocking work.
async fn run_on_evaluators<T: Send + 'static>(
    api: &ApiState,
    work: impl FnOnce(&EvaluatorStore) -> Result<T, SqliteError> + Send + 'static,
) -> Result<T, ApiError> {
    let store = api.evaluation.evaluators.clone();
    tokio::task::spawn_blocking(move || work(&store)).await?.map_err(ApiError::internal)
}

impl From<EvaluatorDraftError> for ApiError {
    fn from(error: EvaluatorDraftError) -> ApiError {
        let hint = match &error {
            EvaluatorDraftError::Filter { error, .. } => Some(error.hint()),
            _ => None,
        };
        let refused = ApiError::bad_request("invalid_value", error.to_string());
        match hint {
            Some(hint) => refused.hint(hint),
            None => refused,
        }
    }
}
