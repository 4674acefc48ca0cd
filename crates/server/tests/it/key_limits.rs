//! Limits, allowed origins and rotation of ingest keys.

use serde_json::{Value, json};

use crate::envelopes::call;
use crate::server::{Answer, KEY, Server};

const JSON: (&str, &str) = ("content-type", "application/json");

fn change(server: &Server, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {}", server.token);
    server.send(method, &format!("/api/v1/projects/1/keys{path}"), &[JSON, ("authorization", &bearer)], body.to_string().into_bytes())
}

fn keys(server: &Server) -> Vec<Value> {
    server.ask("/keys")["keys"].as_array().unwrap().clone()
}

/// Sets limits of the key of project 1.
fn limit(server: &Server, limits: &Value) -> Value {
    let id = &keys(server)[0]["id"];
    let answer = change(server, "PATCH", &format!("/{id}"), limits);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Sends spans in OTLP with headers.
fn send_spans(server: &Server, first: u64, count: u64, headers: &[(&str, &str)]) -> Answer {
    let start = (crate::envelopes::now() * 1e9) as u64;
    let span = |number: u64| {
        json!({
            "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"), "name": "chat gpt-4o",
            "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1_000_000).to_string(),
        })
    };
    let spans: Vec<Value> = (first..first + count).map(span).collect();
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] }).to_string().into_bytes();
    server.send("POST", "/v1/traces", &[headers, &[JSON, ("x-hinomi-key", KEY)]].concat(), body)
}

/// Returns the rejected requests of project 1 by reason.
fn refused(server: &Server, reason: &str) -> u64 {
    let outcomes = server.ask("/outcomes")["outcomes"].as_array().unwrap().clone();
    let of = |outcome: &&Value| outcome["outcome"] == "refused" && outcome["reason"] == reason && outcome["key"] == KEY;
    outcomes.iter().filter(of).map(|outcome| outcome["quantity"].as_u64().unwrap()).sum()
}

#[test]
fn items_over_the_limit_are_refused_in_the_form_of_each_protocol() {
    let server = Server::start();
    // So few that no refill happens during the test.
    let view = limit(&server, &json!({ "items_per_minute": 3, "bytes_per_day": null }));
    assert_eq!((&view["items_per_minute"], &view["bytes_per_day"], &view["disabled"]), (&json!(3), &Value::Null, &json!(false)));
    assert_eq!(send_spans(&server, 1, 30, &[]).status, 200, "a batch is stored as a whole, and paid for by waiting");
    let otlp = send_spans(&server, 100, 1, &[]);
    let wait: u64 = otlp.header("retry-after").parse().unwrap();
    assert_eq!(otlp.status, 429, "{}", otlp.text);
    assert!((400..=600).contains(&wait), "{wait}");
    let sentry = server.envelope(call(1, "q", "a"));
    assert_eq!(sentry.status, 429, "{}", sentry.text);
    let limits = sentry.header("x-sentry-rate-limits");
    assert!(limits.ends_with("::key:key_rate_limit") && limits.starts_with(sentry.header("retry-after")), "{limits}");
    assert!(sentry.json()["detail"].as_str().unwrap().contains("3 items per minute"), "{}", sentry.text);
    let grpc = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let answer = server.send("POST", grpc, &[("content-type", "application/grpc"), ("x-hinomi-key", KEY)], vec![0; 5]);
    assert_eq!((answer.status, answer.header("grpc-status")), (200, "14"), "clients send again");
    let langfuse = server.send("POST", "/api/public/ingestion", &[JSON, ("x-hinomi-key", KEY)], b"{\"batch\":[]}".to_vec());
    assert_eq!((langfuse.status, langfuse.header("retry-after").is_empty()), (429, false));
    assert_eq!((refused(&server, "key_rate_limit"), server.ask("/summary")["spans"].clone()), (4, json!(30)));

    // Another key of the project is not affected, and a raised limit applies at once.
    let other = change(&server, "POST", "", &json!({ "name": "other" })).json()["public_key"].as_str().unwrap().to_owned();
    let body = call(2, "q", "a");
    assert_eq!(server.send("POST", &format!("/api/1/envelope/?sentry_key={other}"), &[], body.into()).status, 200);
    limit(&server, &json!({ "items_per_minute": 100_000 }));
    assert_eq!(server.envelope(call(3, "q", "a")).status, 200);
}

#[test]
fn bytes_of_the_day_survive_a_restart() {
    let mut server = Server::start();
    limit(&server, &json!({ "bytes_per_day": 100 }));
    assert_eq!(send_spans(&server, 1, 5, &[]).status, 200);
    let answer = send_spans(&server, 10, 1, &[]);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!(answer.status == 429 && wait <= 86_400, "{wait} {}", answer.text);
    let used = keys(&server)[0]["bytes_today"].as_u64().unwrap();
    assert!(used > 100, "{used}");
    assert_eq!(server.stop(), Some(0));
    server.start_again();
    assert_eq!(keys(&server)[0]["bytes_today"], used);
    assert_eq!(send_spans(&server, 10, 1, &[]).status, 429);
    assert_eq!(refused(&server, "key_quota"), 2);
    let (said, error, status) = server.command(&["key", "limit", &keys(&server)[0]["id"].to_string(), "--bytes-per-day", "1MB"]);
    assert!(status == Some(0) && said.contains("1000000 bytes per day"), "{said}{error}");
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(send_spans(&server, 10, 1, &[]).status, 200);
}

