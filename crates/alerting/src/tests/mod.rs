//! Tests of which definitions are accepted and rejected.

use serde_json::{Value, json};

use super::*;

fn rule(change: Value) -> Result<AlertRule, String> {
    let mut said = json!({ "name": "Failing calls", "measure": "error_rate", "window": "15m", "warning": 0.02, "critical": 0.05 });
    said.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let rule: AlertRule = serde_json::from_value(said).map_err(|error| error.to_string())?;
    rule.check().map_err(|error| error.to_string())?;
    Ok(rule)
}

fn budget(change: Value) -> Result<Budget, String> {
    let mut said = json!({ "name": "Day", "amount": 50, "period": "day", "time_zone": "Asia/Tokyo" });
    said.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let budget: Budget = serde_json::from_value(said).map_err(|error| error.to_string())?;
    budget.check().map_err(|error| error.to_string())?;
    Ok(budget)
}

#[test]
fn invalid_rules_are_rejected_with_field_and_reason() {
    assert!(rule(json!({})).is_ok());
    let cases = [
        (json!({ "name": " x" }), "name"),
        (json!({ "filter": "modle:x" }), "filter: unknown field"),
        (json!({ "filter": "cost:>much" }), "filter: cost"),
        (json!({ "group_by": "shoe" }), "group_by"),
        (json!({ "window": "90s" }), "window"),
        (json!({ "window": "31d" }), "window"),
        (json!({ "window": "1501m" }), "window: 1501m is longer than a day"),
        (json!({ "warning": 2 }), "warning: is a fraction"),
        (json!({ "critical": 0.01 }), "critical: must be above"),
        (json!({ "resolve": 0.03 }), "resolve: must not be above"),
        (json!({ "warning": null, "critical": null }), "at least one of warning and critical"),
        (json!({ "direction": "below", "warning": 0.05, "critical": 0.06 }), "critical: must be below"),
        (json!({ "time_zone": "Mars/Olympus" }), "time_zone"),
        (json!({ "measure": "score" }), "score: is required"),
        (json!({ "measure": "refusals", "group_by": "user", "warning": 5, "critical": null }), "group_by"),
        (json!({ "notify": { "escalate_to": [1] } }), "escalate_after"),
        (json!({ "colour": "red" }), "colour"),
    ];
    for (change, says) in cases {
        let error = rule(change.clone()).expect_err(&change.to_string());
        assert!(error.contains(says), "{change}: {error}");
    }
}

#[test]
fn invalid_budgets_are_rejected_with_field_and_reason() {
    assert_eq!(budget(json!({})).unwrap().steps, [50.0, 80.0, 100.0]);
    let cases = [
        (json!({ "amount": 0 }), "amount"),
        (json!({ "steps": [80, 50] }), "steps"),
        (json!({ "steps": [] }), "steps"),
        (json!({ "measure": "error_rate" }), "measure"),
        (json!({ "name": "a/b" }), "name"),
        (json!({ "period": "year" }), "year"),
        (json!({ "group_by": "user", "alert_on_forecast": true }), "alert_on_forecast"),
        (json!({ "time_zone": "+9" }), "time_zone"),
    ];
    for (change, says) in cases {
        let error = budget(change.clone()).expect_err(&change.to_string());
        assert!(error.contains(says), "{change}: {error}");
    }
}

#[test]
fn rules_and_budgets_are_stored_by_project_and_name() {
    let dir = tempfile::tempdir().unwrap();
    let alerts = AlertService::open(dir.path()).unwrap();
    let first = alerts.create_rule(1, &rule(json!({})).unwrap()).unwrap();
    assert!(matches!(alerts.create_rule(1, &first.definition), Err(AlertError::NameTaken { .. })));
    alerts.create_rule(2, &first.definition).unwrap();
    let second = alerts.create_rule(1, &rule(json!({ "name": "Other" })).unwrap()).unwrap();
    assert!(matches!(alerts.replace_rule(1, second.id, &first.definition), Err(AlertError::NameTaken { .. })));
    let slower = rule(json!({ "window": "1h" })).unwrap();
    assert_eq!(alerts.replace_rule(1, first.id, &slower).unwrap().definition, slower);
    assert!(matches!(alerts.rule(2, first.id), Err(AlertError::Unknown("rule"))));
    let muted = alerts.mute_rule(1, first.id, Some(i64::MAX)).unwrap();
    assert!(muted.is_muted(0) && !alerts.mute_rule(1, first.id, None).unwrap().is_muted(0));
    let budget = alerts.create_budget(1, &budget(json!({ "name": "Other" })).unwrap()).unwrap();
    assert!(matches!(alerts.rule(1, budget.id), Err(AlertError::Unknown("rule"))), "a budget is no rule");
    alerts.delete_rule(1, first.id).unwrap();
    assert!(matches!(alerts.delete_rule(1, first.id), Err(AlertError::Unknown("rule"))));
    drop(alerts);
    let again = AlertService::open(dir.path()).unwrap();
    assert_eq!(again.rules(1).unwrap(), [second]);
    assert_eq!(again.budgets(1).unwrap(), [budget]);
}

mod calendars;
mod contributors;
mod forecasts;
mod incidents;
mod month;
mod speed;
mod windows;
