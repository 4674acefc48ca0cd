//! Reads messages to and from models in all shapes that clients write.
//!
//! The known shapes are: a list of `{role, content}` or `{role, parts}`; a single such object; a text; a list of texts;
//! `{messages, system}`; `{system, prompt}`; a provider's raw response; and all of these as JSON text, which may be truncated, or as
//! Python's `repr`. Any other text is the message.

mod indexed;
mod parts;
mod repair;
mod text;

use serde_json::{Map, Value};

use crate::media::split_references;
use crate::python_repr;
use crate::span::{ChatMessage, MessagePart};
pub use indexed::unflatten;
use parts::{content_parts, is_absent, is_empty_call, is_part, part, tool_calls};
pub use text::{TextLimit, trim_text};
pub(crate) use text::{trim_messages, trim_value};

/// Roles as clients spell them.
const ROLE_NAMES: &[(&str, &str)] = &[
    ("system", "system"),
    ("developer", "system"),
    ("user", "user"),
    ("human", "user"),
    ("assistant", "assistant"),
    ("ai", "assistant"),
    ("model", "assistant"),
    ("chatbot", "assistant"),
    ("aimessage", "assistant"),
    ("humanmessage", "user"),
    ("systemmessage", "system"),
    ("toolmessage", "tool"),
    ("tool", "tool"),
    ("function", "tool"),
    ("tool-call", "assistant"),
    ("tool-response", "tool"),
];

/// Members of a request that contain its instructions.
const SYSTEMS: &[&str] = &["system", "instructions", "system_instruction", "systemInstruction", "systemPrompt", "system_prompt"];

/// Maximum nesting depth of shapes. Deeper ones are kept as text.
const MAX_DEPTH: u8 = 9;

/// Maximum number of parts that are checked for repeats.
const MAX_COMPARED_PARTS: usize = 100;

/// Reads messages from an attribute. `role` is the role of texts that do not name one.
pub fn read(value: &Value, role: &str) -> Vec<ChatMessage> {
    match value {
        Value::String(text) => read_text(text, role),
        other => with_references(read_shape(other, role, MAX_DEPTH).unwrap_or_else(|| match other {
            Value::Null => Vec::new(),
            other => vec![ChatMessage { role: role.into(), parts: vec![text_part(other.to_string())] }],
        })),
    }
}

/// Turns references to media within texts into parts.
fn with_references(mut messages: Vec<ChatMessage>) -> Vec<ChatMessage> {
    messages.iter_mut().for_each(|message| split_references(&mut message.parts));
    messages
}

/// Reads messages from text, which may be JSON of any known shape.
pub fn read_text(text: &str, role: &str) -> Vec<ChatMessage> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let parsed = parse(text).and_then(|value| match value {
        // A quoted text may be the model's response itself, such as `"yes"`, so its quotes are kept.
        Value::String(_) => None,
        value => read_shape(&value, role, MAX_DEPTH),
    });
    with_references(parsed.unwrap_or_else(|| vec![ChatMessage { role: role.into(), parts: vec![text_part(text.to_owned())] }]))
}

/// Reads tool calls from an attribute of their own.
pub fn read_tool_calls(value: &Value) -> Vec<MessagePart> {
    match value {
        Value::String(text) => parse(text).map(|value| tool_calls(&value)).unwrap_or_default(),
        value => tool_calls(value),
    }
}

/// Returns whether a text is JSON whose end is missing.
pub(crate) fn is_cut_off(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['[', '{', '"'])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err_and(|error| error.is_eof() || text.ends_with("..."))
}

/// Parses JSON text that looks like a list or an object, repaired if it was truncated, or Python's `repr` of one.
fn parse(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.starts_with('"') && !python_repr::may_be_messages(text) {
        return None;
    }
    match crate::lenient_json::value(text) {
        Ok(value) => Some(value),
        Err(error) if error.is_eof() || text.ends_with("...") => repair::cut_off(text).or_else(|| python_repr::messages(text)),
        Err(_) => python_repr::messages(text),
    }
}

