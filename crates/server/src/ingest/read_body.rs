//! Reads request bodies completely, within a limit, and only while memory is available.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderMap, header};
use futures::StreamExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::admission::{BodyPermit, IngestAdmission, MAX_UNIDENTIFIED_BYTES, SenderAdmission};
use super::decompress;
use super::rejection::IngestRejection;

/// Time that a body may take from its first byte to its last.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Time that the header of an envelope may take from a sender that is not identified yet.
const UNIDENTIFIED_TIMEOUT: Duration = Duration::from_secs(5);
/// Initial capacity of the buffer for a body, in bytes.
const FIRST_CAPACITY: usize = 64 << 10;

/// A body that is arriving.
#[derive(Debug)]
pub(super) struct IncomingBody {
    chunks: BodyDataStream,
    bytes: Vec<u8>,
    /// Length from the header `Content-Length`, if present.
    announced_length: Option<usize>,
    has_ended: bool,
}

/// A complete body, and its memory permit.
#[derive(Debug)]
pub(super) struct ReceivedBody {
    pub(super) bytes: Bytes,
    pub(super) permit: BodyPermit,
}

impl IncomingBody {
    pub(super) fn new(body: Body, headers: &HeaderMap) -> IncomingBody {
        let announced_length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let chunks = body.into_data_stream();
        IncomingBody { chunks, bytes: Vec::new(), announced_length, has_ended: false }
    }

    /// Decompresses a body whose sender is not identified yet, and returns the first line. The bytes that were read stay part of the body.
    /// Returns `None` if the body has no first line that is short enough.
    pub(super) async fn first_line(&mut self, encoding: &str, admission: &IngestAdmission) -> Result<Option<Vec<u8>>, IngestRejection> {
        let broken_off = IngestRejection::Interrupted { seconds: UNIDENTIFIED_TIMEOUT.as_secs() };
        timeout(UNIDENTIFIED_TIMEOUT, self.read_first_line(encoding, admission)).await.unwrap_or(Err(broken_off))
    }

    async fn read_first_line(&mut self, encoding: &str, admission: &IngestAdmission) -> Result<Option<Vec<u8>>, IngestRejection> {
        let mut permit: Option<OwnedSemaphorePermit> = None;
        let mut looked_at = 0;
        loop {
            self.read_chunk(UNIDENTIFIED_TIMEOUT).await?;
            let length = self.bytes.len();
            // The search is repeated only when the buffer has doubled, so that a line which arrives in small pieces costs little.
            if self.has_ended || length >= 2 * looked_at {
                looked_at = length;
                let line = decompress::first_line(&self.bytes, encoding, self.has_ended)?;
                if line.is_some() || self.has_ended {
                    return Ok(line);
                }
            }
            if length > MAX_UNIDENTIFIED_BYTES {
                return Ok(None);
            }
            if permit.is_none() {
                permit = Some(admission.admit_unidentified()?);
            }
        }
    }

    /// Receives the whole body, of at most `limit` bytes.
    pub(super) async fn read_to_end(self, limit: usize, sender: &SenderAdmission) -> Result<ReceivedBody, IngestRejection> {
        if self.announced_length.is_some_and(|length| length > limit) {
            return Err(IngestRejection::TooLarge { limit });
        }
        let broken_off = IngestRejection::Interrupted { seconds: BODY_TIMEOUT.as_secs() };
        timeout(BODY_TIMEOUT, self.read(limit, sender)).await.unwrap_or(Err(broken_off))
    }

    async fn read(mut self, limit: usize, sender: &SenderAdmission) -> Result<ReceivedBody, IngestRejection> {
        let mut permit = BodyPermit::default();
        loop {
            let length = self.bytes.len();
            if length > limit {
                return Err(IngestRejection::TooLarge { limit });
            }
            let holds = permit.bytes();
            if length > holds {
                // Several bodies may wait for each other here; the time limit ends that.
                let next = length.max(2 * holds).min(self.announced_length.unwrap_or(limit).max(length));
                sender.grow(&mut permit, next - holds).await?;
            }
            if self.has_ended {
                return Ok(ReceivedBody { bytes: self.bytes.into(), permit });
            }
            self.read_chunk(BODY_TIMEOUT).await?;
        }
    }

