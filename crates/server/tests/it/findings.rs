//! Findings: faults of a run are shown with its trace.

use serde_json::{Value, json};

use crate::alerts::eventually;
use crate::server::{KEY, Server};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends an agent that calls a tool as often as said; `result` gives the result of each call.
fn send_run(server: &Server, trace: u8, calls: u8, result: impl Fn(u8) -> String) {
    let now = (crate::envelopes::now() * 1e9) as u64 - 60_000_000_000;
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let span = |number: u8, parent: Option<u8>, name: &str, attributes: Value| {
        json!({
            "traceId": format!("{trace:032x}"), "spanId": format!("{number:016x}"), "parentSpanId": parent.map(|parent| format!("{parent:016x}")),
            "name": name, "startTimeUnixNano": (now + u64::from(number) * 100_000_000).to_string(),
            "endTimeUnixNano": (now + u64::from(number) * 100_000_000 + 50_000_000).to_string(), "attributes": attributes,
        })
    };
    let mut spans = vec![span(
        1,
        None,
        "invoke_agent helper",
        json!([text("gen_ai.operation.name", "invoke_agent"), text("gen_ai.agent.name", "helper")]),
    )];
    for call in 0..calls {
        // The model asks for each call.
        let chat = json!([text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "gpt-4o")]);
        spans.push(span(100 + 2 * call, Some(1), "chat gpt-4o", chat));
        let attributes = json!([
            text("gen_ai.operation.name", "execute_tool"),
            text("gen_ai.tool.name", "search_flights"),
            text("gen_ai.tool.call.arguments", "{\"to\": \"HND\", \"day\": 3}"),
            text("gen_ai.tool.call.result", &result(call)),
        ]);
        spans.push(span(101 + 2 * call, Some(1), "execute_tool search_flights", attributes));
    }
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] }).to_string().into_bytes();
    assert_eq!(server.send("POST", "/v1/traces", &[JSON, ("x-hinomi-key", KEY)], body).status, 200);
}

