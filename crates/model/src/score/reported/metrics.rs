//! Scores under names of their own: TruLens, `eval.NAME.score` (Arize and others), Ragas, Braintrust, MLflow.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::{ScoreEvaluator, ScoreSource, ScoreTarget};
use super::{MAX_SCORES, ReportedScore, evaluated, first_text, json_of, source_of};
use crate::span::Span;

/// Reads the root of an evaluation by TruLens, also in Snowflake. It links to the rated span.
pub(super) fn of_trulens(span: &Span, found: &mut Vec<ReportedScore>) {
    let text = |names: &[&str]| first_text(&span.attributes, names).map(str::to_owned);
    let name = text(&["ai.observability.eval_root.metric_name", "ai.observability.eval.metric_name"]);
    let (Some(name), Some(value)) = (name, span.attributes.get("ai.observability.eval_root.score")) else { return };
    let judge = text(&["ai.observability.eval.llm_judge_name"]);
    let record = text(&["ai.observability.eval.target_record_id"]);
    found.push(ReportedScore {
        name,
        value: Some(value.clone()),
        explanation: text(&["ai.observability.eval.explanation"]),
        target: evaluated::linked(span).unwrap_or_else(|| ScoreTarget::trace(span.trace_id, None)),
        source: Some(if judge.is_some() { ScoreSource::Judge } else { ScoreSource::Evaluator }),
        evaluator: judge.map(|name| ScoreEvaluator { name, version: None }),
        metadata: record.map(|record| ("target_record_id".to_owned(), record.into())).into_iter().collect(),
        ..ReportedScore::default()
    });
}

/// Starts of the names of metrics, and whether the trace or the conversation is rated instead of the span.
const METRIC_STARTS: [(&str, bool, bool); 3] = [("eval.", false, false), ("trace_eval.", true, false), ("session_eval.", false, true)];

/// Reads `eval.NAME.score` with `label` and `explanation` or `reason` beside it, and `eval.score` with `eval.name`.
pub(super) fn of_named_metrics(span: &Span, found: &mut Vec<ReportedScore>) {
    for (start, rates_trace, rates_session) in METRIC_STARTS {
        let target = match (rates_trace, rates_session, &span.session_id) {
            (true, _, _) => ScoreTarget::trace(span.trace_id, None),
            (_, true, Some(session)) => ScoreTarget { session_id: Some(session.clone()), ..ScoreTarget::default() },
            (_, true, None) => continue,
            _ => evaluated::of_carrier(span),
        };
        let mut metrics: BTreeMap<&str, ReportedScore> = BTreeMap::new();
        let fields = span.attributes.iter().filter_map(|(name, value)| Some((name.strip_prefix(start)?, value)));
        for (field, value) in fields {
            let (metric, field) = field.rsplit_once('.').unwrap_or(("", field));
            let text = || value.as_str().map(str::to_owned);
            let reported = metrics.entry(metric).or_default();
            match field {
                "score" if value.is_number() || value.is_boolean() => reported.value = Some(value.clone()),
                "label" => reported.label = text(),
                "explanation" | "reason" => reported.explanation = text(),
                "name" if metric.is_empty() => reported.name = text().unwrap_or_default(),
                _ => {}
            }
        }
        found.extend(metrics.into_iter().map(|(metric, reported)| {
            let name = if metric.is_empty() { reported.name.clone() } else { metric.to_owned() };
            ReportedScore { name, target: target.clone(), source: Some(ScoreSource::Evaluator), ..reported }
        }));
    }
}

/// Metrics of Ragas.
const RAGAS_METRICS: [&str; 14] = [
    "answer_accuracy",
    "answer_correctness",
    "answer_relevancy",
    "answer_similarity",
    "context_entity_recall",
    "context_precision",
    "context_recall",
    "context_relevance",
    "factual_correctness",
    "faithfulness",
    "noise_sensitivity",
    "response_groundedness",
    "response_relevancy",
    "semantic_similarity",
];

/// Reads `ragas.METRIC`, and the span of one metric, which is named after it.
pub(super) fn of_ragas(span: &Span, found: &mut Vec<ReportedScore>) {
    let of_metric = |name: &str, value: &Value| ReportedScore {
        name: name.to_owned(),
        value: Some(value.clone()),
        target: evaluated::of_carrier(span),
        source: Some(ScoreSource::Evaluator),
        evaluator: Some(ScoreEvaluator { name: "ragas".to_owned(), version: None }),
        ..ReportedScore::default()
    };
    for metric in RAGAS_METRICS {
        let value = span.attributes.get(&format!("ragas.{metric}")).filter(|value| value.is_number());
        found.extend(value.map(|value| of_metric(metric, value)));
    }
    if let (Some(metric), Some(value)) = (span.name.strip_prefix("ragas.metric."), span.attributes.get("ragas.metric.score")) {
        found.push(of_metric(metric, value));
    }
}

/// Reads the scores of Braintrust: a JSON object with numbers by name, on the span of a scorer or on the rated span.
pub(super) fn of_braintrust(span: &Span, found: &mut Vec<ReportedScore>) {
    let Some(Value::Object(scores)) = json_of(&span.attributes, "braintrust.scores") else { return };
    let is_scorer = evaluated::is_evaluator(span);
    let scores = scores.into_iter().filter(|(_, value)| value.is_number()).take(MAX_SCORES);
    found.extend(scores.map(|(name, value)| ReportedScore {
        name,
        value: Some(value),
        target: evaluated::of_carrier(span),
        source: is_scorer.then_some(ScoreSource::Evaluator),
        ..ReportedScore::default()
    }));
}

/// Reads assessments of MLflow in the JSON form of its API. Expectations are not scores.
pub(super) fn of_mlflow(span: &Span, found: &mut Vec<ReportedScore>) {
    let Some(Value::Array(assessments)) = json_of(&span.attributes, "mlflow.assessments") else { return };
    for assessment in assessments.into_iter().take(MAX_SCORES) {
        let text = |name: &str| assessment[name].as_str().map(str::to_owned);
        let Some(name) = text("assessment_name").or_else(|| text("name")) else { continue };
        let value = assessment["feedback"].get("value").or_else(|| assessment.get("value")).filter(|value| !value.is_null());
        let source = &assessment["source"];
        let judge = source["source_id"].as_str().filter(|id| !id.is_empty());
        let kind = source["source_type"].as_str().and_then(source_of);
        let metadata = assessment["metadata"].as_object().cloned().unwrap_or_else(Map::new);
        found.push(ReportedScore {
            name,
            value: value.cloned(),
            explanation: text("rationale"),
            target: ScoreTarget::trace(span.trace_id, text("span_id").and_then(|id| id.parse().ok())),
            source: kind,
            evaluator: judge
                .filter(|_| kind != Some(ScoreSource::Annotation))
                .map(|id| ScoreEvaluator { name: id.to_owned(), version: None }),
            metadata,
            identifier: text("assessment_id"),
            ..ReportedScore::default()
        });
    }
}
