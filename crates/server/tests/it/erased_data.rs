//! Deleted and expired data is not in any file any more.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::alerts::eventually;
use crate::envelopes::{now, of_item, transaction};
use crate::server::{Answer, Server, run};

/// Returns the files that contain a text, plain or compressed.
pub(crate) fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && holds(&bytes, text.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

/// Also searches every zstd frame: pages of Parquet files, frames of the WAL, roll-ups.
fn holds(bytes: &[u8], text: &[u8]) -> bool {
    let within = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    if within(bytes) {
        return true;
    }
    let starts = (0..bytes.len().saturating_sub(4)).filter(|at| bytes[*at..].starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    starts.into_iter().any(|at| {
        let mut plain = Vec::new();
        let decoder = zstd::stream::read::Decoder::new(&bytes[at..]).map(zstd::stream::read::Decoder::single_frame);
        // A byte sequence that only looks like a frame fails to decode.
        let _ = decoder.and_then(|mut decoder| std::io::Read::read_to_end(&mut decoder, &mut plain));
        within(&plain)
    })
}

/// Sends a trace of a user with everything that can belong to one, each with its own text that begins with `mark`.
fn send(server: &Server, trace: u128, mark: &str, user: &str, age_s: f64) {
    let mut body = transaction(trace, &format!("{mark}-question"), &format!("{mark}-answer"));
    let back = |value: &mut Value| *value = json!(value.as_f64().unwrap() - age_s);
    back(&mut body["start_timestamp"]);
    back(&mut body["timestamp"]);
    for span in body["spans"].as_array_mut().unwrap() {
        back(&mut span["start_timestamp"]);
        back(&mut span["timestamp"]);
    }
    body["user"] = json!({ "id": user });
    assert_eq!(server.envelope(of_item("transaction", &body)).status, 200);
    let id = format!("{trace:032x}");
    let event = json!({ "event_id": format!("{trace:032x}"), "level": "error", "timestamp": now() - age_s,
        "exception": { "values": [{ "type": "Error", "value": format!("{mark}-error") }] },
        "contexts": { "trace": { "trace_id": id, "span_id": format!("{:016x}", 1) } } });
    assert_eq!(server.envelope(of_item("event", &event)).status, 200);
    let record = json!({ "traceId": id, "spanId": format!("{:016x}", 1), "severityNumber": 17,
        "timeUnixNano": format!("{:.0}", (now() - age_s) * 1e9), "body": { "stringValue": format!("{mark}-line") } });
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "scope": { "name": "shop" }, "logRecords": [record] }] }] }).to_string();
    assert_eq!(server.send("POST", "/v1/logs", &[("content-type", "application/json")], logs.into_bytes()).status, 200);
    let score = json!({ "trace_id": id, "name": "good", "value": 0, "comment": format!("{mark}-comment") }).to_string();
    let token = format!("Bearer {}", server.token);
    assert_eq!(server.send("POST", "/api/v1/projects/1/scores", &[("authorization", &token)], score.into_bytes()).status, 201);
}

fn delete(server: &Server, path: &str) -> Answer {
    let token = format!("Bearer {}", server.token);
    server.send("DELETE", &format!("/api/v1/projects{path}"), &[("authorization", &token)], Vec::new())
}

