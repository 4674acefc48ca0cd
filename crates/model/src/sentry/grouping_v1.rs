//! Version 1 of the grouping algorithm: type, place and shape of the message. Issues that it created keep their number when their events
//! come again.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error_event::StackFrame;
use super::grouping::deciding_frame;

/// Number of frames that version 1 kept of a stack.
const MAX_FRAMES: usize = 100;
/// Placeholders in a client's fingerprint for the default group.
const DEFAULT_PLACEHOLDERS: &[&str] = &["{{ default }}", "{{default}}"];

/// What version 1 read of an error.
#[derive(Debug, Clone, Copy)]
pub(super) struct EarlierReading<'a> {
    /// Type of the exception that was raised last.
    pub(super) kind: &'a str,
    /// Message of the exception that was raised last, as sent.
    pub(super) value: &'a str,
    /// Its own stack.
    pub(super) frames: &'a [StackFrame],
    /// Message without its parameters, if there is no exception.
    pub(super) template: Option<&'a str>,
}

/// Returns the group that version 1 gave an error.
pub(super) fn earlier_group(reading: &EarlierReading, fingerprint: &Value) -> [u8; 32] {
    let default = default_group(reading);
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let own: Vec<String> = match fingerprint {
        Value::Array(items) => items.iter().filter(|item| !item.is_null()).map(plain).collect(),
        _ => Vec::new(),
    };
    if own.is_empty() || (own.len() == 1 && DEFAULT_PLACEHOLDERS.contains(&own[0].as_str())) {
        return default;
    }
    let mut hash = Sha256::new();
    for part in &own {
        if DEFAULT_PLACEHOLDERS.contains(&part.as_str()) {
            hash.update(default);
        } else {
            hash.update(part.as_bytes());
        }
        hash.update([0]);
    }
    hash.finalize().into()
}

fn default_group(reading: &EarlierReading) -> [u8; 32] {
    let frames = &reading.frames[reading.frames.len().saturating_sub(MAX_FRAMES)..];
    let place = deciding_frame(frames).map(|frame| {
        let file = frame.module.as_deref().or(frame.filename.as_deref()).unwrap_or_default();
        format!("{}\0{file}", frame.function.as_deref().unwrap_or_default())
    });
    let shape = message_shape(reading.template.unwrap_or(reading.value));
    let mut hash = Sha256::new();
    for part in [reading.kind, place.as_deref().unwrap_or_default(), &shape] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

/// Replaces the variable parts of a message: quoted texts, IDs, addresses, numbers.
fn message_shape(message: &str) -> String {
    static VARIABLE_PARTS: LazyLock<Regex> = LazyLock::new(|| {
        let quoted = r#""[^"]*"|'[^']*'|`[^`]*`"#;
        let addresses = r"https?://\S+|[\w.+-]+@[\w-]+\.[\w.-]+";
        let ids = r"\b(?:req|call|chatcmpl|msg|run|resp|org|proj|user|sess|sk)[-_][A-Za-z0-9-_]+\b";
        let hex = r"\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{16,}\b";
        let numbers = r"\d+(?:[.,:]\d+)*";
        Regex::new(&format!("{quoted}|{addresses}|{ids}|{hex}|{numbers}")).expect("a constant pattern")
    });
    // Long messages differ at their end; the beginning identifies the problem.
    VARIABLE_PARTS.replace_all(&message[..message.floor_char_boundary(1000)], "*").into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Hashes that stored issues have: they must never change.
    #[test]
    fn groups_are_those_that_are_stored() {
        let frame = StackFrame { function: Some("f".into()), filename: Some("a.py".into()), line: Some(9), ..StackFrame::default() };
        let frames = [frame];
        let of = |kind, value, frames, template| EarlierReading { kind, value, frames, template };
        let hex = |reading: EarlierReading, fingerprint: Value| {
            earlier_group(&reading, &fingerprint)[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let error = of("E", "Error code: 429 - retry in 20s for req_011CQ 'gpt-4o' at 0x7fe9e0", &frames, None);
        let message = of("Message", "user a is gone", &[], Some("user %s is gone"));
        assert_eq!(hex(error, Value::Null), "15799433735919e2");
        assert_eq!(hex(error, json!(["{{default}}"])), "15799433735919e2");
        assert_eq!(hex(message, Value::Null), "d1c7bab549663b1c");
        assert_eq!(hex(error, json!(["db", "{{ default }}"])), "6688e4203c8f7fd3");
    }
}
