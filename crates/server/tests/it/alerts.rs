//! Rules, budgets and incidents over HTTP.

use serde_json::{Value, json};

use crate::server::{Answer, Server};

impl Server {
    /// Sends JSON as somebody who may change things.
    pub(crate) fn change(&self, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(method, &format!("/api/v1/projects/1{path}"), &headers, body.to_string().into_bytes())
    }
}

#[test]
fn rules_are_made_changed_muted_and_taken_away() {
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
fn budgets_are_made_changed_and_taken_away() {
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
