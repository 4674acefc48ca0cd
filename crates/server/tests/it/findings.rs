//! Findings: faults of a run are shown with its trace.

use serde_json::{Value, json};

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
