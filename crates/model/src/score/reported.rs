//! Scores that the spans of evaluators and judges report.
//!
//! Evaluators of different frameworks write their results into their own span, each in its own way. A score belongs to the span that was
//! rated: for evaluators that run beside the rated program, the nearest span that both have in common.

use std::collections::HashMap;

use serde_json::Value;

use super::{Score, ScoreEvaluator, ScoreSource, ScoreTarget, ScoreValue};
use crate::fingerprint::Fingerprint;
use crate::id::SpanId;
use crate::messages::{TextLimit, trim_text};
use crate::span::{MessagePart, Span};

/// Maximum number of scores of one span.
const MAX_SCORES: usize = 100;
/// Maximum bytes of a name or label, and of an explanation.
const NAME_LIMIT: TextLimit = TextLimit(200);
const EXPLANATION_LIMIT: TextLimit = TextLimit(4096);

/// A score as a span reports it.
#[derive(Debug, Default)]
struct ReportedScore {
    name: String,
    value: Option<Value>,
    label: Option<String>,
    explanation: Option<String>,
    /// Rated span; `None` for the trace.
    span_id: Option<SpanId>,
    /// Rated conversation instead of the trace.
    session_id: Option<String>,
    source: Option<ScoreSource>,
    evaluator: Option<String>,
    version: Option<String>,
}

/// Returns the scores that a span reports. The same span, sent again, reports the same scores with the same IDs.
pub fn scores_of_span(span: &Span) -> Vec<Score> {
    let mut reported = Vec::new();
    of_evaluation_attributes(span, &mut reported);
    of_annotations(span, &mut reported);
    of_genkit(span, &mut reported);
    of_typesafe(span, &mut reported);
    reported.truncate(MAX_SCORES);
    // A part of the span that arrives later must not change the IDs of the scores before it: they are numbered by name.
    let mut numbers: HashMap<(String, Option<SpanId>), usize> = HashMap::new();
    let mut number = |one: &ReportedScore| {
        let next = numbers.entry((one.name.clone(), one.span_id)).or_default();
        *next += 1;
        *next
    };
    reported.into_iter().filter_map(|one| score_of(span, number(&one), one)).collect()
}

fn score_of(span: &Span, number: usize, reported: ReportedScore) -> Option<Score> {
    let shortened = |text: Option<String>, limit: TextLimit| {
        text.map(|mut text| {
            trim_text(&mut text, limit);
            text
        })
    };
    let label = shortened(reported.label, NAME_LIMIT).filter(|label| !label.trim().is_empty());
    let value = match reported.value {
        Some(Value::Bool(yes)) => ScoreValue::Boolean(yes),
        Some(Value::String(text)) => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => ScoreValue::Number(number),
            _ => ScoreValue::Category(shortened(Some(text), NAME_LIMIT)?),
        },
        Some(Value::Number(number)) => ScoreValue::Number(number.as_f64()?),
        _ => ScoreValue::Category(label.clone()?),
    };
    let name = shortened(Some(reported.name), NAME_LIMIT).filter(|name| !name.trim().is_empty())?;
    let target = match reported.session_id {
        Some(session) => ScoreTarget { session_id: Some(session), ..ScoreTarget::default() },
        None => ScoreTarget::trace(span.trace_id, reported.span_id),
    };
    let mut score = Score::new(target, name, value, span.end_us);
    let rated = reported.span_id.map(|id| id.to_string()).unwrap_or_default();
    let place = [span.trace_id.to_string(), span.span_id.to_string(), number.to_string()];
    score.id = Some(Fingerprint::of(&["reported score", &place[0], &place[1], &rated, &place[2], &score.name]).trace_id().to_string());
    score.label = label.or(score.label.take());
    score.explanation = shortened(reported.explanation, EXPLANATION_LIMIT).filter(|text| !text.trim().is_empty());
    score.source = reported.source.unwrap_or(ScoreSource::Sdk);
    score.evaluator = reported.evaluator.map(|name| ScoreEvaluator { name, version: reported.version });
    score.environment.clone_from(&span.environment);
    Some(score)
}

fn text(span: &Span, name: &str) -> Option<String> {
    span.attributes.get(name).and_then(|value| value.as_str()).map(str::to_owned)
}

/// Reads `gen_ai.evaluation.*` on the span of an evaluator, as Strands and OpenSearch write them. Its parent is what was rated.
fn of_evaluation_attributes(span: &Span, found: &mut Vec<ReportedScore>) {
    let Some(name) = text(span, "gen_ai.evaluation.name") else { return };
    let value = span.attributes.get("gen_ai.evaluation.score.value").cloned();
    let label = text(span, "gen_ai.evaluation.score.label");
    if value.is_none() && label.is_none() {
        return;
    }
    found.push(ReportedScore {
        evaluator: Some(name.clone()),
        name,
        value,
        label,
        explanation: text(span, "gen_ai.evaluation.explanation"),
        span_id: span.parent_span_id,
        source: Some(ScoreSource::Evaluator),
        ..ReportedScore::default()
    });
}

