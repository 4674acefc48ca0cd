//! Attribute names that have a meaning only for one client, or only together with another attribute; and texts that stand for a missing
//! value.

use super::{SpanField, lookup};
use crate::span::Attributes;
use crate::usage::TokenCountConvention;

/// Meaning of attribute names for one client: names that are too generic to have this meaning for other clients (`model`, `input_tokens`),
/// and names that have another meaning for this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttributeDialect {
    /// Attribute names, for each field in order of precedence. They take precedence over the names of the general table, so that all counts
    /// come from one convention. `None` removes the general meaning of a name.
    pub names: &'static [(&'static str, Option<SpanField>)],
    /// How the client counts input tokens.
    pub input: TokenCountConvention,
    /// How the client counts output tokens.
    pub output: TokenCountConvention,
}

impl AttributeDialect {
    /// Dialect of a client that uses only the general table.
    pub const GENERAL_DIALECT: AttributeDialect =
        AttributeDialect { names: &[], input: TokenCountConvention::Inclusive, output: TokenCountConvention::Inclusive };

    /// Returns the field of an attribute name, its rank among the names of that field (lower is better), and the name.
    pub fn lookup(&self, name: &str) -> Option<(SpanField, usize, &'static str)> {
        if let Some(place) = self.names.iter().position(|(known, _)| *known == name) {
            let (name, field) = self.names[place];
            return field.map(|field| (field, place, name));
        }
        lookup(name).map(|(field, rank)| (field, self.names.len() + usize::from(rank), field.names()[usize::from(rank)]))
    }
}

/// Attributes of steps of programs that use models.
const OF_STEPS: &[&str] = &[
    "gen_ai.operation.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.agent.name",
    "gen_ai.tool.name",
    "agent_name",
    "entity.id",
    "netra.span.type",
    "span_type",
    "input_tokens",
];

/// Attributes by which a client says that a span is a step of such a program.
const OF_LABELED_STEPS: &[&str] = &[
    "gen_ai.operation.name",
    "openinference.span.kind",
    "langfuse.observation.type",
    "traceloop.span.kind",
    "mlflow.spanType",
    "lmnr.span.type",
    "netra.span.type",
];

/// The same, and bare counts of a call.
const OF_NAMED_MODELS: &[&str] = &[
    "gen_ai.operation.name",
    "openinference.span.kind",
    "langfuse.observation.type",
    "traceloop.span.kind",
    "mlflow.spanType",
    "lmnr.span.type",
    "netra.span.type",
    "output_tokens",
    "completion_tokens",
    "service_provider",
];

/// Both of these are there on the spans of the first Langtrace, whose names had no prefix.
const OF_FIRST_LANGTRACE: &[&str] = &["token_counts", "request.prompts"];

/// Names that are too generic to have a meaning of their own, and the attributes of which one must be there too.
const REQUIRED_NEIGHBORS: &[(&str, &[&str])] = &[
    ("input", OF_STEPS),
    ("inputs", OF_STEPS),
    // Logfire's requests of MCP.
    ("rpc.method", &["rpc.jsonrpc.version"]),
    ("request", &["rpc.jsonrpc.version"]),
    ("response", &["rpc.jsonrpc.version"]),
    ("agent.messages", OF_STEPS),
    ("output", OF_STEPS),
    ("system_instructions", OF_STEPS),
    ("span_type", &["framework"]),
    ("gen_ai.event.content", &["gen_ai.tool.name"]),
    ("finish_reason", OF_STEPS),
    ("hidden_params", OF_STEPS),
    ("response_cost", OF_STEPS),
    ("request_data", &["logfire.span_type"]),
    ("response_data", &["logfire.span_type"]),
    ("code.function.return.value", &["gen_ai.tool.name"]),
    ("entity.type", &["entity.id"]),
    ("model", OF_NAMED_MODELS),
    // Two bare counts that belong together.
    ("input_tokens", &["output_tokens"]),
    ("output_tokens", &["input_tokens"]),
    ("total_tokens", &["input_tokens", "prompt_tokens"]),
    ("prompt_tokens", &["completion_tokens"]),
    ("completion_tokens", &["prompt_tokens"]),
    ("model_config", &["input_tokens"]),
    ("usage", OF_LABELED_STEPS),
    ("service_provider", OF_FIRST_LANGTRACE),
    ("token_counts", &["service_provider"]),
    ("request.prompts", &["service_provider"]),
    ("response.responses", &["service_provider"]),
    // Claude Code.
    ("speed", &["cache_creation_tokens"]),
];

/// Returns true for a name that is too generic to have its meaning without another attribute, if that attribute is missing.
pub(crate) fn is_out_of_place(name: &str, attributes: &Attributes) -> bool {
    let is_missing = |others: &[&str]| !others.iter().any(|other| attributes.contains_key(*other));
    REQUIRED_NEIGHBORS.iter().any(|(generic, others)| *generic == name && is_missing(others))
}

/// Values that clients send if they know none, in lower case. opencode names each of its users "unknown".
const PLACEHOLDERS: &[&str] = &["unknown", "undefined", "null", "none", "nil", "n/a", "-"];

/// Returns true for a text that stands for a missing value.
pub(crate) fn is_placeholder(text: &str) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| text.trim().eq_ignore_ascii_case(placeholder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialect_adds_and_removes_names() {
        let dialect = AttributeDialect {
            names: &[("model", Some(SpanField::RequestModel)), ("prompt.id", None)],
            ..AttributeDialect::GENERAL_DIALECT
        };
        assert_eq!(dialect.lookup("model").map(|(field, ..)| field), Some(SpanField::RequestModel));
        assert!(dialect.lookup("model").unwrap().1 < dialect.lookup("gen_ai.request.model").unwrap().1, "its own names come first");
        assert_eq!(dialect.lookup("prompt.id"), None);
        assert!(is_out_of_place("model", &Attributes::new()), "elsewhere it is no model of a call");
        assert_eq!(AttributeDialect::GENERAL_DIALECT.lookup("prompt.id").map(|(field, ..)| field), Some(SpanField::Prompt));
    }
}
