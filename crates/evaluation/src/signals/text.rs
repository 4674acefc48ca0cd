//! Bounded reading, hashing and comparison of texts.
//!
//! Texts can have megabytes. Signals read prefixes of stated lengths; a difference after the prefix is seen only in the length.

use std::hash::{Hash, Hasher};

use ahash::AHasher;
use hinomi_model::span::{ChatMessage, MessagePart};
use serde_json::Value;

/// Number of bytes of a text that are compared for equality, in addition to its length.
const MAX_COMPARED_BYTES: usize = 64 * 1024;

/// Returns at most the first `bytes` bytes of a text, cut between characters.
pub(super) fn prefix(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes.min(text.len()))]
}

/// Returns at most the last `bytes` bytes of a text, cut between characters.
pub(super) fn suffix(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}

/// Returns a hash of the prefix and the length of a text, spaces at both ends aside. The hash is valid only within the process.
pub(super) fn text_hash(text: &str) -> u64 {
    let text = text.trim();
    let mut hasher = AHasher::default();
    prefix(text, MAX_COMPARED_BYTES).hash(&mut hasher);
    text.len().hash(&mut hasher);
    hasher.finish()
}

/// Returns a hash of JSON text that does not depend on the order of keys or on spaces. Other texts are hashed as they are.
pub(super) fn json_hash(text: &str) -> u64 {
    let text = text.trim();
    if text.len() > MAX_COMPARED_BYTES || !text.starts_with(['{', '[']) {
        return text_hash(text);
    }
    let Ok(value) = serde_json::from_str::<Value>(text) else { return text_hash(text) };
    let mut hasher = AHasher::default();
    hash_value(&value, &mut hasher);
    hasher.finish()
}

fn hash_value(value: &Value, hasher: &mut AHasher) {
    match value {
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort_unstable();
            hasher.write_u8(1);
            for key in keys {
                key.hash(hasher);
                hash_value(&members[key.as_str()], hasher);
            }
        }
        Value::Array(items) => {
            hasher.write_u8(2);
            items.iter().for_each(|item| hash_value(item, hasher));
        }
        Value::String(text) => text.hash(hasher),
        other => other.to_string().hash(hasher),
    }
}

/// Returns whether ingestion or the client cut the end of a text.
pub(crate) fn is_cut(text: &str) -> bool {
    let end = suffix(text.trim_end(), 48);
    end.ends_with("bytes cut]") || end.ends_with("...") || end.ends_with('…') || end.contains("[truncated") || end.ends_with("(truncated)")
}

/// Returns the text parts of a message that are not empty.
pub(super) fn texts(message: &ChatMessage) -> impl DoubleEndedIterator<Item = &str> {
    message.parts.iter().filter_map(|part| match part {
        MessagePart::Text { text } if !text.trim().is_empty() => Some(text.trim()),
        _ => None,
    })
}

/// Returns the last text of the last message of a role.
pub(super) fn last_text<'a>(messages: &'a [ChatMessage], role: &str) -> Option<&'a str> {
    messages.iter().rev().filter(|message| message.role == role).find_map(|message| texts(message).next_back())
}

/// Returns whether a text contains any of the phrases, which are in lower case. Compares ASCII letters without case.
pub(super) fn contains_any(text: &str, phrases: &[&str]) -> bool {
    let lower = text.to_lowercase();
    phrases.iter().any(|phrase| lower.contains(phrase))
}

/// Returns the Dice coefficient of the character bigrams of two texts, from 0 (no common bigram) to 1 (the same bigrams). Reads the first
/// 600 bytes of each.
pub(super) fn bigram_similarity(left: &str, right: &str) -> f64 {
    if left == right {
        return 1.0;
    }
    let (left, right) = (bigrams(left), bigrams(right));
    if left.is_empty() || right.is_empty() {
        return 0.0;
    }
    let (mut at, mut common) = (0, 0);
    for bigram in &left {
        while at < right.len() && right[at] < *bigram {
            at += 1;
        }
        if at < right.len() && right[at] == *bigram {
            common += 1;
            at += 1;
        }
    }
    2.0 * f64::from(common) / (left.len() + right.len()) as f64
}

fn bigrams(text: &str) -> Vec<(char, char)> {
    let characters: Vec<char> = prefix(text, 600).to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let mut bigrams: Vec<(char, char)> = characters.windows(2).map(|pair| (pair[0], pair[1])).collect();
    bigrams.sort_unstable();
    bigrams
}
