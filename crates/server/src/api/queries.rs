//! Totals of a time range, over time and by property.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_model::api_time::rfc3339;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::span::Span;
use hinomi_query::{
    BreakdownRow, BucketInterval, FacetValue, GroupBy, OtherTimeSeriesGroups, ProjectSnapshot, QueryError, QueryScope, SeriesMeasure,
    SpanMatcher, TimeSeries, TimeSeriesGroup, UsageSummary,
};
use hinomi_tables::error_events::{ErrorEventFilter, SearchableError};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::Viewer;
use super::{ApiError, ApiState};
use crate::query_parameters::{
    BreakdownParameters, BreakdownQuery, FacetParameters, FilterParameters, FilterSelection, TimeSeriesParameters, TimeSeriesQuery,
};

impl ApiState {
    /// Returns a filter for the error events of a query: the events in the time range. If the query has a filter, only two kinds of events
    /// are selected: events in matching traces, and events that match the filter.
    pub(super) async fn errors_within(&self, project: u64, scope: &QueryScope) -> Result<ErrorEventFilter, ApiError> {
        let (from_us, to_us) = (scope.from_us, scope.to_us);
        if scope.filter.0.is_empty() {
            return Ok(ErrorEventFilter::in_range(from_us, to_us));
        }
        let candidates = self.errors.traces(project, from_us, to_us).await?;
        // A trace may have begun before the range and failed within it.
        let any_time = QueryScope { from_us: i64::MIN, to_us: i64::MAX, filter: scope.filter.clone() };
        let traces = self.snapshot(project).matching_traces(&any_time, &candidates).await?;
        let events = self.matching_errors(project, scope).await?.into();
        Ok(ErrorEventFilter { from_us, to_us, traces: Some(Arc::new(traces)), events })
    }

    /// Returns the numbers of the error events that match a filter by themselves. An event has attributes, tags, a user and a trace;
    /// filters by anything else match only the traces of events.
    async fn matching_errors(&self, project: u64, scope: &QueryScope) -> Result<Vec<i64>, ApiError> {
        let matcher = SpanMatcher::new(&scope.filter)?;
        if !matcher.columns().iter().all(|column| ERROR_COLUMNS.contains(column)) {
            return Ok(Vec::new());
        }
        let range = ErrorEventFilter::in_range(scope.from_us, scope.to_us);
        let selects = move |error: &SearchableError| matcher.holds(&span_of_error(error));
        Ok(self.errors.search(project, range, selects).await?)
    }
}

/// Columns of spans that error events have as well.
const ERROR_COLUMNS: [&str; 7] = ["attributes", "tags", "user_id", "release", "environment", "trace_id", "span_id"];

/// Returns an error event as a span, to which filters apply.
fn span_of_error(error: &SearchableError) -> Span {
    let attribute = |name: &str| error.attributes.get(name).cloned();
    Span {
        trace_id: error.trace_id.unwrap_or(TraceId(0)),
        span_id: error.span_id.unwrap_or(SpanId(0)),
        start_us: error.time_us,
        end_us: error.time_us,
        user_id: error.user_id.clone(),
        release: attribute("release"),
        environment: attribute("environment"),
        tags: error.attributes.clone(),
        attributes: error.attributes.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
        ..Span::default()
    }
}

/// Returns the totals of a time range.
#[utoipa::path(get, path = "/projects/{project}/summary", tag = "queries", params(("project" = u64, Path, description = "ID of the project."), FilterParameters, FilterSelection),
    responses((status = 200, body = UsageSummary), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn summary(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
    QueryParameters(selection): QueryParameters<FilterSelection>,
) -> Result<Json<UsageSummary>, ApiError> {
    let project = api.snapshot(authorized.project);
    let scope = selection.select_spans(&project, range.scope()?).await?;
    let mut summary = project.summary(&scope).await?;
    let within = api.errors_within(authorized.project, &scope).await?;
    summary.errors = api.errors.count(authorized.project, within).await?;
    Ok(Json(summary))
}

/// One or more measures over time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimeSeriesResponse {
    /// Length of a bucket, such as `1h`.
    #[schema(value_type = BucketInterval)]
    bucket: &'static str,
    /// Lines of the first measure.
    groups: Vec<TimeSeriesGroup>,
    /// Lines by the name of the measure; each measure has the 50 largest groups.
    #[schema(value_type = BTreeMap<SeriesMeasure, Vec<TimeSeriesGroup>>)]
    measures: BTreeMap<String, Vec<TimeSeriesGroup>>,
    /// Number and sum of the remaining groups, for each measure that has more than 50.
    #[schema(value_type = BTreeMap<SeriesMeasure, OtherTimeSeriesGroups>)]
    others: BTreeMap<String, OtherTimeSeriesGroups>,
}

