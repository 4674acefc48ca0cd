//! Scores as Langfuse's SDKs send them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{ids, trace_id};
use crate::clock::is_possible;
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;
use crate::score::{Score, ScoreDataType, ScoreEvaluator, ScoreSource, ScoreTarget, ScoreValue};
use crate::{decode_budget, lenient_json, time};

/// Reads one score or a list of them, in the form of `POST /api/public/scores` or of Hinomi's API. `source` is the source of scores that
/// name none.
///
/// # Errors
///
/// Returns an error if a score is invalid: a reason in snake case that says what the first invalid score lacks.
pub fn scores(body: &Value, received_us: i64, source: ScoreSource) -> Result<Vec<Score>, &'static str> {
    let read = |one: &Value| {
        let score = score(one, received_us).map_err(OutcomeReason::as_str)?;
        Ok(if one.get("source").is_some_and(|source| !source.is_null()) { score } else { Score { source, ..score } })
    };
    items(body).iter().map(read).collect()
}

fn items(body: &Value) -> &[Value] {
    body.as_array().map_or(std::slice::from_ref(body), Vec::as_slice)
}

fn score(one: &Value, received_us: i64) -> Result<Score, OutcomeReason> {
    let body = one.as_object().ok_or(OutcomeReason::ScoreWithoutName)?;
    of_body(body, received_us, received_us)
}

/// Scores of a request, and the outcomes of dropped scores.
#[derive(Debug, Default)]
pub struct DecodedScores {
    /// Scores.
    pub scores: Vec<Score>,
    /// Number of dropped scores by reason.
    pub outcomes: Vec<Outcome>,
}

/// Reads the body of `POST /api/public/scores`. Invalid scores are dropped, because clients send a list once and do not correct it.
///
/// # Errors
///
/// Returns an error if the body is not JSON, has too many scores, or contains only invalid ones: a reason in snake case.
pub fn read_scores(body: &[u8], received_us: i64) -> Result<DecodedScores, &'static str> {
    let body = std::str::from_utf8(body).ok().and_then(|text| lenient_json::value(text).ok()).ok_or("not_json")?;
    let all = items(&body);
    if !decode_budget::charge_items(all.len(), all.len() * 2 * size_of::<Score>()) {
        return Err("too_many");
    }
    let mut decoded = DecodedScores::default();
    let mut dropped: BTreeMap<OutcomeReason, u64> = BTreeMap::new();
    for one in all {
        match score(one, received_us) {
            Ok(score) => decoded.scores.push(score),
            Err(reason) => *dropped.entry(reason).or_default() += 1,
        }
    }
    match dropped.first_key_value() {
        Some((reason, _)) if decoded.scores.is_empty() => Err(reason.as_str()),
        _ => {
            let outcome = |(reason, quantity)| Outcome { quantity, ..Outcome::dropped(OutcomeCategory::Score, reason, None) };
            decoded.outcomes = dropped.into_iter().map(outcome).collect();
            Ok(decoded)
        }
    }
}

/// Names of data types, of Langfuse and of Hinomi's API.
const DATA_TYPES: [(&str, ScoreDataType); 5] = [
    ("numeric", ScoreDataType::Numeric),
    ("boolean", ScoreDataType::Boolean),
    ("categorical", ScoreDataType::Categorical),
    ("text", ScoreDataType::Text),
    // The corrected output.
    ("correction", ScoreDataType::Text),
];

/// Names of sources, of Langfuse and of Hinomi's API.
const SOURCES: [(&str, ScoreSource); 7] = [
    ("annotation", ScoreSource::Annotation),
    ("eval", ScoreSource::Judge),
    ("user_feedback", ScoreSource::UserFeedback),
    ("evaluator", ScoreSource::Evaluator),
    ("judge", ScoreSource::Judge),
    ("sdk", ScoreSource::Sdk),
    ("api", ScoreSource::Api),
];

