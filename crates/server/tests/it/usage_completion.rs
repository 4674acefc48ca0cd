//! Agents whose sum counts, and calls that a fetched response completes, once their trace is quiet.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::envelopes::now;
use crate::server::{KEY, Server};

/// Sends spans of a trace: ID, ID of the parent, operation, further attributes.
fn send(server: &Server, trace: u128, spans: &[(u64, u64, &str, Value)]) {
    let start_ns = ((now() - 5.0) * 1e9) as u64;
    let span = |(id, parent, operation, more): &(u64, u64, &str, Value)| {
        let mut named = vec![("gen_ai.operation.name".to_owned(), json!(operation)), ("gen_ai.provider.name".to_owned(), json!("openai"))];
        named.extend(more.as_object().unwrap().clone());
        let attribute = |(name, value): (String, Value)| {
            let value = if value.is_number() { json!({ "intValue": value }) } else { json!({ "stringValue": value }) };
            json!({ "key": name, "value": value })
        };
        json!({
            "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"), "parentSpanId": if *parent == 0 { String::new() } else { format!("{parent:016x}") },
            "name": operation, "startTimeUnixNano": (start_ns + id * 1000).to_string(), "endTimeUnixNano": (start_ns + id * 2000).to_string(),
            "attributes": named.into_iter().map(attribute).collect::<Vec<_>>(),
        })
    };
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] });
    let key = format!("Bearer {KEY}");
    let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
    assert_eq!(server.send("POST", "/v1/traces", &headers, body.to_string().into_bytes()).status, 200);
}

fn agent(id: u64, input: u64) -> (u64, u64, &'static str, Value) {
    (id, 0, "invoke_agent", json!({ "gen_ai.agent.name": "helper", "gen_ai.usage.input_tokens": input, "gen_ai.usage.output_tokens": 100 }))
}

fn call(id: u64, parent: u64, more: &Value) -> (u64, u64, &'static str, Value) {
    let mut attributes = json!({ "gen_ai.request.model": "gpt-4o" });
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (id, parent, "chat", attributes)
}

/// Waits until a trace has this number of input tokens. Returns its totals.
fn totals_with(server: &Server, trace: u128, input: u64) -> Value {
    let started = Instant::now();
    loop {
        let summary = server.ask(&format!("/traces/{trace:032x}"))["trace"].clone();
        if summary["input_tokens"] == json!(input) {
            return summary;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{summary} {}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn quick_server() -> Server {
    Server::start_with(&[("HINOMI_INGEST_QUIET_TRACE_S", "1")])
}

#[test]
fn the_sum_of_an_agent_counts_only_where_no_call_below_reports_usage() {
    let server = quick_server();
    send(&server, 1, &[agent(1, 1000), call(2, 1, &json!({})), call(3, 1, &json!({}))]);
    send(&server, 2, &[agent(1, 1000)]);
    send(&server, 2, &[call(2, 1, &json!({ "gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 5 })), call(3, 1, &json!({}))]);

    let completed = totals_with(&server, 1, 1000);
    assert_eq!((&completed["llm_calls"], &completed["output_tokens"], &completed["cost"]), (&json!(2), &json!(100), &json!(0.0035)));
    let span = |trace: u128, id: u64| server.ask(&format!("/traces/{trace:032x}/spans/{id:016x}"));
    let agent_span = span(1, 1);
    assert_eq!(
        (&agent_span["counted"], &agent_span["exclusion"], &agent_span["cost"]["total"]),
        (&json!(true), &Value::Null, &json!(0.0035))
    );
    assert_eq!(span(1, 3)["usage"]["input_tokens"], Value::Null, "the calls below stay as they were sent");
    // The second trace has been quiet as long as the first.
    assert_eq!(totals_with(&server, 2, 900)["output_tokens"], json!(5));
    assert_eq!(span(2, 1)["exclusion"]["kind"], "sum_of_calls");
    let summary = server.ask("/summary?from=-1h");
    assert_eq!((&summary["llm_calls"], &summary["input_tokens"], &summary["output_tokens"]), (&json!(4), &json!(1900), &json!(105)));
    // A call that reports its usage late is counted in place of the agent.
    send(&server, 1, &[call(4, 1, &json!({ "gen_ai.usage.input_tokens": 800, "gen_ai.usage.output_tokens": 8 }))]);
    assert_eq!(totals_with(&server, 1, 800)["llm_calls"], json!(3));
    assert_eq!(span(1, 1)["exclusion"]["kind"], "sum_of_calls");
    // An agent without any call counts too, but is no call.
    send(&server, 3, &[agent(1, 700)]);
    let alone = totals_with(&server, 3, 700);
    assert_eq!((&alone["llm_calls"], &alone["output_tokens"]), (&json!(0), &json!(100)));
}

#[test]
fn a_killed_server_completes_the_calls_after_its_restart() {
    let mut server = Server::start_with(&[("HINOMI_INGEST_QUIET_TRACE_S", "600")]);
    send(&server, 1, &[agent(1, 1000), call(2, 1, &json!({}))]);
    server.set("HINOMI_INGEST_QUIET_TRACE_S", "1");
    server.restart();
    totals_with(&server, 1, 1000);
    server.restart();
    assert_eq!(totals_with(&server, 1, 1000)["output_tokens"], json!(100), "once");
}

#[test]
fn a_fetched_response_completes_its_call_and_is_none_itself() {
    let server = quick_server();
    let usage = json!({ "gen_ai.response.id": "resp_1", "gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 7 });
    send(&server, 1, &[call(1, 0, &json!({ "gen_ai.response.id": "resp_1" }))]);
    send(&server, 1, &[(2, 0, "fetch_response", usage.clone()), (3, 0, "fetch_response", usage)]);
    let totals = totals_with(&server, 1, 50);
    assert_eq!((&totals["llm_calls"], &totals["output_tokens"]), (&json!(1), &json!(7)));
    let exclusion = server.ask(&format!("/traces/{:032x}/spans/{:016x}", 1, 2))["exclusion"].clone();
    assert_eq!((&exclusion["kind"], &exclusion["span_id"]), (&json!("fetched_response"), &json!(format!("{:016x}", 1))));
}