fn text_part(text: String) -> MessagePart {
    MessagePart::Text { text }
}

/// Returns the messages of a value of a known shape; `None` for any other value, which is then kept unchanged.
fn read_shape(value: &Value, role: &str, depth: u8) -> Option<Vec<ChatMessage>> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Array(items) => read_pair(items).map(|message| vec![message]).or_else(|| list(items, role, depth)),
        Value::Object(object) => object_shape(object, role, depth),
        Value::String(text) => {
            // LlamaIndex lists its messages as Python's `repr`.
            if let Some(Value::Object(object)) = Some(text).filter(|text| text.ends_with(')')).and_then(|text| python_repr::messages(text))
            {
                return object_shape(&object, role, depth);
            }
            if let Some(object) = message_in_text(text) {
                return object_shape(&object, role, depth);
            }
            Some(vec![ChatMessage { role: role.into(), parts: vec![text_part(text.clone())] }])
        }
        _ => None,
    }
}

/// Returns the message that an item of a list contains as text in JSON.
fn message_in_text(text: &str) -> Option<Map<String, Value>> {
    let object = Some(text).filter(|text| text.starts_with('{') && text.contains("\"role\""));
    let object = object.and_then(|text| crate::lenient_json::object(text).ok())?;
    (known_role(&object).is_some() && object.contains_key("content")).then_some(object)
}

/// Reads LangChain's short form of a message: its role and its text.
fn read_pair(items: &[Value]) -> Option<ChatMessage> {
    let [Value::String(role), Value::String(text)] = items else { return None };
    let known = ROLE_NAMES.iter().any(|(spelling, _)| spelling == role);
    known.then(|| ChatMessage { role: canonical_role(role), parts: vec![text_part(text.clone())] })
}

fn list(items: &[Value], role: &str, depth: u8) -> Option<Vec<ChatMessage>> {
    let mut messages: Vec<ChatMessage> = Vec::with_capacity(items.len());
    // Consecutive parts without a message around them belong to one message.
    let mut loose_role = None;
    for item in items {
        match item {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::Object(object) if is_part(object) => {
                let found = part(object);
                let of = match &found {
                    MessagePart::ToolResult { .. } => "tool",
                    MessagePart::ToolCall { .. } | MessagePart::Reasoning { .. } => "assistant",
                    _ => role,
                };
                match messages.last_mut() {
                    Some(last) if loose_role == Some(of) => last.parts.push(found),
                    _ => messages.push(ChatMessage { role: of.into(), parts: vec![found] }),
                }
                loose_role = Some(of);
            }
            item => {
                loose_role = None;
                match read_shape(item, role, depth) {
                    Some(found) => messages.extend(found),
                    None if is_item(item) => {
                        messages
                            .push(ChatMessage { role: "assistant".into(), parts: vec![MessagePart::Other { content: item.to_string() }] });
                    }
                    None => return None,
                }
            }
        }
    }
    let chunks = items.len() > 1 && items.iter().all(|item| item.get("candidates").is_some_and(Value::is_array));
    Some(if chunks { join_chunks(messages) } else { messages })
}

/// Returns whether a value is an action of the provider before its response, such as OpenAI's `web_search_call`.
fn is_item(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("_call"))
}

/// Joins the chunks of a message, as Google streams them.
fn join_chunks(chunks: Vec<ChatMessage>) -> Vec<ChatMessage> {
    let mut messages: Vec<ChatMessage> = Vec::new();
    for chunk in chunks {
        let Some(last) = messages.last_mut().filter(|last| last.role == chunk.role) else {
            messages.push(chunk);
            continue;
        };
        for part in chunk.parts {
            match (last.parts.last_mut(), part) {
                (Some(MessagePart::Text { text }), MessagePart::Text { text: more }) => text.push_str(&more),
                (Some(MessagePart::Reasoning { text }), MessagePart::Reasoning { text: more }) => text.push_str(&more),
                (_, part) => last.parts.push(part),
            }
        }
    }
    messages
}

