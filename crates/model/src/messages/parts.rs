//! Parts of messages: text, reasoning, tool calls and results, images and audio.

use serde_json::{Map, Value};

use crate::span::MessagePart;

/// Meaning of the `type` of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessagePartType {
    Text,
    Reasoning,
    ToolCall,
    ToolResult,
    Media,
    Object,
}

/// Types of parts as clients spell them; hyphens count as underscores.
const PART_TYPES: &[(&str, MessagePartType)] = &[
    ("text", MessagePartType::Text),
    ("input_text", MessagePartType::Text),
    ("output_text", MessagePartType::Text),
    ("refusal", MessagePartType::Text),
    ("reasoning", MessagePartType::Reasoning),
    ("thinking", MessagePartType::Reasoning),
    ("redacted_thinking", MessagePartType::Reasoning),
    ("tool_call", MessagePartType::ToolCall),
    ("tool_use", MessagePartType::ToolCall),
    ("function_call", MessagePartType::ToolCall),
    ("function", MessagePartType::ToolCall),
    ("server_tool_call", MessagePartType::ToolCall),
    ("server_tool_use", MessagePartType::ToolCall),
    ("mcp_call", MessagePartType::ToolCall),
    ("web_search_call", MessagePartType::ToolCall),
    ("file_search_call", MessagePartType::ToolCall),
    ("code_interpreter_call", MessagePartType::ToolCall),
    ("computer_call", MessagePartType::ToolCall),
    ("tool_call_response", MessagePartType::ToolResult),
    ("tool_response", MessagePartType::ToolResult),
    ("tool_result", MessagePartType::ToolResult),
    ("tool_return", MessagePartType::ToolResult),
    ("function_call_output", MessagePartType::ToolResult),
    ("function_response", MessagePartType::ToolResult),
    ("image", MessagePartType::Media),
    ("image_url", MessagePartType::Media),
    ("input_image", MessagePartType::Media),
    ("audio", MessagePartType::Media),
    ("input_audio", MessagePartType::Media),
    ("video", MessagePartType::Media),
    ("media", MessagePartType::Media),
    ("document", MessagePartType::Media),
    ("blob", MessagePartType::Media),
    ("uri", MessagePartType::Media),
    ("file", MessagePartType::Media),
    ("input_file", MessagePartType::Media),
    ("object", MessagePartType::Object),
];

/// Tools that the provider runs itself, by the types of their calls.
const PROVIDER_TOOLS: [&str; 4] = ["web_search_call", "file_search_call", "code_interpreter_call", "computer_call"];

/// Python's `None` after `str()`, as some messages contain it. It means that there is no value.
const PYTHON_NONE: &str = "None";

/// Returns true for a value that stands for a missing value.
pub(super) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text == PYTHON_NONE,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn part_type(object: &Map<String, Value>) -> Option<MessagePartType> {
    let kind = object.get("type")?.as_str()?;
    let same = |known: &str| known.len() == kind.len() && known.bytes().zip(kind.bytes()).all(|(a, b)| a == b || (a == b'_' && b == b'-'));
    PART_TYPES.iter().find(|(known, _)| same(known)).map(|(_, shape)| *shape)
}

/// Returns true for an object that is a part and not a message.
pub(super) fn is_part(object: &Map<String, Value>) -> bool {
    if object.contains_key("role") {
        return false;
    }
    // `function` alone is ambiguous: the definition of a tool has a description, a call has arguments.
    match part_type(object) {
        Some(MessagePartType::Object) => object.contains_key("content"),
        Some(_) => object.len() > 1,
        None => object.contains_key("message_content") || object.contains_key("tool_call") || is_work_of_the_provider(object),
    }
}

/// Returns true for OpenAI's items about its own tools: `web_search_call`, `file_search_call`, `computer_call`.
fn is_work_of_the_provider(object: &Map<String, Value>) -> bool {
    object.contains_key("id") && object.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("_call"))
}

/// Returns the parts of a message's content.
pub(super) fn content_parts(content: &Value) -> Vec<MessagePart> {
    match content {
        Value::Array(items) => {
            let said = items.iter().filter(|item| !is_absent(item) && !is_empty_text(item));
            said.map(any_part).filter(|part| !is_empty_call(part)).collect()
        }
        Value::String(text) => listed_parts(text).unwrap_or_else(|| vec![any_part(content)]),
        content => vec![any_part(content)],
    }
}

