//! Events of the SDK, in the order of sending and in any other order.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::mapping::MappingRuleSet;
use crate::partial_spans::join_partial_spans;
use crate::price::PriceBook;
use crate::score::{ScoreDataType, ScoreSource};
use crate::span::{MessagePart, SpanStatus, SpanType};
use crate::time::SECOND_US;

/// One day after the captures were made.
const NOW_US: i64 = 1_795_510_800 * SECOND_US;

const MANUAL: [&str; 2] = [
    include_str!("../../../../fixtures/captures/langfuse-python-2/manual/req-01/body.decoded"),
    include_str!("../../../../fixtures/captures/langfuse-python-2/manual/req-02/body.decoded"),
];
const OPENAI: &str = include_str!("../../../../fixtures/captures/langfuse-python-2/openai/body.decoded");

fn context() -> DecodeContext<'static> {
    DecodeContext {
        received_us: NOW_US,
        retention_us: Some(30 * 86_400 * SECOND_US),
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    }
}

fn read(bodies: &[String]) -> Vec<Span> {
    let mut spans: BTreeMap<(TraceId, SpanId), Span> = BTreeMap::new();
    let mut homes = BTreeMap::new();
    for body in bodies {
        let decoded = decode(body.as_bytes(), &context(), &|span| homes.get(&span).copied()).unwrap();
        homes.extend(decoded.observation_traces);
        // Like the store, moves strays and the extents of their traces to the right traces.
        let mut told = decoded.spans;
        for at in 0..told.len() {
            let Some(home) = observation_as_trace(&told[at]) else { continue };
            let trace = told[at].trace_id;
            let root = told.iter().position(|span| span.trace_id == trace && span.op == ROOT_OP).unwrap();
            for (span_id, place) in [(told[at].span_id, at), (home.root, root)] {
                let Some(known) = spans.remove(&(home.trace_id, span_id)) else { continue };
                let moved = Span { trace_id: trace, span_id: told[place].span_id, ..known };
                told[place] = join_partial_spans(&moved, &told[place], PriceBook::embedded()).unwrap_or_else(|| told[place].clone());
            }
        }
        for span in told {
            let known = spans.remove(&(span.trace_id, span.span_id));
            let whole = known.map_or(span.clone(), |known| join_partial_spans(&known, &span, PriceBook::embedded()).unwrap_or(known));
            spans.insert((span.trace_id, span.span_id), whole);
        }
    }
    spans.into_values().collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}"))
}

fn said(span: &Span) -> String {
    let parts = span.output_messages.iter().flat_map(|message| &message.parts);
    parts.map(|part| if let MessagePart::Text { text } = part { text.as_str() } else { "" }).collect()
}

#[test]
fn a_trace_in_two_requests() {
    let spans = read(&MANUAL.map(str::to_owned));
    assert_eq!(spans.len(), 6);
    let trace = named(&spans, "support-answer");
    assert_eq!((trace.kind, trace.is_run, trace.pipeline.as_deref()), (SpanType::Chain, true, Some("support-answer")));
    assert_eq!(
        (trace.user_id.as_deref(), trace.session_id.as_deref(), trace.release.as_deref()),
        (Some("user-42"), Some("session-7"), Some("2026.11"))
    );
    assert_eq!(trace.trace_id.to_string(), "a44ec08ae2e4496a8431e4881959e7bd");
    let inside = spans.iter().filter(|span| span.parent_span_id.is_some());
    assert!(inside.clone().all(|span| trace.start_us <= span.start_us && span.end_us <= trace.end_us));
    assert_eq!(inside.count(), 5);

    let answer = named(&spans, "answer");
    assert_eq!((answer.kind, answer.parent_span_id), (SpanType::Llm, Some(trace.span_id)));
    assert_eq!((answer.op.as_str(), trace.op.as_str()), ("langfuse.generation", "langfuse.trace"));
    assert_eq!((answer.request_model.as_deref(), answer.response_model.as_deref()), (Some("gpt-4o"), Some("gpt-4o-2024-08-06")));
    assert_eq!((answer.usage.input_tokens(), answer.usage.cache_read, answer.usage.output_tokens()), (Some(1200), Some(1024), Some(85)));
    assert_eq!(answer.end_us - answer.start_us, 501_397);
    assert_eq!((answer.input_messages.len(), said(answer).as_str()), (2, "The capital of France is Paris."));
    assert!(answer.cost.is_some() && answer.client_cost.is_none());

    let own = named(&spans, "own-llm");
    assert_eq!(own.parent_span_id, Some(named(&spans, "retrieve").span_id));
    assert_eq!((own.usage.input_tokens(), own.usage.output_tokens()), (Some(120), Some(30)));
    assert_eq!(own.cost.as_ref().unwrap().total.dollars(), 0.0021);
    assert_eq!(own.input_messages[0].parts, [MessagePart::Text { text: "自作モデルへの質問".into() }]);

    let failed = named(&spans, "fallback");
    assert_eq!((failed.status, failed.status_detail.as_deref()), (SpanStatus::Error, Some("Rate limit reached for requests")));
    assert_eq!((failed.usage.input_tokens(), failed.cost.as_ref()), (None, None));
    assert_eq!(named(&spans, "cache-miss").status, SpanStatus::Ok);
    assert_eq!(named(&spans, "answer").sdk_name.as_deref(), Some("langfuse.python"));
}