    async fn read_chunk(&mut self, timeout: Duration) -> Result<(), IngestRejection> {
        if self.has_ended {
            return Ok(());
        }
        match self.chunks.next().await {
            Some(Ok(piece)) => {
                let missing = self.announced_length.unwrap_or(0).saturating_sub(self.bytes.len());
                self.bytes.reserve(missing.min(self.bytes.len().max(FIRST_CAPACITY)).max(piece.len()));
                self.bytes.extend_from_slice(&piece);
            }
            Some(Err(_)) => return Err(IngestRejection::Interrupted { seconds: timeout.as_secs() }),
            None => self.has_ended = true,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::admission::MEMORY_UNIT_BYTES;
    use super::*;
    use crate::config::Config;
    use crate::memory::MemoryBudget;

    fn admission(bytes: usize) -> IngestAdmission {
        IngestAdmission::new(MemoryBudget { arriving_bodies: bytes, ..MemoryBudget::from_config(&Config::default()) })
    }

    fn chunked(count: usize) -> IncomingBody {
        let pieces = futures::stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(vec![7u8; MEMORY_UNIT_BYTES])));
        IncomingBody::new(Body::from_stream(pieces), &HeaderMap::new())
    }

    fn available_bytes(sender: &SenderAdmission) -> usize {
        sender.available_units()
    }

    #[tokio::test]
    async fn body_memory_is_released() {
        let sender = admission(8 * MEMORY_UNIT_BYTES).admission_of(None, 8 * MEMORY_UNIT_BYTES);
        let received = chunked(5).read_to_end(6 * MEMORY_UNIT_BYTES, &sender).await.unwrap();
        assert_eq!(received.bytes.len(), 5 * MEMORY_UNIT_BYTES);
        assert!(available_bytes(&sender) <= 3);
        drop(received);
        assert_eq!(available_bytes(&sender), 8);
    }

    #[tokio::test]
    async fn too_large_bodies_are_rejected_with_and_without_length() {
        let sender = admission(8 * MEMORY_UNIT_BYTES).admission_of(None, 8 * MEMORY_UNIT_BYTES);
        assert!(matches!(chunked(7).read_to_end(6 * MEMORY_UNIT_BYTES, &sender).await, Err(IngestRejection::TooLarge { .. })));
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, "1000000000".parse().unwrap())]);
        let announced = IncomingBody::new(Body::empty(), &headers).read_to_end(10, &sender).await;
        assert!(matches!(announced, Err(IngestRejection::TooLarge { limit: 10 })));
        assert_eq!(available_bytes(&sender), 8);
    }

    #[tokio::test]
    async fn full_memory_budget_is_reported_as_overload() {
        let sender = admission(2 * MEMORY_UNIT_BYTES).admission_of(None, MEMORY_UNIT_BYTES);
        assert!(matches!(chunked(4).read_to_end(6 * MEMORY_UNIT_BYTES, &sender).await, Err(IngestRejection::Overloaded)));
        assert_eq!(available_bytes(&sender), 2);
    }

    #[tokio::test]
    async fn announced_length_reserves_no_memory() {
        let admission = admission(8 * MEMORY_UNIT_BYTES);
        let sender = admission.admission_of(None, 8 * MEMORY_UNIT_BYTES);
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, (8 * MEMORY_UNIT_BYTES).to_string().parse().unwrap())]);
        let silent = || {
            let first = futures::stream::once(async { Ok::<_, std::io::Error>(vec![b'{']) });
            IncomingBody::new(Body::from_stream(first.chain(futures::stream::pending())), &headers)
        };
        let waiting: Vec<_> = (0..4).map(|_| Box::pin(silent().read_to_end(8 * MEMORY_UNIT_BYTES, &sender))).collect();
        let waiting = futures::future::select_all(waiting);
        let good = async { chunked(3).read_to_end(6 * MEMORY_UNIT_BYTES, &sender).await.map(|received| received.bytes.len()) };
        tokio::select! {
            biased;
            _ = waiting => panic!("nothing ends them"),
            good = good => assert_eq!(good.ok(), Some(3 * MEMORY_UNIT_BYTES)),
        }
    }

    #[tokio::test]
    async fn first_line_of_an_unidentified_sender_is_read() {
        let admission = admission(8 * MEMORY_UNIT_BYTES);
        let body = |bytes: &[u8]| IncomingBody::new(Body::from(bytes.to_vec()), &HeaderMap::new());
        let mut whole = body(b"{\"dsn\":\"x\"}\nmore");
        assert_eq!(whole.first_line("", &admission).await.unwrap().as_deref(), Some(&b"{\"dsn\":\"x\"}"[..]));
        let sender = admission.admission_of(None, MEMORY_UNIT_BYTES);
        assert_eq!(&whole.read_to_end(100, &sender).await.unwrap().bytes[..], b"{\"dsn\":\"x\"}\nmore");
        assert_eq!(body(b"{}").first_line("", &admission).await.unwrap().as_deref(), Some(&b"{}"[..]));
        assert_eq!(body(&[b' '; 1 << 20]).first_line("", &admission).await.unwrap(), None);
        assert_eq!(chunked(100).first_line("", &admission).await.unwrap(), None);
    }
}
