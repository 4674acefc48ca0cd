//! Limits of a request, of a client before it is identified, and of idle connections.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::envelopes::call;
use crate::server::{Answer, KEY, Server};

/// Memory limit of these servers, and the memory that the process may use, which is twice as much.
const MEMORY_LIMIT: &str = "536870912";
const MAX_RESIDENT_BYTES: u64 = 1 << 30;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn post(server: &Server, path: &str, content_type: &str, body: &[u8]) -> Answer {
    let authorization = format!("Bearer {KEY}");
    let headers = [("authorization", authorization.as_str()), ("content-type", content_type), ("content-encoding", "gzip")];
    server.send("POST", path, &headers, gzip(body))
}

fn json(server: &Server, path: &str, body: &str) -> Answer {
    post(server, path, "application/json", body.as_bytes())
}

/// Returns the number of requests that were rejected for their size.
fn refused(server: &Server) -> u64 {
    let outcomes = server.ask("/outcomes")["outcomes"].as_array().unwrap().clone();
    let of = |outcome: &&Value| outcome["outcome"] == "refused" && outcome["reason"] == "too_many_items";
    outcomes.iter().filter(of).map(|outcome| outcome["quantity"].as_u64().unwrap()).sum()
}

fn count_of(server: &Server) -> u64 {
    server.ask("/summary")["spans"].as_u64().unwrap()
}

fn now_ns() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}

fn spans(count: usize) -> String {
    let start = now_ns();
    let span = |id: usize| {
        format!(
            r#"{{"traceId":"{:032x}","spanId":"{id:016x}","name":"step","startTimeUnixNano":"{start}","endTimeUnixNano":"{start}","attributes":[{{"key":"n","value":{{"intValue":"{id}"}}}}]}}"#,
            id / 100 + 1
        )
    };
    let spans: Vec<String> = (1..=count).map(span).collect();
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","))
}

#[test]
fn span_limit_is_exact() {
    let server = Server::start_with(&[("HINOMI_MEMORY_LIMIT_BYTES", MEMORY_LIMIT)]);
    let answer = json(&server, "/v1/traces", &spans(100_001));
    assert_eq!((answer.status, count_of(&server), refused(&server)), (413, 0, 1), "{}", answer.text);
    assert!(answer.text.contains("send it in parts"), "{}", answer.text);
    assert_eq!(json(&server, "/v1/traces", &spans(100_000)).status, 200);
    assert_eq!(count_of(&server), 100_000);
    let start = now_ns();
    let point = |id: usize| format!(r#"{{"timeUnixNano":"{}","asInt":"{id}"}}"#, start - id as u128 * 1000);
    let points = |count: usize| {
        let points: Vec<String> = (0..count).map(point).collect();
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{}]}}}}]}}]}}]}}"#,
            points.join(",")
        )
    };
    assert_eq!(json(&server, "/v1/metrics", &points(100_001)).status, 413);
    assert_eq!(json(&server, "/v1/metrics", &points(100_000)).status, 200);
    let record =
        |id: usize| format!(r#"{{"traceId":"{:032x}","timeUnixNano":"{start}","body":{{"stringValue":"line {id}"}}}}"#, id / 100 + 1);
    let records = |count: usize| {
        let records: Vec<String> = (0..count).map(record).collect();
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{}]}}]}}]}}"#, records.join(","))
    };
    assert_eq!(json(&server, "/v1/logs", &records(100_001)).status, 413);
    assert_eq!(json(&server, "/v1/logs", &records(100_000)).status, 200);
    assert_eq!(refused(&server), 3);
    assert!(server.peak_memory() < MAX_RESIDENT_BYTES, "{}", server.peak_memory());
}

