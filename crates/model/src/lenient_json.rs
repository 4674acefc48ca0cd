//! Repairs JSON that strict parsers reject so that the valid parts can be read, and charges values and lists while they are built
//! ([`crate::decode_budget`]).

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, Map, Number, Value};

use crate::decode_budget;

/// Parses a payload; if that fails, repairs it and parses it again.
pub(crate) fn parse_mended<T>(payload: &[u8], parse: impl Fn(&str) -> Result<T, Error>) -> Result<T, Error> {
    let payload = payload.strip_prefix(BYTE_ORDER_MARK).unwrap_or(payload);
    let first = match std::str::from_utf8(payload) {
        Ok(text) => parse(text),
        Err(_) => Err(serde::de::Error::custom("not UTF-8")),
    };
    let Err(error) = first else { return first };
    if decode_budget::is_exceeded() {
        return Err(error);
    }
    let mended = flatten_deep_values(repair_payload(payload));
    match parse(&mended) {
        // A struct accepts each member once. Clients that write JSON by hand send some twice, of which the last one counts.
        Err(error) if error.is_data() && !decode_budget::is_exceeded() => parse(&value(&mended)?.to_string()).map_err(|_| error),
        mended => mended,
    }
}

/// Bytes that some editors and libraries put in front of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Parses a value.
pub(crate) fn value(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map(|ChargedValue(value)| value)
}

/// Parses an object.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, Error> {
    match value(text)? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::custom("expected an object")),
    }
}

/// Deserializes any value, for fields of structs.
pub(crate) fn field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    ChargedValue::deserialize(deserializer).map(|ChargedValue(value)| value)
}

/// A value that is charged while it is built.
#[derive(Debug, Default)]
pub(crate) struct ChargedValue(pub(crate) Value);

pub(crate) fn limit_error<E: serde::de::Error>() -> E {
    E::custom("the request contains more data than the server reads")
}

