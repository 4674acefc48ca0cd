//! Streams files of any size as responses. The server waits for slow clients, but not for clients that stop reading.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::response::Response;
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::streaming::streamed_body;

/// Number of chunks that are buffered for a slow client.
const BUFFERED_CHUNKS: usize = 1;
/// Time that the client may take to read a chunk.
const CHUNK_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Time that an export waits for a slot.
const EXPORT_SLOT_TIMEOUT: Duration = Duration::from_secs(5);
/// Exports that run at the same time; further ones wait.
const MAX_EXPORTS: usize = 6;
/// Exports of one project that run at the same time.
const MAX_EXPORTS_PER_PROJECT: usize = 2;

/// Limits the number of concurrent exports.
#[derive(Debug)]
pub struct ExportLimiter {
    all: Arc<Semaphore>,
    of_projects: Mutex<HashMap<u64, Arc<Semaphore>>>,
}

/// Permit for one export, released when it is dropped.
#[derive(Debug)]
pub(super) struct ExportPermit {
    _of_project: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Default for ExportLimiter {
    fn default() -> Self {
        ExportLimiter { all: Arc::new(Semaphore::new(MAX_EXPORTS)), of_projects: Mutex::default() }
    }
}

impl ExportLimiter {
    /// Waits a few seconds for a slot; returns `None` if no slot becomes free.
    pub(super) async fn acquire(&self, project: u64) -> Option<ExportPermit> {
        self.acquire_within(project, EXPORT_SLOT_TIMEOUT).await
    }

    async fn acquire_within(&self, project: u64, wait: Duration) -> Option<ExportPermit> {
        let own = {
            let mut projects = self.of_projects.lock().unwrap_or_else(PoisonError::into_inner);
            projects.retain(|_, own| own.available_permits() < MAX_EXPORTS_PER_PROJECT || Arc::strong_count(own) > 1);
            projects.entry(project).or_insert_with(|| Arc::new(Semaphore::new(MAX_EXPORTS_PER_PROJECT))).clone()
        };
        let places = async {
            let of_project = own.acquire_owned().await.ok()?;
            let of_all = self.all.clone().acquire_owned().await.ok()?;
            Some(ExportPermit { _of_project: of_project, _of_all: of_all })
        };
        tokio::time::timeout(wait, places).await.ok().flatten()
    }

    /// Returns the number of exports in progress.
    pub fn running(&self) -> u64 {
        MAX_EXPORTS.saturating_sub(self.all.available_permits()) as u64
    }
}

/// Produces the chunks of a response, including compression, on low-priority threads and streams them to the client. If the client does
/// not read for a while, the response ends with an error and its production stops.
pub(super) fn stream_response(response: Response, threads: &Handle) -> Response {
    stream_response_within(response, threads, CHUNK_READ_TIMEOUT)
}

fn stream_response_within(response: Response, threads: &Handle, timeout: Duration) -> Response {
    let (parts, mut body) = response.into_parts();
    let (to, pieces) = mpsc::channel::<Result<Bytes, axum::Error>>(BUFFERED_CHUNKS);
    let is_whole = Arc::new(AtomicBool::new(false));
    let at_its_end = is_whole.clone();
    threads.spawn(async move {
        while let Some(frame) = body.frame().await {
            let piece = match frame.map(|frame| frame.into_data()) {
                Ok(Ok(piece)) => Ok(piece),
                // A file has no trailers.
                Ok(Err(_)) => continue,
                Err(error) => Err(error),
            };
            match tokio::time::timeout(timeout, to.send(piece)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    tracing::warn!(patience_ms = timeout.as_millis() as u64, "api.file.client_stalled");
                    return;
                }
            }
        }
        at_its_end.store(true, Ordering::Release);
    });
    let pieces = futures::stream::unfold(Some((pieces, is_whole)), |left| async move {
        let (mut pieces, is_whole) = left?;
        match pieces.recv().await {
            Some(piece) => Some((piece, Some((pieces, is_whole)))),
            None if is_whole.load(Ordering::Acquire) => None,
            // Without an error the client would take the truncated file for complete.
            None => Some((Err(axum::Error::new(io::Error::other("the file broke off"))), None)),
        }
    });
    Response::from_parts(parts, streamed_body(pieces))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    /// Returns a response of `count` chunks, and a handle that shows when its production has ended.
    fn chunked_response(count: usize) -> (Response, Arc<()>) {
        let made = Arc::new(());
        let making = made.clone();
        let pieces = (0..count).map(move |piece| {
            let _ = &making;
            Ok::<_, io::Error>(Bytes::from(vec![piece as u8; 10]))
        });
        (Response::new(Body::from_stream(futures::stream::iter(pieces))), made)
    }

    #[tokio::test]
    async fn slow_reader_of_a_file_is_disconnected() {
        let threads = Handle::current();
        let read = axum::body::to_bytes(stream_response(chunked_response(100).0, &threads).into_body(), 10_000).await;
        assert_eq!(read.unwrap().len(), 1000);

        let (response, made) = chunked_response(100);
        let mut unread = stream_response_within(response, &threads, Duration::from_millis(5)).into_body();
        while Arc::strong_count(&made) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut frames = Vec::new();
        while let Some(frame) = unread.frame().await {
            frames.push(frame.is_ok());
        }
        assert!(frames.len() <= BUFFERED_CHUNKS + 1 && frames.last() == Some(&false), "{frames:?}");
    }

    #[tokio::test]
    async fn one_project_cannot_take_all_export_slots() {
        let exports = ExportLimiter::default();
        let own = [exports.acquire(1).await.unwrap(), exports.acquire(1).await.unwrap()];
        assert!(exports.acquire_within(1, Duration::from_millis(1)).await.is_none());
        let other = exports.acquire(2).await;
        assert!(other.is_some());
        assert_eq!(exports.running(), 3);
        drop(own);
        assert!(exports.acquire(1).await.is_some());
    }
}