#[test]
fn event_limit_is_exact() {
    let server = Server::start_with(&[("HINOMI_MEMORY_LIMIT_BYTES", MEMORY_LIMIT)]);
    let events = |count: usize| {
        let event = |id: usize| {
            format!(
                r#"{{"id":"e{id}","type":"trace-create","timestamp":"2026-01-01T00:00:00Z","body":{{"id":"t{id}","timestamp":"{}"}}}}"#,
                jiff::Timestamp::now()
            )
        };
        format!(r#"{{"batch":[{}]}}"#, (0..count).map(event).collect::<Vec<_>>().join(","))
    };
    let answer = json(&server, "/api/public/ingestion", &events(10_001));
    assert_eq!((answer.status, count_of(&server), refused(&server)), (413, 0, 1), "{}", answer.text);
    let answer = json(&server, "/api/public/ingestion", &events(10_000));
    assert_eq!((answer.status, count_of(&server)), (207, 10_000));
    assert_eq!(answer.json()["successes"].as_array().map(Vec::len), Some(10_000));
    // Invalid events get a response too, and neither an event nor its ID makes the response long.
    let answer = json(&server, "/api/public/ingestion", &format!(r#"{{"batch":[{}[]]}}"#, "[],".repeat(9_999)));
    assert!(answer.status == 207 && answer.text.len() < 1_000_000, "{} {}", answer.status, answer.text.len());
    let answer = json(&server, "/api/public/ingestion", &format!(r#"{{"batch":[{{"id":"{}"}}]}}"#, "x".repeat(10_000_000)));
    assert!(answer.status == 207 && answer.text.len() < 1_000, "{} {}", answer.status, answer.text.len());
}

#[test]
fn small_requests_do_not_become_large_ones() {
    let server = Server::start_with(&[("HINOMI_MEMORY_LIMIT_BYTES", MEMORY_LIMIT)]);
    const BODY_BYTES: usize = 60 << 20;
    let filled = |before: &str, fragment: &str, after: &str| {
        let bytes = format!("{before}{}", fragment.repeat(BODY_BYTES / fragment.len()));
        bytes.trim_end_matches(',').to_owned() + after
    };
    let span = r#"{"resourceSpans":[{"scopeSpans":[{"spans":["#;
    let bombs = [
        ("/v1/traces", filled(r#"{"resourceSpans":[{"x":["#, "0,", "]}]}")),
        ("/v1/traces", filled(span, "0,", "]}]}]}")),
        ("/v1/traces", filled(span, "{},", "]}]}]}")),
        ("/v1/traces", filled(r#"{"resourceSpans":["#, "{},", "]}")),
        ("/v1/traces", filled(r#"{"resourceSpans":[{"scopeSpans":["#, "{},", "]}]}")),
        ("/v1/traces", filled(&format!("{span}{{\"attributes\":{{\"a\":["), "[],", "]}}]}]}]}")),
        ("/v1/traces", filled(&format!("{span}{{\"events\":["), "{\"attributes\":{\"a\":0}},", "]}]}]}]}")),
        ("/v1/metrics", filled(r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":["#, "{},", "]}}]}]}]}")),
        ("/api/public/ingestion", filled(r#"{"batch":["#, "[],", "]}")),
        ("/api/public/scores", filled("[", "{},", "]")),
    ];
    for (path, body) in &bombs {
        let answer = json(&server, path, body);
        assert!(answer.text.len() < 10_000 && answer.status != 500, "{path} {}", answer.text.len());
        // An ignored field costs nothing either, and the request is accepted.
        assert!(
            answer.status == 413 || (answer.status == 200 && body.starts_with(r#"{"resourceSpans":[{"x""#)),
            "{path} {}",
            answer.status
        );
    }
    let binary = [b"\x0a\x00".repeat(BODY_BYTES / 2), {
        let scopes = b"\x12\x00".repeat(BODY_BYTES / 2);
        [
            &[0x0a, 0x80 | (scopes.len() & 127) as u8, 0x80 | (scopes.len() >> 7 & 127) as u8][..],
            &[0x80 | (scopes.len() >> 14 & 127) as u8, (scopes.len() >> 21) as u8],
            &scopes,
        ]
        .concat()
    }];
    for body in &binary {
        assert_eq!(post(&server, "/v1/traces", "application/x-protobuf", body).status, 413);
    }
    for payload in [filled("{\"items\":[", "0,", "]}"), filled("{\"items\":[", "[],", "]}")] {
        let kind = r#"{"type":"span","item_count":1,"content_type":"application/vnd.sentry.items.span.v2+json"}"#;
        let path = format!("/api/1/envelope/?sentry_key={KEY}");
        let body = gzip(format!("{{}}\n{kind}\n{payload}").as_bytes());
        assert_eq!(server.send("POST", &path, &[("content-encoding", "gzip")], body).status, 413);
    }
    assert_eq!(server.envelope(call(1, "good", "a")).status, 200);
    assert!(server.peak_memory() < MAX_RESIDENT_BYTES, "{} MB", server.peak_memory() >> 20);
}

#[test]
fn unidentified_sender_is_identified_by_the_first_line_or_rejected() {
    let server = Server::start();
    let dsn = |key: &str| format!(r#"{{"dsn":"http://{key}@127.0.0.1/1"}}"#);
    let envelope = |key: &str, padding: usize| format!("{}\n{{\"type\":\"session\"}}\n{{\"x\":\"{}\"}}\n", dsn(key), "x".repeat(padding));
    let send = |encoding: &str, body: Vec<u8>| server.send("POST", "/api/1/envelope/", &[("content-encoding", encoding)], body).status;
    assert_eq!(send("gzip", gzip(envelope(KEY, 1_000_000).as_bytes())), 200);
    assert_eq!(send("gzip, gzip", gzip(&gzip(envelope(KEY, 10).as_bytes()))), 200);
    assert_eq!(send("", envelope(KEY, 3_000_000).into_bytes()), 200);
    assert_eq!(send("gzip", gzip(envelope(&"f".repeat(32), 1_000_000).as_bytes())), 401);
    // No first line that is short enough.
    assert_eq!(send("gzip", gzip(&vec![b' '; 30 << 20])), 401);
    assert_eq!(send("gzip, gzip, gzip", gzip(&gzip(&gzip(envelope(KEY, 10).as_bytes())))), 415);
}

/// Opens a connection and sends an incomplete request.
fn half(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

#[test]
fn announced_but_unsent_bodies_hold_no_memory() {
    let server = Server::start_with(&[("HINOMI_MEMORY_LIMIT_BYTES", MEMORY_LIMIT)]);
    let announced = |head: &str| format!("POST {head}Host: x\r\nContent-Length: 33554432\r\n\r\n{{");
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..40 {
        held.push(half(&server, &announced("/api/1/envelope/ HTTP/1.1\r\n")));
        held.push(half(
            &server,
            &announced(&format!("/v1/traces HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n")),
        ));
        held.push(half(
            &server,
            "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        ));
        held.push(half(&server, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: "));
    }
    // Each of the connections once took all memory of ingestion.
    for trace in 1..=10 {
        assert_eq!(server.envelope(call(trace, "good", "a")).status, 200);
        assert_eq!(json(&server, "/v1/traces", &spans(10)).status, 200);
    }
}

#[test]
fn silent_connections_are_closed_and_used_ones_stay() {
    let server = Server::start();
    let mut silent: Vec<TcpStream> = ["", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
        .iter()
        .map(|text| half(&server, text))
        .collect();
    let mut asked = half(&server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut trickle =
        half(&server, "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    for stream in &mut silent {
        stream.set_read_timeout(Some(Duration::from_secs(50))).unwrap();
        let mut rest = Vec::new();
        // A reset is an end too; a timeout is not.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
    }
    trickle.set_read_timeout(Some(Duration::from_secs(50))).unwrap();
    let mut said = String::new();
    let _ = trickle.read_to_string(&mut said);
    assert!(said.starts_with("HTTP/1.1 4"), "{said}");
    let mut said = [0; 1024];
    assert!(asked.read(&mut said).unwrap() > 0);
    asked.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(asked.read(&mut said).unwrap() > 0, "it was of use before");
}

#[test]
fn store_can_open_files_while_connections_are_exhausted() {
    let server = Server::start_with_files(256);
    assert_eq!(server.envelope(call(1, "before", "a")).status, 200);
    let held: Vec<TcpStream> = (0..400).map(|_| half(&server, "")).collect();
    for trace in 2..=20 {
        assert_eq!(server.envelope(call(trace, "meanwhile", "a")).status, 200);
    }
    assert_eq!(server.ask("/summary")["traces"], 20);
    assert!(!server.log().contains("Too many open files"), "{}", server.log());
    drop(held);
}
