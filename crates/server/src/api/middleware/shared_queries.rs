//! Schedules queries: they wait for a turn and run on low-priority threads, and equal queries run once.
//!
//! A query shares the response of an equal one that has not started yet, so that the response contains everything acknowledged before the
//! query arrived. Equal queries run one at a time; those that arrive meanwhile wait for the next run. While nothing is stored, a response
//! is also cached for a short time. When the last waiting client disconnects, the query is cancelled.

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
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::task::AbortOnDropHandle;

use super::query_slots::{CallerId, QueryLimiter, QueryPermitSemaphores};
use crate::api::{ApiError, ApiState};
use crate::config::QueryLimitsConfig;

/// Bytes of cached responses.
const KEPT_BYTES: usize = 16 << 20;

/// Schedules and shares queries.
#[derive(Debug)]
pub struct QueryScheduler {
    turns: QueryLimiter,
    threads: Handle,
    lanes: Mutex<HashMap<Arc<SharedQueryKey>, QueryLane>>,
    /// Number of queries so far whose clients disconnected before the response.
    pub left: AtomicU64,
    /// Number of queries so far that shared the response of an equal one.
    pub shared: AtomicU64,
    /// Number of queries so far that were rejected because there were too many.
    pub refused: AtomicU64,
    /// Number of queries so far that timed out.
    pub given_up: AtomicU64,
}

/// Everything that makes two queries equal.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::api) struct SharedQueryKey {
    pub(in crate::api) method: Method,
    /// Path of the request.
    pub(in crate::api) path: String,
    /// Query parameters in a normalized order.
    pub(in crate::api) parameters: Vec<(String, String)>,
    /// Permission of the caller.
    pub(in crate::api) permission: String,
    /// Accepted compression of the response.
    pub(in crate::api) encoding: Option<HeaderValue>,
}

/// A query with its caller and the conditions for sharing its response.
#[derive(Debug)]
pub(in crate::api) struct QuerySubmission {
    pub(in crate::api) caller: CallerId,
    /// Key of equal queries; `None` for a query that is never shared.
    pub(in crate::api) same: Option<SharedQueryKey>,
    /// Time that the response may be cached while nothing is stored.
    pub(in crate::api) keeps: Duration,
}

/// State of equal queries.
#[derive(Debug, Default)]
struct QueryLane {
    /// Held by the query that runs.
    running: Arc<tokio::sync::Mutex<()>>,
    /// The query that has not started yet.
    open: Option<Arc<InFlightQuery>>,
    kept: Option<CachedResponse>,
}

/// A query that runs or waits, and the clients that wait for its response.
#[derive(Debug)]
struct InFlightQuery {
    answer: watch::Sender<Option<BufferedResponse>>,
    /// Number of waiting clients, changed while `lanes` is locked.
    waiting: AtomicUsize,
    task: OnceLock<AbortHandle>,
}

