//! Notifications from a span to a receiver, with kills in between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::disconnects::until;
use crate::envelopes::{of_item, transaction};
use crate::server::Server;

/// A webhook receiver that records the `webhook-id` and the body of each request.
struct Receiver {
    url: String,
    told: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || while take(&stream, &kept).is_some() {});
            }
        });
        Receiver { url, told }
    }

    /// Returns the idempotency keys of the opened incidents by user, including those in digests.
    fn opened(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (_, body) in self.told.lock().unwrap().iter() {
            let own = [body["data"].clone()];
            let changes = body["data"]["gathered"].as_array().map_or(&own[..], Vec::as_slice);
            for change in changes.iter().filter(|change| change["kind"] == "opened") {
                let user = change["group"]["value"].as_str().unwrap().to_owned();
                users.entry(user).or_default().insert(change["idempotency_key"].as_str().unwrap().to_owned());
            }
        }
        users
    }
}

/// Reads one request of a connection; `None` at its end.
fn take(mut stream: &TcpStream, told: &Mutex<Vec<(String, Value)>>) -> Option<()> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 65_536];
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
            let header = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
                line.map(|value| value.trim().to_owned()).unwrap_or_default()
            };
            let length: usize = header("content-length").parse().ok()?;
            if bytes.len() >= at + 4 + length {
                let body = serde_json::from_slice(&bytes[at + 4..at + 4 + length]).ok()?;
                told.lock().unwrap().push((header("webhook-id"), body));
                return stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok();
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

#[test]
fn kills_before_delivery_lose_and_repeat_no_message() {
    const ROUNDS: u128 = 4;
    const USERS: u128 = 6;
    let receiver = Receiver::start();
    let mut server = Server::start_with(&[("HINOMI_NOTIFY_ALLOW", "127.0.0.1")]);
    let target = json!({ "name": "program", "address": { "kind": "webhook", "url": receiver.url } });
    let made = server.change("POST", "/alerts/targets", &target);
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(made.json()["signing_secret"].as_str().unwrap().starts_with("whsec_"));
    assert!(!server.ask("/alerts/targets").to_string().contains("whsec_"));
    let rule = json!({
        "name": "Any call", "measure": "calls", "window": "1h", "group_by": "user", "warning": 0,
        "notify": { "targets": [made.json()["id"]] },
    });
    assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);

    for round in 0..ROUNDS {
        for user in 0..USERS {
            let number = round * USERS + user;
            let mut call = transaction(number + 1, "q", "a");
            call["user"] = json!({ "id": format!("u{number}") });
            assert_eq!(server.envelope(of_item("transaction", &call)).status, 200);
        }
        // Each round interrupts evaluation, delivery and recording at another moment.
        std::thread::sleep(Duration::from_millis(u64::try_from(round).unwrap() * 15));
        server.restart();
    }

    let wanted: BTreeSet<String> = (0..ROUNDS * USERS).map(|number| format!("u{number}")).collect();
    let started = Instant::now();
    while receiver.opened().len() < wanted.len() {
        assert!(started.elapsed() < Duration::from_secs(60), "{:?} of {wanted:?}; {}", receiver.opened(), server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let opened = receiver.opened();
    assert_eq!(opened.keys().cloned().collect::<BTreeSet<_>>(), wanted);
    // A notification that was sent twice because nobody could know whether it had arrived has the same key.
    assert!(opened.values().all(|keys| keys.len() == 1), "{opened:?}");
    let waiting = || server.ask("/alerts/deliveries?state=waiting")["deliveries"].as_array().unwrap().len();
    while waiting() > 0 {
        assert!(started.elapsed() < Duration::from_secs(90), "{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.ask("/alerts/deliveries?state=failed")["deliveries"], json!([]));
}

#[test]
fn targets_are_created_tested_changed_and_deleted() {
    let receiver = Receiver::start();
    let server = Server::start_with(&[("HINOMI_NOTIFY_ALLOW", "127.0.0.1")]);
    let slack = json!({ "name": "Slack", "address": { "kind": "slack" }, "secret": format!("{}/word", receiver.url) });
    let made = server.change("POST", "/alerts/targets", &slack);
    assert_eq!(made.status, 201, "{}", made.text);
    let path = format!("/alerts/targets/{}", made.json()["id"]);
    let tested = server.change("POST", &format!("{path}/test"), &json!({}));
    assert_eq!((tested.status, &tested.json()["state"]), (200, &json!("delivered")), "{}", tested.text);
    let renamed = json!({ "name": "Ops", "language": "ja", "address": { "kind": "slack" } });
    assert_eq!(server.change("PUT", &path, &renamed).json()["name"], "Ops");
    assert_eq!(server.change("POST", &format!("{path}/test"), &json!({})).json()["state"], "delivered");
    assert!(receiver.told.lock().unwrap()[1].1["text"].as_str().unwrap().contains("テスト"));
    let wrong =
        server.change("POST", "/alerts/targets", &json!({ "name": "x", "address": { "kind": "webhook", "url": "http://10.0.0.1/" } }));
    let error = &wrong.json()["error"];
    assert_eq!((wrong.status, &error["code"]), (400, &json!("target_not_allowed")), "{error}");
    let hint = error["hint"].as_str().unwrap();
    assert!(error["message"].as_str().unwrap().contains("`address.url` is at 10.0.0.1"), "{error}");
    assert!(["allow = \"10.0.0.1\"", "HINOMI_NOTIFY_ALLOW=10.0.0.1", "restart"].iter().all(|part| hint.contains(part)), "{hint}");
    let log = server.ask("/alerts/deliveries");
    assert_eq!(log["deliveries"].as_array().unwrap().len(), 2);
    assert!(![log.to_string(), server.ask("/alerts/targets").to_string(), server.log()].concat().contains("/word"));
    assert_eq!(server.change("DELETE", &path, &json!({})).status, 204);
    assert_eq!(server.change("POST", &format!("{path}/test"), &json!({})).status, 404);
}

#[test]
fn worsening_incident_names_its_contributor() {
    let receiver = Receiver::start();
    let server = Server::start_with(&[("HINOMI_NOTIFY_ALLOW", "127.0.0.1")]);
    let target = json!({ "name": "program", "address": { "kind": "webhook", "url": receiver.url } });
    let targets = json!({ "targets": [server.change("POST", "/alerts/targets", &target).json()["id"]] });
    // Each call costs 0.00045 dollars.
    let budget = json!({ "name": "Day", "amount": 0.0018, "period": "day", "time_zone": "UTC", "steps": [25, 100], "notify": targets });
    assert_eq!(server.change("POST", "/alerts/budgets", &budget).status, 201);
    let rule = json!({ "name": "Calls", "measure": "calls", "window": "1h", "warning": 0, "critical": 3, "notify": targets });
    assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);

    let told = |kind: &str| -> BTreeMap<String, Value> {
        let told = receiver.told.lock().unwrap();
        let of_kind = told.iter().map(|(_, body)| &body["data"]).filter(|data| data["kind"] == kind);
        of_kind.map(|data| (data["rule_name"].as_str().unwrap().to_owned(), data.clone())).collect()
    };
    let users = |culprits: &Value| -> Vec<(String, f64)> {
        let users = culprits.as_array().unwrap().iter().filter(|culprit| culprit["dimension"] == "user");
        users
            .map(|culprit| (culprit["key"].as_str().unwrap().to_owned(), (culprit["share"].as_f64().unwrap() * 1000.0).round() / 1000.0))
            .collect()
    };
    let share = |user: &str, share: f64| (user.to_owned(), share);
    let call_of = |trace: u128, user: &str| {
        let mut call = transaction(trace, "q", "a");
        call["user"] = json!({ "id": user });
        assert_eq!(server.envelope(of_item("transaction", &call)).status, 200);
    };
    call_of(1, "alice");
    until("both opened", || told("opened").len() == 2);
    (2..=4).for_each(|trace| call_of(trace, "bob"));
    until("both worsened", || told("worsened").len() == 2);

    let (opened, worsened) = (told("opened"), told("worsened"));
    for name in ["Day", "Calls"] {
        assert_eq!(users(&opened[name]["culprits"]), [share("alice", 1.0)], "{}", opened[name]);
        // Contributors cover the whole period and window, the largest first. A comparison needs more than a minute of data.
        assert_eq!(users(&worsened[name]["culprits"]), [share("bob", 0.75), share("alice", 0.25)], "{}", worsened[name]);
        let culprits = worsened[name]["culprits"].as_array().unwrap();
        assert!(culprits.iter().all(|one| one["usual"].is_null() && one["since"].is_null() && one["share_of"] == "total"), "{culprits:?}");
        assert!(worsened[name]["culprits_since"].is_null(), "{}", worsened[name]);
    }
    assert_eq!(worsened["Day"]["budget"], json!({ "amount": 0.0018, "period": "day", "step": 100.0 }));
    let texts = |name: &str| -> Vec<Value> {
        let told = receiver.told.lock().unwrap();
        told.iter().filter(|(_, body)| body["data"]["rule_name"] == name).map(|(_, body)| body["text"].clone()).collect()
    };
    let subjects: Vec<Value> = texts("Day").iter().map(|text| text["subject"].clone()).collect();
    let expected = [
        "[Warning] Day: Cost $0.00045, 25 % of the daily budget of $0.0018",
        "[Got worse, critical] Day: Cost $0.0018, 100 % of the daily budget of $0.0018",
    ];
    assert_eq!(subjects, expected);
    assert_eq!(texts("Day")[1]["lines"][0], "user bob: $0.00135, 75 % of the spend");
    assert!(!texts("Calls").iter().any(|text| text.to_string().contains("unknown")), "{:?}", texts("Calls"));
    for incident in server.ask("/alerts/incidents")["incidents"].as_array().unwrap() {
        assert_eq!(users(&incident["culprits"])[0].0, "bob", "{incident}");
        assert!(incident["culprits_since"].is_null(), "{incident}");
    }
}

#[test]
fn waiting_message_omits_a_deleted_user() {
    let receiver = Receiver::start();
    let server = Server::start_with(&[("HINOMI_NOTIFY_ALLOW", "127.0.0.1")]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = |url: &str| json!({ "name": "program", "address": { "kind": "webhook", "url": url } });
    let made = server.change("POST", "/alerts/targets", &target(&format!("http://{free}/hook"))).json();
    let rule = json!({ "name": "Any call", "measure": "calls", "window": "1h", "warning": 0, "notify": { "targets": [made["id"]] } });
    assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);
    let mut call = transaction(1, "q", "a");
    call["user"] = json!({ "id": "carol" });
    assert_eq!(server.envelope(of_item("transaction", &call)).status, 200);
    let failed = |server: &Server| server.ask("/alerts/deliveries?state=waiting")["deliveries"][0]["attempts"][0]["error"].is_string();
    until("nobody answers", || failed(&server));
    assert_eq!(server.command(&["delete", "user", "carol", "--project", "1", "--yes"]).2, Some(0));
    assert_eq!(crate::erased_data::holding(&server.data(), "carol"), Vec::<std::path::PathBuf>::new());
    assert_eq!(server.change("PUT", &format!("/alerts/targets/{}", made["id"]), &target(&receiver.url)).status, 200);
    until("it is told", || receiver.told.lock().unwrap().iter().any(|(_, body)| body["data"]["kind"] == "opened"));
    let told = receiver.told.lock().unwrap();
    let body = told.iter().find(|(_, body)| body["data"]["kind"] == "opened").unwrap().1.to_string();
    assert!(body.contains("user (deleted): 1") && !body.contains("carol") && !body.contains(&format!("{:032x}", 1)), "{body}");
}
