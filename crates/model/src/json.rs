//! JSON that strict parsers refuse, mended so that the good parts can be read.

use serde_json::Error;

/// Parses a payload, and once more after mending where that fails.
pub(crate) fn parse_mended<T>(payload: &[u8], parse: impl Fn(&str) -> Result<T, Error>) -> Result<T, Error> {
    let first = match std::str::from_utf8(payload) {
        Ok(text) => parse(text),
        Err(_) => Err(serde::de::Error::custom("not UTF-8")),
    };
    first.or_else(|_| parse(&mend(payload)))
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

    proptest! {
        #[test]
        fn never_panics_and_keeps_good_json(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC*") {
            let _ = mend(&bytes);
            let good = json!({"a": text, "b": [1, 2.5, null]}).to_string();
            prop_assert_eq!(mend(good.as_bytes()), good);
        }
    }
}
