//! Completes the usage of a trace when the trace is quiet. If no span below an agent reports usage, the agent's own usage is counted. A
//! call without usage gets the usage of the span that fetched its response.
//!
//! Until then, a call below the agent may still report its own usage, which is counted instead. The store lists the traces with such a
//! span, so other traces need no processing. After a restart, the agents of the last hour are checked again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hinomi_model::dedup::usage_completion::{
    agents_to_count, complete_call, count_agent, drop_estimate, name_completed_call, usage_completions,
};
use hinomi_model::id::TraceId;
use hinomi_model::span::Span;
use hinomi_query::{QueryEngine, QueryError};
use hinomi_store::{Store, StoreError};
use hinomi_tables::metadata::MetadataStore;
use hinomi_tables::prices::ActivePrices;
use tokio_util::sync::CancellationToken;

/// Maximum time between two looks at the traces that wait.
const MAX_LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How far back agents are looked at after a start, in microseconds.
const RESTART_PERIOD_US: i64 = 3_600_000_000;

/// Reason why a trace could not be checked. The check is repeated.
#[derive(Debug, thiserror::Error)]
enum UsageCompletionError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Completes the usage of the traces of all projects.
#[derive(Debug)]
pub struct UsageCompletionWorker {
    store: Arc<Store>,
    engine: QueryEngine,
    meta: Arc<MetadataStore>,
    prices: Arc<ActivePrices>,
    quiet: Duration,
}

impl UsageCompletionWorker {
    /// Creates a worker. `quiet` is the time without new spans after which a trace is quiet.
    pub fn new(
        store: Arc<Store>,
        engine: QueryEngine,
        meta: Arc<MetadataStore>,
        prices: Arc<ActivePrices>,
        quiet: Duration,
    ) -> UsageCompletionWorker {
        UsageCompletionWorker { store, engine, meta, prices, quiet }
    }

    /// Completes traces until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let quiet_us = i64::try_from(self.quiet.as_micros()).unwrap_or(i64::MAX);
        // Traces that wait, with the time at which they are quiet if nothing arrives.
        let mut waiting: HashMap<(u64, TraceId), i64> = self.recent_traces().await;
        let mut looks = tokio::time::interval(self.quiet.clamp(Duration::from_millis(100), MAX_LOOK_INTERVAL));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            let now = now_us();
            waiting.extend(self.store.take_usage_gaps().into_iter().map(|trace| (trace, now.saturating_add(quiet_us))));
            let due: Vec<(u64, TraceId)> = waiting.iter().filter(|(_, due_us)| **due_us <= now).map(|(trace, _)| *trace).collect();
            for (project, trace) in due {
                if stop.is_cancelled() {
                    return;
                }
                match self.complete_trace(project, trace, now - quiet_us).await {
                    Ok(None) => _ = waiting.remove(&(project, trace)),
                    Ok(Some(last_us)) => _ = waiting.insert((project, trace), last_us.saturating_add(quiet_us)),
                    Err(error) => {
                        tracing::warn!(project, %error, "usage.completion.failed");
                        waiting.insert((project, trace), now.saturating_add(quiet_us));
                    }
                }
            }
        }
    }

    /// Returns the traces with agents that were received shortly before the start.
    async fn recent_traces(&self) -> HashMap<(u64, TraceId), i64> {
        let now = now_us();
        let mut found = HashMap::new();
        let projects: Vec<u64> = self.meta.directory().projects.keys().copied().collect();
        for project in projects {
            let snapshot = self.engine.project(self.store.snapshot(), project);
            match snapshot.traces_with_agent_usage(now - RESTART_PERIOD_US).await {
                Ok(traces) => found.extend(traces.into_iter().map(|trace| ((project, trace), now))),
                Err(error) => tracing::warn!(project, %error, "usage.completion.start_failed"),
            }
        }
        found
    }

    /// Counts agents and completes the calls of a trace that received nothing since a time. Returns the time of its last span if it is not quiet yet.
    async fn complete_trace(&self, project: u64, trace: TraceId, quiet_since_us: i64) -> Result<Option<i64>, UsageCompletionError> {
        let rows = self.engine.project(self.store.snapshot(), project).rows_of_trace(trace).await?;
        if let Some(last_us) = rows.iter().map(|row| row.received_us).max().filter(|last_us| *last_us > quiet_since_us) {
            return Ok(Some(last_us));
        }
        let spans: Vec<&Span> = rows.iter().map(|row| &row.span).collect();
        let prefers_client_cost = self.meta.directory().projects.get(&project).is_some_and(|project| project.prefer_client_cost);
        for completion in usage_completions(&spans) {
            let Some(reporter) = spans.iter().find(|span| span.span_id == completion.reporter) else { continue };
            let (reporter, book) = ((*reporter).clone(), self.prices.book_of(project));
            let complete = move |span: &mut Span| {
                complete_call(span, &reporter, &completion, &book, prefers_client_cost);
                name_completed_call(span, &completion);
            };
            self.store.revise(project, vec![(trace, completion.call), (trace, completion.reporter)], Arc::new(complete)).await?;
        }
        for to_count in agents_to_count(&spans) {
            let book = self.prices.book_of(project);
            let changed = std::iter::once(to_count.agent).chain(to_count.estimated_calls.iter().copied());
            let changed = changed.map(|span| (trace, span)).collect();
            let count = move |span: &mut Span| {
                count_agent(span, &to_count, &book, prefers_client_cost);
                drop_estimate(span);
            };
            self.store.revise(project, changed, Arc::new(count)).await?;
        }
        Ok(None)
    }
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
