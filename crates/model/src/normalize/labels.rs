//! Labels that programs attach to spans: tags, and metadata that may name the user, the conversation or the prompt.

use serde_json::{Map, Value};

use crate::messages::{TextLimit, trim_text};
use crate::normalize::attribute_names;
use crate::normalize::attributes::unquoted;
use crate::span::{Attributes, Span};

/// Attributes that contain a list of tags, or several in one text separated by commas.
const LIST_ATTRIBUTES: &[&str] = &[
    "tag.tags",
    "langfuse.trace.tags",
    "langfuse.tags",
    "ai.telemetry.metadata.tags",
    "vercel.ai.telemetry.metadata.tags",
    "traceloop.association.properties.tags",
    "lmnr.association.properties.tags",
    "langsmith.span.tags",
    "logfire.tags",
];

/// Prefixes of attributes that contain one label each, longer prefixes before shorter ones.
const LABEL_PREFIXES: &[&str] = &[
    "ai.telemetry.metadata.",
    "vercel.ai.telemetry.metadata.",
    "ai.settings.context.",
    "traceloop.association.properties.",
    "lmnr.association.properties.metadata.",
    "lmnr.association.properties.",
    "langfuse.trace.metadata.",
    "langfuse.metadata.",
    "langfuse.observation.metadata.",
    "langsmith.metadata.",
    // OpenRouter: metadata of the request.
    "trace.metadata.",
];

/// Attributes that contain labels as one object.
const OBJECT_ATTRIBUTES: &[&str] = &["metadata", "langfuse.metadata", "langfuse.trace.metadata", "langfuse.observation.metadata"];

/// Labels that name the end user.
const USER_LABELS: &[&str] = &["langfuse_user_id", "user_id", "userId", "user"];

/// Labels that name the conversation, the best first.
const SESSION_LABELS: &[&str] =
    &["langfuse_session_id", "session_id", "sessionId", "conversation_id", "conversationId", "thread_id", "threadId"];

/// Labels that name the thread of a framework's memory. A number is a thread of the operating system.
const THREADS: &[&str] = &["thread_id", "threadId"];

/// Attribute in which instrumentations send the conversation that they find.
const CONVERSATION: &str = "gen_ai.conversation.id";

/// Labels that contain a prompt of Langfuse: its name and version.
const PROMPT_LABELS: &[&str] = &["langfusePrompt", "langfuse_prompt"];

/// Prefixes of labels that frameworks add to those of the program.
const FRAMEWORK_PREFIXES: &[&str] = &[
    "ls_",
    "lc_",
    "langgraph_",
    "LANGSMITH_",
    "LANGCHAIN_",
    "LANGGRAPH_",
    "checkpoint_",
    "__",
    "_type",
    "model",
    "stream",
    "temperature",
    "resourceAttributes",
    "scope",
    "tags",
    "usage_metadata",
    "seq:step:",
    "graph:step:",
    "openrouter.",
];

/// Maximum number of labels of one span.
const MAX_LABELS: usize = 100;

/// Sets the tags, and the fields that only metadata contains.
pub(super) fn fill(span: &mut Span, attributes: &Attributes) {
    let mut found = LabelAttribution::default();
    for (name, value) in attributes {
        if LIST_ATTRIBUTES.contains(&name.as_str()) {
            split_list(value).into_iter().filter(|tag| is_program_label(tag)).for_each(|tag| add(span, &tag, "true".into()));
        } else if let Some(label) = LABEL_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
            found.label(span, label, value);
        } else if OBJECT_ATTRIBUTES.contains(&name.as_str()) {
            object(value).iter().flatten().for_each(|(label, value)| found.label(span, label, value));
        }
    }
    span.user_id = span.user_id.take().or(found.user.map(|(_, user)| user).filter(|user| !attribute_names::is_placeholder(user)));
    // A thread that the program names is better than the conversation that an instrumentation finds.
    let found_by_instrumentation = span.session_id.is_some() && attributes.get(CONVERSATION).and_then(text) == span.session_id;
    let named = found.named.filter(|_| found_by_instrumentation);
    span.session_id = named.or_else(|| span.session_id.take()).or(found.session.map(|(_, session)| session));
    let prompt = found.prompt.unwrap_or_default();
    let told = |name: &str| prompt.get(name).and_then(text);
    span.prompt = span.prompt.take().or_else(|| told("name"));
    span.prompt_version = span.prompt_version.take().or_else(|| told("version"));
}

