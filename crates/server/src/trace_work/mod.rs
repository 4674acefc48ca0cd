//! Work on traces in the background, such as the search for faults and the evaluation of answers.
//!
//! A [`TraceWorker`] processes a trace when no span of it has arrived for a time, and again when it changes later. After a start, it first
//! processes what was received since the last recorded progress. It runs on threads of low priority and processes many traces at a time.

mod queue;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use hinomi_model::id::TraceId;
use hinomi_query::{QueryEngine, QueryError};
use hinomi_store::Store;
use hinomi_tables::database::SqliteError;
use hinomi_tables::metadata::MetadataStore;
use tokio_util::sync::CancellationToken;

use crate::filter_targets::FilterTargetError;
use queue::DueTrace;
pub use queue::TraceWorkQueue;

/// Longest time between two looks at the traces that wait.
const MAX_LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum number of traces that are processed at a time.
const MAX_BATCH_TRACES: usize = 200;
/// Maximum number of spans of a trace that is processed. Their messages are read for this.
pub const MAX_TRACE_SPANS: usize = 2_000;
/// Maximum number of bytes of the messages and attributes of a trace that is processed.
pub const MAX_TRACE_BYTES: usize = 32 << 20;
/// Length of a part of the time that is processed after a start, in microseconds.
const CATCH_UP_PART_US: i64 = 6 * 3_600_000_000;
/// Time that a span may take from its reception to its commit, in microseconds.
const COMMIT_MARGIN_US: i64 = 60_000_000;
/// Minimum time between two records of the progress, in microseconds.
const PROGRESS_INTERVAL_US: i64 = 30_000_000;

/// Reason why traces could not be processed. The work is repeated.
#[derive(Debug, thiserror::Error)]
pub enum TraceWorkError {
    /// A query failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A database could not be read or written.
    #[error(transparent)]
    Database(#[from] SqliteError),
    /// The targets of a filter could not be looked up.
    #[error(transparent)]
    Filter(FilterTargetError),
    /// An evaluator is not valid.
    #[error("{0}")]
    Evaluator(String),
    /// Spans were deleted while they were processed.
    #[error("spans were deleted while they were processed")]
    Erased,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// Parts of the server that work on traces needs.
#[derive(Debug, Clone)]
pub struct TraceWorkDependencies {
    /// Store of spans.
    pub store: Arc<Store>,
    /// Engine that queries run on.
    pub engine: QueryEngine,
    /// Projects.
    pub meta: Arc<MetadataStore>,
}

/// Work on traces.
pub trait TraceWork: Debug + Send + 'static {
    /// Name in log events.
    const NAME: &'static str;
    /// Maximum time between a change of a trace and its processing, even if the trace goes on changing, in microseconds.
    const MAX_DELAY_US: i64;
    /// How far back spans are processed if there is no recorded progress, in microseconds.
    const FIRST_PERIOD_US: i64;

    /// Processes traces of a project.
    fn process(&mut self, project: u64, traces: &[TraceId]) -> impl Future<Output = Result<(), TraceWorkError>> + Send;

    /// Does further work that is due. Called at each look at the traces that wait.
    fn process_pending(&mut self) -> impl Future<Output = Result<(), TraceWorkError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Returns the reception of the oldest span that waits for further work, in microseconds since the Unix epoch.
    fn oldest_pending_us(&self) -> Option<i64> {
        None
    }

    /// Returns the recorded time before which all received spans have been processed, in microseconds since the Unix epoch. Blocks the
    /// calling thread.
    fn processed_until_us(&self) -> Result<Option<i64>, SqliteError>;

    /// Returns a function that records this time, and blocks the calling thread.
    fn progress_recorder(&self) -> Box<dyn FnOnce(i64) -> Result<(), SqliteError> + Send>;
}

/// Spans that were received in a period and are processed after a start.
#[derive(Debug, Clone, Copy)]
struct CatchUpPeriod {
    from_us: i64,
    to_us: i64,
}

/// Applies work to the traces of all projects.
#[derive(Debug)]
pub struct TraceWorker<W> {
    dependencies: TraceWorkDependencies,
    queue: Arc<TraceWorkQueue>,
    quiet: Duration,
    work: W,
}

impl<W: TraceWork> TraceWorker<W> {
    /// Creates a worker, which is notified of changes of the store from now on. `quiet` is the time without new spans after which a trace is
    /// processed.
    pub fn new(dependencies: TraceWorkDependencies, queue: Arc<TraceWorkQueue>, quiet: Duration, work: W) -> TraceWorker<W> {
        dependencies.store.subscribe_to_rows(queue.clone());
        TraceWorker { dependencies, queue, quiet, work }
    }

