//! Findings: faults of a run that its spans show.

pub(super) mod alert_count;
pub(super) mod summary;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_model::api_time::rfc3339;
use hinomi_model::finding::{FindingKind, FindingRecord};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;
use hinomi_query::filter::{Filter, FilterTerm};
use hinomi_query::{ProjectSnapshot, QueryError, QueryScope, SpanSummary, TraceSummary};
use hinomi_tables::database::SqliteError;
use hinomi_tables::findings::{FindingListQuery, FindingPage, FindingStore, StoredFinding};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::Viewer;
use super::visibility::MessageVisibility;
use super::{ApiError, ApiState};
use crate::finding_search::{RunFindings, search_run};
use crate::query_parameters::{FilterParameters, FindingListParameters};
use crate::trace_work::{MAX_TRACE_BYTES, MAX_TRACE_SPANS};

/// Maximum number of pages of stored findings that are read for one page of the response. A rare filter may select few of them.
const MAX_READ_PAGES: usize = 50;
/// Maximum number of findings that are grouped by kind. The newest ones are considered.
const MAX_GROUPED_FINDINGS: usize = 100_000;
/// A day in microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Findings of a trace, and the cost that it wasted.
#[derive(Debug, Default)]
pub(super) struct TraceFindings {
    /// Findings, the most severe first; `None` if the trace is too large.
    pub(super) findings: Option<Vec<FindingRecord>>,
    /// Cost of failed calls, of calls that a loop repeated, and of runs without an answer; `None` if the trace is too large.
    pub(super) wasted_cost: Option<Usd>,
}

/// Searches a trace for faults, and adds the repeated questions that the last search of its conversation found.
pub(super) async fn of_trace(
    api: &Arc<ApiState>,
    project: u64,
    messages: MessageVisibility,
    trace: TraceId,
) -> Result<TraceFindings, ApiError> {
    let mut full = api.snapshot(project).full_traces(&[trace], MAX_TRACE_SPANS, MAX_TRACE_BYTES).await?;
    if !full.too_large.is_empty() {
        return Ok(TraceFindings::default());
    }
    let rows = full.spans.remove(&trace).unwrap_or_default();
    let RunFindings { findings, wasted_cost } = tokio::task::spawn_blocking(move || search_run(&rows)).await?;
    let mut findings: Vec<FindingRecord> =
        findings.into_iter().map(|(finding, wasted_cost)| FindingRecord::of_signal(finding, wasted_cost)).collect();
    if messages.is_hidden() {
        findings.iter_mut().for_each(|finding| finding.evidence = None);
    }
    let stored = run_on_findings(api, move |store| store.findings_of_traces(project, &[trace])).await?;
    let of_conversation = stored.into_values().flatten().filter(|finding| finding.kind == FindingKind::QuestionRepeated);
    findings.extend(of_conversation.map(record_of));
    Ok(TraceFindings { findings: Some(findings), wasted_cost: Some(wasted_cost) })
}

/// Adds the findings of the last search, and the wasted cost, to traces of a list.
pub(super) async fn add_to_traces(api: &ApiState, project: u64, traces: &mut [TraceSummary]) -> Result<(), ApiError> {
    let ids: Vec<TraceId> = traces.iter().filter_map(|trace| trace.trace_id.parse().ok()).collect();
    let read = move |store: &FindingStore| Ok((store.findings_of_traces(project, &ids)?, store.wasted_costs(project, &ids)?));
    let (mut findings, costs) = run_on_findings(api, read).await?;
    for trace in traces {
        let Ok(id) = trace.trace_id.parse::<TraceId>() else { continue };
        trace.findings = findings.remove(&id).unwrap_or_default().into_iter().map(record_of).collect();
        trace.wasted_cost = match costs.get(&id) {
            Some(cost) => cost.map(Usd::dollars),
            None => api.finding_queue.is_processed(project, id).then_some(0.0),
        };
    }
    Ok(())
}

