//! Repairs JSON text that a client truncated: everything before the cut is kept.

use serde_json::Value;

/// Position at which the text may end without invalidating what precedes it.
#[derive(Clone, Copy)]
struct JsonTruncationPoint {
    end: usize,
    depth: usize,
}

/// Closes open values in truncated JSON text, and drops a member of an object that cannot be closed. Clients mark the place where they
/// truncated with `...`. This mark stays if it is within a text, and is removed elsewhere.
pub(super) fn cut_off(text: &str) -> Option<Value> {
    let mut open: Vec<u8> = Vec::new();
    let mut safe: Option<JsonTruncationPoint> = None;
    let mut in_text = false;
    let mut escape_at = None;
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        let byte = bytes[at];
        if in_text {
            match byte {
                b'\\' => {
                    let length = if bytes.get(at + 1) == Some(&b'u') { 6 } else { 2 };
                    escape_at = Some((at, length));
                    at += 1;
                }
                b'"' => in_text = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => {
                    open.push(if byte == b'{' { b'}' } else { b']' });
                    safe = Some(JsonTruncationPoint { end: at + 1, depth: open.len() });
                }
                b'}' | b']' if open.last() == Some(&byte) => {
                    open.pop();
                    safe = Some(JsonTruncationPoint { end: at + 1, depth: open.len() });
                }
                b'}' | b']' => return None,
                b',' => safe = Some(JsonTruncationPoint { end: at, depth: open.len() }),
                _ => {}
            }
        }
        at += 1;
    }
    if in_text {
        // A partial escape cannot be closed.
        let end = escape_at.filter(|(start, length)| start + length > bytes.len()).map_or(bytes.len(), |(start, _)| start);
        let closed = format!("{}\"{}", &text[..end], closing(&open));
        if let Ok(value) = crate::lenient_json::value(&closed) {
            return Some(value);
        }
    }
    let safe = safe?;
    let closed = format!("{}{}", &text[..safe.end], closing(open.get(..safe.depth)?));
    crate::lenient_json::value(&closed).ok()
}

fn closing(open: &[u8]) -> String {
    open.iter().rev().map(|byte| *byte as char).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn truncated_json_keeps_its_complete_part() {
        assert_eq!(cut_off(r#"[{"role":"user","content":"Hel"#), Some(json!([{"role": "user", "content": "Hel"}])));
        assert_eq!(
            cut_off(r#"[{"role":"user","content":"a"},{"role":"us..."#),
            Some(json!([{"role": "user", "content": "a"}, {"role": "us..."}]))
        );
        assert_eq!(cut_off(r#"[{"role":"user","con"#), Some(json!([{"role": "user"}])));
        assert_eq!(cut_off(r#"[{"role":"user","content":"\u30"#), Some(json!([{"role": "user", "content": ""}])));
        assert_eq!(cut_off(r#"[{"n":12"#), Some(json!([{}])));
        assert_eq!(cut_off("not json"), None);
    }

    proptest! {
        #[test]
        fn conversation_truncated_anywhere_is_read(cut in 1usize..120) {
            let whole = r#"[{"role":"system","content":"Be terse \"now\""},{"role":"user","content":"caf\u00e9 ☕","n":[1,2,{"a":null}]}]"#;
            let cut = (0..=cut.min(whole.len() - 1)).rev().find(|at| whole.is_char_boundary(*at)).unwrap();
            if cut > 0 {
                prop_assert!(cut_off(&whole[..cut]).is_some(), "{}", &whole[..cut]);
            }
        }
    }
}