    /// Processes traces until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let quiet_us = i64::try_from(self.quiet.as_micros()).unwrap_or(i64::MAX);
        let mut looks = tokio::time::interval(self.quiet.clamp(Duration::from_millis(100), MAX_LOOK_INTERVAL));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut period = self.first_period();
        // A kill before the first regular record must not hide what arrives from now on.
        self.record_progress(period).await;
        let mut recorded_us = now_us();
        loop {
            self.queue.set_complete(period.is_none());
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => {}
            }
            let due = self.queue.take_due(now_us(), quiet_us, W::MAX_DELAY_US);
            let is_idle = due.is_empty();
            let is_running = self.process_all(due, &stop).await;
            self.queue.end_process();
            if !is_running {
                break;
            }
            if let Err(error) = self.work.process_pending().await {
                tracing::warn!(work = W::NAME, %error, "trace_work.pending.failed");
            }
            if let Some(since_us) = self.queue.take_overflow() {
                let from_us = period.map_or(since_us, |period| period.from_us.min(since_us));
                period = Some(CatchUpPeriod { from_us: from_us.saturating_sub(COMMIT_MARGIN_US), to_us: now_us() });
            }
            if let Some(waiting) = period.filter(|_| is_idle) {
                period = self.catch_up(waiting, &stop).await;
            }
            if now_us() - recorded_us >= PROGRESS_INTERVAL_US {
                recorded_us = now_us();
                self.record_progress(period).await;
            }
        }
        self.record_progress(period).await;
    }

    /// Returns the period whose spans were received after the recorded progress.
    fn first_period(&self) -> Option<CatchUpPeriod> {
        let snapshot = self.dependencies.store.snapshot();
        if (snapshot.segments.is_empty() && snapshot.buffer.is_empty()) || !self.queue.is_active() {
            return None;
        }
        let to_us = now_us();
        let recorded = self.work.processed_until_us().unwrap_or_else(|error| {
            tracing::warn!(work = W::NAME, %error, "trace_work.progress.unknown");
            None
        });
        Some(CatchUpPeriod { from_us: recorded.map_or(to_us - W::FIRST_PERIOD_US, |time_us| time_us - COMMIT_MARGIN_US), to_us })
    }

    /// Processes what was received in the first part of a period. Returns the rest of the period.
    async fn catch_up(&mut self, period: CatchUpPeriod, stop: &CancellationToken) -> Option<CatchUpPeriod> {
        let part_end_us = period.from_us.saturating_add(CATCH_UP_PART_US).min(period.to_us);
        let TraceWorkDependencies { store, engine, meta } = &self.dependencies;
        let projects: Vec<u64> = meta.directory().projects.keys().copied().collect();
        let mut traces = Vec::new();
        for project in projects {
            match engine.project(store.snapshot(), project).runs_received((period.from_us, part_end_us)).await {
                Ok(found) => traces.extend(found.into_iter().map(|trace| DueTrace { project, trace, first_us: period.from_us })),
                Err(error) => {
                    tracing::warn!(work = W::NAME, project, %error, "trace_work.catch_up.failed");
                    return Some(period);
                }
            }
        }
        if !self.process_all(traces, stop).await {
            return Some(period);
        }
        (part_end_us < period.to_us).then_some(CatchUpPeriod { from_us: part_end_us, ..period })
    }

    /// Records the time before which all received spans have been processed.
    async fn record_progress(&self, period: Option<CatchUpPeriod>) {
        let waiting = self.queue.oldest_change_us().into_iter().chain(self.work.oldest_pending_us());
        let until_us = waiting.chain(period.map(|period| period.from_us)).min().unwrap_or_else(now_us);
        let record = self.work.progress_recorder();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || record(until_us)).await {
            tracing::warn!(work = W::NAME, %error, "trace_work.progress.failed");
        }
    }

    /// Processes traces of any projects. Traces whose processing fails wait again. Returns false when the server stops.
    async fn process_all(&mut self, traces: Vec<DueTrace>, stop: &CancellationToken) -> bool {
        let mut by_project: BTreeMap<u64, Vec<DueTrace>> = BTreeMap::new();
        for due in traces {
            by_project.entry(due.project).or_default().push(due);
        }
        let mut is_running = true;
        for (project, traces) in by_project {
            for batch in traces.chunks(MAX_BATCH_TRACES) {
                is_running &= !stop.is_cancelled();
                let ids: Vec<TraceId> = batch.iter().map(|due| due.trace).collect();
                let processed = if is_running { self.work.process(project, &ids).await } else { Err(TraceWorkError::Stopping) };
                if let Err(error) = processed {
                    if is_running {
                        tracing::warn!(work = W::NAME, project, traces = batch.len(), %error, "trace_work.batch.failed");
                    }
                    batch.iter().for_each(|due| self.queue.retry(*due, now_us()));
                }
            }
        }
        is_running
    }
}

/// Returns the current time in microseconds since the Unix epoch.
pub fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