#[test]
fn calls_of_the_openai_wrapper_are_read() {
    let spans = read(&[OPENAI.to_owned()]);
    assert_eq!(spans.len(), 4);
    let plain = named(&spans, "plain");
    assert_eq!((plain.usage.input_tokens(), plain.usage.cache_read, plain.usage.reasoning), (Some(1200), Some(1024), Some(0)));
    let streamed = named(&spans, "streamed");
    assert_eq!((streamed.streaming, streamed.time_to_first_token_us), (Some(true), Some(133_436)));
    let refused = named(&spans, "refused");
    assert_eq!((refused.status, refused.cost.as_ref(), refused.client_cost), (SpanStatus::Error, None, None));
    assert_eq!(named(&spans, "answer").user_id.as_deref(), Some("user-42"));
}

#[test]
fn each_event_has_a_result_and_invalid_ones_do_not_affect_others() {
    let body = json!({ "batch": [
        { "id": "1", "type": "generation-create", "timestamp": "2026-11-23T15:34:08Z", "body": { "id": "g", "traceId": "free text", "name": "n" } },
        { "id": "2", "type": "generation-create", "timestamp": "2026-11-23T15:34:08Z", "body": 7 },
        { "id": "3", "type": "made-up", "timestamp": "2026-11-23T15:34:08Z", "body": {} },
        { "id": "4", "type": "sdk-log", "timestamp": "2026-11-23T15:34:08Z", "body": {} },
        { "id": "5", "type": "span-create", "timestamp": "2001-11-23T15:34:08Z", "body": { "id": "old" } },
        { "id": "6", "type": "score-create", "timestamp": "2026-11-23T15:34:08Z", "body": { "name": "q", "value": true, "traceId": "free text" } },
        { "id": "7", "type": "trace-create", "body": {} },
        9,
    ] });
    let decoded = decode(body.to_string().as_bytes(), &context(), &|_| None).unwrap();
    let refused = decoded.event_results.iter().map(|verdict| (verdict.id.as_str(), verdict.refused.map(OutcomeReason::as_str)));
    let refused: Vec<(&str, Option<&str>)> = refused.collect();
    assert_eq!(
        refused,
        [
            ("1", None),
            ("2", Some("event_without_body")),
            ("3", Some("unknown_event_type")),
            ("4", None),
            ("5", Some("too_old")),
            ("6", None),
            ("7", Some("invalid_trace_id")),
            ("", Some("event_without_type")),
        ]
    );
    assert_eq!((decoded.spans.len(), decoded.outcomes.len()), (2, 5));
    assert!(decoded.spans.iter().all(|span| span.trace_id == trace_id("free text")));
    assert_eq!(decoded.scores[0].value, Some(1.0));
    assert!(matches!(decode(b"{}", &context(), &|_| None), Err(LangfuseError::NoBatch)));
    assert!(matches!(decode(b"{", &context(), &|_| None), Err(LangfuseError::Json { .. })));
}

