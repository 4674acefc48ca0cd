//! What nobody read of a request's body. An answer that comes before its end (a refusal, mostly) must reach the client all the same:
//! closed with bytes on their way, a connection is reset, and the client sees that in place of the reason; and one that keeps
//! connections for later would send its next request into a closed one.

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

/// How much of a body is read only to be thrown away.
const BYTES: usize = 64 << 20;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the rest of the body before the answer goes out. Where it is too long or too slow for that, the answer says that the
/// connection ends with it. HTTP/2 needs none of this: there a stream ends by itself.
pub async fn settle(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() || request.version() > Version::HTTP_11 {
        return next.run(request).await;
    }
    // Who asks first whether to send is told by the answer, and sends nothing.
    let asks_first = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let shared = Arc::new(Mutex::new(body));
    let mut response = next.run(Request::from_parts(parts, lend(shared.clone()))).await;
    let body = std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner));
    if body.is_end_stream() {
        return response;
    }
    let hopeless = asks_first || body.size_hint().lower() > BYTES as u64;
    let settled = !hopeless && tokio::time::timeout(PATIENCE, read_to_end(body)).await.unwrap_or(false);
    if !settled {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn read_to_end(mut body: Body) -> bool {
    let mut left = BYTES;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

/// The pieces of a body that stays with who lends it.
fn lend(body: Arc<Mutex<Body>>) -> Body {
    let frames = stream::poll_fn(move |context| Pin::new(&mut *body.lock().unwrap_or_else(PoisonError::into_inner)).poll_frame(context));
    // What HTTP/1 may say behind a body is of no use to anybody here.
    Body::from_stream(frames.try_filter_map(async |frame| Ok(frame.into_data().ok())))
}
