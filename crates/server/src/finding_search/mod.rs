//! Searches runs for faults in the background, and stores the findings.
//!
//! A trace is searched when no span of it has arrived for [`MAX_QUIET`], and at the latest [`MAX_DELAY_US`] after a change. After a start, the
//! worker first searches what was received since the last recorded progress. It runs on threads of low priority and reads the spans of many
//! traces at a time.

mod queue;
mod session_histories;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hinomi_evaluation::signals::wasted_cost::wasted_cost;
use hinomi_evaluation::signals::{self, SignalFinding};
use hinomi_model::id::TraceId;
use hinomi_model::money::Usd;
use hinomi_model::span::Span;
use hinomi_query::{QueryEngine, QueryError};
use hinomi_store::Store;
use hinomi_store::rows::SpanRow;
use hinomi_tables::database::SqliteError;
use hinomi_tables::findings::{FindingStore, SearchedTrace};
use hinomi_tables::metadata::MetadataStore;
use tokio_util::sync::CancellationToken;

pub use queue::FindingSearchQueue;
use session_histories::SessionHistories;

/// Longest time between two looks at the traces that wait.
const MAX_LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Longest time without a new span after which a trace is searched.
const MAX_QUIET: Duration = Duration::from_secs(8);
/// Maximum time between a change of a trace and its search, in microseconds.
const MAX_DELAY_US: i64 = 20_000_000;
/// Maximum number of traces that are read at a time.
const MAX_BATCH_TRACES: usize = 200;
/// Maximum number of spans of a trace that is searched. Their messages are read for this.
pub const MAX_SEARCHED_SPANS: usize = 2_000;
/// Maximum number of bytes of the messages and attributes of a trace that is searched.
pub const MAX_SEARCHED_BYTES: usize = 32 << 20;
/// Length of a part of the time that is searched after a start, in microseconds.
const CATCH_UP_PART_US: i64 = 6 * 3_600_000_000;
/// How far back spans are searched if none were searched before, in microseconds: 7 days.
const FIRST_PERIOD_US: i64 = 7 * 86_400_000_000;
/// Time that a span may take from its reception to its commit, in microseconds.
const COMMIT_MARGIN_US: i64 = 60_000_000;
/// Minimum time between two records of the progress, in microseconds.
const PROGRESS_INTERVAL_US: i64 = 30_000_000;

/// Reason why traces could not be searched. The search is repeated.
#[derive(Debug, thiserror::Error)]
enum FindingSearchError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Database(#[from] SqliteError),
    #[error("spans were deleted while they were searched")]
    Erased,
    #[error("the server is stopping")]
    Stopping,
}

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

/// Spans that were received in a period and are searched after a start.
#[derive(Debug, Clone, Copy)]
struct CatchUpPeriod {
    from_us: i64,
    to_us: i64,
}

/// Searches the traces of all projects.
#[derive(Debug)]
pub struct FindingSearchWorker {
    store: Arc<Store>,
    engine: QueryEngine,
    meta: Arc<MetadataStore>,
    findings: Arc<FindingStore>,
    changed: Arc<FindingSearchQueue>,
    histories: SessionHistories,
    quiet: Duration,
}

impl FindingSearchWorker {
    /// Creates a worker, which is notified of changes of `store` from now on. `quiet` is the time without new spans after which a trace is
    /// searched, if it is shorter than eight seconds.
    pub fn new(
        store: Arc<Store>,
        engine: QueryEngine,
        meta: Arc<MetadataStore>,
        findings: Arc<FindingStore>,
        changed: Arc<FindingSearchQueue>,
        quiet: Duration,
    ) -> FindingSearchWorker {
        store.subscribe_to_rows(changed.clone());
        let histories = SessionHistories::new(now_us());
        FindingSearchWorker { store, engine, meta, findings, changed, histories, quiet: quiet.min(MAX_QUIET) }
    }

