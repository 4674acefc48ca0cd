//! One stored span as a [`SpanRow`], and rows as Arrow batches of [`SCHEMA`](super::schema::SCHEMA).
//!
//! Both directions are exact: what [`to_batch`] writes, [`from_batch`] reads back equal. The exceptions are token counts beyond 63
//! bits, which no client can mean and which are cut to the largest number a column holds.

mod decode;
mod encode;
mod legacy;
mod message_texts;
mod preview;

use hinomi_model::dedup::SpanDecision;
use hinomi_model::span::Span;

pub use decode::from_batch;
pub use encode::to_batch;
pub use legacy::without_sentences;
pub use message_texts::each_text;
pub use preview::preview;

/// A span as it is stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpanRow {
    /// The project that it was sent to.
    pub project_id: u64,
    /// When it arrived, in microseconds since the Unix epoch.
    pub received_us: i64,
    /// The span, with the decision of its trace applied.
    pub span: Span,
    /// What the span alone said before its trace was asked, where that differs from what `span` says now. The trace rules start
    /// from this again when more of the trace arrives.
    pub local: Option<Box<SpanDecision>>,
}

impl SpanRow {
    /// What the span alone says.
    pub fn locally(&self) -> SpanDecision {
        self.local.as_deref().cloned().unwrap_or_else(|| SpanDecision::of(&self.span))
    }

    /// Puts the decision of the trace in force, and keeps what the span alone says beside it.
    pub fn decide(&mut self, decision: &SpanDecision) {
        let locally = self.locally();
        decision.apply(&mut self.span);
        self.local = (locally != *decision).then(|| Box::new(locally));
    }
}

#[cfg(test)]
mod tests;
