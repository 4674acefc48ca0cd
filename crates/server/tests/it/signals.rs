//! Metrics, log lines and exceptions: stored once, shown where they belong, not part of any total of spans.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::captures::{replay, requests};
use crate::envelopes::{now, of_item};
use crate::ingest::counted;
use crate::server::{KEY, Server};

const JSON: (&str, &str) = ("content-type", "application/json");
const BINARY: (&str, &str) = ("content-type", "application/x-protobuf");

fn capture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures").join(case)
}

fn nanos(seconds: f64) -> String {
    format!("{:.0}", seconds * 1e9)
}

fn of_category(server: &Server, outcome: &str, category: &str) -> u64 {
    let rows = server.ask("/outcomes")["outcomes"].as_array().unwrap().clone();
    rows.iter().filter(|row| row["outcome"] == outcome && row["category"] == category).map(|row| row["quantity"].as_u64().unwrap()).sum()
}

/// Returns the key and the total of each line.
fn totals(drawn: &Value, measure: &str) -> Vec<(Option<String>, f64)> {
    let groups = drawn["measures"][measure].as_array().unwrap_or_else(|| panic!("{drawn}"));
    groups.iter().map(|group| (group["key"].as_str().map(str::to_owned), group["total"].as_f64().unwrap())).collect()
}

#[test]
fn metrics_of_real_clients_are_stored_once_and_not_in_totals() {
    let mut server = Server::start();
    let cases = ["claude-code/json-prompt", "codex/all-signals", "otel-openai-v2/chat", "logfire/pydantic-ai-agent", "traceloop/workflow"];
    let all: Vec<PathBuf> = cases.iter().flat_map(|case| requests(&capture(case))).collect();
    all.iter().for_each(|request| replay(&server, request));
    let sums = server.ask("/summary");
    let stored = of_category(&server, "accepted", "trace_metric");
    assert!(stored > 150, "{}", server.ask("/outcomes"));
    assert_eq!(of_category(&server, "dropped", "trace_metric"), 0, "{}", server.ask("/outcomes"));

    let check = |server: &Server| {
        let metrics = server.ask("/metrics?from=-30d")["metrics"].as_array().unwrap().clone();
        let of = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("{name}")).clone();
        let tokens = of("claude_code.token.usage");
        assert_eq!((&tokens["kind"], &tokens["unit"], &tokens["temporality"]), (&json!("counter"), &json!("tokens"), &json!(["delta"])));
        assert!(tokens["attributes"].as_array().unwrap().contains(&json!("model")), "{tokens}");
        assert!(tokens["reporter_attributes"].as_array().unwrap().contains(&json!("service.version")), "{tokens}");
        let by_type = server.ask("/metrics/series?name=claude_code.token.usage&bucket=1d&group_by=type&from=-30d");
        let wanted = [("cacheRead", 2048.0), ("cacheCreation", 512.0), ("output", 64.0), ("input", 25.0)];
        assert_eq!(totals(&by_type, "increase"), wanted.map(|(key, total)| (Some(key.to_owned()), total)));
        let cost = server.ask("/metrics/series?name=claude_code.cost.usage&bucket=1d&from=-30d&measure=increase");
        assert!((totals(&cost, "increase")[0].1 - 0.0035694).abs() < 1e-9, "{cost}");
        // Cumulative, explicit buckets: one call of a known duration.
        let duration = of("gen_ai.client.operation.duration");
        assert_eq!((&duration["kind"], &duration["unit"]), (&json!("histogram"), &json!("s")));
        let drawn = server.ask("/metrics/series?name=gen_ai.client.operation.duration&bucket=1d&from=-30d&measure=count,p95,mean");
        assert!(totals(&drawn, "count")[0].1 >= 1.0 && totals(&drawn, "p95")[0].1 > 0.0, "{drawn}");
        // Exponential buckets.
        let drawn = server.ask("/metrics/series?name=operation.cost&bucket=1d&from=-30d&measure=sum,p50");
        assert!(totals(&drawn, "sum")[0].1 > 0.0 && totals(&drawn, "p50")[0].1 > 0.0, "{drawn}");
        assert!(of("codex.turn.e2e_duration_ms")["measures"].as_array().unwrap().contains(&json!("p95")));
    };
    check(&server);
    server.restart();
    check(&server);
    all.iter().for_each(|request| replay(&server, request));
    check(&server);
    assert_eq!(of_category(&server, "duplicate", "trace_metric"), stored);
    assert_eq!(server.ask("/summary"), sums, "metrics are in no sum");
}

