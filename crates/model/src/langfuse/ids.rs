//! IDs of Langfuse's clients: UUIDs, hex digits, or any text.

use serde_json::{Map, Value};

use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};

/// Returns the ID of a trace. An ID of 128 bits is kept; any other text is hashed.
pub fn trace_id(text: &str) -> TraceId {
    text.parse().unwrap_or_else(|_| Fingerprint::of(&["langfuse trace", text]).trace_id())
}

/// Returns the ID of an observation. 16 hex digits are kept as 64 bits; any other text is hashed.
pub fn span_id(text: &str) -> SpanId {
    text.parse().unwrap_or_else(|_| Fingerprint::of(&["langfuse observation", text]).span_id())
}

/// Returns the ID of the span that represents a trace.
pub(super) fn root(trace: &str) -> SpanId {
    Fingerprint::of(&["langfuse root", trace]).span_id()
}

/// Returns a field's text if it is not blank; a number becomes its digits.
pub(super) fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    match body.get(name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The trace of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObservationTrace {
    /// ID of the trace.
    pub trace_id: TraceId,
    /// ID of the span that represents the trace.
    pub root: SpanId,
}

impl ObservationTrace {
    /// Returns the trace with this ID as sent.
    pub(super) fn named(trace: &str) -> ObservationTrace {
        ObservationTrace { trace_id: trace_id(trace), root: root(trace) }
    }
}
