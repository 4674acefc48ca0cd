//! What was asked and answered, from the attributes that hold it.

use std::collections::HashSet;

use serde_json::Value;

use super::found::Found;
use crate::messages;
use crate::names::Field;
use crate::span::{Message, Part, Span};

/// Attributes that repeat as one text what other attributes of the same client hold in parts.
const REPEATING: &[&str] = &["input.value", "output.value", "traceloop.entity.input", "traceloop.entity.output"];

/// Fills in the messages and the tools that could be called.
pub(super) fn texts(span: &mut Span, found: &Found) {
    if let Some(system) = found.value(Field::System) {
        span.input_messages = messages::read(system, "system");
    }
    let input = in_parts(span, found, Field::Input, &["gen_ai.prompt", "llm.input_messages"]);
    if let Some(input) = input.as_ref().or_else(|| found.value(Field::Input)) {
        let read = messages::read(input, "user");
        let repeated = read.first().is_some_and(|first| first.role == "system" && span.input_messages.first() == Some(first));
        span.input_messages.extend(read.into_iter().skip(usize::from(repeated)));
    } else if let Some(input) = found.value(Field::EmbeddingInput).or_else(|| found.value(Field::RetrievalQuery)) {
        span.input_messages.extend(messages::read(input, "user"));
    }
    let output = in_parts(span, found, Field::Output, &["gen_ai.completion", "llm.output_messages"]);
    if let Some(output) = output.as_ref().or_else(|| found.value(Field::Output)).or_else(|| found.value(Field::OutputText)) {
        span.output_messages = messages::read(output, "assistant");
    } else if let Some(documents) = found.value(Field::RetrievalDocuments) {
        span.output_messages = messages::read(documents, "tool");
    }
    if let Some(calls) = found.value(Field::OutputToolCalls) {
        add_tool_calls(&mut span.output_messages, messages::read_tool_calls(calls));
    }
    tool_texts(span, found);
    span.tool_definitions = found.value(Field::ToolDefinitions).map(|value| match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        value => value.clone(),
    });
}

/// The messages of a call that are spread over attributes with numbers in their names, where none stand in one.
fn in_parts(span: &Span, found: &Found, field: Field, prefixes: &[&str]) -> Option<Value> {
    let better = found.name(field).is_some_and(|name| !REPEATING.contains(&name));
    if better || !span.is_call() {
        return None;
    }
    prefixes.iter().find_map(|prefix| messages::unflatten(found.attributes, prefix))
}

/// Adds tool calls to the answer, unless they stand in it already.
fn add_tool_calls(output: &mut Vec<Message>, calls: Vec<Part>) {
    let known: HashSet<(Option<String>, String)> = output.iter().flat_map(|message| &message.parts).filter_map(identity).collect();
    let new: Vec<Part> = calls.into_iter().filter(|call| identity(call).is_some_and(|call| !known.contains(&call))).collect();
    if new.is_empty() {
        return;
    }
    match output.last_mut().filter(|last| last.role == "assistant") {
        Some(last) => last.parts.extend(new),
        None => output.push(Message { role: "assistant".into(), parts: new }),
    }
}

/// The result within a whole message of a framework, which tells the id of the call too.
fn whole_message(text: &str) -> Option<Part> {
    if !text.starts_with('{') || !text.contains("\"tool_call_id\"") {
        return None;
    }
    let part = messages::read_text(text, "tool").pop()?.parts.pop()?;
    matches!(&part, Part::ToolResult { id: Some(_), .. }).then_some(part)
}

/// By what a tool call is known again.
fn identity(part: &Part) -> Option<(Option<String>, String)> {
    match part {
        Part::ToolCall { id, name, .. } => Some((id.clone(), name.clone())),
        _ => None,
    }
}

/// What a tool was given and gave back, as the call and the result that a conversation would show.
fn tool_texts(span: &mut Span, found: &Found) {
    let text = |field| {
        found.value(field).map(|value: &Value| match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        })
    };
    let name = || span.tool.clone().unwrap_or_else(|| span.name.clone());
    if let Some(arguments) = text(Field::ToolArguments) {
        let part = Part::ToolCall { id: span.tool_call_id.clone(), name: name(), arguments };
        span.input_messages.push(Message { role: "assistant".into(), parts: vec![part] });
    }
    if let Some(result) = text(Field::ToolResult) {
        let part = whole_message(&result);
        let part = part.unwrap_or_else(|| Part::ToolResult { id: span.tool_call_id.clone(), name: Some(name()), result });
        if let (None, Part::ToolResult { id, .. }) = (&span.tool_call_id, &part) {
            span.tool_call_id.clone_from(id);
        }
        span.output_messages.push(Message { role: "tool".into(), parts: vec![part] });
    }
}
