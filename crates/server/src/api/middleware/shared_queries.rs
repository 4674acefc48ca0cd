//! Schedules queries: they wait for a turn and run on low-priority threads, and equal queries run once.
//!
//! A query shares the response of an equal query that has not started yet, so the response contains everything that was acknowledged before
//! the query arrived. Equal queries run one at a time; queries that arrive during a run wait for the next run. While no data is stored, a
//! response is also cached for a short time. When the last waiting client disconnects, the query is cancelled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use hinomi_tables::metadata::AccessGrant;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::task::AbortOnDropHandle;

use super::query_slots::{CallerId, QueryLimiter, QueryPermitSemaphores};
use super::request_timeout::SHARE_PREFIX;
use crate::api::visibility::MessageVisibility;
use crate::api::{ApiError, ApiState};
use crate::config::QueryLimitsConfig;

/// Bytes of cached responses.
const MAX_CACHED_BYTES: usize = 16 << 20;

/// Schedules and shares queries.
#[derive(Debug)]
pub struct QueryScheduler {
    limiter: QueryLimiter,
    threads: Handle,
    lanes: Mutex<HashMap<Arc<SharedQueryKey>, QueryLane>>,
    /// Number of queries so far whose clients disconnected before the response.
    pub disconnected: AtomicU64,
    /// Number of queries so far that shared the response of an equal one.
    pub shared: AtomicU64,
    /// Number of queries so far that were rejected because there were too many.
    pub refused: AtomicU64,
    /// Number of queries so far that timed out.
    pub timed_out: AtomicU64,
}

/// Everything that makes two queries equal.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::api) struct SharedQueryKey {
    pub(in crate::api) method: Method,
    /// Path of the request.
    pub(in crate::api) path: String,
    /// Query parameters in a normalized order.
    pub(in crate::api) parameters: Vec<(String, String)>,
    /// What the caller may see.
    pub(in crate::api) access: AccessGrant,
    /// Whether the caller sees messages; `None` if the query is not about a project.
    pub(in crate::api) messages: Option<MessageVisibility>,
    /// Accepted compression of the response.
    pub(in crate::api) encoding: Option<HeaderValue>,
}

/// A query with its caller and the conditions for sharing its response.
#[derive(Debug)]
pub(in crate::api) struct QuerySubmission {
    pub(in crate::api) caller: CallerId,
    /// Key of equal queries; `None` for a query that is never shared.
    pub(in crate::api) shared_key: Option<SharedQueryKey>,
    /// Time for which the response may be cached while no data is stored.
    pub(in crate::api) cache_duration: Duration,
}

/// State of equal queries.
#[derive(Debug, Default)]
struct QueryLane {
    /// Held by the query that runs.
    run_lock: Arc<tokio::sync::Mutex<()>>,
    /// The query that has not started yet.
    pending: Option<Arc<InFlightQuery>>,
    cached: Option<CachedResponse>,
}

/// A query that runs or waits, and the clients that wait for its response.
#[derive(Debug)]
struct InFlightQuery {
    answer: watch::Sender<Option<BufferedResponse>>,
    /// Number of waiting clients, changed while `lanes` is locked.
    waiting_clients: AtomicUsize,
    task: OnceLock<AbortHandle>,
}

/// A cached response.
#[derive(Debug)]
struct CachedResponse {
    answer: BufferedResponse,
    version: ApiStateVersion,
    at: Instant,
    cache_duration: Duration,
}

/// Versions of everything that responses depend on; they only increase.
pub(in crate::api) type ApiStateVersion = [u64; 3];

#[derive(Debug, Clone)]
struct BufferedResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl QueryScheduler {
    /// Creates a scheduler with limits and the threads that run queries.
    pub fn new(limits: QueryLimitsConfig, threads: Handle) -> QueryScheduler {
        let [disconnected, shared, refused, timed_out] = [(); 4].map(|()| AtomicU64::new(0));
        QueryScheduler { limiter: QueryLimiter::new(limits), threads, lanes: Mutex::default(), disconnected, shared, refused, timed_out }
    }

    /// Returns the low-priority threads.
    pub(in crate::api) fn threads(&self) -> &Handle {
        &self.threads
    }

    /// Returns the number of waiting and running queries.
    pub fn queued(&self) -> u64 {
        self.limiter.queued() as u64
    }

    /// Returns the number of queries that run.
    pub fn running(&self) -> u64 {
        self.limiter.running() as u64
    }

