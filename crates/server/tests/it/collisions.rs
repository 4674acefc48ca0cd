//! IDs that one project chooses so that their hash equals that of another project's span: they must not read, change or suppress it.

use hinomi_model::id::{SpanId, TraceId};
use hinomi_store::{span_hash, trace_hash};
use serde_json::{Value, json};

use crate::envelopes::now;
use crate::server::{KEY, Server};

/// IDs of a span of project 1.
#[derive(Clone, Copy)]
struct Ids {
    trace: TraceId,
    span: SpanId,
}

/// Returns the IDs of a span in a trace of project 2 whose hash equals that of a span of project 1.
fn like(victim: Ids, trace: u128) -> Ids {
    let trace = TraceId(trace);
    let span = SpanId(trace_hash(2, trace) ^ trace_hash(1, victim.trace) ^ victim.span.0);
    assert_eq!(span_hash(2, trace, span), span_hash(1, victim.trace, victim.span), "collisions of this hash are computed in another way");
    Ids { trace, span }
}

fn nanos(seconds: f64) -> String {
    format!("{:.0}", seconds * 1e9)
}

fn call(ids: Ids, asked: &str) -> Vec<u8> {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let messages = json!([{ "role": "user", "parts": [{ "type": "text", "content": asked }] }]).to_string();
    let span = json!({
        "traceId": ids.trace.to_string(), "spanId": ids.span.to_string(), "name": "chat gpt-4o-mini",
        "startTimeUnixNano": nanos(now() - 1.0), "endTimeUnixNano": nanos(now() - 0.5),
        "attributes": [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "gpt-4o-mini"), text("gen_ai.input.messages", &messages)],
    });
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }).to_string().into_bytes()
}

/// Returns a message of a call as a separate log record.
fn message(ids: Ids) -> Vec<u8> {
    let record = json!({
        "traceId": ids.trace.to_string(), "spanId": ids.span.to_string(), "timeUnixNano": nanos(now() - 1.0),
        "eventName": "gen_ai.user.message",
        "body": { "kvlistValue": { "values": [{ "key": "content", "value": { "stringValue": "the piece" } }] } },
    });
    json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] }).to_string().into_bytes()
}

fn send(server: &Server, path: &str, key: &str, body: Vec<u8>) {
    let answer = server.send("POST", path, &[("content-type", "application/json"), ("x-hinomi-key", key)], body);
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn send_events(server: &Server, key: &str, event: &Value) {
    use base64::Engine;
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("pk:{key}")));
    let body = json!({ "batch": [event] }).to_string().into_bytes();
    let answer = server.send("POST", "/api/public/ingestion", &[("content-type", "application/json"), ("authorization", &basic)], body);
    assert_eq!((answer.status, answer.json()["errors"].as_array().map(Vec::len)), (207, Some(0)), "{}", answer.text);
}

/// Returns everything that a project shows of a span, and the list of its spans.
fn shown(server: &Server, project: u64, ids: Ids) -> (u16, String) {
    let span = server.get(&format!("/api/v1/projects/{project}/traces/{}/spans/{}", ids.trace, ids.span));
    let list = server.get(&format!("/api/v1/projects/{project}/spans?limit=100"));
    (span.status, span.text + &list.text)
}

#[test]
fn colliding_span_of_another_project_is_isolated() {
    let mut server = Server::start();
    let made = server.command(&["project", "create", "other"]).0;
    let other = made.split("//").nth(1).and_then(|rest| rest.split('@').next()).unwrap().to_owned();
    let key = KEY;
    let at = |seconds: i64| jiff::Timestamp::from_second(now() as i64 - 100 + seconds).unwrap().to_string();

    // One round in the memtable, one in a segment that was opened at a start.
    for round in 0..2u64 {
        let victim = Ids { trace: TraceId(0xfeed << 64 | u128::from(round + 1)), span: SpanId(round + 71) };
        let secret = format!("the secret of round {round}");
        send(&server, "/v1/traces", key, call(victim, &secret));
        let order = format!("order-{round}");
        let input = format!("the input of {order}");
        let trace = json!({ "id": format!("e{round}"), "type": "trace-create", "timestamp": at(1), "body": { "id": order, "name": order, "input": input } });
        send_events(&server, key, &trace);
        let found = server.ask(&format!("/traces/{order}"));
        let of = |field: &str| found["spans"][0][field].as_str().unwrap().to_owned();
        let root = Ids { trace: of("trace_id").parse().unwrap(), span: of("span_id").parse().unwrap() };
        // A span that is stored first must not suppress one that is sent later.
        let later = Ids { trace: TraceId(0xbeef << 64 | u128::from(round + 1)), span: SpanId(round + 91) };
        let squatter = like(later, 500 + u128::from(round));
        send(&server, "/v1/traces", &other, call(squatter, "the squatter"));
        if round == 1 {
            assert_eq!(server.stop(), Some(0));
            server.start_again();
        }

        let thief = like(victim, 100 + u128::from(round));
        send(&server, "/v1/logs", &other, message(thief));
        let (status, text) = shown(&server, 2, thief);
        assert!(status == 200 && text.contains("the piece"), "the sender's own is stored: {text}");
        assert!(!text.contains(&secret) && !text.contains(&victim.trace.to_string()), "{text}");
        let reader = like(root, 200 + u128::from(round));
        let event = json!({ "id": "e", "type": "generation-create", "timestamp": at(2), "body": {
            "id": reader.span.to_string(), "traceId": reader.trace.to_string(), "name": "x",
        } });
        send_events(&server, &other, &event);
        let (status, text) = shown(&server, 2, reader);
        assert!(status == 200 && !text.contains(&input), "{text}");
        for stolen in [victim, root] {
            assert_eq!(shown(&server, 2, stolen).0, 404);
            let (status, text) = shown(&server, 1, stolen);
            assert!(status == 200 && text.contains(&secret) && !text.contains("the piece"), "{text}");
        }

        send(&server, "/v1/traces", key, call(later, "sent later"));
        let (status, text) = shown(&server, 1, later);
        assert!(status == 200 && text.contains("sent later"), "round {round}: {text}");
        assert!(shown(&server, 2, squatter).1.contains("the squatter"));
        // A duplicate is recognized in each project.
        send(&server, "/v1/traces", key, call(later, "again"));
        send(&server, "/v1/traces", &other, call(squatter, "again"));
        assert!(!shown(&server, 1, later).1.contains("again") && !shown(&server, 2, squatter).1.contains("again"));
    }
}
