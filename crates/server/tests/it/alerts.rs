//! Alert rules, budgets and incidents over HTTP.

use serde_json::{Value, json};

use crate::envelopes::{call, of_item, transaction};
use crate::server::{Answer, KEY, Server};

impl Server {
    /// Sends JSON with the admin token.
    pub(crate) fn change(&self, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(method, &format!("/api/v1/projects/1{path}"), &headers, body.to_string().into_bytes())
    }
}

#[test]
fn rules_are_created_changed_muted_and_deleted() {
    let server = Server::start();
    let rule =
        json!({ "name": "Failing calls", "measure": "error_rate", "window": "15m", "warning": 0.02, "filter": "environment:production" });
    let made = server.change("POST", "/alerts/rules", &rule);
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["id"].as_i64().unwrap();
    assert_eq!((made.json()["direction"].as_str(), made.json()["window"].as_str()), (Some("above"), Some("15m")));
    assert_eq!(server.change("POST", "/alerts/rules", &rule).json()["error"]["code"], "name_taken");
    let wrong = server.change("POST", "/alerts/rules", &json!({ "name": "x", "measure": "cost", "window": "1h", "warning": -1 }));
    assert_eq!((wrong.status, wrong.json()["error"]["code"].as_str()), (400, Some("invalid_value")), "{}", wrong.text);
    assert!(wrong.text.contains("warning: cost is never below 0"), "{}", wrong.text);

    let path = format!("/alerts/rules/{id}");
    let changed = server.change("PUT", &path, &json!({ "name": "Failing", "measure": "error_rate", "window": "1h", "critical": 0.1 }));
    assert_eq!((changed.status, changed.json()["warning"].is_null()), (200, true), "{}", changed.text);
    assert!(server.change("POST", &format!("{path}/mute"), &json!({ "for": "2h" })).json()["muted_until"].is_string());
    assert_eq!(server.change("POST", &format!("{path}/mute"), &json!({})).json()["muted_until"], "forever");
    assert!(server.change("DELETE", &format!("{path}/mute"), &json!({})).json()["muted_until"].is_null());
    assert_eq!(server.ask("/alerts/rules")["rules"][0]["name"], "Failing");
    let reader = server.command(&["token", "create"]).0.trim().to_owned();
    assert_eq!(server.get_as(&format!("/api/v1/projects/1{path}"), &reader).status, 200);
    let bearer = format!("Bearer {reader}");
    let refused = server.send("DELETE", &format!("/api/v1/projects/1{path}"), &[("authorization", &bearer)], Vec::new());
    assert_eq!(refused.status, 403);
    assert_eq!(server.change("DELETE", &path, &json!({})).status, 204);
    assert_eq!(server.get(&format!("/api/v1/projects/1{path}")).status, 404);
    assert_eq!(server.ask("/alerts/incidents"), json!({ "incidents": [], "open": 0, "next_before": null }));
    assert_eq!(server.change("POST", "/alerts/incidents/7/acknowledge", &json!({})).status, 404);
}

#[test]
fn budgets_are_created_changed_and_deleted() {
    let server = Server::start();
    let budget = json!({ "name": "Day in Tokyo", "amount": 50, "period": "day", "time_zone": "Asia/Tokyo", "steps": [50, 90, 100] });
    let made = server.change("POST", "/alerts/budgets", &budget);
    assert_eq!((made.status, made.json()["measure"].as_str()), (201, Some("cost")), "{}", made.text);
    let path = format!("/alerts/budgets/{}", made.json()["id"]);
    let wrong = server.change("PUT", &path, &json!({ "name": "Day", "amount": 50, "period": "day", "time_zone": "Tokyo" }));
    assert!(wrong.status == 400 && wrong.text.contains("Asia/Tokyo"), "{}", wrong.text);
    assert_eq!(server.ask("/alerts/budgets")["budgets"][0]["steps"], json!([50.0, 90.0, 100.0]));
    assert_eq!(server.change("DELETE", &path, &json!({})).status, 204);
}

