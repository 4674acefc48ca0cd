//! OpenTelemetry's protocol over HTTP: who may send, what is rejected, and how it is reported. gRPC needs a real client: see `e2e`.

use serde_json::{Value, json};

use crate::envelopes::now;
use crate::ingest::counted;
use crate::server::{KEY, Server};

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// Returns a call of gpt-4o-mini: 1,000 input tokens, 500 output tokens, 0.00045 dollars. Its messages are separate log records.
fn call(trace: u128, span_id: &str) -> Value {
    let start = now() - 1.0;
    json!({
        "traceId": format!("{trace:032x}"), "spanId": span_id, "name": "chat gpt-4o-mini", "kind": 3,
        "startTimeUnixNano": nanos(start), "endTimeUnixNano": nanos(start + 0.5),
        "attributes": [
            { "key": "gen_ai.operation.name", "value": { "stringValue": "chat" } },
            { "key": "gen_ai.provider.name", "value": { "stringValue": "openai" } },
            { "key": "gen_ai.request.model", "value": { "stringValue": "gpt-4o-mini" } },
            { "key": "gen_ai.usage.input_tokens", "value": { "intValue": "1000" } },
            { "key": "gen_ai.usage.output_tokens", "value": { "intValue": 500 } },
        ],
    })
}

pub(crate) fn nanos(seconds: f64) -> String {
    format!("{:.0}", seconds * 1e9)
}

pub(crate) fn traces(spans: &[Value]) -> Vec<u8> {
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] }).to_string().into_bytes()
}

/// Returns the user's message of a call as a separate log record.
fn question(trace: u128, span_id: &str, text: &str) -> Vec<u8> {
    let record = json!({
        "traceId": format!("{trace:032x}"), "spanId": span_id, "timeUnixNano": nanos(now() - 1.0), "eventName": "gen_ai.user.message",
        "body": { "kvlistValue": { "values": [{ "key": "content", "value": { "stringValue": text } }] } },
    });
    json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] }).to_string().into_bytes()
}

#[test]
fn a_call_and_its_messages_in_any_order_and_over_restarts() {
    let mut server = Server::start();
    let key = ("authorization", format!("Bearer {KEY}"));
    let headers = [JSON, (key.0, key.1.as_str())];
    let id = format!("{:016x}", 7);
    let log_first = [("/v1/logs", question(1, &id, "天気は？")), ("/v1/traces", traces(&[call(1, &id)]))];
    let span_first = [("/v1/traces", traces(&[call(2, &id)])), ("/v1/logs", question(2, &id, "天気は？"))];
    for (path, body) in log_first.into_iter().chain(span_first) {
        for _ in 0..2 {
            let answer = server.send("POST", path, &headers, body.clone());
            assert_eq!((answer.status, answer.text.as_str()), (200, "{}"), "{path}");
        }
        assert_eq!(server.stop(), Some(0));
        server.start_again();
    }
    for trace in [1, 2] {
        let found = server.ask(&format!("/traces/{trace:032x}"));
        assert_eq!((found["spans"].as_array().unwrap().len(), found["trace"]["cost"].as_f64()), (1, Some(0.00045)), "{trace}");
        let span = server.ask(&format!("/traces/{trace:032x}/spans/{id}"));
        assert_eq!(span["input_messages"], json!([{ "role": "user", "parts": [{ "type": "text", "text": "天気は？" }] }]), "{trace}");
    }
    assert_eq!(server.ask("/summary")["llm_calls"], 2);
    assert_eq!((counted(&server, "accepted", "stored"), counted(&server, "accepted", "joined")), (2, 2));
    assert_eq!(counted(&server, "duplicate", "duplicate"), 4);
}

