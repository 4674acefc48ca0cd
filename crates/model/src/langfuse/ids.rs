//! Ids as Langfuse's clients send them: UUIDs, hex digits, or any text.

use serde_json::{Map, Value};

use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};

/// The id of a trace: what has 128 bits keeps them, any other text is hashed.
pub fn trace_id(text: &str) -> TraceId {
    text.parse().unwrap_or_else(|_| Fingerprint::of(&["langfuse trace", text]).trace_id())
}

/// The id of an observation: 16 hex digits keep their 64 bits, any other text is hashed.
pub fn span_id(text: &str) -> SpanId {
    text.parse().unwrap_or_else(|_| Fingerprint::of(&["langfuse observation", text]).span_id())
}

/// The id of the span that stands for a trace.
pub(super) fn root(trace: &str) -> SpanId {
    Fingerprint::of(&["langfuse root", trace]).span_id()
}

/// A text that says something; numbers are taken as their digits.
pub(super) fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    match body.get(name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The trace that an observation belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObservationTrace {
    /// The trace.
    pub trace_id: TraceId,
    /// The span that stands for it.
    pub root: SpanId,
}

impl ObservationTrace {
    /// The trace with this id as sent.
    pub(super) fn named(trace: &str) -> ObservationTrace {
        ObservationTrace { trace_id: trace_id(trace), root: root(trace) }
    }
}
