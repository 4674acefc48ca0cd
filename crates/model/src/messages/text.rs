//! Truncation of long texts.

use serde_json::Value;

use crate::media::may_be_base64;
use crate::span::{ChatMessage, MessagePart};

/// Maximum bytes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimit(pub usize);

impl TextLimit {
    /// Limit of a name that many spans share, such as a release.
    pub const NAME_LIMIT: TextLimit = TextLimit(250);
}

impl Default for TextLimit {
    /// Returns 1 MiB: more than the context window of any model, less than an image.
    fn default() -> Self {
        TextLimit(1 << 20)
    }
}

/// Truncates a text at a limit, between characters, and appends the number of removed bytes.
pub fn trim_text(text: &mut String, limit: TextLimit) {
    if text.len() <= limit.0 {
        return;
    }
    let end = (0..=limit.0).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let gone = text.len() - end;
    text.truncate(end);
    text.push_str(&format!("… [{gone} bytes cut]"));
}

/// Truncates all texts in a value.
pub(crate) fn trim_value(value: &mut Value, limit: TextLimit) {
    match value {
        Value::String(text) => trim_text(text, limit),
        Value::Array(items) => items.iter_mut().for_each(|item| trim_value(item, limit)),
        Value::Object(object) => object.values_mut().for_each(|item| trim_value(item, limit)),
        _ => {}
    }
}

/// Truncates all texts in messages. With `keep_media`, base64 that is removed later is not truncated.
pub(crate) fn trim_messages(messages: &mut [ChatMessage], limit: TextLimit, keep_media: bool) {
    for part in messages.iter_mut().flat_map(|message| &mut message.parts) {
        let text = match part {
            MessagePart::Text { text } | MessagePart::Reasoning { text } => text,
            MessagePart::ToolCall { arguments, .. } => arguments,
            MessagePart::ToolResult { result, .. } => result,
            MessagePart::Media { content: Some(content), .. } if !keep_media || !may_be_base64(content) => content,
            MessagePart::Media { .. } => continue,
            MessagePart::Other { content } => content,
        };
        trim_text(text, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_respects_characters_and_is_noted() {
        let mut text = "ab☕cd".to_owned();
        trim_text(&mut text, TextLimit(4));
        assert_eq!(text, "ab… [5 bytes cut]");
        let mut short = "abcd".to_owned();
        trim_text(&mut short, TextLimit(4));
        assert_eq!(short, "abcd");
    }
}