/// Fields found in labels, with the rank of the label's name.
#[derive(Default)]
struct LabelAttribution {
    user: Option<(usize, String)>,
    session: Option<(usize, String)>,
    /// Thread whose label is a text, as a program names it.
    named: Option<String>,
    prompt: Option<Map<String, Value>>,
}

impl LabelAttribution {
    fn label(&mut self, span: &mut Span, label: &str, value: &Value) {
        if PROMPT_LABELS.contains(&label) {
            self.prompt = self.prompt.take().or_else(|| object(value));
            return;
        }
        let is_text = value.is_string();
        let Some(value) = text(value) else { return };
        for (names, known) in [(USER_LABELS, &mut self.user), (SESSION_LABELS, &mut self.session)] {
            if let Some(rank) = names.iter().position(|name| *name == label) {
                let value = unquoted(&value).to_owned();
                if known.as_ref().is_none_or(|(best, _)| rank < *best) {
                    if THREADS.contains(&label) && is_text {
                        self.named = Some(value.clone());
                    }
                    *known = Some((rank, value));
                }
                return;
            }
        }
        if is_program_label(label) {
            add(span, label, value);
        }
    }
}

fn is_program_label(label: &str) -> bool {
    !FRAMEWORK_PREFIXES.iter().any(|beginning| label.starts_with(beginning))
}

fn add(span: &mut Span, label: &str, value: String) {
    let short = |mut text: String| {
        trim_text(&mut text, TextLimit::NAME_LIMIT);
        text
    };
    if !label.is_empty() && span.tags.len() < MAX_LABELS {
        span.tags.entry(short(label.to_owned())).or_insert_with(|| short(value));
    }
}

/// Returns the value of a label; `None` for a nested one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn object(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object.clone()),
        Value::String(text) if text.starts_with('{') => crate::lenient_json::object(text).ok(),
        _ => None,
    }
}

fn split_list(value: &Value) -> Vec<String> {
    let of_list = |items: &[Value]| items.iter().filter_map(text).collect();
    match value {
        Value::Array(items) => of_list(items),
        Value::String(text) => match crate::lenient_json::value(text) {
            Ok(Value::Array(items)) => of_list(&items),
            _ => text.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect(),
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(attributes: Value) -> Span {
        let mut span = Span::default();
        fill(&mut span, attributes.as_object().unwrap());
        span
    }

    #[test]
    fn tags_of_every_family() {
        for name in LIST_ATTRIBUTES {
            for value in [json!(["vip", "beta"]), json!("[\"vip\", \"beta\"]"), json!("vip, beta")] {
                let tags: Vec<_> = of(json!({ *name: value })).tags.into_iter().collect();
                assert_eq!(tags, [("beta".to_owned(), "true".to_owned()), ("vip".to_owned(), "true".to_owned())], "{name}");
            }
        }
    }

    #[test]
    fn metadata_of_every_family() {
        let labels =
            json!({"plan": "gold", "seats": 3, "user_id": "u", "thread_id": "t", "sessionId": "s", "langgraph_step": 1, "deep": {"a": 1}});
        let by_prefix = LABEL_PREFIXES.iter().map(|prefix| {
            let named = labels.as_object().unwrap().iter().map(|(name, value)| (format!("{prefix}{name}"), value.clone()));
            Value::Object(named.collect())
        });
        let whole = OBJECT_ATTRIBUTES.iter().flat_map(|name| [json!({ *name: labels }), json!({ *name: labels.to_string() })]);
        for attributes in by_prefix.chain(whole) {
            let span = of(attributes.clone());
            assert_eq!(json!(span.tags), json!({"plan": "gold", "seats": "3"}), "{attributes}");
            assert_eq!((span.user_id.as_deref(), span.session_id.as_deref()), (Some("u"), Some("s")), "{attributes}");
        }
    }

    #[test]
    fn a_prompt_of_langfuse() {
        let span = of(json!({"ai.telemetry.metadata.langfusePrompt": "{\"name\": \"greeting\", \"version\": 3}"}));
        assert_eq!((span.prompt.as_deref(), span.prompt_version.as_deref()), (Some("greeting"), Some("3")));
        assert!(span.tags.is_empty());
    }

    #[test]
    fn labels_are_limited_to_a_hundred() {
        let tags: Vec<String> = (0..10_000).map(|n| format!("{}{n}", "t".repeat(4_000))).collect();
        let span = of(json!({ "tag.tags": tags }));
        assert!(span.tags.len() <= MAX_LABELS && span.tags.keys().all(|tag| tag.len() < 300));
    }
}
