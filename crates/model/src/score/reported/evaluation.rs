//! Results in attributes `gen_ai.evaluation.*`: of OpenTelemetry's event `gen_ai.evaluation.result`, and of the spans of evaluators (Strands,
//! OpenSearch).

use serde_json::{Map, Value};

use super::super::{ScoreEvaluator, ScoreSource, ScoreTarget};
use super::{ReportedScore, evaluated, first_text, json_of, source_of};
use crate::span::{Span, SpanStatus, SpanType};

/// Name of the event, and of the spans that some clients write in its place.
pub(crate) const EVALUATION_EVENT: &str = "gen_ai.evaluation.result";

/// Names of the number, in the order of precedence: the conventions, an earlier draft, Bedrock AgentCore.
const VALUE_NAMES: [&str; 3] = ["gen_ai.evaluation.score.value", "gen_ai.evaluation.score", "gen_ai.evaluation.result.score"];
const LABEL_NAMES: [&str; 2] = ["gen_ai.evaluation.score.label", "gen_ai.evaluation.result.label"];
const EVALUATOR_NAMES: [&str; 6] = [
    "gen_ai.evaluation.evaluator.name",
    "gen_ai.evaluation.evaluator.id",
    "gen_ai.evaluation.evaluator_id",
    "gen_ai.evaluation.evaluator",
    "gen_ai.evaluator.name",
    "gen_ai.evaluator.id",
];
/// Names whose text ends in the name of the evaluator, after a slash.
const EVALUATOR_ARN: &str = "aws.bedrock_agentcore.evaluator.arn";
/// Evaluator of pydantic-evals: JSON with its class and arguments.
const EVALUATOR_SOURCE: &str = "gen_ai.evaluation.evaluator.source";
const VERSION_NAMES: [&str; 3] = ["gen_ai.evaluation.evaluator.version", "gen_ai.evaluator.version", "gen_ai.evaluation.version"];
const SOURCE_NAMES: [&str; 2] = ["gen_ai.evaluation.evaluator.type", "gen_ai.evaluation.source"];
/// Further data that is kept, and its name in the metadata of the score.
const METADATA_NAMES: [(&str, &str); 8] = [
    ("gen_ai.evaluation.test_pass", "passed"),
    ("gen_ai.evaluation.passed", "passed"),
    ("gen_ai.evaluation.threshold", "threshold"),
    ("gen_ai.evaluation.target", "target"),
    ("gen_ai.evaluation.case.name", "case_name"),
    ("test.case.name", "case_name"),
    ("test.suite.name", "suite_name"),
    ("test.case.result.status", "case_status"),
];
const METADATA_PREFIX: &str = "gen_ai.evaluation.metadata.";

/// Reads the result of an evaluation from its attributes. `name` replaces a missing name. `None` without a name or a result, and if the
/// evaluation failed: a label or number beside `error.type` describes the failure.
pub(crate) fn read_evaluation(attributes: &Map<String, Value>, name: Option<&str>) -> Option<ReportedScore> {
    let failed = first_text(attributes, &["error.type"]).is_some();
    if failed { None } else { read_result(attributes, name) }
}

fn read_result(attributes: &Map<String, Value>, name: Option<&str>) -> Option<ReportedScore> {
    let name = first_text(attributes, &["gen_ai.evaluation.name"]).or(name)?;
    let value = VALUE_NAMES.iter().find_map(|name| attributes.get(*name).filter(|value| !value.is_null())).cloned();
    let label = first_text(attributes, &LABEL_NAMES).map(str::to_owned);
    if value.is_none() && label.is_none() {
        return None;
    }
    let text = |name: &str| first_text(attributes, &[name]).map(str::to_owned);
    Some(ReportedScore {
        name: name.to_owned(),
        value,
        label,
        explanation: text("gen_ai.evaluation.explanation"),
        target: ScoreTarget { dataset_item_id: text("test.case.id"), experiment_id: text("test.suite.run.id"), ..ScoreTarget::default() },
        source: first_text(attributes, &SOURCE_NAMES).and_then(source_of),
        evaluator: evaluator(attributes),
        metadata: metadata(attributes),
        ..ReportedScore::default()
    })
}

fn evaluator(attributes: &Map<String, Value>) -> Option<ScoreEvaluator> {
    let by_arn = || first_text(attributes, &[EVALUATOR_ARN])?.rsplit('/').next().map(str::to_owned);
    let by_source = || json_of(attributes, EVALUATOR_SOURCE)?["name"].as_str().map(str::to_owned);
    let named = first_text(attributes, &EVALUATOR_NAMES).map(str::to_owned);
    let name = named.or_else(by_arn).or_else(by_source).filter(|name| !name.is_empty())?;
    Some(ScoreEvaluator { name, version: first_text(attributes, &VERSION_NAMES).map(str::to_owned) })
}

fn metadata(attributes: &Map<String, Value>) -> Map<String, Value> {
    let known = METADATA_NAMES.iter().filter_map(|(name, key)| Some((*key, attributes.get(*name)?)));
    let own = attributes.iter().filter_map(|(name, value)| Some((name.strip_prefix(METADATA_PREFIX)?, value)));
    known.chain(own).filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

/// Reads the result on the span of an evaluator, or on the rated span itself.
pub(super) fn of_evaluator_span(span: &Span, found: &mut Vec<ReportedScore>) {
    // Strands names no kind for its evaluators.
    let is_evaluator = matches!(span.kind, SpanType::Evaluator | SpanType::Function | SpanType::Other);
    // An error of a rated span is that of the rated call, and not of its evaluation.
    let reported = if is_evaluator { read_evaluation(&span.attributes, None) } else { read_result(&span.attributes, None) };
    let Some(mut reported) = reported else { return };
    if reported.value.is_none() && is_evaluator && span.status == SpanStatus::Error {
        return;
    }
    let rated = explicit_target(span).unwrap_or_else(|| match is_evaluator {
        true => evaluator_target(span),
        false => ScoreTarget::trace(span.trace_id, Some(span.span_id)),
    });
    let ScoreTarget { dataset_item_id, experiment_id, .. } = reported.target;
    reported.target = ScoreTarget { dataset_item_id, experiment_id, ..rated };
    if is_evaluator {
        reported.source = reported.source.or(Some(ScoreSource::Evaluator));
        reported.evaluator = reported.evaluator.or_else(|| Some(ScoreEvaluator { name: reported.name.clone(), version: None }));
    }
    found.push(reported);
}

/// Returns the target that the attributes name, as OpenSearch's earlier SDK writes them.
fn explicit_target(span: &Span) -> Option<ScoreTarget> {
    let id = |name: &str| first_text(&span.attributes, &[name]);
    let trace_id = id("gen_ai.evaluation.trace_id")?.parse().ok()?;
    Some(ScoreTarget::trace(trace_id, id("gen_ai.evaluation.span_id").and_then(|id| id.parse().ok())))
}

/// Returns what an evaluator rates. A result that is a trace of its own can name a response or a conversation instead.
fn evaluator_target(span: &Span) -> ScoreTarget {
    let target = evaluated::of_evaluator(span);
    let stands_alone = span.parent_span_id.is_none() && target.span_id.is_none();
    match (&span.response_id, &span.session_id) {
        (Some(response_id), _) if stands_alone => ScoreTarget { response_id: Some(response_id.clone()), ..ScoreTarget::default() },
        (None, Some(session_id)) if stands_alone && span.name == EVALUATION_EVENT => {
            ScoreTarget { session_id: Some(session_id.clone()), ..ScoreTarget::default() }
        }
        _ => target,
    }
}