#[test]
fn metrics_of_sentry_sdks_are_stored_once() {
    let server = Server::start();
    let now = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
    let point = |name: &str, kind: &str, value: Value| {
        let attributes = json!({ "queue": { "value": "mail", "type": "string" }, "sentry.release": { "value": "1.2", "type": "string" } });
        json!({ "timestamp": now, "trace_id": "a".repeat(32), "name": name, "type": kind, "value": value, "unit": "none", "attributes": attributes })
    };
    // Two equal points within one millisecond are two points.
    let items = json!([
        point("jobs", "counter", json!(2)),
        point("jobs", "counter", json!(2)),
        point("depth", "gauge", json!(7.5)),
        point("took", "distribution", json!(100)),
        point("took", "distribution", json!(300)),
        point("odd", "set", json!(1)),
        point("jobs", "counter", json!("many")),
    ]);
    let body = json!({ "items": items }).to_string();
    let head = json!({ "type": "trace_metric", "item_count": 7, "content_type": "application/vnd.sentry.items.trace-metric+json", "length": body.len() });
    let envelope = format!("{{}}\n{head}\n{body}\n");
    for _ in 0..2 {
        assert_eq!(server.envelope(envelope.clone()).status, 200);
    }
    let outcomes = server.ask("/outcomes");
    assert_eq!(of_category(&server, "accepted", "trace_metric"), 5, "{outcomes}");
    assert_eq!(of_category(&server, "duplicate", "trace_metric"), 5, "{outcomes}");
    assert_eq!(of_category(&server, "dropped", "trace_metric"), 4, "{outcomes}");
    let drawn = |name: &str, measure: &str| {
        let asked = server.ask(&format!("/metrics/series?name={name}&bucket=1d&from=-1d&measure={measure}&group_by=queue"));
        totals(&asked, measure)
    };
    assert_eq!(drawn("jobs", "increase"), [(Some("mail".to_owned()), 4.0)]);
    assert_eq!(drawn("took", "count")[0].1, 2.0);
    assert!((290.0..=310.0).contains(&drawn("took", "p95")[0].1), "{:?}", drawn("took", "p95"));
}

#[test]
fn invalid_metric_queries_are_explained() {
    let server = Server::start();
    replay(&server, &capture("claude-code/json-prompt/req-02"));
    let get = |path: &str| server.get(&format!("/api/v1/projects/1{path}"));
    let cases = [
        ("/metrics/series?name=nothing", 404, "/metrics"),
        ("/metrics/series?name=claude_code.token.usage&measure=p95", 400, "increase rate"),
        ("/metrics/series?name=claude_code.token.usage&group_by=color", 400, "model"),
        ("/metrics/series?name=claude_code.token.usage&bucket=2h", 400, "1h"),
        ("/metrics/series?name=claude_code.token.usage&bucket=1m&from=2020-01-01T00:00:00Z", 400, "shorter time range"),
        ("/metrics/series", 400, "name"),
        ("/metrics?filter=x", 400, "from to"),
    ];
    for (path, status, said) in cases {
        let answer = get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(answer.text.contains(said), "{path}: {}", answer.text);
    }
    let (other, _, _) = server.command(&["token", "create"]);
    assert_eq!(server.get_as("/api/v1/projects/2/metrics", other.trim()).status, 404);
}

