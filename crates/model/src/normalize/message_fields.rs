//! Reads the input and output messages of a span from its attributes.

use std::collections::HashSet;

use serde_json::Value;

use super::attributes::RecognizedAttributes;
use crate::messages;
use crate::normalize::attribute_names::SpanField;
use crate::span::{Attributes, ChatMessage, MessagePart, Span, SpanType};

/// Attributes that repeat, as one text, messages that other attributes of the same client contain in parts.
pub(crate) const REPEATING_ATTRIBUTES: &[&str] = &["input.value", "output.value", "traceloop.entity.input", "traceloop.entity.output"];

/// Prefixes of numbered attributes that contain input messages.
pub(crate) const INPUT_PREFIXES: &[&str] = &["gen_ai.prompt", "llm.input_messages", "llm.prompts"];
/// Prefixes of numbered attributes that contain output messages.
pub(crate) const OUTPUT_PREFIXES: &[&str] = &["gen_ai.completion", "llm.output_messages", "llm.choices", "llm.completions"];

/// Returns true if messages are spread over numbered attributes.
pub(super) fn are_numbered(attributes: &Attributes) -> bool {
    let is_numbered = |name: &str, prefix: &str| {
        let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    attributes.keys().any(|name| INPUT_PREFIXES.iter().chain(OUTPUT_PREFIXES).any(|prefix| is_numbered(name, prefix)))
}

/// Sets the messages and the tools that the model could call.
pub(super) fn texts(span: &mut Span, found: &RecognizedAttributes) {
    if let Some(system) = found.value(SpanField::System) {
        span.input_messages = messages::read(system, "system");
    }
    // Checked only if it matters: for an estimate of missing usage.
    if span.usage.is_unknown() {
        let cut = |field: SpanField| found.value(field).and_then(Value::as_str).is_some_and(messages::is_cut_off);
        span.texts_cut = [SpanField::System, SpanField::Input, SpanField::Output, SpanField::OutputText].into_iter().any(cut);
    }
    let input = numbered_messages(span, found, SpanField::Input, INPUT_PREFIXES);
    if let Some(input) = input.as_ref().or_else(|| found.value(SpanField::Input)) {
        let read = messages::read(input, "user");
        let repeated = read.first().is_some_and(|first| first.role == "system" && span.input_messages.first() == Some(first));
        span.input_messages.extend(read.into_iter().skip(usize::from(repeated)));
    } else if let Some(input) = found.value(SpanField::EmbeddingInput).or_else(|| found.value(SpanField::RetrievalQuery)) {
        span.input_messages.extend(messages::read(input, "user"));
    } else if let Some(texts) = numbered_texts(found, "embedding.embeddings", &["embedding.text"]) {
        span.input_messages.extend(messages::read(&texts, "user"));
    } else if let Some(prompt) = found.attributes.get("prompt").filter(|_| found.attributes.contains_key("agent_name")) {
        // Pydantic AI before it adopted the conventions.
        span.input_messages.extend(messages::read(prompt, "user"));
    }
    if span.kind == SpanType::Reranker
        && let Some(documents) = numbered_texts(found, "reranker.input_documents", &["document.content"])
    {
        span.input_messages.extend(messages::read(&documents, "user"));
    }
    let output = numbered_messages(span, found, SpanField::Output, OUTPUT_PREFIXES);
    if let Some(output) = output.as_ref().or_else(|| found.value(SpanField::Output)).or_else(|| found.value(SpanField::OutputText)) {
        span.output_messages = messages::read(output, "assistant");
    } else if let Some(documents) = found.value(SpanField::RetrievalDocuments) {
        span.output_messages = messages::read(documents, "tool");
    }
    if let Some(documents) = ranked(found).or_else(|| numbered_texts(found, "retrieval.documents", &["document.content"])) {
        span.output_messages = messages::read(&documents, "tool");
    }
    if span.input_messages.is_empty() && span.output_messages.is_empty() {
        conversation_of_events(span, found);
    }
    if let Some(calls) = found.value(SpanField::OutputToolCalls) {
        add_tool_calls(&mut span.output_messages, messages::read_tool_calls(calls));
    }
    referenced_messages(span, found);
    tool_texts(span, found);
    let definitions = found.value(SpanField::ToolDefinitions).map(|value| match value {
        Value::String(text) => crate::lenient_json::value(text).unwrap_or_else(|_| value.clone()),
        value => value.clone(),
    });
    let in_parts = || ["llm.request.functions", "llm.tools"].iter().find_map(|prefix| messages::unflatten(found.attributes, prefix));
    span.tool_definitions = definitions.or_else(in_parts);
    if span.finish_reasons.is_empty() && span.is_call() {
        let spread = || output.as_ref().map(finish_reasons_of).unwrap_or_default();
        let whole = || found.value(SpanField::Output).map(finish_reasons_of).unwrap_or_default();
        let events = || found.attributes.get("events").map(finish_reasons_of).unwrap_or_default();
        let reasons = [spread(), whole(), events()].into_iter().find(|reasons| !reasons.is_empty());
        span.finish_reasons = reasons.unwrap_or_default();
    }
}

/// Shows where messages are that OpenTelemetry's upload hook wrote to a store. They are not read from there.
fn referenced_messages(span: &mut Span, found: &RecognizedAttributes) {
    let address = |name: &str| found.attributes.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let message = |role: &str, address: &str| {
        let content = Some(address.to_owned());
        let part = MessagePart::Media { modality: "file".to_owned(), mime_type: None, media_id: None, content };
        ChatMessage { role: role.to_owned(), parts: vec![part] }
    };
    if span.input_messages.is_empty() {
        let names = [("gen_ai.system_instructions_ref", "system"), ("gen_ai.input.messages_ref", "user")];
        span.input_messages.extend(names.iter().filter_map(|(name, role)| Some(message(role, address(name)?))));
    }
    if span.output_messages.is_empty() {
        span.output_messages.extend(address("gen_ai.output.messages_ref").map(|address| message("assistant", address)));
    }
}

/// Returns the documents of a ranking with their scores.
fn ranked(found: &RecognizedAttributes) -> Option<Value> {
    let list = messages::unflatten(found.attributes, "reranker.output_documents")?;
    let of = |item: &Value| {
        let document = item.get("document")?;
        let content = document.get("content")?;
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        let score = document.get("score").map(|score| format!("\nScore: {score}")).unwrap_or_default();
        Some(Value::String(text + &score))
    };
    let documents: Vec<Value> = list.as_array()?.iter().filter_map(of).collect();
    (!documents.is_empty()).then_some(Value::Array(documents))
}

/// Returns the texts of a list that is spread over numbered attributes, each at the end of a path.
fn numbered_texts(found: &RecognizedAttributes, prefix: &str, path: &[&str]) -> Option<Value> {
    let list = messages::unflatten(found.attributes, prefix)?;
    let of = |item: &Value| path.iter().find_map(|path| path.split('.').try_fold(item, |at, key| at.get(key)).cloned());
    let texts: Vec<Value> = list.as_array()?.iter().filter_map(of).collect();
    (!texts.is_empty()).then_some(Value::Array(texts))
}

/// Names of the reason why the model stopped, in messages and responses.
const REASONS: &[&str] = &["finish_reason", "finishReason", "stop_reason", "stopReason"];

/// Lists of answers in responses.
const ANSWERS: &[&str] = &["choices", "candidates"];

/// Returns why the model stopped, as the messages of an output or the provider's response contain it.
pub(crate) fn finish_reasons_of(output: &Value) -> Vec<String> {
    let parsed = match output {
        Value::String(text) if REASONS.iter().any(|name| text.contains(name)) => crate::lenient_json::value(text).unwrap_or_default(),
        Value::String(_) => return Vec::new(),
        value => value.clone(),
    };
    let own = |answer: &Value| REASONS.iter().find_map(|name| answer.get(*name)?.as_str().map(str::to_owned));
    match &parsed {
        Value::Array(answers) => answers.iter().filter_map(own).collect(),
        answer => {
            let listed = ANSWERS.iter().find_map(|name| answer.get(*name)?.as_array());
            let listed: Vec<String> = listed.into_iter().flatten().filter_map(own).collect();
            if listed.is_empty() { own(answer).into_iter().collect() } else { listed }
        }
    }
}

/// Logfire and Pydantic AI wrote the events of older conventions as one list, inputs and outputs together.
fn conversation_of_events(span: &mut Span, found: &RecognizedAttributes) {
    let events = match found.attributes.get("events") {
        Some(Value::String(text)) => crate::lenient_json::value(text).unwrap_or_default(),
        Some(value) => value.clone(),
        None => return,
    };
    for event in events.as_array().into_iter().flatten() {
        // Without a name, only a choice has a reason, or a message around its content.
        let unnamed = || match event {
            Value::Object(event) if event.contains_key("finish_reason") || event.contains_key("message") => Some("gen_ai.choice"),
            Value::Object(event) if event.contains_key("role") => Some("gen_ai.message"),
            _ => None,
        };
        match event.get("event.name").map_or_else(unnamed, Value::as_str) {
            Some("gen_ai.choice") => span.output_messages.extend(messages::read(event, "assistant")),
            Some(name) if name.starts_with("gen_ai.") => span.input_messages.extend(messages::read(event, "user")),
            _ => {}
        }
    }
}

/// Returns the messages that are spread over numbered attributes, unless a single attribute contains them. Spans around calls repeat them
/// in other attributes, but rankings have no others.
fn numbered_messages(span: &Span, found: &RecognizedAttributes, field: SpanField, prefixes: &[&str]) -> Option<Value> {
    let better = found.name(field).is_some_and(|name| !REPEATING_ATTRIBUTES.contains(&name)) && !found.is_by_ending(field);
    if better || !(span.is_call() || matches!(span.kind, SpanType::Reranker | SpanType::Other)) {
        return None;
    }
    // Completions without roles are texts.
    let texts = || numbered_texts(found, "llm.prompts", &["prompt.text"]).filter(|_| prefixes.contains(&"llm.prompts"));
    let answers = || numbered_texts(found, "llm.choices", &["completion.text"]).filter(|_| prefixes.contains(&"llm.choices"));
    let is_text = |list: &Value| list.get(0).is_some_and(|first| first.get("content").is_none());
    let whole = |prefix: &&str| {
        let list = messages::unflatten(found.attributes, prefix);
        list.filter(|list| !matches!(*prefix, "llm.prompts" | "llm.choices") || !is_text(list))
    };
    prefixes.iter().find_map(whole).or_else(texts).or_else(answers)
}

/// Adds tool calls to the output, unless it already contains them.
fn add_tool_calls(output: &mut Vec<ChatMessage>, calls: Vec<MessagePart>) {
    let known: HashSet<(Option<String>, String)> = output.iter().flat_map(|message| &message.parts).filter_map(identity).collect();
    let new: Vec<MessagePart> = calls.into_iter().filter(|call| identity(call).is_some_and(|call| !known.contains(&call))).collect();
    if new.is_empty() {
        return;
    }
    match output.last_mut().filter(|last| last.role == "assistant") {
        Some(last) => last.parts.extend(new),
        None => output.push(ChatMessage { role: "assistant".into(), parts: new }),
    }
}

/// Returns the tool result if the text is a whole message of a framework, which contains the ID of the call too.
fn whole_message(text: &str) -> Option<MessagePart> {
    if !text.starts_with('{') || !text.contains("\"tool_call_id\"") {
        return None;
    }
    let part = messages::read_text(text, "tool").pop()?.parts.pop()?;
    matches!(&part, MessagePart::ToolResult { id: Some(_), .. }).then_some(part)
}

/// Returns true for the schema of a tool's arguments, which some clients send in place of the arguments.
fn is_schema(text: &str) -> bool {
    let schema: Option<Value> =
        Some(text).filter(|text| text.contains("\"properties\"")).and_then(|text| crate::lenient_json::value(text).ok());
    schema.is_some_and(|schema| schema["properties"].is_object() && (schema["type"] == "object" || schema.get("required").is_some()))
}

/// Returns the properties that identify a tool call.
fn identity(part: &MessagePart) -> Option<(Option<String>, String)> {
    match part {
        MessagePart::ToolCall { id, name, .. } => Some((id.clone(), name.clone())),
        _ => None,
    }
}

/// Prefixes and suffixes of attributes that contain one argument of a tool each, and whether spans of any kind have them. OpenTelemetry
/// describes the parameters of any traced function.
const ARGUMENTS: &[(&str, &str, bool)] = &[("mcp.request.argument.", "", true), ("code.function.parameters.", ".value", false)];

/// Returns the arguments of a tool that are spread over attributes, as JSON.
fn spread_arguments(found: &RecognizedAttributes, (prefix, suffix, _): &(&str, &str, bool)) -> Option<String> {
    let argument = |(name, value): (&String, &Value)| Some((name.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned(), value.clone()));
    let given: serde_json::Map<String, Value> = found.attributes.iter().filter_map(argument).collect();
    (!given.is_empty()).then(|| Value::Object(given).to_string())
}

/// Sets arguments and result of a tool as the call and the result that a conversation would contain.
fn tool_texts(span: &mut Span, found: &RecognizedAttributes) {
    let text = |field| {
        found.value(field).map(|value: &Value| match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        })
    };
    if span.is_call() {
        return;
    }
    let name = || span.tool.clone().unwrap_or_else(|| span.name.clone());
    let spread =
        || ARGUMENTS.iter().filter(|(.., of_any)| *of_any || span.kind == SpanType::Tool).find_map(|form| spread_arguments(found, form));
    if let Some(arguments) = text(SpanField::ToolArguments).filter(|text| !is_schema(text)).or_else(spread) {
        // Other inputs repeat the arguments.
        span.input_messages.clear();
        let part = MessagePart::ToolCall { id: span.tool_call_id.clone(), name: name(), arguments };
        span.input_messages.push(ChatMessage { role: "assistant".into(), parts: vec![part] });
    }
    if let Some(result) = text(SpanField::ToolResult) {
        span.output_messages.clear();
        let part = whole_message(&result);
        let part = part.unwrap_or_else(|| MessagePart::ToolResult { id: span.tool_call_id.clone(), name: Some(name()), result });
        if let (None, MessagePart::ToolResult { id, .. }) = (&span.tool_call_id, &part) {
            span.tool_call_id.clone_from(id);
        }
        span.output_messages.push(ChatMessage { role: "tool".into(), parts: vec![part] });
    }
    if span.kind == SpanType::Tool {
        strands_tool_texts(span);
    }
}

/// Strands sends the arguments of a tool as a message of the tool, and the result as a message of the model.
fn strands_tool_texts(span: &mut Span) {
    let name = span.tool.clone().unwrap_or_else(|| span.name.clone());
    let [ChatMessage { role, parts }] = &mut span.input_messages[..] else { return };
    let [MessagePart::ToolResult { id, result, .. }] = &parts[..] else { return };
    *parts = vec![MessagePart::ToolCall { id: id.clone(), name: name.clone(), arguments: result.clone() }];
    *role = "assistant".into();
    if let [ChatMessage { role, parts }] = &mut span.output_messages[..]
        && let [MessagePart::Text { text }] = &parts[..]
    {
        *parts = vec![MessagePart::ToolResult { id: span.tool_call_id.clone(), name: Some(name), result: text.clone() }];
        *role = "tool".into();
    }
}
