//! Reads rows by number, for example the rows of whole traces by ID, without a query plan and without reading other rows.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use datafusion::execution::memory_pool::MemoryReservation;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_store::low_priority::run_blocking;
use hinomi_store::schema::SCHEMA;
use hinomi_store::snapshot::SegmentView;

use super::without_dead;
use crate::ProjectSnapshot;
use crate::error::QueryError;
use crate::filter::{FieldTest, Filter, FilterTerm};

/// Columns that only the detail of one span needs.
pub(crate) const DETAIL_COLUMNS: &[&str] =
    &["input_messages", "output_messages", "tool_definitions", "attributes", "reading", "local_decision"];

/// Maximum number of traces that are looked up one by one in the ID indexes. Rows of more traces are found by a scan.
const MAX_TRACES_BY_ID: usize = 1000;

/// Approximate memory of a span while a list or a trace is built, in bytes.
const BYTES_PER_ROW: usize = 2048;

/// Columns that lists and traces need.
pub(crate) static LIST_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let light = SCHEMA.fields().iter().filter(|field| !DETAIL_COLUMNS.contains(&field.name().as_str()));
    Arc::new(Schema::new(light.cloned().collect::<Vec<_>>()))
});

/// Returns the columns of the store with these names, in the order of its schema.
pub(crate) fn columns_of(wanted: impl Fn(&str) -> bool) -> SchemaRef {
    Arc::new(Schema::new(SCHEMA.fields().iter().filter(|field| wanted(field.name())).cloned().collect::<Vec<_>>()))
}

/// Selects columns of a batch.
pub(crate) fn project_columns(batch: &RecordBatch, columns: &SchemaRef) -> Result<RecordBatch, QueryError> {
    let places = columns.fields().iter().filter_map(|field| batch.schema_ref().index_of(field.name()).ok()).collect::<Vec<_>>();
    batch.project(&places).map_err(arrow_error)
}

/// Converts an Arrow error, which is always a bug and never a mistake in the request.
pub(crate) fn arrow_error(error: arrow::error::ArrowError) -> QueryError {
    QueryError::Engine(error.into())
}

/// Returns the live rows among the given rows.
pub(crate) fn live_rows(rows: &[Range<u32>], dead: &[u32]) -> Vec<Range<u32>> {
    without_dead(rows, dead).into_iter().map(|rows| rows.start as u32..rows.end as u32).collect()
}

/// Returns the intersection of two lists of ascending ranges.
pub(crate) fn intersect_ranges(one: &[Range<u32>], other: &[Range<u32>]) -> Vec<Range<u32>> {
    let mut common = Vec::new();
    let (mut at, mut beside) = (0, 0);
    while let (Some(a), Some(b)) = (one.get(at), other.get(beside)) {
        let both = a.start.max(b.start)..a.end.min(b.end);
        if both.start < both.end {
            common.push(both);
        }
        if a.end <= b.end { at += 1 } else { beside += 1 }
    }
    common
}

/// Converts ranges in any order to ascending ranges that do not overlap.
fn merge_ranges(mut ranges: Vec<Range<u32>>) -> Vec<Range<u32>> {
    ranges.sort_unstable_by_key(|rows| rows.start);
    let mut union: Vec<Range<u32>> = Vec::with_capacity(ranges.len());
    for rows in ranges {
        match union.last_mut() {
            Some(last) if last.end >= rows.start => last.end = last.end.max(rows.end),
            _ => union.push(rows),
        }
    }
    union
}

/// Returns whether [`candidate_rows`](ProjectSnapshot::candidate_rows) may be able to use a term.
pub(crate) fn is_indexed_term(term: &FilterTerm) -> bool {
    match term {
        FilterTerm::Text { not, .. } => !not,
        FilterTerm::Field { not, field, test } => !not && field == "trace" && matches!(test, FieldTest::OneOf(_)),
        FilterTerm::Group { not, any } => !not && any.iter().all(|filter| filter.0.iter().any(is_indexed_term)),
        FilterTerm::InTraces(traces) => traces.len() <= MAX_TRACES_BY_ID,
        FilterTerm::InTargets { not, targets } => !not && targets.all_traces().is_some_and(|traces| traces.len() <= MAX_TRACES_BY_ID),
    }
}

