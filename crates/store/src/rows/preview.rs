//! Short texts that lists show instead of whole conversations.

use hinomi_model::span::{ChatMessage, MessagePart};

/// Maximum number of characters in a preview.
const MAX_PREVIEW_CHARACTERS: usize = 200;

/// Returns the first 200 characters of the last message that has text and this `role`. If there is no such message, the last message that
/// has text and whose role is not `system` is used. Consecutive white space becomes one space. Returns `None` if there is no text.
pub fn preview(messages: &[ChatMessage], role: &str) -> Option<String> {
    let of_role = messages.iter().rev().filter(|message| message.role == role);
    let others = messages.iter().rev().filter(|message| message.role != role && message.role != "system");
    of_role.chain(others).map(preview_text).find(|text| !text.is_empty())
}

/// Returns the start of a message's text, else of its tool calls and results.
fn preview_text(message: &ChatMessage) -> String {
    let mut out = PreviewBuilder::default();
    for part in &message.parts {
        if let MessagePart::Text { text } = part {
            out.append(text);
        }
    }
    if out.length > 0 {
        return out.text;
    }
    for part in &message.parts {
        match part {
            MessagePart::Text { .. } | MessagePart::Reasoning { .. } => {}
            MessagePart::ToolCall { name, arguments, .. } => {
                out.append(name);
                out.append(arguments);
            }
            MessagePart::ToolResult { result, .. } => out.append(result),
            MessagePart::Media { modality, .. } => out.append(modality),
            MessagePart::Other { content } => out.append(content),
        }
    }
    out.text
}

/// Joins words with single spaces until the preview is full.
#[derive(Default)]
struct PreviewBuilder {
    text: String,
    length: usize,
}

impl PreviewBuilder {
    fn append(&mut self, more: &str) {
        for word in more.split_whitespace() {
            if self.length >= MAX_PREVIEW_CHARACTERS {
                return;
            }
            if self.length > 0 {
                self.text.push(' ');
                self.length += 1;
            }
            let room = MAX_PREVIEW_CHARACTERS - self.length;
            let end = if word.len() <= room { word.len() } else { word.char_indices().nth(room).map_or(word.len(), |(at, _)| at) };
            self.text.push_str(&word[..end]);
            self.length += word[..end].chars().count();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, text: &str) -> ChatMessage {
        ChatMessage { role: role.into(), parts: vec![MessagePart::Text { text: text.into() }] }
    }

    #[test]
    fn shows_the_last_message_of_the_role() {
        let messages = [message("system", "be kind"), message("user", " first\n"), message("user", "a\n\n b"), message("tool", "42")];
        assert_eq!(preview(&messages, "user").as_deref(), Some("a b"));
        assert_eq!(preview(&messages[3..], "user").as_deref(), Some("42"));
        assert_eq!(preview(&messages[..1], "user"), None);
    }

    #[test]
    fn shows_a_tool_call_where_there_is_no_text() {
        let call = MessagePart::ToolCall { id: None, name: "weather".into(), arguments: "{\"city\": \"Oslo\"}".into() };
        let messages = [ChatMessage { role: "assistant".into(), parts: vec![call] }];
        assert_eq!(preview(&messages, "assistant").as_deref(), Some("weather {\"city\": \"Oslo\"}"));
    }

    #[test]
    fn cuts_between_characters() {
        let long = "日本 ".repeat(400);
        let cut = preview(&[message("user", &long)], "user").unwrap();
        assert_eq!(cut.chars().count(), 200);
    }
}
