//! Judgements of answers: by people, by programs, by other models.

use serde::{Deserialize, Serialize};

use crate::id::{SpanId, TraceId};

/// One judgement of a trace or of one of its spans.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// What tells it from others: the same id again is the same score, corrected.
    pub id: String,
    /// The trace that is judged.
    pub trace_id: TraceId,
    /// The span, where it is not the whole trace.
    pub span_id: Option<SpanId>,
    /// What is judged: `helpful`, `tone`.
    pub name: String,
    /// How well.
    pub value: ScoreValue,
    /// Why, in somebody's own words.
    pub comment: Option<String>,
    /// When, in microseconds since the Unix epoch.
    pub at_us: i64,
}

/// A number, or the name of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ScoreValue {
    /// A number; 0 and 1 for "no" and "yes".
    Number(f64),
    /// A class.
    Label(String),
}