impl ProjectSnapshot {
    /// Returns the rows of a segment that may pass a filter, according to its indexes: rows with the n-grams of a text, and rows of a
    /// trace. `None` if no index applies. Reads files.
    pub(crate) fn candidate_rows(&self, view: &SegmentView, filter: &Filter) -> Option<Vec<Range<u32>>> {
        let of_traces = |ids: &mut dyn Iterator<Item = Option<TraceId>>| {
            let mut rows = Vec::new();
            for id in ids {
                rows.extend(view.rows_of_trace(self.project, id?).ok()?);
            }
            Some(merge_ranges(rows))
        };
        let of_term = |term: &FilterTerm| match term {
            FilterTerm::Text { text, .. } => view.segment.rows_holding(text),
            FilterTerm::Field { test: FieldTest::OneOf(ids), .. } => of_traces(&mut ids.iter().map(|id| id.parse().ok())),
            FilterTerm::Field { .. } => None,
            FilterTerm::Group { any, .. } => {
                let rows: Option<Vec<_>> = any.iter().map(|filter| self.candidate_rows(view, filter)).collect();
                Some(merge_ranges(rows?.into_iter().flatten().collect()))
            }
            FilterTerm::InTraces(traces) => of_traces(&mut traces.iter().map(|id| Some(*id))),
            FilterTerm::InTargets { targets, .. } => of_traces(&mut targets.all_traces()?.into_iter().map(Some)),
        };
        filter.0.iter().filter(|term| is_indexed_term(term)).filter_map(of_term).reduce(|one, other| intersect_ranges(&one, &other))
    }

    /// Returns the project ID as stored in its column.
    pub(crate) fn stored_id(&self) -> i64 {
        i64::try_from(self.project).unwrap_or(i64::MAX)
    }

    /// Returns an error if no client waits for the result any more. Long computations call this function regularly.
    pub(crate) fn check_cancelled(&self) -> Result<(), QueryError> {
        if self.cancellation.is_wanted() { Ok(()) } else { Err(QueryError::Gone) }
    }