#[test]
fn scores_alone() {
    let one = json!({ "traceId": "t", "name": "tone", "value": "polite", "observationId": "0123456789abcdef", "comment": "kind" });
    let read = scores(&json!([one, { "id": "s", "traceId": "t", "name": "n", "value": 0.5 }]), 7, ScoreSource::Sdk).unwrap();
    assert_eq!((read[0].target.span_id, read[0].label.as_deref()), (Some(SpanId(0x0123_4567_89ab_cdef)), Some("polite")));
    assert_eq!((read[1].id.as_deref(), read[1].at_us), (Some("s"), 7));
    assert_eq!(scores(&json!({ "traceId": "t", "name": "n" }), 7, ScoreSource::Sdk), Err("score_without_value"));
}

#[test]
fn scores_have_types_targets_and_sources() {
    let read = |body: Value| scores(&body, 7, ScoreSource::Sdk).map(|mut read| read.remove(0));
    let boolean = read(json!({ "traceId": "t", "name": "resolved", "value": 1.0, "dataType": "BOOLEAN", "source": "ANNOTATION" })).unwrap();
    assert_eq!((boolean.data_type, boolean.value, boolean.source), (ScoreDataType::Boolean, Some(1.0), ScoreSource::Annotation));
    let session = read(json!({ "sessionId": "s-7", "name": "satisfaction", "value": 4.5, "configId": "c", "queueId": "q" })).unwrap();
    assert_eq!((session.target.session_id.as_deref(), session.target.trace_id), (Some("s-7"), None));
    assert_eq!((session.definition_id.as_deref(), session.queue_id.as_deref()), (Some("c"), Some("q")));
    let run = read(json!({ "datasetRunId": "r", "name": "n", "value": 1 })).unwrap();
    assert_eq!(run.target.experiment_id.as_deref(), Some("r"));
    let text = read(json!({ "trace_id": "t", "name": "note", "data_type": "text", "comment": "Wrong city." })).unwrap();
    assert_eq!((text.comment.as_deref(), text.value, text.explanation), (Some("Wrong city."), None, None));
    let judged = read(json!({
        "trace_id": "t", "name": "right", "value": 0.5, "label": "partly", "explanation": "One of two.", "source": "judge", "probability": 0.25,
        "evaluator": { "name": "correctness", "version": 3 }, "metadata": { "a": 1 },
    }))
    .unwrap();
    let evaluator = judged.evaluator.unwrap();
    assert_eq!((evaluator.name.as_str(), evaluator.version.as_deref(), judged.probability), ("correctness", Some("3"), 0.25));
    assert_eq!((judged.label.as_deref(), judged.explanation.as_deref(), judged.metadata.len()), (Some("partly"), Some("One of two."), 1));
    let wrong = |body: Value| read(body).unwrap_err();
    assert_eq!(wrong(json!({ "name": "n", "value": 1 })), "score_without_trace");
    assert_eq!(wrong(json!({ "span_id": "0123456789abcdef", "name": "n", "value": 1 })), "score_without_trace");
    for field in [json!({ "probability": 0 }), json!({ "data_type": "stars" }), json!({ "source": "god" })] {
        let mut body = json!({ "trace_id": "t", "name": "n", "value": 1 });
        body.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        assert_eq!(wrong(body), "invalid_score");
    }
}

