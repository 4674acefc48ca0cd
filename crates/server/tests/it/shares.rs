//! Share links: what somebody without an account sees with one, and when a link ends.

use serde_json::{Value, json};

use crate::accounts::join;
use crate::envelopes::{call, of_item, transaction};
use crate::server::{Answer, Server};

const JSON: (&str, &str) = ("content-type", "application/json");

fn trace_id(trace: u128) -> String {
    format!("{trace:032x}")
}

/// Creates a link with the fields of the request. Returns the response.
fn share(server: &Server, trace: u128, more: &Value) -> Answer {
    let mut body = json!({ "target": "trace", "id": trace_id(trace) });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.change("POST", "/shares", &body)
}

/// Returns the token in the address of a new link.
fn token_of(server: &Server, created: &Answer) -> String {
    assert_eq!(created.status, 201, "{}", created.text);
    let url = created.json()["url"].as_str().unwrap().to_owned();
    let token = url.strip_prefix(&format!("{}/share/", server.url)).unwrap_or_else(|| panic!("{url}")).to_owned();
    assert_eq!(token.len(), 64, "256 bits");
    token
}

/// Sends a request without any credentials.
fn open(server: &Server, path: &str) -> Answer {
    server.send("GET", path, &[], Vec::new())
}

fn shared(server: &Server, token: &str) -> Answer {
    open(server, &format!("/api/v1/share/{token}"))
}

fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"].as_str().unwrap().to_owned()
}

fn send_call(server: &Server, trace: u128) {
    let mut body = transaction(trace, "a question", "an answer");
    body["user"] = json!({ "id": "anna-the-user" });
    assert_eq!(server.envelope(of_item("transaction", &body)).status, 200);
}

#[test]
fn a_link_opens_one_trace_and_nothing_else() {
    let server = Server::start();
    send_call(&server, 1);
    assert_eq!(server.envelope(call(2, "another question", "another answer")).status, 200);
    let token = token_of(&server, &share(&server, 1, &json!({})));
    let answer = shared(&server, &token);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let found = answer.json();
    assert_eq!(
        (&found["target"], &found["messages"], &found["trace"]["trace_id"], found["spans"].as_array().unwrap().len()),
        (&json!("trace"), &json!(true), &json!(trace_id(1)), 3)
    );
    for hidden in ["anna-the-user", "Default", "another", &trace_id(2)] {
        assert!(!answer.text.contains(hidden), "{hidden}: {}", answer.text);
    }
    assert_eq!(
        (answer.header("x-robots-tag"), answer.header("referrer-policy"), answer.header("cache-control")),
        ("noindex, nofollow", "no-referrer", "no-store")
    );
    let page = open(&server, &format!("/share/{token}"));
    assert_eq!(
        (page.header("x-robots-tag"), page.header("referrer-policy"), page.header("cache-control")),
        ("noindex, nofollow", "no-referrer", "no-store")
    );
    let span = open(&server, &format!("/api/v1/share/{token}/spans/{:016x}", 3)).json();
    assert_eq!(span["input_messages"][0]["parts"][0]["text"], "a question");
    assert_eq!(open(&server, &format!("/api/v1/share/{token}/logs")).status, 200);
    assert_eq!(open(&server, &format!("/api/v1/share/{token}/media/{}", "x".repeat(22))).status, 404);

    // The token is no credential of anything else.
    let bearer = [("authorization", &*format!("Bearer {token}"))];
    for path in ["/api/v1/me", "/api/v1/projects/1/traces", &format!("/api/v1/projects/1/traces/{}", trace_id(1))] {
        assert_eq!(server.send("GET", path, &bearer, Vec::new()).status, 401, "{path}");
    }
    assert_eq!(server.send("DELETE", &format!("/api/v1/share/{token}"), &[], Vec::new()).status, 405);
    let log = server.log();
    assert!(!log.contains(&token), "{log}");
    let data = std::fs::read(server.data().join("shares.db")).unwrap();
    assert!(!data.windows(64).any(|window| window == token.as_bytes()), "only the hash is stored");
}

