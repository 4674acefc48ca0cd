//! Jobs: long work continues in the server when the client disconnects, after a kill, and until it is cancelled.

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::disconnects::until;
use crate::envelopes::{now, of_item, transaction};
use crate::server::{Answer, Server};

/// Number of days with calls, and number of calls per day.
const DAYS: u64 = 6;
const CALLS: u64 = 1_500;
const DAY_S: f64 = 86_400.0;

impl Server {
    fn api(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(method, &format!("/api/v1{path}"), &headers, if method == "GET" { Vec::new() } else { body.to_string().into_bytes() })
    }

    fn job(&self, id: &Value) -> Value {
        self.get(&format!("/api/v1/jobs/{id}")).json()
    }

    /// Returns the total cost of all calls.
    fn cost(&self) -> f64 {
        self.ask("/summary")["cost"].as_f64().unwrap()
    }
}

/// Starts a server with calls of 1,000 input and 500 output tokens, spread over some days.
fn filled() -> Server {
    let server = Server::start();
    for day in 0..DAYS {
        let mut sent = transaction(u128::from(day) + 1, "q", "a");
        let (start, end) = (now() - day as f64 * DAY_S - 2.0, now() - day as f64 * DAY_S - 1.0);
        let call = sent["spans"][1].clone();
        let numbered = |number: u64| {
            let mut call = call.clone();
            call["span_id"] = json!(format!("{:016x}", number + 3));
            call["start_timestamp"] = json!(start);
            call["timestamp"] = json!(end);
            call
        };
        sent["spans"] = (0..CALLS).map(numbered).collect();
        sent["start_timestamp"] = json!(start);
        sent["timestamp"] = json!(end);
        assert_eq!(server.envelope(of_item("transaction", &sent)).status, 200);
    }
    assert_eq!(server.ask("/summary")["llm_calls"], DAYS * CALLS);
    server
}

/// Sets a price with which each call costs 0.002 dollars.
fn set_price(server: &Server) {
    let price = json!({ "model": "gpt-4o-mini", "prices": { "input": 1, "output": 2 } });
    let set = server.api("POST", "/projects/1/prices", &server.token, &price);
    assert_eq!(set.status, 201, "{}", set.text);
}

const TOTAL_COST: f64 = (DAYS * CALLS) as f64 * 0.002;

#[test]
fn reprice_job_runs_without_a_waiting_client() {
    let server = filled();
    set_price(&server);
    // A client that sends the request and disconnects at once.
    let body = json!({}).to_string();
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "POST /api/v1/projects/1/reprice HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        server.token,
        body.len()
    )
    .unwrap();
    until("the job is there", || !server.get("/api/v1/jobs").json()["jobs"].as_array().unwrap().is_empty());
    drop(stream);
    let id = server.get("/api/v1/jobs").json()["jobs"][0]["id"].clone();
    until("the job is done", || server.job(&id)["state"] == "done");
    let job = server.job(&id);
    assert_eq!((job["kind"].as_str(), &job["reason"], &job["project_id"]), (Some("reprice"), &Value::Null, &json!(1)), "{job}");
    assert_eq!((job["done"].as_u64(), job["total"].as_u64()), (Some(DAYS * CALLS), Some(DAYS * CALLS)), "{job}");
    assert_eq!((job["result"]["calls"].as_u64(), job["result"]["changed"].as_u64()), (Some(DAYS * CALLS), Some(DAYS * CALLS)), "{job}");
    assert!((server.cost() - TOTAL_COST).abs() < 1e-9, "{}", server.cost());

    // A client that waits gets the number of changes: none are left.
    let again = server.api("POST", "/projects/1/reprice", &server.token, &json!({}));
    assert_eq!(
        (again.status, again.json()["calls"].as_u64(), again.json()["changed"].as_u64()),
        (200, Some(DAYS * CALLS), Some(0)),
        "{}",
        again.text
    );
    let page = server.get("/api/v1/jobs?limit=1").json();
    assert_eq!((page["jobs"].as_array().unwrap().len(), page["next_cursor"].is_string()), (1, true), "{page}");
    let next = server.get(&format!("/api/v1/jobs?limit=1&cursor={}", page["next_cursor"].as_str().unwrap())).json();
    assert_eq!((&next["jobs"][0]["id"], &next["next_cursor"]), (&id, &Value::Null), "{next}");
    assert_eq!(server.get("/api/v1/jobs?project=1&kind=other").json()["jobs"], json!([]));

    // The command waits for the job too.
    let (said, error, status) = server.command(&["reprice", "--from", "2026-01-01"]);
    assert_eq!(status, Some(0), "{error}");
    assert!(said.contains(&format!("0 of {} calls changed", DAYS * CALLS)), "{said}");
    assert_eq!(server.get("/api/v1/jobs").json()["jobs"].as_array().unwrap().len(), 3);
}

