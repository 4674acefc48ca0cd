use serde_json::{Value, json};

use super::*;
use crate::id::{SpanId, TraceId};
use crate::mapping::MappingRuleSet;
use crate::outcome::{OutcomeCategory, OutcomeKind};
use crate::price::PriceBook;
use crate::score::ScoreSource;
use crate::span::SpanStatus;
use crate::time::SECOND_US;

/// 2026-11-23T10:00:00Z.
const NOW_US: i64 = 1_795_428_000 * SECOND_US;
const NOW: f64 = 1_795_428_000.0;

fn context() -> DecodeContext<'static> {
    DecodeContext {
        received_us: NOW_US,
        retention_us: Some(30 * 86_400 * SECOND_US),
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    }
}

fn envelope(items: &[(Value, String)]) -> Vec<u8> {
    let mut body = "{}\n".to_owned();
    for (header, payload) in items {
        let mut header = header.clone();
        header["length"] = json!(payload.len());
        body.push_str(&format!("{header}\n{payload}\n"));
    }
    body.into_bytes()
}

fn decoded(items: &[(Value, String)]) -> DecodedEnvelope {
    decode(&envelope(items), &context()).unwrap()
}

fn container(spans: &[String]) -> (Value, String) {
    let header = json!({"type": "span", "item_count": spans.len(), "content_type": crate::sentry::span_v2::CONTAINER_CONTENT_TYPE});
    (header, format!("{{\"version\":2,\"items\":[{}]}}", spans.join(",")))
}

fn v2(id: u64, more: Value) -> String {
    let mut span = json!({
        "trace_id": "0b34ef4a0c27431689c4da4d919fd43e", "span_id": format!("{id:016x}"), "name": "chat", "status": "ok",
        "start_timestamp": NOW - 2.0, "end_timestamp": NOW - 1.0, "attributes": {"sentry.op": {"type": "string", "value": "gen_ai.chat"}},
    });
    for (key, value) in more.as_object().unwrap() {
        span[key] = value.clone();
    }
    span.to_string()
}

fn transaction(more: Value) -> (Value, String) {
    let mut transaction = json!({
        "type": "transaction", "event_id": "12c2d058d58442709aa2eca08bf20986", "transaction": "checkout", "start_timestamp": NOW - 3.0, "timestamp": NOW - 1.0,
        "contexts": {"trace": {"trace_id": "0b34ef4a0c27431689c4da4d919fd43e", "span_id": "00000000000000aa", "op": "task", "data": {"a": 1, "none": null}}},
        "environment": "production", "release": "shop@1", "server_name": "app-1", "user": {"id": 42}, "tags": {"tenant": "acme"},
        "sdk": {"name": "sentry.python", "version": "2.75.0"}, "spans": [],
    });
    for (key, value) in more.as_object().unwrap() {
        transaction[key] = value.clone();
    }
    (json!({"type": "transaction"}), transaction.to_string())
}

fn reasons(decoded: &DecodedEnvelope) -> Vec<&str> {
    decoded.outcomes.iter().map(|outcome| outcome.reason.as_str()).collect()
}

#[test]
fn invalid_span_does_not_affect_others() {
    let spans = [
        v2(1, json!({})),
        v2(2, json!({"span_id": "xyz"})),
        v2(3, json!({"trace_id": "00000000000000000000000000000000"})),
        v2(4, json!({"start_timestamp": NOW, "end_timestamp": NOW - 1.0})),
        v2(5, json!({"start_timestamp": null})),
        v2(1, json!({})),
        "7".into(),
        v2(8, json!({"start_timestamp": 1.0, "end_timestamp": 2.0})),
        v2(9, json!({"name": null, "status": 5, "parent_span_id": "", "attributes": []})),
    ];
    let decoded = decoded(&[container(&spans)]);
    assert_eq!(decoded.spans.iter().map(|span| span.span_id.0).collect::<Vec<_>>(), [1, 4, 5, 8, 9]);
    let expected = ["invalid_span_id", "invalid_trace_id", "duplicate", "invalid_json"];
    assert_eq!(reasons(&decoded), expected);
    let [_, backwards, unstarted, in_1970, _] = &decoded.spans[..] else { panic!("five") };
    assert_eq!((unstarted.start_us, unstarted.end_us), (NOW_US - SECOND_US, NOW_US - SECOND_US), "only the end is known");
    assert_eq!((backwards.start_us, backwards.end_us), (NOW_US, NOW_US), "what ends before it starts has no length");
    assert_eq!((in_1970.start_us, in_1970.end_us), (NOW_US - SECOND_US, NOW_US), "a lost clock still tells how long it took");
}

