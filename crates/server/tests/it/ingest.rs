//! What is ingested and what is rejected, and that both are reported and counted.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::envelopes::{call, of_item, transaction};
use crate::server::{KEY, Server};

fn outcomes(server: &Server) -> Vec<(String, String, String, u64)> {
    // Requests without a valid key are not counted for a project.
    let (of_project, of_server) = (server.ask("/outcomes"), server.get("/api/v1/system").json());
    let rows = [&of_project["outcomes"], &of_server["refused"]].into_iter().flat_map(|rows| rows.as_array().unwrap());
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let of = |row: &Value| (text(row, "outcome"), text(row, "reason"), text(row, "category"), row["quantity"].as_u64().unwrap());
    rows.map(of).collect()
}

pub(crate) fn counted(server: &Server, outcome: &str, reason: &str) -> u64 {
    outcomes(server).iter().filter(|(is, why, _, _)| is == outcome && why == reason).map(|(_, _, _, quantity)| quantity).sum()
}

#[test]
fn a_call_is_shown_to_the_token_and_the_cent() {
    let server = Server::start();
    let answer = server.envelope(call(0xa1, "東京の天気は？", "晴れです。"));
    assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    let trace = server.ask(&format!("/traces/{:032x}", 0xa1));
    assert_eq!(trace["trace"]["cost"], json!(0.00045));
    assert_eq!(trace["trace"]["total_tokens"], json!(1500));
    let pipeline = trace["spans"].as_array().unwrap().iter().find(|span| span["op"] == "ai.pipeline").unwrap();
    assert_eq!(
        pipeline["subtree"],
        json!({ "llm_calls": 1, "input_tokens": 1000, "output_tokens": 500, "cost": 0.00045, "unpriced_calls": 0, "estimated_calls": 0 })
    );
    let span = server.ask(&format!("/traces/{:032x}/spans/{:016x}", 0xa1, 3));
    assert_eq!(span["input_messages"], json!([{ "role": "user", "parts": [{ "type": "text", "text": "東京の天気は？" }] }]));
    assert_eq!(span["output_messages"][0]["parts"][0]["text"], "晴れです。");
    let summary = server.ask("/summary?from=-1h");
    for (field, want) in [("spans", 3.0), ("traces", 1.0), ("llm_calls", 1.0), ("runs", 1.0), ("cost", 0.00045)] {
        assert_eq!(summary[field].as_f64(), Some(want), "{field}");
    }
    assert_eq!(counted(&server, "accepted", "stored"), 3);
}

#[test]
fn every_form_of_authentication_is_accepted() {
    let server = Server::start();
    let dsn = format!("{{\"dsn\":\"http://{KEY}@127.0.0.1:9/1\"}}\n");
    let sentry = format!("Sentry sentry_key={KEY}, sentry_version=7, sentry_client=test/1");
    type Way<'a> = (&'a str, String, Vec<(&'a str, &'a str)>, Vec<u8>);
    let ways: [Way; 6] = [
        ("query", format!("/api/1/envelope/?sentry_key={KEY}&sentry_version=7"), vec![], b"{}\n".to_vec()),
        ("header", "/api/1/envelope/".into(), vec![("x-sentry-auth", &sentry)], b"{}\n".to_vec()),
        ("authorization", "/api/1/envelope".into(), vec![("authorization", &sentry)], b"{}\n".to_vec()),
        ("dsn", "/api/1/envelope/".into(), vec![], dsn.clone().into_bytes()),
        ("slashes", format!("//api///1/envelope//?sentry_key={KEY}"), vec![], b"{}\n".to_vec()),
        ("key of a cron", format!("/api/1/cron/nightly/{KEY}/"), vec![], b"x".to_vec()),
    ];
    for (name, path, headers, body) in ways {
        let answer = server.send("POST", &path, &headers, body);
        assert_eq!((answer.status, answer.text.as_str()), (200, "{}"), "{name}");
    }
}

