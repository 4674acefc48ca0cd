//! The JSON encoding of OTLP. It is parsed leniently: field names in both spellings, numbers as numbers or texts, enums by name or
//! number, IDs as hex digits (as the specification requires) or base64 (as plain protobuf libraries write them).

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess};
use serde_json::{Map, Value};

use super::OtlpError;
use super::binary::{self, DecodeFootprint, ScopedItems};
use super::log_record::DecodedLogRecord;
use super::span::{DecodedSpan, DecodedSpanEvent, DecodedSpanLink, ResourceScope, attributes, dropped};
use crate::lenient_json::{JsonShape, JsonStream, JsonStreamSeed, element, parse_mended, stream_json};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;
use crate::{decode_budget, lenient_json};

/// Name of a list in a request, in both spellings.
type FieldSpellings = (&'static str, &'static str);

/// Name of the list in a request of each signal, in both spellings, and the path of the signal.
const SIGNALS: &[(&str, &str, &str)] = &[
    ("resourceSpans", "resource_spans", "/v1/traces"),
    ("resourceLogs", "resource_logs", "/v1/logs"),
    ("resourceMetrics", "resource_metrics", "/v1/metrics"),
];

/// Decodes a request for traces.
pub(super) fn traces(body: &[u8]) -> Result<ScopedItems<DecodedSpan>, OtlpError> {
    // `instrumentationLibrarySpans` was the name before version 1.0.
    let scopes = [("scopeSpans", "scope_spans"), ("instrumentationLibrarySpans", "instrumentation_library_spans")];
    groups(body, ("resourceSpans", "resource_spans"), &scopes, ("spans", "spans"), wire)
}

/// Decodes a request for logs.
pub(super) fn logs(body: &[u8]) -> Result<ScopedItems<DecodedLogRecord>, OtlpError> {
    let scopes = [("scopeLogs", "scope_logs"), ("instrumentationLibraryLogs", "instrumentation_library_logs")];
    groups(body, ("resourceLogs", "resource_logs"), &scopes, ("logRecords", "log_records"), record)
}

pub(super) fn groups<T: DecodeFootprint>(
    body: &[u8],
    resources: FieldSpellings,
    scopes: &[FieldSpellings],
    parts: FieldSpellings,
    part: impl Fn(&Value) -> Result<T, Outcome>,
) -> Result<ScopedItems<T>, OtlpError> {
    // Some clients write a byte order mark before the text.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let names = OtlpListNames { resources, scopes, parts };
    let (found, shape, other, groups) = parse_mended(body, |text| {
        let mut request = OtlpJsonRequestReader { names, part: &part, list_shape: None, other_signal: None, groups: ScopedItems::new() };
        let shape = stream_json(text, &mut request)?;
        Ok((request.list_shape, shape, request.other_signal, request.groups))
    })?;
    if shape != JsonShape::Object {
        return Err(serde_json::Error::custom("expected an object").into());
    }
    match (found, other) {
        (Some(JsonShape::List | JsonShape::Null), _) => Ok(groups),
        (Some(_), _) => Err(OtlpError::NoList { name: resources.0 }),
        // Without this error, a client that sends all signals to one path would get a success response.
        (None, Some((name, path))) => Err(OtlpError::OtherSignal { name, path }),
        (None, None) => Ok(groups),
    }
}

/// Names of the lists in a request.
#[derive(Clone, Copy)]
struct OtlpListNames<'a> {
    resources: FieldSpellings,
    scopes: &'a [FieldSpellings],
    parts: FieldSpellings,
}

impl OtlpListNames<'_> {
    fn is_scopes(&self, name: &str) -> bool {
        self.scopes.iter().any(|scopes| is(*scopes, name))
    }
}

fn is(names: FieldSpellings, name: &str) -> bool {
    name == names.0 || name == names.1
}

/// Reads a request, and holds only one of its parts as JSON at a time.
struct OtlpJsonRequestReader<'a, T, F> {
    names: OtlpListNames<'a>,
    part: &'a F,
    /// Shape of the field that should be the list of resources.
    list_shape: Option<JsonShape>,
    /// Name and path of another signal that the body contains.
    other_signal: Option<(&'static str, &'static str)>,
    groups: ScopedItems<T>,
}

