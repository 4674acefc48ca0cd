//! JSON that strict parsers refuse, mended so that the good parts can be read.

use serde_json::Error;

/// Parses a payload, and once more after mending where that fails.
pub(crate) fn parse_mended<T>(payload: &[u8], parse: impl Fn(&str) -> Result<T, Error>) -> Result<T, Error> {
    let first = match std::str::from_utf8(payload) {
        Ok(text) => parse(text),
        Err(_) => Err(serde::de::Error::custom("not UTF-8")),
    };
    first.or_else(|_| parse(&flatten(mend(payload))))
}

/// The parser goes 127 levels deep, and gives up all of a payload at the next.
const DEEPEST: usize = 120;

/// From here on the value of an attribute of OTLP becomes a text as a whole.
const DEEP: usize = 100;

/// Makes texts of values that are nested too deep for the parser, so that they cost nothing but their structure.
fn flatten(text: String) -> String {
    let bytes = text.as_bytes();
    let mut flat = String::new();
    let (mut depth, mut in_text, mut copied) = (0usize, false, 0);
    let mut deep: Option<(usize, usize)> = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_text => at += 1,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if deep.is_none() && (depth >= DEEPEST || (depth >= DEEP && is_named_value(&bytes[..at]))) {
                    deep = Some((depth, at));
                }
            }
            b'}' | b']' if !in_text => {
                if let Some((_, start)) = deep.take_if(|(outermost, _)| *outermost == depth) {
                    flat.push_str(&text[copied..start]);
                    flat.push_str(&serde_json::Value::from(&text[start..=at]).to_string());
                    copied = at + 1;
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return text;
    }
    flat.push_str(&text[copied..]);
    flat
}

/// Whether what follows is the value of a pair of OTLP: `{"key": "...", "value": `.
fn is_named_value(before: &[u8]) -> bool {
    before.trim_ascii_end().strip_suffix(b":").is_some_and(|name| name.trim_ascii_end().ends_with(b"\"value\""))
}

/// Makes of a payload what a strict parser takes: bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD, control
/// characters within texts become escapes, and numbers that JSON does not have (`NaN`, `Infinity`, 1e999) become null.
pub(crate) fn mend(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    let bytes = text.as_bytes();
    let mut mended = String::with_capacity(text.len());
    let mut copied = 0;
    let mut at = 0;
    let mut in_text = false;
    while at < bytes.len() {
        let (length, replacement) = if in_text { in_text_at(bytes, at) } else { outside_at(bytes, at) };
        if bytes[at] == b'"' && length == 1 {
            in_text = !in_text;
        }
        if let Some(replacement) = replacement {
            mended.push_str(&text[copied..at]);
            mended.push_str(&replacement);
            copied = at + length;
        }
        at += length;
    }
    mended.push_str(&text[copied.min(text.len())..]);
    mended
}

/// How many bytes stand together here within a text, and what replaces them.
fn in_text_at(bytes: &[u8], at: usize) -> (usize, Option<String>) {
    match bytes[at] {
        b'\\' => match unit(bytes, at) {
            Some(0xd800..=0xdbff) if matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => (12, None),
            Some(0xd800..=0xdfff) => (6, Some("\\ufffd".into())),
            Some(_) => (6, None),
            None if at + 1 < bytes.len() && bytes[at + 1].is_ascii() => (2, None),
            None => (1, None),
        },
        control @ 0..=0x1f => (1, Some(format!("\\u{control:04x}"))),
        _ => (1, None),
    }
}

/// The UTF-16 unit of an escape `\uXXXX`.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6).filter(|escape| escape.starts_with(b"\\u"))?;
    let digits = std::str::from_utf8(&escape[2..]).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

/// How many bytes stand together here outside of texts, and what replaces them.
fn outside_at(bytes: &[u8], at: usize) -> (usize, Option<String>) {
    let word = |word: &str| bytes[at..].starts_with(word.as_bytes()).then_some(word.len());
    if let Some(length) = word("NaN").or_else(|| word("-Infinity")).or_else(|| word("Infinity")) {
        return (length, Some("null".into()));
    }
    if !(bytes[at] == b'-' || bytes[at].is_ascii_digit()) {
        return (1, None);
    }
    let number = bytes[at..].iter().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
    let finite = std::str::from_utf8(&bytes[at..at + number]).ok().and_then(|n| n.parse::<f64>().ok()).is_none_or(f64::is_finite);
    (number, (!finite).then(|| "null".into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(&mend(text.as_bytes())).unwrap()
    }

    #[test]
    fn mends_what_clients_break() {
        assert_eq!(read(r#"["a\ud800b", "\udc00", "\ud83d\ude00", "\ud800A"]"#), json!(["a\u{fffd}b", "\u{fffd}", "😀", "\u{fffd}A"]));
        assert_eq!(read("[\"a\nb\0\"]"), json!(["a\nb\0"]));
        assert_eq!(
            read(r#"{"n":NaN,"i":-Infinity,"e":1e999,"f":1.5e3,"t":"NaN"}"#),
            json!({"n": null, "i": null, "e": null, "f": 1500.0, "t": "NaN"})
        );
        assert_eq!(read(r#"{"q":"\"\\","r":"\u0000"}"#), json!({"q": "\"\\", "r": "\0"}));
        assert_eq!(serde_json::from_str::<Value>(&mend(b"[\"a\xff\"]")).unwrap(), json!(["a\u{fffd}"]));
    }

    #[test]
    fn what_is_nested_too_deep_becomes_a_text() {
        let nested = |depth: usize| format!(r#"{{"a":1,"deep":{}"x]}}"{},"b":[2]}}"#, "[".repeat(depth), "]".repeat(depth));
        let read = |text: &str| parse_mended(text.as_bytes(), |text| serde_json::from_str::<Value>(text));
        assert!(serde_json::from_str::<Value>(&nested(130)).is_err());
        for depth in [100, 126, 127, 130, 100_000] {
            let value = read(&nested(depth)).unwrap();
            assert_eq!((&value["a"], &value["b"]), (&json!(1), &json!([2])), "{depth}");
            assert!(value["deep"].to_string().contains("x]}"), "{depth}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&"{\"a\":".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn brackets_of_any_kind_are_read_or_refused(text in "[\\[\\]{}:,\"\\\\ a1]{0,600}", depth in 0usize..300) {
            let _ = flatten(text.clone());
            let around = format!("{}{}{}", "{\"value\":[".repeat(depth), json!(text), "]}".repeat(depth));
            prop_assert!(parse_mended(around.as_bytes(), |text| serde_json::from_str::<Value>(text)).is_ok());
        }

        #[test]
        fn never_panics_and_keeps_good_json(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC*") {
            let _ = mend(&bytes);
            let good = json!({"a": text, "b": [1, 2.5, null]}).to_string();
            prop_assert_eq!(mend(good.as_bytes()), good);
        }
    }
}