#[test]
fn a_trace_a_user_and_a_project_are_deleted_from_every_file() {
    let mut server = Server::start();
    for (trace, mark, user) in
        [(1, "MARK-one", "anna"), (2, "MARK-two", "boris-the-second"), (3, "MARK-three", "anna"), (4, "MARK-four", "carla")]
    {
        send(&server, trace, mark, user, 10.0);
        if trace == 2 {
            // Some of the traces are in a segment, some in the WAL.
            assert_eq!(server.stop(), Some(0));
            server.start_again();
        }
    }
    let data = server.data();
    let parts = ["question", "answer", "error", "line", "comment"];
    for mark in ["MARK-one", "MARK-two", "MARK-three", "MARK-four"] {
        for part in parts {
            assert!(!holding(&data, &format!("{mark}-{part}")).is_empty(), "{mark}-{part} is stored somewhere");
        }
    }

    let answer = delete(&server, &format!("/1/traces/{:032x}", 1));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let receipt = answer.json();
    let counts = ["spans", "errors", "scores", "log_lines"].map(|name| receipt[name].as_u64().unwrap());
    assert_eq!(counts, [3, 1, 1, 1], "{receipt}");
    assert!(!receipt["files"].as_array().unwrap().is_empty() && receipt["still_read"] == json!([]), "{receipt}");
    assert_eq!(holding(&data, "MARK-one"), Vec::<PathBuf>::new());
    assert_eq!(server.get(&format!("/api/v1/projects/1/traces/{:032x}", 1)).status, 404);
    assert_eq!(server.ask("/summary")["spans"], 9);

    let (said, error, status) = server.command(&["delete", "user", "--project", "1", "boris-the-second"]);
    assert!(status == Some(1) && error.contains("--yes"), "{said}{error}");
    assert_eq!(said, "to be deleted: 1 traces, 3 spans, 1 error events, 1 scores, 1 log lines, 0 metric series\n");
    let (said, ..) = server.command(&["delete", "project", "--project", "1"]);
    assert_eq!(said, "to be deleted: 3 traces, 9 spans, 3 error events, 3 scores, 3 log lines, 0 metric series\n");
    assert_eq!(server.command(&["delete", "list", "--user", "boris-the-second"]).0, "no receipts for this user\n");
    let (said, error, status) = server.command(&["delete", "user", "--project", "1", "--yes", "boris-the-second"]);
    assert!(status == Some(0) && said.contains("3 spans, 1 error events, 1 scores, 1 log lines"), "{said}{error}");
    assert_eq!(holding(&data, "MARK-two"), Vec::<PathBuf>::new());
    assert_eq!(holding(&data, "boris-the-second"), Vec::<PathBuf>::new());
    let users: Vec<Value> = server.ask("/breakdown?by=user")["rows"].as_array().unwrap().clone();
    assert_eq!(users.len(), 2, "{users:?}");

    // The other traces are unchanged, also after a restart.
    server.restart();
    assert_eq!(holding(&data, "MARK-one"), Vec::<PathBuf>::new());
    let third = server.ask(&format!("/traces/{:032x}", 3));
    assert_eq!(
        (third["errors"].as_array().unwrap().len(), &third["log_count"], third["scores"].as_array().unwrap().len()),
        (1, &json!(1), 1)
    );
    let (read_only, ..) = server.command(&["token", "create"]);
    let headers = [("authorization", &*format!("Bearer {}", read_only.trim()))];
    assert_eq!(server.send("DELETE", "/api/v1/projects/1", &headers, Vec::new()).status, 403);
    assert_eq!(delete(&server, "/9").status, 404);

    let receipt = delete(&server, "/1").json();
    assert_eq!((&receipt["spans"], &receipt["errors"]), (&json!(6), &json!(2)), "{receipt}");
    assert_eq!(holding(&data, "MARK-"), Vec::<PathBuf>::new());
    let deletions = server.get("/api/v1/deletions").json();
    let what: Vec<&str> = deletions["deletions"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["project", "user", "trace"]);
    assert!(!deletions.to_string().contains("boris"), "a receipt keeps no name");
    // Project 1 remains and ingests new data.
    send(&server, 1, "MARK-again", "anna", 1.0);
    assert_eq!(server.ask("/summary")["spans"], 3);

    assert_eq!(server.command(&["project", "create", "short-lived"]).2, Some(0));
    let (said, error, status) = server.command(&["delete", "project", "--project", "2", "--yes"]);
    assert_eq!(status, Some(0), "{said}{error}");
    assert_eq!(server.get("/api/v1/projects/2").status, 404);
    let (said, error, status) = run(&data, &["doctor"]);
    assert_eq!(status, Some(0), "{said}{error}");
}

