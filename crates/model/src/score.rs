//! Scores: ratings by people, programs or models.

use serde::{Deserialize, Serialize};

use crate::id::{SpanId, TraceId};

/// A rating of a trace or of one of its spans.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// ID of the score. A score with the same ID replaces the earlier score.
    pub id: String,
    /// ID of the rated trace.
    pub trace_id: TraceId,
    /// ID of the rated span; `None` if the whole trace is rated.
    pub span_id: Option<SpanId>,
    /// What is rated, such as `helpful` or `tone`.
    pub name: String,
    /// Value of the score.
    pub value: ScoreValue,
    /// Comment of the person or program.
    pub comment: Option<String>,
    /// Time of the rating in microseconds since the Unix epoch.
    pub at_us: i64,
}

/// A number, or the name of a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ScoreValue {
    /// A number; 0 and 1 for "no" and "yes".
    Number(f64),
    /// Name of a category.
    Label(String),
}
