//! PagerDuty Events API v2: one alert per incident, resolved with the incident.
//! <https://developer.pagerduty.com/docs/events-api-v2-overview>

use hinomi_model::api_time::rfc3339;
use serde_json::{Map, Value, json};

use crate::delivery::message_text::NotificationMessage;
use crate::delivery::notification::{AlertNotification, AlertNotificationKind, AlertSeverity};

/// Maximum length of the summary, in characters.
const MAX_SUMMARY_LENGTH: usize = 1024;

pub(super) fn body(notification: &AlertNotification, message: &NotificationMessage, routing_key: &str) -> Value {
    let severity = match (notification.kind, notification.severity) {
        (AlertNotificationKind::Test, _) => "info",
        (_, AlertSeverity::Critical) => "critical",
        (_, AlertSeverity::Warning) => "warning",
    };
    let mut details: Map<String, Value> =
        message.lines.iter().enumerate().map(|(at, (line, _))| (format!("{}", at + 1), json!(line))).collect();
    details.insert("summary".to_owned(), json!(message.sentences.join(" ")));
    details.extend(message.heading.iter().map(|heading| ("heading".to_owned(), json!(heading))));
    details.insert("idempotency_key".to_owned(), json!(notification.idempotency_key));
    let links: Vec<Value> = message.links.iter().map(|(label, url)| json!({ "href": url, "text": label })).collect();
    json!({
        "routing_key": routing_key,
        "event_action": if notification.kind == AlertNotificationKind::Resolved { "resolve" } else { "trigger" },
        "dedup_key": dedup_key(notification),
        "client": "Hinomi",
        "client_url": notification.links.incident,
        "links": links,
        "payload": {
            "summary": message.subject.chars().take(MAX_SUMMARY_LENGTH).collect::<String>(),
            "source": format!("hinomi project {}", notification.project),
            "severity": severity,
            "timestamp": rfc3339(notification.at),
            "component": notification.rule_name,
            "class": notification.measure,
            "custom_details": details,
        },
    })
}

/// Returns the key that all changes of an incident share.
fn dedup_key(notification: &AlertNotification) -> String {
    match notification.incident_id {
        Some(incident) => format!("hinomi-{}-{incident}", notification.project),
        None => format!("hinomi-{}-{}", notification.project, notification.idempotency_key).chars().take(255).collect(),
    }
}