#[test]
fn rejections_have_a_reason_and_are_counted() {
    let server = Server::start_with(&[("HINOMI_INGEST_MAX_BODY_BYTES", "100000"), ("HINOMI_INGEST_MAX_INFLATED_BYTES", "200000")]);
    let own = format!("/api/1/envelope/?sentry_key={KEY}");
    let unknown = format!("/api/1/envelope/?sentry_key={}", "f".repeat(32));
    let bomb = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![b' '; 50_000_000]).unwrap();
        encoder.finish().unwrap()
    };
    let sentry = format!("Sentry sentry_key={KEY}");
    type Case<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, Vec<u8>, u16);
    let cases: Vec<Case> = vec![
        ("missing_key", "/api/1/envelope/", vec![], b"{}\n".to_vec(), 401),
        ("unknown_key", &unknown, vec![], b"{}\n".to_vec(), 401),
        ("malformed_key", "/api/1/envelope/?sentry_key=abc", vec![], b"{}\n".to_vec(), 400),
        ("multiple_keys", &own, vec![("x-sentry-auth", &sentry)], b"{}\n".to_vec(), 401),
        ("dsn_mismatch", &own, vec![], format!("{{\"dsn\":\"http://{KEY}@h/2\"}}\n").into_bytes(), 400),
        ("invalid_envelope", &own, vec![], Vec::from("nonsense"), 400),
        ("too_large", &own, vec![], vec![b' '; 100_001], 413),
        ("too_large", &own, vec![("content-encoding", "gzip")], bomb, 413),
        ("unknown_encoding", &own, vec![("content-encoding", "lzma")], b"{}\n".to_vec(), 415),
        ("damaged_body", &own, vec![("content-encoding", "gzip")], b"{}\n".to_vec(), 400),
    ];
    for (reason, path, headers, body, status) in &cases {
        let before = counted(&server, "refused", reason);
        let answer = server.send("POST", path, headers, body.clone());
        assert_eq!(answer.status, *status, "{reason}: {}", answer.text);
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{reason}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{reason}");
        assert_eq!(counted(&server, "refused", reason), before + 1, "{reason}: {:?}", outcomes(&server));
    }
    let empty = server.send("POST", &own, &[("content-type", "text/plain")], Vec::new());
    assert_eq!((empty.status, empty.json()["detail"].as_str()), (400, Some("empty request body")));
    assert!(!server.log().contains("panicked"));
}

/// Returns the headers of the next response on a connection, and skips its body.
fn next_answer(reader: &mut impl BufRead) -> String {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the connection ended after {head:?}");
        if line == "\r\n" {
            break;
        }
        head.push_str(&line.to_ascii_lowercase());
        length = line.to_ascii_lowercase().strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    head
}

#[test]
fn rejection_reaches_a_sender_mid_body_and_keeps_the_connection() {
    let server = Server::start_with(&[("HINOMI_INGEST_MAX_BODY_BYTES", "100000")]);
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let post = |length: usize, more: &str| {
        format!("POST /api/1/envelope/?sentry_key={KEY} HTTP/1.1\r\nhost: h\r\n{more}content-length: {length}\r\n\r\n").into_bytes()
    };
    for _ in 0..3 {
        stream.write_all(&post(20_000_000, "")).unwrap();
        stream.write_all(&vec![b'x'; 20_000_000]).unwrap();
        let head = next_answer(&mut reader);
        assert!(head.starts_with("http/1.1 413"), "{head}");
        assert!(!head.contains("connection: close"), "{head}");
    }
    stream.write_all(&post(3, "")).unwrap();
    stream.write_all(b"{}\n").unwrap();
    assert!(next_answer(&mut reader).starts_with("http/1.1 200"));
    // A client that sends `Expect`, or announces a body that is too long, learns at once that the connection closes.
    for head in [post(20_000_000, "expect: 100-continue\r\n"), post(1_000_000_000, "")] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&head).unwrap();
        let head = next_answer(&mut BufReader::new(stream));
        assert!(head.starts_with("http/1.1 413") && head.contains("connection: close"), "{head}");
    }
}

#[test]
fn browsers_may_send_from_any_origin() {
    let server = Server::start();
    let headers = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-sentry-auth"),
    ];
    let answer = server.send("OPTIONS", "/api/1/envelope/", &headers, Vec::new());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-allow-headers").contains("x-sentry-auth"));
    assert_eq!(answer.header("access-control-max-age"), "3600");
}

#[test]
fn valid_items_of_a_mixed_envelope_are_stored() {
    let server = Server::start();
    let good = transaction(0xb1, "q", "a").to_string();
    let mut bad_span = transaction(0xb2, "q", "a");
    bad_span["spans"][0]["span_id"] = json!("not hex");
    let bad_span = bad_span.to_string();
    let body = format!(
        "{{}}\n{{\"type\":\"transaction\"}}\n{good}\n{{\"type\":\"transaction\"}}\n{{broken\n{{\"type\":\"transaction\"}}\n{bad_span}\n{{\"type\":\"made_up\"}}\nxyz\n"
    );
    assert_eq!(server.envelope(body).status, 200);
    assert_eq!(server.ask(&format!("/traces/{:032x}", 0xb1))["spans"].as_array().unwrap().len(), 3);
    assert_eq!(server.ask(&format!("/traces/{:032x}", 0xb2))["spans"].as_array().unwrap().len(), 2);
    let dropped: u64 = outcomes(&server).iter().filter(|(outcome, ..)| outcome == "dropped").map(|(.., quantity)| quantity).sum();
    assert!(dropped >= 3, "{:?}", outcomes(&server));
}

