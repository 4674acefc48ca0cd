//! Request body that ends with an error when the client sends it too slowly.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::ConnectionActivity;

/// Time that the server waits for the bytes of any body. Shorter in tests.
const BODY_TIMEOUT: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(15) };
/// Each time this many bytes have arrived, the body may take one second more: the lowest allowed rate.
const MIN_BYTES_PER_SECOND: u64 = 4 << 10;

/// A body with a limit on the time for which the server waits for bytes. The limit ignores time in which the server does not read.
pub(super) struct TimedBody<B> {
    body: B,
    activity: Arc<ConnectionActivity>,
    received_bytes: u64,
    /// Time waited before the current wait.
    waited_before: Duration,
    current_wait: Option<(Instant, Pin<Box<Sleep>>)>,
    is_late: bool,
}

impl<B> TimedBody<B> {
    pub(super) fn new(body: B, activity: Arc<ConnectionActivity>) -> TimedBody<B> {
        TimedBody { body, activity, received_bytes: 0, waited_before: Duration::ZERO, current_wait: None, is_late: false }
    }

    fn allowed_time(&self) -> Duration {
        BODY_TIMEOUT + Duration::from_millis(self.received_bytes.saturating_mul(1000) / MIN_BYTES_PER_SECOND)
    }
}

fn timeout_error<T>() -> Poll<Option<Result<T, axum::Error>>> {
    Poll::Ready(Some(Err(axum::Error::new(io::Error::new(io::ErrorKind::TimedOut, "the body comes too slowly")))))
}

impl<B> HttpBody for TimedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.is_late {
            return timeout_error();
        }
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some((since, _)) = this.current_wait.take() {
                this.waited_before += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                this.received_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.activity.record_activity();
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        let left = this.allowed_time().saturating_sub(this.waited_before);
        let (_, sleep) = this.current_wait.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + left)))
        });
        ready!(sleep.as_mut().poll(context));
        this.is_late = true;
        timeout_error()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::StreamExt;
    use http_body_util::BodyExt;

    use super::*;

    fn timed_body(body: Body) -> TimedBody<Body> {
        TimedBody::new(body, Arc::default())
    }

    fn chunked_body(count: usize, size: usize, pause: Duration) -> Body {
        let piece = move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, io::Error>(vec![0u8; size])
        };
        Body::from_stream(futures::stream::iter(0..count).then(piece))
    }

    #[tokio::test]
    async fn trickling_body_times_out_permanently() {
        let mut body = timed_body(chunked_body(100_000, 1, Duration::from_millis(10)));
        let mut bytes = 0;
        while let Some(Ok(_)) = body.frame().await {
            bytes += 1;
        }
        assert!(bytes < 1_000, "{bytes}");
        assert!(body.frame().await.is_some_and(|frame| frame.is_err()));
    }

    #[tokio::test]
    async fn fast_enough_body_may_take_long_and_server_time_does_not_count() {
        let mut body = timed_body(chunked_body(20, 8 << 10, BODY_TIMEOUT / 5));
        let mut count = 0;
        while let Some(frame) = body.frame().await {
            frame.unwrap();
            tokio::time::sleep(BODY_TIMEOUT / 4).await;
            count += 1;
        }
        assert_eq!(count, 20);
    }
}
