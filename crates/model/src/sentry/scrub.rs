//! Removes sensitive values from what clients send with an error, and limits its size.
//!
//! A value is replaced if its name is in [`SENSITIVE_NAMES`]. In texts, numbers of payment cards, credentials and private keys are
//! replaced. Both rules follow the public description of the data that Sentry's servers remove by default.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::{Captures, Regex};
use serde_json::{Map, Value};

use super::error_event::ErrorEvent;
use crate::messages::{TextLimit, trim_text};

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

/// Sensitive parts of texts by the words that such a text contains. The first group is replaced.
const SENSITIVE_TEXTS: &[(&[&str], &str)] = &[
    (&["bearer ", "basic "], r"(?i)\b(?:bearer|basic)\s+([a-z0-9+/._~=-]{8,})"),
    (&["private key"], r"-----BEGIN [A-Z ]*PRIVATE KEY-----([^-]*)"),
    (&["://"], r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:([^\s/@]+)@"),
    (
        &["password", "passwd", "secret", "key", "token", "mysql_pwd", "session"],
        r#"(?i)(?:password|passwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token|private[_-]?key|mysql_pwd|session[_-]?id)["']?\s*[=:]\s*["']?([^\s&"',;<>{}\[\])]+)"#,
    ),
];

/// The rows of [`SENSITIVE_TEXTS`]: their words, with the row of each, and their patterns.
struct SensitiveTextPatterns {
    words: AhoCorasick,
    rows: Vec<usize>,
    patterns: Vec<Regex>,
    card: Regex,
    /// A pair of a query string: what is before it, its name and its value.
    query_pair: Regex,
}

static SENSITIVE_TEXT_PATTERNS: LazyLock<SensitiveTextPatterns> = LazyLock::new(|| {
    let words = SENSITIVE_TEXTS.iter().enumerate().flat_map(|(row, (words, _))| words.iter().map(move |word| (row, *word)));
    let (rows, words): (Vec<usize>, Vec<&str>) = words.unzip();
    let pattern = |text: &str| Regex::new(text).expect("a constant pattern");
    SensitiveTextPatterns {
        words: AhoCorasick::builder().ascii_case_insensitive(true).build(words).expect("the table has only a few short words"),
        rows,
        patterns: SENSITIVE_TEXTS.iter().map(|(_, text)| pattern(text)).collect(),
        card: pattern(r"\b(\d(?:[ -]?\d){12,18})\b"),
        query_pair: pattern(r#"(^|[?&'"])([\w.%\[\]-]{2,64})=([^&#\s'"<>]+)"#),
    }
});

/// Minimum number of digits of a card.
const MIN_CARD_DIGITS: usize = 13;

/// Returns whether digits are the number of a payment card: they start as one and have its check digit.
fn is_card_number(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 = digits.iter().rev().enumerate().map(|(at, digit)| if at % 2 == 1 { doubled(*digit) } else { *digit }).sum();
    matches!(digits.first(), Some(2..=6)) && sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != digits[0])
}

/// Replaces sensitive parts of a text.
fn scrub_text(text: &mut String) {
    let patterns = &*SENSITIVE_TEXT_PATTERNS;
    // Each pattern alone takes time in proportion to the text, and most texts need none.
    let mut rows = [false; SENSITIVE_TEXTS.len()];
    patterns.words.find_overlapping_iter(text.as_str()).for_each(|found| rows[patterns.rows[found.pattern().as_usize()]] = true);
    for (pattern, _) in patterns.patterns.iter().zip(rows).filter(|(_, is_needed)| *is_needed) {
        replace_first_group(text, pattern, |_| true);
    }
    if text.bytes().filter(u8::is_ascii_digit).take(MIN_CARD_DIGITS).count() == MIN_CARD_DIGITS {
        replace_first_group(text, &patterns.card, is_card_number);
    }
    if memchr::memchr(b'=', text.as_bytes()).is_some() && memchr::memchr2(b'?', b'&', text.as_bytes()).is_some() {
        scrub_queries(text, &patterns.query_pair);
    }
}

/// Replaces the sensitive values of query strings in a text, alone or within URLs. A pair belongs to one if a `?` or `&` is beside it.
fn scrub_queries(text: &mut String, query_pair: &Regex) {
    let mut scrubbed = String::new();
    let mut copied = 0;
    for found in query_pair.captures_iter(text) {
        let (before, name, value) = (&found[1], &found[2], found.get(3).expect("the pattern has three groups"));
        let is_in_query = matches!(before, "?" | "&") || text[value.end()..].starts_with('&');
        if is_in_query && is_sensitive_name(name) {
            scrubbed.push_str(&text[copied..value.start()]);
            scrubbed.push_str(FILTERED);
            copied = value.end();
        }
    }
    if copied > 0 {
        scrubbed.push_str(&text[copied..]);
        *text = scrubbed;
    }
}

/// Replaces the first group of each match that is sensitive.
fn replace_first_group(text: &mut String, pattern: &Regex, is_sensitive: fn(&str) -> bool) {
    let replace = |found: &Captures| {
        let whole = found.get(0).expect("group 0 is the match");
        match found.get(1).filter(|group| is_sensitive(group.as_str())) {
            Some(group) => {
                let (start, end) = (group.start() - whole.start(), group.end() - whole.start());
                format!("{}{FILTERED}{}", &whole.as_str()[..start], &whole.as_str()[end..])
            }
            None => whole.as_str().to_owned(),
        }
    };
    if let Cow::Owned(scrubbed) = pattern.replace_all(text, replace) {
        *text = scrubbed;
    }
}

/// Replaces sensitive parts in the messages and tags of an error. Other data of the error is scrubbed while it is read, see
/// [`bounded_object`].
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_secrets() {
        let sensitive = [
            "password",
            "userPassword",
            "DB_PASSWORD",
            "passwd",
            "secret",
            "SECRET_KEY_BASE",
            "api_key",
            "X-Api-Key",
            "apikey",
            "auth",
            "Authorization",
            "Proxy-Authorization",
            "x-auth-token",
            "credentials",
            "mysql_pwd",
            "privatekey",
            "private_key",
            "token",
            "access_token",
            "accessToken",
            "csrftoken",
            "X-CSRF-Token",
            "Cookie",
            "Set-Cookie",
            "sessionid",
            "session_id",
            "PHPSESSID",
            "stripetoken",
            "card[number]",
            "bearer",
            "id_token",
        ];
        for name in sensitive {
            assert!(is_sensitive_name(name), "{name}");
        }
        for name in ["author", "authority", "max_tokens", "prompt_tokens", "tokenizer", "passenger", "user", "sessions_open", "inside", ""]
        {
            assert!(!is_sensitive_name(name), "{name}");
        }
    }

    #[test]
    fn secrets_in_texts() {
        let scrubbed = |text: &str| {
            let mut text = text.to_owned();
            scrub_text(&mut text);
            text
        };
        assert_eq!(scrubbed("card 4242 4242 4242 4242 was declined"), "card [Filtered] was declined");
        assert_eq!(scrubbed("order 4242424242424243 failed"), "order 4242424242424243 failed", "its check digit is wrong");
        assert_eq!(scrubbed("Authorization: Bearer abcdef.ghijkl"), "Authorization: Bearer [Filtered]");
        assert_eq!(scrubbed("postgres://app:hunter2@db/shop"), "postgres://app:[Filtered]@db/shop");
        assert_eq!(scrubbed("a=1&password=hunter2&b=2"), "a=1&password=[Filtered]&b=2");
        assert_eq!(scrubbed(r#"{"api_key": "k-123", "n": 1}"#), r#"{"api_key": "[Filtered]", "n": 1}"#);
        assert_eq!(scrubbed("the password is wrong"), "the password is wrong");
        assert_eq!(
            scrubbed("GET https://shop.example/pay?cart=3&token=hunter2#top"),
            "GET https://shop.example/pay?cart=3&token=[Filtered]#top"
        );
        assert_eq!(scrubbed("'sid=hunter2&cart=3&auth=hunter2'"), "'sid=[Filtered]&cart=3&auth=[Filtered]'");
        for plain in ["/pay?max_tokens=5&cart=3", "if (token = next() && more)", "token=5 of 7", "is token=x right?", "author=anna&page=2"]
        {
            assert_eq!(scrubbed(plain), plain);
        }
    }

    #[test]
    fn secrets_in_addresses() {
        let value = json!({"url": "https://shop.example/?page=2&token=hunter2#top", "text": "see a?token=b", "call": "GET https://a.example/x?api_key=k&n=1 failed"});
        let limit = DataLimit { bytes: 1000, text: 1000, depth: 2 };
        assert_eq!(
            Value::Object(bounded_object(value, limit)),
            json!({"url": "https://shop.example/?page=2&token=[Filtered]#top", "text": "see a?token=[Filtered]", "call": "GET https://a.example/x?api_key=[Filtered]&n=1 failed"})
        );
    }

    #[test]
    fn sensitive_members_are_replaced_and_large_ones_cut() {
        let limit = DataLimit { bytes: 400, text: 10, depth: 2 };
        let value =
            json!({"password": "x", "token": 5, "credentials": {"user": "a", "pin": 1}, "headers": [["Cookie", "a=b"], ["Accept", "*"]]});
        assert_eq!(
            Value::Object(bounded_object(value, limit)),
            json!({"password": "[Filtered]", "token": 5, "credentials": {"user": "a", "pin": 1}, "headers": [["Cookie", "[Filtered]"], ["Accept", "*"]]})
        );
        let limit = DataLimit { bytes: 120, ..limit };
        let value = json!({"long": "x".repeat(50), "deep": {"a": {"b": {"c": 1}}}});
        assert_eq!(
            Value::Object(bounded_object(value, limit)),
            json!({"deep": {"a": {"b": "[1 members]"}}, "long": format!("{}… [40 bytes cut]", "x".repeat(10))})
        );
        let many: Map<String, Value> = (0..1000).map(|n| (format!("n{n}"), json!(n))).collect();
        let kept = bounded_object(many.into(), limit);
        assert!(kept.len() < 20 && kept["…"] == format!("[{} more cut]", 1001 - kept.len()), "{kept:?}");
        assert_eq!(
            bounded_object(json!([["a", 1], ["secret", "x"]]), limit),
            *json!({"a": 1, "secret": "[Filtered]"}).as_object().unwrap()
        );
    }

    proptest! {
        #[test]
        fn any_text_can_be_scrubbed(text in "\\PC{0,200}", name in "\\PC{0,60}") {
            let mut text = text;
            scrub_text(&mut text);
            let _ = is_sensitive_name(&name);
        }
    }
}
