//! Evaluation of a filter on one span in memory, with the same result as [`condition`](super::fields::condition) on the stored row.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use hinomi_model::span::{ChatMessage, MessagePart, Span};

use super::fields::{self, FilterColumnType};
use super::{ComparisonOperator, FieldTest, Filter, FilterTargets, FilterTerm};
use crate::GroupBy;
use crate::error::QueryError;

/// A filter that is prepared for matching spans in memory.
#[derive(Debug, Clone)]
pub struct SpanMatcher {
    terms: Vec<(bool, MatcherTerm)>,
}

#[derive(Debug, Clone)]
enum MatcherTerm {
    Words(String),
    Field(MatcherField, ValueTest),
    Any(Vec<SpanMatcher>),
    Targets(Arc<FilterTargets>),
}

/// Source of the value that is tested.
#[derive(Debug, Clone, PartialEq)]
enum MatcherField {
    Column(&'static str, FilterColumnType),
    Tag(String),
    Attribute(String),
}

#[derive(Debug, Clone)]
pub(crate) enum ValueTest {
    Present,
    /// Equal to one of these texts or patterns.
    Texts(Vec<WildcardPattern>),
    Numbers(Vec<f64>),
    Amounts(Vec<i64>),
    Number(ComparisonOperator, f64),
    Amount(ComparisonOperator, i64),
}

/// A text without a wildcard, or with a wildcard at the start, at the end, or at start and end.
#[derive(Debug, Clone)]
pub(crate) struct WildcardPattern {
    text: String,
    /// Whether any text may precede, and whether any text may follow.
    open: (bool, bool),
}

impl WildcardPattern {
    pub(crate) fn new(text: &str) -> WildcardPattern {
        let open = (text.starts_with('*'), text.ends_with('*'));
        let bare = if open == (false, false) { text } else { text.trim_start_matches('*').trim_end_matches('*') };
        WildcardPattern { text: bare.to_owned(), open }
    }

    pub(crate) fn holds(&self, text: &str) -> bool {
        match self.open {
            (false, false) => text == self.text,
            (true, false) => text.ends_with(&self.text),
            (false, true) => text.starts_with(&self.text),
            (true, true) => text.contains(&self.text),
        }
    }
}

impl SpanMatcher {
    /// Prepares a filter.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter compares values that cannot be compared.
    pub fn new(filter: &Filter) -> Result<SpanMatcher, QueryError> {
        let term = |term: &FilterTerm| match term {
            FilterTerm::Text { not, text } => Ok((*not, MatcherTerm::Words(text.to_lowercase()))),
            FilterTerm::Field { not, field, test } => {
                let place = resolve_field(field)?;
                let value_test = prepare_test(field, place.holds(), test)?;
                Ok((*not, MatcherTerm::Field(place, value_test)))
            }
            FilterTerm::Group { not, any } => Ok((*not, MatcherTerm::Any(any.iter().map(SpanMatcher::new).collect::<Result<_, _>>()?))),
            FilterTerm::InTraces(traces) => {
                let ids = traces.iter().map(|id| WildcardPattern::new(&id.to_string())).collect();
                Ok((false, MatcherTerm::Field(MatcherField::Column("trace_id", FilterColumnType::Id), ValueTest::Texts(ids))))
            }
            FilterTerm::InTargets { not, targets } => Ok((*not, MatcherTerm::Targets(targets.clone()))),
        };
        Ok(SpanMatcher { terms: filter.0.iter().map(term).collect::<Result<_, QueryError>>()? })
    }

    /// Returns whether a span passes the filter.
    pub fn holds(&self, span: &Span) -> bool {
        self.terms.iter().all(|(not, check)| check.holds(span) != *not)
    }

    /// Returns the columns that [`holds`](SpanMatcher::holds) needs.
    pub fn columns(&self) -> BTreeSet<&'static str> {
        let mut columns = BTreeSet::new();
        for (_, check) in &self.terms {
            match check {
                MatcherTerm::Words(_) => columns.extend(["input_messages", "output_messages"]),
                MatcherTerm::Any(any) => columns.extend(any.iter().flat_map(SpanMatcher::columns)),
                MatcherTerm::Targets(_) => columns.extend(["trace_id", "span_id", "session_id"]),
                MatcherTerm::Field(MatcherField::Column("model", _), _) => columns.extend(["request_model", "response_model"]),
                MatcherTerm::Field(MatcherField::Column("duration_us", _), _) => columns.extend(["start_time", "end_time", "duration_us"]),
                MatcherTerm::Field(MatcherField::Column("input_tokens" | "output_tokens" | "total_tokens", _), _) => {
                    columns.extend(fields::USAGE_COLUMNS)
                }
                MatcherTerm::Field(MatcherField::Column(column, _), _) => columns.extend([*column]),
                MatcherTerm::Field(MatcherField::Tag(_), _) => columns.extend(["tags"]),
                MatcherTerm::Field(MatcherField::Attribute(_), _) => columns.extend(["attributes"]),
            }
        }
        columns
    }