#[test]
fn implausible_times_are_replaced() {
    // Milliseconds instead of seconds, Go's zero, the Unix epoch, the largest number.
    for never in [json!(NOW * 1000.0), json!("0001-01-01T00:00:00Z"), json!(0), json!(u64::MAX)] {
        let spans = [
            v2(1, json!({"end_timestamp": never})),
            v2(2, json!({"start_timestamp": never})),
            v2(3, json!({"start_timestamp": never, "end_timestamp": never})),
        ];
        let child = json!({"span_id": "00000000000000ab", "start_timestamp": NOW - 1.5, "timestamp": never, "op": "db"});
        let event = json!({"timestamp": never, "message": "m"});
        let decoded = decoded(&[container(&spans), transaction(json!({"spans": [child]})), (json!({"type": "event"}), event.to_string())]);
        let times = |id: u64| {
            let span = decoded.spans.iter().find(|span| span.span_id.0 == id).unwrap();
            let noted = span.reading.iter().filter(|noted| noted.field.ends_with("_time"));
            let noted: Vec<String> = noted.map(|noted| format!("{} {}", noted.field, noted.source.kind())).collect();
            (span.start_us - NOW_US, span.end_us - NOW_US, noted.join(", "))
        };
        assert_eq!(times(1), (-2 * SECOND_US, -2 * SECOND_US, "end_time start_time".into()), "{never}");
        assert_eq!(times(2), (-SECOND_US, -SECOND_US, "start_time end_time".into()), "{never}");
        assert_eq!(times(3), (0, 0, "start_time received_at, end_time received_at".into()), "{never}");
        assert_eq!(times(0xab).0, times(0xab).1, "{never}");
        assert_eq!((decoded.errors[0].time_us, decoded.outcomes.len()), (NOW_US, 0), "{never}");
    }
}

#[test]
fn spans_without_times_are_kept() {
    let child = |id: &str, more: Value| {
        let mut child = json!({"span_id": id, "op": "db"});
        child.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        child
    };
    let spans = [
        child("00000000000000a1", json!({})),
        child("00000000000000a2", json!({"start_timestamp": null, "timestamp": NOW - 2.0})),
        child("00000000000000a3", json!({"start_timestamp": NOW - 2.0})),
    ];
    let decoded = decoded(&[transaction(json!({"spans": spans}))]);
    assert_eq!(reasons(&decoded), [""; 0]);
    let found = |id: u64| {
        let span = decoded.spans.iter().find(|span| span.span_id.0 == id).unwrap();
        let noted = span.reading.iter().filter(|noted| noted.field.ends_with("_time"));
        let noted: Vec<String> = noted.map(|noted| format!("{} {}", noted.field, noted.source.kind())).collect();
        (span.start_us - NOW_US, span.end_us - NOW_US, noted.join(", "))
    };
    assert_eq!(found(0xa1), (-3 * SECOND_US, -3 * SECOND_US, "start_time event_time, end_time start_time".into()), "with the transaction");
    assert_eq!(found(0xa2), (-2 * SECOND_US, -2 * SECOND_US, "start_time end_time".into()));
    assert_eq!(found(0xa3), (-2 * SECOND_US, -2 * SECOND_US, "end_time start_time".into()));
}