#[test]
fn a_link_ends_when_it_is_revoked_or_expires_or_its_trace_or_creator_goes() {
    let server = Server::start();
    for trace in 1..=3 {
        send_call(&server, trace);
    }
    // Revoked.
    let created = share(&server, 1, &json!({ "expires_in": "12h" }));
    let token = token_of(&server, &created);
    let list = server.ask(&format!("/shares?trace={}", trace_id(1)));
    let id = list["shares"][0]["id"].clone();
    assert_eq!((&list["shares"][0]["target_id"], &id), (&json!(trace_id(1)), &created.json()["id"]));
    assert!(!list.to_string().contains(&token), "{list}");
    assert_eq!(server.ask(&format!("/shares/{id}"))["created_by"], "Owner");
    assert_eq!(server.change("DELETE", &format!("/shares/{id}"), &json!({})).status, 204);
    assert_eq!(server.change("DELETE", &format!("/shares/{id}"), &json!({})).status, 404);
    let answer = shared(&server, &token);
    assert_eq!((answer.status, code(&answer)), (410, "share_revoked".to_owned()));
    assert_eq!(server.ask("/shares")["shares"], json!([]));

    // Expired.
    let token = token_of(&server, &share(&server, 1, &json!({})));
    let database = rusqlite::Connection::open(server.data().join("shares.db")).unwrap();
    database.execute("UPDATE links SET expires_us = 1 WHERE end_reason IS NULL", []).unwrap();
    drop(database);
    let answer = shared(&server, &token);
    assert_eq!((answer.status, code(&answer)), (410, "share_expired".to_owned()));

    // Deleted, with its trace and with a user.
    let (of_trace, of_user) = (token_of(&server, &share(&server, 2, &json!({}))), token_of(&server, &share(&server, 3, &json!({}))));
    assert_eq!(server.change("DELETE", &format!("/traces/{}", trace_id(2)), &json!({})).status, 200);
    let answer = shared(&server, &of_trace);
    assert_eq!((answer.status, code(&answer)), (410, "share_deleted".to_owned()));
    assert_eq!(shared(&server, &of_user).status, 200);
    assert_eq!(server.change("DELETE", "/users/anna-the-user", &json!({})).status, 200);
    let answer = shared(&server, &of_user);
    assert_eq!((answer.status, code(&answer)), (410, "share_deleted".to_owned()));

    // The creator may not share any more.
    send_call(&server, 4);
    let cookie = join(&server, "bob@example.com", "member", None);
    let body = json!({ "target": "trace", "id": trace_id(4) }).to_string().into_bytes();
    let created = server.send("POST", "/api/v1/projects/1/shares", &[JSON, ("x-hinomi-page", "1"), ("cookie", &cookie)], body);
    let token = token_of(&server, &created);
    assert_eq!(shared(&server, &token).status, 200);
    assert_eq!(server.command(&["user", "role", "bob@example.com", "viewer"]).2, Some(0));
    let answer = shared(&server, &token);
    assert_eq!((answer.status, code(&answer)), (410, "share_revoked".to_owned()));
}

#[test]
fn links_show_no_messages_where_the_project_hides_them() {
    let server = Server::start();
    send_call(&server, 1);
    let has_text = |token: &str| {
        let span = open(&server, &format!("/api/v1/share/{token}/spans/{:016x}", 3));
        assert_eq!(span.status, 200, "{}", span.text);
        let of_trace = shared(&server, token);
        assert_eq!(span.json()["messages_hidden"] == true, !of_trace.json()["messages"].as_bool().unwrap());
        assert_eq!(span.text.contains("a question"), of_trace.text.contains("a question"));
        span.text.contains("a question")
    };
    let before = token_of(&server, &share(&server, 1, &json!({})));
    let without = token_of(&server, &share(&server, 1, &json!({ "messages": false })));
    assert_eq!((has_text(&before), has_text(&without)), (true, false));
    let hide = |from: &str| assert_eq!(server.change("PATCH", "", &json!({ "hide_messages": from })).status, 200);
    hide("viewer");
    let usual = share(&server, 1, &json!({}));
    assert_eq!(usual.json()["messages"], false);
    let on_purpose = token_of(&server, &share(&server, 1, &json!({ "messages": true })));
    let usual = token_of(&server, &usual);
    assert_eq!((has_text(&before), has_text(&usual), has_text(&on_purpose)), (false, false, true));
    hide("all");
    assert!(!has_text(&on_purpose));
    let answer = share(&server, 1, &json!({ "messages": true }));
    assert_eq!((answer.status, code(&answer)), (403, "messages_hidden".to_owned()));
}

#[test]
fn links_are_checked_recorded_and_limited() {
    let server = Server::start();
    send_call(&server, 1);
    for (trace, wrong, status) in [
        (1, json!({ "expires_in": "91d" }), 400),
        (1, json!({ "expires_in": "soon" }), 400),
        (1, json!({ "target": "dashboard" }), 400),
        (9, json!({}), 404),
    ] {
        let answer = share(&server, trace, &wrong);
        assert_eq!(answer.status, status, "{wrong}: {}", answer.text);
    }
    assert_eq!(share(&server, 1, &json!({ "expires_in": "90d" })).status, 201);
    let viewer = server.command(&["token", "create"]).0.trim().to_owned();
    assert_eq!(server.get_as("/api/v1/projects/1/shares", &viewer).status, 403);

    let created = share(&server, 1, &json!({}));
    let (id, token) = (created.json()["id"].clone(), token_of(&server, &created));
    for _ in 0..3 {
        assert_eq!(shared(&server, &token).status, 200);
    }
    assert_eq!(server.change("DELETE", &format!("/shares/{id}"), &json!({})).status, 204);
    let actions = server.get("/api/v1/audit?action=shares").json();
    let of_link = |entry: &&Value| entry["object"] == json!(format!("share {id}")) || entry["details"]["share"] == id;
    let entries: Vec<&Value> = actions["entries"].as_array().unwrap().iter().filter(of_link).collect();
    let names: Vec<&str> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(names, ["shares.delete", "shares.use", "shares.create"], "{actions}");
    assert_eq!((&entries[1]["address"], &entries[2]["details"]["trace"]), (&json!("127.0.0.1"), &json!(trace_id(1))));
    assert!(!actions.to_string().contains(&token));

    for guess in 0..30 {
        assert_eq!(shared(&server, &format!("{guess:064x}")).status, 404);
    }
    let limited = shared(&server, &format!("{:064x}", 99));
    assert_eq!((limited.status, code(&limited)), (429, "too_many_attempts".to_owned()));
    assert!(limited.header("retry-after").parse::<u64>().unwrap() > 600, "{}", limited.header("retry-after"));
}
