//! Scores in the output of an evaluation: Genkit, LangSmith, Phoenix, Arize, pydantic-evals, TypeSafe.

use serde_json::{Map, Value};

use super::super::{ScoreEvaluator, ScoreSource, ScoreTarget};
use super::{MAX_SCORES, ReportedScore, first_text, json_of, source_of};
use crate::span::{MessagePart, Span, SpanStatus, SpanType};

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

/// Reads the run of an evaluator of LangSmith. Its output is a number, boolean or text, one result with `key`, `score`, `value` and
/// `comment`, or a list of these. The rated run is named by an ID that no span has: the evaluator's own span is rated.
pub(super) fn of_langsmith(span: &Span, found: &mut Vec<ReportedScore>) {
    // The steps of an evaluator have the same metadata.
    if span.parent_span_id.is_some() || span.status == SpanStatus::Error {
        return;
    }
    let Some(output) = json_of(&span.attributes, "gen_ai.completion").or_else(|| output_contents(span).next()) else { return };
    let results = match &output {
        Value::Object(fields) => fields.get("results").or_else(|| fields.get("output")).unwrap_or(&output),
        other => other,
    };
    let results = results.as_array().map_or(std::slice::from_ref(results), Vec::as_slice);
    let text = |name: &str| first_text(&span.attributes, &[name]).map(str::to_owned);
    let target = ScoreTarget {
        dataset_item_id: text("langsmith.metadata.reference_example_id"),
        experiment_id: text("langsmith.metadata.experiment"),
        ..own_target(span)
    };
    let rated_run = text("langsmith.metadata.target_run_id").map(|run| ("target_run_id".to_owned(), run.into()));
    let metadata: Map<String, Value> = rated_run.into_iter().collect();
    for result in results.iter().take(MAX_SCORES).filter(|result| result["extra"]["error"] != true) {
        let field = |name: &str| result.get(name).filter(|value| !value.is_null());
        let (score, value) = if result.is_object() { (field("score"), field("value")) } else { (Some(result), None) };
        let is_score = |value: &&Value| value.is_number() || value.is_boolean() || value.is_string();
        found.push(ReportedScore {
            name: field("key").and_then(Value::as_str).unwrap_or(&span.name).to_owned(),
            value: score.or(value).filter(is_score).cloned(),
            label: value.and_then(Value::as_str).map(str::to_owned),
            explanation: field("comment").and_then(Value::as_str).map(str::to_owned),
            target: target.clone(),
            source: Some(ScoreSource::Evaluator),
            evaluator: Some(ScoreEvaluator { name: span.name.clone(), version: None }),
            metadata: metadata.clone(),
            ..ReportedScore::default()
        });
    }
}

/// Start of the names of evaluations in experiments of Phoenix and Arize, before the name of the evaluator.
const EXPERIMENT_EVALUATION: &str = "Evaluation: ";
/// Instrumentation scope of the evaluators of `phoenix.evals`, and the ends of their span names after the name of the evaluator.
const PHOENIX_EVALS: &str = "phoenix.evals";
const PHOENIX_EVALS_ENDS: [&str; 2] = [".evaluate", ".async_evaluate"];

/// Returns the name of the evaluator of Phoenix or Arize to which a span belongs.
fn phoenix_evaluator(span: &Span) -> Option<&str> {
    if span.kind != SpanType::Evaluator || span.status == SpanStatus::Error {
        return None;
    }
    let of_evals = || PHOENIX_EVALS_ENDS.iter().find_map(|end| span.name.strip_suffix(end));
    let is_of_evals = || span.origin.as_deref().is_some_and(|origin| origin.starts_with(PHOENIX_EVALS));
    span.name.strip_prefix(EXPERIMENT_EVALUATION).or_else(|| of_evals().filter(|_| is_of_evals()))
}

/// Reads the results of an evaluator of `phoenix.evals`, and of evaluators in experiments of Phoenix and Arize. Phoenix sends one result or a
/// list as the output, Arize the fields of one result as attributes. The spans do not name the rated span, and a parent is never rated.
pub(super) fn of_phoenix(span: &Span, found: &mut Vec<ReportedScore>) {
    let Some(evaluator) = phoenix_evaluator(span) else { return };
    let outputs: Vec<Value> = match json_of(&span.attributes, "output.value") {
        Some(Value::Array(results)) => results,
        Some(result) => vec![result],
        None => output_contents(span).collect(),
    };
    let count = outputs.len();
    let of_attributes = Some(&span.attributes).filter(|_| count == 0);
    let results = outputs.iter().filter_map(Value::as_object).chain(of_attributes).enumerate();
    let experiment = json_of(&span.attributes, "metadata").and_then(|metadata| Some(metadata["experiment_name"].as_str()?.to_owned()));
    for (index, result) in results.take(MAX_SCORES) {
        let text = |name: &str| first_text(result, &[name]).map(str::to_owned);
        let metadata = result.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
        // An evaluator of `phoenix.evals` in an experiment has a span of its own below this one, which reports the result.
        let own_span = metadata.get("trace_id").and_then(Value::as_str) == Some(&span.trace_id.to_string());
        if own_span && span.name.starts_with(EXPERIMENT_EVALUATION) {
            continue;
        }
        let numbered = || if count > 1 { format!("{evaluator}-{}", index + 1) } else { evaluator.to_owned() };
        found.push(ReportedScore {
            name: text("name").unwrap_or_else(numbered),
            value: result.get("score").filter(|score| score.is_number() || score.is_boolean()).cloned(),
            label: text("label"),
            explanation: text("explanation"),
            target: ScoreTarget { experiment_id: experiment.clone(), ..ScoreTarget::trace(span.trace_id, None) },
            source: text("kind").as_deref().and_then(source_of).or(Some(ScoreSource::Evaluator)),
            evaluator: Some(ScoreEvaluator { name: evaluator.to_owned(), version: None }),
            metadata,
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