/// What an annotation on a span rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnnotationTarget {
    Span,
    Trace,
    Session,
}

/// Annotations of OpenInference: the prefix, which the number of the annotation follows, the second prefix, the name of the first annotation,
/// without which there is none, and what they rate.
const ANNOTATIONS: [(&str, &str, &str, AnnotationTarget); 6] = [
    ("annotations.", "annotation.", "annotations.0.annotation.name", AnnotationTarget::Span),
    ("evaluations.", "evaluation.", "evaluations.0.evaluation.name", AnnotationTarget::Span),
    ("trace.annotations.", "annotation.", "trace.annotations.0.annotation.name", AnnotationTarget::Trace),
    ("trace.evaluations.", "evaluation.", "trace.evaluations.0.evaluation.name", AnnotationTarget::Trace),
    ("session.annotations.", "annotation.", "session.annotations.0.annotation.name", AnnotationTarget::Session),
    ("session.evaluations.", "evaluation.", "session.evaluations.0.evaluation.name", AnnotationTarget::Session),
];

fn of_annotations(span: &Span, found: &mut Vec<ReportedScore>) {
    for (prefix, part, _, target) in ANNOTATIONS.into_iter().filter(|(_, _, first, _)| span.attributes.contains_key(*first)) {
        for number in 0..MAX_SCORES {
            let field = |name: &str| span.attributes.get(&format!("{prefix}{number}.{part}{name}"));
            let text = |name: &str| field(name).and_then(|value| value.as_str()).map(str::to_owned);
            let Some(name) = text("name") else { break };
            let source = match text("annotator_kind").as_deref() {
                Some("LLM") => Some(ScoreSource::Judge),
                Some("CODE") => Some(ScoreSource::Evaluator),
                Some("HUMAN") => Some(ScoreSource::Annotation),
                _ => None,
            };
            found.push(ReportedScore {
                name,
                value: field("score").filter(|value| !value.is_null()).cloned(),
                label: text("label"),
                explanation: text("explanation"),
                span_id: (target == AnnotationTarget::Span).then_some(span.span_id),
                session_id: span.session_id.clone().filter(|_| target == AnnotationTarget::Session),
                source,
                ..ReportedScore::default()
            });
        }
    }
}

/// Reads the test case of a Genkit evaluator: its output has the evaluation, or one for each aspect.
fn of_genkit(span: &Span, found: &mut Vec<ReportedScore>) {
    if !span.attributes.contains_key("genkit:metadata:evaluator:evalRunId") {
        return;
    }
    let output = text(span, "genkit:output").or_else(|| output_text(span));
    let Some(output) = output.and_then(|output| serde_json::from_str::<Value>(&output).ok()) else { return };
    let path = text(span, "genkit:path").unwrap_or_default();
    let evaluator = path.strip_prefix("/{").and_then(|path| path.split(",t:").next()).filter(|name| !name.is_empty()).map(str::to_owned);
    let Some(evaluator) = evaluator else { return };
    let evaluations = match &output["evaluation"] {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    for evaluation in evaluations.into_iter().take(MAX_SCORES) {
        let aspect = evaluation["id"].as_str().map_or_else(|| evaluator.clone(), |id| format!("{evaluator}/{id}"));
        found.push(ReportedScore {
            name: aspect,
            value: Some(evaluation["score"].clone()).filter(|value| !value.is_null()),
            label: evaluation["status"].as_str().map(str::to_owned),
            explanation: evaluation["details"]["reasoning"].as_str().map(str::to_owned),
            span_id: Some(span.span_id),
            source: Some(ScoreSource::Evaluator),
            evaluator: Some(evaluator.clone()),
            ..ReportedScore::default()
        });
    }
}

/// Reads the answers of TypeSafe's `evaluate` in its output messages: a probability, a choice or a grade for each question.
fn of_typesafe(span: &Span, found: &mut Vec<ReportedScore>) {
    if span.op != "gen_ai.evaluate" && span.operation.as_deref() != Some("evaluate") {
        return;
    }
    for content in output_contents(span) {
        let Some(answers) = content["answers"].as_object() else { continue };
        for (question, answer) in answers.iter().take(MAX_SCORES) {
            let kind = answer["type"].as_str().unwrap_or_default();
            found.push(ReportedScore {
                name: question.clone(),
                value: Some(answer[kind].clone()).filter(|value| !value.is_null()),
                span_id: Some(span.span_id),
                source: Some(ScoreSource::Judge),
                evaluator: span.provider.clone().or_else(|| span.model().map(str::to_owned)),
                version: span.model().map(str::to_owned),
                ..ReportedScore::default()
            });
        }
    }
}

/// Returns the JSON values in the output messages; the elements of lists.
fn output_contents(span: &Span) -> impl Iterator<Item = Value> + '_ {
    let parts = span.output_messages.iter().flat_map(|message| &message.parts);
    let values = parts.filter_map(|part| match part {
        MessagePart::Text { text: json } | MessagePart::Other { content: json } => serde_json::from_str(json).ok(),
        _ => None,
    });
    values.flat_map(|value| match value {
        Value::Array(all) => all,
        one => vec![one],
    })
}

