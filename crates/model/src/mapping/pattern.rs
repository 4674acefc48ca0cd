//! Patterns of names and values.

use regex::Regex;

/// Maximum number of `*` in a pattern.
const MAX_STARS: usize = 8;

/// A text in which `*` stands for any text, including the empty text. Upper and lower case are different.
#[derive(Debug, Clone)]
pub(super) struct NamePattern {
    text: String,
    /// The pattern as a regular expression; `None` for a text without `*`.
    expression: Option<Regex>,
}

impl NamePattern {
    /// Returns the pattern; `None` if it has too many `*`.
    pub(super) fn new(text: &str) -> Option<NamePattern> {
        if !text.contains('*') {
            return Some(NamePattern { text: text.to_owned(), expression: None });
        }
        if text.matches('*').count() > MAX_STARS {
            return None;
        }
        let parts: Vec<String> = text.split('*').map(regex::escape).collect();
        let expression = Regex::new(&format!("^(?s:{})$", parts.join(".*"))).ok()?;
        Some(NamePattern { text: text.to_owned(), expression: Some(expression) })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.expression.as_ref().map_or_else(|| self.text == text, |expression| expression.is_match(text))
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &NamePattern) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_stands_for_any_text() {
        let matches = |pattern: &str, text: &str| NamePattern::new(pattern).unwrap().matches(text);
        for (pattern, text, expected) in [
            ("acme.call", "acme.call", true),
            ("acme.call", "acmeXcall", false),
            ("acme.*", "acme.", true),
            ("acme.*", "acme.call\nof two lines", true),
            ("*call", "acme.calls", false),
            ("a*c*", "abc", true),
            ("*", "", true),
            ("a+*", "aa", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
