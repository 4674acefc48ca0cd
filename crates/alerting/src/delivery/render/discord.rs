//! Discord webhooks: one embed, without mentions.
//! <https://discord.com/developers/docs/resources/webhook#execute-webhook>

use serde_json::{Value, json};

use super::{notification_color, safe_url};
use crate::delivery::message_text::NotificationMessage;
use crate::delivery::notification::AlertNotification;

/// Maximum length of a description in characters; Discord allows 4,096.
const MAX_DESCRIPTION_LENGTH: usize = 3800;
const MAX_TITLE_LENGTH: usize = 256;

pub(super) fn body(notification: &AlertNotification, message: &NotificationMessage) -> Value {
    let mut text: String = message.sentences.iter().map(|sentence| format!("{}\n", escaped(sentence))).collect();
    if let Some(heading) = &message.heading {
        text.push_str(&format!("\n**{}**\n", escaped(heading)));
    }
    let links = message.links.iter().map(|(label, url)| linked(label, Some(url))).collect::<Vec<_>>().join(" · ");
    for (line, link) in &message.lines {
        let line = linked(line, link.as_deref());
        if text.chars().count() + line.chars().count() + links.chars().count() > MAX_DESCRIPTION_LENGTH {
            break;
        }
        text.push_str(&format!("• {line}\n"));
    }
    text.push_str(&format!("\n{links}"));
    json!({
        "embeds": [{
            "title": message.subject.chars().take(MAX_TITLE_LENGTH).collect::<String>(),
            "url": message.links.first().map(|(_, url)| url),
            "description": text,
            "color": notification_color(notification),
        }],
        "allowed_mentions": { "parse": [] },
    })
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '[' | ']' | '(' | ')' | '#' | '@') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

fn linked(text: &str, url: Option<&str>) -> String {
    match url.filter(|url| url.len() < 1000) {
        Some(url) => format!("[{}]({})", escaped(text), safe_url(url)),
        None => escaped(text),
    }
}