    fn lock_lanes(&self) -> MutexGuard<'_, HashMap<Arc<SharedQueryKey>, QueryLane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a query or shares the response of an equal one.
pub(in crate::api) async fn run_shared(api: &Arc<ApiState>, submission: QuerySubmission, request: Request, next: Next) -> Response {
    let seat = match api.query_scheduler.limiter.enqueue(submission.caller) {
        Ok(seat) => seat,
        Err(full) => {
            api.query_scheduler.refused.fetch_add(1, Ordering::Relaxed);
            return ApiError::queue_full(full).into_response();
        }
    };
    let mut asker = QueryWaiter { api, in_flight: None, has_ended: false };
    let pass = seat.permit_semaphores();
    let answer: Result<BufferedResponse, ApiError> = match submission.shared_key {
        None => {
            let computing = compute(api.clone(), pass, || {}, request, next);
            // Cancelled when the client disconnects.
            AbortOnDropHandle::new(api.query_scheduler.threads.spawn(computing)).await.map_err(ApiError::from)
        }
        Some(shared_key) => match join_or_schedule(api, Arc::new(shared_key), submission.cache_duration, pass, request, next) {
            CoalescedQuery::Cached(answer) => Ok(answer),
            CoalescedQuery::InFlight(shared_key, in_flight) => {
                let mut answer = in_flight.answer.subscribe();
                asker.in_flight = Some((shared_key, in_flight));
                let found = answer.wait_for(Option::is_some).await;
                found.ok().and_then(|found| found.clone()).ok_or_else(ApiError::stopping)
            }
        },
    };
    asker.has_ended = true;
    drop(asker);
    answer.map_or_else(ApiError::into_response, BufferedResponse::into_response)
}

/// Runs a request on the low-priority threads until its client disconnects.
pub(in crate::api) async fn run_on_query_threads(api: &ApiState, request: Request, next: Next) -> Response {
    let done = AbortOnDropHandle::new(api.query_scheduler.threads.spawn(next.run(request))).await;
    done.unwrap_or_else(|error| ApiError::from(error).into_response())
}

/// Runs a request on the low-priority threads to its end, even if the client disconnects, so that no change is left half done.
pub(in crate::api) async fn run_to_completion(api: &ApiState, request: Request, next: Next) -> Response {
    let done = api.query_scheduler.threads.spawn(next.run(request)).await;
    done.unwrap_or_else(|error| ApiError::from(error).into_response())
}

enum CoalescedQuery {
    Cached(BufferedResponse),
    InFlight(Arc<SharedQueryKey>, Arc<InFlightQuery>),
}

/// Joins an equal query that has not started, or schedules a new one.
fn join_or_schedule(
    api: &Arc<ApiState>,
    shared_key: Arc<SharedQueryKey>,
    cache_duration: Duration,
    pass: QueryPermitSemaphores,
    request: Request,
    next: Next,
) -> CoalescedQuery {
    let mut lanes = api.query_scheduler.lock_lanes();
    let lane = lanes.entry(shared_key.clone()).or_default();
    if let Some(cached) = &lane.cached
        && cached.at.elapsed() < cached.cache_duration
        && cached.version == api.data_version()
    {
        api.query_scheduler.shared.fetch_add(1, Ordering::Relaxed);
        return CoalescedQuery::Cached(cached.answer.clone());
    }
    if let Some(in_flight) = &lane.pending {
        api.query_scheduler.shared.fetch_add(1, Ordering::Relaxed);
        in_flight.waiting_clients.fetch_add(1, Ordering::Relaxed);
        return CoalescedQuery::InFlight(shared_key, in_flight.clone());
    }
    let in_flight =
        Arc::new(InFlightQuery { answer: watch::Sender::new(None), waiting_clients: AtomicUsize::new(1), task: OnceLock::new() });
    lane.pending = Some(in_flight.clone());
    let flying =
        run_in_lane(api.clone(), shared_key.clone(), in_flight.clone(), lane.run_lock.clone(), cache_duration, pass, request, next);
    let _ = in_flight.task.set(api.query_scheduler.threads.spawn(flying).abort_handle());
    CoalescedQuery::InFlight(shared_key, in_flight)
}

#[expect(clippy::too_many_arguments, reason = "only the planner calls this function, and only once")]
async fn run_in_lane(
    api: Arc<ApiState>,
    shared_key: Arc<SharedQueryKey>,
    in_flight: Arc<InFlightQuery>,
    running: Arc<tokio::sync::Mutex<()>>,
    cache_duration: Duration,
    pass: QueryPermitSemaphores,
    request: Request,
    next: Next,
) {
    // Its `drop` completes the query in every case.
    let mut landing = QueryCompletionGuard { api: api.clone(), shared_key: shared_key.clone(), in_flight: in_flight.clone(), result: None };
    let alone = running.lock_owned().await;
    let mut version = None;
    let begin = || {
        // Equal queries that arrive from now on wait for the next run.
        close_query(&mut api.query_scheduler.lock_lanes(), &shared_key, &in_flight);
        version = Some(api.data_version());
    };
    let answer = compute(api.clone(), pass, begin, request, next).await;
    if let Some(version) = version.filter(|_| answer.status == StatusCode::OK && !cache_duration.is_zero()) {
        landing.result = Some(CachedResponse { answer: answer.clone(), version, at: Instant::now(), cache_duration });
    }
    in_flight.answer.send_replace(Some(answer));
    drop(alone);
    drop(landing);
}

/// Waits for a turn, calls `begin`, and runs the query.
async fn compute(api: Arc<ApiState>, pass: QueryPermitSemaphores, begin: impl FnOnce(), request: Request, next: Next) -> BufferedResponse {
    let path = match request.uri().path() {
        // The token is a secret.
        path if path.starts_with(SHARE_PREFIX) => SHARE_PREFIX.to_owned(),
        path => path.to_owned(),
    };
    let Ok(Some(_turn)) = tokio::time::timeout(api.query_timeout, pass.wait_for_permit()).await else {
        api.query_scheduler.refused.fetch_add(1, Ordering::Relaxed);
        return BufferedResponse::read_response(ApiError::queue_timeout(api.query_timeout).into_response()).await;
    };
    begin();
    let computing = async { BufferedResponse::read_response(next.run(request).await).await };
    match tokio::time::timeout(api.query_timeout, computing).await {
        Ok(answer) => answer,
        Err(_) => {
            api.query_scheduler.timed_out.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(path, limit_ms = api.query_timeout.as_millis() as u64, "api.query.timed_out");
            BufferedResponse::read_response(ApiError::timeout(api.query_timeout).into_response()).await
        }
    }
}

/// Closes a query to further clients.
fn close_query(lanes: &mut HashMap<Arc<SharedQueryKey>, QueryLane>, shared_key: &Arc<SharedQueryKey>, in_flight: &Arc<InFlightQuery>) {
    if let Some(lane) = lanes.get_mut(shared_key)
        && lane.pending.as_ref().is_some_and(|open| Arc::ptr_eq(open, in_flight))
    {
        lane.pending = None;
    }
}

/// A client that waits for a response.
struct QueryWaiter<'a> {
    api: &'a Arc<ApiState>,
    in_flight: Option<(Arc<SharedQueryKey>, Arc<InFlightQuery>)>,
    has_ended: bool,
}

