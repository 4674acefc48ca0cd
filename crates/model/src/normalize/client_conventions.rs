//! Facts about individual clients that no attribute contains: how they count input, and how they write costs and levels.

use serde_json::{Map, Value};

use super::answer_usage;
use super::attributes::RecognizedAttributes;
use crate::money::Usd;
use crate::normalize::attribute_names::SpanField;
use crate::span::SpanType;

/// Instrumentation scopes, or prefixes of them, that pass on the provider's own input count although they use names whose convention
/// includes cached tokens: Pipecat, Spring AI, Logfire before it sends the provider's whole usage.
const PASSED_ON: &[&str] = &["pipecat", "org.springframework", "spring-ai", "io.micrometer", "logfire.anthropic"];

/// Words in the names of providers whose own input count excludes cached tokens.
const EXCLUSIVE_PROVIDERS: &[&str] = &["anthropic", "bedrock"];

/// Attribute names that show that the output count excludes reasoning: names of Google's ADK before May 2026.
pub(super) const REASONING_BESIDE_OUTPUT: &[&str] = &["gen_ai.usage.experimental.reasoning_tokens"];

/// Levels of a span that failed, as Langfuse and other programs spell them.
const FAILURES: &[&str] = &["ERROR", "FATAL", "CRITICAL", "SEVERE", "ALERT", "EMERGENCY", "PANIC"];

/// Logfire's number of the level `error`, from which levels are failures.
const LOGFIRE_ERROR: u64 = 17;

/// Names of the whole cost in objects of costs.
const TOTAL_COSTS: &[&str] = &["total", "total_cost", "totalCost", "response_cost", "cost"];

/// Attributes with the currency of the costs.
const CURRENCIES: &[&str] = &["gen_ai.usage.cost.currency", "gen_ai.cost.currency"];

/// Attributes that are true on a span that failed.
const FAILURE_FLAGS: &[&str] = &[
    "error",
    "span.error.has_error",
    "gen_ai.tool.result.is_error",
    "gen_ai.tool.is_error",
    "lk.function_tool.is_error",
    "mcp.tool.is_error",
    "aitf.mcp.tool.is_error",
];

/// Attributes with the client's own prices of a token of input and of output.
const OWN_PRICES: [&str; 2] = ["confident.llm.cost_per_input_token", "confident.llm.cost_per_output_token"];

/// Prefixes of the names of the parts of the cost, whose sum is the total.
const PART_COSTS: &[&str] = &["input", "output"];

/// Returns true for a provider whose own input count excludes cached tokens.
pub(super) fn counts_exclusively(provider: &str) -> bool {
    let provider = provider.to_ascii_lowercase();
    EXCLUSIVE_PROVIDERS.iter().any(|word| provider.contains(word))
}

/// Returns true for a client that passes on the input count of a provider unchanged, without cached tokens.
pub(super) fn passes_on_exclusive(origin: Option<&str>, provider: Option<&str>) -> bool {
    let passes_on = origin.is_some_and(|origin| PASSED_ON.iter().any(|scope| origin.starts_with(scope)));
    passes_on && provider.is_some_and(counts_exclusively)
}

/// Returns true for the level of a span that failed.
pub(crate) fn is_failure(level: &str) -> bool {
    FAILURES.iter().any(|failure| failure.eq_ignore_ascii_case(level.trim()))
}

/// Returns true if the attributes say that the span failed.
pub(super) fn says_failure(found: &RecognizedAttributes) -> bool {
    let is_true = |value: &Value| value.as_bool() == Some(true) || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"));
    found.str(SpanField::StatusCode).is_some_and(|code| code.eq_ignore_ascii_case("error"))
        || found.count(SpanField::LevelNumber).is_some_and(|level| level >= LOGFIRE_ERROR)
        || FAILURE_FLAGS.iter().any(|name| found.attributes.get(*name).is_some_and(is_true))
}

/// Returns true if a client names the currency of its costs and it is not the dollar.
fn is_in_another_currency(found: &RecognizedAttributes) -> bool {
    let named = |name: &&str| found.attributes.get(*name).and_then(Value::as_str);
    CURRENCIES.iter().find_map(named).is_some_and(|currency| !currency.eq_ignore_ascii_case("USD"))
}

