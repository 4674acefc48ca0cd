//! Converts one value of a column to text and back.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, StringViewBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use hinomi_model::api_time::rfc3339;
use hinomi_store::schema::MONEY;

/// Columns with JSON texts.
const JSON_COLUMNS: [&str; 10] = [
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

/// Decimal places of an amount of money.
const MONEY_DECIMAL_PLACES: usize = 12;

/// Format of the text of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellFormat {
    /// Any text.
    Text,
    /// A JSON text.
    Json,
    /// A number or a boolean, which is valid JSON without quotes.
    Bare,
    /// A time (RFC 3339).
    Time,
}

/// Returns the format of a column's values.
pub(super) fn cell_format(name: &str, data_type: &DataType) -> CellFormat {
    match data_type {
        _ if JSON_COLUMNS.contains(&name) => CellFormat::Json,
        DataType::Timestamp(..) => CellFormat::Time,
        DataType::Int64 | DataType::Float64 | DataType::Boolean | DataType::Decimal128(..) => CellFormat::Bare,
        _ => CellFormat::Text,
    }
}

/// Appends the text of a value. Returns false if the value is null.
pub(super) fn push_cell(array: &ArrayRef, row: usize, out: &mut String) -> bool {
    if array.is_null(row) {
        return false;
    }
    match array.data_type() {
        DataType::Utf8View => out.push_str(array.as_string_view().value(row)),
        DataType::Int64 => drop(write!(out, "{}", array.as_primitive::<Int64Type>().value(row))),
        // The shortest digits that parse to the same number.
        DataType::Float64 => drop(write!(out, "{}", array.as_primitive::<Float64Type>().value(row))),
        DataType::Boolean => drop(write!(out, "{}", array.as_boolean().value(row))),
        DataType::Timestamp(..) => out.push_str(&rfc3339(array.as_primitive::<TimestampMicrosecondType>().value(row))),
        DataType::Decimal128(..) => {
            let steps = array.as_primitive::<Decimal128Type>().value(row);
            let sign = if steps < 0 { "-" } else { "" };
            let whole = 10u128.pow(MONEY_DECIMAL_PLACES as u32);
            let _ = write!(out, "{sign}{}.{:0MONEY_DECIMAL_PLACES$}", steps.unsigned_abs() / whole, steps.unsigned_abs() % whole);
        }
        // The schema has no columns of other types.
        _ => return false,
    }
    true
}

/// Returns whether a spreadsheet could interpret a text as a formula. The export puts a quote before such a text and the import removes
/// it, so texts that already begin with such a quote count too.
pub fn is_like_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// Builds a column from texts.
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

    /// Adds a value, or null.
    ///
    /// # Errors
    ///
    /// Returns a description of the expected value if the text cannot be parsed.
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
                builder.append_option(text.map(|text| decimal_steps(text).ok_or("an amount of dollars")).transpose()?)
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

/// Parses a number; JSON has finite numbers only.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Parses an amount in units of 10^-12 dollars; further decimal places must be zeros.
fn decimal_steps(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let (kept, beyond) = part.split_at_checked(MONEY_DECIMAL_PLACES).unwrap_or((part, ""));
    let only_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !only_digits(whole) || !only_digits(part) || beyond.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let amount: i128 = format!("{whole}{kept:0<MONEY_DECIMAL_PLACES$}").parse().ok()?;
    // Amounts are 64-bit numbers.
    i64::try_from(amount).ok().map(|amount| sign * i128::from(amount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hinomi_store::schema::SCHEMA;

    #[test]
    fn every_schema_column_is_converted() {
        for field in SCHEMA.fields() {
            let mut column = TextColumnBuilder::of(field.data_type());
            column.add(None).unwrap();
            assert_eq!(column.finish().data_type(), field.data_type(), "{}", field.name());
        }
        let mut column = TextColumnBuilder::of(&DataType::Float64);
        assert!(column.add(Some("NaN")).is_err());
        column.add(Some("0.1")).unwrap();
        let mut text = String::new();
        assert!(push_cell(&column.finish(), 0, &mut text));
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
            assert_eq!(decimal_steps(text), Some(amount), "{text}");
        }
        for wrong in ["", ".", "1e3", "0.0000000000001", "1.2.3", "NaN", "10000000", "٣"] {
            assert_eq!(decimal_steps(wrong), None, "{wrong}");
        }
        let mut column = TextColumnBuilder::of(&MONEY);
        column.add(Some("-0.000000000001")).unwrap();
        let mut text = String::new();
        assert!(push_cell(&column.finish(), 0, &mut text));
        assert_eq!(text, "-0.000000000001");
    }
}
