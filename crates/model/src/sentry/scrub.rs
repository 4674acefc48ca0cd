//! Removes sensitive values from what clients send with an error or a log line, and limits the size of an error's data.
//!
//! A value is replaced if its name is in [`SENSITIVE_NAMES`]. In texts, numbers of payment cards, credentials, private keys and the
//! API keys of [`texts::API_KEY_FORMATS`] are replaced. Names and texts follow the public description of what Sentry's servers remove by
//! default; the formats of keys follow the documentation of the providers that issue them.

#[cfg(test)]
mod tests;
mod texts;

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use serde_json::{Map, Value};

use super::error_event::ErrorEvent;
use crate::messages::{TextLimit, trim_text};

pub(super) use texts::is_sensitive_query_pair;
pub(crate) use texts::scrub_text;

/// Text that replaces a sensitive value.
pub(super) const FILTERED: &str = "[Filtered]";

/// How a row of [`SENSITIVE_NAMES`] is compared with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameRule {
    /// The name contains these letters, with any separators between them.
    Contains,
    /// One of the words of the name is equal to the word. Names such as `author` or `max_tokens`, which only contain the letters, do not
    /// match.
    Word,
}

/// Names of sensitive values, in lower case and without separators.
const SENSITIVE_NAMES: &[(&str, NameRule)] = &[
    ("password", NameRule::Contains),
    ("passwd", NameRule::Contains),
    ("passphrase", NameRule::Contains),
    ("passcode", NameRule::Contains),
    ("pwd", NameRule::Word),
    ("mysqlpwd", NameRule::Contains),
    ("secret", NameRule::Contains),
    ("apikey", NameRule::Contains),
    ("accesskey", NameRule::Contains),
    ("privatekey", NameRule::Contains),
    ("signingkey", NameRule::Contains),
    ("encryptionkey", NameRule::Contains),
    ("credential", NameRule::Contains),
    ("authorization", NameRule::Contains),
    ("authentication", NameRule::Word),
    ("auth", NameRule::Word),
    ("oauth", NameRule::Word),
    ("xauth", NameRule::Contains),
    ("authtoken", NameRule::Contains),
    ("authkey", NameRule::Contains),
    ("token", NameRule::Word),
    ("accesstoken", NameRule::Contains),
    ("refreshtoken", NameRule::Contains),
    ("idtoken", NameRule::Word),
    ("csrf", NameRule::Contains),
    ("xsrf", NameRule::Contains),
    ("bearer", NameRule::Word),
    ("jwt", NameRule::Word),
    ("stripetoken", NameRule::Contains),
    ("cardnumber", NameRule::Contains),
    ("creditcard", NameRule::Contains),
    ("cvv", NameRule::Word),
    ("cvc", NameRule::Word),
    ("cookie", NameRule::Word),
    ("cookies", NameRule::Word),
    ("setcookie", NameRule::Contains),
    ("session", NameRule::Word),
    ("sessionid", NameRule::Contains),
    ("sessid", NameRule::Contains),
    ("sid", NameRule::Word),
    ("ssn", NameRule::Word),
];

/// Limits of the values of one field of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct DataLimit {
    /// Maximum bytes of all values.
    pub(super) bytes: usize,
    /// Maximum bytes of one text.
    pub(super) text: usize,
    /// Maximum depth of nested objects and lists.
    pub(super) depth: usize,
}

/// Words of a name: parts between separators, and parts that start with a capital letter.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let is_start = |at: usize| {
        let bytes = name.as_bytes();
        at > 0 && bytes[at].is_ascii_uppercase() && !bytes[at - 1].is_ascii_uppercase()
    };
    let mut start = 0;
    std::iter::from_fn(move || {
        let bytes = name.as_bytes();
        while start < bytes.len() && !bytes[start].is_ascii_alphanumeric() && bytes[start].is_ascii() {
            start += 1;
        }
        if start >= bytes.len() {
            return None;
        }
        let from = start;
        start += 1;
        while start < bytes.len() && (bytes[start].is_ascii_alphanumeric() || !bytes[start].is_ascii()) && !is_start(start) {
            start += 1;
        }
        name.get(from..start)
    })
}

/// Maximum bytes of a name that are compared.
const MAX_NAME_BYTES: usize = 200;

/// Returns whether a value of this name is sensitive.
pub(super) fn is_sensitive_name(name: &str) -> bool {
    static MATCHER: LazyLock<AhoCorasick> = LazyLock::new(|| {
        let names = SENSITIVE_NAMES.iter().map(|(name, _)| name);
        AhoCorasick::builder().ascii_case_insensitive(true).build(names).expect("the table has only a few short names")
    });
    let name = &name[..name.floor_char_boundary(MAX_NAME_BYTES)];
    // Every variable has a name: this must not allocate.
    let mut letters = [0; MAX_NAME_BYTES];
    let mut length = 0;
    for byte in name.bytes().filter(u8::is_ascii_alphanumeric) {
        letters[length] = byte;
        length += 1;
    }
    let letters = &letters[..length];
    MATCHER.find_overlapping_iter(letters).any(|found| {
        let (sensitive, rule) = SENSITIVE_NAMES[found.pattern().as_usize()];
        match rule {
            NameRule::Contains => true,
            NameRule::Word => {
                letters.eq_ignore_ascii_case(sensitive.as_bytes()) || words(name).any(|word| word.eq_ignore_ascii_case(sensitive))
            }
        }
    })
}