#[test]
fn values_fit_their_data_type() {
    let read = |kind: &str, value: Value| {
        let body = json!({ "traceId": "t", "name": "n", "dataType": kind, "value": value });
        scores(&body, 7, ScoreSource::Sdk).map(|mut read| {
            let score = read.remove(0);
            (score.value, score.label, score.comment)
        })
    };
    assert_eq!(read("NUMERIC", json!("0.5")), Ok((Some(0.5), None, None)));
    assert_eq!(read("BOOLEAN", json!(0)), Ok((Some(0.0), None, None)));
    assert_eq!(read("BOOLEAN", json!("true")), Ok((Some(1.0), None, None)));
    assert_eq!(read("CATEGORICAL", json!("good")), Ok((None, Some("good".into()), None)));
    assert_eq!(read("TEXT", json!("Wrong city.")), Ok((None, None, Some("Wrong city.".into()))));
    for (kind, value) in [("NUMERIC", json!("high")), ("NUMERIC", json!("NaN")), ("BOOLEAN", json!(0.5)), ("CATEGORICAL", json!([1]))] {
        assert_eq!(read(kind, value.clone()), Err("invalid_score"), "{kind} {value}");
    }
    assert_eq!(read("TEXT", json!(" ")), Err("score_without_value"));
    // As Langfuse returns it.
    let returned = json!({ "traceId": "t", "name": "n", "dataType": "CATEGORICAL", "value": 1, "stringValue": "good" });
    let score = scores(&returned, 7, ScoreSource::Sdk).unwrap().remove(0);
    assert_eq!((score.data_type, score.value, score.label.as_deref()), (ScoreDataType::Categorical, Some(1.0), Some("good")));
}

#[test]
fn a_correction_is_a_text() {
    let body = json!({ "traceId": "t", "dataType": "CORRECTION", "value": "Paris.", "source": "ANNOTATION", "metadata": ["a"], "executionTraceId": "j" });
    let score = scores(&body, 7, ScoreSource::Sdk).unwrap().remove(0);
    assert_eq!((score.name.as_str(), score.data_type, score.comment.as_deref()), ("correction", ScoreDataType::Text, Some("Paris.")));
    assert_eq!((&score.metadata["correction"], &score.metadata["value"]), (&json!(true), &json!(["a"])));
    assert_eq!((score.source, score.judge_trace_id.as_deref()), (ScoreSource::Annotation, Some("j")));
}

#[test]
fn an_invalid_score_of_a_list_does_not_affect_the_others() {
    let valid = json!({ "trace_id": "t", "name": "n", "value": 1 });
    let read = score_results(&json!([valid, { "name": "n", "value": 1 }, 7, valid]), 7, ScoreSource::Api);
    let read: Vec<_> = read.into_iter().map(|read| read.map(|score| score.source)).collect();
    let lost = [OutcomeReason::ScoreWithoutTrace, OutcomeReason::ScoreWithoutName];
    assert_eq!(read, [Ok(ScoreSource::Api), Err(lost[0]), Err(lost[1]), Ok(ScoreSource::Api)]);
}

#[test]
fn a_score_of_a_batch_that_is_sent_again_has_the_same_id() {
    let event = |id: &str, body: Value| json!({ "id": id, "type": "score-create", "timestamp": "2026-11-23T15:34:08Z", "body": body });
    let batch = json!({ "batch": [
        event("e1", json!({ "traceId": "t", "name": "n", "value": 1 })), event("e2", json!({ "traceId": "t", "name": "n", "value": 1, "id": "own" })),
    ] });
    let read = || decode(batch.to_string().as_bytes(), &context(), &|_| None).unwrap().scores;
    assert_eq!(read().iter().map(|score| score.id.as_deref()).collect::<Vec<_>>(), [Some("event-e1"), Some("own")]);
    assert_eq!(read(), read());
}

/// Returns the events of a client that names the trace of an observation only when it creates it, and sends Go's zero for unknown times.
fn eino() -> Vec<Value> {
    let at = |seconds: f64| jiff::Timestamp::from_microsecond(NOW_US + (seconds * 1e6) as i64 - 60 * SECOND_US).unwrap().to_string();
    let never = "0001-01-01T00:00:00Z";
    let event = |id: &str, kind: &str, seconds: f64, body: Value| json!({ "id": id, "type": kind, "timestamp": at(seconds), "body": body });
    vec![
        event("1", "trace-create", 0.0, json!({ "id": "T", "name": "graph", "timestamp": at(0.0), "userId": "u" })),
        event("2", "span-create", 0.1, json!({ "id": "S", "traceId": "T", "name": "Graph", "startTime": at(0.0), "endTime": never })),
        event(
            "3",
            "generation-create",
            0.2,
            json!({ "id": "G", "traceId": "T", "parentObservationId": "S", "name": "ChatModel", "startTime": at(0.2), "endTime": never,
                "completionStartTime": never, "model": "o4-mini", "input": [{ "role": "user", "content": "Hi" }] }),
        ),
        event(
            "4",
            "generation-update",
            3.2,
            json!({ "id": "G", "startTime": never, "endTime": at(3.2), "output": "Hello", "usageDetails": { "prompt_tokens": 20, "completion_tokens": 3 } }),
        ),
        event("5", "span-update", 3.4, json!({ "id": "S", "startTime": never, "endTime": at(3.3), "output": "Hello" })),
    ]
}

