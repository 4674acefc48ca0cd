//! Evaluators: which targets they evaluate in the background, on request, and in a preview, and which scores they give.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::alerts::eventually;
use crate::disconnects::until;
use crate::server::{KEY, Server};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Starts a server that evaluates a trace and a conversation one second after their last span.
fn quick_server() -> Server {
    Server::start_with(&[("HINOMI_INGEST_QUIET_TRACE_S", "1"), ("HINOMI_EVALUATION_QUIET_SESSION_S", "1")])
}

/// Sends a trace with one call, which answers a text.
fn send_call(server: &Server, trace: u64, session: Option<&str>, answer: &str) {
    let start = (crate::envelopes::now() * 1e9) as u64 - 600_000_000_000 + trace * 1_000_000_000;
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let messages = |role: &str, content: &str| json!([{ "role": role, "parts": [{ "type": "text", "content": content }] }]).to_string();
    let mut attributes = vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.request.model", "gpt-4o"),
        text("gen_ai.input.messages", &messages("user", "How late is it?")),
        text("gen_ai.output.messages", &messages("assistant", answer)),
    ];
    attributes.extend(session.map(|session| text("gen_ai.conversation.id", session)));
    let span = json!({
        "traceId": format!("{trace:032x}"), "spanId": format!("{trace:016x}"), "name": "chat gpt-4o", "attributes": attributes,
        "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 500_000_000).to_string(),
    });
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }).to_string().into_bytes();
    assert_eq!(server.send("POST", "/v1/traces", &[JSON, ("x-hinomi-key", KEY)], body).status, 200);
}

fn draft(change: Value) -> Value {
    let mut draft = json!({ "name": "polite", "type": "contains", "config": { "any": ["please"] }, "target": "trace" });
    draft.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    draft
}

fn create(server: &Server, change: Value) -> Value {
    let created = server.change("POST", "/evaluators", &draft(change));
    assert_eq!(created.status, 201, "{}", created.text);
    created.json()
}

fn scores(server: &Server, name: &str) -> Vec<Value> {
    server.ask(&format!("/scores?name={name}&limit=1000"))["scores"].as_array().unwrap().clone()
}

/// Returns the traces of targets or scores as numbers.
fn traces(listed: &Value) -> BTreeSet<u64> {
    let number = |one: &Value| u64::from_str_radix(one["trace_id"].as_str().unwrap(), 16).unwrap();
    listed.as_array().unwrap().iter().map(number).collect()
}

#[test]
fn answers_are_scored_when_their_trace_is_quiet() {
    let mut server = quick_server();
    let evaluator = create(&server, json!({}));
    assert_eq!((&evaluator["version"], &evaluator["seed"], &evaluator["enabled"]), (&json!(1), &json!(1), &json!(true)));
    send_call(&server, 1, None, "Half past nine, please hurry.");
    send_call(&server, 2, None, "Half past nine.");
    eventually(&server, "/scores?name=polite", |found| found["scores"].as_array().unwrap().len() == 2);
    let of = |trace: u64| scores(&server, "polite").into_iter().find(|score| score["trace_id"] == format!("{trace:032x}")).unwrap();
    let polite = of(1);
    assert_eq!(
        (&polite["value"], &polite["source"], &polite["evaluator"], &polite["probability"], &polite["span_id"]),
        (&json!(1.0), &json!("evaluator"), &json!({ "name": "polite", "version": "1" }), &json!(1.0), &Value::Null)
    );
    assert!(!polite["explanation"].as_str().unwrap().is_empty());
    assert_eq!(of(2)["value"], 0.0);
    let summary = server.ask("/scores/summary?from=-1h");
    assert_eq!(summary["scores"][0]["bad_rate"].as_f64(), Some(0.5), "{summary}");
    server.kill();
    server.restart();
    send_call(&server, 3, None, "please");
    eventually(&server, "/scores?name=polite", |found| found["scores"].as_array().unwrap().len() == 3);
    let all = server.ask("/scores?name=polite&superseded=true");
    assert_eq!(all["scores"].as_array().unwrap().len(), 3, "what was evaluated before the restart has one version");
    let listed = eventually(&server, "/evaluators", |found| found["evaluators"][0]["outcomes"]["scored"].as_u64() >= Some(3));
    assert_eq!((&listed["quiet_trace_s"], &listed["quiet_session_s"]), (&json!(1), &json!(1)));
}