impl<'de> Deserialize<'de> for ChargedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChargedValueVisitor;
        impl<'de> Visitor<'de> for ChargedValueVisitor {
            type Value = ChargedValue;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_unit<E>(self) -> Result<ChargedValue, E> {
                Ok(ChargedValue(Value::Null))
            }
            fn visit_bool<E>(self, flag: bool) -> Result<ChargedValue, E> {
                Ok(ChargedValue(Value::Bool(flag)))
            }
            fn visit_i64<E>(self, number: i64) -> Result<ChargedValue, E> {
                Ok(ChargedValue(number.into()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<ChargedValue, E> {
                Ok(ChargedValue(number.into()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<ChargedValue, E> {
                Ok(ChargedValue(Number::from_f64(number).map_or(Value::Null, Value::Number)))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ChargedValue, E> {
                if decode_budget::charge(decode_budget::text_bytes(text)) { Ok(ChargedValue(text.into())) } else { Err(limit_error()) }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ChargedValue, A::Error> {
                let mut items = Vec::new();
                while let Some(ChargedValue(item)) = seq.next_element()? {
                    if !decode_budget::charge(decode_budget::ELEMENT_BYTES) {
                        return Err(limit_error());
                    }
                    items.push(item);
                }
                Ok(ChargedValue(Value::Array(items)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ChargedValue, A::Error> {
                read_members(&mut map).map(|members| ChargedValue(Value::Object(members)))
            }
        }
        deserializer.deserialize_any(ChargedValueVisitor)
    }
}

/// Reads the members of an object.
pub(crate) fn read_members<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Map<String, Value>, A::Error> {
    let mut members = Map::new();
    while let Some(name) = map.next_key::<String>()? {
        if !decode_budget::charge(decode_budget::member_bytes(&name, members.is_empty())) {
            return Err(limit_error());
        }
        let ChargedValue(value) = map.next_value()?;
        members.insert(name, value);
    }
    Ok(members)
}

/// A list whose elements are charged by their size and count as items.
#[derive(Debug)]
pub(crate) struct ChargedItems<T>(pub(crate) Vec<T>);

impl<T> Default for ChargedItems<T> {
    fn default() -> Self {
        ChargedItems(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ChargedItems<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChargedItemsVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ChargedItemsVisitor<T> {
            type Value = ChargedItems<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ChargedItems<T>, A::Error> {
                let mut items = Vec::new();
                let mut left = decode_budget::remaining_bytes();
                while let Some(item) = seq.next_element()? {
                    if !decode_budget::charge_items(1, 2 * size_of::<T>()) {
                        return Err(limit_error());
                    }
                    decode_budget::note_item_size(left.saturating_sub(decode_budget::remaining_bytes()));
                    left = decode_budget::remaining_bytes();
                    items.push(item);
                }
                Ok(ChargedItems(items))
            }
        }
        deserializer.deserialize_seq(ChargedItemsVisitor(std::marker::PhantomData))
    }
}

/// Shape of a part of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonShape {
    Object,
    List,
    Null,
    Other,
}

/// Reads objects field by field and lists element by element, so that only the results are kept in memory. Anything else is skipped.
pub(crate) trait JsonStream<'de> {
    /// Reads the value of a field.
    fn field<A: MapAccess<'de>>(&mut self, _name: &str, map: &mut A) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>().map(drop)
    }

    /// Reads an element; returns false if there is none left.
    fn element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        Ok(seq.next_element::<IgnoredAny>()?.is_some())
    }
}

/// Passes a streamed value to a [`JsonStream`].
pub(crate) struct JsonStreamSeed<'a, S>(pub(crate) &'a mut S);

impl<'de, S: JsonStream<'de>> DeserializeSeed<'de> for JsonStreamSeed<'_, S> {
    type Value = JsonShape;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JsonShape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: JsonStream<'de>> Visitor<'de> for JsonStreamSeed<'_, S> {
    type Value = JsonShape;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<JsonShape, E> {
        Ok(JsonShape::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<JsonShape, E> {
        Ok(JsonShape::Other)
    }
    fn visit_i64<E>(self, _: i64) -> Result<JsonShape, E> {
        Ok(JsonShape::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<JsonShape, E> {
        Ok(JsonShape::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<JsonShape, E> {
        Ok(JsonShape::Other)
    }
    fn visit_str<E>(self, _: &str) -> Result<JsonShape, E> {
        Ok(JsonShape::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonShape, A::Error> {
        while let Some(name) = map.next_key::<std::borrow::Cow<str>>()? {
            self.0.field(&name, &mut map)?;
        }
        Ok(JsonShape::Object)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<JsonShape, A::Error> {
        while self.0.element(&mut seq)? {}
        Ok(JsonShape::List)
    }
}

/// Streams a text.
pub(crate) fn stream_json<'de, S: JsonStream<'de>>(text: &'de str, into: &mut S) -> Result<JsonShape, Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let shape = JsonStreamSeed(into).deserialize(&mut deserializer)?;
    deserializer.end().map(|()| shape)
}

/// Builds a value from one element of a list, and charges the number of items and bytes that `made` returns.
pub(crate) fn element<'de, A: SeqAccess<'de>, T>(
    seq: &mut A,
    make: impl FnOnce(&Value) -> T,
    made: impl FnOnce(&T) -> (usize, usize),
) -> Result<Option<T>, A::Error> {
    let found =
        decode_budget::with_refund(|| seq.next_element::<ChargedValue>().map(|found| found.map(|ChargedValue(value)| make(&value))))?;
    let Some(found) = found else { return Ok(None) };
    let (items, bytes) = made(&found);
    if decode_budget::charge_items(items, bytes) { Ok(Some(found)) } else { Err(limit_error()) }
}

/// Depth from which values become text. The parser accepts 127 levels and rejects the whole payload beyond.
const MAX_DEPTH: usize = 120;

/// Depth from which the value of an OTLP attribute becomes text as a whole.
const MAX_ATTRIBUTE_DEPTH: usize = 100;

/// Converts values that are nested too deep for the parser to text, so that only their structure is lost.
fn flatten_deep_values(text: String) -> String {
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
                if deep.is_none() && (depth >= MAX_DEPTH || (depth >= MAX_ATTRIBUTE_DEPTH && is_named_value(&bytes[..at]))) {
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

/// Returns whether the next value belongs to an OTLP key-value pair: `{"key": "...", "value": `.
fn is_named_value(before: &[u8]) -> bool {
    before.trim_ascii_end().strip_suffix(b":").is_some_and(|name| name.trim_ascii_end().ends_with(b"\"value\""))
}

/// Repairs a payload for a strict parser: invalid UTF-8 and unpaired surrogates become U+FFFD, control characters within texts become
/// escapes, and numbers that JSON does not have (`NaN`, `Infinity`, 1e999) become null.
pub(crate) fn repair_payload(payload: &[u8]) -> String {
    // A control character becomes six bytes, an invalid byte three, and values that are nested too deep are copied once more.
    let controls = payload.iter().filter(|byte| **byte < b' ').count();
    let lossy = if std::str::from_utf8(payload).is_ok() { 0 } else { 3 * payload.len() };
    if !decode_budget::charge(4 * payload.len() + 6 * controls + lossy) {
        return String::new();
    }
    let text = String::from_utf8_lossy(payload);
    let bytes = text.as_bytes();
    let mut mended = String::with_capacity(text.len());
    let mut copied = 0;
    let mut at = 0;
    let mut in_text = false;
    while at < bytes.len() {
        let (length, replacement) = if in_text { text_unit_at(bytes, at) } else { plain_unit_at(bytes, at) };
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

/// Returns the length of the next unit within a text, and its replacement.
fn text_unit_at(bytes: &[u8], at: usize) -> (usize, Option<String>) {
    match bytes[at] {
        b'\\' => match utf16_unit(bytes, at) {
            Some(0xd800..=0xdbff) if matches!(utf16_unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => (12, None),
            Some(0xd800..=0xdfff) => (6, Some("\\ufffd".into())),
            Some(_) => (6, None),
            None if at + 1 < bytes.len() && bytes[at + 1].is_ascii() => (2, None),
            None => (1, None),
        },
        control @ 0..=0x1f => (1, Some(format!("\\u{control:04x}"))),
        _ => (1, None),
    }
}

/// Returns the UTF-16 code unit of an escape `\uXXXX`.
fn utf16_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6).filter(|escape| escape.starts_with(b"\\u"))?;
    let digits = std::str::from_utf8(&escape[2..]).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

/// Returns the length of the next unit outside of texts, and its replacement.
fn plain_unit_at(bytes: &[u8], at: usize) -> (usize, Option<String>) {
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
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(&repair_payload(text.as_bytes())).unwrap()
    }

    #[test]
    fn invalid_json_of_clients_is_repaired() {
        assert_eq!(read(r#"["a\ud800b", "\udc00", "\ud83d\ude00", "\ud800A"]"#), json!(["a\u{fffd}b", "\u{fffd}", "😀", "\u{fffd}A"]));
        assert_eq!(read("[\"a\nb\0\"]"), json!(["a\nb\0"]));
        assert_eq!(
            read(r#"{"n":NaN,"i":-Infinity,"e":1e999,"f":1.5e3,"t":"NaN"}"#),
            json!({"n": null, "i": null, "e": null, "f": 1500.0, "t": "NaN"})
        );
        assert_eq!(read(r#"{"q":"\"\\","r":"\u0000"}"#), json!({"q": "\"\\", "r": "\0"}));
        assert_eq!(serde_json::from_str::<Value>(&repair_payload(b"[\"a\xff\"]")).unwrap(), json!(["a\u{fffd}"]));
    }

    #[test]
    fn too_deeply_nested_json_becomes_text() {
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
        fn json_brackets_of_any_kind_are_read_or_rejected(text in "[\\[\\]{}:,\"\\\\ a1]{0,600}", depth in 0usize..300) {
            let _ = flatten_deep_values(text.clone());
            let around = format!("{}{}{}", "{\"value\":[".repeat(depth), json!(text), "]}".repeat(depth));
            prop_assert!(parse_mended(around.as_bytes(), |text| serde_json::from_str::<Value>(text)).is_ok());
        }

        #[test]
        fn json_repair_never_panics_and_preserves_valid_json(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC*") {
            let _ = repair_payload(&bytes);
            let good = json!({"a": text, "b": [1, 2.5, null]}).to_string();
            prop_assert_eq!(repair_payload(good.as_bytes()), good);
        }
    }
}
