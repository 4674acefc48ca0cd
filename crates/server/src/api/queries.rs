//! Totals of a time range, over time and by property.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_model::api_time::rfc3339;
use hinomi_model::finding::FindingKind;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::span::{ChatMessage, MessagePart, Span};
use hinomi_query::filter::{Filter, FilterTargets, FilterTerm};
use hinomi_query::{
    BreakdownRow, BucketInterval, FacetQuery, FacetValue, GroupBy, OtherTimeSeriesGroups, ProjectSnapshot, QueryError, QueryScope,
    SeriesMeasure, SpanMatcher, TimeSeries, TimeSeriesGroup, UsageSummary,
};
use hinomi_tables::error_events::{ErrorEventFilter, SearchableError};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::findings::traces_by_finding;
use super::params::QueryParameters;
use super::permission::Viewer;
use super::scores::run_on_scores;
use super::{ApiError, ApiState};
use crate::query_parameters::{
    BreakdownParameters, BreakdownProperty, BreakdownQuery, ErrorEventScope, FacetParameters, FilterParameters, FilterSelection,
    SCORE_MEASURE, TimeSeriesParameters, TimeSeriesQuery,
};

/// Maximum number of points of a series of scores.
const MAX_SCORE_POINTS: i64 = 5_000;

impl ApiState {
    /// Returns a filter for the error events of a query: the events in the time range. If the query has a filter, only two kinds of events
    /// are selected: events in matching traces, and events that match the filter.
    pub(super) async fn errors_within(&self, project: u64, scope: &QueryScope) -> Result<ErrorEventFilter, ApiError> {
        self.errors_of_scope(project, &ErrorEventScope { of_event: Filter::default(), of_event_or_trace: scope.clone() }).await
    }

    /// Returns a filter for the error events of a query with fields of events: those that match these fields and, by themselves or by
    /// their trace, the rest of the filter.
    pub(super) async fn errors_of_scope(&self, project: u64, scope: &ErrorEventScope) -> Result<ErrorEventFilter, ApiError> {
        let ErrorEventScope { of_event, of_event_or_trace: QueryScope { from_us, to_us, filter } } = scope;
        let (from_us, to_us) = (*from_us, *to_us);
        let filter = &self.resolve_filter(project, filter.clone()).await?;
        let range = ErrorEventFilter::in_range(from_us, to_us);
        if of_event.0.is_empty() && filter.0.is_empty() {
            return Ok(range);
        }
        let traces = if filter.0.is_empty() {
            HashSet::new()
        } else {
            let candidates = self.errors.traces(project, from_us, to_us).await?;
            // A trace may have begun before the range and failed within it.
            let any_time = QueryScope { from_us: i64::MIN, to_us: i64::MAX, filter: filter.clone() };
            self.snapshot(project).matching_traces(&any_time, &candidates).await?
        };
        let (by_itself, by_event) = (ErrorEventMatcher::new(filter)?, ErrorEventMatcher::new(of_event)?);
        if of_event.0.is_empty() {
            let events = if by_itself.can_match {
                self.errors.search(project, range.clone(), move |error| by_itself.holds(&span_of_error(error))).await?.into()
            } else {
                Arc::default()
            };
            return Ok(ErrorEventFilter { traces: Some(Arc::new(traces)), events, ..range });
        }
        let selects = move |error: &SearchableError| {
            let span = span_of_error(error);
            by_event.holds(&span) && (error.trace_id.is_some_and(|trace| traces.contains(&trace)) || by_itself.holds(&span))
        };
        let events = self.errors.search(project, range.clone(), selects).await?.into();
        Ok(ErrorEventFilter { traces: Some(Arc::default()), events, ..range })
    }
}

/// A filter that is applied to error events.
struct ErrorEventMatcher {
    matcher: SpanMatcher,
    /// Whether an event can match by itself. It has texts, attributes, tags, a user and a trace; a filter by anything else matches only
    /// traces.
    can_match: bool,
}

impl ErrorEventMatcher {
    fn new(filter: &Filter) -> Result<ErrorEventMatcher, ApiError> {
        let matcher = SpanMatcher::new(filter)?;
        let can_match = matcher.columns().iter().all(|column| ERROR_COLUMNS.contains(column));
        Ok(ErrorEventMatcher { matcher, can_match })
    }

    fn holds(&self, span: &Span) -> bool {
        self.can_match && self.matcher.holds(span)
    }
}

/// Columns of spans that error events have as well.
const ERROR_COLUMNS: [&str; 9] =
    ["attributes", "tags", "user_id", "release", "environment", "trace_id", "span_id", "input_messages", "output_messages"];

