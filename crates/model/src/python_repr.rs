//! Parses Python's `repr` of values, which programs send if they print a list of messages instead of serializing it: single quotes,
//! `None`, `True`, tuples, and objects such as `ChatMessage(role=<Role.USER: 'user'>, blocks=[])`.

use serde_json::{Map, Number, Value};

use crate::decode_budget;

/// Maximum nesting depth of values.
const MAX_DEPTH: u8 = 64;

/// Prefix of a message that LlamaIndex prints.
const MESSAGE_PREFIX: &str = "ChatMessage(";

/// Returns whether a text may be the `repr` of messages.
pub(crate) fn may_be_messages(text: &str) -> bool {
    text.starts_with(['{', '[', '(']) || text.starts_with(MESSAGE_PREFIX)
}

/// Parses a text that is exactly one Python literal: a dictionary, a list of dictionaries, or a message. Other literals are left alone: a
/// model may respond with `['a', 'b']` and mean it literally.
pub(crate) fn messages(text: &str) -> Option<Value> {
    let text = text.trim();
    let value = may_be_messages(text).then(|| read(text))??;
    let is_structure = match &value {
        Value::Object(_) => true,
        Value::Array(items) => items.first().is_some_and(Value::is_object),
        _ => false,
    };
    is_structure.then_some(value)
}

/// Parses a text that is exactly one Python literal.
pub(crate) fn read(text: &str) -> Option<Value> {
    let mut reader = PythonReprParser { rest: text.trim() };
    let value = reader.value(MAX_DEPTH)?;
    reader.rest.trim_start().is_empty().then_some(value)
}

struct PythonReprParser<'a> {
    rest: &'a str,
}

impl PythonReprParser<'_> {
    /// Skips blanks, and then the character if it is next.
    fn skip(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        let next = self.rest.strip_prefix(wanted);
        self.rest = next.unwrap_or(self.rest);
        next.is_some()
    }

    fn value(&mut self, depth: u8) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '[' => self.items('[', ']', depth),
            '(' => self.items('(', ')', depth),
            '{' => self.dictionary(depth),
            '\'' | '"' => self.text(false).map(Value::String),
            'b' | 'u' | 'r' if self.rest[1..].starts_with(['\'', '"']) => {
                let raw = self.rest.starts_with('r');
                self.rest = &self.rest[1..];
                self.text(raw).map(Value::String)
            }
            '<' => self.parse_enum_member(depth),
            _ => self.parse_word(depth),
        }
    }

    /// Parses the value of an enum member: `<Role.USER: 'user'>`.
    fn parse_enum_member(&mut self, depth: u8) -> Option<Value> {
        let (name, rest) = self.rest[1..].split_once(": ")?;
        if !name.chars().all(is_of_name) {
            return None;
        }
        self.rest = rest;
        let value = self.value(depth)?;
        self.skip('>').then_some(value)
    }

    /// Parses the arguments of an object's constructor, all of which must be named.
    fn object(&mut self, depth: u8) -> Option<Value> {
        self.skip('(');
        let mut members = Map::new();
        while !self.skip(')') {
            self.rest = self.rest.trim_start();
            let (name, rest) = self.rest.split_once('=')?;
            if name.is_empty() || !name.chars().all(is_of_name) {
                return None;
            }
            self.rest = rest;
            decode_budget::charge(decode_budget::member_bytes(name, members.is_empty())).then_some(())?;
            members.insert(name.to_owned(), self.value(depth)?);
            if !self.skip(',') {
                return self.skip(')').then_some(Value::Object(members));
            }
        }
        Some(Value::Object(members))
    }

    fn items(&mut self, open: char, close: char, depth: u8) -> Option<Value> {
        self.skip(open);
        let mut items = Vec::new();
        while !self.skip(close) {
            items.push(self.value(depth)?);
            decode_budget::charge(decode_budget::ELEMENT_BYTES).then_some(())?;
            if !self.skip(',') {
                return self.skip(close).then_some(Value::Array(items));
            }
        }
        Some(Value::Array(items))
    }

    fn dictionary(&mut self, depth: u8) -> Option<Value> {
        self.skip('{');
        let mut members = Map::new();
        while !self.skip('}') {
            let key = match self.value(depth)? {
                Value::String(key) => key,
                key @ (Value::Null | Value::Bool(_) | Value::Number(_)) => key.to_string(),
                Value::Array(_) | Value::Object(_) => return None,
            };
            if !self.skip(':') {
                return None;
            }
            decode_budget::charge(decode_budget::member_bytes(&key, members.is_empty())).then_some(())?;
            members.insert(key, self.value(depth)?);
            if !self.skip(',') {
                return self.skip('}').then_some(Value::Object(members));
            }
        }
        Some(Value::Object(members))
    }

    /// Parses a constant, a number or an object.
    fn parse_word(&mut self, depth: u8) -> Option<Value> {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(match word {
            "None" => Value::Null,
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            // JSON has no such numbers.
            "nan" | "inf" | "-inf" => Value::Null,
            _ if rest.starts_with('(') && word.starts_with(is_of_name) => self.object(depth)?,
            _ if !word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => return None,
            _ => Value::Number(number(word)?),
        })
    }

    /// Parses a quoted text and resolves its escapes. A raw one keeps them.
    fn text(&mut self, raw: bool) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let triple: String = [quote; 3].iter().collect();
        let end = if self.rest.starts_with(&triple) { triple } else { quote.to_string() };
        let mut rest = &self.rest[end.len()..];
        let mut text = String::new();
        loop {
            if let Some(after) = rest.strip_prefix(end.as_str()) {
                self.rest = after;
                return Some(text);
            }
            let mut chars = rest.chars();
            match chars.next()? {
                '\\' if raw => {
                    text.push('\\');
                    text.push(chars.next()?);
                    rest = chars.as_str();
                }
                '\\' => rest = escape(chars.as_str(), &mut text)?,
                plain => {
                    text.push(plain);
                    rest = chars.as_str();
                }
            }
        }
    }
}

