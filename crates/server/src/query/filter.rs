//! The filter language: `model:gpt-4o,gpt-4o-mini status:error -user:u_1 cost:>0.01 "words in the text"`.
//!
//! Terms side by side mean *and*. This file reads the text; what it means for columns is said elsewhere.

use std::fmt;

/// The fields that a term may name, beside `tag.NAME` and `attr.NAME`.
pub const FIELDS: &[&str] = &[
    "model",
    "provider",
    "op",
    "kind",
    "status",
    "name",
    "user",
    "session",
    "agent",
    "tool",
    "pipeline",
    "prompt",
    "release",
    "environment",
    "service",
    "thread",
    "key",
    "trace",
    "span",
    "cost",
    "duration",
    "input_tokens",
    "output_tokens",
    "total_tokens",
];

/// Maximum number of terms in a filter. The query planner handles joined conditions recursively, on a stack of two megabytes: some 130 terms
/// overflow it.
pub const MAX_TERMS: usize = 64;
/// Maximum number of values in a filter, over all terms.
pub const MAX_VALUES: usize = 1000;

/// Why a filter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No such field.
    #[error("unknown field {0:?}; there are {list}, tag.NAME and attr.NAME", list = FIELDS.join(" "))]
    UnknownField(String),
    /// A field without a value.
    #[error("{0}: needs a value, such as {0}:x, or {0}:* for any")]
    NoValue(String),
    /// A quotation mark without its partner.
    #[error("a quotation mark at character {0} is not closed")]
    OpenQuote(usize),
    /// More than [`MAX_TERMS`].
    #[error("the filter has {0} terms; the limit is {MAX_TERMS}")]
    TooManyTerms(usize),
    /// More than [`MAX_VALUES`].
    #[error("the filter has {0} values; the limit is {MAX_VALUES}")]
    TooManyValues(usize),
}

impl FilterError {
    /// Returns how to fix the filter.
    pub fn hint(&self) -> &'static str {
        match self {
            FilterError::TooManyTerms(_) => "To search for a text, put it in quotation marks: \"words in the text\".",
            FilterError::TooManyValues(_) => "Use a pattern such as user:eu-*, or split the list over several queries.",
            _ => "Example: model:gpt-4o* status:error cost:>0.01 \"words in the text\"",
        }
    }
}

/// How a number stands to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Order {
    const SIGNS: [(&'static str, Order); 4] = [(">=", Order::AtLeast), ("<=", Order::AtMost), (">", Order::Above), ("<", Order::Below)];

    fn sign(self) -> &'static str {
        Self::SIGNS.iter().find(|(_, order)| *order == self).map_or("", |(sign, _)| sign)
    }
}

/// What a field must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// One of these values.
    OneOf(Vec<String>),
    /// On this side of a bound, which is kept as written (`2s`, `0.01`).
    Compare(Order, String),
    /// Anything but absent.
    Present,
}

/// One term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// A test of a field; `not` turns it round.
    Field {
        /// True for `-field:value`.
        not: bool,
        /// One of [`FIELDS`], or `tag.NAME`, `attr.NAME`.
        field: String,
        /// What it must be.
        test: Test,
    },
    /// Words in prompts and answers, in any case of letters.
    Text {
        /// True for `-"words"`.
        not: bool,
        /// The words.
        text: String,
    },
}

impl Term {
    fn values(&self) -> usize {
        match self {
            Term::Field { test: Test::OneOf(values), .. } => values.len(),
            _ => 1,
        }
    }
}

/// A filter: all terms must hold. The empty one lets everything pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter(pub Vec<Term>);

impl Filter {
    /// Reads the text of a filter.
    ///
    /// # Errors
    ///
    /// When it is not a filter, or has more than [`MAX_TERMS`] terms or [`MAX_VALUES`] values.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        let words = words(text)?;
        if words.len() > MAX_TERMS {
            return Err(FilterError::TooManyTerms(words.len()));
        }
        let filter = Filter(words.into_iter().map(term).collect::<Result<_, _>>()?);
        match filter.0.iter().map(Term::values).sum() {
            0..=MAX_VALUES => Ok(filter),
            values => Err(FilterError::TooManyValues(values)),
        }
    }

    /// Reads a filter of any length, as rules that were stored before the limits have it. A [`Matcher`](super::Matcher) can be made of it;
    /// queries refuse it.
    ///
    /// # Errors
    ///
    /// When it is not a filter.
    pub fn parse_stored(text: &str) -> Result<Filter, FilterError> {
        words(text)?.into_iter().map(term).collect::<Result<_, _>>().map(Filter)
    }
}

/// A character, and whether it stood within quotation marks: there it has no meaning but itself.
type Quoted = (char, bool);