/// Adds the findings of the last search to the spans that they name.
pub(super) async fn add_to_spans(api: &ApiState, project: u64, spans: &mut [SpanSummary]) -> Result<(), ApiError> {
    let traces: HashSet<TraceId> = spans.iter().filter_map(|span| span.trace_id.parse().ok()).collect();
    let traces: Vec<TraceId> = traces.into_iter().collect();
    let found = run_on_findings(api, move |store| store.findings_of_traces(project, &traces)).await?;
    let records = found.into_iter().map(|(trace, findings)| (trace.to_string(), findings.into_iter().map(record_of).collect()));
    let records: HashMap<String, Vec<FindingRecord>> = records.collect();
    for span in spans {
        let of_trace = records.get(&span.trace_id).into_iter().flatten();
        span.findings = of_trace.filter(|finding| finding.span_ids.contains(&span.span_id)).cloned().collect();
    }
    Ok(())
}

/// Adds the findings of a trace to the spans that they name.
pub(super) fn assign_findings(spans: &mut [SpanSummary], findings: &[FindingRecord]) {
    let mut by_span: HashMap<&str, Vec<&FindingRecord>> = HashMap::new();
    for finding in findings {
        finding.span_ids.iter().for_each(|span| by_span.entry(span).or_default().push(finding));
    }
    for span in spans {
        span.findings = by_span.get(span.span_id.as_str()).into_iter().flatten().map(|finding| (*finding).clone()).collect();
    }
}

fn record_of(finding: StoredFinding) -> FindingRecord {
    FindingRecord {
        detector: finding.detector,
        kind: finding.kind,
        severity: finding.severity,
        confidence: finding.confidence,
        span_ids: finding.span_ids.iter().map(ToString::to_string).collect(),
        wasted_cost: finding.wasted_cost.dollars(),
        evidence: None,
        explanation: finding.explanation.to_string(),
        reason: finding.explanation,
    }
}

/// A finding with its trace.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedFinding {
    /// Finding, without evidence.
    #[serde(flatten)]
    finding: FindingRecord,
    /// ID of the trace.
    trace_id: String,
    /// Start of the trace.
    timestamp: String,
    /// Name of the trace; null if its spans have been deleted.
    #[schema(required)]
    trace_name: Option<String>,
    /// ID of the conversation of the trace.
    #[schema(required)]
    session_id: Option<String>,
}

