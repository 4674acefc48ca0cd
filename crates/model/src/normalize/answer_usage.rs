//! Usage that only the response itself contains: Google's ADK, Genkit, Logfire and others send the provider's response, or an object of
//! their own around it.

use serde_json::{Map, Value};

use super::attributes::RecognizedAttributes;
use super::client_conventions;
use crate::lenient_json;
use crate::normalize::attribute_names::SpanField;
use crate::notations;
use crate::usage::{ReportedTokenCounts, TokenCountConvention};

/// Attributes that contain a whole response, and whether the response completes counts that the client sends in attributes too.
const ANSWERS: &[(&str, bool)] = &[
    ("gcp.vertex.agent.llm_response", true),
    ("response_data", true),
    ("genkit:output", true),
    ("output.value", false),
    ("mlflow.spanOutputs", false),
    ("traceloop.entity.output", false),
    ("langfuse.observation.output", false),
    (REPLIES, false),
    ("openclaw.content.output_messages", false),
];

/// Attribute with the replies of a model in Haystack, each with what the provider said about it.
const REPLIES: &str = "haystack.component.output";

/// Names of the usage object of a response.
const USAGES: &[&str] = &["usage_metadata", "usageMetadata", "usage"];

/// Members of a response. Without one of them, an object is what the model was asked to write.
const MEMBERS: &[&str] = &["choices", "candidates", "content", "message", "output", "id", "model", "model_version"];

/// Counts with the conventions for input and output.
type AnswerCounts = (ReportedTokenCounts, TokenCountConvention, TokenCountConvention);

/// Returns the attribute with the response, and the counts in the response, if these counts add information. This is the case if no counts
/// were sent, or if both agree and only the response has the number of cached tokens.
pub(super) fn completing(found: &RecognizedAttributes, sent: &ReportedTokenCounts) -> Option<(&'static str, AnswerCounts)> {
    let is_unknown = sent.input.is_none() && sent.output.is_none() && sent.total.is_none();
    let lacks_caches = sent.cache_read.unwrap_or(0) == 0 && sent.cache_write_5m.unwrap_or(0) == 0;
    if !is_unknown && !lacks_caches {
        return None;
    }
    let mut names = ANSWERS.iter().filter(|(_, completes)| is_unknown || *completes);
    let (name, told) = names.find_map(|(name, _)| Some((*name, of_answer(found.attributes.get(*name)?)?)))?;
    let (counts, of_input, of_output) = told;
    let whole = counts.exclusive_usage_of(of_input, of_output);
    let agrees = |sent: Option<u64>, counts: [Option<u64>; 2]| sent.is_none() || counts.contains(&sent);
    let both = agrees(sent.input, [counts.input, whole.input_tokens()]) && agrees(sent.output, [counts.output, whole.output_tokens()]);
    both.then_some((name, told))
}

/// Returns what the provider said about the first reply.
fn remarks_on_reply(answer: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let reply = answer.get("replies")?.get(0)?;
    ["meta", "_meta"].iter().find_map(|name| reply.get(*name)?.as_object())
}

/// Attributes with whole requests and answers, which name the model.
const BODIES: &[&str] = &["mlflow.spanInputs", "mlflow.spanOutputs", "input.value", "output.value", "inputs", "output"];

/// Returns the model that only the body of a request or of its answer names.
pub(super) fn model_of_body(found: &RecognizedAttributes) -> Option<String> {
    let body = |name: &str| {
        let value = found.attributes.get(name)?;
        let is_request =
            |object: &Map<String, Value>| ["messages", "choices", "input", "output"].iter().any(|name| object.contains_key(*name));
        let object = match value {
            Value::Object(object) => object.clone(),
            Value::String(text) if text.contains("\"model\"") => notations::object(text)?,
            _ => return None,
        };
        Some(object).filter(is_request)?.get("model")?.as_str().map(str::to_owned)
    };
    BODIES.iter().find_map(|name| body(name))
}

/// Returns the model that only a reply names.
pub(super) fn model_of_reply(found: &RecognizedAttributes) -> Option<String> {
    let answer = notations::object(found.attributes.get(REPLIES)?.as_str()?)?;
    remarks_on_reply(&answer)?.get("model")?.as_str().map(str::to_owned)
}

