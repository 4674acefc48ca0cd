//! Queries over many users and models: responses of bounded length with correct numbers.

use serde_json::{Value, json};

use crate::envelopes::now;
use crate::server::{KEY, Server};

/// More spans than the tests of the query engine's plans use.
const SPANS: usize = 60_000;

/// Sends calls of one second each within the last day, one per user and of 20,000 models without a price.
fn send(server: &Server) {
    let start = now() - 80_000.0;
    let text = |key: &str, value: String| json!({ "key": key, "value": { "stringValue": value } });
    let nanos = |seconds: f64| format!("{:.0}000000", seconds * 1e3);
    let span = |at: usize| {
        let start = start + at as f64;
        json!({ "traceId": format!("{:032x}", at + 1), "spanId": format!("{:016x}", at + 1), "name": "chat", "kind": 3,
            "startTimeUnixNano": nanos(start), "endTimeUnixNano": nanos(start + 1.0), "attributes": [
                text("gen_ai.operation.name", "chat".into()), text("gen_ai.provider.name", "nobody".into()),
                text("gen_ai.request.model", format!("model-{}", at % 20_000)), text("user.id", format!("user-{at}")),
                { "key": "gen_ai.usage.input_tokens", "value": { "intValue": "10" } },
            ] })
    };
    for from in (0..SPANS).step_by(10_000) {
        let spans: Vec<Value> = (from..from + 10_000).map(span).collect();
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] });
        let headers = [("content-type", "application/json"), ("x-hinomi-key", KEY)];
        assert_eq!(server.send("POST", "/v1/traces", &headers, body.to_string().into_bytes()).status, 200);
    }
}

#[test]
fn queries_over_many_groups_are_limited_and_correct() {
    let server = Server::start();
    send(&server);
    let ask = |path: &str| {
        let answer = server.get(&format!("/api/v1/projects/1{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert!(answer.text.len() < 100_000, "{path}: {} bytes", answer.text.len());
        answer.json()
    };
    let summary = ask("/summary?from=-24h");
    assert_eq!((summary["llm_calls"].as_u64(), summary["users"].as_u64()), (Some(60_000), Some(60_000)));
    assert_eq!((summary["unpriced_models"].as_array().map(Vec::len), summary["unpriced_model_count"].as_u64()), (Some(50), Some(20_000)));
    assert_eq!((&summary["duration_ms"]["p50"], &summary["cost"]), (&json!(1000.0), &Value::Null));
    for by in ["model", "user", "session"] {
        for sort in ["-cost", "-duration_p95"] {
            let rows = ask(&format!("/breakdown?from=-24h&by={by}&limit=20&sort={sort}"))["rows"].clone();
            assert_eq!(rows.as_array().map(Vec::len), Some(if by == "session" { 1 } else { 20 }), "{by}");
            assert_eq!((&rows[0]["duration_ms"]["p95"], &rows[0]["cost"]), (&json!(1000.0), &Value::Null));
        }
    }
    for bucket in ["5m", "1h"] {
        let drawn = server.ask(&format!("/series?from=-24h&bucket={bucket}&measure=calls&group_by=user"));
        assert_eq!(drawn["groups"].as_array().map(Vec::len), Some(50));
        assert_eq!(drawn["others"]["calls"]["groups"], 59_950);
        let sum = |points: &Value| points.as_array().unwrap().iter().map(|point| point[1].as_f64().unwrap()).sum::<f64>();
        let shown: f64 = drawn["groups"].as_array().unwrap().iter().map(|group| sum(&group["points"])).sum();
        assert_eq!(shown + sum(&drawn["others"]["calls"]["points"]), 60_000.0);
    }
    let costs = ask("/series?from=-24h&bucket=1h&measure=cost");
    let known: Vec<&Value> = costs["groups"][0]["points"].as_array().unwrap().iter().map(|point| &point[1]).collect();
    assert!(known.iter().any(|cost| cost.is_null()) && known.iter().all(|cost| cost.is_null() || **cost == 0.0), "{costs}");
    assert_eq!(costs["others"], json!({}));
    for measure in ["duration_p50", "duration_p95", "duration_p99"] {
        for by in ["", "&group_by=model"] {
            let drawn = server.ask(&format!("/series?from=-24h&bucket=1h&measure={measure}{by}"));
            let points = drawn["groups"].as_array().unwrap().iter().flat_map(|group| group["points"].as_array().unwrap());
            let known: Vec<&Value> = points.map(|point| &point[1]).filter(|value| !value.is_null()).collect();
            assert!(!known.is_empty() && known.iter().all(|value| **value == 1000.0), "{measure}{by}: {known:?}");
        }
    }
    assert_eq!(ask("/prices/unpriced?from=-24h")["count"], 20_000);
    let facets = ask("/facets?field=user&prefix=USER-59&limit=30");
    assert_eq!(facets["values"].as_array().map(Vec::len), Some(30));
    assert_eq!(facets["values"][0], json!({ "value": "user-59", "count": 1 }));
    assert!(ask("/traces?limit=50")["traces"].as_array().is_some_and(|traces| traces.len() == 50));
    assert!(server.get("/api/v1/system").json()["oldest"].is_string());
}