#[test]
fn the_preview_selects_what_is_evaluated() {
    let server = quick_server();
    for trace in 1..=60 {
        send_call(&server, trace, None, if trace % 2 == 0 { "please" } else { "no" });
    }
    let sampled = json!({ "sampling": 0.25, "seed": 7 });
    let preview = server.change("POST", "/evaluators/preview?from=-1h", &draft(sampled.clone()));
    assert_eq!(preview.status, 200, "{}", preview.text);
    let preview = preview.json();
    let expected = traces(&preview["targets"]);
    assert_eq!((&preview["of"], &preview["selected"], &preview["cost"]), (&json!(60), &json!(expected.len()), &json!(0.0)));
    assert!((5..=27).contains(&expected.len()), "{}", expected.len());
    assert_eq!(preview["results"][0]["outcome"], "scored");
    assert!(scores(&server, "polite").is_empty(), "a preview stores nothing");
    // Half of the targets at a rate of 1, the others at a rate of 0.25.
    let rules = json!({ "name": "ruled", "sampling": [{ "q": "please", "rate": 1.0 }, { "q": "", "rate": 0.25 }], "seed": 7 });
    let ruled = traces(&server.change("POST", "/evaluators/preview", &draft(rules)).json()["targets"]);
    let even: BTreeSet<u64> = (1..=60).filter(|trace| trace % 2 == 0).collect();
    assert_eq!(ruled, even.union(&expected).copied().collect());
    // Stored data is evaluated on request, and only once.
    let evaluator = create(&server, sampled);
    for _ in 0..2 {
        let job = server.change("POST", &format!("/evaluators/{}/backfill", evaluator["id"]), &json!({ "from": "-1h" }));
        assert_eq!(job.status, 202, "{}", job.text);
        let id = job.json()["id"].clone();
        until("the job is done", || server.get(&format!("/api/v1/jobs/{id}")).json()["state"] == "done");
        let job = server.get(&format!("/api/v1/jobs/{id}")).json();
        assert_eq!((&job["kind"], &job["evaluator_id"], &job["total"]), (&json!("evaluate"), &evaluator["id"], &json!(expected.len())));
        assert_eq!(job["outcomes"], json!({ "scored": expected.len() }));
    }
    let stored = scores(&server, "polite");
    assert_eq!(traces(&Value::Array(stored.clone())), expected);
    assert!(stored.iter().all(|score| score["probability"] == 0.25));
    assert_eq!(server.ask("/scores?name=polite&superseded=true&limit=1000")["scores"].as_array().unwrap().len(), expected.len());
    // What arrives later is selected in the same way.
    for trace in 61..=90 {
        send_call(&server, trace, None, "no");
    }
    let later = traces(&server.change("POST", "/evaluators/preview", &draft(json!({ "sampling": 0.25, "seed": 7 }))).json()["targets"]);
    eventually(&server, "/scores?name=polite&limit=1000", |found| traces(&found["scores"]) == later);
}

#[test]
fn filters_targets_and_conversations_decide_what_is_scored() {
    let server = quick_server();
    create(&server, json!({ "name": "calls", "target": "span", "q": "\"nine\"" }));
    create(&server, json!({ "name": "talks", "target": "session" }));
    create(&server, json!({ "name": "off", "enabled": false }));
    send_call(&server, 1, Some("alpha"), "Half past nine, please.");
    send_call(&server, 2, Some("alpha"), "Ten to nine.");
    send_call(&server, 3, Some("beta"), "please");
    eventually(&server, "/scores?name=calls", |found| found["scores"].as_array().unwrap().len() == 2);
    assert!(scores(&server, "calls").iter().all(|score| score["span_id"].is_string()));
    let talks = eventually(&server, "/scores?name=talks", |found| found["scores"].as_array().unwrap().len() == 2);
    let session =
        |name: &str| talks["scores"].as_array().unwrap().iter().find(|score| score["session_id"] == name).unwrap()["value"].clone();
    assert_eq!((session("alpha"), session("beta")), (json!(0.0), json!(1.0)), "one of two answers is not polite");
    assert!(scores(&server, "off").is_empty());
    // A later turn supersedes the score of the conversation.
    send_call(&server, 4, Some("beta"), "No.");
    eventually(&server, "/scores?name=talks", |found| found["scores"].as_array().unwrap().iter().all(|score| score["value"] == 0.0));
    assert_eq!(scores(&server, "talks").len(), 2);
}

#[test]
fn evaluators_are_changed_and_deleted() {
    let server = quick_server();
    let evaluator = create(&server, json!({ "enabled": false }));
    let path = format!("/evaluators/{}", evaluator["id"]);
    assert_eq!(server.change("POST", "/evaluators", &draft(json!({}))).status, 409, "the name is taken");
    let renamed = server.change("PUT", &path, &draft(json!({ "name": "kind", "enabled": false }))).json();
    assert_eq!((&renamed["name"], &renamed["version"]), (&json!("kind"), &json!(1)));
    let changed = server.change("PUT", &path, &draft(json!({ "name": "kind", "config": { "any": ["thanks"] } }))).json();
    assert_eq!((&changed["version"], &server.ask(&path)["config"]), (&json!(2), &json!({ "any": ["thanks"] })));
    for (change, place) in [
        (json!({ "name": " " }), "name"),
        (json!({ "type": "magic" }), "magic"),
        (json!({ "config": {} }), "any"),
        (json!({ "config": { "any": ["a"], "shoe": 1 } }), "shoe"),
        (json!({ "q": "shoe:x" }), "q: "),
        (json!({ "q": "cost:>cheap" }), "q: "),
        (json!({ "sampling": [{ "q": "cost:>cheap", "rate": 1 }] }), "sampling"),
        (json!({ "sampling": 1.5 }), "sampling"),
        (json!({ "sampling": [] }), "sampling"),
        (json!({ "daily_budget": -1 }), "daily_budget"),
        (json!({ "type": "regex", "config": { "pattern": "(" } }), "pattern"),
    ] {
        for path in ["/evaluators", "/evaluators/preview"] {
            let refused = server.change("POST", path, &draft(change.clone()));
            assert_eq!(refused.status, 400, "{change}: {}", refused.text);
            assert!(refused.json()["error"]["message"].as_str().unwrap().contains(place), "{change}: {}", refused.text);
        }
    }
    assert_eq!(server.change("DELETE", &path, &json!({})).status, 204);
    assert_eq!(server.change("DELETE", &path, &json!({})).status, 404);
    assert_eq!(server.change("POST", &format!("{path}/backfill"), &json!({})).status, 404);
    assert_eq!(server.ask("/evaluators")["evaluators"], json!([]));
}
