//! Scores from programs and people.

pub(super) mod definitions;
pub(super) mod feedback;
pub(super) mod summary;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hinomi_model::langfuse;
use hinomi_model::score::{Score, ScoreRecord, ScoreSource};
use hinomi_tables::database::SqliteError;
use hinomi_tables::metadata::AccountRole;
use hinomi_tables::scores::{ScorePage, ScoreStore};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::{ApiCaller, AuthorizedProject, TelemetryWriter};
use super::params::QueryParameters;
use super::permission::{Member, Viewer};
use super::{ApiError, ApiState};
use crate::query_parameters::ScoreListParameters;

/// Maximum number of scores in a request.
const MAX_SCORES: usize = 10_000;

/// Start of the author of a score that an account made; its ID follows. Clients cannot send such an author.
const ACCOUNT_AUTHOR: &str = "account:";

/// Stored scores.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScoreIdList {
    /// IDs of the scores, in the order in which they were sent.
    ids: Vec<String>,
}

/// Stores a score or a list of scores.
///
/// A score is an object with `name`, a target (`trace_id`, with `span_id` for one span; `session_id`, `dataset_item_id` or `experiment_id`)
/// and `value`: a number, a boolean, or a string for a category. A score with `data_type` `text` has its text in `comment`. All other
/// fields of the response of `GET` are optional. A score supersedes the earlier score with the same `id`. With `source` `annotation`, the
/// signed-in account is the author, and the score supersedes the author's earlier score with the same name and target. Requires the role of
/// a member, or an ingest key of the project sent in the same way as for OTLP.
#[utoipa::path(post, path = "/projects/{project}/scores", tag = "scores", params(("project" = u64, Path, description = "ID of the project.")),
    request_body = Value, extensions(("x-ingest-key" = json!(true))),
    responses((status = 201, body = ScoreIdList), (status = 400, body = super::error::ErrorResponse), (status = 403, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    writer: TelemetryWriter,
    body: Bytes,
) -> Result<(StatusCode, Json<ScoreIdList>), ApiError> {
    let said: Value = serde_json::from_slice(&body).map_err(|error| ApiError::bad_request("bad_json", error.to_string()))?;
    if said.as_array().is_some_and(|scores| scores.len() > MAX_SCORES) {
        return Err(ApiError::bad_request("too_many", format!("a request may have at most {MAX_SCORES} scores")));
    }
    let mut scores = langfuse::scores(&said, jiff::Timestamp::now().as_microsecond(), ScoreSource::Api)
        .map_err(|reason| ApiError::bad_request("bad_score", format!("invalid score: {reason}")))?;
    writer.count_request(&api, scores.len(), body.len());
    scores.iter_mut().for_each(|score| set_author(score, writer.account()));
    let ids = run_on_scores(&api, move |store| store.store_scores(writer.project, &scores)).await?.ids;
    Ok((StatusCode::CREATED, Json(ScoreIdList { ids })))
}

/// Sets the author of a score: the account of an annotation, else what the client sent unless it looks like an account.
fn set_author(score: &mut Score, account: Option<i64>) {
    if score.source == ScoreSource::Annotation
        && let Some(account) = account
    {
        score.author = Some(format!("{ACCOUNT_AUTHOR}{account}"));
    } else {
        score.author = score.author.take().filter(|author| !author.starts_with(ACCOUNT_AUTHOR));
    }
}

/// Lists scores, the newest first.
#[utoipa::path(get, path = "/projects/{project}/scores", tag = "scores", params(("project" = u64, Path, description = "ID of the project."), ScoreListParameters),
    responses((status = 200, body = ScorePage), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(which): QueryParameters<ScoreListParameters>,
) -> Result<Json<ScorePage>, ApiError> {
    let query = which.query()?;
    let mut page = run_on_scores(&api, move |store| store.list_scores(authorized.project, &query)).await?;
    name_authors(&api, &mut page.scores);
    Ok(Json(page))
}

/// Deletes a score with its earlier versions.
///
/// A member can delete scores that the own account made by hand. An admin can delete all scores.
#[utoipa::path(delete, path = "/projects/{project}/scores/{score}", tag = "scores", params(("project" = u64, Path, description = "ID of the project."), ("score" = String, Path, description = "ID of the score.")),
    responses((status = 204, description = "The score was deleted."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    caller: ApiCaller,
    Path((_project, score)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let author = (authorized.role < AccountRole::Admin).then(|| format!("{ACCOUNT_AUTHOR}{}", caller.account.id));
    let deleted = run_on_scores(&api, move |store| store.delete_score(authorized.project, &score, author.as_deref())).await?;
    if deleted == 0 { Err(ApiError::not_found("score")) } else { Ok(StatusCode::NO_CONTENT) }
}

/// Replaces the IDs of accounts in the authors of scores by their names.
pub(super) fn name_authors(api: &ApiState, scores: &mut [ScoreRecord]) {
    let mut names: HashMap<i64, Option<String>> = HashMap::new();
    for score in scores {
        let account = score.author.as_deref().and_then(|author| author.strip_prefix(ACCOUNT_AUTHOR)?.parse().ok());
        if let Some(account) = account {
            let name = || api.meta.account(account).ok().map(|account| account.name);
            score.author.clone_from(names.entry(account).or_insert_with(name));
        }
    }
}

/// Runs work on the scores on a thread for blocking work.
pub(super) async fn run_on_scores<T: Send + 'static>(
    api: &ApiState,
    work: impl FnOnce(&ScoreStore) -> Result<T, SqliteError> + Send + 'static,
) -> Result<T, ApiError> {
    let store = api.scores.clone();
    tokio::task::spawn_blocking(move || work(&store)).await?.map_err(ApiError::internal)
}