#[test]
fn strange_but_readable_input_is_stored() {
    let server = Server::start();
    let long = "x".repeat(1 << 20);
    for (index, text) in ["nul \u{0} in it", "\\ud83d alone", long.as_str(), "\"quoted\" \n lines \\ back"].iter().enumerate() {
        let trace = 0xc0 + index as u128;
        assert_eq!(server.envelope(call(trace, text, text)).status, 200, "{index}");
        let span = server.ask(&format!("/traces/{trace:032x}/spans/{:016x}", 3));
        assert_eq!(span["kind"], "llm", "{index}");
    }
    // Half of a surrogate pair, escaped in JSON.
    let body = call(0xd0, "MARK", "a").replace("MARK", r"\\ud83d");
    let (head, payload) = body.split_once("}\n{\"type\"").map(|(head, _)| (head.len() + 2, &body)).unwrap();
    let payload = payload[head..].lines().nth(1).unwrap();
    assert_eq!(server.envelope(format!("{{}}\n{{\"type\":\"transaction\"}}\n{payload}\n")).status, 200);
    let mut many = transaction(0xe0, "q", "a");
    let template = many["spans"][1].clone();
    let spans: Vec<Value> = (10..10_010u64)
        .map(|id| {
            let mut span = template.clone();
            span["span_id"] = json!(format!("{id:016x}"));
            span
        })
        .collect();
    many["spans"] = json!(spans);
    assert_eq!(server.envelope(of_item("transaction", &many)).status, 200);
    let trace = server.ask(&format!("/traces/{:032x}", 0xe0));
    assert_eq!(trace["trace"]["llm_calls"], 10_000);
    assert_eq!(trace["trace"]["cost"], json!(4.5));
    // A clock that is years off, with and without the time of sending.
    let mut early = transaction(0xf0, "q", "a");
    for value in ["start_timestamp", "timestamp"] {
        early[value] = json!(1_000_000_000.5);
        early["spans"][0][value] = json!(1_000_000_000.5);
        early["spans"][1][value] = json!(1_000_000_000.5);
    }
    let plain = of_item("transaction", &early);
    assert_eq!(server.envelope(plain.clone()).status, 200);
    assert_eq!(server.get(&format!("/api/v1/projects/1/traces/{:032x}", 0xf0)).status, 404, "older than what is kept");
    assert!(counted(&server, "dropped", "too_old") >= 1, "{:?}", outcomes(&server));
    let payload = plain.split_once('\n').unwrap().1.to_owned();
    assert_eq!(server.envelope(format!("{{\"sent_at\":\"2001-09-09T01:46:41Z\"}}\n{payload}")).status, 200);
    assert_eq!(server.ask(&format!("/traces/{:032x}", 0xf0))["spans"].as_array().unwrap().len(), 3, "a clock that is off is set right");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn the_older_endpoint() {
    use base64::Engine;
    let server = Server::start();
    let encoded = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes).into_bytes();
    let event = |id: &str| json!({ "event_id": id, "message": "it broke", "level": "error" }).to_string().into_bytes();
    let ids = ["1".repeat(32), "2".repeat(32), "3".repeat(32)];
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(&event(&ids[2])).unwrap();
    let bodies = [event(&ids[0]), encoded(&event(&ids[1])), encoded(&zlib.finish().unwrap())];
    for (id, body) in ids.iter().zip(bodies) {
        let answer = server.send("POST", &format!("/api/1/store/?sentry_key={KEY}"), &[], body);
        assert_eq!((answer.status, answer.json()["id"].as_str()), (200, Some(id.as_str())));
    }
    let anywhere = server.send("POST", &format!("/api/store/?sentry_key={KEY}"), &[], transaction(0xa7, "q", "a").to_string().into_bytes());
    assert_eq!(anywhere.status, 200, "{}", anywhere.text);
    assert_eq!(server.ask("/summary")["errors"], 3);
    assert_eq!(server.ask("/summary")["llm_calls"], 1);
    let issues = server.ask("/issues");
    assert_eq!(issues["issues"].as_array().unwrap().len(), 1, "{issues}");
    assert_eq!(issues["issues"][0]["count"], 3);
}

#[test]
fn disabled_project_and_removed_key_reject_data() {
    let server = Server::start();
    let admin = format!("Bearer {}", server.token);
    let headers = [("authorization", admin.as_str()), ("content-type", "application/json")];
    let made = server.send("POST", "/api/v1/projects/1/keys", &headers, br#"{"name":"second"}"#.to_vec());
    assert_eq!(made.status, 201, "{}", made.text);
    let key = made.json();
    let path = format!("/api/1/envelope/?sentry_key={}", key["public_key"].as_str().unwrap());
    assert_eq!(server.send("POST", &path, &[], b"{}\n".to_vec()).status, 200);
    assert_eq!(server.send("DELETE", &format!("/api/v1/projects/1/keys/{}", key["id"]), &headers[..1], Vec::new()).status, 204);
    assert_eq!(server.send("POST", &path, &[], b"{}\n".to_vec()).status, 401);
    let disable = server.send("PATCH", "/api/v1/projects/1", &headers, br#"{"disabled":true}"#.to_vec());
    assert_eq!((disable.status, disable.json()["disabled"].as_bool()), (200, Some(true)));
    assert_eq!(server.envelope("{}\n").status, 403);
}

#[test]
fn client_report_is_shown_as_outcomes() {
    let server = Server::start();
    let report = json!({ "timestamp": crate::envelopes::now(), "discarded_events": [{ "reason": "sample_rate", "category": "span", "quantity": 7 }] });
    assert_eq!(server.envelope(of_item("client_report", &report)).status, 200);
    assert_eq!(counted(&server, "client_dropped", "sample_rate"), 7);
}
