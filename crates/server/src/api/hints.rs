//! Hints on client settings that would make more data available.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_model::cost;
use hinomi_model::hints::InstrumentationHint;
use hinomi_model::price::{BillableCall, PriceBook};
use hinomi_model::span::Usage;
use hinomi_tables::outcomes::HintRow;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::Viewer;
use super::{ApiError, ApiState};
use crate::query_parameters::TimeRangeParameters;

/// Default age of hints: a problem that was not seen for a week counts as solved.
const DEFAULT_HINT_AGE_US: i64 = 7 * 86_400_000_000;

/// Hints for the clients of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HintList {
    /// Hints, the most recently seen first.
    hints: Vec<HintRow>,
}

/// Lists hints on client settings that would make more data available.
///
/// Hints are grouped by SDK. The list contains hints that were seen since `from`, by default in the last seven days. Hints about a model
/// that has a price by now are not returned, even if stored calls of the model have no cost yet.
#[utoipa::path(get, path = "/projects/{project}/hints", tag = "queries", params(("project" = u64, Path, description = "ID of the project."), TimeRangeParameters),
    responses((status = 200, body = HintList)))]
pub(super) async fn hints(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(within): QueryParameters<TimeRangeParameters>,
) -> Result<Json<HintList>, ApiError> {
    let (from_us, _) = within.range()?;
    let recent_us = jiff::Timestamp::now().as_microsecond() - DEFAULT_HINT_AGE_US;
    let since_us = if from_us == i64::MIN { recent_us } else { from_us };
    let mut hints = mark_priced(&api, authorized.project, api.outcomes.hints(authorized.project, since_us)).await?;
    hints.retain(|row| !row.priced);
    Ok(Json(HintList { hints }))
}

/// Marks hints about unpriced models if the model has a price by now.
pub(super) async fn mark_priced(api: &ApiState, project: u64, mut hints: Vec<HintRow>) -> Result<Vec<HintRow>, ApiError> {
    let prices = api.prices.book_of(project);
    for row in hints.iter_mut().filter(|row| row.hint == InstrumentationHint::UnpricedModel.as_str()) {
        row.priced = is_priced(api, project, &prices, row).await?;
    }
    Ok(hints)
}

/// Returns whether the last call that had no price would have a cost today.
async fn is_priced(api: &ApiState, project: u64, prices: &PriceBook, row: &HintRow) -> Result<bool, ApiError> {
    let at_us = jiff::Timestamp::now().as_microsecond();
    let trace = row.trace_id.as_deref().and_then(|id| id.parse().ok());
    let span = row.span_id.as_deref().and_then(|id| id.parse().ok());
    let example = match trace.zip(span) {
        Some((trace, span)) => api.snapshot(project).stored_span(trace, span).await?,
        None => None,
    };
    if let Some(span) = example {
        let tier = cost::service_tier(&span.attributes);
        return Ok(prices.cost(&BillableCall { at_us, ..cost::call(&span, tier.as_deref()) }).is_some());
    }
    // The call has been deleted. Its model's name is all that is left of it.
    let usage = Usage { input: Some(1), output: Some(1), ..Usage::default() };
    let call = BillableCall {
        provider: None,
        response_model: row.subject.as_deref(),
        request_model: None,
        usage: &usage,
        at_us,
        duration_us: Some(0),
        service_tier: None,
        failed: false,
    };
    Ok(prices.cost(&call).is_some())
}