impl<'de, T: DecodeFootprint, F: Fn(&Value) -> Result<T, Outcome>> JsonStream<'de> for OtlpJsonRequestReader<'_, T, F> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if is(self.names.resources, name) {
            let mut resources = OtlpJsonResourceListReader { names: self.names, part: self.part, groups: &mut self.groups };
            self.list_shape = Some(map.next_value_seed(JsonStreamSeed(&mut resources))?);
            return Ok(());
        }
        if let Some((name, _, path)) = SIGNALS.iter().find(|signal| is((signal.0, signal.1), name)) {
            self.other_signal = Some((name, path));
        }
        map.next_value::<IgnoredAny>().map(drop)
    }
}

struct OtlpJsonResourceListReader<'a, T, F> {
    names: OtlpListNames<'a>,
    part: &'a F,
    groups: &'a mut ScopedItems<T>,
}

impl<'de, T: DecodeFootprint, F: Fn(&Value) -> Result<T, Outcome>> JsonStream<'de> for OtlpJsonResourceListReader<'_, T, F> {
    fn element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let mut of_resource = OtlpJsonResourceReader { names: self.names, part: self.part, resource: Map::new(), scopes: Vec::new() };
        if seq.next_element_seed(JsonStreamSeed(&mut of_resource))?.is_none() {
            return Ok(false);
        }
        let OtlpJsonResourceReader { resource, scopes, .. } = of_resource;
        let copy = decode_budget::object(&resource);
        for (scope, parts) in scopes {
            if !decode_budget::charge(copy) {
                break;
            }
            self.groups.push((ResourceScope { resource: resource.clone(), ..scope }, parts));
        }
        if decode_budget::charge(RESOURCE_BYTES) { Ok(true) } else { Err(A::Error::custom("too many resources")) }
    }
}

/// Bytes that are charged for each element of a list of resources or scopes, even if it is empty.
const RESOURCE_BYTES: usize = 64;
const SCOPE_BYTES: usize = 2 * size_of::<ResourceScope>();

struct OtlpJsonResourceReader<'a, T, F> {
    names: OtlpListNames<'a>,
    part: &'a F,
    resource: Map<String, Value>,
    scopes: ScopedItems<T>,
}

impl<'de, T: DecodeFootprint, F: Fn(&Value) -> Result<T, Outcome>> JsonStream<'de> for OtlpJsonResourceReader<'_, T, F> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if name == "resource" {
            self.resource = read(map, |resource| self::map(resource, "attributes"), decode_budget::object)?;
            return Ok(());
        }
        if self.names.is_scopes(name) {
            return map.next_value_seed(JsonStreamSeed(self)).map(drop);
        }
        map.next_value::<IgnoredAny>().map(drop)
    }

    /// Reads an element of the list of scopes.
    fn element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let mut of_scope = OtlpJsonScopeReader { names: self.names, part: self.part, scope: ResourceScope::default(), parts: Vec::new() };
        if seq.next_element_seed(JsonStreamSeed(&mut of_scope))?.is_none() {
            return Ok(false);
        }
        if !decode_budget::charge(SCOPE_BYTES) {
            return Err(A::Error::custom("too many scopes"));
        }
        self.scopes.push((of_scope.scope, of_scope.parts));
        Ok(true)
    }
}

struct OtlpJsonScopeReader<'a, T, F> {
    names: OtlpListNames<'a>,
    part: &'a F,
    scope: ResourceScope,
    parts: Vec<Result<T, Outcome>>,
}

impl<'de, T: DecodeFootprint, F: Fn(&Value) -> Result<T, Outcome>> JsonStream<'de> for OtlpJsonScopeReader<'_, T, F> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if is(self.names.parts, name) {
            return map.next_value_seed(JsonStreamSeed(self)).map(drop);
        }
        if name == "scope" || (name == "instrumentationLibrary" && self.scope.scope_name.is_empty()) {
            let scope = |scope: &Value| ResourceScope {
                resource: Map::new(),
                scope_name: text(scope, "name", "name"),
                scope_version: text(scope, "version", "version"),
                scope: self::map(scope, "attributes"),
            };
            self.scope = read(map, scope, ResourceScope::bytes)?;
            return Ok(());
        }
        map.next_value::<IgnoredAny>().map(drop)
    }

    /// Reads an element of the list of parts.
    fn element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let part = element(seq, self.part, |part| (binary::items_of_part(part), binary::bytes_of_part(part)))?;
        Ok(part.map(|part| self.parts.push(part)).is_some())
    }
}

