//! Bodies that are sent in pieces. Layers around a handler, such as compression, poll a body again after its end. Most streams then panic,
//! which aborts the response. The streams in this file report their end again. No other file builds streamed bodies; a test of the
//! structure checks this.

use std::convert::Infallible;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::response::Sse;
use axum::response::sse::Event;
use futures::stream::Fuse;
use futures::{Stream, StreamExt};

/// Returns a body of `chunks`. An error among the chunks aborts the response, so the client sees that the response is incomplete.
pub(super) fn streamed_body<E: Into<BoxError> + 'static>(chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Body {
    Body::from_stream(chunks.fuse())
}

/// Returns a response of server-sent events.
pub(super) fn streamed_events<S>(events: S) -> Sse<Fuse<S>>
where
    S: Stream<Item = Result<Event, Infallible>> + Send + 'static,
{
    Sse::new(events.fuse())
}

#[cfg(test)]
mod tests {
    use std::io;

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn an_ended_body_stays_ended() {
        let chunks =
            futures::stream::unfold(2u8, |left| async move { Some((Ok::<_, io::Error>(Bytes::from(vec![left])), left.checked_sub(1)?)) });
        let mut body = streamed_body(chunks);
        let mut read = Vec::new();
        for _ in 0..5 {
            read.push(body.frame().await.map(|frame| frame.unwrap().into_data().unwrap().to_vec()));
        }
        assert_eq!(read, [Some(vec![2]), Some(vec![1]), None, None, None]);
    }
}