/// Queries until the condition is true: rules are evaluated within milliseconds, but not within the request.
pub(crate) fn eventually(server: &Server, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..600 {
        last = server.ask(path);
        if is_so(&last) {
            return last;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{path} is {last}; {}", server.log());
}

#[test]
fn budget_alert_names_its_contributor_and_survives_a_kill() {
    let mut server = Server::start();
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    // Two calls of 0.00045 dollars exceed the budget; the first was stored before the budget was created.
    let budget = json!({ "name": "Day", "amount": 0.0008, "period": "day", "time_zone": "Asia/Tokyo", "steps": [50, 100] });
    assert_eq!(server.change("POST", "/alerts/budgets", &budget).status, 201);
    let rule = json!({ "name": "Calls", "measure": "calls", "window": "1h", "group_by": "pipeline", "warning": 1, "critical": 2 });
    assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);
    eventually(&server, "/alerts/incidents", |found| found["open"] == 1);
    assert_eq!(server.ask("/budgets/Day/state")["used_up"], false);

    assert_eq!(server.envelope(call(2, "q", "a")).status, 200);
    // An incident is opened first and escalated in a second step.
    let found = eventually(&server, "/alerts/incidents", |found| found["open"] == 2 && found.to_string().contains("\"critical\""));
    let named = |name: &str| found["incidents"].as_array().unwrap().iter().find(|one| one["rule_name"] == name).unwrap().clone();
    let (day, calls) = (named("Day"), named("Calls"));
    assert_eq!(
        (day["severity"].as_str(), day["value"].as_f64(), day["threshold"].as_f64()),
        (Some("critical"), Some(0.0009), Some(0.0008))
    );
    assert_eq!((calls["severity"].as_str(), calls["group"]["value"].as_str()), (Some("warning"), Some("answer")));
    let state = server.ask("/budgets/Day/state");
    assert_eq!((state["used_up"].as_bool(), state["spent"].as_f64()), (Some(true), Some(0.0009)));
    let detail = eventually(&server, &format!("/alerts/incidents/{}", day["id"]), |detail| detail["incident"]["culprits"][0].is_object());
    assert!(detail["incident"]["culprits"].to_string().contains("/p/1/traces"), "{detail}");
    assert_eq!(detail["timeline"].as_array().unwrap().len(), 2, "{detail}");

    // After a duplicate report of the same call and a kill, nothing fires twice, and later calls are added.
    assert_eq!(server.envelope(call(2, "q", "a")).status, 200);
    server.restart();
    assert_eq!(server.envelope(call(3, "q", "a")).status, 200);
    let found = eventually(&server, "/alerts/incidents", |found| found.to_string().contains("\"value\":3.0"));
    assert_eq!((found["incidents"].as_array().unwrap().len(), found["open"].as_u64()), (2, Some(2)), "{found}");
    let rules = eventually(&server, "/alerts/rules", |rules| rules["rules"][0]["now"] == 3.0);
    assert_eq!((rules["rules"][0]["severity"].as_str(), rules["rules"][0]["open_incidents"].as_u64()), (Some("critical"), Some(1)));

    let id = calls["id"].as_i64().unwrap();
    let path = format!("/alerts/incidents/{id}");
    assert_eq!(server.change("POST", &format!("{path}/acknowledge"), &json!({ "by": "on call" })).json()["acknowledged_by"], "on call");
    assert_eq!(server.change("POST", &format!("{path}/notes"), &json!({ "text": "a loop" })).status, 200);
    assert!(server.change("POST", &format!("{path}/snooze"), &json!({ "for": "2h" })).json()["snoozed_until"].is_string());
    assert_eq!(server.change("POST", &format!("{path}/resolve"), &json!({ "by": "on call" })).json()["state"], "resolved");
    let story = server.ask(&path);
    let happened: Vec<&str> = story["timeline"].as_array().unwrap().iter().map(|line| line["happened"].as_str().unwrap()).collect();
    assert_eq!(happened, ["opened", "worsened", "acknowledged", "note", "snoozed", "resolved"]);
    assert_eq!(server.change("POST", &format!("{path}/resolve"), &json!({})).json()["error"]["code"], "resolved");
}

#[test]
fn percentile_is_within_the_measured_range() {
    let server = Server::start();
    // Each call takes exactly one second.
    for trace in 1..=5 {
        let mut call = transaction(trace, "q", "a");
        let start = call["spans"][1]["start_timestamp"].as_f64().unwrap().floor();
        call["spans"][1]["start_timestamp"] = json!(start);
        call["spans"][1]["timestamp"] = json!(start + 1.0);
        assert_eq!(server.envelope(of_item("transaction", &call)).status, 200);
    }
    let rule = json!({ "name": "Slow", "measure": "duration_p95", "window": "1h", "warning": 999 });
    assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);
    let found = eventually(&server, "/alerts/incidents", |found| found["open"] == 1);
    assert_eq!(found["incidents"][0]["value"], 1000.0, "{found}");
    let tried = server.change("POST", "/alerts/preview", &json!({ "rule": rule, "back": "1d" })).json();
    assert_eq!(tried["incidents"][0]["peak"], 1000.0, "{tried}");
    let summary = server.ask("/summary");
    assert_eq!((&summary["duration_ms"]["p50"], &summary["duration_ms"]["p99"]), (&json!(1000.0), &json!(1000.0)));
}

