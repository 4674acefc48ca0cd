//! The filter language: `model:gpt-4o,gpt-4o-mini (status:error OR cost:>0.01) -user:u_1 "words in the text"`.
//!
//! Adjacent terms are joined by *and*, which binds tighter than `OR`; `docs/filters.md` has the grammar. This file parses the text;
//! `fields` maps terms to conditions on columns.

pub(crate) mod error_filter;
pub(crate) mod fields;
pub(crate) mod id_suggestions;
pub(crate) mod json_text;
pub(crate) mod log_line_filter;
pub(crate) mod matcher;
mod targets;
#[cfg(test)]
mod tests;
pub(crate) mod trace_filter;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use hinomi_model::id::TraceId;

pub use error_filter::ErrorFilter;
pub use targets::{FilterTargets, FindingTest, ScoreTest, TargetTest};

/// Names of the fields that a term may use, in addition to `tag.NAME` and `attr.NAME`.
pub const FIELD_NAMES: &[&str] = &[
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
    "failure",
    "prompt_version",
    "trace",
    "span",
    "cost",
    "duration",
    "input_tokens",
    "output_tokens",
    "total_tokens",
];

/// Fields of log lines and error events that contain texts.
const TEXT_FIELDS: &[&str] = &["body", "message", "error.value"];

/// Maximum number of terms in a filter. The query planner handles joined conditions recursively. With about 130 terms, its stack of 2 MB
/// overflows.
pub const MAX_TERMS: usize = 64;
/// Maximum number of values in a filter, over all terms.
pub const MAX_VALUES: usize = 1000;
/// Maximum nesting depth of parentheses.
pub const MAX_DEPTH: usize = 8;

/// Fields that a filter can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterFields {
    /// Lists of names of fields.
    names: &'static [&'static [&'static str]],
    /// Prefixes that a name follows, such as `attr.`.
    prefixes: &'static [&'static str],
}

impl FilterFields {
    /// Fields of spans.
    pub const OF_SPANS: FilterFields =
        FilterFields { names: &[FIELD_NAMES, targets::FIELD_NAMES], prefixes: &["tag.", "attr.", targets::SCORE_PREFIX] };
    /// Fields of error events and of the spans of their traces.
    pub const OF_ERROR_EVENTS: FilterFields = FilterFields {
        names: &[error_filter::FIELD_NAMES, FIELD_NAMES, targets::FIELD_NAMES],
        prefixes: &["tag.", "attr.", targets::SCORE_PREFIX],
    };
    /// Fields of log lines.
    pub const OF_LOG_LINES: FilterFields = FilterFields { names: &[log_line_filter::FIELD_NAMES], prefixes: &["attr."] };

    fn contains(&self, field: &str) -> bool {
        let named = |prefix: &&str| field.strip_prefix(*prefix).is_some_and(|name| !name.is_empty());
        self.names.iter().any(|names| names.contains(&field)) || self.prefixes.iter().any(named)
    }

    fn description(&self) -> String {
        let prefixed: Vec<String> = self.prefixes.iter().map(|prefix| format!("{prefix}NAME")).collect();
        format!("{}, {}", self.names.concat().join(" "), prefixed.join(" or "))
    }
}

