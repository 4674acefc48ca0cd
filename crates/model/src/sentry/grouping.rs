//! Groups errors into issues.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::event::{ErrorEvent, StackFrame};

/// Placeholders in a client's fingerprint for the default group.
const DEFAULT_PLACEHOLDERS: &[&str] = &["{{ default }}", "{{default}}"];

/// Returns the frame that identifies the place of an error: the innermost of the program's own code, otherwise the innermost. SDKs mark
/// all frames as foreign if the program itself is installed like a library.
pub(crate) fn deciding_frame(frames: &[StackFrame]) -> Option<&StackFrame> {
    frames.iter().rev().find(|frame| frame.in_app).or(frames.last())
}

/// Returns the group of an error: from the client's fingerprint, otherwise from type, place and the shape of the message.
pub(crate) fn group(error: &ErrorEvent, template: Option<&str>, fingerprint: &Value) -> [u8; 32] {
    let default = default_group(error, template);
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

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn default_group(error: &ErrorEvent, template: Option<&str>) -> [u8; 32] {
    let frame = error.exceptions.last().and_then(|exception| deciding_frame(&exception.frames));
    // Line numbers change with each release; function and module do not.
    let place = frame.map(|frame| {
        let file = frame.module.as_deref().or(frame.filename.as_deref()).unwrap_or_default();
        format!("{}\0{file}", frame.function.as_deref().unwrap_or_default())
    });
    let shape = message_shape(template.filter(|_| error.exceptions.is_empty()).unwrap_or(&error.value));
    let mut hash = Sha256::new();
    for part in [error.kind.as_str(), place.as_deref().unwrap_or_default(), &shape] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

/// Replaces the variable parts of a message: quoted texts, IDs, addresses, numbers.
pub(super) fn message_shape(message: &str) -> String {
    static VARIABLE_PARTS: LazyLock<Regex> = LazyLock::new(|| {
        let quoted = r#""[^"]*"|'[^']*'|`[^`]*`"#;
        let addresses = r"https?://\S+|[\w.+-]+@[\w-]+\.[\w.-]+";
        let ids = r"\b(?:req|call|chatcmpl|msg|run|resp|org|proj|user|sess|sk)[-_][A-Za-z0-9-_]+\b";
        let hex = r"\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{16,}\b";
        let numbers = r"\d+(?:[.,:]\d+)*";
        Regex::new(&format!("{quoted}|{addresses}|{ids}|{hex}|{numbers}")).expect("a constant pattern")
    });
    // Long messages differ at their end; the beginning identifies the problem.
    let end = (0..=message.len().min(1000)).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    VARIABLE_PARTS.replace_all(&message[..end], "*").into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::event::Exception;
    use super::*;

    fn error(message: &str, function: &str, line: u64) -> ErrorEvent {
        let frame =
            StackFrame { function: Some(function.into()), filename: Some("a.py".into()), line: Some(line), ..StackFrame::default() };
        let exception = Exception { kind: "E".into(), value: message.into(), frames: vec![frame], ..Exception::default() };
        ErrorEvent { kind: "E".into(), value: message.into(), exceptions: vec![exception], ..ErrorEvent::default() }
    }

    fn fingerprint_of(error: &ErrorEvent) -> [u8; 32] {
        group(error, None, &Value::Null)
    }

    #[test]
    fn variable_parts_do_not_split_issues() {
        let one = error("Error code: 429 - retry in 20s for req_011CQ 'gpt-4o' at 0x7fe9e0", "f", 10);
        let two = error("Error code: 429 - retry in 7s for req_9f2 'gpt-5' at 0x7aaaa0", "f", 11);
        assert_eq!(fingerprint_of(&one), fingerprint_of(&two));
        assert_ne!(
            fingerprint_of(&one),
            fingerprint_of(&error("Error code: 429 - retry in 20s for req_011CQ 'gpt-4o' at 0x7fe9e0", "g", 10))
        );
        assert_ne!(fingerprint_of(&one), fingerprint_of(&error("Connection refused", "f", 10)));
    }

    #[test]
    fn application_frames_decide_before_library_frames() {
        let frames = |in_app: bool| {
            vec![
                StackFrame { function: Some("mine".into()), in_app, ..StackFrame::default() },
                StackFrame { function: Some("library".into()), ..StackFrame::default() },
            ]
        };
        assert_eq!(deciding_frame(&frames(true)).unwrap().function.as_deref(), Some("mine"));
        assert_eq!(deciding_frame(&frames(false)).unwrap().function.as_deref(), Some("library"));
        assert_eq!(deciding_frame(&[]), None);
    }

    #[test]
    fn the_clients_fingerprint_decides() {
        let (one, two) = (error("a", "f", 1), error("b", "g", 2));
        let with = |error: &ErrorEvent, fingerprint: Value| group(error, None, &fingerprint);
        assert_eq!(with(&one, json!(["db-down"])), with(&two, json!(["db-down"])));
        assert_ne!(with(&one, json!(["db-down", "{{ default }}"])), with(&two, json!(["db-down", "{{ default }}"])));
        assert_eq!(with(&one, json!(["{{ default }}"])), fingerprint_of(&one));
        assert_eq!(with(&one, json!([])), fingerprint_of(&one));
    }
}
