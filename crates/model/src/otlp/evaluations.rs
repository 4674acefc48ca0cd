//! Results of evaluations become scores: the event `gen_ai.evaluation.result`, as a log record or as an event of the rated span.

use serde_json::{Map, Value};

use super::span::DecodedSpan;
use crate::decode_budget;
use crate::fingerprint::Fingerprint;
use crate::messages::{TextLimit, trim_text};
use crate::score::{Score, ScoreEvaluator, ScoreTarget, ScoreValue};

/// Name of the event.
pub(super) const EVALUATION_EVENT: &str = "gen_ai.evaluation.result";
/// Maximum bytes of a name, a label and an explanation.
const MAX_NAME: usize = 200;
const MAX_EXPLANATION: TextLimit = TextLimit(4096);

/// Returns the score that the attributes of an evaluation describe; `None` without a name, with neither value nor label, or if the
/// evaluation failed. A repeated result gets the same ID.
pub(super) fn score_of(attributes: &Map<String, Value>, target: ScoreTarget, at_us: i64) -> Option<Score> {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    if text("error.type").is_some() {
        return None;
    }
    let name = text("gen_ai.evaluation.name").filter(|name| name.len() <= MAX_NAME)?;
    let label = text("gen_ai.evaluation.score.label").filter(|label| label.len() <= MAX_NAME);
    let number = match attributes.get("gen_ai.evaluation.score.value") {
        Some(Value::String(text)) => text.trim().parse().ok(),
        other => other.and_then(Value::as_f64),
    };
    let number: Option<f64> = number.filter(|number: &f64| number.is_finite());
    let value = match attributes.get("gen_ai.evaluation.score.value") {
        Some(Value::Bool(passed)) => ScoreValue::Boolean(*passed),
        _ => number.map(ScoreValue::Number).or_else(|| label.map(|label| ScoreValue::Category(label.to_owned())))?,
    };
    let target = ScoreTarget { response_id: text("gen_ai.response.id").map(str::to_owned), ..target };
    let place = [
        target.trace_id.map(|id| id.to_string()).or_else(|| target.response_id.clone())?,
        target.span_id.map(|id| id.to_string()).unwrap_or_default(),
        at_us.to_string(),
    ];
    let mut score = Score::new(target, name, value, at_us);
    score.id = Some(Fingerprint::of(&[EVALUATION_EVENT, &place[0], &place[1], &place[2], name]).trace_id().to_string());
    score.label = label.map(str::to_owned);
    score.explanation = text("gen_ai.evaluation.explanation").map(str::to_owned);
    if let Some(explanation) = &mut score.explanation {
        trim_text(explanation, MAX_EXPLANATION);
    }
    let evaluator = text("gen_ai.evaluation.evaluator.name").or_else(|| text("gen_ai.evaluator.name"));
    score.evaluator = evaluator.map(|name| ScoreEvaluator {
        name: name.to_owned(),
        version: text("gen_ai.evaluation.evaluator.version").or_else(|| text("gen_ai.evaluator.version")).map(str::to_owned),
    });
    Some(score)
}

/// Returns the evaluations in the events of a span: their attributes, and their times in nanoseconds since the Unix epoch.
pub(super) fn results_of_span(span: &DecodedSpan) -> Vec<(Map<String, Value>, u64)> {
    let results = span.events.iter().filter(|event| event.name == EVALUATION_EVENT);
    results.map(|event| (event.attributes.clone(), event.time_ns)).collect()
}

/// Charges the memory of a score. Returns false if the budget of the request is exceeded.
pub(super) fn charge(score: &Score) -> bool {
    decode_budget::charge(size_of::<Score>() + score.text_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::{SpanId, TraceId};

    fn score(attributes: Value) -> Option<Score> {
        score_of(attributes.as_object().unwrap(), ScoreTarget::trace(TraceId(1), Some(SpanId(2))), 5)
    }

    #[test]
    fn results_become_scores() {
        let full = json!({
            "gen_ai.evaluation.name": "Relevance", "gen_ai.evaluation.score.value": 0.8, "gen_ai.evaluation.score.label": "relevant",
            "gen_ai.evaluation.explanation": "Answers the question.", "gen_ai.response.id": "r1",
        });
        let found = score(full.clone()).unwrap();
        assert_eq!((found.name.as_str(), found.value), ("Relevance", Some(0.8)));
        assert_eq!((found.label.as_deref(), found.comment.as_deref()), (Some("relevant"), None));
        assert_eq!(found.explanation.as_deref(), Some("Answers the question."));
        assert_eq!(found.target.response_id.as_deref(), Some("r1"));
        assert_eq!(score(full).unwrap().id, found.id, "a repeat replaces the score");
        let label = score(json!({ "gen_ai.evaluation.name": "Tone", "gen_ai.evaluation.score.label": "rude" })).unwrap();
        assert_eq!((label.label.as_deref(), label.comment), (Some("rude"), None));
        assert_ne!(label.id, found.id);
    }

    #[test]
    fn incomplete_results_are_no_scores() {
        for result in [
            json!({ "gen_ai.evaluation.score.value": 1 }),
            json!({ "gen_ai.evaluation.name": "Tone" }),
            json!({ "gen_ai.evaluation.name": "Tone", "gen_ai.evaluation.score.value": 0, "error.type": "timeout" }),
            json!({ "gen_ai.evaluation.name": "Tone", "gen_ai.evaluation.score.value": "high" }),
            json!({ "gen_ai.evaluation.name": "x".repeat(MAX_NAME + 1), "gen_ai.evaluation.score.value": 1 }),
        ] {
            assert_eq!(score(result.clone()), None, "{result}");
        }
    }
}