/// Returns an amount of dollars that is a number or its text.
pub(crate) fn dollars(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Returns the whole cost in an object of costs.
fn total_cost(costs: &Map<String, Value>) -> Option<f64> {
    let is_part = |name: &str| PART_COSTS.iter().any(|prefix| name.starts_with(prefix));
    let parts = costs.iter().filter(|(name, _)| is_part(name)).filter_map(|(_, value)| dollars(value));
    let total = TOTAL_COSTS.iter().find_map(|name| costs.get(*name).and_then(dollars));
    total.or_else(|| parts.reduce(|sum, part| sum + part))
}

/// Returns the cost of a span as the client reports it.
pub(super) fn client_cost(kind: SpanType, found: &RecognizedAttributes) -> Option<Usd> {
    let in_details = || total_cost(&found.object(SpanField::CostDetails)?);
    let is_call = matches!(kind, SpanType::Llm | SpanType::Embedding);
    let in_usage = || is_call.then(|| answer_usage::cost(found).or_else(|| cost_by_own_prices(found))).flatten();
    let in_parts = || Some(found.number(SpanField::ClientInputCost)? + found.number(SpanField::ClientOutputCost)?);
    let dollars = found.number(SpanField::ClientCost).or_else(in_details).or_else(in_parts).or_else(in_usage)?;
    Usd::from_dollars(dollars).filter(|cost| *cost >= Usd::ZERO && !is_in_another_currency(found))
}

/// Returns the cost by the client's own prices of a token.
fn cost_by_own_prices(found: &RecognizedAttributes) -> Option<f64> {
    let [input, output] = OWN_PRICES.map(|name| found.attributes.get(name).and_then(dollars));
    Some(found.number(SpanField::InputTokens)? * input? + found.number(SpanField::OutputTokens)? * output?)
}

/// Returns the cost that a usage object contains in addition to its counts: an amount, or an object of amounts. Zero means that another
/// account is billed.
pub(super) fn cost_in_usage(usage: &Map<String, Value>) -> Option<f64> {
    let cost = usage.get("cost").or_else(|| usage.get("value")?.get("cost"))?;
    let cost = cost.as_object().map_or_else(|| dollars(cost), total_cost);
    cost.filter(|cost| *cost > 0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::normalize::attribute_names::AttributeDialect;

    #[test]
    fn client_and_provider_decide_together() {
        assert!(passes_on_exclusive(Some("pipecat"), Some("anthropic")));
        assert!(passes_on_exclusive(Some("org.springframework.boot"), Some("aws.bedrock")));
        assert!(!passes_on_exclusive(Some("pipecat"), Some("openai")));
        assert!(!passes_on_exclusive(Some("opentelemetry.instrumentation.anthropic"), Some("anthropic")));
        assert!(!passes_on_exclusive(None, Some("anthropic")) && !passes_on_exclusive(Some("pipecat"), None));
    }

    #[test]
    fn costs_of_any_object() {
        let of = |costs: Value| total_cost(costs.as_object().unwrap());
        assert_eq!(of(json!({"input_cost": 0.5, "output_cost": 0.25, "total_cost": 0.75})), Some(0.75));
        assert_eq!(of(json!({"input": 0.5, "output": 0.25})), Some(0.75));
        assert_eq!(of(json!({"input": 0.5, "input_cached_tokens": 0.125, "output": 0.25})), Some(0.875));
        assert_eq!(of(json!({"model_id": "m", "response_cost": "0.125"})), Some(0.125));
        assert_eq!(of(json!({"currency": "USD"})), None);
    }

    #[test]
    fn cost_beside_counts() {
        let of = |usage: Value| cost_in_usage(usage.as_object().unwrap());
        assert_eq!(of(json!({"prompt_tokens": 5, "cost": 0.25})), Some(0.25));
        assert_eq!(of(json!({"input": 5, "cost": {"input": 0.5, "output": 0.25, "total": 0.75}})), Some(0.75));
        assert_eq!(of(json!({"type": "json", "value": {"promptTokens": 5, "cost": 0.5}})), Some(0.5));
        assert_eq!(of(json!({"prompt_tokens": 5, "cost": 0})), None);
        assert_eq!(of(json!({"input": 5, "output": 2})), None);
    }

    #[test]
    fn failures_that_attributes_say() {
        let of = |attributes: Value| {
            says_failure(&RecognizedAttributes::new(attributes.as_object().unwrap(), &AttributeDialect::GENERAL_DIALECT))
        };
        assert!(of(json!({"error": true})) && of(json!({"otel.status_code": "ERROR"})) && of(json!({"logfire.level_num": 17})));
        assert!(!of(json!({"error": "none of it"})) && !of(json!({"otel.status_code": "OK"})) && !of(json!({"logfire.level_num": 9})));
    }
}