/// Reads one score. `at_us` replaces a missing or implausible time.
pub(super) fn of_body(body: &Map<String, Value>, at_us: i64, received_us: i64) -> Result<Score, OutcomeReason> {
    let text = |names: &[&str]| names.iter().find_map(|name| ids::text(body, name));
    let name = text(&["name"]).ok_or(OutcomeReason::ScoreWithoutName)?;
    let data_type = match text(&["dataType", "data_type"]) {
        Some(name) => Some(named(&DATA_TYPES, &name).ok_or(OutcomeReason::InvalidScore)?),
        None => None,
    };
    let trace = text(&["traceId", "trace_id"]);
    let target = ScoreTarget {
        trace_id: trace.as_deref().map(trace_id),
        span_id: text(&["observationId", "span_id"]).as_deref().map(ids::span_id),
        session_id: text(&["sessionId", "session_id"]),
        dataset_item_id: text(&["datasetItemId", "dataset_item_id"]),
        experiment_id: text(&["datasetRunId", "experiment_id"]),
        response_id: text(&["response_id"]),
    };
    let is_complete = target.trace_id.is_some() || target.span_id.is_none() && !target.is_empty();
    if !is_complete {
        return Err(OutcomeReason::ScoreWithoutTrace);
    }
    let own_us = body.get("timestamp").and_then(Value::as_str).and_then(time::from_text);
    let at_us = own_us.filter(|at| is_possible(*at, received_us)).unwrap_or(at_us);
    let value = value_of(body, data_type).ok_or(OutcomeReason::ScoreWithoutValue)?;
    let (comment, explanation) = (text(&["comment"]), text(&["explanation"]));
    let mut score = Score::new(target, name, value, at_us);
    // The comment beside a text is its reason.
    (score.explanation, score.comment) = match (score.comment.take(), comment) {
        (Some(text), comment) => (explanation.or(comment.filter(|comment| *comment != text)), Some(text)),
        (None, comment) => (explanation, comment),
    };
    if score.value.is_some() {
        score.label = text(&["label", "stringValue"]);
    }
    score.id = text(&["id"]);
    score.metadata = body.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(source) = text(&["source"]) {
        score.source = named(&SOURCES, &source).ok_or(OutcomeReason::InvalidScore)?;
    }
    score.author = text(&["authorUserId", "author"]);
    score.evaluator = evaluator(body.get("evaluator"));
    score.definition_id = text(&["configId", "definition_id"]);
    score.queue_id = text(&["queueId", "queue_id"]);
    score.judge_trace_id = text(&["judge_trace_id"]);
    score.environment = text(&["environment"]);
    if let Some(probability) = body.get("probability").filter(|value| !value.is_null()) {
        let probability = probability.as_f64().filter(|number| *number > 0.0 && *number <= 1.0);
        score.probability = probability.ok_or(OutcomeReason::InvalidScore)?;
    }
    Ok(score)
}

fn named<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
}

/// Reads the value of a score of a data type, or of the type that the value has.
fn value_of(body: &Map<String, Value>, data_type: Option<ScoreDataType>) -> Option<ScoreValue> {
    let said = body.get("value").filter(|value| !value.is_null()).or_else(|| body.get("label"));
    let number = said.and_then(|value| match value {
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    });
    let number: Option<f64> = number.filter(|number: &f64| number.is_finite());
    let text = said.and_then(|value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    match data_type {
        Some(ScoreDataType::Numeric) => number.map(ScoreValue::Number),
        Some(ScoreDataType::Boolean) => number.map(|number| ScoreValue::Boolean(number != 0.0)).or_else(|| yes_or_no(text.as_deref()?)),
        Some(ScoreDataType::Categorical) => text.map(ScoreValue::Category),
        // The contract puts a text into the comment.
        Some(ScoreDataType::Text) => text.or_else(|| ids::text(body, "comment")).map(ScoreValue::Text),
        None => match said? {
            Value::Bool(yes) => Some(ScoreValue::Boolean(*yes)),
            Value::Number(_) => number.map(ScoreValue::Number),
            Value::String(label) => Some(ScoreValue::Category(label.clone())),
            _ => None,
        },
    }
}

fn yes_or_no(text: &str) -> Option<ScoreValue> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" => Some(ScoreValue::Boolean(true)),
        "false" | "no" => Some(ScoreValue::Boolean(false)),
        _ => None,
    }
}

/// Reads the evaluator of a score: an object with name and version, or a name.
fn evaluator(value: Option<&Value>) -> Option<ScoreEvaluator> {
    match value? {
        Value::String(name) if !name.trim().is_empty() => Some(ScoreEvaluator { name: name.clone(), version: None }),
        Value::Object(fields) => Some(ScoreEvaluator { name: ids::text(fields, "name")?, version: ids::text(fields, "version") }),
        _ => None,
    }
}