/// A cached response.
#[derive(Debug)]
struct CachedResponse {
    answer: BufferedResponse,
    version: ApiStateVersion,
    at: Instant,
    keeps: Duration,
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
        let [left, shared, refused, given_up] = [(); 4].map(|()| AtomicU64::new(0));
        QueryScheduler { turns: QueryLimiter::new(limits), threads, lanes: Mutex::default(), left, shared, refused, given_up }
    }

    /// Returns the low-priority threads.
    pub(in crate::api) fn threads(&self) -> &Handle {
        &self.threads
    }

    /// Returns the number of queries that wait or run.
    pub fn in_work(&self) -> u64 {
        self.turns.taken() as u64
    }

    /// Returns the number of queries that run.
    pub fn at_work(&self) -> u64 {
        self.turns.at_work() as u64
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Arc<SharedQueryKey>, QueryLane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a query or shares the response of an equal one.
pub(in crate::api) async fn ask(api: &Arc<ApiState>, asking: QuerySubmission, request: Request, next: Next) -> Response {
    let seat = match api.questions.turns.seat(asking.caller) {
        Ok(seat) => seat,
        Err(full) => {
            api.questions.refused.fetch_add(1, Ordering::Relaxed);
            return ApiError::full(full).into_response();
        }
    };
    let mut asker = QueryWaiter { api, flight: None, is_over: false };
    let pass = seat.pass();
    let answer: Result<BufferedResponse, ApiError> = match asking.same {
        None => {
            let computing = computed(api.clone(), pass, || {}, request, next);
            // Cancelled when the client disconnects.
            AbortOnDropHandle::new(api.questions.threads.spawn(computing)).await.map_err(ApiError::from)
        }
        Some(same) => match board(api, Arc::new(same), asking.keeps, pass, request, next) {
            CoalescedQuery::Kept(answer) => Ok(answer),
            CoalescedQuery::On(same, flight) => {
                let mut answer = flight.answer.subscribe();
                asker.flight = Some((same, flight));
                let found = answer.wait_for(Option::is_some).await;
                found.ok().and_then(|found| found.clone()).ok_or_else(ApiError::stopping)
            }
        },
    };
    asker.is_over = true;
    drop(asker);
    answer.map_or_else(ApiError::into_response, BufferedResponse::into_response)
}

/// Runs a request on the low-priority threads until its client disconnects.
pub(in crate::api) async fn aside(api: &ApiState, request: Request, next: Next) -> Response {
    let done = AbortOnDropHandle::new(api.questions.threads.spawn(next.run(request))).await;
    done.unwrap_or_else(|error| ApiError::from(error).into_response())
}

/// Runs a request on the low-priority threads to its end, even if the client disconnects, so that no change is left half done.
pub(in crate::api) async fn to_its_end(api: &ApiState, request: Request, next: Next) -> Response {
    let done = api.questions.threads.spawn(next.run(request)).await;
    done.unwrap_or_else(|error| ApiError::from(error).into_response())
}

enum CoalescedQuery {
    Kept(BufferedResponse),
    On(Arc<SharedQueryKey>, Arc<InFlightQuery>),
}

/// Joins an equal query that has not started, or schedules a new one.
fn board(
    api: &Arc<ApiState>,
    same: Arc<SharedQueryKey>,
    keeps: Duration,
    pass: QueryPermitSemaphores,
    request: Request,
    next: Next,
) -> CoalescedQuery {
    let mut lanes = api.questions.lanes();
    let lane = lanes.entry(same.clone()).or_default();
    if let Some(kept) = &lane.kept
        && kept.at.elapsed() < kept.keeps
        && kept.version == api.version()
    {
        api.questions.shared.fetch_add(1, Ordering::Relaxed);
        return CoalescedQuery::Kept(kept.answer.clone());
    }
    if let Some(flight) = &lane.open {
        api.questions.shared.fetch_add(1, Ordering::Relaxed);
        flight.waiting.fetch_add(1, Ordering::Relaxed);
        return CoalescedQuery::On(same, flight.clone());
    }
    let flight = Arc::new(InFlightQuery { answer: watch::Sender::new(None), waiting: AtomicUsize::new(1), task: OnceLock::new() });
    lane.open = Some(flight.clone());
    let flying = fly(api.clone(), same.clone(), flight.clone(), lane.running.clone(), keeps, pass, request, next);
    let _ = flight.task.set(api.questions.threads.spawn(flying).abort_handle());
    CoalescedQuery::On(same, flight)
}

#[expect(clippy::too_many_arguments, reason = "it is called once, by what plans it")]
async fn fly(
    api: Arc<ApiState>,
    same: Arc<SharedQueryKey>,
    flight: Arc<InFlightQuery>,
    running: Arc<tokio::sync::Mutex<()>>,
    keeps: Duration,
    pass: QueryPermitSemaphores,
    request: Request,
    next: Next,
) {
    // Its `drop` completes the query in every case.
    let mut landing = QueryCompletionGuard { api: api.clone(), same: same.clone(), flight: flight.clone(), kept: None };
    let alone = running.lock_owned().await;
    let mut version = None;
    let begin = || {
        // Equal queries that arrive from now on wait for the next run.
        close(&mut api.questions.lanes(), &same, &flight);
        version = Some(api.version());
    };
    let answer = computed(api.clone(), pass, begin, request, next).await;
    if let Some(version) = version.filter(|_| answer.status == StatusCode::OK && !keeps.is_zero()) {
        landing.kept = Some(CachedResponse { answer: answer.clone(), version, at: Instant::now(), keeps });
    }
    flight.answer.send_replace(Some(answer));
    drop(alone);
    drop(landing);
}

/// Waits for a turn, calls `begin`, and runs the query.
async fn computed(api: Arc<ApiState>, pass: QueryPermitSemaphores, begin: impl FnOnce(), request: Request, next: Next) -> BufferedResponse {
    let path = request.uri().path().to_owned();
    let Ok(Some(_turn)) = tokio::time::timeout(api.query_timeout, pass.turn()).await else {
        api.questions.refused.fetch_add(1, Ordering::Relaxed);
        return BufferedResponse::of(ApiError::no_turn(api.query_timeout).into_response()).await;
    };
    begin();
    let computing = async { BufferedResponse::of(next.run(request).await).await };
    match tokio::time::timeout(api.query_timeout, computing).await {
        Ok(answer) => answer,
        Err(_) => {
            api.questions.given_up.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(path, limit_ms = api.query_timeout.as_millis() as u64, "api.query.timed_out");
            BufferedResponse::of(ApiError::timeout(api.query_timeout).into_response()).await
        }
    }
}

/// Closes a query to further clients.
fn close(lanes: &mut HashMap<Arc<SharedQueryKey>, QueryLane>, same: &Arc<SharedQueryKey>, flight: &Arc<InFlightQuery>) {
    if let Some(lane) = lanes.get_mut(same)
        && lane.open.as_ref().is_some_and(|open| Arc::ptr_eq(open, flight))
    {
        lane.open = None;
    }
}

/// A client that waits for a response.
struct QueryWaiter<'a> {
    api: &'a Arc<ApiState>,
    flight: Option<(Arc<SharedQueryKey>, Arc<InFlightQuery>)>,
    is_over: bool,
}

