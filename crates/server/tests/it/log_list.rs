//! The list of log lines, and traces of which only errors or log lines have arrived.

use serde_json::{Value, json};

use crate::envelopes::{now, of_item};
use crate::server::Server;

const JSON: (&str, &str) = ("content-type", "application/json");
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn nanos(seconds: f64) -> String {
    format!("{:.0}", seconds * 1e9)
}

fn record(seconds: f64, severity: u8, body: &str, more: Value) -> Value {
    let mut record = json!({ "timeUnixNano": nanos(seconds), "severityNumber": severity, "body": { "stringValue": body } });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

fn send_logs(server: &Server, records: &[Value]) {
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "scope": { "name": "shop" }, "logRecords": records }] }] }).to_string();
    let sent = server.send("POST", "/v1/logs", &[JSON], body.into_bytes());
    assert_eq!((sent.status, sent.text.as_str()), (200, "{}"));
}

fn bodies(page: &Value) -> Vec<&str> {
    page["logs"].as_array().unwrap().iter().map(|line| line["body"].as_str().unwrap()).collect()
}

#[test]
fn log_lines_are_listed_filtered_and_linked() {
    let mut server = Server::start();
    let start = now() - 60.0;
    let in_trace = json!({ "traceId": TRACE, "spanId": SPAN });
    let tenant = json!({ "attributes": [{ "key": "tenant", "value": { "stringValue": "acme" } }, { "key": "user.id", "value": { "stringValue": "u7" } }] });
    send_logs(
        &server,
        &[
            record(start, 9, "started", json!({})),
            record(start + 1.0, 13, "stock is low", tenant),
            record(start + 2.0, 17, "payment failed", in_trace.clone()),
            record(start + 30.0, 17, "payment failed again", in_trace),
        ],
    );
    let event = json!({ "timestamp": start + 2.1, "level": "error", "contexts": { "trace": { "trace_id": TRACE, "span_id": SPAN } },
        "exception": { "values": [{ "type": "PaymentError", "value": "declined" }] } });
    assert_eq!(server.envelope(of_item("event", &event)).status, 200);
    server.restart();

    let page = server.ask("/logs");
    assert_eq!(bodies(&page), ["payment failed again", "payment failed", "stock is low", "started"]);
    assert_eq!(page["next_cursor"], Value::Null);
    let issue = &server.ask("/issues")["issues"][0]["issue_id"];
    let lines = page["logs"].as_array().unwrap();
    assert_eq!((&lines[1]["issue_id"], &lines[0]["issue_id"], &lines[2]["issue_id"]), (issue, &Value::Null, &Value::Null));
    assert_eq!((&lines[1]["trace_id"], &lines[1]["span_id"], &lines[1]["level"]), (&json!(TRACE), &json!(SPAN), &json!("error")));
    assert_eq!((&lines[3]["trace_id"], &lines[3]["level"]), (&Value::Null, &json!("info")));

    for (query, wanted) in [
        ("q=level:error,fatal", vec!["payment failed again", "payment failed"]),
        ("q=STOCK", vec!["stock is low"]),
        ("q=attr.tenant:acme", vec!["stock is low"]),
        ("q=user:u7", vec!["stock is low"]),
        ("q=-trace:*&sort=time", vec!["started", "stock is low"]),
        (&format!("q=trace:{TRACE}+again"), vec!["payment failed again"]),
        (&format!("q=trace:{TRACE}&from={}&to={}", start, start + 10.0), vec!["payment failed"]),
    ] {
        assert_eq!(bodies(&server.ask(&format!("/logs?{query}"))), wanted, "{query}");
    }
    let first = server.ask("/logs?limit=3");
    let next = server.ask(&format!("/logs?limit=3&cursor={}", first["next_cursor"].as_str().unwrap()));
    assert_eq!((bodies(&first).len(), bodies(&next)), (3, vec!["started"]));

    for (query, said) in [("q=model:x", "level trace span body"), ("sort=level", "time"), ("cursor=x", "cursor"), ("limit=0", "limit")] {
        let answer = server.get(&format!("/api/v1/projects/1/logs?{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
        assert!(answer.text.contains(said), "{query}: {}", answer.text);
    }
}

#[test]
fn a_trace_of_errors_or_log_lines_alone_has_a_page() {
    let server = Server::start();
    let start = now() - 60.0;
    let event = json!({ "timestamp": start, "contexts": { "trace": { "trace_id": TRACE, "span_id": SPAN } },
        "exception": { "values": [{ "type": "PaymentError", "value": "declined" }] } });
    assert_eq!(server.envelope(of_item("event", &event)).status, 200);
    send_logs(&server, &[record(start + 2.0, 13, "retrying\nlater", json!({ "traceId": TRACE }))]);
    let other = "5bf92f3577b34da6a3ce929d0e0e4736";
    send_logs(&server, &[record(start + 3.0, 9, "hello\nworld", json!({ "traceId": other }))]);

    let found = server.ask(&format!("/traces/{TRACE}"));
    assert_eq!((found["spans"].as_array().unwrap().len(), found["errors"].as_array().unwrap().len()), (0, 1));
    assert_eq!((&found["log_count"], &found["trace"]["root_span_id"]), (&json!(1), &Value::Null));
    let trace = &found["trace"];
    assert_eq!((&trace["name"], &trace["status"], &trace["error_count"]), (&json!("PaymentError"), &json!("error"), &json!(1)));
    assert_eq!((&trace["span_count"], &trace["llm_calls"], &trace["trace_id"]), (&json!(0), &json!(0), &json!(TRACE)));
    assert!((trace["duration_ms"].as_f64().unwrap() - 2000.0).abs() < 1.0, "{trace}");

    let found = server.ask(&format!("/traces/{other}"));
    assert_eq!((&found["trace"]["name"], &found["trace"]["status"], &found["log_count"]), (&json!("hello"), &json!("ok"), &json!(1)));
    assert_eq!(server.get(&format!("/api/v1/projects/1/traces/{}", "9".repeat(32))).status, 404);
}