#[test]
fn container_must_match_its_header() {
    let (mut header, payload) = container(&[v2(1, json!({})), v2(2, json!({}))]);
    header["item_count"] = json!(3);
    let decoded = decoded(&[(header, payload), transaction(json!({}))]);
    assert_eq!(decoded.spans.len(), 1, "the transaction stays");
    assert_eq!((reasons(&decoded), decoded.outcomes[0].quantity), (vec!["item_count_mismatch"], 2));
}

#[test]
fn transaction_context_applies_to_its_spans() {
    let child = json!({"span_id": "00000000000000ab", "start_timestamp": "2026-11-23T09:59:58", "timestamp": "2026-11-23T09:59:59.5Z", "op": "db", "tags": {"tenant": "own"}});
    let other = v2(2, json!({"trace_id": "11111111111111111111111111111111"}));
    // The container comes first, and still gets the properties of the transaction after it.
    let decoded = decoded(&[container(&[v2(1, json!({})), other]), transaction(json!({"spans": [child]}))]);
    let by_id = |id: u64| decoded.spans.iter().find(|span| span.span_id.0 == id).unwrap();
    for id in [1, 0xaa, 0xab] {
        let span = by_id(id);
        assert_eq!(
            (span.environment.as_deref(), span.release.as_deref(), span.user_id.as_deref()),
            (Some("production"), Some("shop@1"), Some("42"))
        );
        assert_eq!((span.service.as_deref(), span.sdk_name.as_deref()), (Some("app-1"), Some("sentry.python")));
    }
    assert_eq!(by_id(1).tags["tenant"], "acme");
    assert_eq!(by_id(0xab).tags["tenant"], "own");
    assert_eq!(by_id(0xab).trace_id, by_id(0xaa).trace_id, "left out, it is the transaction's");
    assert_eq!(by_id(0xab).end_us - by_id(0xab).start_us, 1_500_000);
    assert_eq!((by_id(0xaa).name.as_str(), by_id(0xaa).attributes.len()), ("checkout", 1), "nulls are absent");
    assert_eq!(by_id(2).environment, None);
    assert_eq!(decoded.event_id.as_deref(), Some("12c2d058d58442709aa2eca08bf20986"));
}

#[test]
fn parts_of_a_transaction_of_the_wrong_shape() {
    let good = json!({"span_id": "00000000000000ab", "trace_id": "0b34ef4a0c27431689c4da4d919fd43e", "start_timestamp": NOW - 1.0, "timestamp": NOW - 2.0});
    let odd =
        transaction(json!({"contexts": [1], "user": "me", "tags": 5, "sdk": null, "measurements": "x", "spans": [good, null, "x", 5]}));
    let decoded = decoded(&[odd]);
    assert_eq!(decoded.spans.len(), 1);
    assert_eq!(decoded.spans[0].end_us, decoded.spans[0].start_us, "a clock that was set back");
    assert_eq!(reasons(&decoded), ["invalid_trace_id", "invalid_json", "invalid_json", "invalid_json"]);
}

#[test]
fn invalid_payload_does_not_affect_other_items() {
    let items = [
        (json!({"type": "transaction"}), "{\"transaction\":".to_owned()),
        (json!({"type": "event"}), "[]".to_owned()),
        (json!({"type": "client_report"}), "nonsense".to_owned()),
        (json!({"type": "span", "content_type": crate::sentry::span_v2::CONTAINER_CONTENT_TYPE, "item_count": 3}), "{}".to_owned()),
        (json!({"type": "span"}), "{}".to_owned()),
        (json!({"type": "session"}), "{}".to_owned()),
        (json!({"type": "statsd"}), "endpoint.requests@none:1|c|#route:home|T1795510800\n".to_owned()),
        (json!({"type": "brand_new"}), "?".to_owned()),
        (json!({"type": "log", "item_count": 4}), "{}".to_owned()),
        container(&[v2(1, json!({}))]),
    ];
    let decoded = decoded(&items);
    assert_eq!(decoded.spans.len(), 1);
    let expected = [
        "invalid_json",
        "invalid_json",
        "invalid_json",
        "invalid_json",
        "invalid_trace_id",
        "not_kept",
        "not_kept",
        "unknown_item",
        "invalid_json",
    ];
    assert_eq!(reasons(&decoded), expected);
    assert_eq!(decoded.outcomes[3].quantity, 3);
    assert_eq!(decoded.outcomes[6].detail.as_deref(), Some("statsd"));
    assert_eq!((decoded.outcomes[8].category, decoded.outcomes[8].quantity), (OutcomeCategory::Log, 4));
}