#[test]
fn receipt_identifies_a_user_only_by_the_known_name() {
    use sha2::Digest;
    let server = Server::start();
    send(&server, 1, "MARK-one", "u_7", 1.0);
    let receipt = delete(&server, "/1/users/u_7").json();
    let subject = receipt["subject"].as_str().unwrap().to_owned();
    let plain = hex::encode(sha2::Sha256::digest("u_7"));
    assert!(subject.starts_with("hmac-sha256:") && !subject.contains(&plain), "short names would be tried in seconds: {subject}");
    // A receipt as earlier versions wrote it.
    let old = json!({ "at": "2026-01-01T00:00:00Z", "project": 1, "what": "user", "subject": format!("sha256:{plain}"), "spans": 3 });
    let database = rusqlite::Connection::open(server.data().join("hinomi.db")).unwrap();
    database.execute("INSERT INTO deletions (receipt) VALUES (?1)", [old.to_string()]).unwrap();
    drop(database);
    let of = |user: &str| server.get(&format!("/api/v1/deletions?user={user}")).json()["deletions"].clone();
    assert_eq!(of("u_7").as_array().unwrap().iter().map(|one| &one["subject"]).collect::<Vec<_>>(), [&old["subject"], &json!(subject)]);
    assert_eq!(of("u_8"), json!([]));
    assert_eq!(server.get("/api/v1/deletions").json()["deletions"].as_array().unwrap().len(), 2);
    let (said, error, status) = server.command(&["delete", "list", "--user", "u_7"]);
    assert_eq!(status, Some(0), "{error}");
    assert!(said.contains(&subject) && said.contains(&plain), "{said}");
    // The same user gets the same hash when deleted again.
    send(&server, 2, "MARK-two", "u_7", 1.0);
    assert_eq!(delete(&server, "/1/users/u_7").json()["subject"], json!(subject));
}

#[test]
fn open_incident_no_longer_names_a_deleted_user() {
    const NAME: &str = "anna-to-be-forgotten";
    let server = Server::start();
    for rule in [
        json!({ "name": "By user", "measure": "calls", "window": "1h", "group_by": "user", "warning": 0, "critical": 9 }),
        json!({ "name": "Altogether", "measure": "calls", "window": "1h", "warning": 0, "critical": 2 }),
    ] {
        assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);
    }
    send(&server, 1, "MARK-one", NAME, 1.0);
    let opened = eventually(&server, "/alerts/incidents", |found| found["open"] == 2 && found.to_string().matches(NAME).count() > 1);
    let of =
        |found: &Value, rule: &str| found["incidents"].as_array().unwrap().iter().find(|one| one["rule_name"] == rule).unwrap().clone();
    assert_eq!(of(&opened, "By user")["group"]["value"], NAME);

    assert_eq!(delete(&server, &format!("/1/users/{NAME}")).status, 200);
    let found = server.ask("/alerts/incidents");
    assert_eq!((found["open"].as_u64(), found.to_string().matches(NAME).count()), (Some(1), 0), "{found}");
    assert!(of(&found, "By user")["resolved_at"].is_string(), "{found}");
    // The remaining incident and its rule continue to be evaluated.
    send(&server, 2, "MARK-two", "boris", 1.0);
    send(&server, 3, "MARK-three", "boris", 1.0);
    eventually(&server, "/alerts/incidents", |found| of(found, "Altogether")["severity"] == "critical" && found["open"] == 2);
    let story = server.ask(&format!("/alerts/incidents/{}", of(&opened, "Altogether")["id"]));
    assert_eq!(story.to_string().matches(NAME).count(), 0, "{story}");
    assert_eq!(holding(&server.data(), NAME), Vec::<PathBuf>::new());
}

