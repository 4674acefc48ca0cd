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
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(15) };
/// Each time this many bytes have arrived, the body may take one second more: the lowest allowed rate.
const BYTES_A_SECOND: u64 = 4 << 10;

/// A body with a limit on the time in which the server waits for bytes. Time in which the server does not read does not count.
pub(super) struct TimedBody<B> {
    body: B,
    activity: Arc<ConnectionActivity>,
    received: u64,
    /// Time waited before the current wait.
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    is_late: bool,
}

impl<B> TimedBody<B> {
    pub(super) fn new(body: B, activity: Arc<ConnectionActivity>) -> TimedBody<B> {
        TimedBody { body, activity, received: 0, waited: Duration::ZERO, waiting: None, is_late: false }
    }

    fn allowed(&self) -> Duration {
        PATIENCE + Duration::from_millis(self.received.saturating_mul(1000) / BYTES_A_SECOND)
    }
}

fn late<T>() -> Poll<Option<Result<T, axum::Error>>> {
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
            return late();
        }
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some((since, _)) = this.waiting.take() {
                this.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.activity.note();
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        let left = this.allowed().saturating_sub(this.waited);
        let (_, sleep) = this.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + left)))
        });
        ready!(sleep.as_mut().poll(context));
        this.is_late = true;
        late()
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

    fn timed(body: Body) -> TimedBody<Body> {
        TimedBody::new(body, Arc::default())
    }

    fn pieces(count: usize, size: usize, pause: Duration) -> Body {
        let piece = move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, io::Error>(vec![0u8; size])
        };
        Body::from_stream(futures::stream::iter(0..count).then(piece))
    }

    #[tokio::test]
    async fn a_body_that_trickles_ends_and_stays_ended() {
        let mut body = timed(pieces(100_000, 1, Duration::from_millis(10)));
        let mut bytes = 0;
        while let Some(Ok(_)) = body.frame().await {
            bytes += 1;
        }
        assert!(bytes < 1_000, "{bytes}");
        assert!(body.frame().await.is_some_and(|frame| frame.is_err()));
    }

    #[tokio::test]
    async fn who_sends_fast_enough_may_take_long_and_a_slow_server_harms_nobody() {
        let mut body = timed(pieces(20, 8 << 10, PATIENCE / 5));
        let mut count = 0;
        while let Some(frame) = body.frame().await {
            frame.unwrap();
            tokio::time::sleep(PATIENCE / 4).await;
            count += 1;
        }
        assert_eq!(count, 20);
    }
}