#[test]
fn logs_are_shown_with_their_spans() {
    let mut server = Server::start();
    let case = capture("sentry-python-2.75/logs");
    let expect: Value = serde_json::from_slice(&std::fs::read(case.join("expect.json")).unwrap()).unwrap();
    let trace = expect["traces"][0]["trace_id"].as_str().unwrap().to_owned();
    requests(&case).iter().for_each(|request| replay(&server, request));
    let records: Vec<Value> = (0..3)
        .map(|at| {
            json!({ "traceId": trace, "spanId": "00000000000000aa", "timeUnixNano": nanos(now() + f64::from(at)), "severityNumber": 17,
                "body": { "stringValue": format!("later {at}") }, "attributes": [{ "key": "n", "value": { "intValue": at } }] })
        })
        .collect();
    let nowhere = json!({ "timeUnixNano": nanos(now()), "body": { "stringValue": "in no trace" } });
    let records = [records, vec![nowhere]].concat();
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "scope": { "name": "shop" }, "logRecords": records }] }] }).to_string();
    for _ in 0..2 {
        let answer = server.send("POST", "/v1/logs", &[JSON], body.clone().into_bytes());
        assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    }
    assert_eq!((of_category(&server, "accepted", "log_item"), of_category(&server, "duplicate", "log_item")), (8, 4));
    server.restart();
    let found = server.ask(&format!("/traces/{trace}"));
    assert_eq!(found["log_count"], 7, "{found}");
    let logs = server.ask(&format!("/traces/{trace}/logs"));
    let bodies: Vec<&str> = logs["logs"].as_array().unwrap().iter().map(|line| line["body"].as_str().unwrap()).collect();
    let wanted = expect["log_messages"].as_array().unwrap().iter().map(|body| body.as_str().unwrap());
    assert_eq!(bodies, wanted.chain(["later 0", "later 1", "later 2"]).collect::<Vec<_>>());
    let first = &logs["logs"][0];
    assert_eq!((first["level"].as_str(), first["span_id"].as_str()), (Some("info"), Some("9e18f024926a6555")));
    assert_eq!(first["attributes"]["logger.name"], "shop.assistant");
    let page = server.ask(&format!("/traces/{trace}/logs?limit=5"));
    let next = server.ask(&format!("/traces/{trace}/logs?limit=5&cursor={}", page["next_cursor"].as_str().unwrap()));
    assert_eq!((next["logs"].as_array().unwrap().len(), &next["next_cursor"]), (2, &Value::Null));
    assert_eq!(server.get(&format!("/api/v1/projects/1/traces/{trace}/logs?cursor=x")).status, 400);
    assert_eq!(server.ask("/summary")["llm_calls"], 1, "lines are no calls");
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Returns a failing span with its exception.
fn failing(trace: u128, span: u64, parent: u64, at: f64) -> Value {
    let stack = "Traceback (most recent call last):\n  File \"/app/shop.py\", line 9, in pay\n    ask()\nopenai.RateLimitError: slow down";
    let attributes = [
        attribute("exception.type", "openai.RateLimitError"),
        attribute("exception.message", "slow down"),
        attribute("exception.stacktrace", stack),
    ];
    let parent = if parent == 0 { String::new() } else { format!("{parent:016x}") };
    json!({
        "traceId": format!("{trace:032x}"), "spanId": format!("{span:016x}"), "parentSpanId": parent, "name": format!("step {span}"),
        "startTimeUnixNano": nanos(at - 1.0), "endTimeUnixNano": nanos(at), "status": { "code": "STATUS_CODE_ERROR" },
        "events": [{ "name": "exception", "timeUnixNano": nanos(at), "attributes": attributes }],
    })
}

