//! Reads objects that programs print as text: JSON, Python's `repr`, and Go's `%v` and `%+v`.

use serde_json::{Map, Value};

use crate::{decode_budget, python_repr};

/// Maximum nesting depth of Go's values.
const MAX_DEPTH: u8 = 8;

/// Returns the object that a text represents in any of these notations.
pub(crate) fn object(text: &str) -> Option<Map<String, Value>> {
    let text = text.trim();
    if !text.starts_with(['{', '&']) && !text.starts_with("map[") {
        return None;
    }
    crate::lenient_json::object(text).ok().or_else(|| match python_repr::read(text).or_else(|| go(text))? {
        Value::Object(object) => Some(object),
        _ => None,
    })
}

/// Parses a text that is exactly one of Go's maps (`map[cached:5 audio:0]`) or structs with names (`{Cached:5 Audio:0}`).
fn go(text: &str) -> Option<Value> {
    let mut reader = GoValueParser { rest: text };
    let value = reader.value(MAX_DEPTH)?;
    reader.rest.is_empty().then_some(value)
}

struct GoValueParser<'a> {
    rest: &'a str,
}

impl GoValueParser<'_> {
    fn value(&mut self, depth: u8) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        let rest = self.rest.strip_prefix('&').unwrap_or(self.rest);
        if let Some(members) = rest.strip_prefix("map[") {
            self.rest = members;
            return self.members(']', depth);
        }
        if let Some(members) = rest.strip_prefix('{') {
            self.rest = members;
            return self.members('}', depth);
        }
        let end = self.rest.find([' ', ']', '}']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        // A pointer is printed as its address.
        Some(match word {
            "" => return None,
            "<nil>" => Value::Null,
            "true" => true.into(),
            "false" => false.into(),
            word => word.parse::<u64>().map(Value::from).unwrap_or_else(|_| word.into()),
        })
    }

    fn members(&mut self, close: char, depth: u8) -> Option<Value> {
        let mut members = Map::new();
        loop {
            self.rest = self.rest.trim_start_matches(' ');
            if let Some(rest) = self.rest.strip_prefix(close) {
                self.rest = rest;
                return Some(Value::Object(members));
            }
            let (name, rest) = self.rest.split_once(':')?;
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
                return None;
            }
            self.rest = rest;
            decode_budget::charge(decode_budget::member_bytes(name, members.is_empty())).then_some(())?;
            members.insert(name.to_owned(), self.value(depth)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn one_object_in_every_notation() {
        let expected = json!({"cached": 5, "audio": 0, "more": {"hour": 7}});
        for text in [
            r#"{"cached": 5, "audio": 0, "more": {"hour": 7}}"#,
            "{'cached': 5, 'audio': 0, 'more': {'hour': 7}}",
            "map[audio:0 cached:5 more:map[hour:7]]",
            "{cached:5 audio:0 more:{hour:7}}",
            "&{cached:5 audio:0 more:&{hour:7}}",
        ] {
            assert_eq!(object(text).map(Value::Object), Some(expected.clone()), "{text}");
        }
        assert_eq!(object("{Cached:<nil> At:0xc000012345}").map(Value::Object), Some(json!({"Cached": null, "At": "0xc000012345"})));
        for text in ["map", "map[", "map[a]", "{5 0}", "{a:1", "[1]", "5", "{a b:1}", ""] {
            assert_eq!(object(text), None, "{text}");
        }
        assert_eq!(object(&"map[a:".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[&{}\\[\\]map:a-z0-9 <>é]{0,60}") {
            let _ = object(&text);
            let _ = object(&format!("map[{text}"));
        }
    }
}
