//! Traces and spans: lists, one trace, one span.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use hinomi_model::finding::FindingRecord;
use hinomi_model::hints::{HintEvidence, InstrumentationHint};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;
use hinomi_model::score::ScoreRecord;
use hinomi_model::{langfuse, time};
use hinomi_query::{SpanDetail, SpanPage, SpanSummary, TracePage, TraceSummary};
use hinomi_tables::error_events::{ErrorEventSummary, preview};
use hinomi_tables::log_lines::TraceLogExtent;
use hinomi_tables::outcomes::HintRow;
use hinomi_tables::scores::{MAX_SCORES_PER_TRACE, ScoreListQuery};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::findings::{self, TraceFindings};
use super::params::QueryParameters;
use super::permission::Viewer;
use super::scores::{name_authors, run_on_scores};
use super::visibility::MessageVisibility;
use super::{ApiError, ApiState, hints};
use crate::query_parameters::{FilterParameters, PageParameters, PageQuery, SPAN_SORT, TimeHintParameters, TraceSearchParameters};

/// Maximum number of characters of the name of a trace without spans.
const MAX_NAME_CHARACTERS: usize = 200;

/// Lists spans that match a filter.
#[utoipa::path(get, path = "/projects/{project}/spans", tag = "traces", params(("project" = u64, Path, description = "ID of the project."), FilterParameters, PageParameters),
    responses((status = 200, body = SpanPage), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn spans(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
    QueryParameters(rows): QueryParameters<PageParameters>,
) -> Result<Json<SpanPage>, ApiError> {
    let (project, scope) = (api.snapshot(authorized.project), api.resolve_scope(authorized.project, range.scope()?).await?);
    let PageQuery { sort, limit, cursor } = rows.query(SPAN_SORT)?;
    let mut page = project.spans(&scope, sort, limit, cursor).await?;
    if page.spans.is_empty() && cursor.is_none() {
        page.suggestions = project.suggestions(&scope.filter).await?;
    }
    add_errors(&api, authorized.project, &mut page.spans).await?;
    add_scores(&api, authorized.project, &mut page.spans).await?;
    findings::add_to_spans(&api, authorized.project, &mut page.spans).await?;
    Ok(Json(page))
}

/// Adds the first error event of each span to its preview.
async fn add_errors(api: &ApiState, project: u64, spans: impl IntoIterator<Item = &mut SpanSummary>) -> Result<(), ApiError> {
    let key = |span: &SpanSummary| Some((span.trace_id.parse().ok()?, span.span_id.parse().ok()?));
    let mut spans: Vec<&mut SpanSummary> = spans.into_iter().collect();
    let mut found = api.errors.previews_by_span(project, spans.iter().filter_map(|span| key(span)).collect()).await?;
    for span in &mut spans {
        if let Some(first) = key(span).and_then(|key| found.remove(&key)) {
            span.error_preview = Some(first);
        }
    }
    Ok(())
}

/// Adds the newest scores of their traces to spans.
async fn add_scores(api: &ApiState, project: u64, spans: &mut [SpanSummary]) -> Result<(), ApiError> {
    let traces: HashSet<TraceId> = spans.iter().filter_map(|span| span.trace_id.parse().ok()).collect();
    let traces: Vec<TraceId> = traces.into_iter().collect();
    let mut found = run_on_scores(api, move |store| store.scores_of_traces(project, &traces)).await?;
    found.values_mut().for_each(|scores| name_authors(api, scores));
    let scores: Vec<ScoreRecord> = found.into_values().flatten().collect();
    assign_scores(spans, &scores);
    Ok(())
}

/// Adds scores to the spans that they rate.
fn assign_scores(spans: &mut [SpanSummary], scores: &[ScoreRecord]) {
    let mut of_spans: HashMap<(Option<&str>, &str), Vec<&ScoreRecord>> = HashMap::new();
    for score in scores {
        if let Some(span) = score.span_id.as_deref() {
            of_spans.entry((score.trace_id.as_deref(), span)).or_default().push(score);
        }
    }
    for span in spans {
        let found = of_spans.get(&(Some(span.trace_id.as_str()), span.span_id.as_str()));
        span.scores = found.map_or_else(Vec::new, |scores| scores.iter().copied().cloned().collect());
    }
}

/// Lists traces with a span in the time range.
///
/// The filter terms `cost`, `duration`, `input_tokens`, `output_tokens`, `total_tokens`, `name` and `status` are applied to the trace as
/// a whole. Every other term matches if at least one span of the trace matches it.
#[utoipa::path(get, path = "/projects/{project}/traces", tag = "traces", params(("project" = u64, Path, description = "ID of the project."), FilterParameters, PageParameters),
    responses((status = 200, body = TracePage), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn traces(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
    QueryParameters(rows): QueryParameters<PageParameters>,
) -> Result<Json<TracePage>, ApiError> {
    let (project, scope) = (api.snapshot(authorized.project), api.resolve_scope(authorized.project, range.scope()?).await?);
    let PageQuery { sort, limit, cursor } = rows.query(SPAN_SORT)?;
    let mut page = project.traces(&scope, sort, limit, cursor).await?;
    if page.traces.is_empty() && cursor.is_none() {
        page.suggestions = project.suggestions(&scope.filter).await?;
    }
    let ids: Vec<TraceId> = page.traces.iter().filter_map(|trace| trace.trace_id.parse().ok()).collect();
    let mut errors = api.errors.errors_by_trace(authorized.project, ids.clone()).await?;
    let mut scores = run_on_scores(&api, move |store| store.scores_of_traces(authorized.project, &ids)).await?;
    for trace in &mut page.traces {
        let id: Option<TraceId> = trace.trace_id.parse().ok();
        trace.scores = id.and_then(|id| scores.remove(&id)).unwrap_or_default();
        name_authors(&api, &mut trace.scores);
        if let Some(of_trace) = id.and_then(|id| errors.remove(&id)) {
            trace.error_count = of_trace.count;
            trace.error_preview = Some(of_trace.first);
        }
    }
    findings::add_to_traces(&api, authorized.project, &mut page.traces).await?;
    Ok(Json(page))
}

/// A trace with its spans, error events, scores and hints.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceResponse {
    /// Totals of the trace.
    pub(super) trace: TraceSummary,
    /// Spans without messages and attributes, by start time.
    pub(super) spans: Vec<SpanSummary>,
    /// Error events of the trace.
    pub(super) errors: Vec<ErrorEventSummary>,
    /// Newest scores of the trace and its spans, at most 500 and 1 MiB of text, the oldest first.
    scores: Vec<ScoreRecord>,
    /// Number of all scores of the trace and its spans.
    score_count: u64,
    /// Faults that the spans show, the most severe first; null if the trace has more than 2,000 spans or 32 MiB.
    #[schema(required)]
    findings: Option<Vec<FindingRecord>>,
    /// Cost in US dollars of failed calls, of calls that a loop repeated, and of runs without an answer; null if the trace has more than
    /// 2,000 spans or 32 MiB.
    #[schema(required)]
    wasted_cost: Option<f64>,
    /// Number of log lines of the trace. `/traces/{trace}/logs` returns them.
    pub(super) log_count: u64,
    /// True if the trace is pinned and does not expire.
    pinned: bool,
    /// Hints on client settings that would make more data available for these spans.
    hints: Vec<HintRow>,
}

/// Returns a trace with its spans, error events, scores and hints.
///
/// A trace of which only error events or log lines have arrived has no spans.
#[utoipa::path(get, path = "/projects/{project}/traces/{trace}", tag = "traces",
    params(("project" = u64, Path, description = "ID of the project."), ("trace" = String, Path, description = "ID of the trace."), TimeHintParameters),
    responses((status = 200, body = TraceResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn trace(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, trace)): Path<(String, String)>,
    QueryParameters(at): QueryParameters<TimeHintParameters>,
) -> Result<Json<TraceResponse>, ApiError> {
    let id = langfuse::trace_id(&trace);
    let mut found = read_trace(&api, authorized.project, authorized.messages, id, at.position_us()?).await?;
    let TraceFindings { findings, wasted_cost } = findings::of_trace(&api, authorized.project, authorized.messages, id).await?;
    findings::assign_findings(&mut found.spans, findings.as_deref().unwrap_or_default());
    (found.findings, found.wasted_cost) = (findings, wasted_cost.map(Usd::dollars));
    Ok(Json(found))
}

/// Reads a trace without searching it for faults. `at_us` is a hint about its time.
pub(super) async fn read_trace(
    api: &Arc<ApiState>,
    project: u64,
    messages: MessageVisibility,
    id: TraceId,
    at_us: Option<i64>,
) -> Result<TraceResponse, ApiError> {
    let found = api.snapshot(project).trace(&id, at_us).await?;
    let errors = api.errors.events_of_trace(project, id).await?;
    let log_extent = api.logs.extent_of_trace(project, id).await.map_err(ApiError::internal)?;
    let (mut trace, mut spans, shown) = match found {
        Some(found) => (found.trace, found.spans, found.hints),
        None => {
            let trace = trace_without_spans(api, project, messages, id, &errors, log_extent).await?;
            (trace.ok_or_else(|| ApiError::span_not_found("trace"))?, Vec::new(), Vec::new())
        }
    };
    trace.error_count = errors.len() as u64;
    trace.error_preview = errors.first().map(preview).or(trace.error_preview);
    let mut of_spans: HashMap<&str, &ErrorEventSummary> = HashMap::new();
    for event in errors.iter().rev() {
        of_spans.extend(event.span_id.as_deref().map(|span| (span, event)));
    }
    for span in &mut spans {
        span.error_preview = of_spans.get(span.span_id.as_str()).map(|event| preview(event)).or(span.error_preview.take());
    }
    let (mut scores, score_count) = run_on_scores(api, move |store| store.scores_of_trace(project, id)).await?;
    name_authors(api, &mut scores);
    assign_scores(&mut spans, &scores);
    let hints = hints::mark_priced(api, project, trace_hints(api, project, shown)).await?;
    let pinned = super::projects::run_change(api, move |meta| meta.is_pinned(project, id)).await?;
    let (findings, wasted_cost) = (None, None);
    Ok(TraceResponse { trace, spans, errors, scores, score_count, findings, wasted_cost, log_count: log_extent.lines, pinned, hints })
}

/// Returns the summary of a trace that has only error events or log lines; `None` if it has neither.
async fn trace_without_spans(
    api: &ApiState,
    project: u64,
    messages: MessageVisibility,
    id: TraceId,
    errors: &[ErrorEventSummary],
    lines: TraceLogExtent,
) -> Result<Option<TraceSummary>, ApiError> {
    let of_errors = errors.iter().filter_map(|event| time::from_text(&event.time)).map(|at_us| (at_us, at_us));
    let times_us = of_errors.chain(lines.times_us).reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)));
    let Some(times_us) = times_us else { return Ok(None) };
    let name = match errors.first() {
        Some(first) => first.title.clone().unwrap_or_else(|| first.kind.clone()),
        // A log line is a message.
        None if messages.is_hidden() => String::new(),
        None => {
            let first = api.logs.lines_of_trace(project, id, None, 1).await.map_err(ApiError::internal)?;
            first.logs.into_iter().next().map_or_else(String::new, |line| first_line(&line.body))
        }
    };
    Ok(Some(TraceSummary::without_spans(id, name, times_us, !errors.is_empty())))
}

