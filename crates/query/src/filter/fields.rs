//! Mapping of the fields of the filter language to columns and conditions.

use arrow::datatypes::DataType;
use datafusion::prelude::{Expr, cast, col, lit, try_cast};
use hinomi_model::money::Usd;

use super::{ComparisonOperator, FieldTest, Filter, FilterTerm, MAX_TERMS, json_text};
use crate::error::QueryError;
use crate::scan::columns::money;

/// Maximum number of terms that are planned: those of a filter within its limits, and some that the server adds, such as a rule's group.
const MAX_PLANNED_TERMS: usize = MAX_TERMS + 8;

/// Type of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilterColumnType {
    Text,
    /// Lower-case hexadecimal digits.
    Id,
    /// US dollars.
    Money,
    /// Microseconds.
    Duration,
    Count,
}

/// Fields with a column of their own: name of the field, name of the column, type.
pub(crate) const FIELD_COLUMNS: &[(&str, &str, FilterColumnType)] = &[
    ("model", "model", FilterColumnType::Text),
    ("provider", "provider", FilterColumnType::Text),
    ("op", "op", FilterColumnType::Text),
    ("kind", "kind", FilterColumnType::Text),
    ("status", "status", FilterColumnType::Text),
    ("name", "name", FilterColumnType::Text),
    ("user", "user_id", FilterColumnType::Text),
    ("session", "session_id", FilterColumnType::Text),
    ("agent", "agent", FilterColumnType::Text),
    ("tool", "tool", FilterColumnType::Text),
    ("pipeline", "pipeline", FilterColumnType::Text),
    ("prompt", "prompt", FilterColumnType::Text),
    ("release", "release", FilterColumnType::Text),
    ("environment", "environment", FilterColumnType::Text),
    ("service", "service", FilterColumnType::Text),
    ("thread", "thread", FilterColumnType::Text),
    ("key", "ingest_key", FilterColumnType::Text),
    ("failure", "failure", FilterColumnType::Text),
    ("prompt_version", "prompt_version", FilterColumnType::Text),
    ("trace", "trace_id", FilterColumnType::Id),
    ("span", "span_id", FilterColumnType::Id),
    ("cost", "cost", FilterColumnType::Money),
    ("duration", "duration_us", FilterColumnType::Duration),
    ("input_tokens", "input_tokens", FilterColumnType::Count),
    ("output_tokens", "output_tokens", FilterColumnType::Count),
    ("total_tokens", "total_tokens", FilterColumnType::Count),
];

/// Columns from which the token counts of a span are computed.
pub(crate) const USAGE_COLUMNS: [&str; 11] = [
    "usage_input",
    "usage_cache_read",
    "usage_cache_write_5m",
    "usage_cache_write_1h",
    "usage_input_audio",
    "usage_output",
    "usage_reasoning",
    "usage_output_audio",
    "usage_input_image",
    "usage_output_image",
    "total_tokens",
];

/// Returns the expression of a field and its type.
fn field_expression(field: &str) -> Result<(Expr, FilterColumnType), QueryError> {
    if let Some((_, column, column_type)) = FIELD_COLUMNS.iter().find(|(name, ..)| *name == field) {
        return Ok((col(*column), *column_type));
    }
    if let Some(name) = field.strip_prefix("tag.") {
        return Ok((json_text::json_text(col("tags"), name), FilterColumnType::Text));
    }
    if let Some(name) = field.strip_prefix("attr.") {
        return Ok((json_text::json_text(col("attributes"), name), FilterColumnType::Text));
    }
    Err(unknown_field(field))
}

/// Returns the error of a field that spans do not have.
pub(crate) fn unknown_field(field: &str) -> QueryError {
    let is_of_targets = super::targets::is_target_field(field);
    if is_of_targets { QueryError::TargetField(field.to_owned()) } else { QueryError::BadField(field.to_owned()) }
}

/// Returns the column of a field that contains text.
pub(crate) fn column(field: &str) -> Option<&'static str> {
    FIELD_COLUMNS
        .iter()
        .find(|(name, _, column_type)| *name == field && matches!(column_type, FilterColumnType::Text))
        .map(|(_, column, _)| *column)
}

