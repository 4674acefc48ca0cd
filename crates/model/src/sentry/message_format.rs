//! Messages with parameters, and levels.

use serde_json::Value;

use super::event_parts::plain_text;

/// Level of an event without one, or with an unknown one.
const DEFAULT_LEVEL: &str = "error";

/// Levels of Sentry, and the names and numbers that loggers and older SDKs use for them.
const LEVELS: &[(&str, &str)] = &[
    ("fatal", "fatal"),
    ("critical", "fatal"),
    ("crit", "fatal"),
    ("emergency", "fatal"),
    ("emerg", "fatal"),
    ("alert", "fatal"),
    ("panic", "fatal"),
    ("dpanic", "fatal"),
    ("50", "fatal"),
    ("60", "fatal"),
    ("error", "error"),
    ("err", "error"),
    ("severe", "error"),
    ("failure", "error"),
    ("exception", "error"),
    ("40", "error"),
    ("warning", "warning"),
    ("warn", "warning"),
    ("30", "warning"),
    ("info", "info"),
    ("information", "info"),
    ("informational", "info"),
    ("notice", "info"),
    ("log", "info"),
    ("config", "info"),
    ("20", "info"),
    ("debug", "debug"),
    ("trace", "debug"),
    ("verbose", "debug"),
    ("fine", "debug"),
    ("finer", "debug"),
    ("finest", "debug"),
    ("notset", "debug"),
    ("10", "debug"),
];

/// Returns the level that a client means; `None` if it is unknown.
pub(super) fn known_level(sent: &str) -> Option<&'static str> {
    let sent = sent.trim();
    LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(sent)).map(|(_, level)| *level)
}

/// Returns the level of an event.
pub(super) fn event_level(sent: Option<&str>) -> &'static str {
    sent.and_then(known_level).unwrap_or(DEFAULT_LEVEL)
}

/// Parameters of a message.
enum MessageParameters<'a> {
    Positional(&'a [Value]),
    Named(&'a serde_json::Map<String, Value>),
}

/// Maximum bytes of a message with its parameters filled in.
const MAX_FORMATTED_BYTES: usize = 32 << 10;

/// Returns a message with its parameters filled in; `None` if the message contains no parameters.
pub(super) fn format_message(message: &str, parameters: &Value) -> Option<String> {
    let parameters = match parameters {
        Value::Array(items) if !items.is_empty() => MessageParameters::Positional(items),
        Value::Object(members) if !members.is_empty() => MessageParameters::Named(members),
        _ => return None,
    };
    let filled = fill(message, &parameters, percent_directive);
    filled.or_else(|| fill(message, &parameters, if is_ruby_format(message) { ruby_directive } else { brace_directive }))
}

/// Returns whether all braces of a message follow a percent sign.
fn is_ruby_format(message: &str) -> bool {
    let count = |part: &str| message.matches(part).count();
    count("%{") + count("%<") > 0 && count("{") == count("%{")
}

/// A reference to a parameter in a message.
struct ParameterReference<'a> {
    /// Name of the parameter; `None` for the next one.
    name: Option<&'a str>,
    /// Position of the parameter, starting at 0.
    position: Option<usize>,
    /// Number of decimal places.
    precision: Option<usize>,
    /// Bytes of the reference.
    length: usize,
    /// Text that the reference stands for without any parameter: an escaped character.
    literal: Option<char>,
}

/// Finds the reference at the start of a text.
type ReferenceParser = fn(&str) -> Option<ParameterReference<'_>>;

/// Fills in the references of one form. Returns `None` if the message has none.
fn fill(message: &str, parameters: &MessageParameters, reference_at: ReferenceParser) -> Option<String> {
    let mut filled = String::with_capacity(message.len());
    let mut found = false;
    let mut next = 0;
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let reference = if matches!(first, '%' | '{' | '}') { reference_at(rest) } else { None };
        let Some(reference) = reference.filter(|_| filled.len() < MAX_FORMATTED_BYTES) else {
            filled.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let (sent, after) = rest.split_at(reference.length);
        rest = after;
        if let Some(literal) = reference.literal {
            filled.push(literal);
            continue;
        }
        match parameter(&reference, parameters, &mut next) {
            Some(value) => {
                found = true;
                push_value(&mut filled, value, reference.precision);
            }
            None => filled.push_str(sent),
        }
    }
    found.then_some(filled)
}

