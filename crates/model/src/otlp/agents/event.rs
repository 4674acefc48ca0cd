//! Reads the log record of an event of a coding agent.

use serde_json::{Map, Value};

use super::super::log_record::DecodedLogRecord;
use super::super::logs::{LogRecordDropReason, LogRecordReader, NOT_LLM};
use super::super::span::{DecodedSpan, ResourceScope};
use super::{AgentEventRole, AgentFamily};
use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};
use crate::normalize::attribute_names::SpanField;
use crate::partial_spans::{SpanFragment, SpanFragmentContent};
use crate::span::{ChatMessage, MessagePart, Span};

/// Reads a record as spans and parts of spans.
pub(in crate::otlp) fn read_event(
    family: &'static AgentFamily,
    name: String,
    record: &DecodedLogRecord,
    scope: &ResourceScope,
    reader: &mut LogRecordReader,
) -> Result<(), LogRecordDropReason> {
    let role = family.role_of(&name, record).ok_or(NOT_LLM)?;
    let event =
        AgentEvent { family, role, record, scope, parent: AgentEventParent::of(family, record, scope), times: times(record, reader) };
    // The request ID identifies the call of a response.
    let call = family.text(record, SpanField::ResponseId).map(|request_id| event.call_id(request_id));
    let message = event.message();
    let has_place = match role {
        AgentEventRole::Prompt => event.parent.turn_span_id().is_some(),
        AgentEventRole::Answer => event.parent.turn_span_id().is_some() || call.is_some(),
        _ => false,
    };
    if !has_place {
        let span_id = call.filter(|_| role.is_call()).unwrap_or_else(|| record.fingerprint().span_id());
        reader.add(event.span(name, span_id, reader)?);
    }
    if let (AgentEventRole::Answer, Some(call)) = (role, call) {
        let span = event.incomplete_span("", AgentEventRole::Step, call, event.parent.parent_span_id, reader)?;
        let pieces = event.pieces(&span, &message);
        reader.add_reported_span(span, pieces);
    }
    // If the agent sends spans, the span of a turn arrives separately and contains more than its records, except for the messages.
    let turn = event.parent.turn_span_id().filter(|_| event.parent.is_derived || message.is_some());
    if let Some(turn) = turn {
        let span = event.incomplete_span(family.turn_span_name, AgentEventRole::Agent, turn, None, reader)?;
        let pieces = event.pieces(&span, &message);
        reader.add_reported_span(span, pieces);
    }
    Ok(())
}

/// A record with its meaning.
struct AgentEvent<'a> {
    family: &'static AgentFamily,
    role: AgentEventRole,
    record: &'a DecodedLogRecord,
    scope: &'a ResourceScope,
    parent: AgentEventParent,
    /// Start and end in nanoseconds.
    times: (u64, u64),
}

/// Trace and parent span of a record.
struct AgentEventParent {
    trace_id: TraceId,
    parent_span_id: Option<SpanId>,
    /// True if the parent span is known only from the records.
    is_derived: bool,
}

impl AgentEventParent {
    /// Returns the trace and span of the record itself, otherwise a trace derived from its session and prompt.
    fn of(family: &AgentFamily, record: &DecodedLogRecord, scope: &ResourceScope) -> AgentEventParent {
        if let Some((trace_id, parent_span_id)) = record.trace().filter(|_| family.is_one_trace) {
            return AgentEventParent { trace_id, parent_span_id, is_derived: false };
        }
        let session = family.text(record, SpanField::Session);
        let Some(prompt) = family.prompt_id(record).or(session) else {
            return AgentEventParent { trace_id: record.fingerprint().trace_id(), parent_span_id: None, is_derived: false };
        };
        let service = scope.resource.get("service.name").and_then(Value::as_str).unwrap_or(family.prefix);
        let id = |of| Fingerprint::of(&[of, service, session.unwrap_or_default(), prompt]);
        AgentEventParent { trace_id: id("trace").trace_id(), parent_span_id: Some(id("turn").span_id()), is_derived: true }
    }

    /// Returns the span of the user's turn, which has the prompt and the response.
    fn turn_span_id(&self) -> Option<SpanId> {
        self.parent_span_id
    }
}

