//! Rendering of notifications for each kind of channel. Untrusted names are escaped according to the format: they cannot mention anybody,
//! and cannot become links or markup.

mod discord;
mod mail;
mod pagerduty;
mod slack;
mod teams;
#[cfg(test)]
mod tests;
mod webhook;

use std::borrow::Cow;

use super::channel::{ChannelConfiguration, NotificationChannel, PAGERDUTY_URL};
use super::message_text;
use super::notification::{AlertNotification, AlertNotificationKind, AlertSeverity};
use super::outbound_http::HttpPostRequest;
pub(super) use mail::mail;

/// Returns the request for an HTTP channel; `None` for e-mail.
pub(super) fn http_request(notification: &AlertNotification, target: &NotificationChannel, now_us: i64) -> Option<HttpPostRequest> {
    let message = message_text::message_of(notification, target.language.unwrap_or(notification.language));
    let secret = target.secret.reveal();
    let json = |url: &str, body: serde_json::Value| HttpPostRequest {
        url: url.to_owned(),
        headers: vec![json_content_type()],
        body: body.to_string().into_bytes(),
    };
    match &target.configuration {
        ChannelConfiguration::Email { .. } => None,
        ChannelConfiguration::Slack => Some(json(secret, slack::body(notification, &message))),
        ChannelConfiguration::Discord => Some(json(secret, discord::body(notification, &message))),
        ChannelConfiguration::Teams => Some(json(secret, teams::body(&message))),
        ChannelConfiguration::Pagerduty { endpoint } => {
            Some(json(endpoint.as_deref().unwrap_or(PAGERDUTY_URL), pagerduty::body(notification, &message, secret)))
        }
        ChannelConfiguration::Webhook { url } => Some(webhook::http_request(url, notification, &message, &target.secret, now_us)),
    }
}

/// Returns the header of a JSON body.
fn json_content_type() -> (Cow<'static, str>, String) {
    ("content-type".into(), "application/json; charset=utf-8".to_owned())
}

/// Returns the color of a notification, as on the page.
fn notification_color(notification: &AlertNotification) -> u32 {
    match (notification.kind, notification.severity) {
        (AlertNotificationKind::Resolved, _) => 0x2d_7a3e,
        (AlertNotificationKind::Test, _) => 0x6b_675f,
        (_, AlertSeverity::Critical) => 0xa3_1545,
        (_, AlertSeverity::Warning) => 0x8a_5a00,
    }
}

/// Escapes a URL for use within the brackets of any format.
fn safe_url(url: &str) -> String {
    let mut safe = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '<' | '>' | '|' | '(' | ')' | '[' | ']' | '"' | '\'' | '`' | '\\' | ' ' => safe.push_str(&format!("%{:02X}", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe
}
