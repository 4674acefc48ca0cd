//! The filter language: `model:gpt-4o,gpt-4o-mini (status:error OR cost:>0.01) -user:u_1 "words in the text"`.
//!
//! Terms side by side mean *and*, which binds tighter than `OR`; `docs/filters.md` has the grammar. This file parses the text; `fields`
//! says what a term means for columns.

pub(crate) mod fields;
pub(crate) mod id_suggestions;
pub(crate) mod json_text;
pub(crate) mod matcher;
#[cfg(test)]
mod tests;
pub(crate) mod trace_filter;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use hinomi_model::id::TraceId;

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
/// Maximum number of parentheses within one another.
pub const MAX_DEPTH: usize = 8;

/// Why a filter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No such field.
    #[error("unknown field {0:?}; use one of {list}, tag.NAME or attr.NAME", list = FIELDS.join(" "))]
    UnknownField(String),
    /// A field without a value.
    #[error("{0}: needs a value, such as {0}:x, or {0}:* for any")]
    NoValue(String),
    /// A quotation mark without its partner, at this character (from 0, as in all variants).
    #[error("the quotation mark at character {} is not closed", .0 + 1)]
    OpenQuote(usize),
    /// An opening parenthesis without its partner.
    #[error("the parenthesis at character {} is not closed", .0 + 1)]
    OpenParenthesis(usize),
    /// A closing parenthesis without its partner.
    #[error("the parenthesis at character {} has no opening parenthesis", .0 + 1)]
    StrayParenthesis(usize),
    /// An operator or a parenthesis without a term where one must be.
    #[error("a term is missing at character {}", .0 + 1)]
    MissingTerm(usize),
    /// More than [`MAX_DEPTH`].
    #[error("the parenthesis at character {} is more than {MAX_DEPTH} levels deep", .0 + 1)]
    TooDeep(usize),
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
            FilterError::OpenParenthesis(_) | FilterError::StrayParenthesis(_) | FilterError::MissingTerm(_) => {
                "Example: model:gpt-4o (status:error OR cost:>0.01). To search for OR, AND or a parenthesis, put it in quotation marks: \"OR\"."
            }
            FilterError::TooDeep(_) => "Use fewer nested parentheses.",
            _ => "Example: model:gpt-4o* status:error cost:>0.01 \"words in the text\"",
        }
    }
}

/// How a number stands to a bound.
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
    const SIGNS: [(&'static str, ComparisonOperator); 4] = [
        (">=", ComparisonOperator::AtLeast),
        ("<=", ComparisonOperator::AtMost),
        (">", ComparisonOperator::Above),
        ("<", ComparisonOperator::Below),
    ];

    fn sign(self) -> &'static str {
        Self::SIGNS.iter().find(|(_, order)| *order == self).map_or("", |(sign, _)| sign)
    }
}

/// What a field must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldTest {
    /// One of these values.
    OneOf(Vec<String>),
    /// On this side of a bound, which is kept as written (`2s`, `0.01`).
    Compare(ComparisonOperator, String),
    /// Anything but absent.
    Present,
}

/// One term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterTerm {
    /// A test of a field; `not` turns it round.
    Field {
        /// True for `-field:value`.
        not: bool,
        /// One of [`FIELDS`], or `tag.NAME`, `attr.NAME`.
        field: String,
        /// What it must be.
        test: FieldTest,
    },
    /// Words in prompts and answers, in any case of letters.
    Text {
        /// True for `-"words"`.
        not: bool,
        /// The words.
        text: String,
    },
    /// Parentheses: one of these filters holds. One without `not` has at least two.
    Group {
        /// True for `-(...)`.
        not: bool,
        /// The alternatives between `OR`, none of which is empty.
        any: Vec<Filter>,
    },
    /// The span is of one of these traces. No text reads as this term: queries add it to a filter.
    OfTraces(Arc<HashSet<TraceId>>),
}

impl FilterTerm {
    /// The number of terms without groups, and of their values.
    fn size(&self) -> (usize, usize) {
        match self {
            FilterTerm::Group { any, .. } => any.iter().map(Filter::size).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)),
            FilterTerm::Field { test: FieldTest::OneOf(values), .. } => (1, values.len()),
            _ => (1, 1),
        }
    }
}

/// A filter: all terms must hold. The empty one lets everything pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter(pub Vec<FilterTerm>);

