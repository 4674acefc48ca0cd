//! Limits of connections: their number, and how long one may be idle.
//!
//! A connection needs a file descriptor and some memory. The store also needs file descriptors, so the number of connections is lower than
//! the number of descriptors. An idle connection is closed after a while, or at once if others wait to connect; a request body that arrives
//! too slowly ends with an error. A response in progress, such as an export, a live stream or a slow query, is never cut short while the
//! client reads it.

mod activity;
mod server_tls;
mod timed_body;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use activity::{ActivityTrackingService, ConnectionActivity};
pub use server_tls::ServerTls;

/// Time until the first request of a new connection must have arrived completely.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Time that an idle connection is kept open for a later request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(180);
/// Time after which a client that does not read its response is disconnected.
const STALLED_TIMEOUT: Duration = Duration::from_secs(300);
/// Time that a connection may take to close after it was asked to.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a connection without a request in progress may stay open after it was asked to close.
const UNUSED_CLOSING_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval between two sweeps for idle connections.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Interval between pings to an HTTP/2 client, and the time that it has to answer.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections that may be closing in addition to the open ones, and the pause between checks of their number.
const MAX_CLOSING: usize = 16;
const CLOSING_PAUSE: Duration = Duration::from_millis(2);
/// Pause after the operating system failed to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Largest size of the headers of a request, and of the buffer from which they are read, in bytes.
const MAX_HEAD_BYTES: usize = 128 << 10;
/// Share of the memory limit that is assumed per connection, in bytes.
const BYTES_PER_CONNECTION: u64 = 256 << 10;
/// File descriptors that connections never get: the store, databases and queries need them.
const RESERVED_FILES: u64 = 256;
/// Smallest and largest limit of connections that the memory limit may lead to.
const MIN_CONNECTIONS: u64 = 64;
const MAX_CONNECTIONS: u64 = 16_384;

/// All connections of the server, on all ports.
#[derive(Debug)]
pub struct ConnectionRegistry {
    limit: usize,
    open: Mutex<HashMap<u64, OpenConnection>>,
    /// TLS of all ports; `None` for plain HTTP.
    tls: Option<ServerTls>,
    tasks: TaskTracker,
    next: AtomicU64,
    /// Number of connection tasks, including evicted ones that are not closed yet.
    connection_tasks: AtomicUsize,
}

#[derive(Debug)]
struct OpenConnection {
    address: Option<IpAddr>,
    activity: Arc<ConnectionActivity>,
    /// Closes the connection once its requests in progress are answered.
    close_when_idle: CancellationToken,
    /// Closes the connection now.
    close_now: CancellationToken,
}

/// Slot of one connection, released when it is dropped.
struct ConnectionSlot {
    connections: Arc<ConnectionRegistry>,
    number: u64,
    activity: Arc<ConnectionActivity>,
    close_when_idle: CancellationToken,
    close_now: CancellationToken,
}