/// Returns the values of a field as text, to find the most frequent ones.
pub(crate) fn facet_text(field: &str) -> Result<Expr, QueryError> {
    match field_expression(field)? {
        (expr, FilterColumnType::Text | FilterColumnType::Id) => Ok(expr),
        (expr, _) => Ok(cast(expr, DataType::Utf8View)),
    }
}

/// Returns the condition of a filter; `None` for the empty filter.
///
/// # Errors
///
/// Returns an error if the filter compares values that cannot be compared, or has more terms than the planner can handle.
pub(crate) fn condition(filter: &Filter) -> Result<Option<Expr>, QueryError> {
    let (terms, _) = filter.term_and_value_count();
    if terms > MAX_PLANNED_TERMS {
        return Err(QueryError::TooManyTerms(terms));
    }
    filter_expression(filter)
}

fn filter_expression(filter: &Filter) -> Result<Option<Expr>, QueryError> {
    let terms = filter.0.iter().map(term).collect::<Result<Vec<_>, _>>()?;
    Ok(join_balanced(terms, Expr::and))
}

/// Joins expressions with `and` or `or` as a balanced tree. The depth of the tree, and of a recursive walk over it, is the logarithm of the
/// number of expressions.
pub(crate) fn join_balanced(mut expressions: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    while expressions.len() > 1 {
        let mut pairs = expressions.into_iter();
        let mut halved = Vec::with_capacity(pairs.len().div_ceil(2));
        while let Some(left) = pairs.next() {
            halved.push(match pairs.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        expressions = halved;
    }
    expressions.pop()
}

fn term(term: &FilterTerm) -> Result<Expr, QueryError> {
    let (not, column_type) = match term {
        FilterTerm::Text { not, text } => {
            (*not, json_text::messages_hold(col("input_messages"), text).or(json_text::messages_hold(col("output_messages"), text)))
        }
        FilterTerm::Field { not, field, test } if field == "model" => (*not, model_test(test)?),
        FilterTerm::Field { not, field, test } => (*not, field_test(field, test)?),
        FilterTerm::Group { not, any } => {
            let any = any.iter().map(filter_expression).collect::<Result<Vec<_>, _>>()?;
            (
                *not,
                join_balanced(any.into_iter().map(|all| all.unwrap_or_else(|| lit(true))).collect(), Expr::or).unwrap_or_else(|| lit(true)),
            )
        }
        FilterTerm::InTraces(traces) => (false, json_text::is_of_traces(col("trace_id"), traces)),
        FilterTerm::InTargets { not, targets } => {
            (*not, json_text::is_of_targets([col("trace_id"), col("span_id"), col("session_id")], targets))
        }
    };
    // An absent value passes a negated term.
    Ok(if not { column_type.is_not_true() } else { column_type })
}

/// Returns the condition on a model, which holds if the requested or the answering model passes.
fn model_test(test: &FieldTest) -> Result<Expr, QueryError> {
    let answered = field_test("model", test)?;
    Ok(answered.or(expression_test("model", col("request_model"), FilterColumnType::Text, test)?))
}

fn field_test(field: &str, test: &FieldTest) -> Result<Expr, QueryError> {
    let (expr, column_type) = field_expression(field)?;
    expression_test(field, expr, column_type, test)
}

fn expression_test(field: &str, expr: Expr, column_type: FilterColumnType, test: &FieldTest) -> Result<Expr, QueryError> {
    match test {
        FieldTest::Present => Ok(expr.is_not_null()),
        FieldTest::OneOf(values) => {
            let is_text = matches!(column_type, FilterColumnType::Text | FilterColumnType::Id);
            let (patterns, plain): (Vec<&String>, Vec<&String>) =
                values.iter().partition(|value| is_text && (value.starts_with('*') || value.ends_with('*')));
            let mut tests: Vec<Expr> =
                patterns.into_iter().map(|value| expr.clone().like(lit(pattern(&column_spelling(column_type, value))))).collect();
            let mut plain = plain.into_iter().map(|text| literal(field, column_type, text)).collect::<Result<Vec<_>, _>>()?;
            match plain.len() {
                0 => {}
                1 => tests.extend(plain.pop().map(|value| expr.eq(value))),
                _ => tests.push(expr.in_list(plain, false)),
            }
            Ok(join_balanced(tests, Expr::or).unwrap_or_else(|| lit(true)))
        }
        FieldTest::Compare(order, bound) => {
            let (expr, bound) = match column_type {
                FilterColumnType::Text => (try_cast(expr, DataType::Float64), lit(read_number(field, bound)?)),
                FilterColumnType::Id => return Err(unordered_field(field, bound)),
                _ => (expr, value(field, column_type, bound)?),
            };
            Ok(match order {
                ComparisonOperator::Above => expr.gt(bound),
                ComparisonOperator::AtLeast => expr.gt_eq(bound),
                ComparisonOperator::Below => expr.lt(bound),
                ComparisonOperator::AtMost => expr.lt_eq(bound),
            })
        }
    }
}

/// Returns a value in the spelling of the column.
fn column_spelling(column_type: FilterColumnType, text: &str) -> String {
    if column_type == FilterColumnType::Id { text.to_ascii_lowercase() } else { text.to_owned() }
}

fn literal(field: &str, column_type: FilterColumnType, text: &str) -> Result<Expr, QueryError> {
    match column_type {
        FilterColumnType::Text | FilterColumnType::Id => Ok(lit(column_spelling(column_type, text))),
        _ => value(field, column_type, text),
    }
}

/// Converts `gpt-4*` to a `LIKE` pattern. A star at either end matches anything.
fn pattern(text: &str) -> String {
    let bare = text.trim_start_matches('*').trim_end_matches('*');
    let escaped: String = bare.chars().flat_map(|c| matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c])).collect();
    let (start, end) = (if text.starts_with('*') { "%" } else { "" }, if text.ends_with('*') { "%" } else { "" });
    format!("{start}{escaped}{end}")
}

