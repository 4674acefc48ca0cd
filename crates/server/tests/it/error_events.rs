//! Error events: everything that a client sends is served without its secrets, found by attribute, grouped, and bounded.

use std::path::Path;

use serde_json::{Value, json};

use crate::envelopes::{now, of_item};
use crate::server::{KEY, Server};

/// Returns the only event of the only issue.
fn only_event(server: &Server) -> Value {
    let issues = server.ask("/issues")["issues"].as_array().unwrap().clone();
    assert_eq!(issues.len(), 1, "{issues:?}");
    let detail = server.ask(&format!("/issues/{}", issues[0]["issue_id"]));
    assert_eq!(detail["events"].as_array().unwrap().len(), 1);
    detail["events"][0].clone()
}

fn send_event(server: &Server, event: &Value) {
    let sent = server.envelope(of_item("event", event));
    assert_eq!(sent.status, 200, "{}", sent.text);
}

fn full_event() -> Value {
    json!({
        "timestamp": now() - 1.0, "level": "critical", "platform": "python", "logger": "shop.orders", "dist": "31", "release": "shop@2",
        "server_name": "app-1", "transaction": "POST /pay", "environment": "canary", "message": "payment failed for order 4711",
        "sdk": { "name": "sentry.python", "version": "2.75.0", "integrations": ["django"] },
        "exception": { "values": [
            { "type": "TimeoutError", "value": "no answer", "stacktrace": { "frames": [{ "function": "ask", "filename": "bank.py", "in_app": true }] } },
            { "type": "PaymentError", "value": "declined", "module": "shop.pay", "thread_id": 7,
              "mechanism": { "type": "django", "handled": false, "data": { "view": "pay" }, "meta": { "signal": { "number": 11 } } },
              "stacktrace": { "frames": [{ "function": "pay", "filename": "pay.py", "abs_path": "/srv/pay.py", "lineno": 9, "colno": 3, "package": "shop",
                  "instruction_addr": "0x1f", "in_app": true, "context_line": "charge(card)", "vars": { "card": "4242 4242 4242 4242", "password": "hunter2", "n": 3 } }] } },
        ] },
        "threads": { "values": [{ "id": 7, "name": "main", "crashed": true }, { "id": 8, "name": "pool", "stacktrace": { "frames": [{ "function": "wait" }] } }] },
        "request": { "url": "https://shop.example/pay", "method": "POST", "headers": { "Authorization": "Bearer abcdefghi", "Accept": "*/*" }, "cookies": { "sid": "hunter2" } },
        "user": { "id": "u7", "email": "anna@shop.example", "plan": "gold" },
        "contexts": { "runtime": { "name": "CPython", "version": "3.14" }, "os": { "name": "Linux" } },
        "extra": { "order": 4711, "api_key": "hunter2" }, "modules": { "django": "6.0" }, "tags": { "tenant": "acme" },
        "breadcrumbs": (0..120).map(|n| json!({ "message": format!("step {n}"), "category": "query", "level": "log", "data": { "n": n, "token": "hunter2" } })).collect::<Vec<_>>(),
    })
}

#[test]
fn everything_that_a_client_sends_is_served_without_its_secrets() {
    let server = Server::start();
    let payload = full_event().to_string();
    let dump = "MDMP".repeat(10);
    let body = format!(
        "{{}}\n{{\"type\":\"event\",\"length\":{}}}\n{payload}\n{{\"type\":\"attachment\",\"attachment_type\":\"event.minidump\",\"filename\":\"a.dmp\",\"length\":{}}}\n{dump}\n",
        payload.len(),
        dump.len()
    );
    assert_eq!(server.envelope(body).status, 200);
    let event = only_event(&server);
    assert!(!event.to_string().contains("hunter2") && !event.to_string().contains("4242 4242"), "{event}");
    let fields = [
        ("/level", json!("fatal")),
        ("/logger", json!("shop.orders")),
        ("/dist", json!("31")),
        ("/platform", json!("python")),
        ("/server_name", json!("app-1")),
        ("/transaction", json!("POST /pay")),
        ("/message", json!("payment failed for order 4711")),
        ("/sdk", json!({ "name": "sentry.python", "version": "2.75.0", "integrations": ["django"] })),
        ("/user/email", json!("anna@shop.example")),
        ("/user/plan", json!("gold")),
        ("/request/headers", json!({ "Authorization": "[Filtered]", "Accept": "*/*" })),
        ("/request/cookies", json!({ "sid": "[Filtered]" })),
        ("/contexts/runtime/version", json!("3.14")),
        ("/extra", json!({ "order": 4711, "api_key": "[Filtered]" })),
        ("/modules/django", json!("6.0")),
        ("/tags/tenant", json!("acme")),
        ("/frames/0/colno", json!(3)),
        ("/frames/0/package", json!("shop")),
        ("/frames/0/instruction_addr", json!("0x1f")),
        ("/frames/0/abs_path", json!("/srv/pay.py")),
        ("/frames/0/vars", json!({ "card": "[Filtered]", "password": "[Filtered]", "n": 3 })),
        ("/exceptions/0/frames/0/function", json!("ask")),
        ("/exceptions/1/mechanism/type", json!("django")),
        ("/exceptions/1/mechanism/handled", json!(false)),
        ("/exceptions/1/mechanism/data/view", json!("pay")),
        ("/exceptions/1/mechanism/meta/signal/number", json!(11)),
        ("/exceptions/1/thread_id", json!("7")),
        ("/threads/0/has_event_stack", json!(true)),
        ("/threads/1/frames/0/function", json!("wait")),
        ("/breadcrumbs_cut", json!(20)),
        ("/breadcrumbs/0/message", json!("step 20")),
        ("/breadcrumbs/0/level", json!("info")),
        ("/attachments/0", json!({ "name": "a.dmp", "content_type": null, "type": "event.minidump", "bytes": 40 })),
    ];
    for (pointer, value) in fields {
        assert_eq!(event.pointer(pointer), Some(&value), "{pointer}");
    }
    assert_eq!(event["breadcrumbs"].as_array().unwrap().len(), 100);
    assert_eq!(event["breadcrumbs"][0]["data"], json!(json!({ "n": 20, "token": "[Filtered]" }).to_string()));
}

