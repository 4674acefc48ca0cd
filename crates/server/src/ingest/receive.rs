//! Reading a request's body: whole, under a cap, and only while there is room for it in memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::refusal::Refusal;

/// Room is given in pieces of this many bytes.
pub(super) const UNIT: usize = 16 << 10;
/// How long a request waits for room. Tests are not that patient.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };
/// How long a body may take from its first byte to its last.
const READING: Duration = Duration::from_secs(60);

/// A body, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(super) struct Received {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

impl Received {
    /// The body, and its room, which is to be held as long.
    pub(super) fn into_parts(self) -> (Vec<u8>, Option<OwnedSemaphorePermit>) {
        (self.bytes, self.room)
    }
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn receive(body: Body, headers: &HeaderMap, limit: usize, room: &Arc<Semaphore>) -> Result<Received, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Refusal::TooLarge { limit });
    }
    let reading = read(body, announced.unwrap_or(0), limit, room);
    timeout(READING, reading).await.unwrap_or(Err(Refusal::BrokenOff { seconds: READING.as_secs() }))
}

async fn read(body: Body, announced: usize, limit: usize, room: &Arc<Semaphore>) -> Result<Received, Refusal> {
    let mut held = take(room, announced).await?;
    let mut bytes = Vec::with_capacity(announced);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Refusal::BrokenOff { seconds: READING.as_secs() })?;
        let length = bytes.len() + piece.len();
        if length > limit {
            return Err(Refusal::TooLarge { limit });
        }
        let holds = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * UNIT;
        if length > holds {
            // Several bodies without a length may wait for each other here; patience ends that.
            let more = take(room, length.max(2 * holds).min(limit) - holds).await?;
            match (&mut held, more) {
                (Some(held), Some(more)) => held.merge(more),
                (held, more) => *held = more,
            }
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Received { bytes, room: held })
}

async fn take(room: &Arc<Semaphore>, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
    if bytes == 0 {
        return Ok(None);
    }
    let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| Refusal::Overloaded)?;
    match timeout(PATIENCE, room.clone().acquire_many_owned(units)).await {
        Ok(Ok(permit)) => Ok(Some(permit)),
        Ok(Err(_)) => Err(Refusal::Stopping),
        Err(_) => Err(Refusal::Overloaded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(bytes: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(bytes / UNIT))
    }

    fn in_pieces(count: usize) -> Body {
        Body::from_stream(futures::stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(vec![7u8; UNIT]))))
    }

    #[tokio::test]
    async fn room_is_given_back() {
        let room = room(8 * UNIT);
        let received = receive(in_pieces(5), &HeaderMap::new(), 6 * UNIT, &room).await.unwrap();
        assert_eq!(received.bytes.len(), 5 * UNIT);
        assert!(room.available_permits() <= 3);
        drop(received);
        assert_eq!(room.available_permits(), 8);
    }

    #[tokio::test]
    async fn too_large_with_and_without_a_length() {
        let room = room(8 * UNIT);
        let long = receive(in_pieces(7), &HeaderMap::new(), 6 * UNIT, &room).await;
        assert!(matches!(long, Err(Refusal::TooLarge { .. })));
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, "1000000000".parse().unwrap());
        assert!(matches!(receive(Body::empty(), &headers, 10, &room).await, Err(Refusal::TooLarge { limit: 10 })));
        assert_eq!(room.available_permits(), 8);
    }

    #[tokio::test]
    async fn a_full_house_says_so() {
        let room = room(2 * UNIT);
        assert!(matches!(receive(in_pieces(4), &HeaderMap::new(), 6 * UNIT, &room).await, Err(Refusal::Overloaded)));
        assert_eq!(room.available_permits(), 2);
    }
}
