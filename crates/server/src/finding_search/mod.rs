//! Searches runs for faults in the background, and stores the findings.

mod session_histories;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hinomi_evaluation::signals::wasted_cost::wasted_cost;
use hinomi_evaluation::signals::{self, SignalFinding};
use hinomi_model::id::TraceId;
use hinomi_model::money::Usd;
use hinomi_model::span::Span;
use hinomi_query::QueryEngine;
use hinomi_store::Store;
use hinomi_store::rows::SpanRow;
use hinomi_tables::database::SqliteError;
use hinomi_tables::findings::{FindingStore, SearchedTrace};

use crate::trace_work::{MAX_TRACE_BYTES, MAX_TRACE_SPANS, TraceWork, TraceWorkError, now_us};
use session_histories::SessionHistories;

/// Longest time without a new span after which a trace is searched.
pub const MAX_SEARCH_QUIET: Duration = Duration::from_secs(8);

/// What was found in the spans of one trace.
#[derive(Debug, Default)]
pub struct RunFindings {
    /// Findings, the most severe first, each with the cost that it wasted.
    pub findings: Vec<(SignalFinding, Usd)>,
    /// Cost that the trace wasted.
    pub wasted_cost: Usd,
}

/// Searches the spans of one trace for faults.
pub fn search_run(rows: &[SpanRow]) -> RunFindings {
    let spans: Vec<&Span> = rows.iter().map(|row| &row.span).collect();
    let found = signals::of_trace(&spans);
    let wasted = wasted_cost(&spans, &found);
    RunFindings { findings: found.into_iter().zip(wasted.by_finding).collect(), wasted_cost: wasted.total }
}

/// The search for faults in traces.
#[derive(Debug)]
pub struct FindingSearch {
    store: Arc<Store>,
    engine: QueryEngine,
    findings: Arc<FindingStore>,
    histories: SessionHistories,
}

impl FindingSearch {
    /// Creates the search.
    pub fn new(store: Arc<Store>, engine: QueryEngine, findings: Arc<FindingStore>) -> FindingSearch {
        FindingSearch { store, engine, findings, histories: SessionHistories::new(now_us()) }
    }
}

impl TraceWork for FindingSearch {
    const NAME: &'static str = "finding_search";
    const MAX_DELAY_US: i64 = 20_000_000;
    // Seven days: what people look at after an upgrade.
    const FIRST_PERIOD_US: i64 = 7 * 86_400_000_000;

    async fn process(&mut self, project: u64, traces: &[TraceId]) -> Result<(), TraceWorkError> {
        let erasures = self.findings.erasure_count();
        let snapshot = self.engine.project(self.store.snapshot(), project);
        let full = snapshot.full_traces(traces, MAX_TRACE_SPANS, MAX_TRACE_BYTES).await?;
        let search = move || {
            let search = |(trace, rows): (TraceId, Vec<SpanRow>)| (trace, search_run(&rows), rows);
            full.spans.into_iter().map(search).collect::<Vec<_>>()
        };
        let too_large = full.too_large.clone();
        let found = tokio::task::spawn_blocking(search).await.map_err(|_| TraceWorkError::Stopping)?;
        let mut searched: HashMap<TraceId, SearchedTrace> = HashMap::new();
        let mut runs: Vec<(SearchedTrace, Vec<SpanRow>)> = Vec::new();
        for (trace, RunFindings { findings, wasted_cost }, rows) in found {
            let start_us = rows.iter().map(|row| row.span.start_us).min().unwrap_or_default();
            let received_us = rows.iter().map(|row| row.received_us).max().unwrap_or_default();
            let session = rows.iter().find_map(|row| row.span.session_id.clone());
            runs.push((SearchedTrace { trace, start_us, received_us, session, is_searched: true, wasted_cost, findings }, rows));
        }
        runs.sort_by_key(|(run, _)| (run.start_us, run.trace));
        self.histories.add_repeated_questions(&snapshot, project, &mut runs, now_us()).await?;
        searched.extend(runs.into_iter().map(|(run, _)| (run.trace, run)));
        for trace in too_large {
            let start_us = snapshot.start_of_trace(trace).await?.unwrap_or_default();
            searched.insert(trace, SearchedTrace { start_us, is_searched: false, ..without_findings(trace) });
        }
        let results: Vec<SearchedTrace> =
            traces.iter().map(|trace| searched.remove(trace).unwrap_or_else(|| without_findings(*trace))).collect();
        let findings = self.findings.clone();
        let store = move || findings.replace(project, &results, erasures);
        match tokio::task::spawn_blocking(store).await.map_err(|_| TraceWorkError::Stopping)?? {
            true => Ok(()),
            false => Err(TraceWorkError::Erased),
        }
    }

    fn processed_until_us(&self) -> Result<Option<i64>, SqliteError> {
        self.findings.searched_until_us()
    }

    fn progress_recorder(&self) -> Box<dyn FnOnce(i64) -> Result<(), SqliteError> + Send> {
        let findings = self.findings.clone();
        Box::new(move |time_us| findings.set_searched_until(time_us))
    }
}

/// Returns the result for a trace without findings, or without spans because they were deleted or have expired.
fn without_findings(trace: TraceId) -> SearchedTrace {
    SearchedTrace { trace, start_us: 0, received_us: 0, session: None, is_searched: true, wasted_cost: Usd::ZERO, findings: Vec::new() }
}
