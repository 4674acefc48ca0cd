//! Events of a span that belong to the span itself: messages, and the reason of a failure.

use serde_json::{Map, Value, json};

use super::span::DecodedSpanEvent;
use crate::normalize::attribute_names::CHUNK_EVENTS;

/// Event whose attributes contain a whole conversation.
pub(super) const CONVERSATION_EVENT: &str = "gen_ai.client.inference.operation.details";

/// Events whose attributes are also attributes of the span, with the same names.
const DETAIL_EVENTS: &[&str] = &[CONVERSATION_EVENT, "gen_ai.content.prompt", "gen_ai.content.completion"];

/// Attributes of events that are also attributes of the span, whatever the event's name is.
const TEXTS: [&str; 2] = ["gen_ai.prompt", "gen_ai.completion"];

/// Direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageDirection {
    /// To the model.
    Input,
    /// From the model.
    Output,
}

/// Events that contain one message each, and the role of the message if the body names none.
const MESSAGE_EVENTS: &[(&str, MessageDirection, &str)] = &[
    ("gen_ai.system.message", MessageDirection::Input, "system"),
    ("gen_ai.user.message", MessageDirection::Input, "user"),
    ("gen_ai.assistant.message", MessageDirection::Input, "assistant"),
    ("gen_ai.tool.message", MessageDirection::Input, "tool"),
    ("gen_ai.choice", MessageDirection::Output, "assistant"),
];

/// Attributes that have the contents of details which only say `content`.
const CONTENTS: &[(&str, &str)] = &[("gen_ai.content.prompt", "gen_ai.prompt"), ("gen_ai.content.completion", "gen_ai.completion")];

/// Events that contain one document each that a vector database found, and the prefixes of their attributes.
const DOCUMENTS: &[(&str, &str)] = &[("db.query.result", "db.query.result."), ("db.search.result", "db.search.result.")];

/// Attributes of Monocle's spans.
const OF_MONOCLE: [&str; 2] = ["entity.1.type", "monocle_apptrace.version"];

/// Roles that Monocle writes.
const MONOCLE_ROLES: [&str; 4] = ["system", "user", "assistant", "tool"];

/// Attributes of Monocle's events, which have generic names, and their names as attributes of the span.
const MONOCLE_EVENTS: &[(&str, &str, &str)] = &[
    ("data.input", "input", "monocle.input"),
    ("data.output", "response", "monocle.output"),
    ("metadata", "prompt_tokens", "gen_ai.usage.prompt_tokens"),
    ("metadata", "completion_tokens", "gen_ai.usage.completion_tokens"),
    ("metadata", "total_tokens", "gen_ai.usage.total_tokens"),
    ("metadata", "cached_tokens", "gen_ai.usage.cached_tokens"),
    ("metadata", "finish_reason", "gen_ai.response.finish_reason"),
];

/// Event that contains an exception.
pub(super) const EXCEPTION_EVENT: &str = "exception";

/// Event with which Claude Code reports the result of a tool.
const TOOL_OUTPUT_EVENT: &str = "tool.output";

fn is_of_monocle(event: &str, attributes: &Map<String, Value>) -> bool {
    MONOCLE_EVENTS.iter().any(|(known, ..)| *known == event) && OF_MONOCLE.iter().any(|name| attributes.contains_key(*name))
}

/// Merges an event of Monocle, whose messages are objects with the role as the only name.
fn merge_monocle_event(event: DecodedSpanEvent, attributes: &mut Map<String, Value>) {
    for (name, value) in event.attributes {
        let known = MONOCLE_EVENTS.iter().find(|(known, member, _)| *known == event.name && *member == name);
        let of_span = known.map_or(format!("{}.{name}", event.name), |(.., of_span)| (*of_span).to_owned());
        let value = match value {
            Value::Array(items) => Value::Array(items.into_iter().map(message_by_role).collect()),
            value => message_by_role(value),
        };
        attributes.entry(of_span).or_insert(value);
    }
}

/// Returns the message in a text with an object that has the role as its only name; any other value as it is.
fn message_by_role(value: Value) -> Value {
    let object = value.as_str().filter(|text| text.starts_with('{')).and_then(|text| crate::lenient_json::object(text).ok());
    let Some(object) = object.filter(|object| object.len() == 1) else { return value };
    let known = object.into_iter().find(|(role, content)| MONOCLE_ROLES.contains(&role.as_str()) && content.is_string());
    known.map_or(value, |(role, content)| json!({ "role": role, "content": content }))
}

