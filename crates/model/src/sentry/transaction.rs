//! Transactions: a root span with what belongs to all of its spans, and the spans below it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Reader;
use super::envelope::event_id;
use super::lenient::{Data, Measurements, Tags, Text, Time};
use super::shared::{Shared, SharedFields, part};
use super::span_v1::{SpanV1, dropped};
use crate::budget;
use crate::id::TraceId;
use crate::json::{ChargedItems, mend, parse_mended};
use crate::map::RawSpan;
use crate::outcome::{Category, Outcome};

/// A transaction. Its small parts are read apart, so that one of the wrong shape costs only itself.
#[derive(Deserialize)]
struct Transaction<'a, S> {
    #[serde(borrow, default)]
    event_id: Text<'a>,
    #[serde(borrow, default)]
    transaction: Text<'a>,
    #[serde(default)]
    start_timestamp: Time,
    #[serde(default)]
    timestamp: Time,
    #[serde(borrow, default)]
    contexts: Option<&'a RawValue>,
    #[serde(default)]
    measurements: Measurements,
    #[serde(borrow, default)]
    environment: Text<'a>,
    #[serde(borrow, default)]
    release: Text<'a>,
    #[serde(borrow, default)]
    server_name: Text<'a>,
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sdk: Option<&'a RawValue>,
    #[serde(default)]
    tags: Tags,
    #[serde(borrow, default)]
    _meta: Option<&'a RawValue>,
    #[serde(default = "Option::default")]
    spans: Option<S>,
}

#[derive(Deserialize, Default)]
pub(super) struct Contexts<'a> {
    #[serde(borrow, default)]
    pub(super) trace: Option<&'a RawValue>,
}

/// `contexts.trace`: the root span but for its times and name.
#[derive(Deserialize, Default)]
pub(super) struct TraceContext<'a> {
    #[serde(borrow, default)]
    pub(super) trace_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) span_id: Text<'a>,
    #[serde(borrow, default)]
    parent_span_id: Text<'a>,
    #[serde(borrow, default)]
    op: Text<'a>,
    #[serde(borrow, default)]
    description: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    origin: Text<'a>,
    #[serde(default)]
    data: Data,
}

/// A transaction without its packaging.
struct Opened {
    event_id: Option<String>,
    shared: Shared,
    spans: Vec<Result<RawSpan, Outcome>>,
}

/// Reads a transaction: its root and its spans. What cannot be read of it is dropped, the rest stays.
pub(super) fn read(payload: &[u8], reader: &mut Reader) {
    let whole = |text: &str| {
        let transaction: Transaction<ChargedItems<SpanV1>> = serde_json::from_str(text)?;
        Ok(open(transaction, |ChargedItems(spans)| spans.into_iter().map(Some).collect(), reader))
    };
    let Ok(opened) = parse_mended(payload, whole).or_else(|_| span_by_span(&mend(payload), reader)) else {
        reader.outcomes.push(Outcome::dropped(Category::Transaction, "invalid_json", None));
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

/// The way for a transaction of which some span is broken.
fn span_by_span<'t>(text: &'t str, reader: &Reader) -> Result<Opened, serde_json::Error> {
    let transaction: Transaction<&'t RawValue> = serde_json::from_str(text)?;
    let each = |spans: &'t RawValue| -> Vec<Option<SpanV1<'t>>> {
        match serde_json::from_str::<ChargedItems<&'t RawValue>>(spans.get()) {
            Ok(ChargedItems(spans)) => {
                let one = |span: &'t RawValue| budget::charge(size_of::<SpanV1>()).then(|| serde_json::from_str(span.get()).ok());
                spans.into_iter().map_while(one).collect()
            }
            Err(_) => vec![None],
        }
    };
    Ok(open(transaction, each, reader))
}

fn open<'a, 's, S>(transaction: Transaction<'a, S>, each: impl Fn(S) -> Vec<Option<SpanV1<'s>>>, reader: &Reader) -> Opened {
    let contexts: Contexts = part(transaction.contexts);
    let trace: TraceContext = part(contexts.trace);
    let trace_id: Option<TraceId> = trace.trace_id.as_str().and_then(|text| text.parse().ok());
    let root = SpanV1 {
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
        tags: Tags::default(),
        measurements: transaction.measurements,
    };
    let mut spans = vec![root.into_raw(None, &reader.clock)];
    for span in transaction.spans.map(each).unwrap_or_default() {
        let raw = span.ok_or_else(|| dropped("invalid_json")).and_then(|span| span.into_raw(trace_id, &reader.clock));
        spans.push(raw);
    }
    let fields = SharedFields {
        environment: transaction.environment,
        release: transaction.release,
        server_name: transaction.server_name,
        user: transaction.user,
        sdk: transaction.sdk,
        tags: transaction.tags,
        meta: transaction._meta,
    };
    Opened { event_id: transaction.event_id.as_str().and_then(event_id), shared: Shared::new(trace_id, fields, &reader.header), spans }
}

/// Reads a span that is an item of its own.
pub(super) fn read_standalone(payload: &[u8], reader: &mut Reader) {
    let raw = parse_mended(payload, |text| {
        let span: SpanV1 = serde_json::from_str(text)?;
        Ok(span.into_raw(None, &reader.clock))
    });
    match raw.unwrap_or_else(|_| Err(dropped("invalid_json"))) {
        Ok(raw) => reader.add(raw),
        Err(outcome) => reader.outcomes.push(outcome),
    }
}
