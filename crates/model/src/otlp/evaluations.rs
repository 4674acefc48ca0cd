//! Results of evaluations become scores: the event `gen_ai.evaluation.result`, as a log record or as an event of a span, and the events of
//! earlier drafts.

use serde_json::{Map, Value};

use super::log_record::DecodedLogRecord;
use super::span::DecodedSpan;
use crate::clock::ClockDriftCorrector;
use crate::decode_budget;
use crate::score::{
    EVALUATION_EVENT, MAX_SCORES, ReportPlace, ReportedScore, Score, ScoreSource, ScoreTarget, read_evaluation, scores_of_report,
    scores_of_span, target_of_event,
};
use crate::span::Span;

/// Event with a list of results in its body (Splunk's distribution), and its name in an earlier version.
const LIST_EVENTS: [&str; 2] = ["gen_ai.evaluation.results", "gen_ai.evaluations"];
/// Names of the list in the body.
const LIST_NAMES: [&str; 2] = ["gen_ai.evaluations", "evaluations"];
/// Start of the events of an earlier draft, which end in the name of the score: `gen_ai.evaluation.relevance`.
const NAMED_EVENT: &str = "gen_ai.evaluation.";
/// Event of the earlier draft with the reaction of a user.
const USER_FEEDBACK: &str = "user_feedback";

/// Returns the results of an event. Results without a name or a value, and failed evaluations, are left out.
fn results_of_event(event: &str, attributes: &Map<String, Value>, body: &Value) -> Vec<ReportedScore> {
    let list = LIST_NAMES.iter().find_map(|name| body.get(*name)?.as_array());
    if let Some(list) = list.filter(|_| LIST_EVENTS.contains(&event)) {
        let of_item = |item: &Value| {
            let mut all = attributes.clone();
            all.extend(item.as_object()?.clone());
            read_evaluation(&all, None)
        };
        return list.iter().take(MAX_SCORES).filter_map(of_item).collect();
    }
    let named = event.strip_prefix(NAMED_EVENT).filter(|_| event != EVALUATION_EVENT && !LIST_EVENTS.contains(&event));
    let result = read_evaluation(attributes, named).map(|result| {
        let is_feedback = named == Some(USER_FEEDBACK);
        let comment = body.get("comment").and_then(Value::as_str).filter(|_| is_feedback);
        let source = if is_feedback { Some(ScoreSource::UserFeedback) } else { result.source };
        ReportedScore { comment: comment.map(str::to_owned), source, ..result }
    });
    result.into_iter().collect()
}

fn is_evaluation(event: &str) -> bool {
    // The body of a record may be any text.
    (event.starts_with(NAMED_EVENT) && !event.contains(char::is_whitespace)) || LIST_EVENTS.contains(&event)
}

/// Returns true if a log record reports an evaluation.
pub(super) fn has_evaluation(record: &DecodedLogRecord) -> bool {
    record.names().any(is_evaluation)
}

fn text(attributes: &Map<String, Value>, name: &str) -> Option<String> {
    attributes.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Returns the evaluations in a log record. A record without a trace must name the rated response or conversation. `at_us` is the
/// corrected time of the record.
pub(super) fn scores_of_record(record: &DecodedLogRecord, at_us: i64) -> Vec<Score> {
    let Some(event) = record.names().find(|name| is_evaluation(name)) else { return Vec::new() };
    let mut results = results_of_event(event, &record.attributes, &record.body);
    let (trace_id, span_id) = record.trace().unzip();
    let span_id = span_id.flatten();
    let session_id = || text(&record.attributes, "gen_ai.conversation.id").or_else(|| text(&record.attributes, "session.id"));
    let response_id = text(&record.attributes, "gen_ai.response.id");
    for result in &mut results {
        let target = &mut result.target;
        (target.trace_id, target.span_id) = (trace_id, span_id);
        target.response_id.clone_from(&response_id);
        if trace_id.is_none() && response_id.is_none() {
            target.session_id = session_id();
        }
    }
    results.retain(|result| !result.target.is_empty());
    // The times as sent: the time of receipt differs if the record is sent again.
    let moment = format!("{}-{}", record.time_ns, record.observed_ns);
    let scores = scores_of_report(results, &ReportPlace { trace_id, span_id, moment: &moment }, at_us);
    scores.into_iter().take_while(charge).collect()
}

/// An evaluation in an event of a span.
pub(super) struct SpanEvaluation {
    results: Vec<ReportedScore>,
    time_ns: u64,
}

/// Returns the evaluations in the events of a span.
pub(super) fn evaluations_of_span(span: &DecodedSpan) -> Vec<SpanEvaluation> {
    let events = span.events.iter().filter(|event| is_evaluation(&event.name));
    let of_event = |event: &super::span::DecodedSpanEvent| SpanEvaluation {
        results: results_of_event(&event.name, &event.attributes, &Value::Null),
        time_ns: event.time_ns,
    };
    events.map(of_event).collect()
}

/// Returns the scores of the evaluations in the events of a span. Results that the attributes of the span report as well are left out.
pub(super) fn scores_of_events(evaluations: Vec<SpanEvaluation>, span: &Span, clock: &ClockDriftCorrector) -> Vec<Score> {
    if evaluations.is_empty() {
        return Vec::new();
    }
    let in_attributes = scores_of_span(span);
    let rated = target_of_event(span);
    let mut scores: Vec<Score> = Vec::new();
    for (index, SpanEvaluation { mut results, time_ns }) in evaluations.into_iter().enumerate() {
        results.retain(|result| in_attributes.iter().all(|score| score.name != result.name));
        for result in &mut results {
            let own = std::mem::take(&mut result.target);
            result.target = ScoreTarget { dataset_item_id: own.dataset_item_id, experiment_id: own.experiment_id, ..rated.clone() };
        }
        let at_us = i64::try_from(time_ns / 1000).ok().filter(|at_us| clock.is_plausible(*at_us));
        let at_us = at_us.map_or(span.end_us, |at_us| at_us.saturating_add(span.clock_shift_us));
        let moment = format!("{time_ns}-{index}");
        let place = ReportPlace { trace_id: Some(span.trace_id), span_id: Some(span.span_id), moment: &moment };
        let environment = &span.environment;
        scores
            .extend(scores_of_report(results, &place, at_us).into_iter().map(|score| Score { environment: environment.clone(), ..score }));
    }
    scores.into_iter().take_while(charge).collect()
}

/// Charges the memory of a score. Returns false if the budget of the request is exceeded.
fn charge(score: &Score) -> bool {
    decode_budget::charge(size_of::<Score>() + score.text_bytes() + decode_budget::object(&score.metadata))
}

#[cfg(test)]
mod tests;