#[test]
fn exceptions_are_issues_and_count_once() {
    let server = Server::start();
    let at = now() - 5.0;
    let send = |spans: &[Value]| {
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] }).to_string();
        assert_eq!(server.send("POST", "/v1/traces", &[JSON], body.into_bytes()).status, 200);
    };
    // An exception passes through three spans, the inner two in a separate request; then everything is sent once more.
    send(&[failing(1, 3, 2, at), failing(1, 2, 1, at + 0.001)]);
    send(&[failing(1, 1, 0, at + 0.002)]);
    send(&[failing(1, 3, 2, at), failing(1, 2, 1, at + 0.001), failing(1, 1, 0, at + 0.002)]);
    // The same exception in another trace belongs to the same issue.
    send(&[failing(2, 3, 0, at)]);
    let issues = server.ask("/issues")["issues"].as_array().unwrap().clone();
    assert_eq!(issues.len(), 1, "{issues:?}");
    let issue = &issues[0];
    assert_eq!((issue["type"].as_str(), issue["count"].as_u64()), (Some("RateLimitError"), Some(2)));
    assert_eq!(issue["culprit"], "pay in /app/shop.py");
    let found = server.ask(&format!("/traces/{:032x}", 1));
    assert_eq!((found["trace"]["error_count"].as_u64(), found["errors"][0]["span_id"].as_str()), (Some(1), Some("0000000000000003")));
    assert_eq!((counted(&server, "duplicate", "same_error"), counted(&server, "duplicate", "duplicate")), (2, 6));

    // Sentry's SDK, used together with OpenTelemetry, reports more details of the same error.
    let event = json!({
        "event_id": "ab".repeat(16), "timestamp": at + 0.1, "level": "error",
        "contexts": { "trace": { "trace_id": format!("{:032x}", 2), "span_id": format!("{:016x}", 9) } },
        "exception": { "values": [{ "type": "RateLimitError", "value": "slow down", "module": "openai",
            "stacktrace": { "frames": [{ "function": "pay", "filename": "shop.py", "module": "shop", "in_app": true }] } }] },
    });
    assert_eq!(server.envelope(of_item("event", &event)).status, 200);
    send(&[failing(2, 3, 0, at)]);
    let found = server.ask(&format!("/traces/{:032x}", 2));
    assert_eq!((found["trace"]["error_count"].as_u64(), found["errors"][0]["event_id"].as_str()), (Some(1), Some(&*"ab".repeat(16))));
    // A log record with an exception in a trace that has nothing else.
    let record = json!({ "traceId": format!("{:032x}", 3), "timeUnixNano": nanos(at), "severityText": "ERROR",
        "attributes": [attribute("exception.type", "KeyError"), attribute("exception.message", "'a'")] });
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] }).to_string();
    assert_eq!(server.send("POST", "/v1/logs", &[JSON], body.into_bytes()).status, 200);
    assert_eq!(server.ask("/issues")["issues"].as_array().unwrap().iter().filter(|issue| issue["type"] == "KeyError").count(), 1);
}

#[test]
fn span_with_messages_only_is_marked_partial() {
    let server = Server::start();
    let (trace, span) = (format!("{:032x}", 7), "00000000000000aa");
    let message = json!({ "traceId": trace, "spanId": span, "timeUnixNano": nanos(now() - 1.0), "eventName": "gen_ai.user.message",
        "body": { "kvlistValue": { "values": [attribute("content", "why?")] } } });
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [message] }] }] }).to_string();
    assert_eq!(server.send("POST", "/v1/logs", &[JSON], body.into_bytes()).status, 200);
    let incomplete = |server: &Server| server.ask(&format!("/traces/{trace}"))["spans"][0]["incomplete"].clone();
    assert_eq!(incomplete(&server), true);
    assert_eq!(server.ask(&format!("/traces/{trace}/spans/{span}"))["incomplete"], true);
    let call = json!({ "traceId": trace, "spanId": span, "name": "chat", "startTimeUnixNano": nanos(now() - 2.0), "endTimeUnixNano": nanos(now()) });
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [call] }] }] }).to_string();
    assert_eq!(server.send("POST", "/v1/traces", &[JSON], body.into_bytes()).status, 200);
    assert_eq!(incomplete(&server), false);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_signal_on_every_path_in_every_encoding() {
    let server = Server::start();
    let body = |signal: &str, number: u64| {
        let at = nanos(now());
        let (trace, span) = (format!("{number:032x}"), format!("{number:016x}"));
        match signal {
            "traces" => json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [
                { "traceId": trace, "spanId": span, "name": "x", "startTimeUnixNano": at, "endTimeUnixNano": at }] }] }] }),
            "logs" => json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [
                { "traceId": trace, "spanId": span, "timeUnixNano": at, "body": { "stringValue": "x" } }] }] }] }),
            _ => json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [
                { "name": "m", "sum": { "isMonotonic": true, "aggregationTemporality": 1, "dataPoints": [
                    { "timeUnixNano": at, "asInt": "1", "attributes": [attribute("n", &span)] }] } }] }] }] }),
        }
        .to_string()
        .into_bytes()
    };
    let key = ("x-hinomi-key", KEY);
    let mut number = 0;
    for base in ["/v1", "/api/1/integration/otlp/v1", "/api/public/otel/v1"] {
        for signal in ["traces", "logs", "metrics"] {
            for (slash, encoding) in [("", ""), ("/", "gzip"), ("", "zstd")] {
                number += 1;
                let plain = body(signal, number);
                let packed = match encoding {
                    "gzip" => gzip(&plain),
                    "zstd" => zstd::encode_all(&plain[..], 3).unwrap(),
                    _ => plain,
                };
                let headers = if encoding.is_empty() { vec![JSON, key] } else { vec![JSON, key, ("content-encoding", encoding)] };
                let path = format!("{base}/{signal}{slash}");
                let answer = server.send("POST", &path, &headers, packed);
                assert_eq!((answer.status, answer.text.as_str()), (200, "{}"), "{path} {encoding}");
            }
        }
    }
    for category in ["span", "log_item", "trace_metric"] {
        assert_eq!(of_category(&server, "accepted", category), 9, "{category}");
    }
    assert_eq!(totals(&server.ask("/metrics/series?name=m&bucket=1d"), "increase"), [(None, 9.0)]);
}

