//! Messages of a call that come as log records: one record each, or the whole conversation in one.

use serde_json::{Map, Value, json};

use super::super::events::{self, MessageDirection};
use super::super::log_record::DecodedLogRecord;
use super::super::span::{DecodedSpan, ResourceScope};
use super::{LogRecordDropReason, LogRecordReader};
use crate::fingerprint::Fingerprint;
use crate::normalize::attribute_names;
use crate::normalize::attribute_names::SpanField;
use crate::partial_spans::{SpanFragment, SpanFragmentContent};
use crate::span::ChatMessage;
use crate::{messages, normalize};

/// What a call must be known by.
const NAMED: [&str; 2] = ["gen_ai.operation.name", "gen_ai.request.model"];

// Where a record has the messages of a whole call.
const INSTRUCTED: &str = "gen_ai.system_instructions";
const ASKED: &str = "gen_ai.input.messages";
const ANSWERED: &str = "gen_ai.output.messages";

/// What a record holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum LogRecordMessageKind {
    /// One message.
    Message(MessageDirection, &'static str),
    /// All messages of a call.
    Conversation,
}

/// What the record holds, if it is messages.
pub(super) fn of(record: &DecodedLogRecord) -> Option<LogRecordMessageKind> {
    record.names().find_map(|name| match events::side_and_role(name) {
        Some((side, role)) => Some(LogRecordMessageKind::Message(side, role)),
        None => (name == events::CONVERSATION).then_some(LogRecordMessageKind::Conversation),
    })
}

/// Reads the messages as pieces of the span that they were written in.
pub(super) fn read(
    held: LogRecordMessageKind,
    record: &DecodedLogRecord,
    around: &ResourceScope,
    reader: &mut LogRecordReader,
) -> Result<(), LogRecordDropReason> {
    let Some((trace_id, Some(span_id))) = record.trace() else { return Err(LogRecordDropReason::NotWanted("message_without_span")) };
    let at_ns = record.at_ns(&reader.clock);
    let attributes = match held {
        LogRecordMessageKind::Conversation if NAMED.iter().all(|name| record.attributes.contains_key(*name)) => call(record),
        _ => whose(record),
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
    let raw = wire.into_raw(around, &reader.clock)?;
    let at_us = raw.start_us;
    let pieces = match held {
        LogRecordMessageKind::Message(side, role) => {
            let fingerprint = record.fingerprint();
            let place = reader.place(&raw, at_ns, fingerprint);
            let message = events::message(fields(record), role);
            let read = messages::read(&json!([message]), role).into_iter().enumerate();
            // Pieces of one time stand in the order of their keys.
            let key = |part| format!("{:03}.{place:04}.{part:04}.{fingerprint}", at_ns % 1000);
            read.map(|(part, message)| SpanFragment { key: key(part), at_us, content: content(side, message) }).collect()
        }
        LogRecordMessageKind::Conversation => {
            let (input, output) = conversation(&fields(record));
            let input = input.into_iter().enumerate().map(|(place, message)| (MessageDirection::Input, place, message));
            let output = output.into_iter().enumerate().map(|(place, message)| (MessageDirection::Output, place, message));
            // Some send the conversation before the call and again after it, with the answer: the same message in the same place is
            // the same piece whenever it was sent.
            let key = |side: MessageDirection, place: usize, message: &ChatMessage| {
                let said = serde_json::to_string(message).unwrap_or_default();
                format!("{side:?}.{place:06}.{}", Fingerprint::of(&[&said])).to_lowercase()
            };
            let piece = |(side, place, message)| SpanFragment { key: key(side, place, &message), at_us, content: content(side, message) };
            input.chain(output).map(piece).collect()
        }
    };
    let span = normalize::canonical(raw, reader.context.price);
    reader.announce(span, pieces);
    Ok(())
}

/// All that is said of a call, as its own span would say it, which some never send.
fn call(record: &DecodedLogRecord) -> Map<String, Value> {
    let mut attributes = record.attributes.clone();
    attributes.retain(|name, _| ![INSTRUCTED, ASKED, ANSWERED].contains(&name.as_str()));
    attributes
}

/// Whose call it is: what else such a record says, its span says better.
fn whose(record: &DecodedLogRecord) -> Map<String, Value> {
    let mut attributes = record.attributes.clone();
    attributes.retain(|name, _| matches!(attribute_names::lookup(name), Some((SpanField::Session | SpanField::User, _))));
    attributes
}

/// What the conventions name the span of a call.
fn name(attributes: &Map<String, Value>) -> String {
    NAMED.iter().filter_map(|name| attributes.get(*name)?.as_str()).collect::<Vec<_>>().join(" ")
}

fn content(side: MessageDirection, message: ChatMessage) -> SpanFragmentContent {
    match side {
        MessageDirection::Input => SpanFragmentContent::Input(message),
        MessageDirection::Output => SpanFragmentContent::Output(message),
    }
}

/// The fields of an event: the body's, as it was first specified, else the attributes.
fn fields(record: &DecodedLogRecord) -> Map<String, Value> {
    let mut fields = record.attributes.clone();
    match &record.body {
        Value::Object(body) => fields.extend(body.clone()),
        Value::String(text) => match crate::lenient_json::value(text) {
            Ok(Value::Object(body)) => fields.extend(body),
            // A body that is only the event's name says nothing more.
            _ if events::side_and_role(text).is_some() => {}
            _ => _ = fields.entry("content").or_insert_with(|| text.as_str().into()),
        },
        Value::Null => {}
        other => _ = fields.entry("content").or_insert_with(|| other.clone()),
    }
    fields
}

/// What was asked, system instructions first, and what was answered.
fn conversation(fields: &Map<String, Value>) -> (Vec<ChatMessage>, Vec<ChatMessage>) {
    let read = |name: &str, role: &str| fields.get(name).map(|value| messages::read(value, role)).unwrap_or_default();
    let mut input = read(INSTRUCTED, "system");
    let asked = read(ASKED, "user");
    let repeated = asked.first().is_some_and(|first| first.role == "system" && input.first() == Some(first));
    input.extend(asked.into_iter().skip(usize::from(repeated)));
    (input, read(ANSWERED, "assistant"))
}