/// Builds a result from the value of a field and charges only the result.
fn read<'de, A: MapAccess<'de>, T>(map: &mut A, make: impl FnOnce(&Value) -> T, made: impl FnOnce(&T) -> usize) -> Result<T, A::Error> {
    let made_of = decode_budget::with_refund(|| map.next_value::<lenient_json::ChargedValue>().map(|value| make(&value.0)))?;
    if decode_budget::charge(made(&made_of)) { Ok(made_of) } else { Err(A::Error::custom("too much around the parts")) }
}

fn wire(span: &Value) -> Result<DecodedSpan, Outcome> {
    if !span.is_object() {
        return Err(dropped(OutcomeCategory::Span, OutcomeReason::InvalidJson));
    }
    let id = |name, other| field(span, name, other).and_then(Value::as_str).and_then(id_bytes);
    let status = span.get("status").unwrap_or(&Value::Null);
    let event = |event: &Value| DecodedSpanEvent {
        name: text(event, "name", "name"),
        time_ns: number(event, "timeUnixNano", "time_unix_nano"),
        attributes: map(event, "attributes"),
    };
    let link = |link: &Value| {
        let id = |name, other| field(link, name, other).and_then(Value::as_str).and_then(id_bytes);
        let trace_id = binary::trace_id(&id("traceId", "trace_id")?)?;
        let span_id = binary::span_id(&id("spanId", "span_id")?)?;
        Some(DecodedSpanLink { trace_id, span_id, attributes: map(link, "attributes") })
    };
    Ok(DecodedSpan {
        trace_id: id("traceId", "trace_id").and_then(|bytes| binary::trace_id(&bytes)),
        span_id: id("spanId", "span_id").and_then(|bytes| binary::span_id(&bytes)),
        parent_span_id: id("parentSpanId", "parent_span_id").and_then(|bytes| binary::span_id(&bytes)),
        trace_state: text(span, "traceState", "trace_state"),
        name: text(span, "name", "name"),
        kind: named(
            span,
            "kind",
            &[
                "SPAN_KIND_UNSPECIFIED",
                "SPAN_KIND_INTERNAL",
                "SPAN_KIND_SERVER",
                "SPAN_KIND_CLIENT",
                "SPAN_KIND_PRODUCER",
                "SPAN_KIND_CONSUMER",
            ],
        ),
        start_ns: number(span, "startTimeUnixNano", "start_time_unix_nano"),
        end_ns: number(span, "endTimeUnixNano", "end_time_unix_nano"),
        attributes: map(span, "attributes"),
        events: charged_list(span, "events", "events", 2 * size_of::<DecodedSpanEvent>()).iter().map(event).collect(),
        left_out: [
            number(span, "droppedAttributesCount", "dropped_attributes_count"),
            number(span, "droppedEventsCount", "dropped_events_count"),
            number(span, "droppedLinksCount", "dropped_links_count"),
        ],
        links: charged_list(span, "links", "links", 2 * size_of::<DecodedSpanLink>()).iter().filter_map(link).collect(),
        status_code: named(status, "code", &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"]),
        status_message: text(status, "message", "message"),
    })
}

fn record(log: &Value) -> Result<DecodedLogRecord, Outcome> {
    if !log.is_object() {
        return Err(dropped(OutcomeCategory::Log, OutcomeReason::InvalidJson));
    }
    let id = |name, other| field(log, name, other).and_then(Value::as_str).and_then(id_bytes);
    Ok(DecodedLogRecord {
        trace_id: id("traceId", "trace_id").and_then(|bytes| binary::trace_id(&bytes)),
        span_id: id("spanId", "span_id").and_then(|bytes| binary::span_id(&bytes)),
        time_ns: number(log, "timeUnixNano", "time_unix_nano"),
        observed_ns: number(log, "observedTimeUnixNano", "observed_time_unix_nano"),
        severity_number: severity(log),
        severity_text: text(log, "severityText", "severity_text"),
        event_name: text(log, "eventName", "event_name"),
        body: log.get("body").map_or(Value::Null, any),
        attributes: map(log, "attributes"),
    })
}

/// Returns the severity from its number or name: `SEVERITY_NUMBER_INFO2` is the second of the four numbers of its level.
fn severity(log: &Value) -> i32 {
    match field(log, "severityNumber", "severity_number") {
        Some(Value::Number(number)) => number.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or(0),
        Some(Value::String(text)) => {
            let name = text.trim_start_matches("SEVERITY_NUMBER_");
            let (level, step) = name.split_at(name.trim_end_matches(|c: char| c.is_ascii_digit()).len());
            let first = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].iter().position(|known| *known == level);
            let step = step.parse::<i32>().unwrap_or(1);
            match first.and_then(|at| i32::try_from(at).ok()) {
                Some(at) if (1..=4).contains(&step) => 4 * at + step,
                _ => text.trim().parse().unwrap_or(0),
            }
        }
        _ => 0,
    }
}