#[test]
fn update_without_trace_and_implausible_times() {
    let spans = read(&[request(&eino())]);
    assert_eq!(spans.len(), 3, "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace_id == trace_id("T")));
    let lasted = |name: &str| named(&spans, name).end_us - named(&spans, name).start_us;
    assert_eq!([lasted("graph"), lasted("Graph"), lasted("ChatModel")], [3_300_000, 3_300_000, 3_000_000]);
    let call = named(&spans, "ChatModel");
    assert_eq!((call.usage.input_tokens(), call.usage.output_tokens(), said(call).as_str()), (Some(20), Some(3), "Hello"));
    assert_eq!((call.streaming, call.time_to_first_token_us), (None, None), "a first token in the year 1 is none");
    let noted = |span: &Span| span.reading.iter().filter(|noted| noted.field.ends_with("_time")).map(|noted| noted.source.kind()).collect();
    let of_times: Vec<&str> = spans.iter().flat_map(noted).collect::<Vec<&str>>();
    assert_eq!(of_times, [] as [&str; 0], "in the end all times are told");

    let unended = read(&[request(&eino()[..3])]);
    let call = named(&unended, "ChatModel");
    assert_eq!((call.end_us - call.start_us, noted(call)), (0, vec!["start_time"]));
    let unbegun = read(&[request(&eino()[3..4])]);
    let call = named(&unbegun, "generation");
    assert_eq!((call.end_us - call.start_us, noted(call)), (0, vec!["end_time"]));
    assert_eq!(call.trace_id, trace_id("G"), "in a trace of its own, until somebody tells more");
}

/// Returns the events of all captures, each as a request of its own.
fn events() -> Vec<Value> {
    let bodies = MANUAL.iter().chain([&OPENAI]);
    bodies.flat_map(|body| serde_json::from_str::<Value>(body).unwrap()["batch"].as_array().unwrap().clone()).collect()
}

fn request(events: &[Value]) -> String {
    let sdk = json!({ "sdk_name": "python", "sdk_version": "2.60.10" });
    json!({ "batch": events, "metadata": sdk }).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_give_the_same_spans_in_any_order_batches_and_repeats(
        events in Just(events()).prop_shuffle(),
        sizes in proptest::collection::vec(1usize..9, 1..30),
        again in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut sent: Vec<Value> = again.iter().map(|index| events[index.index(events.len())].clone()).collect();
        sent.extend(events.clone());
        let mut requests = Vec::new();
        let mut rest = sent.as_slice();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            requests.push(request(now));
            rest = later;
        }
        prop_assert_eq!(read(&requests), read(&[request(&self::events())]));
    }

    #[test]
    fn updates_find_their_trace_in_any_order(events in Just(eino()).prop_shuffle(), sizes in proptest::collection::vec(1usize..4, 5)) {
        let mut rest = events.as_slice();
        let mut requests = Vec::new();
        for size in sizes {
            let (now, later) = rest.split_at(size.min(rest.len()));
            requests.push(request(now));
            rest = later;
        }
        let whole = read(&[request(&eino())]);
        let read = read(&requests);
        let told = |spans: &[Span]| spans.iter().map(|span| Span { joined: None, ..span.clone() }).collect::<Vec<_>>();
        prop_assert_eq!(told(&read), told(&whole));
    }

    #[test]
    fn damaged_requests_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = MANUAL[1].as_bytes().to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        let _ = decode(&body, &context(), &|_| None);
    }
}