/// Reason why a filter is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Unknown field.
    #[error("unknown field {field:?}; use one of {list}", list = known.description())]
    UnknownField {
        /// Field as requested.
        field: String,
        /// Fields that the filter can use.
        known: FilterFields,
    },
    /// Field without a value.
    #[error("{0}: needs a value, such as {0}:x, or {0}:* for any")]
    NoValue(String),
    /// Quotation mark that is not closed, at this character (counted from 0, as in all variants).
    #[error("the quotation mark at character {} is not closed", .0 + 1)]
    OpenQuote(usize),
    /// Opening parenthesis without a closing parenthesis.
    #[error("the parenthesis at character {} is not closed", .0 + 1)]
    OpenParenthesis(usize),
    /// Closing parenthesis without an opening parenthesis.
    #[error("the parenthesis at character {} has no opening parenthesis", .0 + 1)]
    StrayParenthesis(usize),
    /// Operator or parenthesis where a term is required.
    #[error("a term is missing at character {}", .0 + 1)]
    MissingTerm(usize),
    /// Parenthesis nested deeper than [`MAX_DEPTH`].
    #[error("the parenthesis at character {} is more than {MAX_DEPTH} levels deep", .0 + 1)]
    TooDeep(usize),
    /// More terms than [`MAX_TERMS`].
    #[error("the filter has {0} terms; the limit is {MAX_TERMS}")]
    TooManyTerms(usize),
    /// More values than [`MAX_VALUES`].
    #[error("the filter has {0} values; the limit is {MAX_VALUES}")]
    TooManyValues(usize),
}

impl FilterError {
    /// Returns how to fix the filter.
    pub fn hint(&self) -> &'static str {
        match self {
            FilterError::TooManyTerms(_) => "To search for a text, put it in quotation marks: \"words in the text\".",
            FilterError::TooManyValues(_) => "Use a pattern such as user:eu-*, or split the list over several queries.",
            FilterError::OpenParenthesis(_) | FilterError::StrayParenthesis(_) | FilterError::MissingTerm(_) => {
                "Example: model:gpt-4o (status:error OR cost:>0.01). To search for OR, AND or a parenthesis, put it in quotation marks: \"OR\"."
            }
            FilterError::TooDeep(_) => "Use fewer nested parentheses.",
            FilterError::UnknownField { known, .. } if *known == FilterFields::OF_LOG_LINES => {
                "Example: level:error,fatal attr.logger.name:shop* \"words in the line\""
            }
            FilterError::UnknownField { known, .. } if *known == FilterFields::OF_ERROR_EVENTS => {
                "Example: type:RateLimitError level:error,fatal user:u_17 \"words in the error\""
            }
            _ => "Example: model:gpt-4o* status:error cost:>0.01 \"words in the text\"",
        }
    }
}

/// Comparison of a number with a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonOperator {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl ComparisonOperator {
    const COMPARISON_SIGNS: [(&'static str, ComparisonOperator); 4] = [
        (">=", ComparisonOperator::AtLeast),
        ("<=", ComparisonOperator::AtMost),
        (">", ComparisonOperator::Above),
        ("<", ComparisonOperator::Below),
    ];

    fn as_sign(self) -> &'static str {
        Self::COMPARISON_SIGNS.iter().find(|(_, order)| *order == self).map_or("", |(sign, _)| sign)
    }
}

/// Condition on the value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldTest {
    /// Equal to one of these values or patterns.
    OneOf(Vec<String>),
    /// Compared with a bound, which is stored as written (`2s`, `0.01`).
    Compare(ComparisonOperator, String),
    /// Not absent.
    Present,
}

/// One term of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterTerm {
    /// Condition on a field; `not` negates it.
    Field {
        /// True for `-field:value`.
        not: bool,
        /// One of [`FIELD_NAMES`], or `tag.NAME`, `attr.NAME`.
        field: String,
        /// Condition on the value.
        test: FieldTest,
    },
    /// Text in prompts and answers, case-insensitive.
    Text {
        /// True for `-"words"`.
        not: bool,
        /// Text to search for.
        text: String,
    },
    /// Parentheses: at least one of these filters must match. A group without `not` has at least two alternatives.
    Group {
        /// True for `-(...)`.
        not: bool,
        /// Alternatives between `OR`. None of them is empty.
        any: Vec<Filter>,
    },
    /// The span belongs to one of these traces. The parser never returns this term: queries add it to a filter.
    InTraces(Arc<HashSet<TraceId>>),
    /// The span, its trace or its conversation is one of these targets. The parser never returns this term: [`Filter::resolve_targets`]
    /// makes it.
    InTargets {
        /// True if the span must not be such a target.
        not: bool,
        /// Targets.
        targets: Arc<FilterTargets>,
    },
}