fn output_text(span: &Span) -> Option<String> {
    let mut parts = span.output_messages.iter().flat_map(|message| &message.parts);
    parts.find_map(|part| match part {
        MessagePart::Text { text: json } | MessagePart::Other { content: json } => Some(json.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::TraceId;

    fn span(attributes: Value) -> Span {
        let attributes = attributes.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Span { trace_id: TraceId(1), span_id: SpanId(2), parent_span_id: Some(SpanId(3)), attributes, end_us: 9, ..Span::default() }
    }

    #[test]
    fn an_evaluator_rates_its_parent() {
        let rating = span(json!({
            "gen_ai.evaluation.name": "Brevity", "gen_ai.evaluation.score.value": 0.8, "gen_ai.evaluation.score.label": "YES",
            "gen_ai.evaluation.explanation": "31 characters",
        }));
        let [score] = scores_of_span(&rating).try_into().unwrap();
        assert_eq!((score.name.as_str(), score.value, score.label.as_deref()), ("Brevity", Some(0.8), Some("YES")));
        assert_eq!((score.target.span_id, score.explanation.as_deref()), (Some(SpanId(3)), Some("31 characters")));
        assert_eq!(scores_of_span(&rating)[0].id, score.id);
        assert!(scores_of_span(&span(json!({ "gen_ai.evaluation.name": "Brevity" }))).is_empty());
        assert!(scores_of_span(&span(json!({ "gen_ai.evaluation.case.name": "france" }))).is_empty());
    }

    #[test]
    fn annotations_rate_their_span() {
        let scores = scores_of_span(&span(json!({
            "annotations.0.annotation.name": "correct", "annotations.0.annotation.score": 1, "annotations.0.annotation.annotator_kind": "LLM",
            "annotations.1.annotation.name": "tone", "annotations.1.annotation.label": "kind",
            "evaluations.0.evaluation.name": "relevance", "evaluations.0.evaluation.score": "0.25",
            "evaluations.2.evaluation.name": "after a gap", "evaluations.2.evaluation.score": 1,
        })));
        let said: Vec<_> = scores.iter().map(|score| (score.name.as_str(), score.value, score.source)).collect();
        assert_eq!(
            said,
            [("correct", Some(1.0), ScoreSource::Judge), ("tone", None, ScoreSource::Sdk), ("relevance", Some(0.25), ScoreSource::Sdk)]
        );
        assert!(scores.iter().all(|score| score.target.span_id == Some(SpanId(2))));
    }

    #[test]
    fn annotations_rate_the_trace_or_the_conversation() {
        let annotated = span(json!({
            "trace.annotations.0.annotation.name": "resolved", "trace.annotations.0.annotation.score": true,
            "session.evaluations.0.evaluation.name": "patience", "session.evaluations.0.evaluation.label": "low",
        }));
        let scores = scores_of_span(&Span { session_id: Some("s".into()), ..annotated });
        assert_eq!((scores[0].target.trace_id, scores[0].target.span_id, scores[0].value), (Some(TraceId(1)), None, Some(1.0)));
        assert_eq!((scores[1].target.session_id.as_deref(), scores[1].target.trace_id), (Some("s"), None));
    }

    #[test]
    fn answers_to_questions_are_scores() {
        let answers = json!([{ "type": "evaluation", "answers": {
            "grounded": { "type": "noul", "noul": 0.97 }, "tone": { "type": "choice", "choice": "friendly" }, "quality": { "type": "score", "score": 2.75 },
        } }]);
        let message = crate::span::ChatMessage { role: "assistant".into(), parts: vec![MessagePart::Text { text: answers.to_string() }] };
        let judge = Span { op: "gen_ai.evaluate".into(), output_messages: vec![message], ..span(json!({})) };
        let mut said: Vec<_> = scores_of_span(&judge).into_iter().map(|score| (score.name, score.value, score.label)).collect();
        said.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = [("grounded", Some(0.97), None), ("quality", Some(2.75), None), ("tone", None, Some("friendly".to_owned()))];
        assert_eq!(said, expected.map(|(name, value, label)| (name.to_owned(), value, label)));
        let call = Span { op: "gen_ai.chat".into(), ..judge };
        assert!(scores_of_span(&call).is_empty(), "an answer of a model that looks like one is none");
    }

    #[test]
    fn a_genkit_test_case_is_rated() {
        let output =
            json!({ "testCaseId": "1", "evaluation": { "score": 0.75, "status": "PASS", "details": { "reasoning": "No rude word." } } });
        let case = json!({
            "genkit:metadata:evaluator:evalRunId": "run-1", "genkit:path": "/{demo/politeness,t:action}/{Test Case 1}",
            "genkit:output": output.to_string(),
        });
        let [score] = scores_of_span(&span(case)).try_into().unwrap();
        assert_eq!((score.name.as_str(), score.value, score.label.as_deref()), ("demo/politeness", Some(0.75), Some("PASS")));
        assert_eq!(score.explanation.as_deref(), Some("No rude word."));
    }
}