    /// Returns a column and a list of texts, of which the column must equal one, so spans with other values need not be tested. Returns
    /// `None` if the filter has no such term. The column is never the model, because a span has two models.
    pub fn required_texts(&self) -> Option<(&'static str, Vec<&str>)> {
        self.terms.iter().find_map(|(not, check)| match check {
            MatcherTerm::Field(MatcherField::Column(column, FilterColumnType::Text), ValueTest::Texts(patterns))
                if !not && *column != "model" =>
            {
                let plain = |pattern: &WildcardPattern| pattern.open == (false, false);
                patterns.iter().all(plain).then(|| (*column, patterns.iter().map(|pattern| pattern.text.as_str()).collect()))
            }
            _ => None,
        })
    }
}

impl GroupBy {
    /// Returns the value of a span, which is equal to the value of `GroupBy::key` for the stored row.
    pub fn of<'a>(&self, span: &'a Span) -> Option<Cow<'a, str>> {
        match self {
            GroupBy::Column(_, column) => text_of(column, span),
            GroupBy::Tag(name) => span.tags.get(name).map(|value| Cow::Borrowed(value.as_str())),
            GroupBy::AnsweringModel(_) => text_of("model", span),
            GroupBy::Whole(value) => Some(Cow::Owned(value.clone())),
        }
    }

    /// Returns the columns that [`of`](GroupBy::of) needs.
    pub fn columns(&self) -> Vec<&'static str> {
        match self {
            GroupBy::Column(_, "model") | GroupBy::AnsweringModel(_) => vec!["request_model", "response_model"],
            GroupBy::Column(_, column) => vec![*column],
            GroupBy::Tag(_) => vec!["tags"],
            GroupBy::Whole(_) => Vec::new(),
        }
    }
}

fn resolve_field(field: &str) -> Result<MatcherField, QueryError> {
    if let Some((_, column, holds)) = fields::FIELD_COLUMNS.iter().find(|(name, ..)| *name == field) {
        return Ok(MatcherField::Column(column, *holds));
    }
    if let Some(name) = field.strip_prefix("tag.") {
        return Ok(MatcherField::Tag(name.to_owned()));
    }
    let attribute = field.strip_prefix("attr.").map(|name| MatcherField::Attribute(name.to_owned()));
    attribute.ok_or_else(|| fields::unknown_field(field))
}

/// Prepares the condition of a field whose values are of type `holds`.
pub(crate) fn prepare_test(field: &str, holds: FilterColumnType, test: &FieldTest) -> Result<ValueTest, QueryError> {
    let number = |text: &str| match holds {
        FilterColumnType::Duration => fields::read_duration(field, text).map(|us| us as f64),
        _ => fields::read_number(field, text),
    };
    let amount = |text: &str| fields::read_amount(field, text).map(|amount| amount.0);
    Ok(match (test, holds) {
        (FieldTest::Present, _) => ValueTest::Present,
        (FieldTest::OneOf(values), FilterColumnType::Text) => {
            ValueTest::Texts(values.iter().map(|value| WildcardPattern::new(value)).collect())
        }
        (FieldTest::OneOf(values), FilterColumnType::Id) => {
            ValueTest::Texts(values.iter().map(|value| WildcardPattern::new(&value.to_ascii_lowercase())).collect())
        }
        (FieldTest::OneOf(values), FilterColumnType::Money) => {
            ValueTest::Amounts(values.iter().map(|value| amount(value)).collect::<Result<_, _>>()?)
        }
        (FieldTest::OneOf(values), _) => ValueTest::Numbers(values.iter().map(|value| number(value)).collect::<Result<_, _>>()?),
        (FieldTest::Compare(_, bound), FilterColumnType::Id) => return Err(fields::unordered_field(field, bound)),
        (FieldTest::Compare(order, bound), FilterColumnType::Money) => ValueTest::Amount(*order, amount(bound)?),
        (FieldTest::Compare(order, bound), _) => ValueTest::Number(*order, number(bound)?),
    })
}

impl ValueTest {
    /// Returns whether an amount passes, in steps of 10⁻¹² dollars.
    pub(crate) fn passes_amount(&self, amount: Option<i64>) -> bool {
        amount.is_some_and(|amount| match self {
            ValueTest::Present => true,
            ValueTest::Amounts(amounts) => amounts.contains(&amount),
            ValueTest::Amount(order, bound) => compare(*order, amount, *bound),
            _ => false,
        })
    }

    /// Returns whether a number passes.
    pub(crate) fn passes_number(&self, number: Option<f64>) -> bool {
        number.is_some_and(|number| match self {
            ValueTest::Present => true,
            ValueTest::Numbers(numbers) => numbers.contains(&number),
            ValueTest::Number(order, bound) => compare(*order, number, *bound),
            _ => false,
        })
    }
}

fn compare<T: PartialOrd>(order: ComparisonOperator, value: T, bound: T) -> bool {
    match order {
        ComparisonOperator::Above => value > bound,
        ComparisonOperator::AtLeast => value >= bound,
        ComparisonOperator::Below => value < bound,
        ComparisonOperator::AtMost => value <= bound,
    }
}