#[test]
fn invalid_json_of_sdks_is_repaired() {
    let (header, payload) = container(&[v2(1, json!({"name": "SURROGATE"})), v2(2, json!({}))]);
    let payload = payload.replace("SURROGATE", "a\\ud800b").replace("\"status\":\"ok\"", "\"status\":\"ok\",\"x\":NaN");
    let decoded = decoded(&[(header, payload)]);
    assert_eq!(decoded.spans.len(), 2);
    assert_eq!(decoded.spans[0].name, "a\u{fffd}b");
}

#[test]
fn times_of_a_wrong_clock_are_shifted_and_durations_stay() {
    let day = 86_400.0;
    let (header, payload) = container(&[v2(1, json!({"start_timestamp": NOW - day - 2.0, "end_timestamp": NOW - day - 1.5}))]);
    let mut body = "{\"sent_at\":\"2026-11-22T10:00:00Z\"}\n".to_owned();
    body.push_str(&format!("{header}\n{payload}"));
    let span = decode(body.as_bytes(), &context()).unwrap().spans.remove(0);
    assert_eq!((span.start_us, span.end_us - span.start_us), (NOW_US - 2 * SECOND_US, 500_000));
    assert_eq!(span.clock_shift_us, 86_400 * SECOND_US);
}

#[test]
fn client_report_counts_dropped_items() {
    let report = json!({"timestamp": NOW, "discarded_events": [
        {"reason": "sample_rate", "category": "span", "quantity": 7}, {"reason": "Before Send", "category": "profile", "quantity": 1},
        {"reason": "queue_overflow", "category": "error", "quantity": 0}]});
    let decoded = decoded(&[(json!({"type": "client_report"}), report.to_string())]);
    assert!(decoded.has_client_report);
    assert_eq!(decoded.outcomes.len(), 2);
    let lost = &decoded.outcomes[0];
    assert_eq!(
        (lost.kind, lost.category, lost.reason.as_str(), lost.quantity),
        (OutcomeKind::ClientDropped, OutcomeCategory::Span, "sample_rate", 7)
    );
    assert_eq!((decoded.outcomes[1].reason.as_str(), decoded.outcomes[1].detail.as_deref()), ("before_send", Some("profile")));
}

#[test]
fn an_error_event() {
    let event = json!({
        "timestamp": NOW - 5.0, "level": "error", "release": "shop@1", "user": {"email": "a@b.c"}, "tags": [["tenant", "acme"]],
        "contexts": {"trace": {"trace_id": "0b34ef4a0c27431689c4da4d919fd43e", "span_id": "00000000000000aa"}},
        "exception": {"values": [
            {"type": "Cause", "value": "first"},
            {"type": "RateLimitError", "value": "Error code: 429", "mechanism": {"handled": false}, "stacktrace": {"frames": [
                {"function": "main", "filename": "app.py", "lineno": 3, "in_app": true, "context_line": "ask()", "pre_context": ["a"], "post_context": []},
                {"function": "create", "module": "openai", "filename": "openai/api.py", "in_app": false}]}}]},
        "breadcrumbs": {"values": [{"timestamp": NOW - 6.0, "category": "http", "message": "POST", "data": {"status": 429}}]},
    });
    let payload = event.to_string();
    let mut first = decoded(&[(json!({"type": "event"}), payload.clone())]);
    let again = decoded(&[(json!({"type": "event"}), payload)]);
    assert_eq!(first.errors, again.errors, "an id made from the content is the same for the same content");
    let error = first.errors.remove(0);
    assert_eq!((error.kind.as_str(), error.value.as_str(), error.handled), ("RateLimitError", "Error code: 429", Some(false)));
    assert_eq!(error.culprit.as_deref(), Some("main in app.py"));
    assert_eq!((error.exceptions.len(), error.exceptions[0].kind.as_str()), (2, "Cause"));
    assert_eq!((error.span_id.unwrap().0, error.time_us), (0xaa, NOW_US - 5 * SECOND_US));
    assert_eq!((error.user_id.as_deref(), error.tags["tenant"].as_str()), (Some("a@b.c"), "acme"));
    assert_eq!(error.breadcrumbs[0].data.as_deref(), Some("{\"status\":429}"));
    assert_eq!(first.event_id.as_deref(), Some(error.event_id.as_str()));
    let json = serde_json::to_string(&error).unwrap();
    let stored: ErrorEvent = serde_json::from_str(&json).unwrap();
    assert_eq!((serde_json::to_string(&stored).unwrap(), stored.exceptions[1].frames.len()), (json, 2));
}