/// Returns the parts of a content that is a list of typed parts as JSON text, for clients whose attributes cannot be nested.
fn listed_parts(text: &str) -> Option<Vec<MessagePart>> {
    let text = text.trim();
    if !text.starts_with("[{") || !text.ends_with("}]") || !text.contains("\"type\"") {
        return None;
    }
    let Value::Array(items) = crate::lenient_json::value(text).ok()? else { return None };
    let is_typed = |item: &Value| item.as_object().is_some_and(|item| item.len() > 1 && part_type(item).is_some());
    items.iter().all(is_typed).then(|| content_parts(&Value::Array(items)))
}

/// Returns true for a text part without text.
fn is_empty_text(value: &Value) -> bool {
    let empty = |object: &Map<String, Value>| ["text", "content"].iter().all(|key| object.get(*key).is_none_or(is_absent));
    value.as_object().is_some_and(|object| part_type(object) == Some(MessagePartType::Text) && empty(object))
}

/// Returns true for a tool call without any data. For Anthropic, OpenInference adds such a call to the content, and sends the complete tool
/// call separately.
pub(super) fn is_empty_call(part: &MessagePart) -> bool {
    matches!(part, MessagePart::ToolCall { id: None, name, arguments } if name.is_empty() && arguments.is_empty())
}

fn any_part(value: &Value) -> MessagePart {
    match value {
        Value::String(text) => MessagePart::Text { text: text.clone() },
        Value::Object(object) => part(object),
        other => MessagePart::Other { content: other.to_string() },
    }
}

/// Reads a part from an object of any shape; an unknown shape stays JSON text.
pub(super) fn part(object: &Map<String, Value>) -> MessagePart {
    if let Some(Value::Object(inner)) = object.get("message_content") {
        return part(inner);
    }
    if object.contains_key("tool_call") {
        return tool_call(object);
    }
    let shape = part_type(object).or_else(|| infer_type(object));
    let found = match shape {
        Some(MessagePartType::Text) => text(object, &["text", "content", "value", "refusal"]).map(|text| MessagePart::Text { text }),
        Some(MessagePartType::Reasoning) => {
            text(object, &["text", "content", "thinking", "reasoning", "summary", "data"]).map(|text| MessagePart::Reasoning { text })
        }
        Some(MessagePartType::ToolCall) => Some(tool_call(object)),
        Some(MessagePartType::ToolResult) => Some(tool_result(object)),
        Some(MessagePartType::Media) => Some(media(object)),
        Some(MessagePartType::Object) | None => None,
    };
    found.unwrap_or_else(|| MessagePart::Other { content: json(&Value::Object(object.clone())) })
}

/// Keys after which Google, Bedrock and Genkit name the type of a part that has none.
const KEYS: &[(&str, MessagePartType)] = &[
    ("functionCall", MessagePartType::ToolCall),
    ("function_call", MessagePartType::ToolCall),
    ("toolUse", MessagePartType::ToolCall),
    ("toolRequest", MessagePartType::ToolCall),
    ("functionResponse", MessagePartType::ToolResult),
    ("function_response", MessagePartType::ToolResult),
    ("toolResult", MessagePartType::ToolResult),
    ("toolResponse", MessagePartType::ToolResult),
    ("inlineData", MessagePartType::Media),
    ("inline_data", MessagePartType::Media),
    ("fileData", MessagePartType::Media),
    ("file_data", MessagePartType::Media),
    ("media", MessagePartType::Media),
    ("text", MessagePartType::Text),
    ("reasoning", MessagePartType::Reasoning),
];

/// Infers the type of a part without one from its keys.
fn infer_type(object: &Map<String, Value>) -> Option<MessagePartType> {
    KEYS.iter().find(|(key, _)| object.contains_key(*key)).map(|(_, kind)| *kind)
}

/// Returns a value as text: a string unchanged, others as JSON.
fn json(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn first_value<'a>(object: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a Value> {
    keys.iter().find_map(|key| object.get(*key).filter(|value| !is_absent(value)))
}

fn text(object: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    first_value(object, keys).map(json)
}

