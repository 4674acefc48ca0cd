//! Scores as Langfuse's SDKs send them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{ids, trace_id};
use crate::clock::is_possible;
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;
use crate::score::{Score, ScoreTarget, ScoreValue};
use crate::{decode_budget, lenient_json, time};

/// Reads one score or a list of them, in the form of `POST /api/public/scores`.
///
/// # Errors
///
/// Returns an error if a score is invalid: a reason in snake case that says what the first invalid score lacks.
pub fn scores(body: &Value, received_us: i64) -> Result<Vec<Score>, &'static str> {
    items(body).iter().map(|one| score(one, received_us).map_err(OutcomeReason::as_str)).collect()
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

/// Reads one score. `at_us` replaces a missing or implausible time.
pub(super) fn of_body(body: &Map<String, Value>, at_us: i64, received_us: i64) -> Result<Score, OutcomeReason> {
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| ids::text(body, name));
    let name = text(["name", "name"]).ok_or(OutcomeReason::ScoreWithoutName)?;
    let trace = text(["traceId", "trace_id"]).ok_or(OutcomeReason::ScoreWithoutTrace)?;
    let span = text(["observationId", "span_id"]);
    let value = match body.get("value").filter(|value| !value.is_null()).or_else(|| body.get("label")) {
        Some(Value::Number(number)) => number.as_f64().map(ScoreValue::Number),
        Some(Value::Bool(yes)) => Some(ScoreValue::Boolean(*yes)),
        Some(Value::String(label)) => Some(ScoreValue::Category(label.clone())),
        _ => None,
    };
    let value = value.ok_or(OutcomeReason::ScoreWithoutValue)?;
    let own_us = body.get("timestamp").and_then(Value::as_str).and_then(time::from_text);
    let target = ScoreTarget::trace(trace_id(&trace), span.as_deref().map(ids::span_id));
    let at_us = own_us.filter(|at| is_possible(*at, received_us)).unwrap_or(at_us);
    let mut score = Score::new(target, name, value, at_us);
    (score.id, score.comment) = (text(["id", "id"]), text(["comment", "explanation"]));
    Ok(score)
}
