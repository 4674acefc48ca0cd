use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{DecodedOtlpRequest, OtlpEncoding, OtlpSignal, decode};
use crate::clock::DecodeContext;
use crate::id::{SpanId, TraceId};
use crate::mapping::MappingRuleSet;
use crate::price::PriceBook;
use crate::score::{Score, ScoreSource, scores_of_span};

const NOW_NS: u64 = 1_795_510_800_000_000_000;
const SENT_NS: u64 = NOW_NS - 5_000_000_000;

fn read(body: &Value, signal: OtlpSignal, received_ns: u64) -> DecodedOtlpRequest {
    let context = DecodeContext {
        received_us: i64::try_from(received_ns / 1000).unwrap(),
        retention_us: None,
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: false,
    };
    decode(Bytes::from(body.to_string()), signal, OtlpEncoding::Json, &context).unwrap()
}

fn value(value: &Value) -> Value {
    match value {
        Value::Bool(yes) => json!({ "boolValue": yes }),
        Value::Number(number) => json!({ "doubleValue": number }),
        Value::Array(items) => json!({ "arrayValue": { "values": items.iter().map(self::value).collect::<Vec<_>>() } }),
        Value::Object(fields) => json!({ "kvlistValue": { "values": attributes(&json!(fields)) } }),
        other => json!({ "stringValue": other }),
    }
}

fn attributes(fields: &Value) -> Value {
    fields.as_object().unwrap().iter().map(|(key, field)| json!({ "key": key, "value": value(field) })).collect()
}

/// Returns a log record in the span 2 of the trace 1.
fn record(event: &str, fields: &Value) -> Value {
    json!({
        "traceId": TraceId(1), "spanId": SpanId(2), "eventName": event, "attributes": attributes(fields),
        "observedTimeUnixNano": SENT_NS.to_string(),
    })
}

fn logs(records: &[Value], received_ns: u64) -> DecodedOtlpRequest {
    read(&json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] }), OtlpSignal::Logs, received_ns)
}

fn traces(span: Value) -> DecodedOtlpRequest {
    read(&json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }), OtlpSignal::Traces, NOW_NS)
}

fn span(fields: &Value, events: &[(&str, Value)]) -> Value {
    let event =
        |(name, fields): &(&str, Value)| json!({ "name": name, "timeUnixNano": SENT_NS.to_string(), "attributes": attributes(fields) });
    json!({
        "traceId": TraceId(1), "spanId": SpanId(2), "parentSpanId": SpanId(3), "name": "work", "attributes": attributes(fields),
        "startTimeUnixNano": (SENT_NS - 1000).to_string(), "endTimeUnixNano": (SENT_NS + 1000).to_string(),
        "events": events.iter().map(event).collect::<Vec<_>>(),
    })
}

fn full() -> Value {
    json!({
        "gen_ai.evaluation.name": "Relevance", "gen_ai.evaluation.score.value": 0.8, "gen_ai.evaluation.score.label": "relevant",
        "gen_ai.evaluation.explanation": "Answers the question.", "gen_ai.response.id": "r1",
        "gen_ai.evaluation.evaluator.id": "judge", "gen_ai.evaluation.evaluator.version": "2", "gen_ai.evaluation.evaluator.type": "llm_judge",
    })
}

fn target_of(score: &Score) -> (Option<TraceId>, Option<SpanId>) {
    (score.target.trace_id, score.target.span_id)
}

#[test]
fn a_result_has_its_label_explanation_evaluator_and_response() {
    let decoded = logs(&[record("gen_ai.evaluation.result", &full())], NOW_NS);
    let [score] = decoded.scores.as_slice() else { panic!("{:?}", decoded.scores) };
    assert_eq!((score.name.as_str(), score.value, score.label.as_deref()), ("Relevance", Some(0.8), Some("relevant")));
    assert_eq!((score.explanation.as_deref(), score.comment.as_deref()), (Some("Answers the question."), None));
    assert_eq!((target_of(score), score.target.response_id.as_deref()), ((Some(TraceId(1)), Some(SpanId(2))), Some("r1")));
    let evaluator = score.evaluator.as_ref().unwrap();
    assert_eq!((evaluator.name.as_str(), evaluator.version.as_deref(), score.source), ("judge", Some("2"), ScoreSource::Judge));
    assert_eq!((score.at_us, decoded.lines.len()), (i64::try_from(SENT_NS / 1000).unwrap(), 0));
}

#[test]
fn a_result_that_is_sent_again_later_or_in_another_order_has_the_same_id() {
    let other = json!({ "gen_ai.evaluation.name": "Tone", "gen_ai.evaluation.score.label": "rude" });
    let untimed = {
        let mut record =
            record("gen_ai.evaluation.result", &json!({ "gen_ai.evaluation.name": "Untimed", "gen_ai.evaluation.score.value": 1 }));
        record["observedTimeUnixNano"] = json!("0");
        record
    };
    let records = [record("gen_ai.evaluation.result", &full()), record("gen_ai.evaluation.result", &other), untimed];
    let ids = |decoded: &DecodedOtlpRequest| {
        let mut ids: Vec<Option<String>> = decoded.scores.iter().map(|score| score.id.clone()).collect();
        ids.sort();
        ids
    };
    let first = ids(&logs(&records, NOW_NS));
    let backwards: Vec<Value> = records.iter().rev().cloned().collect();
    assert_eq!(first, ids(&logs(&backwards, NOW_NS + 60_000_000_000)));
    assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
}

