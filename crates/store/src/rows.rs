//! A stored span as [`SpanRow`], and the conversion of rows to and from Arrow batches of [`SCHEMA`](super::schema::SCHEMA).
//!
//! Both directions are exact: [`from_batch`] returns the same rows that [`to_batch`] received. The only exception are token counts of more
//! than 63 bits, which cannot be real counts. They are reduced to the largest number of a column.

mod decode;
mod encode;
mod legacy;
mod message_texts;
mod preview;

use hinomi_model::dedup::SpanDecision;
use hinomi_model::span::Span;

pub use decode::from_batch;
pub use encode::to_batch;
pub use legacy::convert_sentences;
pub use message_texts::each_text;
pub use preview::preview;

/// A span as it is stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpanRow {
    /// Project that received the span.
    pub project_id: u64,
    /// Time of arrival in microseconds since the Unix epoch.
    pub received_us: i64,
    /// The span, with the decision from its trace applied.
    pub span: Span,
    /// Decision from the span alone, if the decision from its trace differs. When more spans of the trace arrive, the deduplication rules
    /// start from this decision again.
    pub local: Option<Box<SpanDecision>>,
}

impl SpanRow {
    /// Returns the decision from the span alone.
    pub fn locally(&self) -> SpanDecision {
        self.local.as_deref().cloned().unwrap_or_else(|| SpanDecision::of(&self.span))
    }

    /// Applies the decision from the trace, and keeps the decision from the span alone in `local`.
    pub fn decide(&mut self, decision: &SpanDecision) {
        let locally = self.locally();
        decision.apply(&mut self.span);
        self.local = (locally != *decision).then(|| Box::new(locally));
    }
}

#[cfg(test)]
mod tests;
