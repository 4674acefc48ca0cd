//! A filter, asked of one span in memory: it says what [`condition`](super::fields::condition) says of the stored row.

use std::borrow::Cow;
use std::collections::BTreeSet;

use hinomi_model::span::{Message, Part, Span};

use super::By;
use super::error::QueryError;
use super::fields::{self, Holds};
use super::filter::{Filter, Order, Term, Test};

/// A filter that can be asked of spans.
#[derive(Debug, Clone)]
pub struct Matcher {
    terms: Vec<(bool, Check)>,
}

#[derive(Debug, Clone)]
enum Check {
    Words(String),
    Field(Field, ValueTest),
    Any(Vec<Matcher>),
}

/// Where a value is.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Column(&'static str, Holds),
    Tag(String),
    Attribute(String),
}

#[derive(Debug, Clone)]
pub(super) enum ValueTest {
    Present,
    /// One of these texts.
    Texts(Vec<Pattern>),
    Numbers(Vec<f64>),
    Amounts(Vec<i64>),
    Number(Order, f64),
    Amount(Order, i64),
}

/// A text, with a star for anything at either end.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    bare: String,
    /// Anything may stand before, after.
    open: (bool, bool),
}

impl Pattern {
    pub(super) fn new(text: &str) -> Pattern {
        let open = (text.starts_with('*'), text.ends_with('*'));
        let bare = if open == (false, false) { text } else { text.trim_start_matches('*').trim_end_matches('*') };
        Pattern { bare: bare.to_owned(), open }
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        match self.open {
            (false, false) => text == self.bare,
            (true, false) => text.ends_with(&self.bare),
            (false, true) => text.starts_with(&self.bare),
            (true, true) => text.contains(&self.bare),
        }
    }
}

impl Matcher {
    /// Makes a filter ready.
    ///
    /// # Errors
    ///
    /// When it compares what cannot be compared.
    pub fn new(filter: &Filter) -> Result<Matcher, QueryError> {
        let term = |term: &Term| match term {
            Term::Text { not, text } => Ok((*not, Check::Words(text.to_lowercase()))),
            Term::Field { not, field, test } => {
                let place = place(field)?;
                let value_test = value_test(field, place.holds(), test)?;
                Ok((*not, Check::Field(place, value_test)))
            }
            Term::Group { not, any } => Ok((*not, Check::Any(any.iter().map(Matcher::new).collect::<Result<_, _>>()?))),
            Term::OfTraces(traces) => {
                let ids = traces.iter().map(|id| Pattern::new(&id.to_string())).collect();
                Ok((false, Check::Field(Field::Column("trace_id", Holds::Id), ValueTest::Texts(ids))))
            }
        };
        Ok(Matcher { terms: filter.0.iter().map(term).collect::<Result<_, QueryError>>()? })
    }

    /// Whether the filter lets a span pass.
    pub fn holds(&self, span: &Span) -> bool {
        self.terms.iter().all(|(not, check)| check.holds(span) != *not)
    }

    /// The columns that must be there for an answer.
    pub fn columns(&self) -> BTreeSet<&'static str> {
        let mut columns = BTreeSet::new();
        for (_, check) in &self.terms {
            match check {
                Check::Words(_) => columns.extend(["input_messages", "output_messages"]),
                Check::Any(any) => columns.extend(any.iter().flat_map(Matcher::columns)),
                Check::Field(Field::Column("model", _), _) => columns.extend(["request_model", "response_model"]),
                Check::Field(Field::Column("duration_us", _), _) => columns.extend(["start_time", "end_time"]),
                Check::Field(Field::Column("input_tokens" | "output_tokens" | "total_tokens", _), _) => columns.extend(fields::USAGE),
                Check::Field(Field::Column(column, _), _) => columns.extend([*column]),
                Check::Field(Field::Tag(_), _) => columns.extend(["tags"]),
                Check::Field(Field::Attribute(_), _) => columns.extend(["attributes"]),
            }
        }
        columns
    }

    /// A column and the texts one of which it must be: spans with other values need not be asked. `None` where there is no such term. A
    /// model is no such column, since a span has two of them.
    pub fn anchor(&self) -> Option<(&'static str, Vec<&str>)> {
        self.terms.iter().find_map(|(not, check)| match check {
            Check::Field(Field::Column(column, Holds::Text), ValueTest::Texts(patterns)) if !not && *column != "model" => {
                let plain = |pattern: &Pattern| pattern.open == (false, false);
                patterns.iter().all(plain).then(|| (*column, patterns.iter().map(|pattern| pattern.bare.as_str()).collect()))
            }
            _ => None,
        })
    }
}

