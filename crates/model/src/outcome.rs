//! What became of each thing that a client sent.

use serde::{Deserialize, Serialize};

use crate::span::names;

names!(
    /// What became of it.
    OutcomeKind {
        /// Stored.
        Accepted = "accepted",
        /// The whole request was turned away.
        Refused = "refused",
        /// This part of an accepted request was not kept.
        Dropped = "dropped",
        /// It was stored before.
        Duplicate = "duplicate",
        /// The client says that it never sent it.
        ClientDropped = "client_dropped",
    }
);

names!(
    /// What sort of thing it was, in Sentry's words where they exist.
    OutcomeCategory {
        /// A span.
        Span = "span",
        /// An attribute, event or link of a span that was sent.
        SpanPart = "span_part",
        /// A transaction as a whole, where its spans cannot be counted.
        Transaction = "transaction",
        /// An error event.
        Error = "error",
        /// A judgement of an answer.
        Score = "score",
        /// A log line.
        Log = "log_item",
        /// A metric.
        Metric = "trace_metric",
        /// A session, profile, replay, check-in: not kept by design.
        Other = "other",
        /// A request that could not be read.
        Request = "request",
    }
);

/// A number of things of one sort that met one fate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outcome {
    /// What became of them.
    pub kind: OutcomeKind,
    /// Why, in snake case, such as `invalid_span_id`, `too_large`, `sample_rate`. `stored` for accepted ones.
    pub reason: String,
    /// What they were.
    pub category: OutcomeCategory,
    /// How many.
    pub quantity: u64,
    /// One line for a person, without any content of messages.
    pub detail: Option<String>,
}

impl Outcome {
    /// A dropped part of a request.
    pub fn dropped(category: OutcomeCategory, reason: &str, detail: impl Into<Option<String>>) -> Outcome {
        Outcome { kind: OutcomeKind::Dropped, reason: reason.into(), category, quantity: 1, detail: detail.into() }
    }
}
