//! Spans of one request on their way to the commit thread.

use std::time::{SystemTime, UNIX_EPOCH};

use hinomi_model::span::Span;
use tokio::sync::oneshot;

use super::SpanAppendResult;
use super::commit::AppendRequest;
use super::error::StoreError;

/// Receives the answer to an append request.
pub(super) type AppendResultReceiver = oneshot::Receiver<Result<SpanAppendResult, StoreError>>;

/// Spans of one request, prepared for the commit thread: all work that does not need the commit thread is done.
#[derive(Debug)]
pub struct PreparedAppend {
    pub(super) request: AppendRequest,
    pub(super) result: AppendResultReceiver,
    pub(super) without_id: usize,
}

impl PreparedAppend {
    /// Prepares spans that have just been received.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::TooLargeForWal`] if the spans are too large for one frame of the WAL.
    pub fn new(project: u64, spans: Vec<Span>) -> Result<PreparedAppend, StoreError> {
        let received = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let received_us = i64::try_from(received.as_micros()).unwrap_or(i64::MAX);
        let count = spans.len();
        let (request, result) = prepare_append(project, received_us, spans)?;
        Ok(PreparedAppend { without_id: count - request.spans.len(), request, result })
    }
}

pub(super) fn prepare_append(
    project: u64,
    received_us: i64,
    mut spans: Vec<Span>,
) -> Result<(AppendRequest, AppendResultReceiver), StoreError> {
    spans.retain(|span| span.trace_id.0 != 0 && span.span_id.0 != 0);
    for span in &mut spans {
        // Zero means that there is no parent, and would not be read back as text.
        span.parent_span_id = span.parent_span_id.filter(|parent| parent.0 != 0);
    }
    let blob = super::wal::frame::compress_spans(&spans).map_err(|reason| StoreError::TooLargeForWal { reason })?;
    let (reply, answer) = oneshot::channel();
    Ok((AppendRequest { project, received_us, spans, blob, reply }, answer))
}