/// Returns the cost that the usage object of a call contains, or that the usage in the response of the call contains.
pub(super) fn cost(found: &RecognizedAttributes) -> Option<f64> {
    let in_usage = found.object(SpanField::UsageDetails).and_then(|usage| client_conventions::cost_in_usage(&usage));
    let names_cost = |value: &&Value| value.as_str().is_none_or(|text| text.contains("\"cost\""));
    let in_answer = |name: &str| {
        let usage = usage_of_answer(found.attributes.get(name).filter(names_cost)?)?;
        // Without counts, it is what the model was asked to write.
        let is_usage = ReportedTokenCounts::from_details(&usage).0.input.is_some();
        client_conventions::cost_in_usage(&usage).filter(|_| is_usage)
    };
    in_usage.or_else(|| ANSWERS.iter().find_map(|(name, _)| in_answer(name)))
}

fn usage_of(object: &Map<String, Value>) -> Option<&Map<String, Value>> {
    USAGES.iter().find_map(|name| object.get(*name)?.as_object())
}

/// Returns the only message of a list that tells its usage.
fn message_with_usage(text: &str) -> Option<Map<String, Value>> {
    let list = lenient_json::value(text).ok()?;
    let mut messages = list.as_array()?.iter().filter_map(Value::as_object).filter(|message| usage_of(message).is_some());
    messages.next().filter(|_| messages.next().is_none()).cloned()
}

fn usage_of_answer(value: &Value) -> Option<Map<String, Value>> {
    let object: Map<String, Value> = match value {
        Value::Object(object) => object.clone(),
        Value::String(text) if text.contains("usage") && text.starts_with('[') => message_with_usage(text)?,
        Value::String(text) if text.contains("usage") => notations::object(text)?,
        _ => return None,
    };
    let object = remarks_on_reply(&object).unwrap_or(&object);
    let is_answer = || MEMBERS.iter().any(|name| object.contains_key(*name));
    usage_of(object).filter(|_| !object.contains_key("usage") || is_answer()).cloned()
}

fn of_answer(value: &Value) -> Option<AnswerCounts> {
    let told = ReportedTokenCounts::from_details(&usage_of_answer(value)?);
    told.0.input.is_some().then_some(told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::normalize::attribute_names::AttributeDialect;
    use crate::span::Attributes;

    fn completed(name: &str, answer: Value, sent: ReportedTokenCounts) -> Option<ReportedTokenCounts> {
        let attributes = Attributes::from_iter([(name.to_owned(), answer.to_string().into())]);
        completing(&RecognizedAttributes::new(&attributes, &AttributeDialect::GENERAL_DIALECT), &sent).map(|(_, (counts, ..))| counts)
    }

    #[test]
    fn a_response_completes_counts_that_agree_with_it() {
        let answer = json!({"content": {}, "usage_metadata": {"prompt_token_count": 1000, "candidates_token_count": 200, "cached_content_token_count": 800}});
        let of = |input, name| {
            let sent = ReportedTokenCounts { input, output: Some(200), ..ReportedTokenCounts::default() };
            completed(name, answer.clone(), sent).and_then(|counts| counts.cache_read)
        };
        assert_eq!(of(Some(1000), "gcp.vertex.agent.llm_response"), Some(800));
        assert_eq!(of(Some(999), "gcp.vertex.agent.llm_response"), None, "another call's response");
        assert_eq!(of(Some(1000), "output.value"), None, "attributes were sent, which the client knows better");
    }

    #[test]
    fn cost_of_a_response() {
        let of = |answer: Value| {
            let attributes = Attributes::from_iter([("output.value".to_owned(), answer.to_string().into())]);
            cost(&RecognizedAttributes::new(&attributes, &AttributeDialect::GENERAL_DIALECT))
        };
        let usage = json!({"prompt_tokens": 5, "completion_tokens": 2, "cost": 0.25});
        assert_eq!(of(json!({"choices": [], "usage": usage})), Some(0.25));
        assert_eq!(of(json!([{"role": "assistant", "content": "a", "usage": usage}])), Some(0.25));
        assert_eq!(of(json!([{"content": "a", "usage": usage}, {"content": "b", "usage": usage}])), None, "which one is unknown");
        assert_eq!(of(json!({"message": "Save energy.", "usage": {"cost": 12, "kwh": 40}})), None, "the model wrote it");
    }

    #[test]
    fn what_a_model_writes_is_no_usage() {
        let none = ReportedTokenCounts::default();
        let usage = json!({"input_tokens": 5, "output_tokens": 2});
        assert_eq!(completed("output.value", json!({"usage": usage, "choices": []}), none).and_then(|counts| counts.input), Some(5));
        assert_eq!(completed("output.value", json!({"usage": usage, "advice": "Drink less."}), none), None);
        assert_eq!(completed("output.value", json!({"usage": "5 a day", "id": "x"}), none), None);
        assert_eq!(completed("output.value", json!("usage"), none), None);
    }
}