/// Returns an error event as a span, to which filters apply. Its texts are where a span has those of a message, so words are found in
/// them.
fn span_of_error(error: &SearchableError) -> Span {
    let texts = error.texts.iter().chain(error.attributes.values());
    let parts = texts.map(|text| MessagePart::Text { text: text.clone() }).collect();
    let attribute = |name: &str| error.attributes.get(name).cloned();
    Span {
        trace_id: error.trace_id.unwrap_or(TraceId(0)),
        span_id: error.span_id.unwrap_or(SpanId(0)),
        start_us: error.time_us,
        end_us: error.time_us,
        user_id: error.user_id.clone(),
        release: attribute("release"),
        environment: attribute("environment"),
        input_messages: vec![ChatMessage { role: String::new(), parts }],
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
    let scope = selection.select_spans(&project, api.resolve_scope(authorized.project, range.scope()?).await?).await?;
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
    /// Lines by the name of the measure, or `score` and `score_count`; each measure has the 50 largest groups.
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
    if let Some((name, buckets)) = chart.score_series()? {
        return Ok(Json(series_of_scores(&api, authorized.project, range.scope()?, name, &buckets).await?));
    }
    let project = api.snapshot(authorized.project);
    let mut scope = api.resolve_scope(authorized.project, range.scope()?).await?;
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

/// Returns the mean and the number of the scores with a name over time.
async fn series_of_scores(
    api: &ApiState,
    project: u64,
    scope: QueryScope,
    name: String,
    buckets: &[BucketInterval],
) -> Result<TimeSeriesResponse, ApiError> {
    if !scope.filter.0.is_empty() {
        return Err(ApiError::bad_request("bad_query", "the measure score takes no filter"));
    }
    let given = (scope.from_us, scope.to_us);
    let wanted = name.clone();
    let extent = run_on_scores(api, move |store| store.extent(project, &wanted, given)).await?;
    let (first_us, last_us) = extent.unwrap_or((0, 0));
    let from_us = if given.0 == i64::MIN { first_us } else { given.0 };
    let to_us = if given.1 == i64::MAX { last_us.max(jiff::Timestamp::now().as_microsecond()) } else { given.1 };
    let point_count = |bucket: &BucketInterval| to_us.saturating_sub(from_us) / bucket.length_us();
    let bucket = buckets.iter().find(|bucket| point_count(bucket) <= MAX_SCORE_POINTS);
    let bucket = *bucket.ok_or_else(|| QueryError::TooManyPoints(buckets.first().map_or(0, point_count)))?;
    let length_us = bucket.length_us();
    let found = run_on_scores(api, move |store| store.series(project, &name, (from_us, to_us), length_us)).await?;
    let starts = (from_us.div_euclid(length_us)..).map(|index| index * length_us).take_while(|start_us| *start_us < to_us);
    let (mut means, mut counts) = (Vec::new(), Vec::new());
    for start_us in starts.filter(|_| extent.is_some()) {
        let values = found.binary_search_by_key(&start_us, |bucket| bucket.start_us).ok().map(|at| found[at].values);
        means.push((rfc3339(start_us), values.and_then(|values| values.mean())));
        counts.push((rfc3339(start_us), Some(values.map_or(0.0, |values| values.n as f64))));
    }
    let line = |points| vec![TimeSeriesGroup { key: None, points }];
    let groups = line(means);
    let measures = BTreeMap::from([(SCORE_MEASURE.to_owned(), groups.clone()), ("score_count".to_owned(), line(counts))]);
    Ok(TimeSeriesResponse { bucket: bucket.name(), groups, measures, others: BTreeMap::new() })
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
    let scope = selection.select_spans(&project, api.resolve_scope(authorized.project, range.scope()?).await?).await?;
    let rows = match by {
        BreakdownProperty::Spans(by) => project.breakdown(&scope, &by, sort, limit).await?,
        BreakdownProperty::Findings => breakdown_by_finding(&api, &project, authorized.project, &scope, sort, limit).await?,
    };
    Ok(Json(Breakdown { rows }))
}

/// Returns the totals of the traces with findings of each kind. Only spans in the scope are included.
async fn breakdown_by_finding(
    api: &ApiState,
    snapshot: &ProjectSnapshot,
    project: u64,
    scope: &QueryScope,
    sort: &str,
    limit: usize,
) -> Result<Vec<BreakdownRow>, ApiError> {
    let found = traces_by_finding(api, project, scope).await?;
    let sets = found.iter().map(|(kind, found)| (kind.as_str().to_owned(), found.traces.clone())).collect();
    let mut rows = snapshot.breakdown_of_traces(scope, sets, sort, limit).await?;
    for row in &mut rows {
        let kind = row.key.as_deref().and_then(FindingKind::from_name);
        row.wasted_cost = kind.and_then(|kind| found.get(&kind)).map(|found| found.wasted_cost.dollars());
    }
    Ok(rows)
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
    if facet.field == "finding" {
        return Ok(Json(FacetValueList { values: finding_facets(&api, authorized.project, range.scope()?, &selection, &facet).await? }));
    }
    let project = api.snapshot(authorized.project);
    let scope = selection.select_spans(&project, api.resolve_scope(authorized.project, range.scope()?).await?).await?;
    Ok(Json(FacetValueList { values: project.facets(&scope, &facet).await? }))
}

/// Returns the kinds of findings with the number of traces, or of spans that the findings name, in a scope.
async fn finding_facets(
    api: &ApiState,
    project: u64,
    scope: QueryScope,
    selection: &FilterSelection,
    facet: &FacetQuery<'_>,
) -> Result<Vec<FacetValue>, ApiError> {
    let snapshot = api.snapshot(project);
    let scope = selection.select_spans(&snapshot, api.resolve_scope(project, scope).await?).await?;
    let mut values = Vec::new();
    for (kind, found) in traces_by_finding(api, project, &scope).await? {
        let count = if facet.counts_traces {
            found.traces.len() as u64
        } else {
            let mut of_spans = scope.clone();
            let targets = FilterTargets { spans: found.spans, ..FilterTargets::default() };
            of_spans.filter.0.push(FilterTerm::InTargets { not: false, targets: Arc::new(targets) });
            snapshot.count(&of_spans).await?
        };
        values.push(FacetValue { value: kind.as_str().to_owned(), count });
    }
    values.retain(|value| value.count > 0 && value.value.starts_with(&facet.prefix.to_lowercase()));
    values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    let (named, mut most): (Vec<FacetValue>, Vec<FacetValue>) = values.into_iter().partition(|value| facet.values.contains(&value.value));
    most.truncate(facet.limit.saturating_sub(named.len()));
    most.extend(named);
    most.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    Ok(most)
}
