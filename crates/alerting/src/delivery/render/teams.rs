//! Microsoft Teams webhooks (Workflows): an Adaptive Card of plain text runs, which contain no markup.
//! <https://learn.microsoft.com/connectors/teams/#microsoft-teams-webhook>

use serde_json::{Value, json};

use crate::delivery::message_text::NotificationMessage;

pub(super) fn body(message: &NotificationMessage) -> Value {
    let mut blocks = vec![block(json!({ "type": "TextRun", "text": message.subject, "weight": "bolder", "size": "medium" }))];
    blocks.extend(message.sentences.iter().map(|sentence| block(json!({ "type": "TextRun", "text": sentence }))));
    blocks.extend(message.heading.iter().map(|heading| block(json!({ "type": "TextRun", "text": heading, "weight": "bolder" }))));
    for (line, link) in &message.lines {
        let mut run = json!({ "type": "TextRun", "text": format!("• {line}") });
        if let Some(link) = link {
            run["selectAction"] = json!({ "type": "Action.OpenUrl", "url": link });
        }
        blocks.push(block(run));
    }
    let actions: Vec<Value> =
        message.links.iter().map(|(label, url)| json!({ "type": "Action.OpenUrl", "title": label, "url": url })).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "lang": message.lang,
                "msteams": { "width": "Full" },
                "body": blocks,
                "actions": actions,
            },
        }],
    })
}

fn block(run: Value) -> Value {
    json!({ "type": "RichTextBlock", "inlines": [run] })
}
