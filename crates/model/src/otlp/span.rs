//! Decoded spans: the step between protobuf or JSON and [`RawSpan`].

use serde_json::{Map, Value};

use super::binary::DecodeFootprint;
use super::events;
use crate::clock::{ClockDriftCorrector, CorrectedSpanTimes, TimestampError};
use crate::id::{SpanId, TraceId};
use crate::normalize::{RawSpan, RawStatus, environment_tags, sampling};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;
use crate::span::Attributes;
use crate::span_links::SpanLink;
use crate::{decode_budget, span_links};

/// A span as sent, in any encoding.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct DecodedSpan {
    pub(super) trace_id: Option<u128>,
    pub(super) span_id: Option<u64>,
    pub(super) parent_span_id: Option<u64>,
    /// Trace state of W3C Trace Context, as sent.
    pub(super) trace_state: String,
    pub(super) name: String,
    pub(super) kind: i32,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) attributes: Map<String, Value>,
    pub(super) events: Vec<DecodedSpanEvent>,
    pub(super) links: Vec<DecodedSpanLink>,
    /// Number of attributes, events and links that the client dropped because of its limits, in the order of [`DROPPED_BY_CLIENT`].
    pub(super) left_out: [u64; 3],
    pub(super) status_code: i32,
    pub(super) status_message: String,
}

/// An event of a span.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct DecodedSpanEvent {
    pub(super) name: String,
    pub(super) time_ns: u64,
    pub(super) attributes: Map<String, Value>,
}

/// A link to another span, mostly of another trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct DecodedSpanLink {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) attributes: Map<String, Value>,
}

/// Resource and instrumentation scope of spans.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ResourceScope {
    pub(super) resource: Map<String, Value>,
    pub(super) scope_name: String,
    pub(super) scope_version: String,
    pub(super) scope: Map<String, Value>,
}

/// Values of `SpanKind` as in the attribute `otel.kind`. The value 1, "internal", is omitted like an unset one.
const OTEL_KINDS: [&str; 6] = ["", "", "server", "client", "producer", "consumer"];

/// For each kind of data that a client may drop from a span: the attribute with the number, named as in the specification, and the reason
/// of its outcome.
pub(super) const DROPPED_BY_CLIENT: [(&str, OutcomeReason); 3] = [
    ("otel.dropped_attributes_count", OutcomeReason::AttributeLimit),
    ("otel.dropped_events_count", OutcomeReason::EventLimit),
    ("otel.dropped_links_count", OutcomeReason::LinkLimit),
];

/// Returns the outcome of an invalid span or log record.
pub(super) fn dropped(category: OutcomeCategory, reason: OutcomeReason) -> Outcome {
    Outcome::dropped(category, reason, None)
}

impl DecodeFootprint for DecodedSpan {
    fn bytes(&self) -> usize {
        let event = |event: &DecodedSpanEvent| {
            2 * size_of::<DecodedSpanEvent>()
                + decode_budget::OBJECT_BYTES
                + decode_budget::text_bytes(&event.name)
                + decode_budget::object(&event.attributes)
        };
        let texts = [&self.trace_state, &self.name, &self.status_message].map(|text| decode_budget::text_bytes(text)).iter().sum::<usize>();
        // Both become JSON objects, with two texts or with their attributes.
        texts
            + decode_budget::object(&self.attributes)
            + self.events.iter().map(event).sum::<usize>()
            + self
                .links
                .iter()
                .map(|link| decode_budget::OBJECT_BYTES + decode_budget::ELEMENT_BYTES + decode_budget::object(&link.attributes))
                .sum::<usize>()
    }
}

impl DecodedSpanLink {
    /// Returns the link; `None` if an ID is zero.
    fn into_span_link(self) -> Option<SpanLink> {
        let is_id = self.trace_id != 0 && self.span_id != 0;
        is_id.then_some(SpanLink { trace_id: TraceId(self.trace_id), span_id: SpanId(self.span_id), attributes: self.attributes })
    }
}

