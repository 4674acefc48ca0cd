//! Reads the part of a request body that the handler did not read. A response that precedes the end of the body, usually a rejection, must
//! reach the client. If the server closed the connection while bytes still arrive, the connection would be reset, and the client would see
//! the reset instead of the response. A client that reuses connections would also send its next request over the closed connection.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::{TryStreamExt, stream};
use http_body_util::BodyExt;

/// Largest rest of a body that is read and discarded, in bytes.
const MAX_DRAINED_BYTES: usize = 64 << 20;
/// Time that this may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the rest of the body before the response is sent. If the rest is too long or too slow, the response closes the connection.
/// HTTP/2 does not need this: its streams end independently of the connection.
pub async fn drain_body(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() || request.version() > Version::HTTP_11 {
        return next.run(request).await;
    }
    // A client that sends `Expect` waits for the response, and sends no body after a rejection.
    let asks_first = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let shared = Arc::new(Mutex::new(body));
    let mut response = next.run(Request::from_parts(parts, shared_body(shared.clone()))).await;
    let body = std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner));
    if body.is_end_stream() {
        return response;
    }
    let hopeless = asks_first || body.size_hint().lower() > MAX_DRAINED_BYTES as u64;
    let settled = !hopeless && tokio::time::timeout(DRAIN_TIMEOUT, read_to_end(body)).await.unwrap_or(false);
    if !settled {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn read_to_end(mut body: Body) -> bool {
    let mut left = MAX_DRAINED_BYTES;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

/// Returns a body that reads its frames from a shared one; the caller keeps the shared body.
fn shared_body(body: Arc<Mutex<Body>>) -> Body {
    let frames = stream::poll_fn(move |context| Pin::new(&mut *body.lock().unwrap_or_else(PoisonError::into_inner)).poll_frame(context));
    // Trailers of HTTP/1 are not used.
    Body::from_stream(frames.try_filter_map(async |frame| Ok(frame.into_data().ok())))
}
