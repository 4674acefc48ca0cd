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
    score_results(body, received_us, source).into_iter().map(|read| read.map_err(OutcomeReason::as_str)).collect()
}

/// Reads one score or a list of them, like [`scores`]. Returns a result for each score, in the order of the body, so that an invalid score
/// does not affect the others.
pub fn score_results(body: &Value, received_us: i64, source: ScoreSource) -> Vec<Result<Score, OutcomeReason>> {
    let read = |one: &Value| {
        let score = score(one, received_us)?;
        let names_source = one.get("source").is_some_and(|source| !source.is_null());
        Ok(if names_source { score } else { Score { source, ..score } })
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
    (CORRECTION, ScoreDataType::Text),
];

/// Data type of Langfuse for the corrected output of a call. It becomes a text with this field in its metadata, which is its name as well
/// if it has none.
const CORRECTION: &str = "correction";

/// Names of the category, and of the label beside a number.
const LABEL_NAMES: [&str; 2] = ["label", "stringValue"];

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

fn target(body: &Map<String, Value>) -> Result<ScoreTarget, OutcomeReason> {
    let text = |names: &[&str]| names.iter().find_map(|name| ids::text(body, name));
    let target = ScoreTarget {
        trace_id: text(&["traceId", "trace_id"]).as_deref().map(trace_id),
        span_id: text(&["observationId", "observation_id", "span_id"]).as_deref().map(ids::span_id),
        session_id: text(&["sessionId", "session_id"]),
        dataset_item_id: text(&["datasetItemId", "dataset_item_id"]),
        experiment_id: text(&["datasetRunId", "dataset_run_id", "experiment_id"]),
        response_id: text(&["response_id"]),
    };
    let is_complete = target.trace_id.is_some() || target.span_id.is_none() && !target.is_empty();
    if is_complete { Ok(target) } else { Err(OutcomeReason::ScoreWithoutTrace) }
}

/// Reads one score. `at_us` replaces a missing or implausible time.
pub(super) fn of_body(body: &Map<String, Value>, at_us: i64, received_us: i64) -> Result<Score, OutcomeReason> {
    let text = |names: &[&str]| names.iter().find_map(|name| ids::text(body, name));
    let sent_type = text(&["dataType", "data_type"]);
    let data_type = match &sent_type {
        Some(name) => Some(named(&DATA_TYPES, name).ok_or(OutcomeReason::InvalidScore)?),
        None => None,
    };
    let is_correction = sent_type.is_some_and(|name| name.eq_ignore_ascii_case(CORRECTION));
    let name = text(&["name"]).or_else(|| is_correction.then(|| CORRECTION.to_owned())).ok_or(OutcomeReason::ScoreWithoutName)?;
    let target = target(body)?;
    let own_us = body.get("timestamp").and_then(Value::as_str).and_then(time::from_text);
    let at_us = own_us.filter(|at| is_possible(*at, received_us)).unwrap_or(at_us);
    let value = value_of(body, data_type)?;
    let (comment, explanation) = (text(&["comment"]), text(&["explanation"]));
    let mut score = Score::new(target, name, value, at_us);
    // The comment beside a text is its reason.
    (score.explanation, score.comment) = match (score.comment.take(), comment) {
        (Some(text), comment) => (explanation.or(comment.filter(|comment| *comment != text)), Some(text)),
        (None, comment) => (explanation, comment),
    };
    if score.value.is_some() {
        score.label = text(&LABEL_NAMES);
    } else if data_type == Some(ScoreDataType::Categorical) {
        score.value = body.get("value").and_then(Value::as_f64).filter(|_| text(&LABEL_NAMES).is_some());
    }
    score.id = text(&["id"]);
    score.metadata = metadata(body.get("metadata"));
    if is_correction {
        score.metadata.insert(CORRECTION.to_owned(), true.into());
    }
    if let Some(source) = text(&["source"]) {
        score.source = named(&SOURCES, &source).ok_or(OutcomeReason::InvalidScore)?;
    }
    score.author = text(&["authorUserId", "author"]);
    score.evaluator = evaluator(body.get("evaluator"));
    score.definition_id = text(&["configId", "config_id", "definition_id"]);
    score.queue_id = text(&["queueId", "queue_id"]);
    score.judge_trace_id = text(&["executionTraceId", "judge_trace_id"]);
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
///
/// # Errors
///
/// Returns an error if there is no value, or if it is not one of the data type.
fn value_of(body: &Map<String, Value>, data_type: Option<ScoreDataType>) -> Result<ScoreValue, OutcomeReason> {
    let label = || LABEL_NAMES.iter().find_map(|name| body.get(*name).filter(|value| !value.is_null()));
    let sent = body.get("value").filter(|value| !value.is_null()).or_else(label);
    if data_type == Some(ScoreDataType::Text) {
        // The contract of the API puts a text into the comment.
        let text = sent.and_then(Value::as_str).map(str::to_owned).filter(|text| !text.trim().is_empty());
        return text.or_else(|| ids::text(body, "comment")).map(ScoreValue::Text).ok_or(OutcomeReason::ScoreWithoutValue);
    }
    let sent = sent.ok_or(OutcomeReason::ScoreWithoutValue)?;
    let number = match sent {
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    let number = number.filter(|number: &f64| number.is_finite());
    let category = |value: &Value| match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let value = match (data_type, sent) {
        (Some(ScoreDataType::Numeric), _) => number.map(ScoreValue::Number),
        (Some(ScoreDataType::Boolean), _) => {
            let of_number = number.filter(|number| [0.0, 1.0].contains(number)).map(|number| ScoreValue::Boolean(number != 0.0));
            of_number.or_else(|| yes_or_no(sent.as_str()?))
        }
        // Langfuse returns the number of a category beside its name.
        (Some(ScoreDataType::Categorical), _) => label().and_then(category).or_else(|| category(sent)).map(ScoreValue::Category),
        (_, Value::Bool(yes)) => Some(ScoreValue::Boolean(*yes)),
        (_, Value::Number(_)) => number.map(ScoreValue::Number),
        (_, sent) => category(sent).map(ScoreValue::Category),
    };
    value.ok_or(OutcomeReason::InvalidScore)
}

/// Returns the metadata of a score. Langfuse accepts any JSON; what is not an object becomes the field `value` of one.
fn metadata(sent: Option<&Value>) -> Map<String, Value> {
    match sent {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(metadata)) => metadata.clone(),
        Some(other) => Map::from_iter([("value".to_owned(), other.clone())]),
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
