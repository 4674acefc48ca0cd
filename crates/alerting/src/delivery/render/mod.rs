//! Rendering of notices for each kind of target. Untrusted names are escaped according to the format: they cannot mention anybody, and
//! cannot become links or markup.

mod discord;
mod mail;
mod pagerduty;
mod slack;
mod teams;
#[cfg(test)]
mod tests;
mod webhook;

use super::channel::{ChannelConfiguration, NotificationChannel, PAGERDUTY_URL};
use super::message_text;
use super::notification::{AlertNotification, AlertNotificationKind, AlertSeverity};
pub(super) use mail::mail;

/// HTTP POST request.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct HttpPostRequest {
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// Returns the request for an HTTP target; `None` for e-mail.
pub(super) fn http_request(notice: &AlertNotification, target: &NotificationChannel, now_us: i64) -> Option<HttpPostRequest> {
    let message = message_text::message_of(notice, target.language.unwrap_or(notice.language));
    let secret = target.secret.reveal();
    let json = |url: &str, body: serde_json::Value| HttpPostRequest {
        url: url.to_owned(),
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    };
    match &target.configuration {
        ChannelConfiguration::Email { .. } => None,
        ChannelConfiguration::Slack => Some(json(secret, slack::body(notice, &message))),
        ChannelConfiguration::Discord => Some(json(secret, discord::body(notice, &message))),
        ChannelConfiguration::Teams => Some(json(secret, teams::body(&message))),
        ChannelConfiguration::Pagerduty { endpoint } => {
            Some(json(endpoint.as_deref().unwrap_or(PAGERDUTY_URL), pagerduty::body(notice, &message, secret)))
        }
        ChannelConfiguration::Webhook { url } => Some(webhook::http_request(url, notice, &message, &target.secret, now_us)),
    }
}

/// Returns the color of a notice, as on the page.
fn notice_color(notice: &AlertNotification) -> u32 {
    match (notice.kind, notice.severity) {
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