    /// Runs work that reads files on a blocking thread.
    pub(crate) async fn run_reading<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ProjectSnapshot) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let project = self.clone();
        let work = move |cancellation| {
            let project = ProjectSnapshot { cancellation, ..project };
            project.check_cancelled()?;
            work(&project)
        };
        run_blocking(work).await?
    }

    /// Returns all spans of these traces with these columns. The columns must include project and trace. Returns `None` if there are more
    /// than `most_rows`. Reserves the memory of the rows from the pool of queries. Reads files.
    pub(crate) fn rows_of_traces(
        &self,
        traces: &[TraceId],
        columns: &SchemaRef,
        most_rows: usize,
        reserved: &MemoryReservation,
    ) -> Result<Option<Vec<RecordBatch>>, QueryError> {
        let ids: HashSet<String> = traces.iter().map(TraceId::to_string).collect();
        let mut places = Vec::new();
        let mut count = 0;
        for view in &self.snapshot.segments {
            let rows = self.candidate_rows_of_traces(view, traces, &ids)?;
            if !rows.is_empty() {
                count += rows.iter().map(ExactSizeIterator::len).sum::<usize>();
                places.push((view, rows));
            }
        }
        if count > most_rows {
            return Ok(None);
        }
        reserved.try_grow(count * BYTES_PER_ROW)?;
        let mut found = Vec::new();
        for batch in &self.snapshot.buffer {
            let wanted = self.is_in_traces(batch, &ids);
            if wanted.true_count() > 0 {
                reserved.try_grow(wanted.true_count() * BYTES_PER_ROW)?;
                found.push(filter_record_batch(&project_columns(batch, columns)?, &wanted).map_err(arrow_error)?);
            }
        }
        for (view, rows) in places {
            self.check_cancelled()?;
            let batch = self.engine.footers.open(&view.segment)?.rows(&rows, columns)?;
            // Two traces may have the same hash.
            let wanted = self.is_in_traces(&batch, &ids);
            found.push(filter_record_batch(&batch, &wanted).map_err(arrow_error)?);
        }
        Ok(Some(found))
    }

    /// Returns a span with all columns; empty if it does not exist.
    pub(crate) fn rows_of_span(&self, trace: TraceId, span: SpanId) -> Result<Vec<RecordBatch>, QueryError> {
        let ids = HashSet::from([trace.to_string()]);
        let narrow = columns_of(|name| ["project_id", "trace_id", "span_id"].contains(&name));
        let span = span.to_string();
        // Position of the span among the rows of its trace.
        let place = |batch: &RecordBatch| {
            let wanted = self.is_in_traces(batch, &ids);
            let spans = batch.column_by_name("span_id").map(|column| column.as_string_view());
            (0..batch.num_rows()).find(|row| wanted.value(*row) && spans.is_some_and(|spans| spans.value(*row) == span))
        };
        for batch in &self.snapshot.buffer {
            if let Some(row) = place(batch) {
                return Ok(vec![batch.slice(row, 1)]);
            }
        }
        for view in &self.snapshot.segments {
            let rows = self.candidate_rows_of_traces(view, &[trace], &ids)?;
            if rows.is_empty() {
                continue;
            }
            let segment = self.engine.footers.open(&view.segment)?;
            let found = place(&segment.rows(&rows, &narrow)?).and_then(|place| rows.iter().cloned().flatten().nth(place));
            if let Some(row) = found {
                return Ok(vec![segment.rows(std::slice::from_ref(&(row..row + 1)), &SCHEMA)?]);
            }
        }
        Ok(Vec::new())
    }

    /// Returns the rows of a segment that may belong to these traces: all that do, and hardly any others.
    fn candidate_rows_of_traces(
        &self,
        view: &SegmentView,
        traces: &[TraceId],
        ids: &HashSet<String>,
    ) -> Result<Vec<Range<u32>>, QueryError> {
        if view.segment.projects.binary_search(&self.project).is_err() {
            return Ok(Vec::new());
        }
        let known = traces.iter().map(|trace| view.rows_of_trace(self.project, *trace)).collect::<Result<Vec<_>, _>>();
        let mut rows: Vec<Range<u32>> = match known {
            Ok(rows) => rows.into_iter().flatten().collect(),
            // The ID index is damaged: read the IDs from the segment instead.
            Err(_) => {
                let all = 0..view.segment.rows as u32;
                let narrow = columns_of(|name| ["project_id", "trace_id"].contains(&name));
                let batch = self.engine.footers.open(&view.segment)?.rows(std::slice::from_ref(&all), &narrow)?;
                (0u32..).zip(self.is_in_traces(&batch, ids).values()).filter(|(_, wanted)| *wanted).map(|(row, _)| row..row + 1).collect()
            }
        };
        rows.sort_unstable_by_key(|rows| (rows.start, rows.end));
        rows.dedup();
        Ok(live_rows(&rows, &view.dead))
    }

    fn is_in_traces(&self, batch: &RecordBatch, ids: &HashSet<String>) -> BooleanArray {
        let (Some(projects), Some(traces)) = (batch.column_by_name("project_id"), batch.column_by_name("trace_id")) else {
            return BooleanArray::from(vec![false; batch.num_rows()]);
        };
        let (projects, traces) = (projects.as_primitive::<Int64Type>(), traces.as_string_view());
        let (project, mut last) = (self.stored_id(), ("", false));
        let is_wanted = |row: usize| {
            let trace = traces.value(row);
            // Adjacent rows often belong to the same trace.
            if trace != last.0 {
                last = (trace, ids.contains(trace));
            }
            last.1 && projects.value(row) == project
        };
        (0..traces.len()).map(is_wanted).map(Some).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::single_range_in_vec_init, reason = "one range of rows is what is meant")]

    use super::*;

    #[test]
    fn ranges_are_intersected() {
        assert_eq!(intersect_ranges(&[0..4, 6..9], &[2..7, 8..20]), [2..4, 6..7, 8..9]);
        assert_eq!(intersect_ranges(&[0..4], &[4..8]), []);
        assert_eq!(intersect_ranges(&[], &[4..8]), []);
        assert_eq!(merge_ranges(vec![8..9, 0..4, 2..6, 6..7, 8..9]), [0..7, 8..9]);
    }
}