/// Returns one or more measures over time.
#[utoipa::path(get, path = "/projects/{project}/series", tag = "queries", params(("project" = u64, Path, description = "ID of the project."), FilterParameters, FilterSelection, TimeSeriesParameters),
    responses((status = 200, body = TimeSeriesResponse),
        (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn series(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
    QueryParameters(selection): QueryParameters<FilterSelection>,
    QueryParameters(chart): QueryParameters<TimeSeriesParameters>,
) -> Result<Json<TimeSeriesResponse>, ApiError> {
    let project = api.snapshot(authorized.project);
    let mut scope = range.scope()?;
    let TimeSeriesQuery { buckets, measures, by } = chart.query()?;
    if scope.from_us != i64::MIN && scope.to_us == i64::MAX && measures.contains(&SeriesMeasure::Errors) {
        // An open range ends with the last span, but error events may be later.
        scope.to_us = jiff::Timestamp::now().as_microsecond().saturating_add(1);
    }
    let scope = selection.select_spans(&project, scope).await?;
    let (bucket, mut series) = series_with_first_bucket(&project, &scope, &buckets, &measures, by.as_ref()).await?;
    if measures.contains(&SeriesMeasure::Errors) {
        let within = api.errors_within(authorized.project, &scope).await?;
        let counts = api.errors.counts_by_bucket(authorized.project, within, bucket.length_us()).await?;
        let points = series.starts_us.iter().map(|start| {
            let count = counts.binary_search_by_key(start, |(at, _)| *at).map_or(0, |found| counts[found].1);
            (rfc3339(*start), Some(count as f64))
        });
        // An error event is of no model and no agent: it has one line of its own.
        series.measures.insert(SeriesMeasure::Errors.name().to_owned(), vec![TimeSeriesGroup { key: None, points: points.collect() }]);
    }
    let groups = measures.first().and_then(|first| series.measures.get(first.name())).cloned().unwrap_or_default();
    Ok(Json(TimeSeriesResponse { bucket: bucket.name(), groups, measures: series.measures, others: series.others }))
}

/// Returns the series with the first of the buckets that does not exceed the maximum number of points.
async fn series_with_first_bucket(
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

/// Totals by the values of a property.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Breakdown {
    /// One row for each value, in the requested order.
    rows: Vec<BreakdownRow>,
}

/// Returns totals by model, pipeline, user or another property.
#[utoipa::path(get, path = "/projects/{project}/breakdown", tag = "queries", params(("project" = u64, Path, description = "ID of the project."), FilterParameters, FilterSelection, BreakdownParameters),
    responses((status = 200, body = Breakdown), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn breakdown(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
    QueryParameters(selection): QueryParameters<FilterSelection>,
    QueryParameters(broken): QueryParameters<BreakdownParameters>,
) -> Result<Json<Breakdown>, ApiError> {
    let BreakdownQuery { by, sort, limit } = broken.query()?;
    let project = api.snapshot(authorized.project);
    let scope = selection.select_spans(&project, range.scope()?).await?;
    Ok(Json(Breakdown { rows: project.breakdown(&scope, &by, sort, limit).await? }))
}

/// Values of a field with their counts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FacetValueList {
    /// Values, the most frequent first.
    values: Vec<FacetValue>,
}

/// Returns the most frequent values of a field.
///
/// The count of a value is the number of spans with this value or, with `select=traces`, the number of traces. Clients can use the values
/// to complete a filter.
#[utoipa::path(get, path = "/projects/{project}/facets", tag = "queries", params(("project" = u64, Path, description = "ID of the project."), FilterParameters, FilterSelection, FacetParameters),
    responses((status = 200, body = FacetValueList), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn facets(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
    QueryParameters(selection): QueryParameters<FilterSelection>,
    QueryParameters(wanted): QueryParameters<FacetParameters>,
) -> Result<Json<FacetValueList>, ApiError> {
    let facet = wanted.query(&selection)?;
    let project = api.snapshot(authorized.project);
    let scope = selection.select_spans(&project, range.scope()?).await?;
    Ok(Json(FacetValueList { values: project.facets(&scope, &facet).await? }))
}
