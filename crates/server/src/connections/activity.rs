//! Tracks the requests and responses of a connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use tower::Service;

/// Number of requests in progress, and the time since the last activity.
#[derive(Debug, Default)]
pub(super) struct ConnectionActivity {
    requests: AtomicUsize,
    /// Number of responses that are being sent.
    answers: AtomicUsize,
    was_of_use: AtomicBool,
    /// Time of the last activity.
    last_ms: AtomicTimestamp,
}

/// A point in time, in milliseconds since the first call of `now_ms`.
#[derive(Debug)]
struct AtomicTimestamp(AtomicU64);

static PROCESS_START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn now_ms() -> u64 {
    u64::try_from(PROCESS_START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Default for AtomicTimestamp {
    fn default() -> Self {
        AtomicTimestamp(AtomicU64::new(now_ms()))
    }
}

impl ConnectionActivity {
    /// Returns for how long no request has been in progress; `None` while one is.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        (self.requests.load(Ordering::Acquire) == 0).then(|| self.time_since_activity())
    }

    /// Returns for how long the client has not read its response; `None` if no response is being sent.
    pub(super) fn stalled_for(&self) -> Option<Duration> {
        (self.answers.load(Ordering::Acquire) > 0).then(|| self.time_since_activity())
    }

    /// Returns whether a complete request ever arrived.
    pub(super) fn has_sent_request(&self) -> bool {
        self.was_of_use.load(Ordering::Relaxed)
    }

    /// Records activity.
    pub(super) fn record_activity(&self) {
        self.last_ms.0.store(now_ms(), Ordering::Release);
    }

    fn time_since_activity(&self) -> Duration {
        Duration::from_millis(now_ms().saturating_sub(self.last_ms.0.load(Ordering::Acquire)))
    }
}

/// A request in progress, until it is dropped.
struct ActiveRequestGuard(Arc<ConnectionActivity>);

impl ActiveRequestGuard {
    fn new(activity: Arc<ConnectionActivity>) -> ActiveRequestGuard {
        activity.was_of_use.store(true, Ordering::Relaxed);
        activity.requests.fetch_add(1, Ordering::AcqRel);
        activity.record_activity();
        ActiveRequestGuard(activity)
    }
}

impl Drop for ActiveRequestGuard {
    fn drop(&mut self) {
        self.0.record_activity();
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A service that tracks its requests and responses, and adds the address of the client to each request.
#[derive(Clone)]
pub(super) struct ActivityTrackingService<S> {
    service: S,
    activity: Arc<ConnectionActivity>,
    peer: Option<SocketAddr>,
}

impl<S> ActivityTrackingService<S> {
    pub(super) fn new(service: S, activity: Arc<ConnectionActivity>, peer: Option<SocketAddr>) -> ActivityTrackingService<S> {
        ActivityTrackingService { service, activity, peer }
    }
}

impl<S> Service<hyper::Request<Incoming>> for ActivityTrackingService<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = hyper::Response<ActivityTrackingBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: hyper::Request<Incoming>) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let in_work = ActiveRequestGuard::new(self.activity.clone());
        let answer = self.service.call(super::with_body_timeout(request, &self.activity));
        Box::pin(async move { Ok(answer.await?.map(|body| ActivityTrackingBody::new(body, in_work))) })
    }
}

/// Body of a response that tracks whether the client reads it.
pub(super) struct ActivityTrackingBody {
    body: Body,
    active_request: ActiveRequestGuard,
}

impl ActivityTrackingBody {
    fn new(body: Body, active_request: ActiveRequestGuard) -> ActivityTrackingBody {
        active_request.0.answers.fetch_add(1, Ordering::AcqRel);
        active_request.0.record_activity();
        ActivityTrackingBody { body, active_request }
    }
}

impl Drop for ActivityTrackingBody {
    fn drop(&mut self) {
        self.active_request.0.answers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl HttpBody for ActivityTrackingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        // hyper polls for more only because the client reads, whether there is more or not.
        self.active_request.0.record_activity();
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