impl ConnectionRegistry {
    /// Creates a registry for a process that may have `files` open files and `memory` bytes of memory. With `tls`, all connections use TLS.
    pub fn new(files: u64, memory: u64, tls: Option<ServerTls>) -> Arc<ConnectionRegistry> {
        let by_files = files.saturating_sub(RESERVED_FILES).max(files / 2);
        let limit = by_files.min((memory / BYTES_PER_CONNECTION).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Arc::new(ConnectionRegistry {
            limit,
            open: Mutex::default(),
            tls,
            tasks: TaskTracker::new(),
            next: AtomicU64::new(0),
            connection_tasks: AtomicUsize::new(0),
        })
    }

    /// Returns the maximum number of connections.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the number of open connections.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Accepts connections of a listener until `stop`.
    pub fn serve<S>(self: &Arc<Self>, listener: TcpListener, service: S, stop: CancellationToken)
    where
        S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        let connections = self.clone();
        self.tasks.spawn(async move {
            loop {
                connections.wait_for_evicted().await;
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok((stream, address)) => connections.serve_stream(stream, address.ip(), service.clone(), stop.clone()),
                    Err(error) if is_client_error(&error) => {}
                    Err(error) => {
                        tracing::warn!(%error, "server.connection.accept_failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        });
    }

    /// Waits while too many evicted connections are still open: they hold their file descriptors until their tasks have ended.
    async fn wait_for_evicted(&self) {
        while self.connection_tasks.load(Ordering::Acquire) > self.limit + MAX_CLOSING {
            tokio::time::sleep(CLOSING_PAUSE).await;
        }
    }

    /// Closes connections that are idle for too long, until `stop`.
    pub async fn run_sweeps(&self, stop: CancellationToken) {
        while tokio::time::timeout(SWEEP_INTERVAL, stop.cancelled()).await.is_err() {
            self.sweep_once();
        }
    }

    /// Waits until all connections have ended. Call this function after all listeners have stopped.
    pub async fn wait_for_all(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, OpenConnection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve_stream<S>(self: &Arc<Self>, stream: TcpStream, address: IpAddr, service: S, stop: CancellationToken)
    where
        S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        let Some(place) = self.acquire_slot(address) else {
            metrics::counter!("hinomi_connections_rejected_total").increment(1);
            return;
        };
        // Sends responses at once. The operating system would hold back the second of two small writes until the client has acknowledged
        // the first, which clients do up to 40 ms later. This was measured with gRPC, whose responses end with trailers.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "server.connection.no_delay_failed");
        }
        let tls = self.tls.clone();
        self.tasks.spawn(async move {
            let peer = stream.peer_addr().ok();
            let Some(tls) = tls else { return serve_connection(stream, peer, place, service, stop).await };
            // A connection whose handshake does not end is closed like one that sends no request.
            let accepted = tokio::select! {
                accepted = tls.accept(stream) => accepted,
                () = place.close_now.cancelled() => return,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok(stream) => serve_connection(stream, peer, place, service, stop).await,
                Err(error) => tracing::debug!(%error, "server.tls.handshake_failed"),
            }
        });
    }

    /// Returns a slot for one more connection. If all are taken, evicts the connection that has been idle for longest.
    fn acquire_slot(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionSlot> {
        let address = counted_address(address);
        let mut open = self.lock();
        // Behind a proxy all connections come from one address. An address other than this machine's may have half of all slots.
        if address.is_some() && open.values().filter(|other| other.address == address).count() >= (self.limit / 2).max(1) {
            evict_idle(&mut open, |other| other.address == address)?;
        }
        if open.len() >= self.limit {
            evict_idle(&mut open, |_| true)?;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (activity, close_when_idle, close_now) =
            (Arc::new(ConnectionActivity::default()), CancellationToken::new(), CancellationToken::new());
        open.insert(
            number,
            OpenConnection { address, activity: activity.clone(), close_when_idle: close_when_idle.clone(), close_now: close_now.clone() },
        );
        self.connection_tasks.fetch_add(1, Ordering::AcqRel);
        Some(ConnectionSlot { connections: self.clone(), number, activity, close_when_idle, close_now })
    }

    fn sweep_once(&self) {
        for connection in self.lock().values() {
            let activity = &connection.activity;
            let Some(idle) = activity.idle_for() else {
                if activity.stalled_for().is_some_and(|stalled| stalled > STALLED_TIMEOUT) {
                    connection.close_now.cancel();
                }
                continue;
            };
            if !activity.has_sent_request() && idle > FIRST_REQUEST_TIMEOUT || idle > IDLE_TIMEOUT + CLOSING_TIMEOUT {
                connection.close_now.cancel();
            } else if idle > IDLE_TIMEOUT {
                connection.close_when_idle.cancel();
            }
        }
    }
}

/// Ends the connection that has been idle for longest, preferring those that never sent a request. Returns `None` if none is idle.
fn evict_idle(open: &mut HashMap<u64, OpenConnection>, among: impl Fn(&OpenConnection) -> bool) -> Option<()> {
    let idle =
        open.iter().filter(|(_, other)| among(other)).filter_map(|(number, other)| Some((number, other, other.activity.idle_for()?)));
    let (number, ..) = idle.max_by_key(|(number, other, idle)| (!other.activity.has_sent_request(), *idle, std::cmp::Reverse(**number)))?;
    let number = *number;
    open.remove(&number).map(|other| other.close_now.cancel())
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.number);
        self.connections.connection_tasks.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn serve_connection<T, S>(stream: T, peer: Option<SocketAddr>, place: ConnectionSlot, service: S, stop: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let service = TowerToHyperService::new(ActivityTrackingService::new(service, place.activity.clone(), peer));
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(MAX_HEAD_BYTES);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut is_ending = false;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = place.close_now.cancelled() => return,
            () = place.close_when_idle.cancelled(), if !is_ending => {}
            () = stop.cancelled(), if !is_ending => {}
            // When the server stops, it does not wait for the rest of an incomplete request.
            () = tokio::time::sleep(UNUSED_CLOSING_TIMEOUT), if is_ending => {
                if place.activity.idle_for().is_some_and(|idle| idle > UNUSED_CLOSING_TIMEOUT) {
                    return;
                }
                continue;
            }
        }
        is_ending = true;
        connection.as_mut().graceful_shutdown();
    }
}

/// Returns the address by which connections are counted: `None` for this machine, where a proxy may connect for many clients; the network
/// of an IPv6 address, since one client has a whole /64.
fn counted_address(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => Some(IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64))),
        address => Some(address),
    }
}

/// Returns whether the client caused the error, and not the server.
fn is_client_error(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as E;
    matches!(error.kind(), E::ConnectionRefused | E::ConnectionAborted | E::ConnectionReset | E::Interrupted)
}

/// Raises the limit of open files of the process to the maximum that the operating system allows, and returns the limit.
pub fn raise_file_limit() -> u64 {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => files,
        Err(error) => {
            tracing::warn!(%error, "server.file_limit.raise_failed");
            rlimit::Resource::NOFILE.get().map_or(1024, |(soft, _)| soft)
        }
    }
}

/// Converts the body of a request to axum's type and adds a time limit.
fn with_body_timeout(request: hyper::Request<hyper::body::Incoming>, activity: &Arc<ConnectionActivity>) -> Request {
    request.map(|body| Body::new(timed_body::TimedBody::new(body, activity.clone())))
}

#[cfg(test)]
mod tests;