fn object_shape(object: &Map<String, Value>, role: &str, depth: u8) -> Option<Vec<ChatMessage>> {
    if let Some(inner) = of_langchain(object) {
        return read_shape(&inner, role, depth);
    }
    if let Some(inner) = typed_value(object) {
        return read_shape(inner, role, depth);
    }
    if let Some(Value::Object(inner)) = object.get("message").filter(|_| !object.contains_key("content")) {
        return object_shape(inner, role, depth.checked_sub(1)?);
    }
    if ["role", "tool_calls", "toolCalls", "parts"].iter().any(|name| object.contains_key(*name)) {
        return Some(vec![message(object, role)]);
    }
    if let Some(Value::Object(inner)) = object.get("content").filter(|content| content.get("parts").is_some()) {
        return object_shape(inner, role, depth.checked_sub(1)?);
    }
    if is_part(object) {
        let found = part(object);
        let role = if matches!(found, MessagePart::ToolResult { .. }) { "tool" } else { role };
        return Some(vec![ChatMessage { role: role.into(), parts: vec![found] }]);
    }
    if let Some(content) = object.get("content").filter(|_| known_role(object).is_some() || object.len() <= 2) {
        return (!is_absent(content)).then(|| vec![message(object, role)]);
    }
    read_wrapped(object, role, depth)
}

/// Types of values that are written with their type.
const VALUE_TYPES: &[&str] = &["text", "chat_messages", "json", "raw", "list"];

/// Returns a value that LangWatch writes with its type.
fn typed_value(object: &Map<String, Value>) -> Option<&Value> {
    let kind = object.get("type").filter(|_| object.len() == 2)?.as_str()?;
    object.get("value").filter(|_| VALUE_TYPES.contains(&kind))
}

/// Unwraps messages as LangChain and LangGraph serialize them: constructors (`lc`, `kwargs`), `{type, data}`, commands that update a
/// graph, and the inputs and outputs of a step with its keyword arguments.
fn of_langchain(object: &Map<String, Value>) -> Option<Value> {
    if object.contains_key("lc") {
        let Some(Value::Object(mut inner)) = object.get("kwargs").cloned() else { return None };
        let class = object.get("id").and_then(Value::as_array).and_then(|path| path.last()?.as_str()).unwrap_or_default();
        let role = ROLE_NAMES.iter().find(|(spelling, _)| class.trim_end_matches("Chunk").eq_ignore_ascii_case(spelling));
        if let Some((_, role)) = role {
            inner.insert("role".into(), (*role).into());
        }
        return Some(Value::Object(inner));
    }
    if let (Some(role), Some(Value::Object(inner))) = (known_role(object), object.get("data")) {
        let mut inner = inner.clone();
        inner.insert("role".into(), role.into());
        return Some(Value::Object(inner));
    }
    if object.contains_key("graph") && object.contains_key("goto") {
        return object.get("update").cloned();
    }
    if object.contains_key("generation_info") && !object.contains_key("message") {
        return object.get("text").cloned();
    }
    let step = object.contains_key("kwargs");
    ["inputs", "outputs", "output", "input_str"].iter().filter(|_| step).find_map(|key| object.get(*key)).cloned()
}

/// Reads objects that contain messages under a name: a request, a raw response, the arguments of a framework's step.
fn read_wrapped(object: &Map<String, Value>, role: &str, depth: u8) -> Option<Vec<ChatMessage>> {
    let system = SYSTEMS.iter().find_map(|key| object.get(*key)).filter(|v| !is_absent(v));
    // A response may be JSON of the program itself with a member `input` or `output`, so only a list is taken for messages.
    let body: &[&str] = if role == "assistant" {
        &["messages", "choices", "output", "candidates", "generations", "replies"]
    } else {
        &["messages", "prompt", "contents", "input"]
    };
    // LiveKit's chat context. Other objects may have items too, so the first one must be a message.
    let items = || object.get("items").filter(|items| role != "assistant" && items[0]["role"].is_string());
    let body = body.iter().find_map(|key| object.get(*key)).or_else(items).filter(|value| !is_absent(value))?;
    if role == "assistant" && !body.is_array() {
        return None;
    }
    let mut messages = Vec::new();
    if let Some(system) = system {
        messages.extend(value_messages(system, "system", depth)?);
    }
    messages.extend(value_messages(body, role, depth)?);
    Some(messages)
}

