//! Usage that stands only in the response itself: Google's ADK, Genkit, Logfire and others pass on the provider's response or their own
//! object around it.

use serde_json::{Map, Value};

use super::attributes::RecognizedAttributes;
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
];

/// Attribute with the replies of a model in Haystack, each with what the provider said about it.
const REPLIES: &str = "haystack.component.output";

/// Names of the usage object of a response.
const USAGES: &[&str] = &["usage_metadata", "usageMetadata", "usage"];

/// Members of a response. Without one of them, an object is what the model was asked to write.
const MEMBERS: &[&str] = &["choices", "candidates", "content", "message", "output", "id", "model", "model_version"];

/// Counts with the conventions for input and output.
type AnswerCounts = (ReportedTokenCounts, TokenCountConvention, TokenCountConvention);

/// Returns the attribute and the counts of the response if they complete the sent ones: because none were sent, or because both agree and only the response
/// tells what was cached.
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

/// Returns the model that only a reply names.
pub(super) fn model_of_reply(found: &RecognizedAttributes) -> Option<String> {
    let answer = notations::object(found.attributes.get(REPLIES)?.as_str()?)?;
    remarks_on_reply(&answer)?.get("model")?.as_str().map(str::to_owned)
}

fn of_answer(value: &Value) -> Option<AnswerCounts> {
    let object: Map<String, Value> = match value {
        Value::Object(object) => object.clone(),
        Value::String(text) if text.contains("usage") => notations::object(text)?,
        _ => return None,
    };
    let object = remarks_on_reply(&object).unwrap_or(&object);
    let usage = USAGES.iter().find_map(|name| object.get(*name)?.as_object())?;
    let told = ReportedTokenCounts::from_details(usage);
    (told.0.input.is_some() && MEMBERS.iter().any(|name| object.contains_key(*name))).then_some(told)
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
    fn what_a_model_writes_is_no_usage() {
        let none = ReportedTokenCounts::default();
        let usage = json!({"input_tokens": 5, "output_tokens": 2});
        assert_eq!(completed("output.value", json!({"usage": usage, "choices": []}), none).and_then(|counts| counts.input), Some(5));
        assert_eq!(completed("output.value", json!({"usage": usage, "advice": "Drink less."}), none), None);
        assert_eq!(completed("output.value", json!({"usage": "5 a day", "id": "x"}), none), None);
        assert_eq!(completed("output.value", json!("usage"), none), None);
    }
}