/// Alerts name users in incident timelines, in notifications and in links to traces, whatever the users are called.
#[test]
fn deleted_names_of_alerts_are_in_no_file() {
    const USERS: [&str; 4] = ["carol", "anna@example.org", "o\"neil & sons", "critical"];
    let mut server = Server::start_with(&[("HINOMI_NOTIFY_ALLOW", "127.0.0.1")]);
    // Nothing listens there, so notifications wait.
    let target = json!({ "name": "program", "address": { "kind": "webhook", "url": "http://127.0.0.1:9/hook" } });
    let targets = json!({ "targets": [server.change("POST", "/alerts/targets", &target).json()["id"]] });
    // Each call costs 0.00045 dollars.
    let steps: Vec<u32> = (1..=8).map(|calls| calls * 10).collect();
    let budget = json!({ "name": "Day", "amount": 0.0045, "period": "day", "time_zone": "UTC", "steps": steps, "notify": targets });
    assert_eq!(server.change("POST", "/alerts/budgets", &budget).status, 201);
    let rule = json!({ "name": "By user", "measure": "calls", "window": "1h", "group_by": "user", "warning": 0, "notify": targets });
    assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);
    let quoted = |name: &str| serde_json::Value::from(name).to_string().trim_matches('"').to_owned();
    for (at, user) in USERS.iter().enumerate() {
        let mut body = transaction(at as u128 + 1, "q", "a");
        body["user"] = json!({ "id": user });
        assert_eq!(server.envelope(of_item("transaction", &body)).status, 200);
        let named = |found: &Value| found["incidents"].to_string().matches(&quoted(user)).count() > 1;
        eventually(&server, "/alerts/incidents", named);
    }
    let day = server.ask("/alerts/incidents")["incidents"].as_array().unwrap().iter().find(|one| one["rule_name"] == "Day").unwrap()["id"]
        .clone();
    let note = json!({ "text": "carol loops, carolina does not" });
    assert_eq!(server.change("POST", &format!("/alerts/incidents/{day}/notes"), &note).status, 200);

    let data = server.data();
    let in_notices = |text: &str| {
        let database = rusqlite::Connection::open(data.join("notify.db")).unwrap();
        let sql = "SELECT count(*) FROM notices WHERE instr(body, ?1)";
        database.query_row(sql, [text], |row| row.get::<_, i64>(0)).unwrap()
    };
    until("messages name them", || USERS.iter().all(|user| in_notices(&format!("\"{}\"", quoted(user))) > 0));
    let deliveries = || server.ask("/alerts/deliveries")["deliveries"].as_array().unwrap().len();
    let before = deliveries();
    for user in USERS {
        let (said, error, status) = server.command(&["delete", "user", user, "--project", "1", "--yes"]);
        assert_eq!(status, Some(0), "{said}{error}");
    }
    assert!(deliveries() >= before, "what waits is not lost");
    let encoded = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let check = |data: &Path| {
        let forms = [
            "\"carol\"",
            "%22carol%22",
            "carol loops",
            "anna@example",
            "anna%40example",
            "neil & sons",
            "neil%20%26",
            "%22critical%22",
            "\"value\":\"critical\"",
        ];
        for form in forms {
            assert_eq!(holding(data, form), Vec::<PathBuf>::new(), "{form}");
        }
        assert_eq!(holding(data, &encoded("o\"neil & sons")), Vec::<PathBuf>::new());
    };
    check(&data);
    assert_eq!(in_notices("\"key\":\"critical\""), 0);
    let story = server.ask(&format!("/alerts/incidents/{day}"));
    assert!(story.to_string().contains("(deleted) loops, carolina does not"), "{story}");
    // The program's own words are not names.
    assert!(in_notices("\"kind\":\"opened\"") > 0 && story["incident"]["severity"] == "warning", "{story}");
    server.restart();
    check(&server.data());
    assert!(server.ask("/alerts/deliveries")["deliveries"].as_array().unwrap().len() >= before);

    // A deleted trace is redacted in notifications too, and a deleted project removes them all.
    let mut body = transaction(0xfeed, "q", "a");
    body["user"] = json!({ "id": "dora-the-last" });
    assert_eq!(server.envelope(of_item("transaction", &body)).status, 200);
    let trace = format!("{:032x}", 0xfeed);
    eventually(&server, "/alerts/incidents", |found| found.to_string().contains(&trace));
    assert_eq!(delete(&server, &format!("/1/traces/{trace}")).status, 200);
    // The receipt names the trace.
    let but_for_receipts = |path: &PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with("hinomi.db");
    let naming: Vec<PathBuf> = holding(&data, &trace).into_iter().filter(but_for_receipts).collect();
    assert_eq!(naming, Vec::<PathBuf>::new());
    assert!(!holding(&data, "dora-the-last").is_empty());
    assert_eq!(delete(&server, "/1").status, 200);
    assert_eq!(holding(&data, "dora-the-last"), Vec::<PathBuf>::new());
    // Alerts continue to be evaluated for new data.
    assert_eq!(server.ask("/alerts/incidents")["incidents"], json!([]));
    let rule = json!({ "name": "Any", "measure": "calls", "window": "1h", "warning": 0 });
    assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);
    send(&server, 7, "MARK-seven", "emil", 1.0);
    eventually(&server, "/alerts/incidents", |found| found["open"] == 1);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(holding(&data, "dora-the-last"), Vec::<PathBuf>::new());
    assert!(!server.log().contains("alert.changes.write_failed"), "{}", server.log());
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until the system page reports a held deletion, then confirms it.
fn confirm(server: &Server, said: &str) {
    until("it waits to be deleted", || server.get("/api/v1/system").json()["problems"].to_string().contains(said));
    let (told, error, status) = server.command(&["retention", "confirm"]);
    assert!(status == Some(0) && told.contains(said), "{told}{error}");
}