impl By {
    /// The value of a span, as [`key`](By::key) says it of the stored row.
    pub fn of<'a>(&self, span: &'a Span) -> Option<Cow<'a, str>> {
        match self {
            By::Column(_, column) => text_of(column, span),
            By::Tag(name) => span.tags.get(name).map(|value| Cow::Borrowed(value.as_str())),
            By::AnsweringModel(_) => text_of("model", span),
        }
    }

    /// The columns that must be there for it.
    pub fn columns(&self) -> Vec<&'static str> {
        match self {
            By::Column(_, "model") | By::AnsweringModel(_) => vec!["request_model", "response_model"],
            By::Column(_, column) => vec![*column],
            By::Tag(_) => vec!["tags"],
        }
    }
}

fn place(field: &str) -> Result<Field, QueryError> {
    if let Some((_, column, holds)) = fields::COLUMNS.iter().find(|(name, ..)| *name == field) {
        return Ok(Field::Column(column, *holds));
    }
    if let Some(name) = field.strip_prefix("tag.") {
        return Ok(Field::Tag(name.to_owned()));
    }
    let attribute = field.strip_prefix("attr.").map(|name| Field::Attribute(name.to_owned()));
    attribute.ok_or_else(|| QueryError::BadField(field.to_owned()))
}

/// What a test asks of a value that is held so.
pub(super) fn value_test(field: &str, holds: Holds, test: &Test) -> Result<ValueTest, QueryError> {
    let number = |text: &str| match holds {
        Holds::Duration => fields::read_duration(field, text).map(|us| us as f64),
        _ => fields::read_number(field, text),
    };
    let amount = |text: &str| fields::read_amount(field, text).map(|amount| amount.0);
    Ok(match (test, holds) {
        (Test::Present, _) => ValueTest::Present,
        (Test::OneOf(values), Holds::Text) => ValueTest::Texts(values.iter().map(|value| Pattern::new(value)).collect()),
        (Test::OneOf(values), Holds::Id) => {
            ValueTest::Texts(values.iter().map(|value| Pattern::new(&value.to_ascii_lowercase())).collect())
        }
        (Test::OneOf(values), Holds::Money) => ValueTest::Amounts(values.iter().map(|value| amount(value)).collect::<Result<_, _>>()?),
        (Test::OneOf(values), _) => ValueTest::Numbers(values.iter().map(|value| number(value)).collect::<Result<_, _>>()?),
        (Test::Compare(_, bound), Holds::Id) => return Err(fields::no_order(field, bound)),
        (Test::Compare(order, bound), Holds::Money) => ValueTest::Amount(*order, amount(bound)?),
        (Test::Compare(order, bound), _) => ValueTest::Number(*order, number(bound)?),
    })
}

impl ValueTest {
    /// Whether an amount passes, in steps of money.
    pub(super) fn amount_holds(&self, amount: Option<i64>) -> bool {
        amount.is_some_and(|amount| match self {
            ValueTest::Present => true,
            ValueTest::Amounts(amounts) => amounts.contains(&amount),
            ValueTest::Amount(order, bound) => stands(*order, amount, *bound),
            _ => false,
        })
    }

    /// Whether a number passes.
    pub(super) fn number_holds(&self, number: Option<f64>) -> bool {
        number.is_some_and(|number| match self {
            ValueTest::Present => true,
            ValueTest::Numbers(numbers) => numbers.contains(&number),
            ValueTest::Number(order, bound) => stands(*order, number, *bound),
            _ => false,
        })
    }
}

