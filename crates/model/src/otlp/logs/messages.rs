//! Messages of a call in log records: one record for each message, or one record for the whole conversation.

use serde_json::{Map, Value, json};

use super::super::events::{self, MessageDirection};
use super::super::log_record::DecodedLogRecord;
use super::super::span::{DecodedSpan, ResourceScope};
use super::{LogRecordDropReason, LogRecordReader};
use crate::fingerprint::Fingerprint;
use crate::normalize::attribute_names;
use crate::normalize::attribute_names::SpanField;
use crate::outcome_reason::OutcomeReason;
use crate::partial_spans::{SpanFragment, SpanFragmentContent};
use crate::span::ChatMessage;
use crate::{messages, normalize};

/// Attributes that a record must have to describe a call.
const REQUIRED_ATTRIBUTES: [&str; 2] = ["gen_ai.operation.name", "gen_ai.request.model"];

// Attributes of a record with the messages of a whole call.
const SYSTEM_INSTRUCTIONS: &str = "gen_ai.system_instructions";
const INPUT_MESSAGES: &str = "gen_ai.input.messages";
const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";

/// Kind of messages in a record.
#[derive(Debug, Clone, Copy)]
pub(super) enum LogRecordMessageKind {
    /// One message with its direction and role.
    Message(MessageDirection, &'static str),
    /// All messages of a call.
    Conversation,
}

/// Returns the kind of messages in the record; `None` if it contains none.
pub(super) fn of(record: &DecodedLogRecord) -> Option<LogRecordMessageKind> {
    record.names().find_map(|name| match events::direction_and_role(name) {
        Some((side, role)) => Some(LogRecordMessageKind::Message(side, role)),
        None => (name == events::CONVERSATION_EVENT).then_some(LogRecordMessageKind::Conversation),
    })
}

/// Reads the messages as parts of the span in which they were written.
pub(super) fn read_messages(
    held: LogRecordMessageKind,
    record: &DecodedLogRecord,
    scope: &ResourceScope,
    reader: &mut LogRecordReader,
) -> Result<(), LogRecordDropReason> {
    let Some((trace_id, Some(span_id))) = record.trace() else {
        return Err(LogRecordDropReason::Irrelevant(OutcomeReason::MessageWithoutSpan));
    };
    let at_ns = record.at_ns(&reader.clock);
    let attributes = match held {
        LogRecordMessageKind::Conversation if REQUIRED_ATTRIBUTES.iter().all(|name| record.attributes.contains_key(*name)) => {
            call_attributes(record)
        }
        _ => session_and_user(record),
    };
    let wire = DecodedSpan {
        name: name(&attributes),
        trace_id: Some(trace_id.0),
        span_id: Some(span_id.0),
        start_ns: at_ns,
        end_ns: at_ns,
        attributes,
        ..DecodedSpan::default()
    };
    let mut raw = wire.into_raw(scope, &reader.clock)?;
    raw.time_sources.has_no_duration = true;
    let at_us = raw.start_us;
    let pieces = match held {
        LogRecordMessageKind::Message(side, role) => {
            let fingerprint = record.fingerprint();
            let place = reader.position_in_request(&raw, at_ns, fingerprint);
            let message = events::message(fields(record), role);
            let read = messages::read(&json!([message]), role).into_iter().enumerate();
            // Parts with the same time are in the order of their keys.
            let key = |part| format!("{:03}.{place:04}.{part:04}.{fingerprint}", at_ns % 1000);
            read.map(|(part, message)| SpanFragment { key: key(part), at_us, content: content(side, message) }).collect()
        }
        LogRecordMessageKind::Conversation => {
            let (input, output) = conversation(&fields(record));
            let input = input.into_iter().enumerate().map(|(place, message)| (MessageDirection::Input, place, message));
            let output = output.into_iter().enumerate().map(|(place, message)| (MessageDirection::Output, place, message));
            // Some clients send the conversation before the call, and again after it with the response. The same message at the same
            // position is the same part whenever it was sent.
            let key = |side: MessageDirection, place: usize, message: &ChatMessage| {
                let said = serde_json::to_string(message).unwrap_or_default();
                format!("{side:?}.{place:06}.{}", Fingerprint::of(&[&said])).to_lowercase()
            };
            let piece = |(side, place, message)| SpanFragment { key: key(side, place, &message), at_us, content: content(side, message) };
            input.chain(output).map(piece).collect()
        }
    };
    let mut span = normalize::canonical_span(raw, reader.context.price);
    if let LogRecordMessageKind::Message(MessageDirection::Output, _) = held {
        span.finish_reasons = normalize::message_fields::finish_reasons_of(&Value::Object(fields(record)));
    }
    reader.add_reported_span(span, pieces);
    Ok(())
}

/// Returns the attributes of the call, as its own span would have them. Some clients never send that span.
fn call_attributes(record: &DecodedLogRecord) -> Map<String, Value> {
    let mut attributes = record.attributes.clone();
    attributes.retain(|name, _| ![SYSTEM_INSTRUCTIONS, INPUT_MESSAGES, OUTPUT_MESSAGES].contains(&name.as_str()));
    attributes
}

/// Returns only the session and the user: the call's own span has better values for all other attributes of such a record.
fn session_and_user(record: &DecodedLogRecord) -> Map<String, Value> {
    let mut attributes = record.attributes.clone();
    attributes.retain(|name, _| matches!(attribute_names::lookup(name), Some((SpanField::Session | SpanField::User, _))));
    attributes
}

/// Returns the name that the conventions define for the span of a call.
fn name(attributes: &Map<String, Value>) -> String {
    REQUIRED_ATTRIBUTES.iter().filter_map(|name| attributes.get(*name)?.as_str()).collect::<Vec<_>>().join(" ")
}

fn content(side: MessageDirection, message: ChatMessage) -> SpanFragmentContent {
    match side {
        MessageDirection::Input => SpanFragmentContent::Input(message),
        MessageDirection::Output => SpanFragmentContent::Output(message),
    }
}

/// Returns the fields of an event: those of the body, as in the first specification, otherwise the attributes.
fn fields(record: &DecodedLogRecord) -> Map<String, Value> {
    let mut fields = record.attributes.clone();
    match &record.body {
        Value::Object(body) => fields.extend(body.clone()),
        Value::String(text) => match crate::lenient_json::value(text) {
            Ok(Value::Object(body)) => fields.extend(body),
            // A body that is the name of the event contains nothing else.
            _ if events::direction_and_role(text).is_some() => {}
            _ => _ = fields.entry("content").or_insert_with(|| text.as_str().into()),
        },
        Value::Null => {}
        other => _ = fields.entry("content").or_insert_with(|| other.clone()),
    }
    fields
}

/// Returns the input, system instructions first, and the output.
fn conversation(fields: &Map<String, Value>) -> (Vec<ChatMessage>, Vec<ChatMessage>) {
    let read = |name: &str, role: &str| fields.get(name).map(|value| messages::read(value, role)).unwrap_or_default();
    let mut input = read(SYSTEM_INSTRUCTIONS, "system");
    let asked = read(INPUT_MESSAGES, "user");
    let repeated = asked.first().is_some_and(|first| first.role == "system" && input.first() == Some(first));
    input.extend(asked.into_iter().skip(usize::from(repeated)));
    (input, read(OUTPUT_MESSAGES, "assistant"))
}
