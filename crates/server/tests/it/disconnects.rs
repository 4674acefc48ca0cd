//! The server stops the work of a client that disconnects.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::envelopes::call;
use crate::server::Server;

/// Sends a query without waiting for the response.
pub(crate) fn ask(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    write!(stream, "GET /api/v1/projects/1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", server.token).unwrap();
    stream
}

pub(crate) fn gauge(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").text;
    let line = text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn export_ends_when_its_client_disconnects() {
    let server = Server::start();
    // More data than fits into the buffers of the connection, in a separate batch each, which a query in between causes.
    for trace in 1..=12 {
        assert_eq!(server.envelope(call(trace, &"a word and another ".repeat(180_000), "a")).status, 200);
        server.ask("/summary");
    }
    let mut stream = ask(&server, "/export?format=jsonl");
    let mut start = [0; 15];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    // The export waits for its reader.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(gauge(&server, "hinomi_exports_executing"), 1);
    drop(stream);
    until("the export ends", || gauge(&server, "hinomi_exports_executing") == 0);
    assert!(!server.log().contains("export_broke_off"), "{}", server.log());
}

#[test]
fn query_ends_when_its_client_disconnects() {
    let server = Server::start();
    for trace in 1..=20 {
        assert_eq!(server.envelope(call(trace, &"a word and another ".repeat(20_000), "a")).status, 200);
    }
    // A query may be answered before the server notices that the client disconnected.
    until("a client that went away is seen", || {
        let asked: Vec<TcpStream> = (0..20).map(|_| ask(&server, "/traces?q=nowhere%20to%20be%20found")).collect();
        drop(asked);
        gauge(&server, "hinomi_queries_abandoned_total") > 0
    });
    until("nothing is left to do", || gauge(&server, "hinomi_queries_in_flight") == 0);
    assert_eq!(server.ask("/summary")["llm_calls"], 20);
    assert!(!server.log().contains("api.request.failed"), "that is no fault: {}", server.log());
}

#[test]
fn query_cancelled_by_shutdown_is_not_a_server_error() {
    let mut server = Server::start();
    for trace in 1..=20 {
        assert_eq!(server.envelope(call(trace, &"a word and another ".repeat(20_000), "a")).status, 200);
    }
    let asked: Vec<TcpStream> = (0..30).map(|number| ask(&server, &format!("/traces?q=nowhere%20to%20be%20found%20{number}"))).collect();
    server.stop();
    for mut stream in asked {
        let mut answer = String::new();
        // Others end without a response.
        if stream.read_to_string(&mut answer).is_ok() && !answer.is_empty() {
            assert!(!answer.starts_with("HTTP/1.1 500"), "{answer}");
        }
    }
    assert!(!server.log().contains("api.request.failed"), "{}", server.log());
}