impl MatcherTerm {
    /// Returns whether the term holds, before negation. Absent values never pass; `-field:value` negates that, as in a query.
    fn holds(&self, span: &Span) -> bool {
        match self {
            MatcherTerm::Words(text) => {
                [&span.input_messages, &span.output_messages].into_iter().any(|messages| messages_contain(messages, text))
            }
            MatcherTerm::Any(any) => any.iter().any(|matcher| matcher.holds(span)),
            MatcherTerm::Targets(targets) => targets.contains(span.trace_id, span.span_id, span.session_id.as_deref()),
            MatcherTerm::Field(field, value_test) => match value_test {
                ValueTest::Present => field.is_present(span),
                ValueTest::Texts(patterns) => {
                    let passes = |text: &str| patterns.iter().any(|pattern| pattern.holds(text));
                    field.text(span).is_some_and(|text| passes(&text)) || field.second_text(span).is_some_and(passes)
                }
                ValueTest::Amounts(_) | ValueTest::Amount(..) => value_test.passes_amount(span.cost.as_ref().map(|cost| cost.total.0)),
                ValueTest::Numbers(_) | ValueTest::Number(..) => value_test.passes_number(field.number(span)),
            },
        }
    }
}

impl MatcherField {
    fn holds(&self) -> FilterColumnType {
        match self {
            MatcherField::Column(_, holds) => *holds,
            MatcherField::Tag(_) | MatcherField::Attribute(_) => FilterColumnType::Text,
        }
    }

    /// Returns the requested model as the second text of the field `model`.
    fn second_text<'a>(&self, span: &'a Span) -> Option<&'a str> {
        if *self == MatcherField::Column("model", FilterColumnType::Text) { span.request_model.as_deref() } else { None }
    }

    fn is_present(&self, span: &Span) -> bool {
        match self {
            MatcherField::Column(_, FilterColumnType::Money) => span.cost.is_some(),
            MatcherField::Column(_, FilterColumnType::Duration | FilterColumnType::Count) => self.number(span).is_some(),
            _ => self.text(span).is_some(),
        }
    }

    fn text<'a>(&self, span: &'a Span) -> Option<Cow<'a, str>> {
        match self {
            MatcherField::Column(column, _) => text_of(column, span),
            MatcherField::Tag(name) => span.tags.get(name).map(|value| Cow::Borrowed(value.as_str())),
            MatcherField::Attribute(name) => match span.attributes.get(name)? {
                serde_json::Value::Null => None,
                serde_json::Value::String(text) => Some(Cow::Borrowed(text)),
                other => Some(Cow::Owned(other.to_string())),
            },
        }
    }

    fn number(&self, span: &Span) -> Option<f64> {
        let count = |count: Option<u64>| count.map(|count| count as f64);
        match self {
            MatcherField::Column("duration_us", _) => span.duration_us().map(|us| us as f64),
            MatcherField::Column("input_tokens", _) => count(span.usage.input_tokens()),
            MatcherField::Column("output_tokens", _) => count(span.usage.output_tokens()),
            MatcherField::Column("total_tokens", _) => count(span.usage.total),
            _ => self.text(span)?.parse().ok(),
        }
    }
}

/// Returns the text of a column.
fn text_of<'a>(column: &str, span: &'a Span) -> Option<Cow<'a, str>> {
    let some = |text: &'a str| Some(Cow::Borrowed(text));
    let optional = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
    match column {
        "model" => span.model().map(Cow::Borrowed),
        "provider" => optional(&span.provider),
        "op" => some(&span.op),
        "kind" => some(span.kind.as_str()),
        "status" => some(span.status.as_str()),
        "name" => some(&span.name),
        "user_id" => optional(&span.user_id),
        "session_id" => optional(&span.session_id),
        "agent" => optional(&span.agent),
        "tool" => optional(&span.tool),
        "pipeline" => optional(&span.pipeline),
        "prompt" => optional(&span.prompt),
        "release" => optional(&span.release),
        "environment" => optional(&span.environment),
        "service" => optional(&span.service),
        "thread" => optional(&span.thread),
        "ingest_key" => optional(&span.ingest_key),
        "failure" => span.failure.map(|cause| Cow::Borrowed(cause.as_str())),
        "prompt_version" => optional(&span.prompt_version),
        "trace_id" => Some(Cow::Owned(span.trace_id.to_string())),
        "span_id" => Some(Cow::Owned(span.span_id.to_string())),
        _ => None,
    }
}

/// Returns whether a lower-case text is contained in any part of the messages.
fn messages_contain(messages: &[ChatMessage], text: &str) -> bool {
    let holds = |part: &str| part.to_lowercase().contains(text);
    messages.iter().flat_map(|message| &message.parts).any(|part| match part {
        MessagePart::Text { text } | MessagePart::Reasoning { text } => holds(text),
        MessagePart::ToolCall { name, arguments, .. } => holds(name) || holds(arguments),
        MessagePart::ToolResult { name, result, .. } => name.as_deref().is_some_and(holds) || holds(result),
        MessagePart::Media { content, .. } => content.as_deref().is_some_and(holds),
        MessagePart::Other { content } => holds(content),
    })
}