/// Replaces sensitive parts of what an error says: its messages and tags. Whatever else a client sends with it is scrubbed while it is
/// read, see [`bounded_object`].
pub(crate) fn scrub_error(error: &mut ErrorEvent) {
    for exception in &mut error.exceptions {
        scrub_text(&mut exception.value);
    }
    scrub_text(&mut error.value);
    error.message.iter_mut().for_each(scrub_text);
    for (name, value) in &mut error.tags {
        if is_sensitive_name(name) {
            *value = FILTERED.to_owned();
        }
        scrub_text(value);
    }
}

/// Names of attributes whose words only look sensitive: sessions that are monitored, and classes of tokens.
const HARMLESS_ATTRIBUTE_NAMES: &[&str] = &["session.id", "session_id", "session", "token.type", "token_type"];

/// Replaces sensitive parts of an attribute of a log line.
pub(crate) fn scrub_attribute(name: &str, value: &mut Value) {
    let is_harmless = HARMLESS_ATTRIBUTE_NAMES
        .iter()
        .any(|end| name.strip_suffix(end).is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_alphanumeric())));
    if !is_harmless && is_sensitive_name(name) {
        filter(value, name);
    }
    scrub_value(value);
}

/// Replaces sensitive texts and members within a value.
fn scrub_value(value: &mut Value) {
    match value {
        Value::String(text) => scrub_text(text),
        Value::Array(items) => items.iter_mut().for_each(|item| {
            scrub_pair(item);
            scrub_value(item);
        }),
        Value::Object(members) => members.iter_mut().for_each(|(name, member)| scrub_attribute(name, member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces sensitive parts of an optional text.
pub(super) fn scrubbed(text: Option<String>) -> Option<String> {
    text.map(|mut text| {
        scrub_text(&mut text);
        text
    })
}

/// Replaces a sensitive value. Objects stay, since each of their members is checked; so do flags and counts, which reveal nothing.
fn filter(value: &mut Value, name: &str) {
    match value {
        Value::Object(_) | Value::Null | Value::Bool(_) => {}
        // `token: 512` is a count.
        Value::Number(_) if name.to_ascii_lowercase().contains("token") => {}
        other => *other = FILTERED.into(),
    }
}

/// Returns an object without sensitive values, and with at most as much data as the limit allows.
pub(super) fn bounded_object(value: Value, limit: DataLimit) -> Map<String, Value> {
    let mut left = limit.bytes;
    match value {
        Value::Object(object) => bounded_members(object, limit, limit.depth, &mut left),
        // Lists of pairs, which older SDKs send.
        Value::Array(pairs) if !pairs.is_empty() && pairs.iter().all(|pair| pair.as_array().is_some_and(|pair| pair.len() == 2)) => {
            let pairs = pairs.into_iter().filter_map(|pair| match pair {
                Value::Array(mut pair) => {
                    let value = pair.pop()?;
                    Some((pair.pop()?.as_str()?.to_owned(), value))
                }
                _ => None,
            });
            bounded_members(pairs.collect(), limit, limit.depth, &mut left)
        }
        _ => Map::new(),
    }
}

/// Bytes that a member or element takes beside its texts.
const ENTRY_BYTES: usize = 8;

fn bounded_members(object: Map<String, Value>, limit: DataLimit, depth: usize, left: &mut usize) -> Map<String, Value> {
    let count = object.len();
    let mut kept = Map::new();
    for (name, mut value) in object {
        if is_sensitive_name(&name) {
            filter(&mut value, &name);
        }
        let needed = name.len() + ENTRY_BYTES;
        if *left < needed {
            break;
        }
        *left -= needed;
        bound(&mut value, limit, depth, left);
        kept.insert(name, value);
    }
    if kept.len() < count {
        kept.insert("…".to_owned(), format!("[{} more cut]", count - kept.len()).into());
    }
    kept
}

/// Replaces sensitive texts within a value, and reduces it to what is left of the limit.
fn bound(value: &mut Value, limit: DataLimit, depth: usize, left: &mut usize) {
    match value {
        Value::String(text) => {
            trim_text(text, TextLimit(limit.text.min(*left)));
            scrub_text(text);
            *left = left.saturating_sub(text.len());
        }
        Value::Array(items) if depth > 0 => {
            let count = items.len();
            let mut kept = Vec::new();
            for mut item in std::mem::take(items) {
                if *left < ENTRY_BYTES {
                    break;
                }
                *left -= ENTRY_BYTES;
                scrub_pair(&mut item);
                bound(&mut item, limit, depth - 1, left);
                kept.push(item);
            }
            if kept.len() < count {
                kept.push(format!("… [{} more cut]", count - kept.len()).into());
            }
            *items = kept;
        }
        Value::Object(object) if depth > 0 => *object = bounded_members(std::mem::take(object), limit, depth - 1, left),
        Value::Array(items) => *value = format!("[{} items]", items.len()).into(),
        Value::Object(object) => *value = format!("[{} members]", object.len()).into(),
        _ => {}
    }
}

/// Replaces the value of a pair, such as a header, whose name is sensitive.
fn scrub_pair(value: &mut Value) {
    if let Value::Array(pair) = value
        && let [Value::String(name), value] = pair.as_mut_slice()
        && is_sensitive_name(name)
    {
        filter(value, name);
    }
}
