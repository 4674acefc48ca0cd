//! Scores in the output of an evaluation: Genkit, pydantic-evals, TypeSafe.

use serde_json::Value;

use super::super::{ScoreEvaluator, ScoreSource, ScoreTarget};
use super::{MAX_SCORES, ReportedScore, first_text, json_of};
use crate::span::{MessagePart, Span};

fn own_target(span: &Span) -> ScoreTarget {
    ScoreTarget::trace(span.trace_id, Some(span.span_id))
}

/// Reads the test case of a Genkit evaluator: its output has the evaluation, or one for each aspect.
pub(super) fn of_genkit(span: &Span, found: &mut Vec<ReportedScore>) {
    let output = json_of(&span.attributes, "genkit:output").or_else(|| output_contents(span).next());
    let path = first_text(&span.attributes, &["genkit:path"]).unwrap_or_default();
    let evaluator = path.strip_prefix("/{").and_then(|path| path.split(",t:").next()).filter(|name| !name.is_empty());
    let (Some(output), Some(evaluator)) = (output, evaluator) else { return };
    let evaluations = match &output["evaluation"] {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    for evaluation in evaluations.into_iter().take(MAX_SCORES) {
        let value = Some(evaluation["score"].clone()).filter(|value| !value.is_null());
        if value.is_none() && !evaluation["error"].is_null() {
            continue;
        }
        found.push(ReportedScore {
            name: evaluation["id"].as_str().map_or_else(|| evaluator.to_owned(), |id| format!("{evaluator}/{id}")),
            value,
            label: evaluation["status"].as_str().map(str::to_owned),
            explanation: evaluation["details"]["reasoning"].as_str().map(str::to_owned),
            target: own_target(span),
            source: Some(ScoreSource::Evaluator),
            evaluator: Some(ScoreEvaluator { name: evaluator.to_owned(), version: None }),
            ..ReportedScore::default()
        });
    }
}

/// Attributes of a case of pydantic-evals: JSON objects with results by name.
const CASE_RESULTS: [&str; 3] = ["assertions", "scores", "labels"];

/// Reads a case of an experiment with pydantic-evals: checks, numbers and labels, each with a reason. The case is rated.
pub(super) fn of_pydantic_evals(span: &Span, found: &mut Vec<ReportedScore>) {
    for attribute in CASE_RESULTS {
        let Some(Value::Object(results)) = json_of(&span.attributes, attribute) else { continue };
        let results = results.into_iter().filter(|(_, result)| result.get("value").is_some());
        for (name, result) in results.take(MAX_SCORES) {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let evaluator =
                text(&result["source"]["name"]).map(|name| ScoreEvaluator { name, version: text(&result["evaluator_version"]) });
            let case = span.attributes.get("case_name").cloned();
            found.push(ReportedScore {
                name,
                value: Some(result["value"].clone()),
                explanation: text(&result["reason"]),
                target: own_target(span),
                source: Some(ScoreSource::Evaluator),
                evaluator,
                metadata: case.map(|case| ("case_name".to_owned(), case)).into_iter().collect(),
                ..ReportedScore::default()
            });
        }
    }
}

/// Reads the answers of TypeSafe's `evaluate` in its output messages: a probability, a choice or a grade for each question.
pub(super) fn of_typesafe(span: &Span, found: &mut Vec<ReportedScore>) {
    if span.operation.as_deref() != Some("evaluate") && span.op != "gen_ai.evaluate" {
        return;
    }
    for content in output_contents(span) {
        let Some(answers) = content["answers"].as_object() else { continue };
        for (question, answer) in answers.iter().take(MAX_SCORES) {
            let kind = answer["type"].as_str().unwrap_or_default();
            let confidence = answer.get("confidence").filter(|value| value.is_number()).cloned();
            found.push(ReportedScore {
                name: question.clone(),
                value: Some(answer[kind].clone()).filter(|value| !value.is_null()),
                target: own_target(span),
                source: Some(ScoreSource::Judge),
                evaluator: span
                    .provider
                    .clone()
                    .or_else(|| span.model().map(str::to_owned))
                    .map(|name| ScoreEvaluator { name, version: span.model().map(str::to_owned) }),
                metadata: confidence.map(|confidence| ("confidence".to_owned(), confidence)).into_iter().collect(),
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