fn parameter<'a>(reference: &ParameterReference, parameters: &MessageParameters<'a>, next: &mut usize) -> Option<&'a Value> {
    match parameters {
        MessageParameters::Named(members) => {
            let name = reference.name?;
            // `{user.name}` and `{items[0]}` refer to a part of a parameter, of which only its text is known.
            members.get(name).or_else(|| members.get(name.split(['.', '[']).next()?))
        }
        MessageParameters::Positional(items) => {
            if let Some(position) = reference.position {
                return items.get(position);
            }
            let value = items.get(*next);
            *next += 1;
            value
        }
    }
}

fn push_value(filled: &mut String, value: &Value, precision: Option<usize>) {
    match (value, precision) {
        (Value::Number(number), Some(places)) if number.as_f64().is_some() => {
            filled.push_str(&format!("{:.places$}", number.as_f64().unwrap_or_default()));
        }
        (Value::Null, _) => filled.push_str("None"),
        (value, _) => filled.push_str(&plain_text(value).unwrap_or_default()),
    }
}

/// Characters that end a directive of C and Python.
const CONVERSIONS: &str = "sdiouxXeEfFgGcrabpqvtTU@";
/// Maximum bytes of flags, width and precision.
const MAX_DIRECTIVE_BYTES: usize = 12;

/// Finds `%s`, `%-5.2f`, `%(name)s`, `%2$s`, `%[2]v` or `%%`.
fn percent_directive(text: &str) -> Option<ParameterReference<'_>> {
    let after = text.strip_prefix('%')?;
    if after.starts_with('%') {
        return Some(ParameterReference { name: None, position: None, precision: None, length: 2, literal: Some('%') });
    }
    let (name, flags) = match after.strip_prefix('(') {
        Some(named) => {
            let (name, flags) = named.split_once(')')?;
            (Some(name), flags)
        }
        None => (None, after),
    };
    // The position starts at 1: `%2$s` in C, PHP and Java, `%[2]v` in Go.
    let digits = flags.strip_prefix('[').unwrap_or(flags).split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let (position, flags) = match flags.strip_prefix('[') {
        Some(numbered) => (digits.parse::<usize>().ok(), numbered.strip_prefix(digits)?.strip_prefix(']')?),
        None => match flags[digits.len()..].strip_prefix('$') {
            Some(flags) => (digits.parse().ok(), flags),
            None => (None, flags),
        },
    };
    let (precision, conversion_length) = conversion(flags)?;
    let length = text.len() - flags.len() + conversion_length;
    Some(ParameterReference { name, position: position.and_then(|number| number.checked_sub(1)), precision, length, literal: None })
}

/// Returns the decimal places and the length of flags, width, precision and conversion at the start of a text.
fn conversion(flags: &str) -> Option<(Option<usize>, usize)> {
    let is_flag = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '#' | '.' | 'l' | 'h' | 'z' | '\'');
    let end = flags.char_indices().find(|(_, c)| !is_flag(*c))?.0;
    let conversion = flags[end..].chars().next().filter(|c| CONVERSIONS.contains(*c) && end <= MAX_DIRECTIVE_BYTES)?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let precision = flags[..end].split_once('.').and_then(|(_, places)| digits(places)).filter(|places| *places <= 20);
    let precision = if matches!(conversion, 'f' | 'F' | 'e' | 'E' | 'g' | 'G') { precision } else { None };
    Some((precision, end + 1))
}

