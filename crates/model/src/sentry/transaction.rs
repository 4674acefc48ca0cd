//! Transactions: a root span with the properties of all of its spans, and the spans below it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::EnvelopeReader;
use super::envelope::event_id;
use super::lenient::{LenientMeasurements, LenientTags, LenientText, LenientTime, UntypedAttributes};
use super::shared::{SharedEventContext, SharedEventFields, part};
use super::span_v1::{SentrySpanV1, SpanSurroundings, dropped};
use crate::decode_budget;
use crate::id::TraceId;
use crate::lenient_json::{ChargedItems, parse_mended, repair_payload};
use crate::normalize::RawSpan;
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;

/// A transaction. Its small parts are parsed separately, so that one of the wrong shape affects only itself.
#[derive(Deserialize)]
struct SentryTransaction<'a, S> {
    #[serde(borrow, default)]
    event_id: LenientText<'a>,
    #[serde(borrow, default)]
    transaction: LenientText<'a>,
    #[serde(default)]
    start_timestamp: LenientTime,
    #[serde(default)]
    timestamp: LenientTime,
    #[serde(borrow, default)]
    contexts: Option<&'a RawValue>,
    #[serde(default)]
    measurements: LenientMeasurements,
    #[serde(borrow, default)]
    environment: LenientText<'a>,
    #[serde(borrow, default)]
    release: LenientText<'a>,
    #[serde(borrow, default)]
    server_name: LenientText<'a>,
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sdk: Option<&'a RawValue>,
    #[serde(default)]
    tags: LenientTags,
    #[serde(borrow, default)]
    _meta: Option<&'a RawValue>,
    #[serde(default = "Option::default")]
    spans: Option<S>,
}

#[derive(Deserialize, Default)]
pub(super) struct SentryContexts<'a> {
    #[serde(borrow, default)]
    pub(super) trace: Option<&'a RawValue>,
}

/// `contexts.trace`: the root span without its times and name.
#[derive(Deserialize, Default)]
pub(super) struct TraceContext<'a> {
    #[serde(borrow, default)]
    pub(super) trace_id: LenientText<'a>,
    #[serde(borrow, default)]
    pub(super) span_id: LenientText<'a>,
    #[serde(borrow, default)]
    parent_span_id: LenientText<'a>,
    #[serde(borrow, default)]
    op: LenientText<'a>,
    #[serde(borrow, default)]
    description: LenientText<'a>,
    #[serde(borrow, default)]
    status: LenientText<'a>,
    #[serde(borrow, default)]
    origin: LenientText<'a>,
    #[serde(default)]
    data: UntypedAttributes,
}

/// A decoded transaction.
struct UnpackedTransaction {
    event_id: Option<String>,
    shared: SharedEventContext,
    spans: Vec<Result<RawSpan, Outcome>>,
}

/// Reads the root and the spans of a transaction. Invalid spans are dropped, and the other spans are kept.
pub(super) fn read(payload: &[u8], reader: &mut EnvelopeReader) {
    let whole = |text: &str| {
        let transaction: SentryTransaction<ChargedItems<SentrySpanV1>> = serde_json::from_str(text)?;
        Ok(unpack(transaction, |ChargedItems(spans)| spans.into_iter().map(Some).collect(), reader))
    };
    let Ok(opened) = parse_mended(payload, whole).or_else(|_| read_each_span(&repair_payload(payload), reader)) else {
        reader.outcomes.push(Outcome::dropped(OutcomeCategory::Transaction, OutcomeReason::InvalidJson, None));
        return;
    };
    reader.event_id = reader.event_id.take().or(opened.event_id);
    reader.shared.push(opened.shared);
    for raw in opened.spans {
        match raw {
            Ok(raw) => reader.add(raw),
            Err(outcome) => reader.outcomes.push(outcome),
        }
    }
}

/// Reads a transaction with an invalid span.
fn read_each_span<'t>(text: &'t str, reader: &EnvelopeReader) -> Result<UnpackedTransaction, serde_json::Error> {
    let transaction: SentryTransaction<&'t RawValue> = serde_json::from_str(text)?;
    let each = |spans: &'t RawValue| -> Vec<Option<SentrySpanV1<'t>>> {
        match serde_json::from_str::<ChargedItems<&'t RawValue>>(spans.get()) {
            Ok(ChargedItems(spans)) => {
                let one =
                    |span: &'t RawValue| decode_budget::charge(size_of::<SentrySpanV1>()).then(|| serde_json::from_str(span.get()).ok());
                spans.into_iter().map_while(one).collect()
            }
            Err(_) => vec![None],
        }
    };
    Ok(unpack(transaction, each, reader))
}

fn unpack<'a, 's, S>(
    transaction: SentryTransaction<'a, S>,
    each: impl Fn(S) -> Vec<Option<SentrySpanV1<'s>>>,
    reader: &EnvelopeReader,
) -> UnpackedTransaction {
    let contexts: SentryContexts = part(transaction.contexts);
    let trace: TraceContext = part(contexts.trace);
    let trace_id: Option<TraceId> = trace.trace_id.as_str().and_then(|text| text.parse().ok());
    let root = SentrySpanV1 {
        trace_id: trace.trace_id,
        span_id: trace.span_id,
        parent_span_id: trace.parent_span_id,
        op: trace.op,
        description: if transaction.transaction.as_str().is_some() { transaction.transaction } else { trace.description },
        status: trace.status,
        origin: trace.origin,
        start_timestamp: transaction.start_timestamp,
        timestamp: transaction.timestamp,
        data: trace.data,
        tags: LenientTags::default(),
        measurements: transaction.measurements,
    };
    let around = SpanSurroundings { trace_id, start_us: transaction.start_timestamp.0 };
    let mut spans = vec![root.into_raw(SpanSurroundings::default(), &reader.clock)];
    for span in transaction.spans.map(each).unwrap_or_default() {
        let raw = span.ok_or_else(|| dropped(OutcomeReason::InvalidJson)).and_then(|span| span.into_raw(around, &reader.clock));
        spans.push(raw);
    }
    let fields = SharedEventFields {
        environment: transaction.environment,
        release: transaction.release,
        server_name: transaction.server_name,
        user: transaction.user,
        sdk: transaction.sdk,
        tags: transaction.tags,
        meta: transaction._meta,
    };
    UnpackedTransaction {
        event_id: transaction.event_id.as_str().and_then(event_id),
        shared: SharedEventContext::new(trace_id, fields, &reader.header),
        spans,
    }
}

/// Reads a span that is an item of its own.
pub(super) fn read_standalone(payload: &[u8], reader: &mut EnvelopeReader) {
    let raw = parse_mended(payload, |text| {
        let span: SentrySpanV1 = serde_json::from_str(text)?;
        Ok(span.into_raw(SpanSurroundings::default(), &reader.clock))
    });
    match raw.unwrap_or_else(|_| Err(dropped(OutcomeReason::InvalidJson))) {
        Ok(raw) => reader.add(raw),
        Err(outcome) => reader.outcomes.push(outcome),
    }
}
