//! The audit log: what it contains, and that a change of it is found.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::accounts::{accept, get, join, post, sign_in};
use crate::envelopes::{of_item, transaction};
use crate::server::Server;

const JSON: (&str, &str) = ("content-type", "application/json");

/// Returns the newest entries of the API, the oldest first.
fn entries(server: &Server, query: &str) -> Vec<Value> {
    let mut entries = server.get(&format!("/api/v1/audit?{query}")).json()["entries"].as_array().unwrap().clone();
    entries.reverse();
    entries
}

fn actions(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn changes_sign_ins_and_denials_are_recorded() {
    let server = Server::start();
    let mut of_user = transaction(1, "q", "a");
    of_user["user"] = json!({ "id": "4711" });
    assert_eq!(server.envelope(of_item("transaction", &of_user)).status, 200);
    let before = entries(&server, "limit=1").last().map_or(0, |entry| entry["sequence"].as_u64().unwrap());
    let cookie = join(&server, "ann@example.com", "viewer", Some("1"));
    assert_eq!(sign_in(&server, "ann@example.com", "wrong password").status, 401);
    assert_eq!(sign_in(&server, "hunter2 in the wrong field", "x").status, 401);
    assert_eq!(post(&server, "/api/v1/projects/1/keys", &cookie, &json!({ "name": "k" })).status, 403);
    let admin = format!("Bearer {}", server.token);
    let send = |method: &str, path: &str, body: Value| {
        server.send(method, path, &[JSON, ("authorization", &admin)], body.to_string().into_bytes())
    };
    let key = send("POST", "/api/v1/projects/1/keys", json!({ "name": "k" })).json()["id"].clone();
    assert_eq!(send("DELETE", &format!("/api/v1/projects/1/keys/{key}"), json!({})).status, 204);
    assert_eq!(send("DELETE", "/api/v1/projects/1/users/4711", json!({})).status, 200);
    assert_eq!(server.get("/api/v1/projects/1/export?format=csv").status, 200);
    let added = send("POST", "/api/v1/projects/1/members", json!({ "email": "bob@example.com", "role": "member" })).json();
    accept(&server, added["invitation_url"].as_str().unwrap());
    assert_eq!(send("PATCH", "/api/v1/projects/1", json!({ "name": "Shop" })).status, 200);
    assert_eq!(send("PATCH", "/api/v1/projects/1", json!({ "name": "" })).status, 400, "nothing changed, nothing is recorded");

    let found: Vec<Value> =
        entries(&server, "limit=1000").into_iter().filter(|entry| entry["sequence"].as_u64().unwrap() > before).collect();
    let expected = [
        "accounts.create",
        "session.create",
        "session.create.failed",
        "session.create.failed",
        "keys.create.denied",
        "keys.create",
        "keys.delete",
        "users.delete",
        "export.read",
        "members.create",
        "session.create",
        "projects.update",
    ];
    assert_eq!(actions(&found), expected);
    let of = |number: usize| {
        (&found[number]["actor"]["name"], &found[number]["object"], &found[number]["project_id"], &found[number]["address"])
    };
    let (ann, nobody, owner) = (json!("ann@example.com"), json!("not signed in"), json!("Owner"));
    let (one, here, none) = (json!(1), json!("127.0.0.1"), Value::Null);
    let account = found[1]["actor"]["account_id"].clone();
    assert_eq!(
        (&found[0]["actor"]["credential"], &found[0]["details"]["role"], &found[0]["address"]),
        (&json!("command"), &json!("viewer"), &none)
    );
    assert_eq!((of(1).0, &found[1]["details"]["method"]), (&ann, &json!("new password")));
    assert_eq!(of(2), (&nobody, &json!(format!("account {account}")), &none, &here));
    assert_eq!(of(3), (&nobody, &json!("unknown account"), &none, &here));
    assert_eq!(of(4), (&ann, &json!(""), &one, &here));
    assert_eq!(of(6), (&owner, &json!(format!("key {key}")), &one, &here));
    assert_eq!(of(7), (&owner, &json!(""), &one, &here), "without the user");
    assert_eq!(found[9]["details"]["role"], "member");
    assert!(found[5]["actor"]["credential"].as_str().unwrap().starts_with("token "));

    assert_eq!(actions(&entries(&server, "action=keys")), ["keys.create.denied", "keys.create", "keys.delete"]);
    assert_eq!(actions(&entries(&server, &format!("account={account}"))), ["session.create", "keys.create.denied"]);
    assert_eq!(entries(&server, "project=2").len(), 0);
    assert_eq!(entries(&server, "to=2020-01-01").len(), 0);
    let page = server.get("/api/v1/audit?limit=2").json();
    let next = server.get(&format!("/api/v1/audit?limit=2&cursor={}", page["next_cursor"].as_str().unwrap())).json();
    assert_eq!(actions(next["entries"].as_array().unwrap()), ["members.create", "export.read"]);
    assert_eq!(get(&server, "/api/v1/audit", &cookie).status, 403);
    let text = server.get("/api/v1/audit?limit=1000").text;
    for secret in ["hunter2", "4711", "correct horse", "wrong password", "hnm_"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn cut_edited_and_rewritten_logs_are_found() {
    let server = Server::start();
    for number in 0..5 {
        server.command(&["token", "create", "--name", &format!("t{number}")]);
    }
    let verify = |arguments: &[&str]| server.command(&[&["audit", "verify"][..], arguments].concat());
    let head = server.command(&["audit", "head"]).0;
    let file = server.data().join("../head.jsonl");
    std::fs::write(&file, &head).unwrap();
    let with_head = ["--head", file.to_str().unwrap()];
    let (said, error, status) = verify(&with_head);
    assert!(status == Some(0) && said.contains("1 of 1 exported heads confirmed"), "{said}{error}");

    let last = serde_json::from_str::<Value>(&head).unwrap()["sequence"].as_u64().unwrap();
    let database = Connection::open(server.data().join("audit.db")).unwrap();
    let attack = |sql: &str| database.execute_batch(&format!("DROP TRIGGER IF EXISTS entries_are_append_only; {sql}")).unwrap();
    attack(&format!(
        "CREATE TABLE saved AS SELECT sequence AS s, entry AS e, hash AS h FROM entries; DELETE FROM entries WHERE sequence = {last}"
    ));
    assert_eq!(verify(&[]).2, Some(0), "without a head, a cut tail is not seen");
    let (_, error, status) = verify(&with_head);
    assert!(status == Some(1) && error.contains("cut off"), "{error}");
    attack("DELETE FROM entries; INSERT INTO entries (sequence, entry, hash) SELECT s, e, h FROM saved");
    assert_eq!(verify(&with_head).2, Some(0));
    attack("UPDATE entries SET entry = replace(entry, 't1', 't9')");
    let (_, error, status) = verify(&[]);
    assert!(status == Some(1) && error.contains("was edited"), "{error}");
    // Another log, whose chain holds.
    attack("DELETE FROM entries");
    for number in 0..8 {
        server.command(&["token", "create", "--name", &format!("x{number}")]);
    }
    assert_eq!(verify(&[]).2, Some(0));
    let (_, error, status) = verify(&with_head);
    assert!(status == Some(1) && error.contains("rewritten"), "{error}");

    let (said, error, status) = server.command(&["audit", "expire", "--older-than", "1h"]);
    assert_eq!((said.trim(), status), ("deleted 0 entries", Some(0)), "{error}");
    let (listed, _, _) = server.command(&["audit", "list", "--limit", "3"]);
    assert_eq!(listed.lines().filter(|line| line.contains("\ttokens.create\t")).count(), 3, "{listed}");
}

#[test]
fn denials_cannot_fill_the_disk() {
    let mut server = Server::start();
    let cookie = join(&server, "ann@example.com", "viewer", Some("1"));
    for _ in 0..60 {
        assert_eq!(post(&server, "/api/v1/projects/1/keys", &cookie, &json!({ "name": "k" })).status, 403);
    }
    let denied = entries(&server, "action=keys.create&limit=1000");
    assert!(denied.len() <= 20, "{} entries, also if a minute ends meanwhile", denied.len());
    assert_eq!(server.stop(), Some(0));
    server.start_again();
    let surplus = entries(&server, "action=requests.denied");
    let counted: u64 = surplus.iter().map(|entry| entry["details"]["count"].as_u64().unwrap()).sum();
    assert_eq!(counted + denied.len() as u64, 60, "{surplus:?}");
    assert_eq!(surplus[0]["actor"]["name"], "ann@example.com");
}

#[test]
fn changes_of_accounts_say_what_changed() {
    let server = Server::start();
    let ann = join(&server, "ann@example.com", "viewer", None);
    let id = get(&server, "/api/v1/me", &ann).json()["account"]["id"].clone();
    let admin = format!("Bearer {}", server.token);
    let send = |method: &str, path: &str, body: Value| {
        server.send(method, path, &[JSON, ("authorization", &admin)], body.to_string().into_bytes()).status
    };
    assert_eq!(send("PATCH", &format!("/api/v1/accounts/{id}"), json!({ "role": "member", "name": "Ann" })), 200);
    assert_eq!(send("POST", "/api/v1/projects/1/members", json!({ "email": "ann@example.com", "role": "viewer" })), 201);
    assert_eq!(send("PUT", &format!("/api/v1/projects/1/members/{id}"), json!({ "role": "admin" })), 200);
    assert_eq!(send("DELETE", &format!("/api/v1/projects/1/members/{id}"), json!({})), 204);
    let password = json!({ "current_password": "wrong password", "password": "another password" }).to_string().into_bytes();
    let page = [JSON, ("x-hinomi-page", "1"), ("cookie", ann.as_str())];
    assert_eq!(server.send("PUT", "/api/v1/me/password", &page, password).status, 401);
    server.command(&["user", "role", "ann@example.com", "viewer"]);
    let changes = |action: &str| entries(&server, &format!("action={action}")).remove(0)["details"]["changes"].clone();
    assert_eq!(
        changes("accounts.update"),
        json!({ "name": { "before": "ann@example.com", "after": "Ann" }, "role": { "before": "viewer", "after": "member" } })
    );
    assert_eq!(changes("members.create"), json!({ "role": { "before": null, "after": "viewer" } }));
    assert_eq!(changes("members.replace"), json!({ "role": { "before": "viewer", "after": "admin" } }));
    assert_eq!(changes("members.delete"), json!({ "role": { "before": "admin", "after": null } }));
    assert_eq!(changes("accounts.role.update"), json!({ "role": { "before": "member", "after": "viewer" } }));
    let failed = entries(&server, "action=password.update.failed");
    assert_eq!((failed.len(), &failed[0]["actor"]["account_id"]), (1, &id));
    assert!(!server.get("/api/v1/audit?limit=1000").text.contains("another password"));
}

#[test]
fn log_is_exported_without_formulas() {
    let server = Server::start();
    server.command(&["user", "create-service", "=HYPERLINK(\"x\",\"y\")", "--role", "admin"]);
    let token = server.command(&["token", "create", "--account", "2", "--role", "admin", "--project", "1"]).0.trim().to_owned();
    let body = json!({ "name": "k" }).to_string().into_bytes();
    let bearer = format!("Bearer {token}");
    assert_eq!(server.send("POST", "/api/v1/projects/1/keys", &[JSON, ("authorization", &bearer)], body).status, 201);
    let csv = server.get("/api/v1/audit?format=csv&action=keys");
    assert_eq!((csv.status, csv.header("content-type")), (200, "text/csv; charset=utf-8"));
    let mut lines = csv.text.lines();
    assert_eq!(lines.next(), Some("sequence,time,account_id,actor,credential,action,object,project_id,address,details"));
    let line = lines.next().unwrap();
    assert!(line.contains(r#","'=HYPERLINK(""x"",""y"")","#) && line.contains(",keys.create,"), "{line}");
    let lines = server.get("/api/v1/audit?format=jsonl&limit=2");
    let read: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((read.len(), &read[0]["action"]), (2, &json!("audit.export.read")), "the export is recorded");
    assert_eq!(server.get("/api/v1/audit?format=xml").status, 400);
    let all = server.get("/api/v1/audit?format=ndjson").text.lines().count();
    assert_eq!(all as u64, read[0]["sequence"].as_u64().unwrap() + 1);
}

#[test]
fn heads_are_sent_outside_and_verify_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let heads = folder.path().join("heads.jsonl");
    let mut server = Server::start_with(&[("HINOMI_AUDIT_HEAD_TO", heads.to_str().unwrap())]);
    for number in 0..3 {
        server.command(&["token", "create", "--name", &format!("t{number}")]);
    }
    assert_eq!(server.stop(), Some(0), "the last head is sent when the server stops");
    let verify = |server: &Server| server.command(&["audit", "verify", "--head", heads.to_str().unwrap()]);
    let (said, error, status) = verify(&server);
    assert!(status == Some(0) && said.contains("exported heads confirmed"), "{said}{error}");
    let database = Connection::open(server.data().join("audit.db")).unwrap();
    database.execute_batch("DELETE FROM entries WHERE sequence > 1").unwrap();
    drop(database);
    let (_, error, status) = verify(&server);
    assert!(status == Some(1) && error.contains("cut off"), "{error}");
    std::fs::write(&heads, "nothing\n").unwrap();
    let (_, error, status) = verify(&server);
    assert!(status == Some(1) && error.contains("does not contain heads"), "{error}");
}