/// Finds `%{name}`, `%<name>s` or `%%`, as Ruby writes them.
fn ruby_directive(text: &str) -> Option<ParameterReference<'_>> {
    let after = text.strip_prefix('%')?;
    if after.starts_with('%') {
        return percent_directive(text);
    }
    let (close, end) = if after.starts_with('{') { ('}', "%{}") } else { ('>', "%<>") };
    let after = after.strip_prefix(['{', '<'])?;
    let (name, flags) = after[..after.floor_char_boundary(MAX_BRACES_BYTES)].split_once(close)?;
    let (precision, conversion_length) = if close == '>' { conversion(flags)? } else { (None, 0) };
    Some(ParameterReference {
        name: Some(name),
        position: None,
        precision,
        length: end.len() + name.len() + conversion_length,
        literal: None,
    })
}

/// Maximum bytes of the name and format in braces.
const MAX_BRACES_BYTES: usize = 80;

/// Finds `{}`, `{0}`, `{name}`, `{name:format}`, `{@name}` or `{{`.
fn brace_directive(text: &str) -> Option<ParameterReference<'_>> {
    let escaped = |literal| Some(ParameterReference { name: None, position: None, precision: None, length: 2, literal: Some(literal) });
    if text.starts_with("{{") {
        return escaped('{');
    }
    if text.starts_with("}}") {
        return escaped('}');
    }
    let after = text.strip_prefix('{')?;
    let end = after.bytes().take(MAX_BRACES_BYTES).position(|byte| byte == b'}')?;
    let inner = &after[..end];
    let name = inner.split([':', '!', ',']).next().unwrap_or(inner).trim_start_matches(['@', '$']);
    let is_name = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']' | ' '));
    is_name.then(|| ParameterReference {
        name: Some(name).filter(|name| !name.is_empty()),
        position: name.parse().ok(),
        precision: None,
        length: end + 2,
        literal: None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_of_all_forms() {
        let cases = [
            ("user %s has %d items", json!(["anna", 3]), "user anna has 3 items"),
            ("%(name)s: %(count)05d of %(count)s", json!({"name": "a", "count": 7}), "a: 7 of 7"),
            ("took %.2f s, 100%%", json!([1.23456]), "took 1.23 s, 100%"),
            ("{} and {}", json!(["a", "b"]), "a and b"),
            ("{1} before {0}", json!(["a", "b"]), "b before a"),
            ("{name} has {count:N0}", json!({"name": "a", "count": 5}), "a has 5"),
            ("Order {OrderId} of {@User}", json!([17, {"id": 1}]), "Order 17 of {\"id\":1}"),
            ("{{literal}} {}", json!(["x"]), "{literal} x"),
            ("%s %s", json!(["only one"]), "only one %s"),
            ("null: %s, %r", json!([null, true]), "null: None, true"),
            ("%v: %w", json!(["left"]), "left: %w"),
            ("100% sure, %s", json!(["yes"]), "100% sure, yes"),
            ("%2$s before %1$05d", json!([7, "two"]), "two before 7"),
            ("%[2]v of %[1]d", json!([1, "two"]), "two of 1"),
            ("user %{name} has %<count>.1f%%", json!({"name": "anna", "count": 3}), "user anna has 3.0%"),
            ("{0}%{1}", json!(["a", "b"]), "a%b"),
        ];
        for (message, parameters, formatted) in cases {
            assert_eq!(format_message(message, &parameters).as_deref(), Some(formatted), "{message}");
        }
        for (message, parameters) in
            [("plain", json!(["x"])), ("%s", json!([])), ("%s", json!(null)), ("%(a)s", json!({"b": 1})), ("{", json!(["x"]))]
        {
            assert_eq!(format_message(message, &parameters), None, "{message}");
        }
    }

    #[test]
    fn levels_of_loggers() {
        let cases = [("log", "info"), ("CRITICAL", "fatal"), ("40", "error"), ("warn", "warning"), ("trace", "debug"), ("odd", "error")];
        for (sent, known) in cases {
            assert_eq!(event_level(Some(sent)), known, "{sent}");
        }
        assert_eq!(event_level(None), "error");
    }

    proptest! {
        #[test]
        fn any_message_can_be_filled(message in "[%{}()sd.a0-9é]{0,60}", parameters in proptest::collection::vec("[a-z%{}]{0,5}", 0..4)) {
            let _ = format_message(&message, &json!(parameters));
        }
    }
}