#[test]
fn otlp_senders_are_authenticated() {
    let server = Server::start();
    let basic = |text: &str| {
        use base64::Engine;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    let wrong = "f".repeat(32);
    let ways = [
        ("its own header", vec![("x-hinomi-key", KEY.to_owned())], 200),
        ("a bearer", vec![("authorization", format!("Bearer {KEY}"))], 200),
        ("a password", vec![("authorization", basic(&format!("anyone:{KEY}")))], 200),
        ("a user", vec![("authorization", basic(&format!("{KEY}:")))], 200),
        ("Sentry's header", vec![("x-sentry-auth", format!("sentry sentry_key={KEY}, sentry_version=7"))], 200),
        ("nobody, from this machine", vec![], 200),
        ("a page, without a key", vec![("origin", "https://evil.example".to_owned())], 401),
        ("a page, with a key", vec![("origin", "https://shop.example".to_owned()), ("x-hinomi-key", KEY.to_owned())], 200),
        ("a stranger", vec![("authorization", format!("Bearer {wrong}"))], 401),
    ];
    for (number, (way, headers, status)) in (1..).zip(ways) {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).chain([JSON]).collect();
        let answer = server.send("POST", "/v1/traces", &headers, traces(&[call(number, "00000000000000aa")]));
        assert_eq!(answer.status, status, "{way}: {}", answer.text);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{way}");
        let said = answer.json();
        assert_eq!(said["message"].as_str().is_some_and(|message| !message.is_empty()), status != 200, "{way}: {said}");
    }
    assert_eq!(server.ask("/summary")["llm_calls"], 7);
    for path in ["/api/1/integration/otlp/v1/traces", "/api/public/otel/v1/traces"] {
        let answer = server.send("POST", path, &[JSON, ("x-hinomi-key", KEY)], traces(&[call(99, "00000000000000aa")]));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    let elsewhere = server.send("POST", "/api/2/integration/otlp/v1/traces", &[JSON, ("x-hinomi-key", KEY)], traces(&[]));
    assert_eq!(elsewhere.status, 401, "{}", elsewhere.text);
}

#[test]
fn rejections_use_the_encoding_of_the_request() {
    let server = Server::start();
    let binary = ("content-type", "application/x-protobuf");
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], u16);
    let cases: [Case; 5] = [
        ("content_type", &[("content-type", "text/plain")], b"{}", 415),
        ("invalid_otlp", &[JSON], b"{\"resourceSpans\":[", 400),
        ("invalid_otlp", &[JSON], b"[]", 400),
        ("invalid_otlp", &[binary], b"\x0a\xff", 400),
        ("damaged_body", &[binary, ("content-encoding", "gzip")], b"\x00", 400),
    ];
    for (reason, headers, body, status) in cases {
        let before = counted(&server, "refused", reason);
        let answer = server.send("POST", "/v1/traces", headers, body.to_vec());
        assert_eq!(answer.status, status, "{reason}: {}", answer.text);
        let is_binary = headers.contains(&binary);
        assert_eq!(answer.header("content-type"), if is_binary { binary.1 } else { JSON.1 }, "{reason}");
        assert_eq!(counted(&server, "refused", reason), before + 1, "{reason}");
    }
    assert!(!server.log().contains("panicked"));
}

#[test]
fn rejected_items_are_reported_and_counted_and_others_are_stored() {
    let server = Server::start();
    let spans = [call(1, "00000000000000aa"), call(1, "not an id"), call(1, "0000000000000000")];
    let answer = server.send("POST", "/v1/traces", &[JSON], traces(&spans));
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "2", "{}", answer.text);
    assert_eq!(server.ask(&format!("/traces/{:032x}", 1))["spans"].as_array().unwrap().len(), 1);
    let dropped = counted(&server, "dropped", "invalid_span_id");
    assert_eq!(dropped, 2, "{}", server.ask("/outcomes"));
    let metrics = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [
        { "name": "gen_ai.client.token.usage", "sum": { "dataPoints": [{ "asInt": "1000" }] } },
    ] }] }] });
    let answer = server.send("POST", "/v1/metrics", &[JSON], metrics.to_string().into_bytes());
    assert_eq!((answer.status, answer.json()["partialSuccess"]["rejectedDataPoints"].as_str()), (200, Some("1")), "{}", answer.text);
    assert_eq!(counted(&server, "dropped", "unknown_temporality"), 1);
}

#[test]
fn body_of_another_shape_is_rejected_with_a_hint() {
    let server = Server::start();
    let spans = traces(&[call(1, "00000000000000aa")]);
    for (path, body, says) in [
        ("/v1/logs", spans.clone(), "the body contains resourceSpans; send it to /v1/traces"),
        ("/v1/metrics", spans.clone(), "send it to /v1/traces"),
        ("/v1/traces", br#"{"resource_logs": []}"#.to_vec(), "send it to /v1/logs"),
        ("/v1/traces", br#"{"resourceSpans": {"resource": {}}}"#.to_vec(), "resourceSpans is not a list"),
    ] {
        let before = counted(&server, "refused", "invalid_otlp");
        let answer = server.send("POST", path, &[JSON], body);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        assert!(answer.text.contains(says), "{path}: {}", answer.text);
        assert_eq!(counted(&server, "refused", "invalid_otlp"), before + 1, "{path}");
    }
    let marked = [b"\xef\xbb\xbf".as_slice(), &spans].concat();
    assert_eq!(server.send("POST", "/v1/traces", &[JSON], marked).text, "{}", "the mark of Unicode before the text");
    assert_eq!(server.send("POST", "/v1/logs", &[JSON], b"{}".to_vec()).text, "{}", "nothing is nothing wrong");
}

#[test]
fn data_dropped_by_client_limits_is_counted_and_shown() {
    let server = Server::start();
    let mut cut = call(1, "00000000000000aa");
    cut["droppedAttributesCount"] = json!(7);
    cut["droppedEventsCount"] = json!("2");
    let answer = server.send("POST", "/v1/traces", &[JSON], traces(&[cut]));
    assert_eq!((answer.status, answer.text.as_str()), (200, "{}"), "nothing is rejected");
    assert_eq!(counted(&server, "client_dropped", "attribute_limit"), 7);
    assert_eq!(counted(&server, "client_dropped", "event_limit"), 2);
    let span = server.ask(&format!("/traces/{:032x}/spans/00000000000000aa", 1));
    assert_eq!(span["attributes"]["otel.dropped_attributes_count"], 7, "{span}");
}
