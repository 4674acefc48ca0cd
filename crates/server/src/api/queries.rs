//! Sums: of a range, over time, by what spans have in common.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_model::api_time::rfc3339;
use hinomi_query::{
    BreakdownRow, BucketInterval, FacetQuery, FacetValue, GroupBy, ProjectSnapshot, QueryError, QueryScope, SeriesMeasure, TimeSeries,
    TimeSeriesGroup, UsageSummary,
};
use hinomi_tables::error_events::ErrorEventFilter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::auth::AuthorizedProject;
use super::params::{FilterParameters, FilterSelection, QueryParameters};
use super::permission::Viewer;
use super::{ApiError, ApiState};

/// Maximum number of values of a facet that are asked for by name.
const MAX_FACET_VALUES: usize = 100;
/// Rows of a breakdown, where the caller does not say.
const ROWS: usize = 50;

impl ApiState {
    /// The error events that a query is about: those in its range, and with a filter those in traces that it lets pass.
    pub(super) async fn errors_within(&self, project: u64, scope: &QueryScope) -> Result<ErrorEventFilter, ApiError> {
        let (from_us, to_us) = (scope.from_us, scope.to_us);
        if scope.filter.0.is_empty() {
            return Ok(ErrorEventFilter { from_us, to_us, traces: None });
        }
        let candidates = self.errors.traces(project, from_us, to_us).await?;
        // A trace may have begun before the range and failed within it.
        let any_time = QueryScope { from_us: i64::MIN, to_us: i64::MAX, filter: scope.filter.clone() };
        let traces = self.ask(project).matching(&any_time, &candidates).await?;
        Ok(ErrorEventFilter { from_us, to_us, traces: Some(Arc::new(traces)) })
    }
}

/// Sums over a range.
#[utoipa::path(get, path = "/projects/{project}/summary", tag = "queries", params(("project" = u64, Path), FilterParameters, FilterSelection),
    responses((status = 200, body = UsageSummary), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn summary(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    QueryParameters(narrow): QueryParameters<FilterParameters>,
    QueryParameters(selecting): QueryParameters<FilterSelection>,
) -> Result<Json<UsageSummary>, ApiError> {
    let project = api.ask(of.project);
    let scope = selecting.apply(&project, narrow.scope()?).await?;
    let mut summary = project.summary(&scope).await?;
    let within = api.errors_within(of.project, &scope).await?;
    summary.errors = api.errors.count(of.project, within).await?;
    Ok(Json(summary))
}

/// What to draw over time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimeSeriesParameters {
    /// `1m 5m 15m 30m 1h 6h 12h 1d`. Left out: `1h`, or of a range with more than 5,000 hours the shortest with which it has fewer points.
    bucket: Option<String>,
    /// One of `calls failed errors cost input_tokens output_tokens duration_p50 ...`, or several with commas between them.
    measure: Option<String>,
    /// One line for each value of this, as `by` of a breakdown.
    group_by: Option<String>,
}

/// Sums for each bucket of time. One measure answers `groups`, several `measures`. The 50 largest groups have lines; `others` is what all
/// other groups add up to, and how many they are.
#[utoipa::path(get, path = "/projects/{project}/series", tag = "queries", params(("project" = u64, Path), FilterParameters, FilterSelection, TimeSeriesParameters),
    responses((status = 200, body = Object, description = "`{bucket, groups, others}`, or `{bucket, measures: {name: groups}, others: {name: others}}`"),
        (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn series(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    QueryParameters(narrow): QueryParameters<FilterParameters>,
    QueryParameters(selecting): QueryParameters<FilterSelection>,
    QueryParameters(drawn): QueryParameters<TimeSeriesParameters>,
) -> Result<Json<Value>, ApiError> {
    let project = api.ask(of.project);
    let scope = narrow.scope()?;
    let buckets = BucketInterval::candidates(drawn.bucket.as_deref())?;
    let text = drawn.measure.as_deref().unwrap_or("calls");
    let mut measures = Vec::new();
    for name in text.split(',') {
        let measure = SeriesMeasure::parse(name.trim())?;
        // One that is named twice is answered once.
        if !measures.contains(&measure) {
            measures.push(measure);
        }
    }
    let by = drawn.group_by.as_deref().filter(|by| !by.is_empty()).map(GroupBy::parse).transpose()?;
    let scope = selecting.apply(&project, scope).await?;
    let (bucket, mut series) = drawn_with_first(&project, &scope, &buckets, &measures, by.as_ref()).await?;
    if measures.contains(&SeriesMeasure::Errors) {
        let within = api.errors_within(of.project, &scope).await?;
        let counts = api.errors.points(of.project, within, bucket.us()).await?;
        let points = series.starts_us.iter().map(|start| {
            let count = counts.binary_search_by_key(start, |(at, _)| *at).map_or(0, |found| counts[found].1);
            (rfc3339(*start), Some(count as f64))
        });
        // An error event is of no model and no agent: it has one line of its own.
        series.measures.insert(SeriesMeasure::Errors.name().to_owned(), vec![TimeSeriesGroup { key: None, points: points.collect() }]);
    }
    Ok(Json(match measures.as_slice() {
        [one] if !text.contains(',') => {
            let (groups, others) = (series.measures.remove(one.name()), series.others.remove(one.name()));
            json!({ "bucket": bucket.name(), "groups": groups, "others": others })
        }
        _ => json!({ "bucket": bucket.name(), "measures": series.measures, "others": series.others }),
    }))
}

/// Draws with the first of these buckets with which the range has not too many points.
async fn drawn_with_first(
    asked: &ProjectSnapshot,
    scope: &QueryScope,
    buckets: &[BucketInterval],
    measures: &[SeriesMeasure],
    by: Option<&GroupBy>,
) -> Result<(BucketInterval, TimeSeries), QueryError> {
    let mut last = Err(QueryError::TooManyPoints(0));
    for bucket in buckets {
        last = asked.series(scope, *bucket, measures, by).await.map(|series| (*bucket, series));
        if !matches!(last, Err(QueryError::TooManyPoints(_))) {
            break;
        }
    }
    last
}

/// How to break down.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BreakdownParameters {
    /// `model provider op pipeline agent tool prompt user session release environment tag:NAME`
    by: Option<String>,
    /// A field of the rows, with `-` in front for descending; `-cost` where left out.
    sort: Option<String>,
    /// At most so many rows.
    limit: Option<usize>,
}

/// Rows of a breakdown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Breakdown {
    rows: Vec<BreakdownRow>,
}