pub(super) fn field<'a>(value: &'a Value, name: &str, other: &str) -> Option<&'a Value> {
    value.get(name).or_else(|| value.get(other))
}

pub(super) fn list<'a>(value: &'a Value, name: &str, other: &str) -> &'a [Value] {
    field(value, name, other).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns a list after charging `bytes` for each element; an empty list if the budget does not suffice.
pub(super) fn charged_list<'a>(value: &'a Value, name: &str, other: &str, bytes: usize) -> &'a [Value] {
    let list = list(value, name, other);
    if decode_budget::charge(list.len() * bytes) { list } else { &[] }
}

pub(super) fn text(value: &Value, name: &str, other: &str) -> String {
    match field(value, name, other) {
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        _ => String::new(),
    }
}

/// Returns a 64-bit number: text according to the specification, a number from some clients.
pub(super) fn number(value: &Value, name: &str, other: &str) -> u64 {
    match field(value, name, other) {
        Some(Value::String(text)) => text.trim().parse().unwrap_or(0),
        // A floating-point number has lost its last digits but is still a usable value.
        Some(Value::Number(number)) => number.as_u64().or_else(|| number.as_f64().map(|number| number as u64)).unwrap_or(0),
        _ => 0,
    }
}

pub(super) fn named(value: &Value, field: &str, names: &[&str]) -> i32 {
    let position = |name: &str| names.iter().position(|known| *known == name).and_then(|at| i32::try_from(at).ok());
    match value.get(field) {
        Some(Value::Number(number)) => number.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or(0),
        Some(Value::String(name)) => position(name).or_else(|| name.parse().ok()).unwrap_or(0),
        _ => 0,
    }
}