#[test]
fn job_continues_after_a_kill() {
    let mut server = filled();
    set_price(&server);
    let asked = server.api("POST", "/projects/1/reprice", &server.token, &json!({ "from": "-30d", "wait": false }));
    assert_eq!(asked.status, 202, "{}", asked.text);
    let id = asked.json()["id"].clone();
    until("some is done", || server.job(&id)["done"].as_u64().unwrap() >= CALLS);
    server.kill();
    server.start_again();
    until("the job is done", || server.job(&id)["state"] == "done");
    let job = server.job(&id);
    assert_eq!((job["done"].as_u64(), job["result"]["calls"].as_u64()), (Some(DAYS * CALLS), Some(DAYS * CALLS)), "{job}");
    assert!((server.cost() - TOTAL_COST).abs() < 1e-9, "{}", server.cost());
    // A regular stop during a job also leaves it to the next start.
    let asked = server.api("POST", "/projects/1/reprice", &server.token, &json!({ "wait": false })).json();
    assert_eq!(server.stop(), Some(0));
    server.start_again();
    until("that one is done", || server.job(&asked["id"])["state"] == "done");
    assert_eq!(server.job(&asked["id"])["result"]["calls"], DAYS * CALLS);
}

#[test]
fn job_can_be_cancelled_and_reports_progress() {
    let server = filled();
    set_price(&server);
    let ask = || server.api("POST", "/projects/1/reprice", &server.token, &json!({ "wait": false })).json();
    let (first, second) = (ask(), ask());
    // Only one job per project and kind runs at a time: the second waits, and never starts.
    let ended = server.api("DELETE", &format!("/jobs/{}", second["id"]), &server.token, &json!({}));
    assert_eq!(
        (ended.status, ended.json()["state"].as_str(), &ended.json()["result"]),
        (200, Some("cancelled"), &Value::Null),
        "{}",
        ended.text
    );
    let ended = server.api("DELETE", &format!("/jobs/{}", first["id"]), &server.token, &json!({}));
    assert_eq!(ended.status, 200, "{}", ended.text);
    let job = ended.json();
    match job["state"].as_str() {
        // The job may have been done before it was cancelled.
        Some("done") => assert!((server.cost() - TOTAL_COST).abs() < 1e-9),
        Some("cancelled") => {
            let changed = job["result"]["changed"].as_u64().unwrap_or(0);
            assert!(job["ended_at"].is_string() && (changed == 0 || job["reached"].is_string()), "{job}");
            let expected = (DAYS * CALLS - changed) as f64 * 0.00045 + changed as f64 * 0.002;
            assert!((server.cost() - expected).abs() < 1e-9, "{job} but {}", server.cost());
        }
        other => panic!("{other:?}: {job}"),
    }
    // Cancelling an ended job changes nothing, and the next job does the rest.
    assert_eq!(server.api("DELETE", &format!("/jobs/{}", second["id"]), &server.token, &json!({})).json()["state"], "cancelled");
    assert_eq!(server.api("POST", "/projects/1/reprice", &server.token, &json!({})).status, 200);
    assert!((server.cost() - TOTAL_COST).abs() < 1e-9);
}

#[test]
fn jobs_are_visible_and_cancellable_with_permission() {
    let server = Server::start();
    assert_eq!(server.command(&["project", "create", "other"]).2, Some(0));
    let token = |arguments: &[&str]| server.command(&[&["token", "create"], arguments].concat()).0.trim().to_owned();
    let (reader, stranger) = (token(&["--project", "1"]), token(&["--project", "2"]));
    assert_eq!(server.api("POST", "/projects/1/reprice", &reader, &json!({ "wait": false })).status, 403);
    let job = server.api("POST", "/projects/1/reprice", &server.token, &json!({ "wait": false })).json();
    let path = format!("/jobs/{}", job["id"]);
    until("nothing is soon done", || server.job(&job["id"])["state"] == "done");
    assert_eq!(server.api("GET", &path, &reader, &json!({})).status, 200);
    assert_eq!(server.api("DELETE", &path, &reader, &json!({})).status, 403);
    assert_eq!(server.api("GET", &path, &stranger, &json!({})).status, 404);
    assert_eq!(server.api("GET", "/jobs", &stranger, &json!({})).json()["jobs"], json!([]));
    assert_eq!(server.api("GET", "/jobs?project=1", &stranger, &json!({})).status, 404);
    assert_eq!(server.api("GET", "/jobs", &reader, &json!({})).json()["jobs"].as_array().unwrap().len(), 1);
    for wrong in ["/jobs/999", "/jobs/x"] {
        assert_eq!(server.api("GET", wrong, &server.token, &json!({})).status, 404, "{wrong}");
    }
    assert_eq!(server.api("GET", "/jobs?cursor=x", &server.token, &json!({})).status, 400);
    // Deleting a project deletes its jobs.
    let other = server.api("POST", "/projects/2/reprice", &server.token, &json!({})).status;
    assert_eq!(other, 200);
    assert_eq!(server.api("DELETE", "/projects/2", &server.token, &json!({})).status, 200);
    assert_eq!(server.get("/api/v1/jobs").json()["jobs"].as_array().unwrap().len(), 1);
}
