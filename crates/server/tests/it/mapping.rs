//! Mapping rules: what a project says of its own instrumentation changes how its spans are read from then on.

use serde_json::{Value, json};

use crate::envelopes::now;
use crate::otlp::{JSON, nanos, traces};
use crate::server::{KEY, Server};

const RULES: &str = r#"
[[rule]]
name = "Relay calls"
span = "relay *"
kind = "llm"
fields = { "relay.model" = "request_model", "relay.in" = "usage.input_tokens", "relay.out" = "usage.output_tokens", "relay.asked" = "input_messages" }
"#;

fn relay(trace: u128) -> Vec<u8> {
    let text = |value: &str| json!({ "stringValue": value });
    let count = |value: u64| json!({ "intValue": value.to_string() });
    let attributes: Vec<Value> =
        [("relay.model", text("gpt-4o-mini")), ("relay.in", count(1000)), ("relay.out", count(500)), ("relay.asked", text("Where is it?"))]
            .into_iter()
            .map(|(key, value)| json!({ "key": key, "value": value }))
            .collect();
    traces(&[json!({
        "traceId": format!("{trace:032x}"), "spanId": format!("{:016x}", 5), "name": "relay chat", "kind": 3,
        "startTimeUnixNano": nanos(now() - 2.0), "endTimeUnixNano": nanos(now() - 1.0), "attributes": attributes,
    })])
}

fn span_of(server: &Server, trace: u128) -> Value {
    server.ask(&format!("/traces/{trace:032x}/spans/{:016x}", 5))
}

#[test]
fn rules_are_tested_saved_and_applied_to_what_arrives_later() {
    let mut server = Server::start();
    let send = |server: &Server, trace| {
        let answer = server.send("POST", "/v1/traces", &[JSON, ("x-hinomi-key", KEY)], relay(trace));
        assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    };
    send(&server, 1);
    assert_eq!(span_of(&server, 1)["kind"], "other");
    let of_span = |text: &str, trace: u128| json!({ "text": text, "trace_id": format!("{trace:032x}"), "span_id": format!("{:016x}", 5) });
    let tested = server.change("POST", "/mapping/preview", &of_span(RULES, 1));
    assert_eq!(tested.status, 200, "{}", tested.text);
    let trial = tested.json();
    assert_eq!(trial["rules"], json!(["Relay calls"]));
    let after = |trial: &Value, field: &str| {
        trial["changes"].as_array().unwrap().iter().find(|change| change["field"] == field).map(|change| change["after"].clone())
    };
    assert_eq!(after(&trial, "kind"), Some(json!("\"llm\"")));
    assert_eq!(after(&trial, "usage.input_tokens"), Some(json!("1000")));
    // 1,000 × $0.15/M + 500 × $0.60/M
    assert_eq!(after(&trial, "cost"), Some(json!("0.00045")));
    assert_eq!(trial["fixture"]["span"]["attributes"]["relay.model"], "gpt-4o-mini");
    assert_eq!(span_of(&server, 1)["kind"], "other", "a test changes nothing");

    for (path, body, named) in [
        ("/mapping/preview", of_span("[[rule]]\nname = ", 1), "line 2"),
        ("/mapping/preview", of_span("[[rule]]\nname = \"x\"\nspan = \"*\"\nkind = \"lm\"", 1), "lm"),
        ("/mapping/preview", json!({ "text": RULES, "trace_id": "1", "span_id": "2" }), "trace_id"),
    ] {
        let answer = server.change("POST", path, &body);
        assert_eq!((answer.status, answer.text.contains(named)), (400, true), "{}", answer.text);
    }
    assert_eq!(server.change("POST", "/mapping/preview", &of_span(RULES, 99)).status, 404);
    assert_eq!(server.change("PUT", "/mapping", &json!({ "text": "[[rule]]\nname = \"x\"" })).status, 400);
    assert_eq!(server.ask("/mapping")["rules"], 0, "invalid rules replace nothing");

    let saved = server.change("PUT", "/mapping", &json!({ "text": RULES }));
    assert_eq!((saved.status, saved.json()["rules"].as_u64()), (200, Some(1)));
    assert_eq!(server.stop(), Some(0));
    server.start_again();
    send(&server, 2);
    let span = span_of(&server, 2);
    assert_eq!(
        (span["kind"].as_str(), span["model"].as_str(), span["cost"]["total"].as_f64()),
        (Some("llm"), Some("gpt-4o-mini"), Some(0.00045))
    );
    assert_eq!(span["input_messages"][0]["parts"][0]["text"], "Where is it?");
    let fields = span["explanation"]["fields"].as_array().unwrap();
    let source = |name: &str| fields.iter().find(|field| field["field"] == name).map(|field| field["source"].clone());
    assert_eq!(source("usage.input_tokens"), Some(json!({ "kind": "mapping_rule", "rule": "Relay calls", "attribute": "relay.in" })));
    assert_eq!(source("kind"), Some(json!({ "kind": "mapping_rule", "rule": "Relay calls", "attribute": null })));
    assert_eq!((span_of(&server, 1)["kind"].as_str(), server.ask("/summary")["llm_calls"].as_u64()), (Some("other"), Some(1)));
    // The span that was read with the rule gives the same result in a test.
    let again = server.change("POST", "/mapping/preview", &of_span(RULES, 2)).json();
    assert_eq!(after(&again, "cost"), Some(json!("0.00045")));
    assert!(after(&again, "input_messages").unwrap().as_str().unwrap().contains("Where is it?"));
    assert_eq!(server.change("PUT", "/mapping", &json!({ "text": "" })).json()["rules"], 0);
    send(&server, 3);
    assert_eq!(span_of(&server, 3)["kind"], "other");
}