#[test]
fn rule_preview_evaluates_stored_spans() {
    let server = Server::start();
    for trace in 1..=3 {
        assert_eq!(server.envelope(call(trace, "q", "a")).status, 200);
    }
    let rule = |warning: u64| json!({ "rule": { "name": "x", "measure": "calls", "window": "1h", "warning": warning }, "back": "1d" });
    let tried = server.change("POST", "/alerts/preview", &rule(2)).json();
    assert_eq!((tried["fired"].as_u64(), tried["incidents"][0]["peak"].as_f64()), (Some(1), Some(3.0)), "{tried}");
    assert!(tried["points"].as_array().unwrap().len() > 100, "{tried}");
    assert_eq!(server.change("POST", "/alerts/preview", &rule(3)).json()["fired"], 0);
    let wrong =
        server.change("POST", "/alerts/preview", &json!({ "rule": { "name": "x", "measure": "refusals", "window": "1h", "warning": 1 } }));
    assert_eq!(wrong.status, 400, "{}", wrong.text);
}

#[test]
fn alert_file_is_applied_and_running_server_reloads() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alerts.toml");
    let path = file.to_str().unwrap();
    let text = "[[rule]]\nname = \"Failing\"\nmeasure = \"error_rate\"\nwindow = \"15m\"\nwarning = 0.02\n\n\
                [[budget]]\nname = \"Day\"\namount = 50\nperiod = \"day\"\ntime_zone = \"Asia/Tokyo\"\n";
    std::fs::write(&file, text).unwrap();
    let (out, error, status) = server.command(&["alerts", "apply", path]);
    assert!(status == Some(1) && error.contains("--yes") && out.contains("+ rule \"Failing\""), "{out} {error}");
    assert_eq!(server.ask("/alerts/rules")["rules"], json!([]));
    let (out, error, status) = server.command(&["alerts", "apply", path, "--yes"]);
    assert_eq!(status, Some(0), "{out} {error}");
    assert_eq!(server.command(&["alerts", "apply", path]).0.trim(), "No changes.");
    eventually(&server, "/alerts/budgets", |budgets| budgets["budgets"][0]["state"]["spent"] == 0.0);

    std::fs::write(&file, text.replace("0.02", "0.05")).unwrap();
    let (out, ..) = server.command(&["alerts", "apply", path, "--yes"]);
    assert!(out.contains("~ rule \"Failing\"\n    warning: 0.02 -> 0.05"), "{out}");
    assert!(server.command(&["alerts", "list"]).0.contains("error_rate over 15m\twarning 0.05"));
    let exported = server.command(&["alerts", "export"]).0;
    std::fs::write(&file, &exported).unwrap();
    assert_eq!(server.command(&["alerts", "apply", path]).0.trim(), "No changes.", "{exported}");
    std::fs::write(&file, "[[rule]]\nname = \"x\"\nmeasure = \"cost\"\nwindow = \"1h\"\nwarning = 1\nnotify.targets = [\"pager\"]\n")
        .unwrap();
    let (_, error, status) = server.command(&["alerts", "apply", path, "--yes"]);
    assert!(status == Some(1) && error.contains("notification channel \"pager\" not found"), "{error}");
}