#[test]
fn only_pages_of_allowed_origins_send() {
    let server = Server::start();
    let id = keys(&server)[0]["id"].clone();
    let wrong = change(&server, "PATCH", &format!("/{id}"), &json!({ "allowed_origins": ["https://*example.com"] }));
    assert_eq!((wrong.status, wrong.json()["error"]["code"].clone()), (400, json!("invalid_value")));
    limit(&server, &json!({ "allowed_origins": ["https://*.example.com"] }));
    assert_eq!(send_spans(&server, 1, 1, &[]).status, 200, "a program has no origin");
    assert_eq!(send_spans(&server, 2, 1, &[("origin", "https://app.example.com")]).status, 200);
    let answer = send_spans(&server, 3, 1, &[("origin", "https://evil.example")]);
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert_eq!(answer.header("access-control-allow-origin"), "*", "the page can read why");
    assert_eq!(refused(&server, "origin_not_allowed"), 1);
}

#[test]
fn replaced_key_is_valid_until_its_end() {
    let server = Server::start();
    let id = keys(&server)[0]["id"].clone();
    limit(&server, &json!({ "items_per_minute": 500 }));
    assert_eq!(change(&server, "POST", &format!("/{id}/rotate"), &json!({})).status, 400);
    let rotated = change(&server, "POST", &format!("/{id}/rotate"), &json!({ "old_key_expires_in": "7d" }));
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    let (new, old) = (rotated.json()["key"].clone(), rotated.json()["old_key"].clone());
    assert_eq!((&new["name"], &new["items_per_minute"], &old["public_key"]), (&old["name"], &json!(500), &json!(KEY)));
    assert!(old["expires_at"].is_string() && new["expires_at"].is_null());
    assert!(server.get("/api/v1/projects/1").json()["dsn"].as_str().unwrap().contains(new["public_key"].as_str().unwrap()));
    assert_eq!(send_spans(&server, 1, 1, &[]).status, 200);
    assert_eq!(change(&server, "POST", &format!("/{id}/rotate"), &json!({ "old_key_expires_in": "7d" })).status, 400, "replaced before");
    limit(&server, &json!({ "expires_at": "2020-01-01T00:00:00Z" }));
    assert_eq!(send_spans(&server, 2, 1, &[]).status, 401);
    assert_eq!(refused(&server, "key_expired"), 1);
    let score = json!({ "scores": [{ "trace_id": "t", "name": "n", "value": 1 }] }).to_string().into_bytes();
    assert_eq!(server.send("POST", "/api/v1/projects/1/scores", &[JSON, ("x-hinomi-key", KEY)], score).status, 401);
    let (printed, error, _) = server.command(&["key", "rotate", &new["id"].to_string(), "--old-valid-for", "12h"]);
    assert_eq!(printed.trim().len(), 32, "{error}");
    let actions = server.get("/api/v1/audit?action=keys&limit=20").json();
    let rotations = actions["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == "keys.rotate.create").count();
    assert_eq!(rotations, 2, "{actions}");
}

#[test]
fn scores_and_feedback_count_for_the_limits_of_their_key() {
    let server = Server::start();
    assert_eq!(send_spans(&server, 1, 1, &[]).status, 200);
    limit(&server, &json!({ "items_per_minute": 3, "allowed_origins": ["https://shop.example"] }));
    let post = |path: &str, origin: &str, body: Value| {
        let headers = [JSON, ("x-hinomi-key", KEY), ("origin", origin)];
        server.send("POST", &format!("/api/v1/projects/1/{path}"), &headers, body.to_string().into_bytes())
    };
    let feedback = json!({ "trace_id": format!("{:032x}", 1), "value": true });
    let foreign = post("feedback", "https://evil.example", feedback.clone());
    assert_eq!((foreign.status, foreign.header("access-control-allow-origin")), (403, "*"), "{}", foreign.text);
    let score = json!({ "trace_id": "t", "name": "n", "value": 1 });
    assert_eq!(post("scores", "https://shop.example", json!([score, score, score, score, score])).status, 201);
    for path in ["scores", "feedback"] {
        let refused = post(path, "https://shop.example", feedback.clone());
        assert_eq!(refused.status, 429, "{path}: {}", refused.text);
        assert!(refused.header("retry-after").parse::<u64>().is_ok(), "{path}");
    }
    assert!(keys(&server)[0]["bytes_today"].as_u64().unwrap() > 0);
}