#[test]
fn each_retention_class_expires_and_is_deleted_from_disk() {
    const DAY_S: f64 = 86_400.0;
    let server = Server::start_with(&[("HINOMI_RETENTION_DAYS", "30"), ("HINOMI_DISK_RETAIN_EVERY_S", "1")]);
    let plain = |trace: u128, mark: &str, environment: &str, days: f64| {
        let mut body = transaction(trace, mark, "an answer");
        for at in ["start_timestamp", "timestamp"] {
            body[at] = json!(body[at].as_f64().unwrap() - days * DAY_S);
            for span in body["spans"].as_array_mut().unwrap() {
                span[at] = json!(span[at].as_f64().unwrap() - days * DAY_S);
            }
        }
        body["environment"] = json!(environment);
        assert_eq!(server.envelope(of_item("transaction", &body)).status, 200);
    };
    plain(1, "MARK-young", "prod", 2.0);
    plain(2, "MARK-of-dev", "dev", 4.0);
    plain(3, "MARK-middle", "prod", 15.0);
    send(&server, 4, "MARK-notable", "anna", 16.0 * DAY_S);
    plain(5, "MARK-kept", "dev", 20.0);
    let data = server.data();
    let token = format!("Bearer {}", server.token);
    let pin = format!("/api/v1/projects/1/traces/{:032x}/pin", 5);
    assert_eq!(server.send("PUT", &pin, &[("authorization", &token)], Vec::new()).status, 204);
    assert_eq!(server.ask(&format!("/traces/{:032x}", 5))["pinned"], true);
    let set = |keep: Value| {
        let body = json!({ "retention": keep }).to_string().into_bytes();
        let headers = [("authorization", &*token), ("content-type", "application/json")];
        server.send("PATCH", "/api/v1/projects/1", &headers, body)
    };
    assert_eq!(set(json!({ "message_days": 0 })).status, 400);
    assert_eq!(set(json!({ "texts": 1 })).status, 400);
    until("what was kept until now is remembered", || {
        let (said, ..) = server.command(&["doctor", "--verbose"]);
        said.contains("retention of 30 days")
    });
    let answer = set(json!({ "environments": { "dev": 3 }, "message_days": 10, "flagged_days": 25 }));
    assert_eq!((answer.status, &answer.json()["retention"]["environments"]["dev"]), (200, &json!(3)));
    confirm(&server, "of project 1 would be deleted: some classes have a shorter retention");

    until("dev is gone after three days", || holding(&data, "MARK-of-dev").is_empty());
    until("texts are gone after ten days", || holding(&data, "MARK-middle").is_empty());
    assert_eq!(server.get(&format!("/api/v1/projects/1/traces/{:032x}", 2)).status, 404);
    let middle = server.ask(&format!("/traces/{:032x}", 3));
    assert_eq!((&middle["trace"]["total_tokens"], middle["spans"].as_array().unwrap().len()), (&json!(1500), 3));
    for mark in ["MARK-young", "MARK-notable-question", "MARK-notable-line", "MARK-notable-error", "MARK-notable-comment", "MARK-kept"] {
        assert!(!holding(&data, mark).is_empty(), "{mark} is kept");
    }
    assert_eq!(server.ask("/summary?from=-40d")["llm_calls"], 4);

    // Traces with errors or scores are now stored as long as others, and the trace is unpinned.
    assert_eq!(set(json!({ "environments": { "prod": 12 } })).status, 200);
    let changed = json!({ "retention_days": 12 }).to_string().into_bytes();
    let headers = [("authorization", &*token), ("content-type", "application/json")];
    assert_eq!(server.send("PATCH", "/api/v1/projects/1", &headers, changed).status, 200);
    confirm(&server, "the retention is 12 days instead of 30");
    for part in ["question", "answer", "line", "error"] {
        until("errors and scores are like others", || holding(&data, &format!("MARK-notable-{part}")).is_empty());
    }
    assert!(!holding(&data, "MARK-notable-comment").is_empty(), "it was given just now");
    assert!(!holding(&data, "MARK-kept").is_empty());
    assert_eq!(server.send("DELETE", &pin, &[("authorization", &token)], Vec::new()).status, 204);
    until("what is marked no longer goes", || holding(&data, "MARK-kept").is_empty());
    assert!(!holding(&data, "MARK-young").is_empty());
    assert_eq!(server.ask("/summary?from=-40d")["llm_calls"], 1);
}

