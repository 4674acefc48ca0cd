//! Spans within transactions, and as items of their own before there were containers.

use serde::Deserialize;

use super::lenient::{LenientMeasurements, LenientTags, LenientText, LenientTime, UntypedAttributes};
use super::status;
use crate::clock::{ClockDriftCorrector, TimeSource, TimestampError};
use crate::id::{SpanId, TraceId};
use crate::normalize::{RawSpan, RawStatus};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;

#[derive(Deserialize)]
pub(super) struct SentrySpanV1<'a> {
    #[serde(borrow, default)]
    pub(super) trace_id: LenientText<'a>,
    #[serde(borrow, default)]
    pub(super) span_id: LenientText<'a>,
    #[serde(borrow, default)]
    pub(super) parent_span_id: LenientText<'a>,
    #[serde(borrow, default)]
    pub(super) op: LenientText<'a>,
    #[serde(borrow, default)]
    pub(super) description: LenientText<'a>,
    #[serde(borrow, default)]
    pub(super) status: LenientText<'a>,
    #[serde(borrow, default)]
    pub(super) origin: LenientText<'a>,
    #[serde(default)]
    pub(super) start_timestamp: LenientTime,
    #[serde(default)]
    pub(super) timestamp: LenientTime,
    #[serde(default)]
    pub(super) data: UntypedAttributes,
    #[serde(default)]
    pub(super) tags: LenientTags,
    #[serde(default)]
    pub(super) measurements: LenientMeasurements,
}

/// What a span takes from the transaction that contains it.
#[derive(Clone, Copy, Default)]
pub(super) struct SpanSurroundings {
    pub(super) trace_id: Option<TraceId>,
    /// Start of the transaction, as the client sent it.
    pub(super) start_us: Option<i64>,
}

impl SentrySpanV1<'_> {
    /// Returns the raw span. A span without IDs is dropped. A missing trace ID is the transaction's, and a span without times starts with the
    /// transaction.
    pub(super) fn into_raw(self, around: SpanSurroundings, clock: &ClockDriftCorrector) -> Result<RawSpan, Outcome> {
        let own_trace = match self.trace_id.as_str() {
            Some(text) => text.parse().ok(),
            None => around.trace_id,
        };
        let trace_id = own_trace.ok_or_else(|| dropped(OutcomeReason::InvalidTraceId))?;
        let span_id: SpanId =
            self.span_id.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| dropped(OutcomeReason::InvalidSpanId))?;
        let (start, end) = (self.start_timestamp.0, self.timestamp.0);
        let is_start_borrowed = start.is_none() && end.is_none() && around.start_us.is_some_and(|at| clock.is_plausible(at));
        let start = if is_start_borrowed { around.start_us } else { start };
        let mut placed = clock.corrected_times(start, end).map_err(|TimestampError::TooOld| dropped(OutcomeReason::TooOld))?;
        if is_start_borrowed {
            placed.sources.start = Some(TimeSource::Event);
        }
        let tagged = || self.tags.0.get("status").and_then(|tag| status::tagged(tag));
        let sent = self.status.as_str().map(status::v1).or_else(tagged);
        let (state, detail) = sent.unwrap_or((RawStatus::Unset, None));
        Ok(RawSpan {
            trace_id,
            span_id,
            parent_span_id: self.parent_span_id.as_str().and_then(|text| text.parse().ok()),
            name: self.description.into_string().unwrap_or_default(),
            op: self.op.into_string().unwrap_or_default(),
            origin: self.origin.into_string(),
            status: state,
            status_detail: detail,
            start_us: placed.start_us,
            end_us: placed.end_us,
            clock_shift_us: placed.shift_us,
            time_sources: placed.sources,
            attributes: self.data.0,
            measurements: self.measurements.0,
            tags: self.tags.0,
        })
    }
}

/// Returns the outcome of a dropped span.
pub(super) fn dropped(reason: OutcomeReason) -> Outcome {
    Outcome::dropped(OutcomeCategory::Span, reason, None)
}
