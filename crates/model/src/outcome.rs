//! Outcomes: what happened to each item that a client sent.

use serde::{Deserialize, Serialize};

use crate::outcome_reason::OutcomeReason;
use crate::span::names;

names!(
    /// What happened to an item.
    OutcomeKind {
        /// Stored.
        Accepted = "accepted",
        /// The whole request was rejected.
        Refused = "refused",
        /// The item was dropped from an accepted request.
        Dropped = "dropped",
        /// The item was stored before.
        Duplicate = "duplicate",
        /// The client reports that it never sent the item.
        ClientDropped = "client_dropped",
    }
);

names!(
    /// Category of an item, named as in Sentry where possible.
    OutcomeCategory {
        /// Span.
        Span = "span",
        /// Attribute, event or link of a span.
        SpanPart = "span_part",
        /// Transaction as a whole, if its spans cannot be counted.
        Transaction = "transaction",
        /// Error event.
        Error = "error",
        /// Score.
        Score = "score",
        /// Log line.
        Log = "log_item",
        /// OpenTelemetry metric.
        Metric = "trace_metric",
        /// Image, audio, video or file of a message.
        Media = "media",
        /// Attachment of an error event.
        Attachment = "attachment",
        /// Session of a program.
        Session = "session",
        /// Profile.
        Profile = "profile",
        /// Replay of a session in a browser.
        Replay = "replay",
        /// Check-in of a cron monitor.
        CheckIn = "monitor",
        /// Report of a browser: a violation of a security policy, or a network error.
        SecurityReport = "security",
        /// Feedback of an end user.
        Feedback = "feedback",
        /// Anything else that is not stored by design.
        Other = "other",
        /// Request that could not be read.
        Request = "request",
    }
);

/// Number of items of one category with the same outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outcome {
    /// What happened to the items.
    pub kind: OutcomeKind,
    /// Name of an [`OutcomeReason`], or a reason of the client in snake case.
    pub reason: String,
    /// Category of the items.
    pub category: OutcomeCategory,
    /// Number of items.
    pub quantity: u64,
    /// One line for a person, without any content of messages.
    pub detail: Option<String>,
}

impl Outcome {
    /// Returns the outcome of one dropped item.
    pub fn dropped(category: OutcomeCategory, reason: OutcomeReason, detail: impl Into<Option<String>>) -> Outcome {
        Outcome { kind: OutcomeKind::Dropped, reason: reason.as_str().to_owned(), category, quantity: 1, detail: detail.into() }
    }
}