/// Splits at white space outside of quotation marks; a backslash within them takes the next character as it is.
fn words(text: &str) -> Result<Vec<Vec<Quoted>>, FilterError> {
    let mut words = Vec::new();
    let mut word: Vec<Quoted> = Vec::new();
    let mut open = None;
    let mut characters = text.chars().enumerate();
    while let Some((position, character)) = characters.next() {
        match (character, open) {
            ('"', None) => {
                open = Some(position);
                // An empty quotation is still a value: a mark that no character can be.
                word.push(('\0', true));
            }
            ('"', Some(_)) => open = None,
            ('\\', Some(_)) => word.extend(characters.next().map(|(_, next)| (next, true))),
            (c, None) if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            (c, _) => word.push((c, open.is_some())),
        }
    }
    if let Some(position) = open {
        return Err(FilterError::OpenQuote(position));
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    Ok(words)
}

fn term(word: Vec<Quoted>) -> Result<Term, FilterError> {
    let not = word.len() > 1 && word[0] == ('-', false);
    let word = &word[usize::from(not)..];
    let Some(colon) = word.iter().position(|c| *c == (':', false)) else {
        return Ok(Term::Text { not, text: plain(word) });
    };
    let field = plain(&word[..colon]);
    let named = |prefix: &str| field.strip_prefix(prefix).is_some_and(|name| !name.is_empty());
    if !FIELDS.contains(&field.as_str()) && !named("tag.") && !named("attr.") {
        return Err(FilterError::UnknownField(field));
    }
    let test = test(&word[colon + 1..]).ok_or_else(|| FilterError::NoValue(field.clone()))?;
    Ok(Term::Field { not, field, test })
}

fn test(value: &[Quoted]) -> Option<Test> {
    if value == [('*', false)] {
        return Some(Test::Present);
    }
    for (sign, order) in Order::SIGNS {
        let signed = value.len() >= sign.len() && sign.chars().zip(value).all(|(s, c)| *c == (s, false));
        if signed {
            let bound = plain(&value[sign.len()..]);
            return (!bound.is_empty()).then_some(Test::Compare(order, bound));
        }
    }
    let values: Vec<_> = value.split(|c| *c == (',', false)).filter(|v| !v.is_empty()).map(plain).collect();
    (!values.is_empty()).then_some(Test::OneOf(values))
}

/// The characters without the marks of empty quotations.
fn plain(characters: &[Quoted]) -> String {
    characters.iter().filter(|c| **c != ('\0', true)).map(|(c, _)| c).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl fmt::Display for Filter {
    /// Text that reads as the same filter, with every value in quotation marks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.0.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            match term {
                Term::Text { not, text } => write!(f, "{space}{}{}", if *not { "-" } else { "" }, quoted(text))?,
                Term::Field { not, field, test } => {
                    // The field in quotation marks keeps names of tags that hold colons or spaces.
                    write!(f, "{space}{}{}:", if *not { "-" } else { "" }, quoted(field))?;
                    match test {
                        Test::Present => f.write_str("*")?,
                        Test::Compare(order, bound) => write!(f, "{}{}", order.sign(), quoted(bound))?,
                        Test::OneOf(values) => f.write_str(&values.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(","))?,
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(not: bool, field: &str, test: Test) -> Term {
        Term::Field { not, field: field.into(), test }
    }

    #[test]
    fn reads_each_form() {
        let filter = Filter::parse(r#"model:gpt-4o,o3 -user:u_1 cost:>=0.01 tag.plan:* name:"a b" "say hi" 天気"#).unwrap();
        let one = |value: &str| Test::OneOf(vec![value.into()]);
        let expected = [
            field(false, "model", Test::OneOf(vec!["gpt-4o".into(), "o3".into()])),
            field(true, "user", one("u_1")),
            field(false, "cost", Test::Compare(Order::AtLeast, "0.01".into())),
            field(false, "tag.plan", Test::Present),
            field(false, "name", one("a b")),
            Term::Text { not: false, text: "say hi".into() },
            Term::Text { not: false, text: "天気".into() },
        ];
        assert_eq!(filter.0, expected);
        assert_eq!(Filter::parse("  "), Ok(Filter::default()));
    }

    #[test]
    fn says_what_is_wrong() {
        let unknown = Filter::parse("modle:x").unwrap_err();
        assert!(unknown.to_string().contains("model provider op kind"), "{unknown}");
        assert_eq!(Filter::parse("model:"), Err(FilterError::NoValue("model".into())));
        assert_eq!(Filter::parse("cost:>"), Err(FilterError::NoValue("cost".into())));
        assert_eq!(Filter::parse("tag.:x"), Err(FilterError::UnknownField("tag.".into())));
        assert_eq!(Filter::parse("a \"b"), Err(FilterError::OpenQuote(2)));
    }

    #[test]
    fn terms_and_values_are_limited() {
        let words = |count: usize| vec!["word"; count].join(" ");
        assert_eq!(Filter::parse(&words(MAX_TERMS)).map(|filter| filter.0.len()), Ok(MAX_TERMS));
        assert_eq!(Filter::parse(&words(MAX_TERMS + 1)), Err(FilterError::TooManyTerms(MAX_TERMS + 1)));
        assert!(Filter::parse(&format!("\"{}\"", words(5000))).is_ok(), "one phrase is one term");
        let values = |count: usize| format!("model:{}", vec!["a"; count].join(","));
        assert!(Filter::parse(&values(MAX_VALUES)).is_ok());
        assert_eq!(Filter::parse(&values(MAX_VALUES + 1)), Err(FilterError::TooManyValues(MAX_VALUES + 1)));
        let two_terms = format!("{} -{}", values(MAX_VALUES / 2), values(MAX_VALUES / 2 + 1));
        assert_eq!(Filter::parse(&two_terms), Err(FilterError::TooManyValues(MAX_VALUES + 1)));
        assert_eq!(Filter::parse_stored(&words(5000)).map(|filter| filter.0.len()), Ok(5000));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_the_same(text in r#"(-?(model|cost|tag\.a)?:?[<>]?=?["a-c, \\*天:-]{0,6} ?){0,4}"#) {
            if let Ok(filter) = Filter::parse(&text) {
                prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
            }
        }

        #[test]
        fn never_panics(text in ".{0,60}") {
            let _ = Filter::parse(&text);
        }
    }
}
