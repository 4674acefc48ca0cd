//! Sends queued requests. Each target has a task of its own, so no target waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use hinomi_alerting::delivery::due_tasks::{DATABASE_ERROR_DELAY, DueTaskSet, MAX_POLL_INTERVAL};
use hinomi_alerting::delivery::outbound_http::{HttpPostRequest, OutboundHttpClient};
use hinomi_alerting::delivery::{AllowedNetworks, TrustedCertificates};
use hinomi_tables::database::SqliteError;
use hinomi_tables::forwards::{DueForward, ForwardResult, ForwardStore};
use rand::RngExt;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::target_request::http_request;

/// Maximum duration of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of requests that are sent to a target at once.
const MAX_CONCURRENT_REQUESTS: usize = 4;
/// Bytes of bodies after which no more requests are read at once.
const MAX_BATCH_BYTES: usize = 8 << 20;
/// Maximum delay between two attempts, unless the target asks for a longer one.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);
/// Maximum delay that a target may ask for.
const MAX_REQUESTED_DELAY: Duration = Duration::from_secs(3600);
/// Interval at which requests that are too old are given up.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(600);

/// Sends the requests of all projects to their targets.
#[derive(Debug)]
pub struct ForwardWorker {
    store: Arc<ForwardStore>,
    allowed_networks: AllowedNetworks,
    client: OutboundHttpClient,
    tasks: DueTaskSet<i64>,
    /// Whether nothing is sent; requests then wait.
    is_paused_flag: AtomicBool,
}

/// What an attempt says about the target.
enum AttemptOutcome {
    /// The target works: it accepted or rejected this request.
    Answered(ForwardResult),
    /// The target does not work: other requests would fail too.
    TargetDown { error: String, requested: Option<Duration> },
}

impl ForwardWorker {
    /// Creates a worker that connects to public addresses and to the allowed private networks.
    pub fn new(store: Arc<ForwardStore>, allowed_networks: AllowedNetworks, trust: &TrustedCertificates) -> ForwardWorker {
        let client = OutboundHttpClient::new(&allowed_networks, trust, ATTEMPT_TIMEOUT);
        ForwardWorker { store, allowed_networks, client, tasks: DueTaskSet::default(), is_paused_flag: AtomicBool::new(false) }
    }

    /// Returns the targets and their queues.
    pub fn store(&self) -> &Arc<ForwardStore> {
        &self.store
    }

    /// Returns the private networks that the server's configuration allows.
    pub fn allowed_networks(&self) -> &AllowedNetworks {
        &self.allowed_networks
    }

    /// Pauses or resumes forwarding.
    pub fn set_paused(&self, paused: bool) {
        if self.is_paused_flag.swap(paused, Ordering::Relaxed) != paused {
            tracing::info!(paused, "forward.delivery.paused");
            self.store.changed.notify_one();
        }
    }

    fn is_paused(&self) -> bool {
        self.is_paused_flag.load(Ordering::Relaxed)
    }