#[test]
fn disk_budget_deletes_the_oldest_after_confirmation() {
    const MIN_BUDGET: &str = "256MiB";
    let mut server = Server::start_with(&[("HINOMI_DISK_RETAIN_EVERY_S", "1"), ("HINOMI_DISK_BUDGET_BYTES", "10GB")]);
    for (trace, age) in [(1, 1000.0), (2, 500.0), (3, 10.0)] {
        send(&server, trace, &format!("MARK-{trace}"), "anna", age);
        assert_eq!(server.stop(), Some(0));
        server.start_again();
    }
    assert_eq!(server.ask("/summary")["spans"], 9);
    until("what was enforced is remembered", || server.command(&["doctor", "--verbose"]).0.contains("retention of 90 days"));
    // The space is not used by spans: all older segments would be deleted, and only the newest would remain.
    std::fs::File::create(server.data().join("ballast")).unwrap().set_len(1 << 30).unwrap();
    server.set("HINOMI_DISK_BUDGET_BYTES", MIN_BUDGET);
    server.restart();
    confirm_after(&server, "the oldest 6 of 9 spans would be deleted: disk.budget_bytes is 268435456 instead of 10000000000", || {
        assert_eq!(server.ask("/summary")["spans"], 9);
    });
    until("the oldest are gone", || server.ask("/summary")["spans"] == 3);
    assert_eq!(holding(&server.data().join("segments"), "MARK-1"), Vec::<PathBuf>::new());
    assert!(!holding(&server.data().join("segments"), "MARK-3").is_empty());
    let deletions = server.get("/api/v1/deletions").json();
    let receipt = &deletions["deletions"][0];
    assert_eq!((&receipt["what"], receipt["subject"].as_str().unwrap().contains("disk.budget_bytes")), (&json!("budget"), true));
    let problems = server.get("/api/v1/system").json()["problems"].to_string();
    assert!(problems.contains("disk budget"), "{problems}");
    assert!(server.log().contains("retention.disk_budget"), "{}", server.log());

    let (_, error, status) = run(&server.data(), &["config", "--config", "/dev/null"]);
    assert_eq!(status, Some(0), "{error}");
    server.set("HINOMI_DISK_BUDGET_BYTES", "100");
    let mut command = crate::server::hinomi(&server.data());
    let output = command.args(["config"]).env("HINOMI_DISK_BUDGET_BYTES", "100").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("at least 268435456"), "{error}");
}

/// Calls `look` while the deletion is held, then [`confirm`].
fn confirm_after(server: &Server, said: &str, look: impl Fn()) {
    until("it waits to be deleted", || server.get("/api/v1/system").json()["problems"].to_string().contains(said));
    look();
    confirm(server, said);
}

