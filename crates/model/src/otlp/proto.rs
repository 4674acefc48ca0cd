//! Protobuf messages of OTLP, with the fields that Hinomi reads. Other fields are skipped.
//!
//! Texts are declared as bytes, which have the same encoding, so that invalid UTF-8 does not invalidate a message. Spans and log records
//! are also declared as bytes, so that an invalid span or log record does not affect the others.

use bytes::Bytes;
use prost::{Message, Oneof};

/// `Export{Trace,Logs,Metrics}ServiceRequest`, which have the same structure down to the spans, log records and metrics.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpExportRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) resources: Vec<OtlpResourceGroup>,
}

/// `ResourceSpans`, `ResourceLogs`, `ResourceMetrics`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpResourceGroup {
    #[prost(message, optional, tag = "1")]
    pub(super) resource: Option<OtlpResource>,
    #[prost(message, repeated, tag = "2")]
    pub(super) scopes: Vec<OtlpScopeGroup>,
}

/// `opentelemetry.proto.resource.v1.Resource`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpResource {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<OtlpKeyValue>,
}

/// `ScopeSpans`, `ScopeLogs`, `ScopeMetrics`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpScopeGroup {
    #[prost(message, optional, tag = "1")]
    pub(super) scope: Option<OtlpScope>,
    /// Encoded [`OtlpSpan`]s, [`OtlpLogRecord`]s or metrics.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) parts: Vec<Bytes>,
}

/// `opentelemetry.proto.common.v1.InstrumentationScope`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpScope {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) version: Bytes,
    #[prost(message, repeated, tag = "3")]
    pub(super) attributes: Vec<OtlpKeyValue>,
}

/// `opentelemetry.proto.trace.v1.Span`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpSpan {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) trace_id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) span_id: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) trace_state: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) parent_span_id: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) name: Bytes,
    #[prost(int32, tag = "6")]
    pub(super) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(super) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(super) attributes: Vec<OtlpKeyValue>,
    #[prost(uint32, tag = "10")]
    pub(super) dropped_attributes_count: u32,
    #[prost(message, repeated, tag = "11")]
    pub(super) events: Vec<OtlpSpanEvent>,
    #[prost(uint32, tag = "12")]
    pub(super) dropped_events_count: u32,
    #[prost(message, repeated, tag = "13")]
    pub(super) links: Vec<OtlpSpanLink>,
    #[prost(uint32, tag = "14")]
    pub(super) dropped_links_count: u32,
    #[prost(message, optional, tag = "15")]
    pub(super) status: Option<OtlpStatus>,
}

/// `opentelemetry.proto.trace.v1.Span.Event`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpSpanEvent {
    #[prost(fixed64, tag = "1")]
    pub(super) time_unix_nano: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) name: Bytes,
    #[prost(message, repeated, tag = "3")]
    pub(super) attributes: Vec<OtlpKeyValue>,
}

/// `opentelemetry.proto.trace.v1.Span.Link`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpSpanLink {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) trace_id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) span_id: Bytes,
    #[prost(message, repeated, tag = "4")]
    pub(super) attributes: Vec<OtlpKeyValue>,
}

/// `opentelemetry.proto.trace.v1.Status`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpStatus {
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) message: Bytes,
    /// Status: 0 unset, 1 ok, 2 error.
    #[prost(int32, tag = "3")]
    pub(super) code: i32,
}

/// `opentelemetry.proto.logs.v1.LogRecord`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpLogRecord {
    #[prost(fixed64, tag = "1")]
    pub(super) time_unix_nano: u64,
    /// Severity from 1 to 24, four numbers for each level; 0 if it was not sent.
    #[prost(int32, tag = "2")]
    pub(super) severity_number: i32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) severity_text: Bytes,
    #[prost(message, optional, tag = "5")]
    pub(super) body: Option<OtlpAnyValue>,
    #[prost(message, repeated, tag = "6")]
    pub(super) attributes: Vec<OtlpKeyValue>,
    #[prost(bytes = "bytes", tag = "9")]
    pub(super) trace_id: Bytes,
    #[prost(bytes = "bytes", tag = "10")]
    pub(super) span_id: Bytes,
    #[prost(fixed64, tag = "11")]
    pub(super) observed_time_unix_nano: u64,
    #[prost(bytes = "bytes", tag = "12")]
    pub(super) event_name: Bytes,
}

/// `opentelemetry.proto.common.v1.KeyValue`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpKeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<OtlpAnyValue>,
}

/// `opentelemetry.proto.common.v1.AnyValue`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpAnyValue {
    #[prost(oneof = "OtlpAnyValueKind", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(super) value: Option<OtlpAnyValueKind>,
}

/// Value of an [`OtlpAnyValue`].
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum OtlpAnyValueKind {
    #[prost(bytes = "bytes", tag = "1")]
    Text(Bytes),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    List(OtlpArrayValue),
    #[prost(message, tag = "6")]
    Map(OtlpKeyValueList),
    #[prost(bytes = "bytes", tag = "7")]
    Bytes(Bytes),
}

/// `opentelemetry.proto.common.v1.ArrayValue`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpArrayValue {
    #[prost(message, repeated, tag = "1")]
    pub(super) values: Vec<OtlpAnyValue>,
}

/// `opentelemetry.proto.common.v1.KeyValueList`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpKeyValueList {
    #[prost(message, repeated, tag = "1")]
    pub(super) values: Vec<OtlpKeyValue>,
}

/// `google.rpc.Status`, the body of error responses.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<ProtobufAny>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, Message)]
pub(super) struct ProtobufAny {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
}

/// `google.rpc.RetryInfo`
#[derive(Clone, PartialEq, Message)]
pub(super) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) delay: Option<ProtobufDuration>,
}

/// `google.protobuf.Duration`
#[derive(Clone, PartialEq, Message)]
pub(super) struct ProtobufDuration {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
}

/// `Export{Trace,Logs,Metrics}ServiceResponse`, which have the same structure.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpExportResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<OtlpPartialSuccess>,
}

/// `Export{Trace,Logs,Metrics}PartialSuccess`, which have the same structure.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpPartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}