/// A page of findings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FindingPage)]
pub(super) struct FindingPageView {
    /// Findings, those of the newest traces first.
    findings: Vec<ListedFinding>,
    /// Cursor of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists findings of the traces that start in the time range, the newest first.
///
/// The findings are those of the last search, which follows within 30 seconds after a trace has changed. A filter selects the findings of
/// traces with at least one matching span.
#[utoipa::path(get, path = "/projects/{project}/findings", tag = "findings", params(("project" = u64, Path, description = "ID of the project."), FilterParameters, FindingListParameters),
    responses((status = 200, body = FindingPageView), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
    QueryParameters(rows): QueryParameters<FindingListParameters>,
) -> Result<Json<FindingPageView>, ApiError> {
    let project = authorized.project;
    let scope = api.resolve_scope(project, range.scope()?).await?;
    let mut query = FindingListQuery { times_us: (scope.from_us, scope.to_us), ..rows.query()? };
    let mut kept = Vec::new();
    let mut next = None;
    for _ in 0..MAX_READ_PAGES {
        let (wanted, missing) = (FindingListQuery { limit: query.limit - kept.len(), ..query.clone() }, query.limit - kept.len());
        let page = run_on_findings(&api, move |store| store.list_findings(project, &wanted)).await?;
        let FindingPage { mut findings, next: following } = page;
        if !scope.filter.0.is_empty() {
            let among: HashSet<TraceId> = findings.iter().map(|finding| finding.trace).collect();
            let selected = matching_traces(&api.snapshot(project), &scope.filter, among).await?;
            findings.retain(|finding| selected.contains(&finding.trace));
        }
        let is_full = findings.len() >= missing;
        kept.extend(findings);
        next = following;
        query.after = following;
        if is_full || following.is_none() {
            break;
        }
    }
    let mut traces = summaries_of_traces(&api, project, kept.iter().map(|finding| finding.trace).collect()).await?;
    let listed = |finding: StoredFinding| {
        let trace_id = finding.trace.to_string();
        let (trace_name, session_id) = traces.get_mut(&trace_id).map(|(name, session)| (name.clone(), session.clone())).unwrap_or_default();
        ListedFinding { timestamp: rfc3339(finding.start_us), finding: record_of(finding), trace_id, trace_name, session_id }
    };
    let findings = kept.into_iter().map(listed).collect();
    Ok(Json(FindingPageView { findings, next_cursor: next.map(|(start_us, row)| format!("{start_us}.{row}")) }))
}

/// Traces with findings of a kind.
#[derive(Debug, Default)]
pub(super) struct KindTraces {
    /// Traces.
    pub(super) traces: HashSet<TraceId>,
    /// Spans that the findings name.
    pub(super) spans: HashSet<(TraceId, SpanId)>,
    /// Cost that the findings wasted.
    pub(super) wasted_cost: Usd,
}

/// Returns the traces with findings and a span in a scope, by kind of the findings.
pub(super) async fn traces_by_finding(
    api: &ApiState,
    project: u64,
    scope: &QueryScope,
) -> Result<BTreeMap<FindingKind, KindTraces>, ApiError> {
    // A trace may have begun before the range.
    let times_us = (scope.from_us.saturating_sub(DAY_US), scope.to_us);
    let query = FindingListQuery { times_us, limit: MAX_GROUPED_FINDINGS, ..FindingListQuery::default() };
    let findings = run_on_findings(api, move |store| store.list_findings(project, &query)).await?.findings;
    let among: HashSet<TraceId> = findings.iter().map(|finding| finding.trace).collect();
    let among: Vec<TraceId> = among.into_iter().collect();
    let selected = api.snapshot(project).matching_traces(scope, &among).await?;
    let mut found: BTreeMap<FindingKind, KindTraces> = BTreeMap::new();
    for finding in findings.into_iter().filter(|finding| selected.contains(&finding.trace)) {
        let kind = found.entry(finding.kind).or_default();
        kind.traces.insert(finding.trace);
        kind.spans.extend(finding.span_ids.iter().map(|span| (finding.trace, *span)));
        kind.wasted_cost += finding.wasted_cost;
    }
    Ok(found)
}

/// Returns the traces, out of the given ones, that a filter of the trace list selects.
async fn matching_traces(snapshot: &ProjectSnapshot, filter: &Filter, among: HashSet<TraceId>) -> Result<HashSet<TraceId>, QueryError> {
    let candidates: Vec<TraceId> = among.iter().copied().collect();
    let mut terms = vec![FilterTerm::InTraces(Arc::new(among))];
    terms.extend(filter.0.iter().cloned());
    let scope = snapshot.scope_of_traces(&QueryScope { filter: Filter(terms), ..QueryScope::all() }).await?;
    snapshot.matching_traces(&scope, &candidates).await
}

/// Returns name and conversation of traces, by ID.
async fn summaries_of_traces(
    api: &ApiState,
    project: u64,
    traces: HashSet<TraceId>,
) -> Result<HashMap<String, (Option<String>, Option<String>)>, ApiError> {
    if traces.is_empty() {
        return Ok(HashMap::new());
    }
    let count = traces.len();
    let scope = QueryScope { filter: Filter(vec![FilterTerm::InTraces(Arc::new(traces))]), ..QueryScope::all() };
    let page = api.snapshot(project).traces(&scope, "-start_time", count, None).await?;
    Ok(page.traces.into_iter().map(|trace| (trace.trace_id, (Some(trace.title.unwrap_or(trace.name)), trace.session_id))).collect())
}

/// Runs work on the findings on a thread for blocking work.
async fn run_on_findings<T: Send + 'static>(
    api: &ApiState,
    work: impl FnOnce(&FindingStore) -> Result<T, SqliteError> + Send + 'static,
) -> Result<T, ApiError> {
    let store = api.findings.clone();
    tokio::task::spawn_blocking(move || work(&store)).await?.map_err(ApiError::internal)
}