#[test]
fn a_message_without_an_exception() {
    let of = |event: Value| decoded(&[(json!({"type": "event"}), event.to_string())]).errors.remove(0);
    let one = of(json!({"logentry": {"message": "user %s is gone", "params": ["a"], "formatted": "user a is gone"}, "level": "warning"}));
    let two = of(json!({"logentry": {"message": "user %s is gone", "formatted": "user b is gone"}}));
    assert_eq!((one.kind.as_str(), one.value.as_str(), one.level.as_str(), one.handled), ("Message", "user a is gone", "warning", None));
    assert_eq!(one.group, two.group);
    assert_eq!(of(json!({"message": "plain"})).value, "plain");
}

#[test]
fn the_older_endpoint() {
    let decode = |text: &str| decode_store_event(text.as_bytes(), &context());
    assert_eq!(decode(&transaction(json!({})).1).unwrap().spans.len(), 1);
    assert_eq!(decode("{\"message\": \"plain\"}").unwrap().errors.len(), 1);
    assert!(matches!(decode("[]"), Err(EnvelopeError::Event(_))));
    assert!(matches!(decode("{"), Err(EnvelopeError::Event(_))));
    assert_eq!(decode(" "), Err(EnvelopeError::Empty));
}

#[test]
fn forbidden_items_are_rejected() {
    let body = envelope(&[(json!({"type": "integration"}), "{}".into())]);
    assert_eq!(decode(&body, &context()), Err(EnvelopeError::ForbiddenItem("integration")));
}

#[test]
fn lists_and_objects_of_older_sdks() {
    let span = json!({
        "span_id": "00000000000000ab", "op": "ai.chat_completions.create.openai", "description": "Chat Completion", "status": "success",
        "start_timestamp": NOW - 2.0, "timestamp": NOW - 1.0,
        "data": {"ai.model_id": "gpt-4o", "ai.input_messages": [{"role": "user", "content": "Hi"}], "ai.responses": {"content": "Hello", "role": "assistant", "tool_calls": null},
            "ai.streaming": null, "own": [[1], 2]},
        "measurements": {"ai_prompt_tokens_used": {"value": 26, "unit": ""}, "ai_completion_tokens_used": {"value": 217}},
    });
    let decoded = decoded(&[transaction(json!({"spans": [span]}))]);
    let call = decoded.spans.iter().find(|span| span.kind == SpanType::Llm).unwrap();
    assert_eq!((call.usage.input, call.usage.output, call.usage.total), (Some(26), Some(217), Some(243)));
    assert_eq!((call.input_messages.len(), call.output_messages.len(), call.streaming, call.status), (1, 1, None, SpanStatus::Ok));
    assert_eq!(call.attributes["own"], json!("[[1],2]"));
}

#[test]
fn shared_fields_are_truncated() {
    let long = "x".repeat(10_000);
    let tags: serde_json::Map<String, Value> = (0..500).map(|n| (format!("tag{n}"), json!(long))).collect();
    let decoded = decoded(&[transaction(json!({"release": long, "tags": tags}))]);
    let span = &decoded.spans[0];
    assert!(span.release.as_ref().unwrap().len() < 300);
    assert_eq!(span.tags.len(), 100);
    assert!(span.tags.values().all(|value| value.len() < 300));
}