impl Drop for QueryWaiter<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.api.query_scheduler.disconnected.fetch_add(1, Ordering::Relaxed);
        }
        if let Some((shared_key, in_flight)) = &self.in_flight {
            let mut lanes = self.api.query_scheduler.lock_lanes();
            if in_flight.waiting_clients.fetch_sub(1, Ordering::Relaxed) == 1 {
                close_query(&mut lanes, shared_key, in_flight);
                drop(lanes);
                in_flight.task.get().inspect(|task| task.abort());
            }
        }
    }
}

/// Completes a query when it is dropped.
struct QueryCompletionGuard {
    api: Arc<ApiState>,
    shared_key: Arc<SharedQueryKey>,
    in_flight: Arc<InFlightQuery>,
    result: Option<CachedResponse>,
}

impl Drop for QueryCompletionGuard {
    fn drop(&mut self) {
        if self.in_flight.answer.borrow().is_none() {
            // Nobody may wait forever. The query panicked, all clients have disconnected, or the server stops.
            let panicked = std::thread::panicking();
            let error = if panicked { ApiError::internal("the computation of an answer panicked") } else { ApiError::stopping() };
            // The body of an error is available at once.
            self.in_flight.answer.send_replace(BufferedResponse::read_response(error.into_response()).now_or_never());
        }
        let mut lanes = self.api.query_scheduler.lock_lanes();
        close_query(&mut lanes, &self.shared_key, &self.in_flight);
        if let Some(lane) = lanes.get_mut(&self.shared_key) {
            lane.cached = self.result.take().or(lane.cached.take());
        }
        let mut left = MAX_CACHED_BYTES;
        lanes.retain(|_, lane| {
            lane.cached =
                lane.cached.take().filter(|cached| cached.at.elapsed() < cached.cache_duration && cached.answer.body.len() <= left);
            left -= lane.cached.as_ref().map_or(0, |cached| cached.answer.body.len());
            lane.pending.is_some() || lane.cached.is_some() || Arc::strong_count(&lane.run_lock) > 1
        });
    }
}

impl BufferedResponse {
    /// Reads a whole response. If it is compressed, that happens here, on the thread that runs the query.
    async fn read_response(response: Response) -> BufferedResponse {
        let (parts, body) = response.into_parts();
        match axum::body::to_bytes(body, usize::MAX).await {
            Ok(body) => BufferedResponse { status: parts.status, headers: parts.headers, body },
            Err(error) => {
                // The status of an error without its body.
                let status = ApiError::internal(error).into_response().status();
                BufferedResponse { status, headers: HeaderMap::new(), body: Bytes::new() }
            }
        }
    }
}

impl IntoResponse for BufferedResponse {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
