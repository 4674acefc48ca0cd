//! Containers of spans. Current SDKs send calls of models in such containers, in addition to a transaction or instead of a transaction.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::EnvelopeItem;
use super::lenient::{LenientText, LenientTime, TypedAttributes};
use super::span_v1::dropped;
use super::{EnvelopeReader, status};
use crate::clock::TimestampError;
use crate::id::{SpanId, TraceId};
use crate::lenient_json::{ChargedItems, parse_mended, repair_payload};
use crate::normalize::{RawSpan, RawStatus};
use crate::outcome::{Outcome, OutcomeCategory, OutcomeKind};
use crate::outcome_reason::OutcomeReason;

/// Content type of a container.
pub(super) const CONTAINER_CONTENT_TYPE: &str = "application/vnd.sentry.items.span.v2+json";

#[derive(Deserialize)]
struct SpanContainer<S> {
    items: ChargedItems<S>,
}

#[derive(Deserialize)]
pub(super) struct SentrySpanV2<'a> {
    #[serde(borrow, default)]
    trace_id: LenientText<'a>,
    #[serde(borrow, default)]
    span_id: LenientText<'a>,
    #[serde(borrow, default)]
    parent_span_id: LenientText<'a>,
    #[serde(borrow, default)]
    name: LenientText<'a>,
    #[serde(borrow, default)]
    status: LenientText<'a>,
    #[serde(default)]
    start_timestamp: LenientTime,
    #[serde(default)]
    end_timestamp: LenientTime,
    #[serde(default)]
    attributes: TypedAttributes,
}

impl SentrySpanV2<'_> {
    fn into_raw(self, reader: &EnvelopeReader) -> Result<RawSpan, Outcome> {
        let trace_id: TraceId =
            self.trace_id.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| dropped(OutcomeReason::InvalidTraceId))?;
        let span_id: SpanId =
            self.span_id.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| dropped(OutcomeReason::InvalidSpanId))?;
        let placed = reader
            .clock
            .corrected_times(self.start_timestamp.0, self.end_timestamp.0)
            .map_err(|TimestampError::TooOld| dropped(OutcomeReason::TooOld))?;
        Ok(RawSpan {
            trace_id,
            span_id,
            parent_span_id: self.parent_span_id.as_str().and_then(|text| text.parse().ok()),
            name: self.name.into_string().unwrap_or_default(),
            op: self.attributes.0.get("sentry.op").and_then(|op| op.as_str()).unwrap_or_default().to_owned(),
            origin: None,
            status: self.status.as_str().map_or(RawStatus::Unset, status::v2),
            status_detail: None,
            start_us: placed.start_us,
            end_us: placed.end_us,
            clock_shift_us: placed.shift_us,
            time_sources: placed.sources,
            attributes: self.attributes.0,
            measurements: Vec::new(),
            tags: Default::default(),
        })
    }
}

/// Reads a container. If its count does not match its header, it is dropped as a whole. An invalid span is dropped, and the other spans are
/// kept.
pub(super) fn read(item: &EnvelopeItem, reader: &mut EnvelopeReader) {
    let raws = parse_mended(item.payload, |text| read_all(text, reader));
    let raws = raws.or_else(|_| read_each(&repair_payload(item.payload), reader));
    let Ok(raws) = raws else {
        let quantity = item.header.item_count.unwrap_or(1).max(1);
        reader.outcomes.push(Outcome { quantity, ..Outcome::dropped(OutcomeCategory::Span, OutcomeReason::InvalidJson, None) });
        return;
    };
    if let Some(count) = item.header.item_count.filter(|count| *count != raws.len() as u64) {
        let detail = format!("the header of the item announces {count} spans, but the item has {}", raws.len());
        let quantity = (raws.len() as u64).max(1);
        reader.outcomes.push(Outcome { quantity, ..Outcome::dropped(OutcomeCategory::Span, OutcomeReason::ItemCountMismatch, detail) });
        return;
    }
    let mut seen = HashSet::with_capacity(raws.len());
    for raw in raws {
        match raw {
            Ok(raw) if !seen.insert((raw.trace_id, raw.span_id)) => {
                reader.outcomes.push(Outcome {
                    kind: OutcomeKind::Duplicate,
                    ..Outcome::dropped(OutcomeCategory::Span, OutcomeReason::Duplicate, None)
                });
            }
            Ok(raw) => reader.add(raw),
            Err(outcome) => reader.outcomes.push(outcome),
        }
    }
}

/// Raw spans, or the outcomes of dropped ones.
type RawSpanResults = Vec<Result<RawSpan, Outcome>>;

fn read_all(text: &str, reader: &EnvelopeReader) -> Result<RawSpanResults, serde_json::Error> {
    let container: SpanContainer<SentrySpanV2> = serde_json::from_str(text)?;
    Ok(container.items.0.into_iter().map(|span| span.into_raw(reader)).collect())
}

/// Reads a container with an invalid span.
fn read_each(text: &str, reader: &EnvelopeReader) -> Result<RawSpanResults, serde_json::Error> {
    let container: SpanContainer<&RawValue> = serde_json::from_str(text)?;
    let one = |span: &RawValue| {
        serde_json::from_str::<SentrySpanV2>(span.get()).map_err(|_| dropped(OutcomeReason::InvalidJson))?.into_raw(reader)
    };
    Ok(container.items.0.into_iter().map(one).collect())
}
