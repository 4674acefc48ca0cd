use serde_json::Value;

use super::*;
use crate::delivery::channel::{ChannelSecret, new_signing_secret};
use crate::delivery::notification::AlertGroup;
use crate::delivery::tests::notification;

fn target(configuration: ChannelConfiguration, secret: &str) -> NotificationChannel {
    let secret = ChannelSecret::new(secret);
    NotificationChannel { id: 1, project: 1, name: "ops".to_owned(), language: None, disabled: false, configuration, secret, created_us: 0 }
}

/// Notification with a hostile user name.
fn hostile() -> AlertNotification {
    let group =
        AlertGroup { name: "user".to_owned(), value: Some("<!channel> @everyone [x](http://evil.example) **b** \"><script>".to_owned()) };
    AlertNotification { group: Some(group), ..notification("k") }
}

fn body(notification: &AlertNotification, address: ChannelConfiguration, secret: &str) -> Value {
    serde_json::from_slice(&http_request(notification, &target(address, secret), 0).unwrap().body).unwrap()
}

#[test]
fn slack_escapes_mentions_and_links() {
    let body = body(&hostile(), ChannelConfiguration::Slack, "https://hooks.slack.com/services/x");
    let text = body["text"].as_str().unwrap();
    assert!(text.contains("&lt;!channel&gt;") && !text.contains("<!channel>"));
    let blocks = body["attachments"][0]["blocks"].as_array().unwrap();
    assert!(blocks[1]["text"]["text"].as_str().unwrap().contains("<http://127.0.0.1:8119/p/1/traces?q=user:u_20481|user u\u{200b}_20481"));
    assert_eq!(body["attachments"][0]["color"], "#a31545");
}

#[test]
fn discord_mentions_nobody() {
    let body = body(&hostile(), ChannelConfiguration::Discord, "https://discord.com/api/webhooks/x");
    assert_eq!(body["allowed_mentions"]["parse"], serde_json::json!([]));
    let embed = &body["embeds"][0];
    assert!(embed["title"].as_str().unwrap().chars().count() <= 256);
    assert!(embed["description"].as_str().unwrap().contains("[user u\\_20481: $6.42"));
}

#[test]
fn teams_gets_runs_of_plain_text() {
    let body = body(&hostile(), ChannelConfiguration::Teams, "https://x.example");
    let card = &body["attachments"][0]["content"];
    assert_eq!(card["type"], "AdaptiveCard");
    assert!(card["body"].as_array().unwrap().iter().all(|block| block["type"] == "RichTextBlock"));
    assert_eq!(card["actions"][0]["url"], "http://127.0.0.1:8119/p/1/alerts/incidents/3");
}

#[test]
fn pagerduty_resolves_its_event() {
    let key = "0123456789abcdef0123456789abcdef";
    let opened = body(&notification("a"), ChannelConfiguration::Pagerduty { endpoint: None }, key);
    let resolved = body(
        &AlertNotification { kind: AlertNotificationKind::Resolved, ..notification("b") },
        ChannelConfiguration::Pagerduty { endpoint: None },
        key,
    );
    assert_eq!((&opened["event_action"], &resolved["event_action"]), (&"trigger".into(), &"resolve".into()));
    assert_eq!(opened["dedup_key"], resolved["dedup_key"]);
    assert_eq!(opened["payload"]["severity"], "critical");
}

#[test]
fn webhooks_are_verified_by_the_standard_s_own_library() {
    let secret = new_signing_secret();
    let now = jiff::Timestamp::now().as_microsecond();
    let address = ChannelConfiguration::Webhook { url: "https://x.example/hook".to_owned() };
    let post = http_request(&notification("incident-3-opened"), &target(address, secret.reveal()), now).unwrap();
    let mut headers = ureq::http::HeaderMap::new();
    for (name, value) in &post.headers {
        headers.insert(ureq::http::HeaderName::try_from(name.as_ref()).unwrap(), value.parse().unwrap());
    }
    let verifier = standardwebhooks::Webhook::new(secret.reveal()).unwrap();
    verifier.verify(&post.body, &headers).unwrap();
    assert!(verifier.verify(b"{}", &headers).is_err());
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    assert_eq!(body["type"], "alert.opened");
    assert_eq!(body["data"]["window_to"], "2026-11-23T15:00:00.000000Z");
    assert_eq!(body["data"]["outlook"]["until"], "2026-11-23T15:00:00.000000Z");
}

#[test]
fn mail_is_text_and_html_in_which_names_are_inert() {
    let address = ChannelConfiguration::Email {
        host: "mail.example".to_owned(),
        port: None,
        security: crate::delivery::channel::SmtpSecurity::Tls,
        username: None,
        from: "Hinomi <hinomi@mail.example>".to_owned(),
        to: vec!["a@example.com".to_owned(), "B <b@example.com>".to_owned()],
    };
    let target = target(address, "");
    let text = |notification: &AlertNotification| String::from_utf8(mail(notification, &target).unwrap().formatted()).unwrap();
    let (first, again) = (text(&hostile()), text(&hostile()));
    let id = |text: &str| text.lines().find(|line| line.starts_with("Message-ID: ")).unwrap().to_owned();
    assert_eq!(id(&first), id(&again));
    assert_ne!(id(&first), id(&text(&notification("other"))));
    assert!(first.contains("References: <incident-1-3@mail.example>") && first.contains("Auto-Submitted: auto-generated"));
    assert!(first.contains("text/plain") && first.contains("text/html"));
    assert!(!first.contains("<script>\"") && first.contains("&lt;script&gt;"));
}
