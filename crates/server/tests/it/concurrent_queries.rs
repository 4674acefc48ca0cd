//! Many concurrent queries: each response contains everything acknowledged before, and no caller blocks the others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::disconnects::{ask, gauge, until};
use crate::envelopes::{call, of_item, transaction};
use crate::server::Server;

#[test]
fn equal_queries_share_a_response_with_all_acknowledged_data() {
    let server = Server::start();
    assert_eq!(server.envelope(call(1, "a", "b")).status, 200);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut last = 0;
                while !over.load(Ordering::Relaxed) {
                    let found = server.ask("/summary?from=-1h")["llm_calls"].as_u64().unwrap();
                    assert!(found >= last, "{found} after {last}");
                    last = found;
                }
            });
        }
        for trace in 2..=60u128 {
            assert_eq!(server.envelope(call(trace, "a", "b")).status, 200);
            let found = server.ask("/summary?from=-1h");
            if found["llm_calls"] != trace as u64 {
                over.store(true, Ordering::Relaxed);
                panic!("{trace} calls were acknowledged before this was asked: {found}");
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(gauge(&server, "hinomi_queries_shared_total") > 0);

    // While nothing arrives, an equal query does not run again, unless its encoding or the caller's access differs. What the server writes
    // by itself after the load, such as a segment, may come in between, so this repeats.
    let shared = || gauge(&server, "hinomi_queries_shared_total");
    let (other, ..) = server.command(&["token", "create"]);
    let headers = [("authorization", &*format!("Bearer {}", other.trim()))];
    let is_shared = (0..50).any(|number| {
        let path = format!("/summary?q=model:nothing{number}&from=2020-01-01");
        let first = server.ask(&path);
        let before = shared();
        assert_eq!(server.ask(&format!("/summary?from=2020-01-01&q=model:nothing{number}")), first);
        let equal = shared() - before;
        server.ask(&format!("/breakdown?q=model:nothing{number}&from=2020-01-01"));
        assert_eq!(server.send("GET", &format!("/api/v1/projects/1{path}"), &headers, Vec::new()).status, 200);
        assert_eq!(shared(), before + equal, "neither another path nor another caller shares");
        equal == 1
    });
    assert!(is_shared);
    // An error event counts at once too.
    let errors = || server.ask("/summary")["errors"].as_u64().unwrap();
    assert_eq!(errors(), 0);
    for count in 1..=3 {
        let event = json!({ "event_id": format!("{count:032x}"), "level": "error",
            "exception": { "values": [{ "type": "Error", "value": format!("error {count}") }] } });
        assert_eq!(server.envelope(of_item("event", &event)).status, 200);
        assert_eq!(errors(), count);
    }
}

#[test]
fn shared_responses_are_compressed_once() {
    let server = Server::start();
    for trace in 1..=40 {
        assert_eq!(server.envelope(of_item("transaction", &transaction(trace, "question", "answer"))).status, 200);
    }
    let token = format!("Bearer {}", server.token);
    let raw = |encoding: &str| {
        let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
        write!(
            stream,
            "GET /api/v1/projects/1/traces HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nAccept-Encoding: {encoding}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    };
    let (packed, plain) = (raw("gzip"), raw("identity"));
    let head =
        |answer: &[u8]| String::from_utf8_lossy(&answer[..answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap()]).to_lowercase();
    assert_eq!(head(&packed).matches("content-encoding: gzip").count(), 1, "{}", head(&packed));
    assert!(!head(&plain).contains("content-encoding"), "{}", head(&plain));
    assert!(packed.len() * 3 < plain.len(), "{} and {} bytes", packed.len(), plain.len());
}

#[test]
fn caller_with_too_many_queries_is_told_to_retry() {
    let server = Server::start_with(&[
        ("HINOMI_QUERIES_MAX_WAITING_OF_CALLER", "2"),
        ("HINOMI_QUERIES_MAX_WAITING", "3"),
        ("HINOMI_QUERIES_MAX_AT_ONCE", "1"),
    ]);
    for trace in 1..=20 {
        assert_eq!(server.envelope(call(trace, &"a word and another ".repeat(20_000), "a")).status, 200);
    }
    let mut round = 0;
    until("one is refused", || {
        round += 1;
        // Each query is different.
        let mut asked: Vec<TcpStream> =
            (0..6).map(|number| ask(&server, &format!("/traces?q=nowhere%20to%20be%20found%20{round}x{number}"))).collect();
        let answers = asked.iter_mut().map(|stream| {
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut start = [0; 400];
            let length = stream.read(&mut start).unwrap();
            String::from_utf8_lossy(&start[..length]).to_lowercase()
        });
        let refused: Vec<String> = answers.filter(|answer| !answer.starts_with("http/1.1 200")).collect();
        for answer in &refused {
            assert!(answer.starts_with("http/1.1 429") && answer.contains("retry-after: 1"), "{answer}");
        }
        !refused.is_empty()
    });
    assert!(gauge(&server, "hinomi_queries_rejected_total") > 0);
    until("nothing is left to do", || gauge(&server, "hinomi_queries_in_flight") == 0);
    assert_eq!(server.ask("/summary")["llm_calls"], 20);
}

#[test]
fn unread_exports_do_not_block_other_projects() {
    let server = Server::start();
    let (made, _, status) = server.command(&["project", "create", "other"]);
    assert_eq!(status, Some(0), "{made}");
    for trace in 1..=12 {
        assert_eq!(server.envelope(call(trace, &"a word and another ".repeat(180_000), "a")).status, 200);
        server.ask("/summary");
    }
    let mut unread = Vec::new();
    for _ in 0..2 {
        let mut stream = ask(&server, "/export?format=jsonl");
        let mut start = [0; 15];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK");
        unread.push(stream);
    }
    until("they are in work", || gauge(&server, "hinomi_exports_executing") == 2);
    assert_eq!(server.get("/api/v1/projects/2/export?format=jsonl").status, 200);
    let mut third = ask(&server, "/export?format=jsonl");
    let mut start = [0; 12];
    third.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 429", "the project has two places");
    drop(unread);
    until("places are free again", || gauge(&server, "hinomi_exports_executing") == 0);
}

#[test]
fn slow_preview_times_out_like_a_query() {
    let mut server = Server::start();
    for trace in 1..=20 {
        assert_eq!(server.envelope(call(trace, "a", "b")).status, 200);
    }
    let rule = json!({ "name": "Calls", "measure": "calls", "window": "1h", "warning": 3, "critical": 9 });
    assert_eq!(server.change("POST", "/alerts/preview", &json!({ "rule": rule })).status, 200);
    server.set("HINOMI_QUERY_TIMEOUT_MS", "1");
    server.restart();
    let answer = server.change("POST", "/alerts/preview", &json!({ "rule": rule, "back": "35d" }));
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (504, Some("timeout")), "{}", answer.text);
    assert!(gauge(&server, "hinomi_queries_timed_out_total") > 0);
}