#[test]
fn feedback_of_end_users_becomes_scores() {
    let feedback = json!({
        "event_id": "a".repeat(32), "timestamp": 1_795_510_790.5, "environment": "production",
        "contexts": {
            "feedback": { "message": "The answer names the wrong city. password=hunter2", "contact_email": "anna@example.com", "name": "Anna", "url": "https://shop.example/chat", "associated_event_id": "b".repeat(32) },
            "trace": { "trace_id": "1".repeat(32), "span_id": "2".repeat(16) },
        },
    });
    let report = json!({ "event_id": "c".repeat(32), "name": "Ben", "email": "ben@example.com", "comments": "It crashed." });
    let empty = json!({ "contexts": { "feedback": { "message": " " } } });
    let items = [
        (json!({ "type": "feedback" }), feedback.to_string()),
        (json!({ "type": "user_report" }), report.to_string()),
        (json!({ "type": "feedback" }), empty.to_string()),
        (json!({ "type": "user_report" }), "nonsense".to_owned()),
    ];
    let decoded = decoded(&items);
    let [first, second] = decoded.scores.as_slice() else { panic!("{:?}", decoded.scores) };
    assert_eq!(
        (first.name.as_str(), first.source, first.author.as_deref()),
        ("user_feedback", ScoreSource::UserFeedback, Some("anna@example.com"))
    );
    let comment = first.comment.as_deref().unwrap();
    assert!(comment.starts_with("The answer names the wrong city.") && !comment.contains("hunter2"), "{comment}");
    assert_eq!(
        (first.target.trace_id, first.target.span_id),
        (Some(TraceId(0x1111_1111_1111_1111_1111_1111_1111_1111)), Some(SpanId(0x2222_2222_2222_2222)))
    );
    assert_eq!(first.metadata["associated_event_id"], "b".repeat(32));
    assert_eq!((second.comment.as_deref(), second.target.is_empty()), (Some("It crashed."), true));
    assert_eq!(second.metadata["associated_event_id"], "c".repeat(32));
    assert_eq!(decoded.outcomes.len(), 2, "{:?}", decoded.outcomes);
    assert!(decoded.outcomes.iter().all(|outcome| outcome.category == OutcomeCategory::Feedback));
    assert_eq!(decoded.scores, self::decoded(&items).scores, "feedback that is sent again has the same ID");
}

#[test]
fn feedback_belongs_to_the_trace_of_the_reported_event() {
    let dashed = "0b3c1d2e-4f50-4617-8293-a4b5c6d7e8f9";
    let event = json!({
        "event_id": dashed.replace('-', ""), "message": "it broke", "timestamp": 1_795_510_790.5,
        "contexts": { "trace": { "trace_id": "1".repeat(32), "span_id": "2".repeat(16) } },
    });
    let report = json!({ "event_id": dashed.to_ascii_uppercase(), "comments": "It crashed." });
    let feedback = json!({
        "event_id": "d".repeat(32), "user": { "username": "anna" },
        "contexts": { "feedback": { "message": "Too slow.", "associated_event_id": dashed, "replay_id": "e".repeat(32) } },
    });
    let items = [("event", event), ("user_report", report), ("feedback", feedback)];
    let items = items.map(|(kind, item)| (json!({ "type": kind }), item.to_string()));
    let scores = decoded(&items).scores;
    assert_eq!(scores.len(), 2);
    assert!(scores.iter().all(|score| score.target.trace_id == Some(TraceId(0x1111_1111_1111_1111_1111_1111_1111_1111))));
    assert!(scores.iter().all(|score| score.metadata["associated_event_id"] == dashed.replace('-', "")));
    assert_eq!((scores[1].author.as_deref(), &scores[1].metadata["replay_id"]), (Some("anna"), &json!("e".repeat(32))));
}