/// Reads tool calls of any shape: one or several, with `args`, `arguments`, `input`, or a nested `function`.
pub(super) fn tool_calls(value: &Value) -> Vec<MessagePart> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_object).map(tool_call).collect(),
        Value::Object(object) => vec![tool_call(object)],
        _ => Vec::new(),
    }
}

fn tool_call(object: &Map<String, Value>) -> MessagePart {
    if let Some(Value::Object(inner)) = object.get("tool_call") {
        return tool_call(inner);
    }
    let inner = first_value(object, &["function", "functionCall", "function_call", "toolUse", "toolRequest"]).and_then(Value::as_object);
    let get = |keys: &[&str]| inner.and_then(|inner| first_value(inner, keys)).or_else(|| first_value(object, keys));
    // The ID by which the result refers to the call takes precedence over the ID of the part itself.
    let id = get(&["call_id", "toolCallId", "tool_call_id", "toolUseId", "id", "ref"]).map(json);
    let name = get(&["name", "toolName", "tool_name", "function"]).and_then(Value::as_str);
    // The provider's own tools have no name apart from their type.
    let own = || object.get("type").and_then(Value::as_str).filter(|kind| PROVIDER_TOOLS.contains(kind));
    let name = name.or_else(own).unwrap_or_default().to_owned();
    let arguments = get(&["arguments", "args", "input", "parameters", "action", "queries", "code"]).map(json).unwrap_or_default();
    MessagePart::ToolCall { id, name, arguments }
}

fn tool_result(object: &Map<String, Value>) -> MessagePart {
    let inner = first_value(object, &["functionResponse", "function_response", "toolResult", "toolResponse"]).and_then(Value::as_object);
    let get = |keys: &[&str]| inner.and_then(|inner| first_value(inner, keys)).or_else(|| first_value(object, keys));
    let id = get(&["tool_call_id", "toolCallId", "call_id", "tool_use_id", "toolUseId", "id", "ref"]).map(json);
    let name = get(&["name", "toolName", "tool_name"]).map(json);
    let result = get(&["result", "response", "output", "content", "text"]).map(plain).unwrap_or_default();
    MessagePart::ToolResult { id, name, result }
}

/// Returns a result as text: the text of a single text part, the content of Vercel's `{type, value}`, otherwise JSON.
fn plain(value: &Value) -> String {
    if let Value::Object(wrapped) = value
        && wrapped.len() == 2
        && let (Some(Value::String(_)), Some(inner)) = (wrapped.get("type"), wrapped.get("value"))
    {
        return json(inner);
    }
    if let Value::Array(items) = value
        && let [Value::Object(only)] = items.as_slice()
        && let MessagePart::Text { text } = part(only)
    {
        return text;
    }
    json(value)
}

fn media(object: &Map<String, Value>) -> MessagePart {
    let inner =
        ["image_url", "input_audio", "file", "source", "inlineData", "inline_data", "fileData", "file_data", "audio", "image", "media"];
    let inner = first_value(object, &inner);
    let nested = inner.and_then(Value::as_object);
    // OpenInference puts an image into an image.
    let nested = nested.map(|nested| nested.get("image").and_then(Value::as_object).unwrap_or(nested));
    let get = |keys: &[&str]| first_value(object, keys).or_else(|| nested.and_then(|nested| first_value(nested, keys)));
    let mime_type = get(&["mime_type", "mimeType", "media_type", "mediaType", "contentType"]).map(json);
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
    let named = get(&["modality"]).map(json).filter(|modality| !modality.is_empty());
    let modality = named.unwrap_or_else(|| {
        let hints = [mime_type.as_deref().unwrap_or_default(), kind];
        let found = ["image", "audio", "video"].iter().find(|name| hints.iter().any(|hint| hint.contains(*name)));
        (*found.unwrap_or(&"file")).to_owned()
    });
    let contents = ["content", "url", "uri", "fileUri", "file_uri", "data", "image_url", "file_id", "file_data"];
    let plain = |object: &Map<String, Value>| contents.iter().find_map(|key| object.get(*key).and_then(Value::as_str)).map(str::to_owned);
    let content = plain(object).or_else(|| nested.and_then(plain)).or_else(|| inner.map(json));
    MessagePart::Media { modality, mime_type, media_id: None, content: content.filter(|content| !content.is_empty()) }
}