/// Sums for each model, pipeline, user or the like.
#[utoipa::path(get, path = "/projects/{project}/breakdown", tag = "queries", params(("project" = u64, Path), FilterParameters, FilterSelection, BreakdownParameters),
    responses((status = 200, body = Breakdown), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn breakdown(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    QueryParameters(narrow): QueryParameters<FilterParameters>,
    QueryParameters(selecting): QueryParameters<FilterSelection>,
    QueryParameters(broken): QueryParameters<BreakdownParameters>,
) -> Result<Json<Breakdown>, ApiError> {
    let by = GroupBy::parse(broken.by.as_deref().unwrap_or("model"))?;
    let sort = broken.sort.as_deref().unwrap_or("-cost");
    let limit = broken.limit.unwrap_or(ROWS).clamp(1, 1000);
    let project = api.ask(of.project);
    let scope = selecting.apply(&project, narrow.scope()?).await?;
    Ok(Json(Breakdown { rows: project.breakdown(&scope, &by, sort, limit).await? }))
}

/// Which values.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FacetParameters {
    /// A field of the filter language, `tag.NAME`, or `tag` for the names of tags.
    field: String,
    /// Only values that start so, whatever the case of letters.
    prefix: Option<String>,
    /// Values that are counted too if they are not among the most frequent ones, as a JSON list of texts.
    values: Option<String>,
    /// At most so many.
    limit: Option<usize>,
}

/// Values of a field.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FacetValueList {
    values: Vec<FacetValue>,
}

/// The most frequent values of a field, to complete a filter; counted in spans, or with `select=traces` in traces.
#[utoipa::path(get, path = "/projects/{project}/facets", tag = "queries", params(("project" = u64, Path), FilterParameters, FilterSelection, FacetParameters),
    responses((status = 200, body = FacetValueList), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn facets(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    QueryParameters(narrow): QueryParameters<FilterParameters>,
    QueryParameters(selecting): QueryParameters<FilterSelection>,
    QueryParameters(wanted): QueryParameters<FacetParameters>,
) -> Result<Json<FacetValueList>, ApiError> {
    let limit = wanted.limit.unwrap_or(20).clamp(1, 1000);
    let prefix = wanted.prefix.as_deref().unwrap_or_default();
    let values: Vec<String> = match wanted.values.as_deref() {
        None => Vec::new(),
        Some(json) => serde_json::from_str(json)
            .map_err(|error| ApiError::bad_request("bad_parameter", format!("values: not a JSON list of texts: {error}")))?,
    };
    if values.len() > MAX_FACET_VALUES {
        return Err(ApiError::bad_request("bad_parameter", format!("values: at most {MAX_FACET_VALUES}")));
    }
    let project = api.ask(of.project);
    let scope = selecting.apply(&project, narrow.scope()?).await?;
    let asked = FacetQuery { field: &wanted.field, prefix, values, limit, of_traces: selecting.selects_traces() };
    Ok(Json(FacetValueList { values: project.facets(&scope, &asked).await? }))
}