#[test]
fn a_record_without_trace_names_the_response_or_the_conversation() {
    let without_trace = |fields: Value| {
        let mut record = record("gen_ai.evaluation.result", &fields);
        record.as_object_mut().unwrap().retain(|name, _| name != "traceId" && name != "spanId");
        logs(&[record], NOW_NS)
    };
    let of_response = without_trace(full());
    assert_eq!((target_of(&of_response.scores[0]), of_response.scores[0].target.response_id.as_deref()), ((None, None), Some("r1")));
    let session = json!({ "gen_ai.evaluation.name": "a", "gen_ai.evaluation.score.value": 1, "gen_ai.conversation.id": "s" });
    assert_eq!(without_trace(session).scores[0].target.session_id.as_deref(), Some("s"));
    let nothing = without_trace(json!({ "gen_ai.evaluation.name": "a", "gen_ai.evaluation.score.value": 1 }));
    assert_eq!((nothing.scores.len(), nothing.lines.len()), (0, 1), "it stays visible as a log line");
}

#[test]
fn failed_and_incomplete_evaluations_are_log_lines() {
    for fields in [
        json!({ "gen_ai.evaluation.name": "Broken", "error.type": "ValueError", "gen_ai.evaluation.explanation": "no reference" }),
        json!({ "gen_ai.evaluation.name": "Broken", "error.type": "_OTHER", "gen_ai.evaluation.score.label": "error" }),
        json!({ "gen_ai.evaluation.name": "Broken", "error.type": "Timeout", "gen_ai.evaluation.score.value": 0 }),
        json!({ "gen_ai.evaluation.name": "Tone" }),
        json!({ "gen_ai.evaluation.score.value": 1 }),
        json!({ "gen_ai.evaluation.name": "Tone", "gen_ai.evaluation.score.value": "NaN" }),
    ] {
        let decoded = logs(&[record("gen_ai.evaluation.result", &fields)], NOW_NS);
        assert_eq!((decoded.scores.len(), decoded.lines.len()), (0, 1), "{fields}");
    }
}

#[test]
fn events_of_earlier_drafts_are_scores() {
    let mut feedback = record("gen_ai.evaluation.user_feedback", &json!({ "gen_ai.response.id": "r1", "gen_ai.evaluation.score": -1 }));
    feedback["body"] = value(&json!({ "comment": "Wrong city." }));
    let metric = record("gen_ai.evaluation.relevance", &json!({ "gen_ai.evaluation.score": 4, "gen_ai.evaluator.name": "azure" }));
    let mut list = record("gen_ai.evaluation.results", &json!({ "gen_ai.operation.name": "data_evaluation_results" }));
    list["body"] = value(&json!({ "gen_ai.evaluations": [
        { "gen_ai.evaluation.name": "bias", "gen_ai.evaluation.score.value": 0.1, "gen_ai.evaluation.score.label": "not_biased" },
        { "gen_ai.evaluation.name": "toxicity", "error.type": "Timeout" },
    ] }));
    let scores = logs(&[feedback, metric, list], NOW_NS).scores;
    let found: Vec<_> = scores.iter().map(|score| (score.name.as_str(), score.value, score.source)).collect();
    let expected = [
        ("user_feedback", Some(-1.0), ScoreSource::UserFeedback),
        ("relevance", Some(4.0), ScoreSource::Sdk),
        ("bias", Some(0.1), ScoreSource::Sdk),
    ];
    assert_eq!(found, expected);
    assert_eq!((scores[0].comment.as_deref(), scores[1].evaluator.as_ref().unwrap().name.as_str()), (Some("Wrong city."), "azure"));
}

#[test]
fn an_event_rates_its_span_and_keeps_its_id() {
    let more = json!({ "gen_ai.evaluation.name": "Relevance", "gen_ai.evaluation.score.value": 0.2 });
    let rated = span(
        &json!({ "gen_ai.operation.name": "chat", "gen_ai.request.model": "m" }),
        &[
            ("gen_ai.evaluation.result", full()),
            ("gen_ai.evaluation.result", more),
            ("gen_ai.evaluation.result", json!({ "gen_ai.evaluation.name": "Broken", "error.type": "E" })),
        ],
    );
    let scores = traces(rated.clone()).scores;
    assert_eq!(scores.iter().map(|score| score.value).collect::<Vec<_>>(), [Some(0.8), Some(0.2)]);
    assert!(scores.iter().all(|score| target_of(score) == (Some(TraceId(1)), Some(SpanId(2)))));
    assert_ne!(scores[0].id, scores[1].id);
    assert_eq!(scores, traces(rated).scores);
}

#[test]
fn a_result_in_attributes_and_event_of_an_evaluator_is_one_score_of_its_parent() {
    let mut fields = full();
    fields["gen_ai.operation.name"] = "evaluation".into();
    let decoded = traces(span(&fields, &[("gen_ai.evaluation.result", full())]));
    assert_eq!(decoded.scores, []);
    let [score] = scores_of_span(&decoded.spans[0]).try_into().unwrap();
    assert_eq!(target_of(&score), (Some(TraceId(1)), Some(SpanId(3))));
}

#[test]
fn events_of_an_evaluator_rate_the_span_to_which_it_links() {
    let mut case = span(&json!({ "gen_ai.operation.name": "evaluation", "test.case.id": "1" }), &[("gen_ai.evaluation.result", full())]);
    assert_eq!(target_of(&traces(case.clone()).scores[0]), (Some(TraceId(1)), Some(SpanId(2))));
    case["links"] = json!([{ "traceId": TraceId(8), "spanId": SpanId(9) }]);
    assert_eq!(target_of(&traces(case).scores[0]), (Some(TraceId(8)), Some(SpanId(9))));
}