fn kinds(server: &Server, trace: u8) -> Vec<String> {
    let found = server.ask(&format!("/traces/{trace:032x}"));
    found["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_loop_is_found_and_polling_is_none() {
    let server = Server::start();
    send_run(&server, 1, 5, |_| "no flights found".to_owned());
    send_run(&server, 2, 5, |call| format!("{} of 5 done", call + 1));
    send_run(&server, 3, 1, |_| "one flight".to_owned());
    assert_eq!(kinds(&server, 1), ["tool_loop"]);
    assert_eq!(kinds(&server, 2), [""; 0], "the result changes");
    assert_eq!(kinds(&server, 3), [""; 0]);
    let found = server.ask(&format!("/traces/{:032x}", 1));
    let finding = &found["findings"][0];
    assert!(finding["explanation"].as_str().unwrap().contains("\"search_flights\" was called 5 times"), "{finding}");
    assert_eq!((finding["span_ids"].as_array().unwrap().len(), &found["wasted_cost"]), (5, &json!(0.0)));
}

/// Starts a server that searches a trace one second after its last span.
fn quick_server() -> Server {
    Server::start_with(&[("HINOMI_INGEST_QUIET_TRACE_S", "1")])
}

#[test]
fn findings_of_many_traces_are_listed_counted_and_filtered() {
    let mut server = quick_server();
    send_run(&server, 1, 5, |_| "no flights found".to_owned());
    send_run(&server, 2, 5, |call| format!("{} of 5 done", call + 1));
    let loops = eventually(&server, "/findings", |found| !found["findings"].as_array().unwrap().is_empty());
    let [found] = &loops["findings"].as_array().unwrap()[..] else { panic!("{loops}") };
    assert_eq!(
        (&found["kind"], &found["trace_id"], &found["evidence"]),
        (&json!("tool_loop"), &json!(format!("{:032x}", 1)), &Value::Null)
    );
    assert_eq!(
        (&found["reason"], &found["trace_name"]),
        (&json!({ "code": "same_call_same_result", "tool": "search_flights", "calls": 5 }), &json!("invoke_agent helper"))
    );
    let traces = |server: &Server, q: &str| {
        let found = server.ask(&format!("/traces?q={q}"));
        found["traces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|trace| trace["trace_id"].as_str().unwrap().trim_start_matches('0').to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(traces(&server, "finding:tool_loop"), ["1"]);
    assert_eq!(traces(&server, "finding:signal"), ["1"]);
    assert_eq!(traces(&server, "-finding:*"), ["2"]);
    assert_eq!(traces(&server, "finding:refusal"), [""; 0]);
    let list = server.ask("/traces?q=finding:*");
    assert_eq!((&list["traces"][0]["findings"][0]["kind"], &list["traces"][0]["wasted_cost"]), (&json!("tool_loop"), &json!(0.0)));
    assert_eq!(server.ask("/spans?q=finding:tool_loop")["spans"].as_array().unwrap().len(), 5, "the spans that the finding names");
    let summary = server.ask("/findings/summary?from=-1h");
    let kind = &summary["kinds"][0];
    assert_eq!(
        (&kind["kind"], &kind["traces"], &kind["previous_traces"], &kind["examples"][0]["trace_id"]),
        (&json!("tool_loop"), &json!(1), &json!(0), &json!(format!("{:032x}", 1)))
    );
    let trend: u64 = kind["trend"].as_array().unwrap().iter().map(|point| point["traces"].as_u64().unwrap()).sum();
    assert_eq!((trend, &summary["traces_with_findings"]), (1, &json!(1)));
    assert_eq!(server.ask("/findings/summary?q=tool:other")["kinds"], json!([]));
    assert_eq!(server.ask("/facets?field=finding&select=traces")["values"], json!([{ "value": "tool_loop", "count": 1 }]));
    assert_eq!(server.ask("/facets?field=finding")["values"], json!([{ "value": "tool_loop", "count": 5 }]));
    let rows = server.ask("/breakdown?by=finding")["rows"].clone();
    assert_eq!((&rows[0]["key"], &rows[0]["llm_calls"], &rows[0]["wasted_cost"]), (&json!("tool_loop"), &json!(5), &json!(0.0)));
    server.kill();
    server.restart();
    assert_eq!(traces(&server, "finding:tool_loop"), ["1"], "findings survive a kill");
    assert_eq!(server.change("DELETE", &format!("/traces/{:032x}", 1), &json!({})).status, 200);
    assert_eq!(server.ask("/findings")["findings"], json!([]));
}

#[test]
fn a_rule_on_findings_fires_once_for_a_trace() {
    let server = quick_server();
    let rule = json!({ "name": "Loops", "measure": "findings", "filter": "finding:tool_loop", "window": "1h", "warning": 0 });
    assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);
    let wrong = json!({ "name": "Loops 2", "measure": "findings", "filter": "finding:tool_loop shoe:x", "window": "1h", "warning": 0 });
    assert_eq!(server.change("POST", "/alerts/rules", &wrong).status, 400);
    send_run(&server, 1, 5, |_| "no flights found".to_owned());
    let open = eventually(&server, "/alerts/incidents", |found| found["open"] == 1);
    assert_eq!(open["incidents"][0]["value"], json!(1.0));
}

#[test]
fn a_question_that_is_asked_again_is_found_across_traces() {
    let server = quick_server();
    let now = (crate::envelopes::now() * 1e9) as u64 - 600_000_000_000;
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let question = r#"[{"role":"user","parts":[{"type":"text","content":"How do I change the delivery address of my order?"}]}]"#;
    for trace in 1..=2u64 {
        let attributes = json!([
            text("gen_ai.operation.name", "chat"),
            text("gen_ai.request.model", "gpt-4o"),
            text("gen_ai.conversation.id", "s-1"),
            text("gen_ai.input.messages", question),
            text("gen_ai.output.messages", r#"[{"role":"assistant","parts":[{"type":"text","content":"Please wait a moment."}]}]"#),
        ]);
        let start = now + trace * 60_000_000_000;
        let span = json!({ "traceId": format!("{trace:032x}"), "spanId": format!("{trace:016x}"), "name": "chat gpt-4o",
            "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1_000_000_000).to_string(), "attributes": attributes });
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }).to_string().into_bytes();
        assert_eq!(server.send("POST", "/v1/traces", &[JSON, ("x-hinomi-key", KEY)], body).status, 200);
    }
    let found = eventually(&server, "/findings?kind=question_repeated", |found| !found["findings"].as_array().unwrap().is_empty());
    assert_eq!((&found["findings"][0]["trace_id"], &found["findings"][0]["session_id"]), (&json!(format!("{:032x}", 2)), &json!("s-1")));
    assert_eq!(kinds(&server, 2), ["question_repeated"]);
    assert_eq!(kinds(&server, 1), [""; 0]);
}