/// Resolves the escape after a backslash, and returns the text after it.
fn escape<'a>(rest: &'a str, text: &mut String) -> Option<&'a str> {
    let mut chars = rest.chars();
    let code = |digits: &str, radix| char::from_u32(u32::from_str_radix(digits, radix).ok()?);
    let (found, after) = match chars.next()? {
        '\n' => return Some(chars.as_str()),
        'n' => ('\n', 1),
        'r' => ('\r', 1),
        't' => ('\t', 1),
        'a' => ('\u{7}', 1),
        'b' => ('\u{8}', 1),
        'f' => ('\u{c}', 1),
        'v' => ('\u{b}', 1),
        same @ ('\\' | '\'' | '"') => (same, 1),
        '0'..='7' => {
            let length = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            (code(&rest[..length], 8)?, length)
        }
        sort @ ('x' | 'u' | 'U') => {
            let end = 1 + if sort == 'x' {
                2
            } else if sort == 'u' {
                4
            } else {
                8
            };
            // An unpaired surrogate is not a character.
            let digits = rest.get(1..end).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            (code(digits, 16).unwrap_or('\u{fffd}'), end)
        }
        // Python keeps a backslash that starts no escape.
        _ => ('\\', 0),
    };
    text.push(found);
    rest.get(after..)
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

fn number(word: &str) -> Option<Number> {
    if let Ok(whole) = word.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = word.parse::<u64>() {
        return Some(whole.into());
    }
    Number::from_f64(word.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_python_prints() {
        let cases = [
            ("[{'role': 'user', 'content': \"it's\", 'n': None}]", json!([{"role": "user", "content": "it's", "n": null}])),
            ("{'a': True, 'b': (1, -2.5, 1e3,), 3: {}}", json!({"a": true, "b": [1, -2.5, 1000.0], "3": {}})),
            (r"{'t': 'a\n\'b\' \x41\u00e9\U0001f600\101\d'}", json!({"t": "a\n'b' A\u{e9}\u{1f600}A\\d"})),
            ("{'bytes': b'ab', 'raw': r'a\\d', 'long': '''a'b\nc'''}", json!({"bytes": "ab", "raw": "a\\d", "long": "a'b\nc"})),
            (
                "ChatMessage(role=<MessageRole.USER: 'user'>, extra={}, blocks=[TextBlock(block_type='text', text='Hi')])",
                json!({"role": "user", "extra": {}, "blocks": [{"block_type": "text", "text": "Hi"}]}),
            ),
            ("({'a': inf}, {'b': 18446744073709551615})", json!([{"a": null}, {"b": 18446744073709551615_u64}])),
        ];
        for (text, expected) in cases {
            assert_eq!(messages(text), Some(expected), "{text}");
        }
        for text in [
            "['a', 'b']",
            "[1] is a footnote",
            "{'a'}",
            "{'a': 1",
            "{'a': 1} and more",
            "{'a': open('x')}",
            "print(a=1)",
            "{'a': <b>}",
            "{a: 1}",
            "[]",
            "{'a': 'b",
        ] {
            assert_eq!(messages(text), None, "{text}");
        }
        assert_eq!(messages(&"[".repeat(100_000)), None);
    }

    /// Returns what Python's `repr` prints for a value that `json.loads` has read.
    fn to_repr(value: &Value) -> String {
        let text = |text: &str| {
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            let mut printed = String::from(quote);
            for c in text.chars() {
                match c {
                    '\\' => printed.push_str("\\\\"),
                    '\n' => printed.push_str("\\n"),
                    c if c == quote => printed.extend(['\\', c]),
                    c if c.is_control() => printed.push_str(&format!("\\x{:02x}", c as u32)),
                    c => printed.push(c),
                }
            }
            printed.push(quote);
            printed
        };
        match value {
            Value::Null => "None".into(),
            Value::Bool(true) => "True".into(),
            Value::Bool(false) => "False".into(),
            Value::Number(number) => number.to_string(),
            Value::String(string) => text(string),
            Value::Array(items) => format!("[{}]", items.iter().map(to_repr).collect::<Vec<_>>().join(", ")),
            Value::Object(members) => {
                let members: Vec<String> = members.iter().map(|(key, value)| format!("{}: {}", text(key), to_repr(value))).collect();
                format!("{{{}}}", members.join(", "))
            }
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e12f64..1e12).prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            "['\"\\\\nxu\n]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn printed_values_are_parsed_back(value in any_json()) {
            let whole = json!({ "value": value });
            prop_assert_eq!(messages(&to_repr(&whole)), Some(whole));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "[\\[\\](){}'\"\\\\xuU0-9a-fbr,: .\\-NTFé☕\n<>=]{0,60}", any in ".{0,40}") {
            let _ = messages(&text);
            let _ = messages(&format!("{{{text}"));
            let _ = messages(&format!("ChatMessage({text}"));
            let _ = messages(&any);
        }
    }
}