#[test]
fn prometheus_reads_a_project_with_a_token() {
    let server = Server::start();
    assert_eq!(server.send("GET", "/metrics?project=1", &[], Vec::new()).status, 401);
    assert_eq!(server.get("/metrics?project=7").status, 404);
    assert!(server.get("/metrics?project=1").text.contains("# TYPE hinomi_llm_calls_total counter"));
    // Counting begins with the first scrape.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    let line = "hinomi_llm_tokens_total{project=\"1\",provider=\"openai\",model=\"gpt-4o-mini\",environment=\"\",bucket=\"input\"} 1000";
    for _ in 0..600 {
        if server.get("/metrics?project=1").text.contains(line) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{}", server.get("/metrics?project=1").text);
}

/// Returns an envelope of an SDK that keeps the fraction `rate` of its traces.
fn sampled(trace: u128, rate: f64, user: &str, plan: &str) -> String {
    let mut payload = transaction(trace, "q", "a");
    payload["user"] = json!({ "id": user });
    payload["tags"] = json!({ "plan": plan });
    payload["environment"] = json!("production");
    let payload = payload.to_string();
    let header = json!({ "trace": { "trace_id": format!("{trace:032x}"), "public_key": KEY, "sample_rate": rate.to_string() } });
    format!("{header}\n{{\"type\":\"transaction\",\"length\":{}}}\n{payload}\n", payload.len())
}

#[test]
fn sampled_out_spend_is_separate_and_never_fires() {
    let mut server = Server::start();
    // A call costs 0.00045 dollars. The traces that were not sent make that five times as much.
    let budget = json!({ "name": "Day", "amount": 0.001, "period": "day", "time_zone": "UTC", "steps": [100] });
    assert_eq!(server.change("POST", "/alerts/budgets", &budget).status, 201);
    let users = json!({ "name": "Users", "amount": 1, "period": "month", "time_zone": "UTC", "group_by": "user" });
    assert_eq!(server.change("POST", "/alerts/budgets", &users).status, 201);
    assert_eq!(server.envelope(sampled(1, 0.2, "a", "pro")).status, 200);
    assert_eq!(server.envelope(sampled(2, 1.0, "b", "pro")).status, 200);
    // An impossible sample rate is ignored.
    assert_eq!(server.envelope(sampled(3, 0.0, "c", "pro")).status, 200);
    for _ in 0..2 {
        let is_counted = |found: &Value| found["budgets"].as_array().unwrap().iter().all(|budget| budget["state"].is_object());
        eventually(&server, "/alerts/budgets", is_counted);
        let state = eventually(&server, "/budgets/Users/state?group=c", |state| state["spent"] == 0.00045);
        assert!(state["estimated"].is_null(), "{state}");
        let of = |user: &str| server.ask(&format!("/budgets/Users/state?group={user}"));
        assert_eq!((of("a")["spent"].as_f64(), of("a")["estimated"].as_f64()), (Some(0.00045), Some(0.00225)));
        assert!(of("b")["estimated"].is_null());
        let day = eventually(&server, "/budgets/Day/state", |state| state["spent"] == 0.00135);
        assert_eq!((day["used_up"].as_bool(), day["estimated"].as_f64()), (Some(true), Some(0.00315)), "{day}");
        // The same from the store.
        server.restart();
    }
    let found = server.ask("/alerts/incidents");
    assert_eq!((found["incidents"].as_array().unwrap().len(), found["incidents"][0]["value"].as_f64()), (1, Some(0.00135)), "{found}");
}

#[test]
fn each_group_fires_separately_and_keys_are_named() {
    let server = Server::start();
    let second = server.change("POST", "/keys", &json!({ "name": "Batch" })).json();
    let key = second["public_key"].as_str().unwrap().to_owned();
    let groups = ["model", "user", "agent", "pipeline", "tag:plan", "environment", "key"];
    for by in groups {
        let rule = json!({ "name": by, "measure": "calls", "window": "1h", "group_by": by, "warning": 0 });
        assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);
    }
    let only = json!({ "name": "Only batch", "measure": "calls", "window": "1h", "filter": "key:Batch", "warning": 0 });
    assert_eq!(server.change("POST", "/alerts/rules", &only).status, 201);
    assert_eq!(server.envelope(sampled(1, 1.0, "u_1", "pro")).status, 200);
    let text = sampled(2, 1.0, "u_2", "free").replace(KEY, &key);
    let answer = server.send("POST", &format!("/api/1/envelope/?sentry_key={key}"), &[], text.into_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text);
    // Two groups where the two calls differ, one where they do not. Neither call has an agent.
    let found = eventually(&server, "/alerts/incidents?limit=100", |found| found["open"] == 11);
    assert!(!found.to_string().contains(&key) && !found.to_string().contains(KEY), "{found}");
    let mut rang: Vec<(String, Option<String>)> = Vec::new();
    for one in found["incidents"].as_array().unwrap() {
        rang.push((one["rule_name"].as_str().unwrap().to_owned(), one["group"]["value"].as_str().map(str::to_owned)));
    }
    rang.sort();
    let expected = [
        ("Only batch", None),
        ("agent", None),
        ("environment", Some("production")),
        ("key", Some("Batch")),
        ("key", Some("Default")),
        ("model", Some("gpt-4o-mini")),
        ("pipeline", Some("answer")),
        ("tag:plan", Some("free")),
        ("tag:plan", Some("pro")),
        ("user", Some("u_1")),
        ("user", Some("u_2")),
    ];
    let expected: Vec<_> = expected.iter().map(|(rule, value)| ((*rule).to_owned(), value.map(str::to_owned))).collect();
    assert_eq!(rang, expected);
    // Queries know the field too.
    assert_eq!(server.ask("/summary?from=-1h&q=key:Batch")["llm_calls"], 1);
    let by_key = server.ask("/breakdown?from=-1h&by=key");
    assert_eq!(by_key["rows"].as_array().unwrap().len(), 2, "{by_key}");
}

