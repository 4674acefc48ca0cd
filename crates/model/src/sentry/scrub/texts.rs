//! Finds and replaces sensitive parts of texts: credentials, keys, cards, and values in the queries of URLs.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::{Captures, Regex};

use super::{FILTERED, is_sensitive_name};

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

/// Formats of API keys, which reveal a key without a name beside it: how such a key starts, and what follows.
const API_KEY_FORMATS: &[(&str, &str)] = &[
    // OpenAI, Anthropic, OpenRouter, DeepSeek, Langfuse, LiteLLM.
    ("sk-", "[A-Za-z0-9_-]{16,}"),
    ("gsk_", "[A-Za-z0-9]{20,}"),
    ("xai-", "[A-Za-z0-9]{20,}"),
    ("pplx-", "[A-Za-z0-9]{20,}"),
    ("fw_", "[A-Za-z0-9]{20,}"),
    ("nvapi-", "[A-Za-z0-9_-]{20,}"),
    ("hf_", "[A-Za-z0-9]{20,}"),
    ("r8_", "[A-Za-z0-9]{20,}"),
    ("tvly-", "[A-Za-z0-9_-]{20,}"),
    ("AIza", "[A-Za-z0-9_-]{30,}"),
    ("ya29.", "[A-Za-z0-9_-]{20,}"),
    ("AKIA", "[A-Z0-9]{16}"),
    ("ASIA", "[A-Z0-9]{16}"),
    ("ABSK", "[A-Za-z0-9+/=]{40,}"),
    ("ghp_", "[A-Za-z0-9]{30,}"),
    ("gho_", "[A-Za-z0-9]{30,}"),
    ("ghs_", "[A-Za-z0-9]{30,}"),
    ("ghu_", "[A-Za-z0-9]{30,}"),
    ("github_pat_", "[A-Za-z0-9_]{30,}"),
    ("glpat-", "[A-Za-z0-9_-]{20,}"),
    ("xoxb-", "[A-Za-z0-9-]{20,}"),
    ("xoxp-", "[A-Za-z0-9-]{20,}"),
    ("sk_live_", "[A-Za-z0-9]{16,}"),
    ("sk_test_", "[A-Za-z0-9]{16,}"),
    ("rk_live_", "[A-Za-z0-9]{16,}"),
    // JSON Web Tokens.
    ("eyJ", r"[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
];

/// Names of values that grant access where they stand in the query of a URL, in lower case and without separators. Elsewhere these
/// names mean other things, such as the signature of a function.
const SENSITIVE_QUERY_NAMES: &[&str] = &["sig", "signature", "xamzsignature", "xgoogsignature", "xosssignature", "awsaccesskeyid"];

/// The rows of [`SENSITIVE_TEXTS`]: their words, with the row of each, and their patterns.
struct SensitiveTextPatterns {
    words: AhoCorasick,
    rows: Vec<usize>,
    patterns: Vec<Regex>,
    /// How the keys of [`API_KEY_FORMATS`] start, and whole keys.
    key_prefixes: AhoCorasick,
    key: Regex,
    card: Regex,
    /// A pair of a query string: what is before it, its name and its value.
    query_pair: Regex,
}

static SENSITIVE_TEXT_PATTERNS: LazyLock<SensitiveTextPatterns> = LazyLock::new(|| {
    let words = SENSITIVE_TEXTS.iter().enumerate().flat_map(|(row, (words, _))| words.iter().map(move |word| (row, *word)));
    let (rows, words): (Vec<usize>, Vec<&str>) = words.unzip();
    let pattern = |text: &str| Regex::new(text).expect("a constant pattern");
    let keys: Vec<String> = API_KEY_FORMATS.iter().map(|(prefix, rest)| regex::escape(prefix) + rest).collect();
    SensitiveTextPatterns {
        words: AhoCorasick::builder().ascii_case_insensitive(true).build(words).expect("the words of the table are few and short"),
        rows,
        patterns: SENSITIVE_TEXTS.iter().map(|(_, text)| pattern(text)).collect(),
        key_prefixes: AhoCorasick::new(API_KEY_FORMATS.iter().map(|(prefix, _)| prefix)).expect("the prefixes are few and short"),
        key: pattern(&format!(r"\b({})", keys.join("|"))),
        card: pattern(r"\b(\d(?:[ -]?\d){12,18})\b"),
        query_pair: pattern(r#"(^|&amp;|\\u0026|[?&'"])([\w.%\[\]-]{2,64})=([^&#\s'"<>\\]+)"#),
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
pub(crate) fn scrub_text(text: &mut String) {
    let patterns = &*SENSITIVE_TEXT_PATTERNS;
    // Each pattern alone takes time in proportion to the text, and most texts need none.
    let mut rows = [false; SENSITIVE_TEXTS.len()];
    patterns.words.find_overlapping_iter(text.as_str()).for_each(|found| rows[patterns.rows[found.pattern().as_usize()]] = true);
    for (pattern, _) in patterns.patterns.iter().zip(rows).filter(|(_, is_needed)| *is_needed) {
        replace_first_group(text, pattern, |_| true);
    }
    if patterns.key_prefixes.is_match(text.as_str()) {
        replace_first_group(text, &patterns.key, |_| true);
    }
    if text.bytes().filter(u8::is_ascii_digit).take(MIN_CARD_DIGITS).count() == MIN_CARD_DIGITS {
        replace_first_group(text, &patterns.card, is_card_number);
    }
    if memchr::memchr(b'=', text.as_bytes()).is_some() && memchr::memchr3(b'?', b'&', b'\\', text.as_bytes()).is_some() {
        scrub_queries(text, &patterns.query_pair);
    }
}

/// Returns whether a pair of a query string is sensitive. Counts of tokens are not.
pub(in crate::sentry) fn is_sensitive_query_pair(name: &str, value: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let is_count = letters.contains("token") && value.bytes().all(|byte| byte.is_ascii_digit());
    SENSITIVE_QUERY_NAMES.contains(&letters.as_str()) || (is_sensitive_name(name) && !is_count)
}

/// Ways in which an `&` between two pairs of a query is written: as it is, in HTML, and in JSON of some encoders.
const QUERY_SEPARATORS: [&str; 3] = ["&amp;", "\\u0026", "&"];

/// Replaces the sensitive values of query strings in a text, alone or within URLs. A pair belongs to one if a `?` or `&` is beside it.
fn scrub_queries(text: &mut String, query_pair: &Regex) {
    let mut scrubbed = String::new();
    let mut copied = 0;
    for found in query_pair.captures_iter(text) {
        let (before, name, value) = (&found[1], &found[2], found.get(3).expect("the pattern has three groups"));
        let is_separator = |text: &str| QUERY_SEPARATORS.iter().any(|separator| text.starts_with(separator));
        let is_in_query = before == "?" || is_separator(before) || is_separator(&text[value.end()..]);
        if is_in_query && is_sensitive_query_pair(name, value.as_str()) {
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