impl Drop for QueryWaiter<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.api.questions.left.fetch_add(1, Ordering::Relaxed);
        }
        if let Some((same, flight)) = &self.flight {
            let mut lanes = self.api.questions.lanes();
            if flight.waiting.fetch_sub(1, Ordering::Relaxed) == 1 {
                close(&mut lanes, same, flight);
                drop(lanes);
                flight.task.get().inspect(|task| task.abort());
            }
        }
    }
}

/// Completes a query when it is dropped.
struct QueryCompletionGuard {
    api: Arc<ApiState>,
    same: Arc<SharedQueryKey>,
    flight: Arc<InFlightQuery>,
    kept: Option<CachedResponse>,
}

impl Drop for QueryCompletionGuard {
    fn drop(&mut self) {
        if self.flight.answer.borrow().is_none() {
            // Nobody may wait forever. The query panicked, all clients have disconnected, or the server stops.
            let panicked = std::thread::panicking();
            let error = if panicked { ApiError::internal("the computation of an answer panicked") } else { ApiError::stopping() };
            // The body of an error is available at once.
            self.flight.answer.send_replace(BufferedResponse::of(error.into_response()).now_or_never());
        }
        let mut lanes = self.api.questions.lanes();
        close(&mut lanes, &self.same, &self.flight);
        if let Some(lane) = lanes.get_mut(&self.same) {
            lane.kept = self.kept.take().or(lane.kept.take());
        }
        let mut left = KEPT_BYTES;
        lanes.retain(|_, lane| {
            lane.kept = lane.kept.take().filter(|kept| kept.at.elapsed() < kept.keeps && kept.answer.body.len() <= left);
            left -= lane.kept.as_ref().map_or(0, |kept| kept.answer.body.len());
            lane.open.is_some() || lane.kept.is_some() || Arc::strong_count(&lane.running) > 1
        });
    }
}

impl BufferedResponse {
    /// Reads a whole response. If it is compressed, that happens here, on the thread that runs the query.
    async fn of(response: Response) -> BufferedResponse {
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
