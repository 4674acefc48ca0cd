//! Reading the columns of query results, and literals in the types of the columns.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};
use datafusion::prelude::{Expr, lit};
use datafusion::scalar::ScalarValue;
use hinomi_model::money::Usd;

/// Returns a time as a literal of the type of time columns.
pub(crate) fn time(us: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())))
}

/// Returns an amount as a literal of the type of cost columns.
pub(crate) fn money(amount: Usd) -> Expr {
    lit(ScalarValue::Decimal128(Some(i128::from(amount.0)), 18, 12))
}

/// A column of a query result, by name. A missing column reads as null.
pub(crate) struct BatchColumn<'a>(Option<&'a dyn Array>);

impl<'a> BatchColumn<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: &str) -> BatchColumn<'a> {
        BatchColumn(batch.column_by_name(name).map(AsRef::as_ref))
    }

    pub(crate) fn text(&self, row: usize) -> Option<String> {
        let array = self.0.filter(|array| !array.is_null(row))?;
        match array.data_type() {
            DataType::Utf8View => Some(array.as_string_view().value(row).to_owned()),
            DataType::Utf8 => Some(array.as_string::<i32>().value(row).to_owned()),
            DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row).to_owned()),
            _ => None,
        }
    }

    /// Returns an integer, or a time in microseconds.
    pub(crate) fn int(&self, row: usize) -> Option<i64> {
        let array = self.0.filter(|array| !array.is_null(row))?;
        match array.data_type() {
            DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(row)),
            DataType::UInt64 => i64::try_from(array.as_primitive::<UInt64Type>().value(row)).ok(),
            DataType::Timestamp(..) => {
                let ints = cast(&array.slice(row, 1), &DataType::Int64).ok()?;
                Some(ints.as_primitive::<Int64Type>().value(0))
            }
            _ => None,
        }
    }

    /// Returns a count; 0 for null and for negative values.
    pub(crate) fn count(&self, row: usize) -> u64 {
        self.int(row).and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
    }

    pub(crate) fn float(&self, row: usize) -> Option<f64> {
        let array = self.0.filter(|array| !array.is_null(row))?;
        match array.data_type() {
            DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(row)),
            _ => self.int(row).map(|n| n as f64),
        }
    }

    /// Returns a duration in microseconds as milliseconds.
    pub(crate) fn ms(&self, row: usize) -> Option<f64> {
        self.float(row).map(|us| us / 1000.0)
    }

    pub(crate) fn usd(&self, row: usize) -> Option<Usd> {
        let array = self.0.filter(|array| !array.is_null(row))?;
        match array.data_type() {
            DataType::Decimal128(_, 12) => {
                let steps = array.as_primitive::<Decimal128Type>().value(row);
                Some(Usd(i64::try_from(steps).unwrap_or(if steps < 0 { i64::MIN } else { i64::MAX })))
            }
            _ => None,
        }
    }
}
