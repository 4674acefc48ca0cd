//! Which spans count, and which pipeline they belong to, decided from what is known of their trace so far.
//!
//! The same nodes in any order give the same decisions, so a trace that arrives in pieces ends where one that arrives whole does.

use serde::{Deserialize, Serialize};

use crate::id::SpanId;
use crate::span::{Kind, Span};

/// What counting must know of a span: small, since it is kept in memory for each recent trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its id.
    pub span_id: SpanId,
    /// The span above it.
    pub parent_span_id: Option<SpanId>,
    /// Its kind.
    pub kind: Kind,
    /// Start in microseconds, as the client sent it (before any clock shift).
    pub start_us: i64,
    /// End, likewise.
    pub end_us: i64,
    /// All input tokens.
    pub input_tokens: Option<u64>,
    /// All output tokens.
    pub output_tokens: Option<u64>,
    /// The model shown.
    pub model: Option<String>,
    /// The provider's id of the answer.
    pub response_id: Option<String>,
    /// What the span alone says, from [`crate::span::Span::counted`] at decoding.
    pub locally: Decision,
}

impl Node {
    /// The node of a span as decoded, before any trace rule was applied.
    pub fn of(span: &Span) -> Node {
        Node {
            span_id: span.span_id,
            parent_span_id: span.parent_span_id,
            kind: span.kind,
            start_us: span.start_us - span.clock_shift_us,
            end_us: span.end_us - span.clock_shift_us,
            input_tokens: span.usage.input_tokens(),
            output_tokens: span.usage.output_tokens(),
            model: span.model().map(str::to_owned),
            response_id: span.response_id.clone(),
            locally: Decision {
                counted: span.counted,
                not_counted_because: span.not_counted_because.clone(),
                pipeline: span.pipeline.clone(),
                is_run: span.is_run,
            },
        }
    }
}

/// What a trace says of one of its spans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// See [`crate::span::Span::counted`].
    pub counted: bool,
    /// See [`crate::span::Span::not_counted_because`].
    pub not_counted_because: Option<String>,
    /// See [`crate::span::Span::pipeline`].
    pub pipeline: Option<String>,
    /// See [`crate::span::Span::is_run`].
    pub is_run: bool,
}

impl Decision {
    /// Writes the decision into the span.
    pub fn apply(&self, span: &mut Span) {
        span.counted = self.counted;
        span.not_counted_because.clone_from(&self.not_counted_because);
        span.pipeline.clone_from(&self.pipeline);
        span.is_run = self.is_run;
    }
}

/// Decides for every node of a trace, in the order given.
pub fn decide(nodes: &[Node]) -> Vec<Decision> {
    nodes.iter().map(|node| node.locally.clone()).collect()
}