fn stands<T: PartialOrd>(order: Order, value: T, bound: T) -> bool {
    match order {
        Order::Above => value > bound,
        Order::AtLeast => value >= bound,
        Order::Below => value < bound,
        Order::AtMost => value <= bound,
    }
}

impl Check {
    /// Absent values hold nothing; `-field:value` turns that round, as in a query.
    fn holds(&self, span: &Span) -> bool {
        match self {
            Check::Words(text) => [&span.input_messages, &span.output_messages].into_iter().any(|messages| say(messages, text)),
            Check::Any(any) => any.iter().any(|matcher| matcher.holds(span)),
            Check::Field(field, value_test) => match value_test {
                ValueTest::Present => field.is_present(span),
                ValueTest::Texts(patterns) => {
                    let passes = |text: &str| patterns.iter().any(|pattern| pattern.holds(text));
                    field.text(span).is_some_and(|text| passes(&text)) || field.second_text(span).is_some_and(passes)
                }
                ValueTest::Amounts(_) | ValueTest::Amount(..) => value_test.amount_holds(span.cost.as_ref().map(|cost| cost.total.0)),
                ValueTest::Numbers(_) | ValueTest::Number(..) => value_test.number_holds(field.number(span)),
            },
        }
    }
}

impl Field {
    fn holds(&self) -> Holds {
        match self {
            Field::Column(_, holds) => *holds,
            Field::Tag(_) | Field::Attribute(_) => Holds::Text,
        }
    }

    /// The model that was asked for, beside the one that answered.
    fn second_text<'a>(&self, span: &'a Span) -> Option<&'a str> {
        if *self == Field::Column("model", Holds::Text) { span.request_model.as_deref() } else { None }
    }

    fn is_present(&self, span: &Span) -> bool {
        match self {
            Field::Column(_, Holds::Money) => span.cost.is_some(),
            Field::Column(_, Holds::Duration | Holds::Count) => self.number(span).is_some(),
            _ => self.text(span).is_some(),
        }
    }

    fn text<'a>(&self, span: &'a Span) -> Option<Cow<'a, str>> {
        match self {
            Field::Column(column, _) => text_of(column, span),
            Field::Tag(name) => span.tags.get(name).map(|value| Cow::Borrowed(value.as_str())),
            Field::Attribute(name) => match span.attributes.get(name)? {
                serde_json::Value::Null => None,
                serde_json::Value::String(text) => Some(Cow::Borrowed(text)),
                other => Some(Cow::Owned(other.to_string())),
            },
        }
    }

    fn number(&self, span: &Span) -> Option<f64> {
        let count = |count: Option<u64>| count.map(|count| count as f64);
        match self {
            Field::Column("duration_us", _) => Some(span.end_us.saturating_sub(span.start_us) as f64),
            Field::Column("input_tokens", _) => count(span.usage.input_tokens()),
            Field::Column("output_tokens", _) => count(span.usage.output_tokens()),
            Field::Column("total_tokens", _) => count(span.usage.total),
            _ => self.text(span)?.parse().ok(),
        }
    }
}

/// The text of a column.
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
        "trace_id" => Some(Cow::Owned(span.trace_id.to_string())),
        "span_id" => Some(Cow::Owned(span.span_id.to_string())),
        _ => None,
    }
}

/// Whether a text, in lower case, stands in whatever a person wrote or reads.
fn say(messages: &[Message], text: &str) -> bool {
    let holds = |part: &str| part.to_lowercase().contains(text);
    messages.iter().flat_map(|message| &message.parts).any(|part| match part {
        Part::Text { text } | Part::Reasoning { text } => holds(text),
        Part::ToolCall { name, arguments, .. } => holds(name) || holds(arguments),
        Part::ToolResult { name, result, .. } => name.as_deref().is_some_and(holds) || holds(result),
        Part::Media { content, .. } | Part::Other { content } => holds(content),
    })
}