#[test]
fn errors_are_found_by_their_attributes() {
    let server = Server::start();
    send_event(&server, &full_event());
    send_event(&server, &json!({ "timestamp": now(), "message": "stock is low", "logger": "shop.stock", "tags": { "tenant": "brot" } }));
    let found = |filter: &str| {
        let filter = filter.replace(' ', "%20").replace('"', "%22").replace('/', "%2F");
        let issues = server.ask(&format!("/issues?q={filter}"))["issues"].as_array().unwrap().clone();
        issues.iter().map(|issue| issue["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let cases = [
        "attr.logger:shop.orders",
        "attr.user.email:anna@shop.example",
        "attr.request.url:*shop.example*",
        "attr.runtime.name:CPython",
        "attr.extra.order:4711",
        "attr.modules.django:6.0",
        "attr.error.mechanism:django",
        "attr.server_name:app-1 tag.tenant:acme",
        "tag.tenant:acme",
        "release:shop@2",
    ];
    for filter in cases {
        assert_eq!(found(filter), ["declined"], "{filter}");
    }
    for filter in [
        "type:PaymentError",
        "level:fatal handled:false",
        "mechanism:django transaction:\"POST /pay\"",
        "-handled:true platform:python user:u7",
        "(type:Other OR logger:shop.orders)",
        "DECLINED",
        "\"payment failed\" type:Payment*",
        "pay.py",
    ] {
        assert_eq!(found(filter), ["declined"], "{filter}");
    }
    assert!(found("type:TimeoutError").is_empty() && found("declined level:info").is_empty() && found("handled:true").is_empty());
    let unknown = server.get("/api/v1/projects/1/issues?q=colour:red");
    assert_eq!((unknown.status, unknown.text.contains("type message level handled")), (400, true), "{}", unknown.text);
    assert_eq!(found("attr.logger:shop.stock"), ["stock is low"]);
    assert_eq!(found("attr.logger:shop.*").len(), 2);
    assert!(found("attr.logger:other").is_empty() && found("attr.logger:shop.stock tag.tenant:acme").is_empty());
    assert!(found("model:gpt-4o").is_empty(), "a field that errors do not have");
}

#[test]
fn an_event_without_id_and_time_is_a_new_one_each_time() {
    let server = Server::start();
    let send = |body: &Value| {
        let header = format!("Sentry sentry_key={KEY}, sentry_version=7");
        let sent = server.send("POST", "/api/1/store/", &[("x-sentry-auth", &header)], body.to_string().into_bytes());
        assert_eq!(sent.status, 200, "{}", sent.text);
        sent.json()["id"].as_str().unwrap().to_owned()
    };
    let bare = json!({ "message": "backup done" });
    assert_ne!(send(&bare), send(&bare));
    let timed = json!({ "message": "backup done", "timestamp": now() });
    assert_eq!(send(&timed), send(&timed), "a repeat of a timed event is the same event");
    let issues = server.ask("/issues")["issues"].clone();
    assert_eq!((issues.as_array().unwrap().len(), &issues[0]["count"]), (1, &json!(3)));
}

#[test]
fn large_events_are_bounded() {
    let server = Server::start();
    let text = |n: usize| format!("{n} {}", "x".repeat(4000));
    let frames: Vec<Value> = (0..300)
        .map(|n| json!({ "function": format!("f{n}"), "filename": "a.py", "in_app": true, "vars": { "a": text(n), "b": text(n), "c": [text(n), text(n)] } }))
        .collect();
    let event = json!({
        "timestamp": now(), "exception": { "values": [{ "type": "E", "value": "v", "stacktrace": { "frames": frames } }] },
        "extra": { "huge": "y".repeat(900_000), "list": (0..100_000).collect::<Vec<_>>() },
    });
    assert!(event.to_string().len() > 5_000_000);
    send_event(&server, &event);
    let event = only_event(&server);
    assert_eq!((event["frames"].as_array().unwrap().len(), &event["frames_cut"]), (250, &json!(50)));
    assert_eq!(event["frames"][249]["function"], json!("f299"), "the innermost frames stay");
    assert!(event["frames"][249]["vars"]["a"].as_str().unwrap().contains("bytes cut]"));
    let vars: usize = event["frames"].as_array().unwrap().iter().map(|frame| frame["vars"].to_string().len()).sum();
    assert!(vars < 400_000, "{vars} bytes of variables");
    assert!(event["extra"].to_string().len() < 200_000);
    let stored = std::fs::metadata(server.data().join("errors.db-wal")).unwrap().len();
    assert!(stored < 2 << 20, "{stored} bytes");
}

/// What is sent to addresses of unstored items is counted with its kind.
#[test]
fn unstored_items_are_counted_by_kind() {
    let server = Server::start();
    let query = format!("?sentry_key={KEY}&sentry_version=7");
    let dsn = format!("DSN http://{KEY}@127.0.0.1/1");
    let addresses = [
        (format!("/api/1/security/{query}"), "security"),
        (format!("/api/1/csp-report/{query}"), "security"),
        (format!("/api/1/nel/{query}"), "nel"),
        (format!("/api/1/minidump/{query}"), "minidump"),
        (format!("/api/1/unreal/{KEY}/"), "unreal_report"),
        (format!("/api/1/cron/nightly/{KEY}/"), "check_in"),
        (format!("/api/1/events/{}/attachments/{query}", "e".repeat(32)), "attachment"),
        (format!("/api/1/user-feedback/{query}"), "user_report"),
        (format!("/api/embed/error-page/?eventId={}&dsn=http%3A%2F%2F{KEY}%40127.0.0.1%2F1", "e".repeat(32)), "user_report"),
        ("/api/0/projects/shop/web/user-feedback/".to_owned(), "user_report"),
    ];
    for (path, kind) in addresses {
        let headers: &[(&str, &str)] = if path.starts_with("/api/0/") { &[("authorization", &dsn)] } else { &[] };
        let sent = server.send("POST", &path, headers, b"{}".to_vec());
        assert_eq!(sent.status, 200, "{path}: {}", sent.text);
        let rows = server.ask("/outcomes")["outcomes"].as_array().unwrap().clone();
        let is_of_kind = |row: &&Value| row["reason"] == "not_kept" && row["detail"].as_str().is_some_and(|detail| detail.contains(kind));
        assert!(rows.iter().any(|row| is_of_kind(&row)), "{path}: {rows:?}");
    }
    // One envelope with several kinds.
    let body = "{}\n{\"type\":\"session\"}\n{}\n{\"type\":\"attachment\"}\nx\n{\"type\":\"profile\"}\n{}\n{\"type\":\"whatever\"}\n{}\n";
    assert_eq!(server.envelope(body).status, 200);
    let rows = server.ask("/outcomes")["outcomes"].as_array().unwrap().clone();
    for (category, detail) in [("session", "session"), ("attachment", "attachment"), ("profile", "profile"), ("other", "whatever")] {
        assert!(rows.iter().any(|row| row["category"] == category && row["detail"] == detail), "{category}: {rows:?}");
    }
}

/// An issue that version 1 of the grouping algorithm created keeps its number: an event with the old fingerprint joins it, and later events
/// find it by the new one.
#[test]
fn issues_of_earlier_versions_keep_their_number() {
    let disk = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let archive = std::fs::File::open(fixtures.join("folders/bb20e99.tar.gz")).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(disk.path()).unwrap();
    let expect: Value = serde_json::from_slice(&std::fs::read(fixtures.join("folders/bb20e99.expect.json")).unwrap()).unwrap();
    let mut server = Server::start_on(disk.path(), &[("HINOMI_RETENTION_DAYS", "3650")]);
    let token = expect["admin"].as_str().unwrap().to_owned();
    let issue = |server: &Server, kind: &str| {
        let issues = server.get_as("/api/v1/projects/1/issues", &token).json()["issues"].as_array().unwrap().clone();
        let found: Vec<_> = issues.iter().filter(|issue| issue["type"] == kind).cloned().collect();
        assert_eq!(found.len(), 1, "{issues:?}");
        (found[0]["issue_id"].clone(), found[0]["count"].as_u64().unwrap(), found[0]["grouping_version"].clone())
    };
    let (number, count, version) = issue(&server, "ValueError");
    assert_eq!((count, version), (1, json!(1)));
    let event = |cause: &str| {
        let values = [json!({ "type": "OSError", "value": cause }), json!({ "type": "ValueError", "value": "no parcel" })];
        let values = if cause.is_empty() { &values[1..] } else { &values[..] };
        json!({ "timestamp": now(), "exception": { "values": values } })
    };
    send_event(&server, &event(""));
    assert_eq!(issue(&server, "ValueError"), (number.clone(), 2, json!(1)), "the old fingerprint leads to the issue");
    // Version 1 did not look at causes, so its issue contains these events too.
    send_event(&server, &event("disk"));
    send_event(&server, &event("disk"));
    assert_eq!(issue(&server, "ValueError"), (number.clone(), 4, json!(1)));
    server.restart();
    send_event(&server, &event("disk"));
    assert_eq!(issue(&server, "ValueError").0, number);

    // New issues have the new version.
    send_event(&server, &json!({ "timestamp": now(), "exception": { "values": [{ "type": "NewError", "value": "x" }] } }));
    let (new, _, version) = issue(&server, "NewError");
    assert!(version == json!(2) && new.as_i64() > number.as_i64());
}

#[test]
fn issues_are_merged_split_and_described_by_their_tags() {
    let mut server = Server::start();
    let send = |server: &Server, kind: &str, plan: &str, at: f64| {
        let exception = json!({ "values": [{ "type": kind, "value": "x", "stacktrace": { "frames": [{ "function": kind }] } }] });
        send_event(server, &json!({ "timestamp": now() - at, "tags": { "plan": plan }, "user": { "id": plan }, "exception": exception }));
    };
    send(&server, "PaymentError", "free", 3.0);
    send(&server, "CardError", "paid", 2.0);
    send(&server, "CardError", "paid", 1.0);
    let numbers = |server: &Server| {
        let issues = server.ask("/issues?sort=type")["issues"].as_array().unwrap().clone();
        issues.iter().map(|issue| (issue["issue_id"].as_i64().unwrap(), issue["count"].as_u64().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&server), [(2, 2), (1, 1)]);
    let change = |server: &Server, path: &str, body: Value| server.change("POST", &format!("/issues/{path}"), &body);
    assert_eq!(change(&server, "1/merge", json!({ "issues": [2] })).json(), json!({ "issue_id": 1 }));
    send(&server, "CardError", "paid", 0.0);
    server.restart();
    assert_eq!(numbers(&server), [(1, 4)]);
    let merged = server.ask("/issues/2");
    assert_eq!((&merged["issue"]["issue_id"], merged["events"].as_array().unwrap().len()), (&json!(1), 4));
    let event = merged["events"][0]["event_id"].as_str().unwrap().to_owned();
    assert_eq!(server.ask(&format!("/issues/2/events/{event}"))["issue_id"], 1);

    let tags = server.ask("/issues/2/tags");
    assert_eq!(tags["events"], 4);
    let plan = tags["tags"].as_array().unwrap().iter().find(|tag| tag["key"] == "plan").unwrap();
    assert_eq!(plan["values"], json!([{ "value": "paid", "count": 3 }, { "value": "free", "count": 1 }]));

    let groups = server.ask("/issues/1/groups")["groups"].as_array().unwrap().clone();
    assert_eq!((groups[0]["type"].as_str(), &groups[0]["issue_id"], &groups[1]["issue_id"]), (Some("CardError"), &json!(2), &Value::Null));
    assert_eq!((&groups[0]["can_split"], &groups[1]["can_split"]), (&json!(true), &json!(false)));
    let own = change(&server, "1/split", json!({ "groups": [groups[1]["group_id"]] }));
    assert_eq!((own.status, own.text.contains("no group")), (400, true), "{}", own.text);
    for (path, body, status) in [
        ("1/merge", json!({ "issues": [] }), 400),
        ("1/merge", json!({ "issues": ["2"] }), 400),
        ("1/merge", json!({ "issues": [77] }), 404),
        ("77/merge", json!({ "issues": [1] }), 404),
        ("1/split", json!({}), 400),
    ] {
        assert_eq!(change(&server, path, body.clone()).status, status, "{path} {body}");
    }
    let split = change(&server, "1/split", json!({ "groups": [groups[0]["group_id"]] }));
    assert_eq!(split.json(), json!({ "issue_ids": [2] }));
    assert_eq!(numbers(&server), [(2, 3), (1, 1)]);
}
