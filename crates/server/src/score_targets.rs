//! Joins scores that name only the rated response (`gen_ai.response.id`) to the call that reported it, in whichever order they arrive.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hinomi_query::{QueryEngine, QueryError};
use hinomi_store::Store;
use hinomi_tables::database::SqliteError;
use hinomi_tables::scores::{ScoreStore, WaitingScore};
use tokio_util::sync::CancellationToken;

/// Time between two looks at the scores that wait, and the first wait of each.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Longest time between two lookups of the same response, in microseconds.
const MAX_WAIT_US: i64 = 3_600_000_000;
/// How long a score waits, in microseconds: one day. Later, it stays without a call.
const WAITING_PERIOD_US: i64 = 86_400_000_000;
/// How far before a score its call is searched, and how far after it, in microseconds.
const SEARCH_US: (i64, i64) = (86_400_000_000, 3_600_000_000);
/// Maximum number of responses in one lookup.
const MAX_RESPONSES: usize = 1_000;

/// Reason why scores could not be joined. The lookup is repeated.
#[derive(Debug, thiserror::Error)]
enum ScoreTargetError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Database(#[from] SqliteError),
    #[error("the server is stopping")]
    Stopping,
}

/// Time of the next lookup of a response, and the wait before it, in microseconds.
#[derive(Debug, Clone, Copy)]
struct NextLookup {
    due_us: i64,
    wait_us: i64,
}

/// Joins the scores of all projects.
#[derive(Debug)]
pub struct ScoreTargetWorker {
    store: Arc<Store>,
    engine: QueryEngine,
    scores: Arc<ScoreStore>,
}

impl ScoreTargetWorker {
    /// Creates a worker.
    pub fn new(store: Arc<Store>, engine: QueryEngine, scores: Arc<ScoreStore>) -> ScoreTargetWorker {
        ScoreTargetWorker { store, engine, scores }
    }

    /// Joins scores until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        let mut lookups: HashMap<(u64, String), NextLookup> = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            if let Err(error) = self.look(&mut lookups).await {
                tracing::warn!(%error, "score.join.failed");
            }
        }
    }

    /// Looks up the responses that are due.
    async fn look(&self, lookups: &mut HashMap<(u64, String), NextLookup>) -> Result<(), ScoreTargetError> {
        let now_us = jiff::Timestamp::now().as_microsecond();
        let scores = self.scores.clone();
        let waiting = tokio::task::spawn_blocking(move || scores.waiting_scores(now_us - WAITING_PERIOD_US, MAX_RESPONSES)).await;
        let waiting = waiting.map_err(|_| ScoreTargetError::Stopping)??;
        lookups.retain(|(project, response), _| waiting.iter().any(|one| one.project == *project && one.response_id == *response));
        let mut due: BTreeMap<u64, Vec<WaitingScore>> = BTreeMap::new();
        for one in waiting {
            let first = NextLookup { due_us: 0, wait_us: LOOK_INTERVAL.as_micros() as i64 };
            let next = lookups.entry((one.project, one.response_id.clone())).or_insert(first);
            if next.due_us <= now_us {
                *next = NextLookup { due_us: now_us + next.wait_us, wait_us: (next.wait_us * 2).min(MAX_WAIT_US) };
                due.entry(one.project).or_default().push(one);
            }
        }
        for (project, scores) in due {
            self.join(project, &scores).await?;
        }
        Ok(())
    }

    async fn join(&self, project: u64, waiting: &[WaitingScore]) -> Result<(), ScoreTargetError> {
        let times = || waiting.iter().map(|score| score.at_us);
        let range = (times().min().unwrap_or(0) - SEARCH_US.0, times().max().unwrap_or(0) + SEARCH_US.1);
        let responses: Vec<String> = waiting.iter().map(|score| score.response_id.clone()).collect();
        let found = self.engine.project(self.store.snapshot(), project).spans_of_responses(range, &responses).await?;
        let scores = self.scores.clone();
        let assign = move || found.into_iter().try_for_each(|(response, span)| scores.assign_response(project, &response, span).map(drop));
        Ok(tokio::task::spawn_blocking(assign).await.map_err(|_| ScoreTargetError::Stopping)??)
    }
}
