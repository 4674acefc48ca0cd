//! Figures of findings by kind: what goes wrong, how often, and what it costs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_model::api_time::rfc3339;
use hinomi_model::finding::{FindingDetector, FindingExplanation, FindingKind, FindingSeverity};
use hinomi_model::id::TraceId;
use hinomi_query::QueryScope;
use hinomi_query::filter::Filter;
use hinomi_tables::findings::{FindingFigures, FindingKindFigures, StoredFinding};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::auth::AuthorizedProject;
use super::super::params::QueryParameters;
use super::super::permission::Viewer;
use super::super::{ApiError, ApiState, error};
use super::{matching_traces, run_on_findings, summaries_of_traces};
use crate::query_parameters::FilterParameters;

/// Number of points of a trend.
const TREND_POINTS: i64 = 24;
/// Maximum number of traces with findings to which a filter is applied. The newest ones are considered.
const MAX_FILTERED_TRACES: usize = 100_000;

/// Figures of the findings of a time range.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct FindingSummary {
    /// Figures by kind, those of most traces first.
    kinds: Vec<FindingKindSummary>,
    /// Cost in US dollars that the traces wasted, each call once, including failed calls that belong to no finding.
    wasted_cost: f64,
    /// Number of traces with at least one finding.
    traces_with_findings: u64,
    /// Number of traces that were too large to be searched.
    unsearched_traces: u64,
}

/// Figures of the findings of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct FindingKindSummary {
    /// Detector that made the findings.
    detector: FindingDetector,
    /// Kind of the findings.
    kind: FindingKind,
    /// Highest severity of the findings.
    severity: FindingSeverity,
    /// Number of findings.
    findings: u64,
    /// Number of traces with such a finding.
    traces: u64,
    /// Number of traces with such a finding in the period of the same length before; null if the range is open.
    #[schema(required)]
    previous_traces: Option<u64>,
    /// Cost in US dollars that the findings wasted.
    wasted_cost: f64,
    /// Number of traces over time, in 24 intervals.
    trend: Vec<FindingTrendPoint>,
    /// Newest traces with such a finding, at most three.
    examples: Vec<FindingExample>,
}

/// Number of traces with findings of one kind in an interval.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct FindingTrendPoint {
    /// Start of the interval.
    time: String,
    /// Number of traces that start in the interval.
    traces: u64,
}

/// A trace with a finding of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct FindingExample {
    /// ID of the trace.
    trace_id: String,
    /// Name of the trace; null if its spans have been deleted.
    #[schema(required)]
    name: Option<String>,
    /// Start of the trace.
    timestamp: String,
    /// IDs of the spans that show the fault, in order of time.
    span_ids: Vec<String>,
    /// Reason of the finding: one sentence in English.
    explanation: String,
    /// Reason of the finding as data.
    reason: FindingExplanation,
}

/// Returns figures of the findings of the traces that start in a time range, by kind.
///
/// A filter selects traces with at least one matching span.
#[utoipa::path(get, path = "/projects/{project}/findings/summary", tag = "findings", params(("project" = u64, Path, description = "ID of the project."), FilterParameters),
    responses((status = 200, body = FindingSummary), (status = 400, body = error::ErrorResponse)))]
pub(in crate::api) async fn get(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
) -> Result<Json<FindingSummary>, ApiError> {
    let project = authorized.project;
    let QueryScope { from_us, to_us, filter } = api.resolve_scope(project, range.scope()?).await?;
    let now_us = jiff::Timestamp::now().as_microsecond();
    let is_open = from_us == i64::MIN;
    let oldest_us = if is_open { run_on_findings(&api, move |store| store.oldest_start_us(project)).await? } else { None };
    let from_us = oldest_us.unwrap_or(if is_open { now_us } else { from_us });
    // An open end means until now.
    let end_us = if to_us == i64::MAX { now_us.max(from_us.saturating_add(1)) } else { to_us };
    let figures = figures_of(&api, project, (from_us, end_us), &filter).await?;
    let before = match !is_open && from_us < end_us {
        true => Some(figures_of(&api, project, (from_us.saturating_sub(end_us - from_us), from_us), &filter).await?),
        false => None,
    };
    let examples = figures.kinds.values().flat_map(|kind| kind.examples.iter().map(|example| example.trace));
    let names = summaries_of_traces(&api, project, examples.collect()).await?;
    let previous = |kind: FindingKind| before.as_ref().map(|before| before.kinds.get(&kind).map_or(0, |figures| figures.traces));
    let wasted_cost = figures.wasted_cost.dollars();
    let (traces_with_findings, unsearched_traces) = (figures.traces, figures.unsearched_traces);
    let bucket_us = bucket_us((from_us, end_us));
    let kinds = figures.kinds.into_iter();
    let mut kinds: Vec<FindingKindSummary> =
        kinds.map(|(kind, figures)| kind_summary(kind, figures, previous(kind), (from_us, bucket_us), &names)).collect();
    kinds.sort_by_key(|kind| (std::cmp::Reverse(kind.traces), kind.kind));
    Ok(Json(FindingSummary { kinds, wasted_cost, traces_with_findings, unsearched_traces }))
}

/// Returns the figures of the traces that start in a period and have a span that matches a filter.
pub(in crate::api) async fn figures_of(
    api: &ApiState,
    project: u64,
    times_us: (i64, i64),
    filter: &Filter,
) -> Result<FindingFigures, ApiError> {
    let among = match filter.0.is_empty() {
        true => None,
        false => {
            let notable = run_on_findings(api, move |store| store.notable_traces(project, times_us, MAX_FILTERED_TRACES)).await?;
            Some(matching_traces(&api.snapshot(project), filter, notable.into_iter().collect::<HashSet<TraceId>>()).await?)
        }
    };
    run_on_findings(api, move |store| store.finding_figures(project, times_us, bucket_us(times_us), among.as_ref())).await
}

/// Returns the length of the intervals of a trend in microseconds.
fn bucket_us((from_us, to_us): (i64, i64)) -> i64 {
    (to_us.saturating_sub(from_us).max(0) as u64).div_ceil(TREND_POINTS as u64).max(1) as i64
}

fn kind_summary(
    kind: FindingKind,
    figures: FindingKindFigures,
    previous_traces: Option<u64>,
    (from_us, bucket_us): (i64, i64),
    names: &HashMap<String, (Option<String>, Option<String>)>,
) -> FindingKindSummary {
    let starts = (0..).map(|number| from_us.saturating_add(bucket_us.saturating_mul(number)));
    let trend = starts.zip(figures.buckets).map(|(start_us, traces)| FindingTrendPoint { time: rfc3339(start_us), traces });
    let example = |finding: StoredFinding| {
        let trace_id = finding.trace.to_string();
        FindingExample {
            name: names.get(&trace_id).and_then(|(name, _)| name.clone()),
            trace_id,
            timestamp: rfc3339(finding.start_us),
            span_ids: finding.span_ids.iter().map(ToString::to_string).collect(),
            explanation: finding.explanation.to_string(),
            reason: finding.explanation,
        }
    };
    FindingKindSummary {
        detector: figures.detector,
        kind,
        severity: figures.severity,
        findings: figures.findings,
        traces: figures.traces,
        previous_traces,
        wasted_cost: figures.wasted_cost.dollars(),
        trend: trend.collect(),
        examples: figures.examples.into_iter().map(example).collect(),
    }
}