impl ResourceScope {
    /// Returns the size of a copy in bytes.
    pub(super) fn bytes(&self) -> usize {
        let names = decode_budget::text_bytes(&self.scope_name) + decode_budget::text_bytes(&self.scope_version);
        names + decode_budget::object(&self.resource) + decode_budget::object(&self.scope)
    }
}

impl DecodedSpan {
    /// Returns the raw span.
    ///
    /// # Errors
    ///
    /// Returns an error if an ID is missing, or if the time is before the retention period.
    pub(super) fn into_raw(self, around: &ResourceScope, clock: &ClockDriftCorrector) -> Result<RawSpan, Outcome> {
        let trace_id = self
            .trace_id
            .filter(|id| *id != 0)
            .map(TraceId)
            .ok_or_else(|| dropped(OutcomeCategory::Span, OutcomeReason::InvalidTraceId))?;
        let span_id =
            self.span_id.filter(|id| *id != 0).map(SpanId).ok_or_else(|| dropped(OutcomeCategory::Span, OutcomeReason::InvalidSpanId))?;
        let micros = |ns: u64| (ns > 0).then(|| i64::try_from(ns / 1000).unwrap_or(i64::MAX));
        let placed = clock.corrected_times(micros(self.start_ns), micros(self.end_ns));
        let CorrectedSpanTimes { start_us, end_us, shift_us, sources } =
            placed.map_err(|TimestampError::TooOld| dropped(OutcomeCategory::Span, OutcomeReason::TooOld))?;

        let mut attributes: Attributes = self.attributes;
        events::merge_events(self.events, &mut attributes);
        if !self.links.is_empty() {
            let links: Vec<SpanLink> = self.links.into_iter().filter_map(DecodedSpanLink::into_span_link).collect();
            attributes.insert(span_links::LINKS_ATTRIBUTE.into(), serde_json::to_value(links).unwrap_or_default());
        }
        for ((name, _), count) in DROPPED_BY_CLIENT.iter().zip(self.left_out).filter(|(_, count)| *count > 0) {
            attributes.insert((*name).into(), count.into());
        }
        let kind = usize::try_from(self.kind).ok().and_then(|kind| OTEL_KINDS.get(kind)).filter(|kind| !kind.is_empty());
        let own = [
            ("otel.kind", kind.copied().unwrap_or_default()),
            ("otel.scope.version", &around.scope_version),
            (sampling::TRACE_STATE_ATTRIBUTE, &self.trace_state),
        ];
        for (name, text) in own.into_iter().filter(|(_, text)| !text.is_empty()) {
            attributes.entry(name).or_insert_with(|| text.into());
        }
        // The span's attributes take precedence over those of its scope, and those over the resource's.
        for (name, value) in around.scope.iter().chain(&around.resource) {
            if !attributes.contains_key(name) {
                attributes.insert(name.clone(), value.clone());
            }
        }
        Ok(RawSpan {
            trace_id,
            span_id,
            parent_span_id: self.parent_span_id.filter(|id| *id != 0).map(SpanId),
            name: self.name,
            op: attributes.get("sentry.op").and_then(Value::as_str).unwrap_or_default().to_owned(),
            origin: Some(around.scope_name.clone()).filter(|name| !name.is_empty()),
            status: match self.status_code {
                1 => RawStatus::Ok,
                2 => RawStatus::Error,
                _ => RawStatus::Unset,
            },
            status_detail: Some(self.status_message).filter(|text| !text.is_empty()),
            start_us,
            end_us,
            clock_shift_us: shift_us,
            time_sources: sources,
            tags: environment_tags::of(&attributes, &around.resource),
            attributes,
            measurements: Vec::new(),
        })
    }
}

/// Builds a map of attributes. If a name repeats, the last value wins, as the specification requires.
pub(super) fn attributes(pairs: impl Iterator<Item = (String, Value)>) -> Map<String, Value> {
    pairs.filter(|(name, value)| !name.is_empty() && !value.is_null()).collect()
}
