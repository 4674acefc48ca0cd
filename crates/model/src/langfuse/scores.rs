//! Scores as Langfuse's SDKs send them.

use serde_json::{Map, Value};

use super::{ids, trace_id};
use crate::clock::is_possible;
use crate::fingerprint::Fingerprint;
use crate::outcome_reason::OutcomeReason;
use crate::score::{Score, ScoreValue};
use crate::{decode_budget, lenient_json, time};

/// Reads the body of `POST /api/public/scores`: one score or a list of them.
///
/// # Errors
///
/// Returns an error when a score is invalid: what the first invalid one lacks, in snake case.
pub fn scores(body: &Value, received_us: i64) -> Result<Vec<Score>, &'static str> {
    let all = match body {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    let read = |one: &Value| {
        let body = one.as_object().ok_or("score_not_an_object")?;
        of_body(body, received_us, received_us).map_err(OutcomeReason::as_str)
    };
    all.into_iter().map(read).collect()
}

/// Reads the same body from text.
///
/// # Errors
///
/// Returns an error when the body is not JSON, has too many scores, or contains an invalid one.
pub fn read_scores(body: &[u8], received_us: i64) -> Result<Vec<Score>, &'static str> {
    let body = std::str::from_utf8(body).ok().and_then(|text| lenient_json::value(text).ok()).ok_or("not_json")?;
    let many = body.as_array().map_or(1, Vec::len);
    if !decode_budget::charge_items(many, many * 2 * size_of::<Score>()) {
        return Err("too_many");
    }
    scores(&body, received_us)
}

/// Reads one score. `at_us` replaces a missing or implausible time.
pub(super) fn of_body(body: &Map<String, Value>, at_us: i64, received_us: i64) -> Result<Score, OutcomeReason> {
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| ids::text(body, name));
    let name = text(["name", "name"]).ok_or(OutcomeReason::ScoreWithoutName)?;
    let trace = text(["traceId", "trace_id"]).ok_or(OutcomeReason::ScoreWithoutTrace)?;
    let span = text(["observationId", "span_id"]);
    let value = match body.get("value").filter(|value| !value.is_null()).or_else(|| body.get("label")) {
        Some(Value::Number(number)) => number.as_f64().map(ScoreValue::Number),
        Some(Value::Bool(yes)) => Some(ScoreValue::Number(f64::from(u8::from(*yes)))),
        Some(Value::String(label)) => Some(ScoreValue::Label(label.clone())),
        _ => None,
    };
    let value = value.ok_or(OutcomeReason::ScoreWithoutValue)?;
    // A score without an ID is identified by its content.
    let own = || {
        let said = format!("{value:?}");
        Fingerprint::of(&["score", &trace, span.as_deref().unwrap_or_default(), &name, &said]).to_string()
    };
    let own_us = body.get("timestamp").and_then(Value::as_str).and_then(time::from_text);
    Ok(Score {
        id: text(["id", "id"]).unwrap_or_else(own),
        trace_id: trace_id(&trace),
        span_id: span.as_deref().map(ids::span_id),
        comment: text(["comment", "explanation"]),
        at_us: own_us.filter(|at| is_possible(*at, received_us)).unwrap_or(at_us),
        name,
        value,
    })
}
