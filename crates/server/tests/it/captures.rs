//! Captured requests of real clients, replayed over HTTP, and what the API returns then: once, after a restart, sent twice, and in
//! reverse order.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::server::{KEY, Server};

/// Starts a server without estimates, because the captures expect token usage that was not sent to be unknown.
fn without_estimates() -> Server {
    let server = Server::start();
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let answer = server.send("PATCH", "/api/v1/projects/1", &headers, br#"{"estimate_usage":false}"#.to_vec());
    assert_eq!((answer.status, &answer.json()["estimate_usage"]), (200, &Value::from(false)));
    server
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures");
    let folders = |path: &Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut cases: Vec<_> =
        folders(&root).iter().flat_map(|client| folders(client)).filter(|case| case.join("expect.json").exists()).collect();
    cases.sort();
    assert!(cases.len() >= 60, "the captures are there");
    cases
}

/// Returns the requests of a case in order.
pub(crate) fn requests(case: &Path) -> Vec<PathBuf> {
    let mut requests: Vec<_> = std::fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path()).collect();
    requests.push(case.to_owned());
    requests.retain(|folder| folder.join("request.json").exists());
    requests.sort();
    requests
}

/// Sends a request as its client did.
pub(crate) fn replay(server: &Server, folder: &Path) {
    let request: Value = serde_json::from_slice(&std::fs::read(folder.join("request.json")).unwrap()).unwrap();
    let body = std::fs::read(folder.join("body.decoded")).unwrap();
    // Headers of the connection, and those about compression: the captured bodies are decompressed.
    let hop = ["host", "content-length", "transfer-encoding", "connection", "content-encoding", "accept-encoding"];
    let headers: Vec<(String, String)> = serde_json::from_value(request["headers"].clone()).unwrap();
    let mut headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !hop.contains(&name.to_lowercase().as_str()))
        .collect();
    // Replaces keys of other products with the key of the project.
    let ours = format!("Bearer {KEY}");
    for (_, value) in headers.iter_mut().filter(|(name, value)| name.eq_ignore_ascii_case("authorization") && !value.starts_with("Sentry "))
    {
        *value = &ours;
    }
    let mut path = request["path"].as_str().unwrap().to_owned();
    if request["method"] == "GRPC" {
        // The same message over HTTP: see `otlp` for the framing.
        let signals = [("TraceService", "/v1/traces"), ("LogsService", "/v1/logs"), ("MetricsService", "/v1/metrics")];
        path = signals.into_iter().find(|(service, _)| path.contains(service)).unwrap().1.to_owned();
        headers.push(("content-type", "application/x-protobuf"));
    }
    let query = request["query"].as_str().filter(|query| !query.is_empty()).map_or_else(String::new, |query| format!("?{query}"));
    let answer = server.send("POST", &format!("{path}{query}"), &headers, body);
    assert_eq!(answer.status / 100, 2, "{}: {}", folder.display(), answer.text);
}