/// Returns start and end: a record is written at the end, and may contain the duration.
fn times(record: &DecodedLogRecord, reader: &LogRecordReader) -> (u64, u64) {
    let end = record.at_ns(&reader.clock);
    (end.saturating_sub(duration_ns(record).unwrap_or(0)), end)
}

/// Returns the duration that a record contains. An invalid one, or one of more than a century, counts as none.
fn duration_ns(record: &DecodedLogRecord) -> Option<u64> {
    let duration_ms: f64 = match record.attributes.get("duration_ms")? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Some(duration_ms * 1e6).filter(|ns| (0.0..4e18).contains(ns)).map(|ns| ns as u64)
}

impl AgentEvent<'_> {
    /// Returns the span ID of the call with the request ID.
    fn call_id(&self, request_id: &str) -> SpanId {
        let session = self.family.text(self.record, SpanField::Session).unwrap_or_default();
        Fingerprint::of(&["call", session, request_id]).span_id()
    }

    /// Returns the message of the user or the model, for records that contain only that.
    fn message(&self) -> Option<SpanFragmentContent> {
        let said = |field, role: &str| {
            let text = self.family.text(self.record, field)?.to_owned();
            Some(ChatMessage { role: role.into(), parts: vec![MessagePart::Text { text }] })
        };
        match self.role {
            AgentEventRole::Prompt => said(SpanField::Input, "user").map(SpanFragmentContent::Input),
            AgentEventRole::Answer => said(SpanField::Output, "assistant").map(SpanFragmentContent::Output),
            _ => None,
        }
    }

    /// Returns the message as a part of a span.
    fn pieces(&self, span: &Span, content: &Option<SpanFragmentContent>) -> Vec<SpanFragment> {
        // The agent itself numbers the records of one time.
        let sequence = self.record.attributes.get("event.sequence").and_then(Value::as_u64).unwrap_or(0);
        let key = format!("{sequence:010}.{}", self.record.fingerprint());
        content.iter().map(|content| SpanFragment { key: key.clone(), at_us: span.end_us, content: content.clone() }).collect()
    }

    fn wire(&self, span_id: SpanId, parent_span_id: Option<SpanId>) -> DecodedSpan {
        DecodedSpan {
            trace_id: Some(self.parent.trace_id.0),
            span_id: Some(span_id.0),
            parent_span_id: parent_span_id.map(|id| id.0),
            start_ns: self.times.0,
            end_ns: self.times.1,
            ..DecodedSpan::default()
        }
    }

    fn canonical(&self, wire: DecodedSpan, role: AgentEventRole, reader: &LogRecordReader) -> Result<Span, LogRecordDropReason> {
        let mut raw = wire.into_raw(self.scope, &reader.clock)?;
        raw.time_sources.has_no_duration |= duration_ns(self.record).is_none();
        raw.op = role.op().into();
        Ok(self.family.canonical(raw, reader.context.price))
    }

    /// Returns a span with everything that the record contains.
    fn span(&self, name: String, span_id: SpanId, reader: &LogRecordReader) -> Result<Span, LogRecordDropReason> {
        let wire = DecodedSpan {
            name,
            attributes: self.record.attributes.clone(),
            status_code: if self.role == AgentEventRole::FailedCall { 2 } else { 0 },
            ..self.wire(span_id, self.parent.parent_span_id)
        };
        self.canonical(wire, self.role, reader)
    }

    /// Returns an incomplete span for another record or span to complete, with only its times, session, user and prompt ID.
    fn incomplete_span(
        &self,
        name: &str,
        role: AgentEventRole,
        span_id: SpanId,
        parent_span_id: Option<SpanId>,
        reader: &LogRecordReader,
    ) -> Result<Span, LogRecordDropReason> {
        let of_whom = |name: &str| {
            let field = self.family.dialect.lookup(name).map(|(field, ..)| field);
            matches!(field, Some(SpanField::Session | SpanField::User)) || self.family.prompt_id == Some(name)
        };
        let attributes = self.record.attributes.iter().filter(|(name, _)| of_whom(name));
        let attributes: Map<String, Value> = attributes.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.canonical(DecodedSpan { name: name.into(), attributes, ..self.wire(span_id, parent_span_id) }, role, reader)
    }
}