/// Returns the first line of a text, shortened to the length of a name.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(MAX_NAME_CHARACTERS).collect()
}

/// Returns the hints from the spans of a trace, and those from other data of their SDKs.
fn trace_hints(api: &ApiState, project: u64, shown: Vec<HintEvidence>) -> Vec<HintRow> {
    let sdks: HashSet<&str> = shown.iter().filter_map(|evidence| evidence.sdk.as_deref()).collect();
    let open = api.outcomes.hints(project, i64::MIN);
    let beside = open.into_iter().filter(|row| {
        let beside = [InstrumentationHint::Sampled, InstrumentationHint::LangchainHidesOpenai].iter().any(|hint| hint.as_str() == row.hint);
        beside && row.sdk.as_deref().is_some_and(|sdk| sdks.contains(sdk))
    });
    let beside: Vec<HintRow> = beside.collect();
    shown.iter().filter(|evidence| !evidence.is_against).map(HintRow::of_evidence).chain(beside).collect()
}

/// Spans that contain a text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SpanSearchResult {
    /// IDs of the spans, by start time.
    span_ids: Vec<String>,
}

/// Searches the spans of a trace for a text.
///
/// Searches names, models, tools and agents, and the full text of inputs and outputs.
#[utoipa::path(get, path = "/projects/{project}/traces/{trace}/search", tag = "traces",
    params(("project" = u64, Path, description = "ID of the project."), ("trace" = String, Path, description = "ID of the trace."), TraceSearchParameters),
    responses((status = 200, body = SpanSearchResult), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn search(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, trace)): Path<(String, String)>,
    QueryParameters(sought): QueryParameters<TraceSearchParameters>,
) -> Result<Json<SpanSearchResult>, ApiError> {
    let found = api.snapshot(authorized.project).spans_containing(langfuse::trace_id(&trace), sought.text()?).await?;
    Ok(Json(SpanSearchResult { span_ids: found.iter().map(ToString::to_string).collect() }))
}

