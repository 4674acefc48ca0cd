//! Slack incoming webhooks: Block Kit in an attachment, which has a colored border.
//! <https://api.slack.com/reference/messaging/payload>

use serde_json::{Value, json};

use super::{notification_color, safe_url};
use crate::delivery::message_text::NotificationMessage;
use crate::delivery::notification::AlertNotification;

/// Maximum length of a section in characters; Slack allows 3,000.
const MAX_SECTION_LENGTH: usize = 2800;

pub(super) fn body(notification: &AlertNotification, message: &NotificationMessage) -> Value {
    let subject = escaped(&message.subject);
    let mut blocks = vec![section(&message.sentences.iter().map(|sentence| escaped(sentence)).collect::<Vec<_>>().join("\n"))];
    let mut text = message.heading.as_ref().map(|heading| format!("*{}*\n", escaped(heading))).unwrap_or_default();
    for (line, link) in &message.lines {
        let line = linked(line, link.as_deref());
        if text.chars().count() + line.chars().count() > MAX_SECTION_LENGTH {
            blocks.push(section(&text));
            text.clear();
        }
        text.push_str(&format!("• {line}\n"));
    }
    if !text.is_empty() {
        blocks.push(section(&text));
    }
    let links = message.links.iter().map(|(label, url)| linked(label, Some(url))).collect::<Vec<_>>().join("  ·  ");
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": links }] }));
    json!({ "text": subject, "attachments": [{ "color": format!("#{:06x}", notification_color(notification)), "fallback": subject, "blocks": blocks }] })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// Escapes the three control characters of Slack, and those that make text bold or code.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // A zero-width space before a character keeps it from being markup; Slack has no other way to escape it.
    text.replace('*', "\u{200b}*").replace('_', "\u{200b}_").replace('~', "\u{200b}~").replace('`', "\u{200b}`")
}

fn linked(text: &str, url: Option<&str>) -> String {
    match url.filter(|url| url.len() < 1000) {
        Some(url) => format!("<{}|{}>", safe_url(url).replace('&', "&amp;"), escaped(text)),
        None => escaped(text),
    }
}