impl Filter {
    /// Reads the text of a filter.
    ///
    /// # Errors
    ///
    /// When it is not a filter, or has more than [`MAX_TERMS`] terms, [`MAX_VALUES`] values or [`MAX_DEPTH`] levels.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        let tokens = tokens(text, true)?;
        let terms = tokens.iter().filter(|(_, token)| matches!(token, FilterToken::Word(_))).count();
        if terms > MAX_TERMS {
            return Err(FilterError::TooManyTerms(terms));
        }
        let filter = FilterParser::filter(tokens, text)?;
        match filter.size() {
            (_, 0..=MAX_VALUES) => Ok(filter),
            (_, values) => Err(FilterError::TooManyValues(values)),
        }
    }

    /// Reads a filter of any length, as rules that were stored before the limits have it, or before `OR` and parentheses were more than words.
    /// A [`SpanMatcher`](super::SpanMatcher) can be made of it; queries refuse it.
    ///
    /// # Errors
    ///
    /// When it is not a filter.
    pub fn parse_stored(text: &str) -> Result<Filter, FilterError> {
        let read = |groups: bool| FilterParser::filter(tokens(text, groups)?, text);
        read(true).or_else(|_| read(false))
    }

    /// The number of terms without groups, and of their values.
    pub(super) fn size(&self) -> (usize, usize) {
        self.0.iter().map(FilterTerm::size).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

/// A character, and whether it stood within quotation marks: there it has no meaning but itself.
type QuotedChar = (char, bool);

/// A word of the language.
#[derive(Debug)]
enum FilterToken {
    Word(Vec<QuotedChar>),
    /// `(`, or `-(`.
    Open {
        not: bool,
    },
    Close,
    And,
    Or,
}

/// Splits at white space and parentheses outside of quotation marks; a backslash within them takes the next character as it is. Each token
/// comes with the character at which it begins. A parenthesis opens a group at the beginning of a word alone: `name:f(x)` is one word.
/// Without `groups`, parentheses and operators are letters of words.
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
                // An empty quotation is still a value: a mark that no character can be.
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

/// Reads tokens as a filter.
struct FilterParser {
    tokens: std::vec::IntoIter<(usize, FilterToken)>,
    /// Where the text ends.
    end: usize,
}

impl FilterParser {
    fn filter(tokens: Vec<(usize, FilterToken)>, text: &str) -> Result<Filter, FilterError> {
        if tokens.is_empty() {
            return Ok(Filter::default());
        }
        let mut parser = FilterParser { tokens: tokens.into_iter(), end: text.chars().count() };
        let mut any = parser.alternatives(None, 0)?;
        Ok(if any.len() == 1 { any.remove(0) } else { Filter(vec![FilterTerm::Group { not: false, any }]) })
    }

    /// The filters between `OR`, up to the parenthesis that closes what was opened at `opened`, or to the end of the text.
    fn alternatives(&mut self, opened: Option<usize>, depth: usize) -> Result<Vec<Filter>, FilterError> {
        let (mut any, mut terms): (Vec<Filter>, Vec<FilterTerm>) = (Vec::new(), Vec::new());
        // Whether a term must follow.
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
                FilterToken::Word(word) => terms.push(term(word)?),
                FilterToken::Open { .. } if depth >= MAX_DEPTH => return Err(FilterError::TooDeep(at)),
                FilterToken::Open { not } => {
                    let mut inner = self.alternatives(Some(at), depth + 1)?;
                    // All of them must hold as the terms beside them must.
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

fn term(word: Vec<QuotedChar>) -> Result<FilterTerm, FilterError> {
    let not = word.len() > 1 && word[0] == ('-', false);
    let word = &word[usize::from(not)..];
    let Some(colon) = word.iter().position(|c| *c == (':', false)) else {
        return Ok(FilterTerm::Text { not, text: plain(word) });
    };
    let field = plain(&word[..colon]);
    let named = |prefix: &str| field.strip_prefix(prefix).is_some_and(|name| !name.is_empty());
    if !FIELDS.contains(&field.as_str()) && !named("tag.") && !named("attr.") {
        return Err(FilterError::UnknownField(field));
    }
    let test = test(&word[colon + 1..]).ok_or_else(|| FilterError::NoValue(field.clone()))?;
    Ok(FilterTerm::Field { not, field, test })
}

fn test(value: &[QuotedChar]) -> Option<FieldTest> {
    if value == [('*', false)] {
        return Some(FieldTest::Present);
    }
    for (sign, order) in ComparisonOperator::SIGNS {
        let signed = value.len() >= sign.len() && sign.chars().zip(value).all(|(s, c)| *c == (s, false));
        if signed {
            let bound = plain(&value[sign.len()..]);
            return (!bound.is_empty()).then_some(FieldTest::Compare(order, bound));
        }
    }
    let values: Vec<_> = value.split(|c| *c == (',', false)).filter(|v| !v.is_empty()).map(plain).collect();
    (!values.is_empty()).then_some(FieldTest::OneOf(values))
}

/// The characters without the marks of empty quotations.
fn plain(characters: &[QuotedChar]) -> String {
    characters.iter().filter(|c| **c != ('\0', true)).map(|(c, _)| c).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl fmt::Display for Filter {
    /// Text that reads as the same filter, with every value in quotation marks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { " " } else { "" })?;
            let minus = |not: bool| if not { "-" } else { "" };
            match term {
                FilterTerm::Text { not, text } => write!(f, "{}{}", minus(*not), quoted(text))?,
                FilterTerm::Field { not, field, test } => {
                    // The field in quotation marks keeps names of tags that hold colons or spaces.
                    write!(f, "{}{}:", minus(*not), quoted(field))?;
                    match test {
                        FieldTest::Present => f.write_str("*")?,
                        FieldTest::Compare(order, bound) => write!(f, "{}{}", order.sign(), quoted(bound))?,
                        FieldTest::OneOf(values) => f.write_str(&values.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(","))?,
                    }
                }
                FilterTerm::Group { not, any } => {
                    write!(f, "{}({})", minus(*not), any.iter().map(Filter::to_string).collect::<Vec<_>>().join(" OR "))?;
                }
                FilterTerm::OfTraces(traces) => {
                    write!(f, "trace:{}", traces.iter().map(TraceId::to_string).collect::<Vec<_>>().join(","))?;
                }
            }
        }
        Ok(())
    }
}