    /// Searches traces until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let quiet_us = i64::try_from(self.quiet.as_micros()).unwrap_or(i64::MAX);
        let mut looks = tokio::time::interval(self.quiet.clamp(Duration::from_millis(100), MAX_LOOK_INTERVAL));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut period = self.first_period();
        self.changed.set_complete(period.is_none());
        let mut recorded_us = now_us();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => {}
            }
            let due = self.changed.take_due(now_us(), quiet_us, MAX_DELAY_US);
            let is_idle = due.is_empty();
            let is_running = self.search_all(due, &stop).await;
            self.changed.end_search();
            if !is_running {
                break;
            }
            if let Some(since_us) = self.changed.take_overflow() {
                let to_us = now_us();
                let from_us = period.map_or(since_us, |period| period.from_us.min(since_us));
                period = Some(CatchUpPeriod { from_us: from_us.saturating_sub(COMMIT_MARGIN_US), to_us });
            }
            if let Some(waiting) = period.filter(|_| is_idle) {
                period = self.catch_up(waiting, &stop).await;
            }
            self.changed.set_complete(period.is_none());
            if now_us() - recorded_us >= PROGRESS_INTERVAL_US {
                recorded_us = now_us();
                self.record_progress(period).await;
            }
        }
        self.record_progress(period).await;
    }

    /// Returns the period whose spans were received after the recorded progress.
    fn first_period(&self) -> Option<CatchUpPeriod> {
        let snapshot = self.store.snapshot();
        if snapshot.segments.is_empty() && snapshot.buffer.is_empty() {
            return None;
        }
        let to_us = now_us();
        let recorded = self.findings.searched_until_us().unwrap_or_else(|error| {
            tracing::warn!(%error, "finding.progress.unknown");
            None
        });
        Some(CatchUpPeriod { from_us: recorded.map_or(to_us - FIRST_PERIOD_US, |time_us| time_us - COMMIT_MARGIN_US), to_us })
    }

    /// Searches what was received in the first part of a period. Returns the rest of the period.
    async fn catch_up(&mut self, period: CatchUpPeriod, stop: &CancellationToken) -> Option<CatchUpPeriod> {
        let part_end_us = period.from_us.saturating_add(CATCH_UP_PART_US).min(period.to_us);
        let projects: Vec<u64> = self.meta.directory().projects.keys().copied().collect();
        let mut traces = Vec::new();
        for project in projects {
            let snapshot = self.engine.project(self.store.snapshot(), project);
            match snapshot.runs_received((period.from_us, part_end_us)).await {
                Ok(found) => traces.extend(found.into_iter().map(|trace| (project, trace))),
                Err(error) => {
                    tracing::warn!(project, %error, "finding.catch_up.failed");
                    return Some(period);
                }
            }
        }
        if !self.search_all(traces, stop).await {
            return Some(period);
        }
        (part_end_us < period.to_us).then_some(CatchUpPeriod { from_us: part_end_us, ..period })
    }

    /// Records the time before which all received spans have been searched.
    async fn record_progress(&self, period: Option<CatchUpPeriod>) {
        let oldest_us = self.changed.oldest_change_us().unwrap_or_else(now_us);
        let until_us = period.map_or(oldest_us, |period| period.from_us.min(oldest_us));
        let findings = self.findings.clone();
        let recorded = tokio::task::spawn_blocking(move || findings.set_searched_until(until_us)).await;
        if let Ok(Err(error)) = recorded {
            tracing::warn!(%error, "finding.progress.failed");
        }
    }

    /// Searches traces of any projects. Traces whose search fails wait again. Returns false when the server stops.
    async fn search_all(&mut self, traces: Vec<(u64, TraceId)>, stop: &CancellationToken) -> bool {
        let mut by_project: BTreeMap<u64, Vec<TraceId>> = BTreeMap::new();
        for (project, trace) in traces {
            by_project.entry(project).or_default().push(trace);
        }
        let mut is_running = true;
        for (project, traces) in by_project {
            for batch in traces.chunks(MAX_BATCH_TRACES) {
                is_running &= !stop.is_cancelled();
                let searched = if is_running { self.search_batch(project, batch).await } else { Err(FindingSearchError::Stopping) };
                if let Err(error) = searched {
                    if is_running {
                        tracing::warn!(project, traces = batch.len(), %error, "finding.search.failed");
                    }
                    batch.iter().for_each(|trace| self.changed.note_change(project, *trace, now_us()));
                }
            }
        }
        is_running
    }

    async fn search_batch(&mut self, project: u64, traces: &[TraceId]) -> Result<(), FindingSearchError> {
        let erasures = self.findings.erasure_count();
        let snapshot = self.engine.project(self.store.snapshot(), project);
        let full = snapshot.full_traces(traces, MAX_SEARCHED_SPANS, MAX_SEARCHED_BYTES).await?;
        let search = move || {
            let search = |(trace, rows): (TraceId, Vec<SpanRow>)| (trace, search_run(&rows), rows);
            full.spans.into_iter().map(search).collect::<Vec<_>>()
        };
        let too_large = full.too_large.clone();
        let found = tokio::task::spawn_blocking(search).await.map_err(|_| FindingSearchError::Stopping)?;
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
        match tokio::task::spawn_blocking(store).await.map_err(|_| FindingSearchError::Stopping)?? {
            true => Ok(()),
            false => Err(FindingSearchError::Erased),
        }
    }
}

/// Returns the result for a trace without findings, or without spans because they were deleted or have expired.
fn without_findings(trace: TraceId) -> SearchedTrace {
    SearchedTrace { trace, start_us: 0, received_us: 0, session: None, is_searched: true, wasted_cost: Usd::ZERO, findings: Vec::new() }
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