/// Reads the messages of a value that is known to contain some.
fn value_messages(value: &Value, role: &str, depth: u8) -> Option<Vec<ChatMessage>> {
    match value {
        Value::String(text) if text.trim_start().starts_with(['[', '{']) => {
            let inner = parse(text).and_then(|value| read_shape(&value, role, depth));
            Some(inner.unwrap_or_else(|| vec![ChatMessage { role: role.into(), parts: vec![text_part(text.clone())] }]))
        }
        value => read_shape(value, role, depth),
    }
}

fn canonical_role(role: &str) -> String {
    let known = ROLE_NAMES.iter().find(|(spelling, _)| spelling.eq_ignore_ascii_case(role));
    known.map_or_else(|| role.to_owned(), |(_, canonical)| (*canonical).to_owned())
}

/// Returns the role that an object names in `role`, or in LangChain's `type`.
fn known_role(object: &Map<String, Value>) -> Option<String> {
    if let Some(Value::String(role)) = object.get("role").filter(|role| !is_absent(role)) {
        return Some(canonical_role(role));
    }
    let kind = object.get("type")?.as_str()?;
    ROLE_NAMES.iter().find(|(spelling, _)| spelling.eq_ignore_ascii_case(kind)).map(|(_, role)| (*role).to_owned())
}

/// Reads one message from an object.
fn message(object: &Map<String, Value>, default_role: &str) -> ChatMessage {
    let role = known_role(object).unwrap_or_else(|| default_role.to_owned());
    let mut parts = Vec::new();
    for key in ["reasoning_content", "reasoning", "thinking"] {
        if let Some(Value::String(text)) = object.get(key).filter(|value| !is_absent(value)) {
            parts.push(MessagePart::Reasoning { text: text.clone() });
            break;
        }
    }
    let content = ["parts", "content", "contents", "blocks", "text", "completion"]
        .iter()
        .find_map(|key| object.get(*key).filter(|value| !is_absent(value)));
    if let Some(content) = content {
        parts.extend(content_parts(content));
    }
    if let Some(Value::String(refusal)) = object.get("refusal").filter(|value| !is_absent(value)) {
        parts.push(text_part(refusal.clone()));
    }
    let calls = ["tool_calls", "toolCalls", "function_call"].iter().filter_map(|key| object.get(*key)).filter(|value| !is_absent(value));
    for found in calls.flat_map(tool_calls).filter(|call| !is_empty_call(call)) {
        // Some clients send a call both in the content and in addition to it. None sends hundreds of calls twice.
        if parts.len() > MAX_COMPARED_PARTS || !parts.contains(&found) {
            parts.push(found);
        }
    }
    if role == "tool" {
        parts = parts.into_iter().map(|part| result_of(object, part)).collect();
    }
    ChatMessage { role, parts }
}

/// Converts the plain content of a message with the role `tool` to the result of a call.
fn result_of(object: &Map<String, Value>, part: MessagePart) -> MessagePart {
    let MessagePart::Text { text } = part else { return part };
    let get =
        |keys: &[&str]| keys.iter().find_map(|key| object.get(*key).filter(|v| !is_absent(v)).and_then(Value::as_str)).map(str::to_owned);
    MessagePart::ToolResult { id: get(&["tool_call_id", "toolCallId", "call_id", "id"]), name: get(&["name", "toolName"]), result: text }
}

#[cfg(test)]
mod tests;