/// Compares the API's responses for a case with what the client did. Returns the differences.
fn wrong_in(server: &Server, case: &Path) -> Vec<String> {
    let expect: Value = serde_json::from_slice(&std::fs::read(case.join("expect.json")).unwrap()).unwrap();
    let name = case.display();
    let mut wrong = Vec::new();
    let mut same = |what: String, got: &Value, want: &Value| {
        let alike = match (got.as_f64(), want.as_f64()) {
            (Some(got), Some(want)) => (got - want).abs() < 1e-9,
            _ => got == want,
        };
        if !alike {
            wrong.push(format!("{name}: {what} is {got}, should be {want}"));
        }
    };
    let list = |key: &str| expect[key].as_array().cloned().unwrap_or_default();
    let fields = ["llm_calls", "failed_llm_calls", "input_tokens", "output_tokens", "calls_without_usage"];
    let mut sums = [0.0; 5];
    let mut cost = 0.0;
    let mut errors = Vec::new();
    // Calls that only log records report are in traces and spans with generated IDs, and are identified by their session.
    let told_by_records = !list("llm_log_calls").is_empty();
    for want in list("traces") {
        let found = server.ask(&format!("/traces/{}", want["trace_id"].as_str().unwrap()));
        // The trace may also contain spans that were created from log records.
        if !want["span_count"].is_null() && expect["log_records"].is_null() {
            same("number of spans".into(), &Value::from(found["spans"].as_array().unwrap().len()), &want["span_count"]);
        }
        if !want["root_name"].is_null() {
            same("name".into(), &found["trace"]["name"], &want["root_name"]);
        }
        for (sum, field) in sums.iter_mut().zip(fields) {
            *sum += found["trace"][field].as_f64().unwrap();
        }
        cost += found["trace"]["cost"].as_f64().unwrap_or(0.0);
        errors.extend(found["errors"].as_array().unwrap().clone());
    }
    if told_by_records {
        let session = expect["llm_log_calls"][0]["session_id"].as_str().unwrap();
        let summary = server.ask(&format!("/summary?from=-30d&q=session:{session}"));
        sums = fields.map(|field| summary[field].as_f64().unwrap());
    }
    let total = &expect["totals_counted_once"];
    for (sum, field) in sums.iter().zip(["llm_calls", "failed", "input_tokens", "output_tokens", "calls_with_unknown_tokens"]) {
        same(format!("sum of {field}"), &Value::from(*sum), &total[field]);
    }
    if total["cost"].is_number() && !told_by_records {
        same("cost".into(), &Value::from(cost), &total["cost"]);
    }
    for pair in list("reported_more_than_once") {
        let counted = pair["spans"].as_array().unwrap().iter().filter(|span| {
            let path = format!("/traces/{}/spans/{}", span["trace_id"].as_str().unwrap(), span["span_id"].as_str().unwrap());
            server.ask(&path)["counted"] == true
        });
        same(format!("reports that count of {}", pair["response_id"]), &Value::from(counted.count()), &Value::from(1));
    }
    for want in list("llm_spans") {
        let path = format!("/traces/{}/spans/{}", want["trace_id"].as_str().unwrap(), want["span_id"].as_str().unwrap());
        let span = server.ask(&path);
        for (ours, theirs) in [("input_tokens", "input_tokens"), ("output_tokens", "output_tokens"), ("total_tokens", "total_tokens")] {
            same(format!("{ours} of {path}"), &span["usage"][ours], &want[theirs]);
        }
        same(format!("status of {path}"), &span["status"], &want["status"]);
        // Langfuse's clients send spans without a parent, which become children of the trace's span.
        if expect["ids_as_sent"].is_null() {
            same(format!("parent of {path}"), &span["parent_span_id"], &want["parent_span_id"]);
        }
    }
    for want in list("scores") {
        // A score without a trace rates a conversation.
        let path = want["trace_id"].as_str().map_or("/scores?limit=1000".to_owned(), |trace| format!("/traces/{trace}"));
        let answer = server.ask(&path);
        let named: Vec<&Value> = answer["scores"].as_array().unwrap().iter().filter(|score| score["name"] == want["name"]).collect();
        let by = |ours: &str, theirs: &str| named.iter().find(|score| want[theirs].is_string() && score[ours] == want[theirs]);
        let found = by("id", "id").or_else(|| by("span_id", "observation")).or_else(|| by("session_id", "session"));
        let score = found.or_else(|| named.first().filter(|_| !want["trace_id"].is_null())).copied().cloned().unwrap_or_default();
        let value = if want["value"].is_string() { &score["label"] } else { &score["value"] };
        same(format!("score {}", want["name"]), value, &want["value"]);
    }
    for want in list("error_events") {
        let found = errors.iter().find(|error| error["span_id"] == want["span_id"]).map(|error| error["type"].clone());
        same("type of the error".into(), &found.unwrap_or_default(), &want["type"]);
    }
    wrong
}

fn check(server: &Server, when: &str) {
    let wrong: Vec<_> = cases().iter().flat_map(|case| wrong_in(server, case)).collect();
    assert!(wrong.is_empty(), "{when}:\n{}", wrong.join("\n"));
}

#[test]
fn captures_are_shown_correctly_and_once() {
    let mut server = without_estimates();
    for request in cases().iter().flat_map(|case| requests(case)) {
        replay(&server, &request);
    }
    check(&server, "sent once");
    let sums = server.ask("/summary");

    server.restart();
    check(&server, "after a kill");
    for request in cases().iter().rev().flat_map(|case| requests(case)).rev() {
        replay(&server, &request);
    }
    check(&server, "sent twice");
    assert_eq!(server.stop(), Some(0));
    server.start_again();
    check(&server, "from segments");
    assert_eq!(server.ask("/summary"), sums);
    let duplicates = server.ask("/outcomes")["outcomes"].as_array().unwrap().iter().any(|row| row["outcome"] == "duplicate");
    assert!(duplicates, "repeats are counted");
}

#[test]
fn the_order_of_requests_does_not_matter() {
    let server = without_estimates();
    for request in cases().iter().flat_map(|case| requests(case)).rev() {
        replay(&server, &request);
    }
    check(&server, "sent backwards");
}
