//! Parameters of requests, such as the temperature, in the attributes of all conventions.

use serde_json::{Map, Value};

use crate::span::Attributes;

/// Short names of the parameters, which are the suffixes of their attributes.
const PARAMETER_NAMES: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "stop_sequences",
    "choice.count",
    "encoding_formats",
    "reasoning_effort",
    "reasoning.level",
    "response_format",
    "service_tier",
    "tool_choice",
    "parallel_tool_calls",
    "dimensions",
];

/// Prefixes of the attributes, the best first.
const PARAMETER_PREFIXES: &[&str] =
    &["gen_ai.request.", "gen_ai.openai.request.", "openai.request.", "anthropic.request.", "llm.request.", "gen_ai.", "ai."];

/// Returns the parameters among the attributes of a span, by their short names.
pub fn of(attributes: &Attributes) -> Map<String, Value> {
    let mut found = Map::new();
    for name in PARAMETER_NAMES {
        let value = PARAMETER_PREFIXES.iter().find_map(|prefix| attributes.get(&format!("{prefix}{name}")));
        if let Some(value) = value.filter(|value| !value.is_null()) {
            found.insert((*name).to_owned(), value.clone());
        }
    }
    found
}

/// Returns whether an attribute is a parameter.
pub fn is_parameter(name: &str) -> bool {
    PARAMETER_PREFIXES.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(|rest| PARAMETER_NAMES.contains(&rest)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_found_under_every_prefix() {
        let attributes = json!({"ai.top_p": 0.5, "gen_ai.request.temperature": 0.1, "gen_ai.request.seed": null, "temperature": 1});
        assert_eq!(Value::Object(of(attributes.as_object().unwrap())), json!({"temperature": 0.1, "top_p": 0.5}));
        assert!(is_parameter("gen_ai.request.max_tokens") && !is_parameter("gen_ai.request.model") && !is_parameter("temperature"));
    }
}