/// Returns true for an event whose attributes are also attributes of the span.
fn is_detail(event: &DecodedSpanEvent) -> bool {
    DETAIL_EVENTS.contains(&event.name.as_str()) || TEXTS.iter().any(|name| event.attributes.contains_key(*name))
}

/// Merges events into the attributes of their span. Existing attributes take precedence. Other events are stored as a whole in
/// `otel.events`.
pub(super) fn merge_events(events: Vec<DecodedSpanEvent>, attributes: &mut Map<String, Value>) {
    let (mut input, mut output, mut documents, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for event in events {
        if let Some((side, role)) = direction_and_role(&event.name) {
            let messages = if side == MessageDirection::Input { &mut input } else { &mut output };
            messages.push(message(event.attributes, role));
        } else if event.name == EXCEPTION_EVENT || is_detail(&event) {
            let content = CONTENTS.iter().find(|(known, _)| *known == event.name).map(|(_, name)| *name);
            for (name, value) in event.attributes {
                let name = content.filter(|_| name == "content").map_or(name, str::to_owned);
                attributes.entry(name).or_insert(value);
            }
        } else if let Some((_, prefix)) = DOCUMENTS.iter().find(|(known, _)| *known == event.name) {
            let of_document = |(name, value): (String, Value)| (name.strip_prefix(prefix).unwrap_or(&name).to_owned(), value);
            documents.push(Value::Object(event.attributes.into_iter().map(of_document).collect()));
        } else if is_of_monocle(&event.name, attributes) {
            merge_monocle_event(event, attributes);
        } else if event.name == TOOL_OUTPUT_EVENT && event.attributes.contains_key("output") {
            for (name, value) in event.attributes {
                attributes.entry(format!("tool.{name}")).or_insert(value);
            }
        } else if event.attributes.is_empty() && CHUNK_EVENTS.contains(&event.name.as_str()) {
            // The first of these events marks the start of the response; the others contain nothing else.
            let at = event.time_ns as f64 / 1e9;
            attributes.entry(event.name).or_insert_with(|| format!("{at:.6}").into());
        } else {
            others.push(json!({ "name": event.name, "time_unix_nano": event.time_ns.to_string(), "attributes": event.attributes }));
        }
    }
    let lists = [
        ("gen_ai.input.messages", input),
        ("gen_ai.output.messages", output),
        ("gen_ai.retrieval.documents", documents),
        ("otel.events", others),
    ];
    for (name, values) in lists {
        if !values.is_empty() {
            attributes.entry(name).or_insert(Value::Array(values));
        }
    }
}

/// Returns direction and role if an event of that name contains one message.
pub(super) fn direction_and_role(name: &str) -> Option<(MessageDirection, &'static str)> {
    MESSAGE_EVENTS.iter().find(|(known, ..)| *known == name).map(|(_, side, role)| (*side, *role))
}

/// Builds a message from the fields of an event, or of a log record's body: `role`, `content`, `tool_calls` and similar fields, or a
/// `message` that contains them.
pub(super) fn message(mut fields: Map<String, Value>, role: &str) -> Value {
    for name in ["message", "gen_ai.event.content"] {
        let held = match fields.remove(name) {
            Some(Value::String(text)) => crate::lenient_json::value(&text).unwrap_or(json!({ "content": text })),
            Some(value) => value,
            None => continue,
        };
        match held {
            Value::Object(held) => fields.extend(held),
            Value::String(text) => _ = fields.insert("content".into(), text.into()),
            Value::Array(parts) => _ = fields.insert("content".into(), parts.into()),
            _ => {}
        }
    }
    for name in ["content", "tool_calls"] {
        // Not every client can nest attributes, so some write JSON.
        if let Some(Value::String(text)) = fields.get(name)
            && text.starts_with(['[', '{'])
            && let Ok(value) = crate::lenient_json::value(text)
            && (name == "tool_calls" || value.is_array())
        {
            fields.insert(name.into(), value);
        }
    }
    fields.entry("role").or_insert_with(|| role.into());
    fields.remove("gen_ai.system");
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, attributes: Value) -> DecodedSpanEvent {
        let Value::Object(attributes) = attributes else { panic!("an object") };
        DecodedSpanEvent { name: name.into(), time_ns: 1, attributes }
    }

    #[test]
    fn events_of_monocle_become_attributes() {
        let input = || event("data.input", json!({ "input": ["{\"user\": \"Hi\"}", "{\"a\": 1}"] }));
        let mut attributes = Map::from_iter([("entity.1.type".into(), json!("inference.openai"))]);
        merge_events(vec![input(), event("metadata", json!({ "prompt_tokens": 5 }))], &mut attributes);
        assert_eq!(attributes["monocle.input"], json!([{ "role": "user", "content": "Hi" }, "{\"a\": 1}"]));
        assert_eq!(attributes["gen_ai.usage.prompt_tokens"], 5);
        let mut others = Map::new();
        merge_events(vec![input()], &mut others);
        assert_eq!(others.keys().collect::<Vec<_>>(), ["otel.events"], "any program may name its events so");
    }

    #[test]
    fn message_events_become_span_messages() {
        let mut attributes = Map::new();
        merge_events(
            vec![
                event("gen_ai.system.message", json!({ "gen_ai.system": "openai", "content": "Be brief." })),
                event("gen_ai.user.message", json!({ "content": "Hi" })),
                event("gen_ai.choice", json!({ "index": 0, "finish_reason": "stop", "message": "{\"content\":\"Hello\"}" })),
                event("exception", json!({ "exception.type": "E" })),
                event("cache.miss", json!({ "key": "k" })),
            ],
            &mut attributes,
        );
        assert_eq!(
            attributes["gen_ai.input.messages"],
            json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hi" }])
        );
        assert_eq!(
            attributes["gen_ai.output.messages"],
            json!([{ "role": "assistant", "content": "Hello", "index": 0, "finish_reason": "stop" }])
        );
        assert_eq!(attributes["exception.type"], "E");
        assert_eq!(attributes["otel.events"][0]["name"], "cache.miss");
    }

    #[test]
    fn a_message_may_be_a_list_of_parts() {
        let mut attributes = Map::new();
        merge_events(vec![event("gen_ai.choice", json!({ "message": "[{\"text\": \"Hello\"}]" }))], &mut attributes);
        assert_eq!(attributes["gen_ai.output.messages"], json!([{ "role": "assistant", "content": [{ "text": "Hello" }] }]));
    }

    #[test]
    fn first_chunk_event_gives_time_to_first_token() {
        let mut attributes = Map::new();
        let chunk = |time_ns| DecodedSpanEvent { time_ns, ..event("llm.content.completion.chunk", json!({})) };
        merge_events(vec![chunk(1_795_420_617_250_000_000), chunk(1_795_420_618_000_000_000)], &mut attributes);
        assert_eq!(Value::Object(attributes), json!({ "llm.content.completion.chunk": "1795420617.250000" }));
    }

    #[test]
    fn contents_and_documents_have_names_of_their_own() {
        let mut attributes = Map::new();
        merge_events(
            vec![
                event("gen_ai.content.prompt", json!({ "content": "Is it allowed?" })),
                event("gen_ai.content.completion", json!({ "content": "Yes" })),
                event("db.query.result", json!({ "db.query.result.id": "7", "db.query.result.document": "Soak the grain." })),
                event("db.query.result", json!({ "db.query.result.id": "8" })),
            ],
            &mut attributes,
        );
        let expected = json!({
            "gen_ai.prompt": "Is it allowed?",
            "gen_ai.completion": "Yes",
            "gen_ai.retrieval.documents": [{ "id": "7", "document": "Soak the grain." }, { "id": "8" }],
        });
        assert_eq!(Value::Object(attributes), expected);
    }

    #[test]
    fn span_attributes_take_precedence_over_events() {
        let mut attributes = Map::from_iter([("gen_ai.input.messages".to_owned(), json!("as sent"))]);
        merge_events(vec![event("gen_ai.user.message", json!({ "content": "Hi" }))], &mut attributes);
        assert_eq!(attributes["gen_ai.input.messages"], "as sent");
    }
}