    /// Forwards requests until `stop` is cancelled. If there are no targets, waits until a target is added.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut expiry = tokio::time::interval(EXPIRY_INTERVAL);
        while !stop.is_cancelled() {
            if !self.store.has_targets() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.store.changed.notified() => {}
                    _ = expiry.tick() => self.expire_requests().await,
                }
                continue;
            }
            let rest = match self.store.next_due().await {
                _ if self.is_paused() => MAX_POLL_INTERVAL,
                Ok(next) => self.start_due_tasks(next, &stop),
                Err(error) => {
                    tracing::error!(%error, "forward.queue.read_failed");
                    DATABASE_ERROR_DELAY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.store.changed.notified() => {}
                () = tokio::time::sleep(rest) => {}
                _ = expiry.tick() => self.expire_requests().await,
            }
        }
    }

    async fn expire_requests(&self) {
        match self.store.expire_requests(now_us()).await {
            Ok(0) => {}
            Ok(requests) => tracing::warn!(requests, "forward.requests.given_up"),
            Err(error) => tracing::error!(%error, "forward.expiry.failed"),
        }
    }

    /// Starts a task for each target with a request that is due. Returns the time until the next request is due.
    fn start_due_tasks(self: &Arc<Self>, next: Vec<(i64, i64)>, stop: &CancellationToken) -> Duration {
        let send = |target| {
            let (worker, stop) = (self.clone(), stop.clone());
            async move {
                let sent = worker.send_to_target(target, &stop).await;
                sent.inspect_err(|error| tracing::error!(%error, "forward.queue.failed")).is_ok()
            }
        };
        let store = self.store.clone();
        self.tasks.start_due(next, now_us(), send, move || store.changed.notify_one())
    }

    /// Sends everything that is due to a target. While the target is down, waits between attempts, longer each time.
    async fn send_to_target(&self, target: i64, stop: &CancellationToken) -> Result<(), SqliteError> {
        let mut failures = 0;
        while !stop.is_cancelled() && !self.is_paused() {
            let batch = self.store.due_for(target, now_us(), MAX_CONCURRENT_REQUESTS, MAX_BATCH_BYTES).await?;
            if batch.is_empty() {
                return Ok(());
            }
            // While the target is down, one request is enough to see whether it works again.
            let batch = batch.into_iter().take(if failures == 0 { MAX_CONCURRENT_REQUESTS } else { 1 });
            let outcomes = join_all(batch.map(|due| self.attempt(due))).await;
            let mut pause: Option<Duration> = None;
            for (request, outcome) in outcomes {
                let result = match outcome {
                    AttemptOutcome::Answered(result) => {
                        failures = 0;
                        result
                    }
                    AttemptOutcome::TargetDown { error, requested } => {
                        let delay = retry_delay(failures + 1, requested);
                        pause = Some(pause.unwrap_or_default().max(delay));
                        ForwardResult::Retry { due_us: now_us(), error }
                    }
                };
                self.store.finish_attempt(target, request, result, now_us()).await?;
            }
            if let Some(delay) = pause {
                failures += 1;
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = self.store.targets_changed.notified() => {}
                    () = tokio::time::sleep(delay) => {}
                }
            }
        }
        Ok(())
    }

    /// Makes one attempt.
    async fn attempt(&self, due: DueForward) -> (i64, AttemptOutcome) {
        let (request_id, attempts) = (due.request_id, due.attempts);
        let own = self.store.hop(due.forward.project);
        let request = http_request(due, &own);
        (request_id, self.send(request, attempts).await)
    }

    async fn send(&self, request: HttpPostRequest, attempts: u32) -> AttemptOutcome {
        let client = self.client.clone();
        let (told, answer) = oneshot::channel();
        // Use a dedicated thread: attempts that hang must not occupy the pool on which queries run.
        let sending = std::thread::Builder::new().name("forward".to_owned()).spawn(move || {
            let _ = told.send(client.post(&request));
        });
        let down = |error: String| AttemptOutcome::TargetDown { error, requested: None };
        if let Err(error) = sending {
            return down(format!("cannot start a thread: {error}"));
        }
        let answer = match answer.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return down(error),
            Err(_) => return down("the attempt ended without a response".to_owned()),
        };
        let word = answer.reason.map(|word| format!(" (`{word}`)")).unwrap_or_default();
        let status = answer.status;
        match status {
            200..=299 => AttemptOutcome::Answered(ForwardResult::Delivered),
            // The target rejects the request itself, and would reject it again.
            400 | 413 | 415 | 422 => AttemptOutcome::Answered(ForwardResult::Failed { error: format!("HTTP {status}{word}: rejected") }),
            508 => AttemptOutcome::Answered(ForwardResult::Failed {
                error: "HTTP 508: the target forwards to this project; delete one of the two forwards".to_owned(),
            }),
            // Limits may concern one kind of requests only: the others go on.
            429 => {
                let delay = retry_delay(attempts + 1, answer.retry_after);
                let due_us = now_us().saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX));
                AttemptOutcome::Answered(ForwardResult::Retry { due_us, error: format!("HTTP 429{word}: the target limits requests") })
            }
            300..=399 => down(format!("HTTP {status}: redirects are not followed; set the URL to the destination of the redirect")),
            401 | 403 | 404 | 410 => down(format!("HTTP {status}{word}: check the URL and the key")),
            _ => AttemptOutcome::TargetDown { error: format!("HTTP {status}{word}"), requested: answer.retry_after },
        }
    }
}

/// Returns the delay after a number of failed attempts (from 1). Jitter keeps targets apart that failed together.
fn retry_delay(failed: u32, requested: Option<Duration>) -> Duration {
    let own = Duration::from_secs(1 << failed.saturating_sub(1).min(5)).min(MAX_RETRY_DELAY);
    own.mul_f64(rand::rng().random_range(0.8..1.2)).max(requested.unwrap_or_default().min(MAX_REQUESTED_DELAY))
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
