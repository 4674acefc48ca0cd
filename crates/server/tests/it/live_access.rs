//! An open live stream ends when its caller loses access.

use std::io::{BufRead, BufReader};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::json;

use crate::accounts::{get, join};
use crate::envelopes::call;
use crate::server::Server;

/// Longer than any stream should take to end, so that only a stream that stays open reaches it.
const FAR_TOO_LONG: Duration = Duration::from_secs(40);

/// Opens a stream and reads it on a thread. The receiver gets each line, and disconnects at the end of the stream.
fn open_stream(server: &Server, header: (&'static str, String)) -> Receiver<String> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let response = agent.get(format!("{}/api/v1/projects/1/live", server.url)).header(header.0, header.1).call().unwrap();
    assert_eq!(response.status(), 200);
    let (lines, received) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let Ok(line) = line else { return };
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    assert_eq!(received.recv_timeout(FAR_TOO_LONG).as_deref(), Ok(": hello"));
    received
}

fn assert_ends(stream: &Receiver<String>, why: &str) {
    loop {
        match stream.recv_timeout(FAR_TOO_LONG) {
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => panic!("the stream is still open: {why}"),
        }
    }
}

#[test]
fn streams_end_with_the_access_of_their_caller() {
    let server = Server::start();
    let of_session = |cookie: &str| ("cookie", cookie.to_owned());
    let deactivated = open_stream(&server, of_session(&join(&server, "a@example.com", "viewer", None)));
    let without_role = open_stream(&server, of_session(&join(&server, "b@example.com", "viewer", Some("1"))));
    let signed_out = join(&server, "c@example.com", "viewer", None);
    let session = get(&server, "/api/v1/sessions", &signed_out).json()["sessions"][0]["id"].clone();
    let ended = open_stream(&server, of_session(&signed_out));
    let bearer = format!("Bearer {}", server.command(&["token", "create", "--name", "live"]).0.trim());
    let revoked = open_stream(&server, ("authorization", bearer));
    let stays = open_stream(&server, of_session(&join(&server, "d@example.com", "viewer", None)));

    server.command(&["user", "deactivate", "a@example.com"]);
    server.command(&["user", "role", "b@example.com", "none", "--project", "1"]);
    server.command(&["session", "revoke", &session.to_string()]);
    let tokens = server.get("/api/v1/tokens").json()["tokens"].as_array().unwrap().clone();
    let token = tokens.iter().find(|token| token["name"] == "live").unwrap()["id"].clone();
    server.command(&["token", "revoke", &token.to_string()]);
    assert_ends(&deactivated, "the account is deactivated");
    assert_ends(&without_role, "the role in the project is lost");
    assert_ends(&ended, "the session has ended");
    assert_ends(&revoked, "the token is revoked");
    // All checks of the others have run by now.
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    let line = std::iter::from_fn(|| stays.recv_timeout(FAR_TOO_LONG).ok()).find(|line| line.starts_with("data:"));
    assert!(line.unwrap().contains(&json!("spans").to_string()), "the stream of a caller with access goes on");
}