/// Returns a span with its messages and attributes.
#[utoipa::path(get, path = "/projects/{project}/traces/{trace}/spans/{span}", tag = "traces",
    params(("project" = u64, Path, description = "ID of the project."), ("trace" = String, Path, description = "ID of the trace."), ("span" = String, Path, description = "ID of the span."), TimeHintParameters),
    responses((status = 200, body = SpanDetail), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn span(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, trace, span)): Path<(String, String, String)>,
    QueryParameters(at): QueryParameters<TimeHintParameters>,
) -> Result<Json<SpanDetail>, ApiError> {
    let (trace, span) = (langfuse::trace_id(&trace), langfuse::span_id(&span));
    let mut found = read_span(&api, authorized.project, &trace, &span, at.position_us()?).await?;
    let query = ScoreListQuery { trace: Some(trace), span: Some(span), limit: MAX_SCORES_PER_TRACE, ..ScoreListQuery::default() };
    found.span.scores = run_on_scores(&api, move |store| store.list_scores(authorized.project, &query)).await?.scores;
    name_authors(&api, &mut found.span.scores);
    findings::add_to_spans(&api, authorized.project, std::slice::from_mut(&mut found.span)).await?;
    Ok(Json(found))
}

/// Reads a span. `at_us` is a hint about its time.
pub(super) async fn read_span(
    api: &Arc<ApiState>,
    project: u64,
    trace: &TraceId,
    span: &SpanId,
    at_us: Option<i64>,
) -> Result<SpanDetail, ApiError> {
    let found = api.snapshot(project).span(trace, span, at_us, &api.prices.book_of(project)).await?;
    let mut found = found.ok_or_else(|| ApiError::span_not_found("span"))?;
    add_errors(api, project, [&mut found.span]).await?;
    Ok(found)
}
