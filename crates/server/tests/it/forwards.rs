//! Forwarding to a recording endpoint and to a second server: outages, kills, loops, and what erasure leaves in the queue.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::envelopes::{call, of_item};
use crate::server::{KEY, Server};

/// A request that the endpoint received.
#[derive(Debug, Clone)]
struct ReceivedRequest {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// A service that records what it receives and answers with a status.
struct RecordingEndpoint {
    address: String,
    status: Arc<AtomicU16>,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl RecordingEndpoint {
    fn start() -> RecordingEndpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (status, received) = (Arc::new(AtomicU16::new(200)), Arc::new(Mutex::new(Vec::new())));
        let (answer, kept) = (status.clone(), received.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, kept) = (answer.clone(), kept.clone());
                std::thread::spawn(move || while take(&stream, &answer, &kept).is_some() {});
            }
        });
        RecordingEndpoint { address, status, received }
    }

    /// Returns the accepted requests after there are this many, and none for a moment after.
    fn wait_for(&self, count: usize, server: &Server) -> Vec<ReceivedRequest> {
        let started = Instant::now();
        while self.received.lock().unwrap().len() < count {
            assert!(started.elapsed() < Duration::from_secs(60), "{:?}; {}", self.received.lock().unwrap(), server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        self.received.lock().unwrap().clone()
    }
}

/// Reads one request of a connection, and records it if the answer accepts it; `None` at the end of the connection.
fn take(mut stream: &TcpStream, status: &AtomicU16, received: &Mutex<Vec<ReceivedRequest>>) -> Option<()> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 65_536]);
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let path = head.split(' ').nth(1)?.to_owned();
            let headers: BTreeMap<String, String> = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let length: usize = headers.get("content-length")?.parse().ok()?;
            if bytes.len() >= at + 4 + length {
                let status = status.load(Ordering::Relaxed);
                if status < 300 {
                    received.lock().unwrap().push(ReceivedRequest { path, headers, body: bytes[at + 4..at + 4 + length].to_vec() });
                }
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                return stream.write_all(answer.as_bytes()).ok();
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// Returns an envelope whose payload has bytes of all kinds and whose type Hinomi does not store, next to a call.
fn envelope(number: usize) -> Vec<u8> {
    let mut body = format!("{{\"event_id\":\"{number:032x}\",\"dsn\":\"http://{KEY}@h/1\"}}\n").into_bytes();
    let payload: Vec<u8> = (0..=255).cycle().skip(number).take(1000).collect();
    body.extend_from_slice(format!("{{\"type\":\"replay_recording\",\"length\":{}}}\n", payload.len()).as_bytes());
    body.extend_from_slice(&payload);
    let call = call(number as u128 + 1, "Which way?", "North.");
    body.extend_from_slice(&call.as_bytes()[2..]);
    body
}

/// Returns the body that the target must get: everything after the first line as sent.
fn items(body: &[u8]) -> &[u8] {
    &body[body.iter().position(|byte| *byte == b'\n').unwrap()..]
}

fn allowing_server() -> Server {
    Server::start_with(&[("HINOMI_NOTIFY_ALLOW", "127.0.0.1")])
}

fn create(server: &Server, target: &Value) -> Value {
    let created = server.change("POST", "/forwards", target);
    assert_eq!(created.status, 201, "{}", created.text);
    created.json()
}

#[test]
fn each_payload_arrives_once_after_an_outage_and_a_kill() {
    let endpoint = RecordingEndpoint::start();
    let mut server = allowing_server();
    let target = create(&server, &json!({ "type": "sentry", "url": format!("http://0123abcd@{}/7", endpoint.address) }));
    assert!(!target.to_string().contains("0123abcd"), "{target}");
    assert_eq!((&target["has_key"], &target["url"]), (&json!(true), &json!(format!("http://{}/7", endpoint.address))));
    let bodies: Vec<Vec<u8>> = (0..24).map(envelope).collect();
    let send = |server: &Server, body: &Vec<u8>| assert_eq!(server.envelope(body.clone()).status, 200);
    bodies[..8].iter().for_each(|body| send(&server, body));
    endpoint.wait_for(8, &server);

    endpoint.status.store(503, Ordering::Relaxed);
    bodies[8..16].iter().for_each(|body| send(&server, body));
    server.restart();
    bodies[16..].iter().for_each(|body| send(&server, body));
    // The client repeats a request whose answer it missed.
    send(&server, &bodies[20]);
    let started = Instant::now();
    let state = loop {
        let state = server.ask("/forwards")["forwards"][0].clone();
        if state["last_error"] != Value::Null {
            break state;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{state}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((&state["queued"], &state["delivered"], &state["last_error"]), (&json!(16), &json!(8), &json!("HTTP 503")));
    endpoint.status.store(200, Ordering::Relaxed);
    server.restart();

    let mut received = endpoint.wait_for(24, &server);
    assert_eq!(received.len(), 24);
    // A few requests are sent at once, in any order.
    received.sort_by(|one, other| one.body.cmp(&other.body));
    for (sent, got) in bodies.iter().zip(&received) {
        assert_eq!((items(sent), got.path.as_str()), (items(&got.body), "/api/7/envelope/"));
        assert!(got.headers["x-sentry-auth"].contains("sentry_key=0123abcd"), "{:?}", got.headers);
        let header: Value = serde_json::from_slice(&got.body[..got.body.iter().position(|byte| *byte == b'\n').unwrap()]).unwrap();
        assert_eq!(header.as_object().unwrap().keys().collect::<Vec<_>>(), ["event_id"]);
    }
    let state = server.ask("/forwards")["forwards"][0].clone();
    assert_eq!(
        (&state["queued"], &state["delivered"], &state["failed"], &state["last_error"]),
        (&json!(0), &json!(24), &json!(0), &Value::Null)
    );
}

#[test]
fn otlp_and_langfuse_requests_go_to_services_that_take_them() {
    let endpoint = RecordingEndpoint::start();
    let server = allowing_server();
    let url = format!("http://{}", endpoint.address);
    create(&server, &json!({ "type": "otlp", "url": url, "key": "x-team=blue" }));
    create(&server, &json!({ "type": "langfuse", "url": url, "key": "pk:sk" }));
    let key = format!("Bearer {KEY}");
    let json_type = [("authorization", key.as_str()), ("content-type", "application/json")];
    let post =
        |path: &str, body: &Value| assert!(server.send("POST", path, &json_type, body.to_string().into_bytes()).status < 300, "{path}");
    post("/v1/metrics", &json!({ "resourceMetrics": [] }));
    post("/v1/traces", &json!({ "resourceSpans": [] }));
    let batch = json!({ "batch": [{ "id": "e1", "type": "trace-create", "timestamp": "2026-11-30T08:00:00Z", "body": { "id": "t1", "name": "ask" } }] });
    post("/api/public/ingestion", &batch);
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);

    let mut received: Vec<(String, String, String)> = endpoint
        .wait_for(4, &server)
        .into_iter()
        .map(|got| {
            let credential = got.headers.get("authorization").or(got.headers.get("x-team")).cloned().unwrap_or_default();
            (got.path, credential, String::from_utf8(got.body).unwrap())
        })
        .collect();
    received.sort();
    let basic = "Basic cGs6c2s=".to_owned();
    let expected = [
        ("/api/public/ingestion".to_owned(), basic.clone(), batch.to_string()),
        ("/api/public/otel/v1/traces".to_owned(), basic, "{\"resourceSpans\":[]}".to_owned()),
        ("/v1/metrics".to_owned(), "blue".to_owned(), "{\"resourceMetrics\":[]}".to_owned()),
        ("/v1/traces".to_owned(), "blue".to_owned(), "{\"resourceSpans\":[]}".to_owned()),
    ];
    assert_eq!(received, expected);
}

#[test]
fn a_second_server_shows_the_same_and_loops_end() {
    let (first, second) = (allowing_server(), allowing_server());
    let dsn = |server: &Server| format!("http://{KEY}@{}/1", server.url.trim_start_matches("http://"));
    // Both servers have the same key in this test, which a server refuses as its own: the second one gets a new key.
    let other = second.change("POST", "/keys", &json!({ "name": "from the first" })).json();
    let key = other["public_key"].as_str().unwrap();
    create(&first, &json!({ "type": "sentry", "url": dsn(&second).replace(KEY, key) }));
    let own = first.change("POST", "/forwards", &json!({ "type": "sentry", "url": dsn(&first) }));
    assert_eq!((own.status, &own.json()["error"]["code"]), (400, &json!("forward_loop")));
    let back = first.change("POST", "/keys", &json!({ "name": "from the second" })).json();
    create(&second, &json!({ "type": "sentry", "url": dsn(&first).replace(KEY, back["public_key"].as_str().unwrap()) }));

    assert_eq!(first.envelope(call(5, "Which way?", "North.")).status, 200);
    let started = Instant::now();
    let state = loop {
        let state = second.ask("/forwards")["forwards"][0].clone();
        if state["failed"] == json!(1) {
            break state;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{state} {}", second.log());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(state["last_error"].as_str().unwrap().contains("508"), "{state}");
    let summary = second.ask("/summary");
    assert_eq!((&summary["llm_calls"], &summary["cost"]), (&first.ask("/summary")["llm_calls"], &first.ask("/summary")["cost"]));
    assert_eq!(first.ask("/outcomes").to_string().matches("forward_loop").count(), 1, "{}", first.ask("/outcomes"));
}

#[test]
fn targets_are_checked_changed_and_deleted() {
    let endpoint = RecordingEndpoint::start();
    let server = Server::start();
    let url = format!("http://0123abcd@{}/7", endpoint.address);
    let refused = server.change("POST", "/forwards", &json!({ "type": "sentry", "url": url }));
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!("target_not_allowed")), "{}", refused.text);
    assert!(refused.text.contains("HINOMI_NOTIFY_ALLOW"));
    for (target, word) in [
        (json!({ "type": "sentry", "url": "https://sentry.example/7" }), "key"),
        (json!({ "type": "sentry", "url": "https://k@sentry.example" }), "DSN"),
        (json!({ "type": "langfuse", "url": "https://lf.example", "key": "sk" }), "PUBLIC_KEY"),
        (json!({ "type": "kafka", "url": "https://x.example" }), "unknown variant"),
        (json!({ "type": "otlp", "url": "ftp://x.example" }), "https://"),
    ] {
        let answer = server.change("POST", "/forwards", &target);
        assert!(answer.status == 400 && answer.text.contains(word), "{target}: {}", answer.text);
    }

    let created = create(&server, &json!({ "type": "otlp", "url": "https://collector.example:4318", "key": "token", "enabled": false }));
    let path = format!("/forwards/{}", created["id"]);
    assert_eq!(server.ask(&path), created);
    let moved = server.change("PUT", &path, &json!({ "type": "otlp", "url": "https://elsewhere.example" }));
    assert!(moved.status == 400 && moved.text.contains("enter the key again"), "{}", moved.text);
    let changed = server.change("PUT", &path, &json!({ "type": "otlp", "url": "https://collector.example:4318/v1/traces" }));
    assert_eq!(
        (changed.status, &changed.json()["has_key"], &changed.json()["url"]),
        (200, &json!(true), &created["url"]),
        "{}",
        changed.text
    );
    assert_eq!(server.change("DELETE", &path, &Value::Null).status, 204);
    assert_eq!(server.change("DELETE", &path, &Value::Null).status, 404);
    assert_eq!(server.ask("/forwards"), json!({ "forwards": [] }));
}

#[test]
fn erased_traces_and_users_leave_the_queue() {
    let server = allowing_server();
    // Nothing listens there.
    create(&server, &json!({ "type": "sentry", "url": "http://0123abcd@127.0.0.1:9/7" }));
    let mut of_user = crate::envelopes::transaction(2, "q", "a");
    of_user["user"] = json!({ "id": "gone@example.com" });
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    assert_eq!(server.envelope(of_item("transaction", &of_user)).status, 200);
    assert_eq!(server.envelope(call(3, "q", "a")).status, 200);
    let queued = || server.ask("/forwards")["forwards"][0]["queued"].clone();
    assert_eq!(queued(), json!(3));
    assert_eq!(server.change("DELETE", &format!("/traces/{:032x}", 1), &Value::Null).status, 200);
    assert_eq!(queued(), json!(2));
    assert_eq!(server.change("DELETE", "/users/gone@example.com", &Value::Null).status, 200);
    assert_eq!(queued(), json!(1));
}

#[test]
fn a_pause_holds_requests_back_as_after_a_restore() {
    let endpoint = RecordingEndpoint::start();
    let mut server = allowing_server();
    create(&server, &json!({ "type": "sentry", "url": format!("http://0123abcd@{}/7", endpoint.address) }));
    let (said, error, status) = server.command(&["notifications", "pause"]);
    assert!(status == Some(0) && said.contains("forwarding are paused"), "{said}{error}");
    // A start reads the setting before it sends anything.
    server.restart();
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    assert_eq!(server.ask("/forwards")["forwards"][0]["queued"], json!(1));
    assert_eq!(endpoint.received.lock().unwrap().len(), 0);
    assert_eq!(server.command(&["notifications", "resume"]).2, Some(0));
    assert_eq!(endpoint.wait_for(1, &server).len(), 1);
}