fn value(field: &str, column_type: FilterColumnType, text: &str) -> Result<Expr, QueryError> {
    match column_type {
        FilterColumnType::Money => read_amount(field, text).map(money),
        FilterColumnType::Duration => read_duration(field, text).map(lit),
        _ => read_number(field, text).map(lit),
    }
}

/// Parses an amount in dollars.
pub(crate) fn read_amount(field: &str, text: &str) -> Result<Usd, QueryError> {
    let amount = text.trim_start_matches('$').parse().ok().and_then(Usd::from_dollars);
    amount.ok_or_else(|| bad_value(field, text, "a number of dollars, such as 0.01"))
}

/// Parses a duration and returns it in microseconds.
pub(crate) fn read_duration(field: &str, text: &str) -> Result<i64, QueryError> {
    duration(text).ok_or_else(|| bad_value(field, text, "a duration, such as 250ms, 2s or 1m (a number without a unit is milliseconds)"))
}

/// Parses a finite number.
pub(crate) fn read_number(field: &str, text: &str) -> Result<f64, QueryError> {
    let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| bad_value(field, text, "a number"))
}

/// Returns the error of a comparison of IDs by order.
pub(crate) fn unordered_field(field: &str, bound: &str) -> QueryError {
    bad_value(field, bound, "a valid comparison: IDs only support equality, such as trace:ID")
}

/// Parses `250ms`, `2s` or `1.5m` and returns microseconds. A number without a unit is milliseconds.
fn duration(text: &str) -> Option<i64> {
    const DURATION_UNITS: [(&str, f64); 5] = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7), ("h", 3.6e9)];
    let (number, factor) =
        DURATION_UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor))).unwrap_or((text, 1e3));
    let us = number.trim().parse::<f64>().ok()? * factor;
    (us.is_finite() && us.abs() < 9e18).then_some(us.round() as i64)
}

fn bad_value(field: &str, value: &str, wanted: &'static str) -> QueryError {
    QueryError::BadValue { field: field.to_owned(), value: value.to_owned(), wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_resolves() {
        for field in super::super::FIELD_NAMES {
            assert!(field_expression(field).is_ok(), "{field}");
        }
        assert_eq!(FIELD_COLUMNS.len(), super::super::FIELD_NAMES.len());
    }

    #[test]
    fn durations_and_patterns() {
        assert_eq!(duration("2s"), Some(2_000_000));
        assert_eq!(duration("250ms"), Some(250_000));
        assert_eq!(duration("1.5"), Some(1_500));
        assert_eq!(duration("5us"), Some(5));
        assert_eq!(duration("soon"), None);
        assert_eq!(pattern("gpt-4*"), "gpt-4%");
        assert_eq!(pattern("*50%_*"), "%50\\%\\_%");
    }
}