#[test]
fn start_without_retention_setting_deletes_nothing() {
    let mut server = Server::start_with(&[("HINOMI_RETENTION_DAYS", "1000"), ("HINOMI_DISK_RETAIN_EVERY_S", "1")]);
    for (trace, days) in [(1, 200.0), (2, 100.0), (3, 1.0)] {
        send(&server, trace, &format!("MARK-{trace}"), "anna", days * 86_400.0);
    }
    until("what was kept until now is remembered", || server.command(&["doctor", "--verbose"]).0.contains("retention of 1000 days"));
    server.set("HINOMI_RETENTION_DAYS", "90");
    server.stop();
    let mut command = crate::server::hinomi(&server.data());
    let output = command.arg("doctor").env("HINOMI_RETENTION_DAYS", "90").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("project 1: 90 days instead of 1000"), "{said}");
    server.start_again();
    let waits = "6 of 9 spans of project 1 would be deleted: the retention is 90 days instead of 1000";
    until("it waits", || server.get("/api/v1/system").json()["problems"].to_string().contains(waits));
    assert!(server.log().contains("retention.deletion.held"), "{}", server.log());
    let ready = server.get("/readyz");
    assert!(ready.status == 200 && ready.text.contains(waits), "{}", ready.text);
    let (told, error, status) = server.command(&["retention"]);
    assert!(status == Some(0) && told.contains(waits) && told.contains("7 more days"), "{told}{error}");
    assert_eq!(server.ask("/summary?from=-300d")["spans"], 9);
    let first = server.ask(&format!("/traces/{:032x}", 1));
    assert_eq!((first["errors"].as_array().unwrap().len(), &first["log_count"]), (1, &json!(1)), "what belongs to them is kept too");
    // With the previous setting again, nothing is held.
    server.set("HINOMI_RETENTION_DAYS", "1000");
    server.restart();
    until("nothing waits", || server.command(&["retention"]).0.contains("no deletion waits"));
    assert_eq!(server.get("/api/v1/system").json()["problems"], json!([]));
    let (_, error, status) = server.command(&["retention", "confirm"]);
    assert!(status == Some(1) && error.contains("no deletion waits"), "{error}");
    // An intended deletion can also be confirmed with the API.
    server.set("HINOMI_RETENTION_DAYS", "90");
    server.restart();
    until("it waits", || server.get("/api/v1/system").json()["problems"].to_string().contains(waits));
    let token = format!("Bearer {}", server.token);
    let confirmed = server.send("POST", "/api/v1/retention/confirm", &[("authorization", &token)], b"{}".to_vec());
    assert_eq!(confirmed.status, 204, "{}", confirmed.text);
    until("the old is gone", || {
        ["question", "answer", "error", "line"].iter().all(|part| holding(&server.data(), &format!("MARK-1-{part}")).is_empty())
    });
    assert_eq!(server.ask("/summary?from=-300d")["spans"], 3);
    until("nothing waits", || server.get("/api/v1/system").json()["problems"] == json!([]));
    assert_eq!(server.send("POST", "/api/v1/retention/confirm", &[("authorization", &token)], b"{}".to_vec()).status, 404);
}

#[test]
fn clock_jump_deletes_nothing_without_confirmation() {
    let mut server = Server::start_with(&[("HINOMI_RETENTION_DAYS", "1000"), ("HINOMI_DISK_RETAIN_EVERY_S", "1")]);
    for (trace, days) in [(1, 10.0), (2, 365.0), (3, 366.0)] {
        send(&server, trace, &format!("MARK-{trace}"), "anna", days * 86_400.0);
    }
    until("what was kept until now is remembered", || server.command(&["doctor", "--verbose"]).0.contains("retention of 1000 days"));
    assert_eq!(server.stop(), Some(0));
    // The same as a clock that is 400 days ahead: the last deletion appears to be that much older.
    const CLOCK_JUMP_US: i64 = 400 * 86_400_000_000;
    let database = rusqlite::Connection::open(server.data().join("hinomi.db")).unwrap();
    let last: String = database.query_row("SELECT value FROM settings WHERE name = 'retention.last'", [], |row| row.get(0)).unwrap();
    let mut last: Value = serde_json::from_str(&last).unwrap();
    let project = &mut last["projects"]["1"];
    project[0]["days"] = json!(90);
    project[1] = json!(project[1].as_i64().unwrap() - CLOCK_JUMP_US);
    database.execute("UPDATE settings SET value = ?1 WHERE name = 'retention.last'", [last.to_string()]).unwrap();
    drop(database);
    server.set("HINOMI_RETENTION_DAYS", "90");
    server.start_again();
    until("it waits", || {
        let problems = server.get("/api/v1/system").json()["problems"].to_string();
        problems.contains("6 of 9 spans of project 1 would be deleted: the clock is 400 days ahead")
    });
    assert_eq!(server.ask("/summary?from=-1000d")["spans"], 9);
}