impl FilterTerm {
    fn reads_messages(&self) -> bool {
        match self {
            FilterTerm::Text { .. } => true,
            FilterTerm::Field { field, .. } => field.starts_with("attr.") || TEXT_FIELDS.contains(&field.as_str()),
            FilterTerm::Group { any, .. } => any.iter().any(Filter::reads_messages),
            FilterTerm::InTraces(_) | FilterTerm::InTargets { .. } => false,
        }
    }

    /// Returns the number of terms, without groups, and the number of their values.
    fn term_and_value_count(&self) -> (usize, usize) {
        match self {
            FilterTerm::Group { any, .. } => {
                any.iter().map(Filter::term_and_value_count).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
            }
            FilterTerm::Field { test: FieldTest::OneOf(values), .. } => (1, values.len()),
            _ => (1, 1),
        }
    }
}

/// A filter. All of its terms must match. The empty filter selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter(pub Vec<FilterTerm>);

impl Filter {
    /// Parses the text of a filter for spans.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a valid filter, or has more than [`MAX_TERMS`] terms, [`MAX_VALUES`] values or [`MAX_DEPTH`]
    /// levels of parentheses.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        Filter::parse_with_fields(text, FilterFields::OF_SPANS)
    }

    /// Parses the text of a filter that uses these fields.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`parse`](Filter::parse).
    pub fn parse_with_fields(text: &str, fields: FilterFields) -> Result<Filter, FilterError> {
        let tokens = tokens(text, true)?;
        let terms = tokens.iter().filter(|(_, token)| matches!(token, FilterToken::Word(_))).count();
        if terms > MAX_TERMS {
            return Err(FilterError::TooManyTerms(terms));
        }
        let filter = FilterParser::filter(tokens, text, fields)?;
        match filter.term_and_value_count() {
            (_, 0..=MAX_VALUES) => Ok(filter),
            (_, values) => Err(FilterError::TooManyValues(values)),
        }
    }

    /// Parses a filter of any length. Rules that were stored before the limits were introduced may have longer filters, or contain `OR` and
    /// parentheses as words. A [`SpanMatcher`](super::SpanMatcher) accepts such a filter, but a query rejects it.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a valid filter.
    pub fn parse_stored(text: &str) -> Result<Filter, FilterError> {
        let read = |groups: bool| FilterParser::filter(tokens(text, groups)?, text, FilterFields::OF_SPANS);
        read(true).or_else(|_| read(false))
    }

    /// Returns whether the filter depends on the text of messages, attributes or log lines, so that its result reveals something of them.
    pub fn reads_messages(&self) -> bool {
        self.0.iter().any(FilterTerm::reads_messages)
    }

    /// Returns the number of terms, without groups, and the number of their values.
    pub(super) fn term_and_value_count(&self) -> (usize, usize) {
        self.0.iter().map(FilterTerm::term_and_value_count).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

/// A character, and whether it was quoted. A quoted character has no special meaning.
type QuotedChar = (char, bool);

/// A token of the filter language.
#[derive(Debug)]
enum FilterToken {
    Word(Vec<QuotedChar>),
    /// `(` or `-(`.
    Open {
        not: bool,
    },
    Close,
    And,
    Or,
}

/// Splits text at white space and parentheses outside of quotation marks. Within quotation marks, a backslash escapes the next character.
/// Each token is returned with the position of its first character. A parenthesis opens a group only at the beginning of a word:
/// `name:f(x)` is one word. Without `groups`, parentheses and operators are ordinary characters.
fn tokens(text: &str, groups: bool) -> Result<Vec<(usize, FilterToken)>, FilterError> {
    let mut tokens = Vec::new();
    let mut word: Vec<QuotedChar> = Vec::new();
    let (mut start, mut open_in_word, mut quote) = (0, 0usize, None);
    let mut characters = text.chars().enumerate();
    while let Some((position, character)) = characters.next() {
        if word.is_empty() {
            start = position;
        }
        match (character, quote) {
            ('"', None) => {
                quote = Some(position);
                // An empty quotation is still a value: mark it with a character that no text contains.
                word.push(('\0', true));
            }
            ('"', Some(_)) => quote = None,
            ('\\', Some(_)) => word.extend(characters.next().map(|(_, next)| (next, true))),
            ('(', None) if groups && (word.is_empty() || word == [('-', false)]) => {
                tokens.push((start, FilterToken::Open { not: !word.is_empty() }));
                word.clear();
            }
            ('(', None) => {
                open_in_word += 1;
                word.push(('(', false));
            }
            (')', None) if groups && open_in_word == 0 => {
                end_word(&mut tokens, start, &mut word, groups);
                tokens.push((position, FilterToken::Close));
            }
            (')', None) => {
                open_in_word = open_in_word.saturating_sub(1);
                word.push((')', false));
            }
            (c, None) if c.is_whitespace() => {
                end_word(&mut tokens, start, &mut word, groups);
                open_in_word = 0;
            }
            (c, _) => word.push((c, quote.is_some())),
        }
    }
    if let Some(position) = quote {
        return Err(FilterError::OpenQuote(position));
    }
    end_word(&mut tokens, start, &mut word, groups);
    Ok(tokens)
}

fn end_word(tokens: &mut Vec<(usize, FilterToken)>, start: usize, word: &mut Vec<QuotedChar>, groups: bool) {
    let word = std::mem::take(word);
    match word.as_slice() {
        [] => {}
        [('O', false), ('R', false)] if groups => tokens.push((start, FilterToken::Or)),
        [('A', false), ('N', false), ('D', false)] if groups => tokens.push((start, FilterToken::And)),
        _ => tokens.push((start, FilterToken::Word(word))),
    }
}

/// Parses tokens into a filter.
struct FilterParser {
    tokens: std::vec::IntoIter<(usize, FilterToken)>,
    /// Length of the text in characters.
    end: usize,
    fields: FilterFields,
}

impl FilterParser {
    fn filter(tokens: Vec<(usize, FilterToken)>, text: &str, fields: FilterFields) -> Result<Filter, FilterError> {
        if tokens.is_empty() {
            return Ok(Filter::default());
        }
        let mut parser = FilterParser { tokens: tokens.into_iter(), end: text.chars().count(), fields };
        let mut any = parser.alternatives(None, 0)?;
        Ok(if any.len() == 1 { any.remove(0) } else { Filter(vec![FilterTerm::Group { not: false, any }]) })
    }

    /// Parses the alternatives between `OR`, up to the parenthesis that closes the one at `opened`, or to the end of the text.
    fn alternatives(&mut self, opened: Option<usize>, depth: usize) -> Result<Vec<Filter>, FilterError> {
        let (mut any, mut terms): (Vec<Filter>, Vec<FilterTerm>) = (Vec::new(), Vec::new());
        // Whether the next token must start a term.
        let mut wants_term = true;
        let end = loop {
            let Some((at, token)) = self.tokens.next() else {
                match opened {
                    Some(opened) => return Err(FilterError::OpenParenthesis(opened)),
                    None => break self.end,
                }
            };
            let is_operator = matches!(token, FilterToken::And | FilterToken::Or);
            match token {
                FilterToken::Word(word) => terms.push(term(word, self.fields)?),
                FilterToken::Open { .. } if depth >= MAX_DEPTH => return Err(FilterError::TooDeep(at)),
                FilterToken::Open { not } => {
                    let mut inner = self.alternatives(Some(at), depth + 1)?;
                    // A group with one alternative and without `not` is the same as its terms.
                    if inner.len() == 1 && !not { terms.append(&mut inner[0].0) } else { terms.push(FilterTerm::Group { not, any: inner }) }
                }
                FilterToken::Close if opened.is_none() => return Err(FilterError::StrayParenthesis(at)),
                FilterToken::Close => break at,
                _ if is_operator && wants_term => return Err(FilterError::MissingTerm(at)),
                FilterToken::And => {}
                FilterToken::Or => any.push(Filter(std::mem::take(&mut terms))),
            }
            wants_term = is_operator;
        };
        if wants_term {
            return Err(FilterError::MissingTerm(end));
        }
        any.push(Filter(terms));
        Ok(any)
    }
}

fn term(word: Vec<QuotedChar>, known: FilterFields) -> Result<FilterTerm, FilterError> {
    let not = word.len() > 1 && word[0] == ('-', false);
    let word = &word[usize::from(not)..];
    let Some(colon) = word.iter().position(|c| *c == (':', false)) else {
        return Ok(FilterTerm::Text { not, text: plain_text(word) });
    };
    let field = plain_text(&word[..colon]);
    if !known.contains(&field) {
        return Err(FilterError::UnknownField { field, known });
    }
    let test = test(&word[colon + 1..]).ok_or_else(|| FilterError::NoValue(field.clone()))?;
    Ok(FilterTerm::Field { not, field, test })
}

fn test(value: &[QuotedChar]) -> Option<FieldTest> {
    if value == [('*', false)] {
        return Some(FieldTest::Present);
    }
    for (sign, order) in ComparisonOperator::COMPARISON_SIGNS {
        let signed = value.len() >= sign.len() && sign.chars().zip(value).all(|(s, c)| *c == (s, false));
        if signed {
            let bound = plain_text(&value[sign.len()..]);
            return (!bound.is_empty()).then_some(FieldTest::Compare(order, bound));
        }
    }
    let values: Vec<_> = value.split(|c| *c == (',', false)).filter(|v| !v.is_empty()).map(plain_text).collect();
    (!values.is_empty()).then_some(FieldTest::OneOf(values))
}

/// Returns the characters as text, without the marks of empty quotations.
fn plain_text(characters: &[QuotedChar]) -> String {
    characters.iter().filter(|c| **c != ('\0', true)).map(|(c, _)| c).collect()
}

fn quote_value(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl fmt::Display for Filter {
    /// Writes text that parses as the same filter, with every value in quotation marks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { " " } else { "" })?;
            let minus = |not: bool| if not { "-" } else { "" };
            match term {
                FilterTerm::Text { not, text } => write!(f, "{}{}", minus(*not), quote_value(text))?,
                FilterTerm::Field { not, field, test } => {
                    // Quoting the field keeps tag names with colons or spaces intact.
                    write!(f, "{}{}:", minus(*not), quote_value(field))?;
                    match test {
                        FieldTest::Present => f.write_str("*")?,
                        FieldTest::Compare(order, bound) => write!(f, "{}{}", order.as_sign(), quote_value(bound))?,
                        FieldTest::OneOf(values) => f.write_str(&values.iter().map(|v| quote_value(v)).collect::<Vec<_>>().join(","))?,
                    }
                }
                FilterTerm::Group { not, any } => {
                    write!(f, "{}({})", minus(*not), any.iter().map(Filter::to_string).collect::<Vec<_>>().join(" OR "))?;
                }
                FilterTerm::InTraces(traces) => {
                    write!(f, "trace:{}", traces.iter().map(TraceId::to_string).collect::<Vec<_>>().join(","))?;
                }
                FilterTerm::InTargets { not, targets } => {
                    let traces = targets.all_traces().unwrap_or_default();
                    write!(f, "{}trace:{}", minus(*not), traces.iter().map(TraceId::to_string).collect::<Vec<_>>().join(","))?;
                }
            }
        }
        Ok(())
    }
}
