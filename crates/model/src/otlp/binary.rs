//! The protobuf encoding of OTLP.

use base64::Engine;
use bytes::Bytes;
use prost::Message;
use serde_json::{Map, Number, Value};

use super::decoded_size;
use super::log_record::DecodedLogRecord;
use super::proto::{self, OtlpAnyValue, OtlpAnyValueKind, OtlpKeyValue};
use super::span::{DecodedSpan, DecodedSpanEvent, DecodedSpanLink, ResourceScope, attributes, dropped};
use crate::decode_budget;
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;

/// Spans or log records with their resource and scope, in the order of the request. An invalid span or log record is an outcome instead.
pub(super) type ScopedItems<T> = Vec<(ResourceScope, Vec<Result<T, Outcome>>)>;

/// Size of a decoded part of a request, as [`decode_budget`] charges it.
pub(super) trait DecodeFootprint {
    /// Returns the size of the part in bytes.
    fn bytes(&self) -> usize;

    /// Returns the number of items in the part.
    fn items(&self) -> usize {
        1
    }
}

/// Returns the size of a part in bytes, or the size of its outcome if the part is invalid.
pub(super) fn bytes_of_part<T: DecodeFootprint>(part: &Result<T, Outcome>) -> usize {
    part.as_ref().map_or(0, DecodeFootprint::bytes) + 2 * size_of::<Result<T, Outcome>>()
}

/// Returns the number of items in a part; an invalid part counts as one item.
pub(super) fn items_of_part<T: DecodeFootprint>(part: &Result<T, Outcome>) -> usize {
    part.as_ref().map_or(1, DecodeFootprint::items)
}

/// Decodes a request for traces.
pub(super) fn traces(body: Bytes) -> Result<ScopedItems<DecodedSpan>, prost::DecodeError> {
    let span =
        |span| proto::OtlpSpan::decode(span).map(decoded_span).map_err(|_| dropped(OutcomeCategory::Span, OutcomeReason::InvalidProtobuf));
    groups(body, &decoded_size::SPAN, span)
}

/// Decodes a request for logs.
pub(super) fn logs(body: Bytes) -> Result<ScopedItems<DecodedLogRecord>, prost::DecodeError> {
    let log =
        |log| proto::OtlpLogRecord::decode(log).map(record).map_err(|_| dropped(OutcomeCategory::Log, OutcomeReason::InvalidProtobuf));
    groups(body, &decoded_size::RECORD, log)
}

/// Decodes the parts of a request together with their resources and scopes.
pub(super) fn groups<T: DecodeFootprint>(
    body: Bytes,
    kind: &decoded_size::ProtobufLayout,
    part: impl Fn(Bytes) -> Result<T, Outcome>,
) -> Result<ScopedItems<T>, prost::DecodeError> {
    let mut groups = ScopedItems::new();
    if !decoded_size::charge(&body, &decoded_size::REQUEST) {
        return Ok(groups);
    }
    let request = proto::OtlpExportRequest::decode(body)?;
    for of_resource in request.resources {
        let resource = of_resource.resource.map(|resource| map(resource.attributes)).unwrap_or_default();
        let copy = decode_budget::object(&resource);
        for of_scope in of_resource.scopes {
            let scope = of_scope.scope.unwrap_or_default();
            if !decode_budget::charge(copy + 2 * size_of::<ResourceScope>()) {
                return Ok(groups);
            }
            let around = ResourceScope {
                resource: resource.clone(),
                scope_name: text(&scope.name),
                scope_version: text(&scope.version),
                scope: map(scope.attributes),
            };
            // The capacity is limited, since the parts are charged one by one.
            let mut parts = Vec::with_capacity(of_scope.parts.len().min(1_000));
            for bytes in of_scope.parts {
                // Temporary memory is refunded, the result is charged.
                let made = decoded_size::fits_in_budget(&bytes, kind).then(|| decode_budget::with_refund(|| part(bytes)));
                let Some(made) = made.filter(|made| decode_budget::charge_items(items_of_part(made), bytes_of_part(made))) else {
                    return Ok(groups);
                };
                parts.push(made);
            }
            groups.push((around, parts));
        }
    }
    Ok(groups)
}

fn record(log: proto::OtlpLogRecord) -> DecodedLogRecord {
    DecodedLogRecord {
        trace_id: trace_id(&log.trace_id),
        span_id: span_id(&log.span_id),
        time_ns: log.time_unix_nano,
        observed_ns: log.observed_time_unix_nano,
        severity_number: log.severity_number,
        severity_text: text(&log.severity_text),
        event_name: text(&log.event_name),
        body: log.body.map_or(Value::Null, value),
        attributes: map(log.attributes),
    }
}

fn decoded_span(span: proto::OtlpSpan) -> DecodedSpan {
    let status = span.status.unwrap_or_default();
    let event = |event: proto::OtlpSpanEvent| DecodedSpanEvent {
        name: text(&event.name),
        time_ns: event.time_unix_nano,
        attributes: map(event.attributes),
    };
    let link = |link: proto::OtlpSpanLink| {
        let (trace_id, span_id) = trace_id(&link.trace_id).zip(span_id(&link.span_id))?;
        Some(DecodedSpanLink { trace_id, span_id, attributes: map(link.attributes) })
    };
    DecodedSpan {
        trace_id: trace_id(&span.trace_id),
        span_id: span_id(&span.span_id),
        parent_span_id: span_id(&span.parent_span_id),
        trace_state: text(&span.trace_state),
        name: text(&span.name),
        kind: span.kind,
        start_ns: span.start_time_unix_nano,
        end_ns: span.end_time_unix_nano,
        attributes: map(span.attributes),
        events: span.events.into_iter().map(event).collect(),
        left_out: [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count].map(u64::from),
        links: span.links.into_iter().filter_map(link).collect(),
        status_code: status.code,
        status_message: text(&status.message),
    }
}

/// Parses an ID of 16 bytes.
pub(super) fn trace_id(bytes: &[u8]) -> Option<u128> {
    bytes.try_into().ok().map(u128::from_be_bytes)
}

/// Parses an ID of 8 bytes.
pub(super) fn span_id(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

pub(super) fn text(bytes: &Bytes) -> String {
    // Nearly all texts are UTF-8, and a check is faster than a repair.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), str::to_owned)
}

pub(super) fn map(pairs: Vec<OtlpKeyValue>) -> Map<String, Value> {
    attributes(pairs.into_iter().map(|pair| (text(&pair.key), pair.value.map_or(Value::Null, value))))
}

fn value(any: OtlpAnyValue) -> Value {
    match any.value {
        None => Value::Null,
        Some(OtlpAnyValueKind::Text(bytes)) => Value::String(text(&bytes)),
        Some(OtlpAnyValueKind::Bool(flag)) => Value::Bool(flag),
        Some(OtlpAnyValueKind::Int(number)) => number.into(),
        // JSON has no NaN and no infinity, so they become text.
        Some(OtlpAnyValueKind::Double(number)) => Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number),
        Some(OtlpAnyValueKind::List(list)) => list.values.into_iter().map(value).collect(),
        Some(OtlpAnyValueKind::Map(list)) => Value::Object(map(list.values)),
        Some(OtlpAnyValueKind::Bytes(bytes)) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
    }
}