#[test]
fn incident_chart_shows_its_values() {
    let server = Server::start();
    let rule =
        json!({ "name": "Calls", "measure": "calls", "window": "1h", "group_by": "pipeline", "warning": 0, "critical": 5, "resolve": 0 });
    let made = server.change("POST", "/alerts/rules", &rule).json();
    let budget = json!({ "name": "Day", "amount": 0.0008, "period": "day", "time_zone": "Asia/Tokyo", "steps": [50] });
    assert_eq!(server.change("POST", "/alerts/budgets", &budget).status, 201);
    let events = json!({ "name": "Errors", "measure": "error_events", "window": "1h", "warning": 0 });
    assert_eq!(server.change("POST", "/alerts/rules", &events).status, 201);
    let failed = json!({ "event_id": "0".repeat(31) + "7", "exception": { "values": [{ "type": "ValueError", "value": "no" }] } });
    assert_eq!(server.envelope(of_item("event", &failed)).status, 200);
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    let found = eventually(&server, "/alerts/incidents", |found| found["open"] == 3);
    let named = |name: &str| found["incidents"].as_array().unwrap().iter().find(|one| one["rule_name"] == name).unwrap().clone();
    let chart = |name: &str| server.ask(&format!("/alerts/incidents/{}/chart", named(name)["id"]));
    let last = |chart: &Value| chart["points"].as_array().unwrap().iter().rev().find_map(|point| point[1].as_f64());

    let of_rule = chart("Calls");
    assert_eq!((last(&of_rule), of_rule["levels"].as_array().unwrap().len()), (Some(1.0), 3), "{of_rule}");
    let of_budget = chart("Day");
    assert_eq!(
        (last(&of_budget), &of_budget["levels"][0]),
        (Some(0.00045), &json!({ "severity": "warning", "value": 0.0004 })),
        "{of_budget}"
    );
    assert_eq!((named("Day")["time_zone"].as_str(), named("Day")["value"].as_f64()), (Some("Asia/Tokyo"), Some(0.00045)));
    assert_eq!((named("Errors")["value"].as_f64(), last(&chart("Errors"))), (Some(1.0), Some(1.0)));
    // The incident of a deleted rule keeps its timeline.
    assert_eq!(server.change("DELETE", &format!("/alerts/rules/{}", made["id"]), &json!({})).status, 204);
    let left = chart("Calls");
    assert_eq!((left["points"][0][1].as_f64(), &left["levels"][0]["severity"]), (Some(1.0), &json!("warning")), "{left}");
}

#[test]
fn forecast_is_at_least_the_spend_and_matches_the_message() {
    let server = Server::start();
    // Each call costs 0.00045 dollars.
    let budget = json!({ "name": "Day", "amount": 0.0045, "period": "day", "time_zone": "UTC", "steps": [10, 50, 100] });
    assert_eq!(server.change("POST", "/alerts/budgets", &budget).status, 201);
    eventually(&server, "/alerts/budgets", |found| found["budgets"][0]["state"].is_object());
    for trace in 1..=12 {
        assert_eq!(server.envelope(call(trace, "q", "a")).status, 200);
        let spent = 0.00045 * trace as f64 - 1e-9;
        let found = eventually(&server, "/alerts/budgets", |found| found["budgets"][0]["state"]["spent"].as_f64() >= Some(spent));
        let forecast = &found["budgets"][0]["state"]["forecast"];
        let figures = ["low", "expected", "high", "projected"].map(|name| forecast[name].as_f64().unwrap_or_default());
        assert!(figures.iter().all(|figure| *figure >= spent), "{spent} is spent, {found}");
        if [1, 5, 10].contains(&trace) {
            let told = &server.ask("/alerts/incidents")["incidents"][0]["outlook"]["projected_usd"];
            let told = told.as_f64().unwrap();
            assert!((told - figures[3]).abs() < told * 0.01, "{told} was told, {found}");
        }
    }
}
