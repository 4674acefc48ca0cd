//! Feedback of end users: items `feedback` (a form in the program) and `user_report` (the older form about an error) become scores.

use serde_json::{Map, Value};

use super::EnvelopeReader;
use super::envelope::event_id;
use super::scrub::scrubbed;
use crate::clock::is_possible;
use crate::messages::{TextLimit, trim_text};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;
use crate::score::{Score, ScoreSource, ScoreTarget, ScoreValue};
use crate::{decode_budget, lenient_json, time};

/// Name of the scores.
const FEEDBACK_NAME: &str = "user_feedback";
/// Name of the field in the metadata with the ID of the error event that the user reports: 32 hex digits in lower case. If the feedback
/// names no trace, the score belongs to the trace of this event.
pub const ASSOCIATED_EVENT: &str = "associated_event_id";
/// Fields of the user of an event, the best name first.
const USER_FIELDS: [&str; 3] = ["email", "username", "id"];
/// Maximum bytes of a message, and of a name or an address.
const MESSAGE_LIMIT: TextLimit = TextLimit(10 << 10);
const NAME_LIMIT: TextLimit = TextLimit(1024);

/// Reads an item `feedback`: an event whose context `feedback` has the message.
pub(super) fn read_feedback(payload: &[u8], reader: &mut EnvelopeReader) {
    let Some(event) = object(payload, reader) else { return };
    let context = |name: &str| event.get("contexts").and_then(|contexts| contexts.get(name)).and_then(Value::as_object);
    let Some(feedback) = context("feedback") else { return drop_item(reader) };
    let trace = context("trace");
    let id = |name: &str| trace.and_then(|trace| trace.get(name)).and_then(Value::as_str);
    let target = ScoreTarget {
        trace_id: id("trace_id").and_then(|id| id.parse().ok()),
        span_id: id("span_id").and_then(|id| id.parse().ok()).filter(|_| id("trace_id").is_some()),
        ..ScoreTarget::default()
    };
    let user = event.get("user").and_then(Value::as_object);
    let of_user = || USER_FIELDS.iter().find_map(|name| text(user?, name, NAME_LIMIT));
    let author = text(feedback, "contact_email", NAME_LIMIT).or_else(|| text(feedback, "name", NAME_LIMIT)).or_else(of_user);
    let mut score = match text(feedback, "message", MESSAGE_LIMIT) {
        Some(message) => feedback_score(reader, target, message, author),
        None => return drop_item(reader),
    };
    let own_id = event.get("event_id").and_then(Value::as_str).and_then(event_id);
    score.id = own_id.or_else(|| reader.header.event_id.clone()).map(|id| format!("sentry-feedback-{id}"));
    score.environment = text(&event, "environment", NAME_LIMIT);
    let sent_us = match event.get("timestamp") {
        Some(Value::String(at)) => time::from_text(at),
        Some(Value::Number(seconds)) => seconds.as_f64().map(|seconds| (seconds * 1e6) as i64),
        _ => None,
    };
    score.at_us = sent_us.filter(|at| is_possible(*at, reader.received_us)).unwrap_or(score.at_us);
    for name in ["name", "source", "url", "replay_id"] {
        if let Some(value) = text(feedback, name, NAME_LIMIT) {
            score.metadata.insert(name.to_owned(), value.into());
        }
    }
    if let Some(reported) = text(feedback, ASSOCIATED_EVENT, NAME_LIMIT).as_deref().and_then(event_id) {
        score.metadata.insert(ASSOCIATED_EVENT.to_owned(), reported.into());
    }
    add(score, reader);
}

/// Reads an item `user_report`: what a user says of an error event.
pub(super) fn read_user_report(payload: &[u8], reader: &mut EnvelopeReader) {
    let Some(report) = object(payload, reader) else { return };
    let (message, event) = (text(&report, "comments", MESSAGE_LIMIT), text(&report, "event_id", NAME_LIMIT).as_deref().and_then(event_id));
    let (Some(message), Some(event)) = (message, event) else { return drop_item(reader) };
    let author = text(&report, "email", NAME_LIMIT).or_else(|| text(&report, "name", NAME_LIMIT));
    let mut score = feedback_score(reader, ScoreTarget::default(), message, author);
    // A user reports an error once; a corrected report replaces the earlier one.
    score.id = Some(format!("sentry-report-{event}"));
    if let Some(name) = text(&report, "name", NAME_LIMIT) {
        score.metadata.insert("name".to_owned(), name.into());
    }
    score.metadata.insert(ASSOCIATED_EVENT.to_owned(), event.into());
    add(score, reader);
}

fn feedback_score(reader: &EnvelopeReader, target: ScoreTarget, message: String, author: Option<String>) -> Score {
    let score = Score::new(target, FEEDBACK_NAME, ScoreValue::Text(message), reader.received_us);
    Score { source: ScoreSource::UserFeedback, author, ..score }
}

fn add(score: Score, reader: &mut EnvelopeReader) {
    if decode_budget::charge(size_of::<Score>() + score.text_bytes() + decode_budget::OBJECT_BYTES) {
        reader.scores.push(score);
    }
}

fn object(payload: &[u8], reader: &mut EnvelopeReader) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(payload).ok().and_then(|text| lenient_json::value(text).ok());
    match text {
        Some(Value::Object(object)) => Some(object),
        _ => {
            drop_item(reader);
            None
        }
    }
}

fn drop_item(reader: &mut EnvelopeReader) {
    reader.outcomes.push(Outcome::dropped(OutcomeCategory::Feedback, OutcomeReason::InvalidValue, None));
}

/// Returns a text that is not blank, shortened and without secrets.
fn text(object: &Map<String, Value>, name: &str, limit: TextLimit) -> Option<String> {
    let mut text = object.get(name)?.as_str()?.trim().to_owned();
    trim_text(&mut text, limit);
    scrubbed(Some(text)).filter(|text| !text.is_empty())
}