fn id_bytes(text: &str) -> Option<Vec<u8>> {
    const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let text = text.trim();
    let is_hex = matches!(text.len(), 16 | 32) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex {
        return (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect();
    }
    LENIENT_BASE64.decode(text).or_else(|_| general_purpose::URL_SAFE_NO_PAD.decode(text.trim_end_matches('='))).ok()
}

pub(super) fn map(value: &Value, name: &str) -> Map<String, Value> {
    match value.get(name) {
        Some(Value::Array(pairs)) => {
            attributes(pairs.iter().map(|pair| (text(pair, "key", "key"), pair.get("value").map_or(Value::Null, any))))
        }
        // A plain object is not OTLP, but its meaning is clear.
        Some(Value::Object(object)) => object.clone(),
        _ => Map::new(),
    }
}

/// Reads an `AnyValue`: an object with one field, whose name is the type.
fn any(value: &Value) -> Value {
    let Value::Object(object) = value else { return value.clone() };
    let Some((name, inner)) = object.iter().next() else { return Value::Null };
    match (name.as_str(), inner) {
        ("intValue" | "int_value", Value::String(digits)) => digits.trim().parse::<i64>().map_or_else(|_| inner.clone(), Value::from),
        ("doubleValue" | "double_value", Value::String(digits)) => {
            let number = digits.trim().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            number.map_or_else(|| inner.clone(), Value::Number)
        }
        // Values that were nested too deep are text, starting at any level.
        ("arrayValue" | "array_value" | "kvlistValue" | "kvlist_value", Value::String(_)) => inner.clone(),
        ("arrayValue" | "array_value", _) if inner.get("values").is_some_and(Value::is_string) => inner["values"].clone(),
        ("arrayValue" | "array_value", _) => list(inner, "values", "values").iter().map(any).collect(),
        ("kvlistValue" | "kvlist_value", _) => Value::Object(map(inner, "values")),
        (
            "stringValue" | "string_value" | "boolValue" | "bool_value" | "intValue" | "int_value" | "doubleValue" | "double_value"
            | "bytesValue" | "bytes_value",
            _,
        ) => inner.clone(),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_in_hex_and_base64() {
        let bytes: Vec<u8> = (1..=8).collect();
        assert_eq!(id_bytes("0102030405060708"), Some(bytes.clone()));
        assert_eq!(id_bytes("AQIDBAUGBwg="), Some(bytes.clone()));
        assert_eq!(id_bytes("AQIDBAUGBwg"), Some(bytes));
        assert_eq!(id_bytes("*"), None);
    }

    #[test]
    fn values_of_every_type() {
        let cases = [
            (json!({ "stringValue": "a" }), json!("a")),
            (json!({ "intValue": "26" }), json!(26)),
            (json!({ "intValue": 26 }), json!(26)),
            (json!({ "doubleValue": "0.5" }), json!(0.5)),
            (json!({ "boolValue": true }), json!(true)),
            (json!({ "arrayValue": { "values": [{ "intValue": "1" }, { "stringValue": "b" }] } }), json!([1, "b"])),
            (json!({ "kvlistValue": { "values": [{ "key": "k", "value": { "boolValue": false } }] } }), json!({ "k": false })),
            (json!({}), Value::Null),
        ];
        for (sent, read) in cases {
            assert_eq!(any(&sent), read, "{sent}");
        }
    }

    #[test]
    fn too_deeply_nested_value_becomes_text() {
        let span = |id: usize, value: &str| {
            format!(
                r#"{{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"{id:016x}","name":"s","startTimeUnixNano":"1000","endTimeUnixNano":"2000",
                "attributes":[{{"key":"deep","value":{value}}},{{"key":"plain","value":{{"intValue":"7"}}}}]}}"#
            )
        };
        let scope = |before: &str, after: &str, depth: usize| {
            format!("{}{{\"stringValue\":\"leaf\"}}{}", before.repeat(depth), after.repeat(depth))
        };
        let maps = |depth| scope(r#"{"kvlistValue":{"values":[{"key":"k","value":"#, "}]}}", depth);
        let lists = |depth| scope(r#"{"arrayValue":{"values":["#, "]}}", depth);
        let spans: Vec<String> = [maps(40), lists(60), maps(20_000), lists(20_000), lists(41), lists(42), maps(3)]
            .iter()
            .enumerate()
            .map(|(at, value)| span(at + 1, value))
            .collect();
        let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","));
        let groups = traces(body.as_bytes()).unwrap();
        for span in &groups[0].1 {
            let attributes = &span.as_ref().unwrap().attributes;
            assert_eq!(attributes["plain"], json!(7));
            assert!(attributes["deep"].to_string().contains("leaf"), "{}", attributes["deep"]);
        }
        assert_eq!(groups[0].1[6].as_ref().unwrap().attributes["deep"], json!({ "k": { "k": { "k": "leaf" } } }));
    }

    #[test]
    fn both_field_spellings_are_read() {
        let body = json!({ "resource_spans": [{ "scope_spans": [{ "spans": [{
            "trace_id": "0102030405060708090a0b0c0d0e0f10", "span_id": "0102030405060708", "kind": "SPAN_KIND_CLIENT",
            "start_time_unix_nano": 1000, "endTimeUnixNano": "2000", "status": { "code": "STATUS_CODE_ERROR" }
        }, 7] }] }] });
        let groups = traces(body.to_string().as_bytes()).unwrap();
        let span = groups[0].1[0].as_ref().unwrap();
        assert_eq!((span.kind, span.start_ns, span.end_ns, span.status_code), (3, 1000, 2000, 2));
        assert_eq!(groups[0].1[1], Err(dropped(OutcomeCategory::Span, OutcomeReason::InvalidJson)));
    }
}
