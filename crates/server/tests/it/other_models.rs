//! Uses of models that are no LLM calls: their cost is part of every total, and they are no calls.

use serde_json::{Value, json};

use crate::alerts::eventually;
use crate::envelopes::now;
use crate::otlp::{JSON, nanos, traces};
use crate::server::{KEY, Server};

fn span(trace: u128, id: u64, attributes: &[(&str, Value)]) -> Value {
    let of = |(key, value): &(&str, Value)| {
        let value = match value {
            Value::Number(number) if number.is_u64() => json!({ "intValue": number.to_string() }),
            Value::Number(number) => json!({ "doubleValue": number }),
            text => json!({ "stringValue": text }),
        };
        json!({ "key": key, "value": value })
    };
    json!({
        "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"), "name": "step", "kind": 3,
        "startTimeUnixNano": nanos(now() - 2.0), "endTimeUnixNano": nanos(now() - 1.0), "attributes": attributes.iter().map(of).collect::<Vec<_>>(),
    })
}

#[test]
fn rerankings_and_speech_are_part_of_every_cost_and_no_calls() {
    let mut server = Server::start();
    for price in [
        json!({ "model": "my-rerank", "prices": { "rerank_unit": 0.002 } }),
        json!({ "model": "my-voice", "prices": { "character": 15.0 } }),
        json!({ "model": "my-ears", "prices": { "audio_hour": 0.36 } }),
    ] {
        assert_eq!(server.change("POST", "/prices", &price).status, 201);
    }
    let budget = json!({ "name": "Day", "amount": 0.05, "period": "day", "time_zone": "UTC", "steps": [50] });
    assert_eq!(server.change("POST", "/alerts/budgets", &budget).status, 201);
    let of = |operation: &str, model: &str| {
        [("gen_ai.operation.name", json!(operation)), ("gen_ai.request.model", json!(model)), ("user.id", json!("u1"))]
    };
    let with = |operation: &str, model: &str, more: (&'static str, Value)| [of(operation, model).as_slice(), &[more]].concat();
    let spans = [
        span(1, 1, &with("rerank", "my-rerank", ("gen_ai.usage.search_units", json!(3)))),
        span(1, 2, &with("text_to_speech", "my-voice", ("gen_ai.usage.characters", json!(1000)))),
        span(1, 3, &with("transcription", "my-ears", ("gen_ai.usage.audio_seconds", json!(90.5)))),
        span(2, 4, &with("chat", "gpt-4o-mini", ("note", json!("without usage")))),
    ];
    assert_eq!(server.send("POST", "/v1/traces", &[JSON, ("x-hinomi-key", KEY)], traces(&spans)).status, 200);
    // 3 × $0.002 + 1,000 × $15/M + 90.5 s × $0.36/h
    let cost = 0.006 + 0.015 + 0.00905;
    let near = |value: &Value, expected: f64| assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value} is not {expected}");
    eventually(&server, "/alerts/incidents", |found| found["open"] == 1);
    for _ in 0..2 {
        let summary = server.ask("/summary?from=-1h");
        near(&summary["cost"], cost);
        assert_eq!((&summary["llm_calls"], &summary["unpriced_calls"]), (&json!(1), &json!(0)));
        let trace = server.ask(&format!("/traces/{:032x}", 1))["trace"].clone();
        near(&trace["cost"], cost);
        assert_eq!((&trace["llm_calls"], trace["models"].as_array().unwrap().len()), (&json!(0), 3));
        near(&server.ask("/traces?from=-1h&sort=-cost")["traces"][0]["cost"], cost);
        assert_eq!(server.ask("/traces?from=-1h&q=cost:%3E0.03")["traces"].as_array().unwrap().len(), 1);
        for by in ["model", "user"] {
            let rows = server.ask(&format!("/breakdown?from=-1h&by={by}"))["rows"].clone();
            let sum: f64 = rows.as_array().unwrap().iter().filter_map(|row| row["cost"].as_f64()).sum();
            near(&json!(sum), cost);
        }
        let line = server.ask("/series?from=-1h&measure=cost")["measures"].to_string();
        assert!(line.contains("0.03005"), "{line}");
        let units = server.ask(&format!("/traces/{:032x}/spans/{:016x}", 1, 3))["usage"]["units"].clone();
        assert_eq!(units, json!({ "searches": null, "images": null, "characters": null, "audio_seconds": 90.5, "rerank_units": null }));
        // The same from segments with roll-ups.
        assert_eq!(server.stop(), Some(0));
        server.start_again();
    }
}
