//! The order of rows in a segment: project, first start of the trace, trace, start. The spans of a trace are adjacent, traces are ordered
//! by time, and a project's rows are contiguous.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use hinomi_model::id::{SpanId, TraceId};

use crate::key_hash::SpanKey;

/// Columns that [`keys`] needs.
pub(crate) const KEY_COLUMNS: [&str; 4] = ["project_id", "trace_id", "span_id", "start_time"];

/// The sort key of a row, and its current location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowKey {
    pub(crate) key: SpanKey,
    pub(crate) start_us: i64,
    /// Index of the input.
    pub(crate) source: u32,
    /// Row number in the input.
    pub(crate) row: u32,
}

/// Returns the sort keys of a batch's rows, numbered from `first_row`. The batch needs at least [`KEY_COLUMNS`].
pub(crate) fn keys(batch: &RecordBatch, source: u32, first_row: u32) -> Vec<RowKey> {
    let [project, trace, span, start] = KEY_COLUMNS.map(|name| batch.column_by_name(name));
    let (Some(project), Some(trace), Some(span), Some(start)) = (project, trace, span, start) else { return Vec::new() };
    let (project, start) = (project.as_primitive::<Int64Type>(), start.as_primitive::<TimestampMicrosecondType>());
    let (trace, span) = (trace.as_string_view(), span.as_string_view());
    let row = |index: usize| RowKey {
        key: SpanKey {
            project: project.value(index) as u64,
            trace: TraceId(u128::from_str_radix(trace.value(index), 16).unwrap_or(0)),
            span: SpanId(u64::from_str_radix(span.value(index), 16).unwrap_or(0)),
        },
        start_us: start.value(index),
        source,
        row: first_row + index as u32,
    };
    (0..trace.len()).map(row).collect()
}

/// Sorts rows into the order of a segment. The sort is stable.
pub(crate) fn sort(rows: &mut [RowKey]) {
    let mut first_starts: HashMap<(u64, TraceId), i64> = HashMap::new();
    for row in rows.iter() {
        let first = first_starts.entry((row.key.project, row.key.trace)).or_insert(row.start_us);
        *first = row.start_us.min(*first);
    }
    rows.sort_by_cached_key(|row| {
        let first = first_starts.get(&(row.key.project, row.key.trace)).copied().unwrap_or(row.start_us);
        (row.key.project, first, row.key.trace, row.start_us)
    });
}