#[test]
fn invalid_input_does_not_affect_others() {
    let server = Server::start();
    let (start, end) = (nanos(now() - 1.0), nanos(now()));
    let span = |trace: &str, id: &str, more: Value| {
        let mut span = json!({ "traceId": trace, "spanId": id, "name": "x", "startTimeUnixNano": start, "endTimeUnixNano": end });
        span.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        span
    };
    let hex = format!("{:032x}", 5);
    let many: Vec<Value> = (0..5_000).map(|at| attribute(&format!("key.{at}"), "value")).collect();
    // Stored, each in a different form.
    let good = [
        span(&hex, "0000000000000001", json!({ "kind": "SPAN_KIND_CLIENT", "status": { "code": "STATUS_CODE_ERROR" } })),
        span("AAAAAAAAAAAAAAAAAAAABQ==", "AAAAAAAAAAI=", json!({ "kind": 3, "unknown": { "deep": [1] } })),
        span(&hex.to_uppercase(), "0000000000000003", json!({ "startTimeUnixNano": end, "endTimeUnixNano": start })),
        span(&hex, "0000000000000004", json!({ "startTimeUnixNano": 0 })),
        span(&hex, "0000000000000005", json!({ "attributes": many })),
        span(&hex, "0000000000000006", json!({ "attributes": "none", "events": 7, "links": [{}], "parentSpanId": "0000000000000006" })),
        span(&hex, "0000000000000008", json!({ "startTimeUnixNano": 0, "endTimeUnixNano": "0" })),
        span(&hex, "0000000000000009", json!({ "startTimeUnixNano": 1, "endTimeUnixNano": 2 })),
        span(&hex, "000000000000000a", json!({ "endTimeUnixNano": "18446744073709551615" })),
    ];
    // Not stored, each with its reason.
    let bad = [
        (span(&"0".repeat(32), "0000000000000007", json!({})), "invalid_trace_id"),
        (span("zz", "0000000000000007", json!({})), "invalid_trace_id"),
        (span(&hex, &"0".repeat(16), json!({})), "invalid_span_id"),
        (span(&hex, "0000000000000007", json!({ "startTimeUnixNano": nanos(1e9), "endTimeUnixNano": nanos(1e9 + 1.0) })), "too_old"),
        (json!([1]), "invalid_json"),
    ];
    let spans: Vec<&Value> = good.iter().chain(bad.iter().map(|(span, _)| span)).collect();
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }], "schemaUrl": 7 }, null], "more": {} }).to_string();
    let answer = server.send("POST", "/v1/traces", &[JSON], body.into_bytes());
    assert_eq!((answer.status, answer.json()["partialSuccess"]["rejectedSpans"].as_str()), (200, Some("5")), "{}", answer.text);
    for (_, reason) in &bad {
        let of_reason = bad.iter().filter(|(_, other)| other == reason).count() as u64;
        assert_eq!(counted(&server, "dropped", reason), of_reason, "{reason}");
    }
    let spans = server.ask(&format!("/traces/{hex}"))["spans"].as_array().unwrap().clone();
    assert_eq!(spans.len(), good.len());
    let of = |id: &str| spans.iter().find(|span| span["span_id"] == id).unwrap_or_else(|| panic!("{id}")).clone();
    assert_eq!(of("0000000000000001")["status"], "error");
    assert_eq!(of("0000000000000003")["duration_ms"], Value::Null, "what ends before it starts has no known length");
    assert_eq!(of("0000000000000004")["duration_ms"], Value::Null, "and neither has what tells one time");
    for (id, from) in [("0000000000000008", "received_at"), ("0000000000000009", "received_at"), ("000000000000000a", "start_time")] {
        let timed = server.ask(&format!("/traces/{hex}/spans/{id}"));
        let fields = timed["explanation"]["fields"].as_array().unwrap();
        let end = fields.iter().find(|field| field["field"] == "end_time").unwrap_or_else(|| panic!("{timed}"));
        assert_eq!(
            (end["source"]["kind"].as_str(), end["inferred"].as_bool(), timed["duration_ms"].as_f64()),
            (Some(from), Some(true), None),
            "{id}"
        );
    }
    let percentiles = server.ask("/summary?from=-1h");
    assert!(percentiles["duration_ms"]["p99"].as_f64().is_none_or(|ms| ms < 10_000.0), "{percentiles}");
    let whole = server.ask(&format!("/traces/{hex}/spans/0000000000000005"));
    assert_eq!(whole["attributes"].as_object().unwrap().len(), 5_000);

    // An incomplete protobuf message is rejected as a whole: nobody knows what is missing.
    let body = std::fs::read(capture("otel-openai-v2/chat/req-01/body.decoded")).unwrap();
    let half = server.send("POST", "/v1/logs", &[BINARY], body[..body.len() / 2].to_vec());
    assert_eq!((half.status, half.header("content-type")), (400, BINARY.1));
    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
        for content_type in ["text/plain", "", "application/grpc+json"] {
            assert_eq!(server.send("POST", path, &[("content-type", content_type)], b"{}".to_vec()).status, 415, "{path} {content_type:?}");
        }
        assert_eq!(server.send("POST", path, &[JSON], Vec::new()).status, 400, "{path}: no body is no JSON");
        assert_eq!(server.send("POST", path, &[BINARY], Vec::new()).status, 200, "{path}: an empty message is one");
        assert_eq!(server.get(path).status, 405, "{path}");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn large_requests_are_accepted_up_to_a_reported_limit() {
    let server = Server::start();
    let (start, end) = (nanos(now() - 1.0), nanos(now()));
    let text = "x".repeat(2_000);
    let spans: Vec<Value> = (1..=9_000u64)
        .map(|id| {
            json!({ "traceId": format!("{:032x}", 1 + id % 100), "spanId": format!("{id:016x}"), "name": "x", "startTimeUnixNano": start,
                "endTimeUnixNano": end, "attributes": [attribute("text", &text)] })
        })
        .collect();
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] }).to_string().into_bytes();
    assert!(body.len() > 20_000_000, "{}", body.len());
    let answer = server.send("POST", "/v1/traces", &[JSON], body);
    assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    assert_eq!(server.ask("/summary")["spans"], 9_000);
    let bomb = gzip(&vec![b' '; 300 << 20]);
    let answer = server.send("POST", "/v1/traces", &[JSON, ("content-encoding", "gzip")], bomb);
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert!(answer.json()["message"].as_str().unwrap().contains("bytes"), "{}", answer.text);
    assert_eq!(counted(&server, "refused", "too_large"), 1);
}
