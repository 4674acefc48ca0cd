//! One value of a column as text, and back.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, StringViewBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use hinomi_model::api_time::rfc3339;
use hinomi_store::schema::MONEY;

/// Columns whose texts are JSON.
const JSON: [&str; 10] = [
    "finish_reasons",
    "tags",
    "input_messages",
    "output_messages",
    "tool_definitions",
    "attributes",
    "reading",
    "local_decision",
    "joined",
    "also_reported",
];

/// Places behind the point of an amount of money.
const PLACES: usize = 12;

/// What the text of a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellFormat {
    /// Any text.
    Text,
    /// JSON of its own.
    Json,
    /// A number, a truth value: JSON as it is.
    Bare,
    /// A time in RFC 3339.
    Time,
}

/// The form of a column's values.
pub(super) fn form(name: &str, data_type: &DataType) -> CellFormat {
    match data_type {
        _ if JSON.contains(&name) => CellFormat::Json,
        DataType::Timestamp(..) => CellFormat::Time,
        DataType::Int64 | DataType::Float64 | DataType::Boolean | DataType::Decimal128(..) => CellFormat::Bare,
        _ => CellFormat::Text,
    }
}

/// Appends the text of a value. False where there is none.
pub(super) fn push(array: &ArrayRef, row: usize, out: &mut String) -> bool {
    if array.is_null(row) {
        return false;
    }
    match array.data_type() {
        DataType::Utf8View => out.push_str(array.as_string_view().value(row)),
        DataType::Int64 => drop(write!(out, "{}", array.as_primitive::<Int64Type>().value(row))),
        // The shortest digits that give the same number back.
        DataType::Float64 => drop(write!(out, "{}", array.as_primitive::<Float64Type>().value(row))),
        DataType::Boolean => drop(write!(out, "{}", array.as_boolean().value(row))),
        DataType::Timestamp(..) => out.push_str(&rfc3339(array.as_primitive::<TimestampMicrosecondType>().value(row))),
        DataType::Decimal128(..) => {
            let steps = array.as_primitive::<Decimal128Type>().value(row);
            let sign = if steps < 0 { "-" } else { "" };
            let whole = 10u128.pow(PLACES as u32);
            let _ = write!(out, "{sign}{}.{:0PLACES$}", steps.unsigned_abs() / whole, steps.unsigned_abs() % whole);
        }
        // No column of the schema holds anything else.
        _ => return false,
    }
    true
}

/// Whether a spreadsheet could take a text for a formula. A quote before it, by which it is known as a text, would itself be taken off again,
/// so that texts that begin with such a quote count too.
pub(super) fn is_like_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A column that is being read from texts.
pub(super) enum TextColumnBuilder {
    Text(StringViewBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Time(TimestampMicrosecondBuilder),
    Money(Decimal128Builder),
    Flag(BooleanBuilder),
}

impl TextColumnBuilder {
    pub(super) fn of(data_type: &DataType) -> TextColumnBuilder {
        match data_type {
            DataType::Int64 => TextColumnBuilder::Int(Int64Builder::new()),
            DataType::Float64 => TextColumnBuilder::Float(Float64Builder::new()),
            DataType::Boolean => TextColumnBuilder::Flag(BooleanBuilder::new()),
            DataType::Timestamp(..) => TextColumnBuilder::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            DataType::Decimal128(..) => TextColumnBuilder::Money(Decimal128Builder::new().with_data_type(MONEY)),
            _ => TextColumnBuilder::Text(StringViewBuilder::new()),
        }
    }

    /// Adds a value, or that there is none.
    ///
    /// # Errors
    ///
    /// What it should be.
    pub(super) fn add(&mut self, text: Option<&str>) -> Result<(), &'static str> {
        match self {
            TextColumnBuilder::Text(builder) => builder.append_option(text),
            TextColumnBuilder::Int(builder) => {
                builder.append_option(text.map(|text| text.parse().map_err(|_| "a whole number")).transpose()?)
            }
            TextColumnBuilder::Float(builder) => builder.append_option(text.map(|text| number(text).ok_or("a number")).transpose()?),
            TextColumnBuilder::Flag(builder) => {
                builder.append_option(text.map(|text| text.parse().map_err(|_| "true or false")).transpose()?)
            }
            TextColumnBuilder::Time(builder) => {
                let us =
                    |text: &str| text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_microsecond).map_err(|_| "a time in RFC 3339");
                builder.append_option(text.map(us).transpose()?);
            }
            TextColumnBuilder::Money(builder) => {
                builder.append_option(text.map(|text| steps(text).ok_or("an amount of dollars")).transpose()?)
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> ArrayRef {
        match self {
            TextColumnBuilder::Text(mut builder) => Arc::new(builder.finish()),
            TextColumnBuilder::Int(mut builder) => Arc::new(builder.finish()),
            TextColumnBuilder::Float(mut builder) => Arc::new(builder.finish()),
            TextColumnBuilder::Time(mut builder) => Arc::new(builder.finish()),
            TextColumnBuilder::Money(mut builder) => Arc::new(builder.finish()),
            TextColumnBuilder::Flag(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// A number as JSON has them: there is none that is not finite.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// An amount in steps of 10^-12 dollars; places beyond those must be zeros.
fn steps(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let (kept, beyond) = part.split_at_checked(PLACES).unwrap_or((part, ""));
    let only_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !only_digits(whole) || !only_digits(part) || beyond.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let amount: i128 = format!("{whole}{kept:0<PLACES$}").parse().ok()?;
    // What an amount holds.
    i64::try_from(amount).ok().map(|amount| sign * i128::from(amount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hinomi_store::schema::SCHEMA;

    #[test]
    fn every_column_of_the_schema_is_read_as_what_it_is() {
        for field in SCHEMA.fields() {
            let mut column = TextColumnBuilder::of(field.data_type());
            column.add(None).unwrap();
            assert_eq!(column.finish().data_type(), field.data_type(), "{}", field.name());
        }
        let mut column = TextColumnBuilder::of(&DataType::Float64);
        assert!(column.add(Some("NaN")).is_err());
        column.add(Some("0.1")).unwrap();
        let mut text = String::new();
        assert!(push(&column.finish(), 0, &mut text));
        assert_eq!(text, "0.1");
    }

    #[test]
    fn money_is_exact() {
        for (text, amount) in [
            ("0.000450000000", 450_000_000),
            ("-1.5", -1_500_000_000_000),
            ("12", 12_000_000_000_000),
            ("0.1000000000000", 100_000_000_000),
        ] {
            assert_eq!(steps(text), Some(amount), "{text}");
        }
        for wrong in ["", ".", "1e3", "0.0000000000001", "1.2.3", "NaN", "10000000", "٣"] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
        let mut column = TextColumnBuilder::of(&MONEY);
        column.add(Some("-0.000000000001")).unwrap();
        let mut text = String::new();
        assert!(push(&column.finish(), 0, &mut text));
        assert_eq!(text, "-0.000000000001");
    }
}
