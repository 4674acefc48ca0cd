//! Traces with all columns of their spans, for work in the background that reads messages.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use datafusion::functions_aggregate::expr_fn::min;
use datafusion::prelude::{col, lit};
use hinomi_model::id::TraceId;
use hinomi_store::rows::{SpanRow, from_batch};
use hinomi_store::schema::SCHEMA;

use crate::error::QueryError;
use crate::filter::{Filter, FilterTerm};
use crate::scan::columns::{BatchColumn, time};
use crate::scan::row_lookup::DETAIL_COLUMNS;
use crate::{ProjectSnapshot, QueryScope, ScanMode};

/// Spans of some traces with all columns.
#[derive(Debug, Default)]
pub struct FullTraces {
    /// Spans by trace, in any order. Traces without stored spans are missing.
    pub spans: HashMap<TraceId, Vec<SpanRow>>,
    /// Traces that have more spans, or larger ones, than the limit allows.
    pub too_large: Vec<TraceId>,
}

impl ProjectSnapshot {
    /// Returns the spans of some traces with their messages and attributes. Reads a few traces at a time if they are large, and leaves out
    /// traces with more than `max_spans` spans or more than `max_bytes` bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read, or the memory of queries is in use.
    pub async fn full_traces(&self, traces: &[TraceId], max_spans: usize, max_bytes: usize) -> Result<FullTraces, QueryError> {
        let mut found = FullTraces::default();
        let mut parts = vec![traces.to_vec()];
        while let Some(ids) = parts.pop().filter(|ids| !ids.is_empty()) {
            let wanted = ids.clone();
            let read = move |project: &ProjectSnapshot| {
                let reserved = project.engine.reserve("traces with messages");
                let Some(batches) = project.rows_of_traces(&wanted, &SCHEMA, max_spans, &reserved)? else { return Ok(None) };
                let spans: usize = batches.iter().map(RecordBatch::num_rows).sum();
                let bytes: usize = batches.iter().map(text_bytes).sum();
                if spans > max_spans || bytes > max_bytes {
                    return Ok(None);
                }
                reserved.try_grow(2 * bytes)?;
                Ok(Some(batches.iter().flat_map(from_batch).collect::<Vec<SpanRow>>()))
            };
            match self.run_reading(read).await? {
                Some(rows) => rows.into_iter().for_each(|row| found.spans.entry(row.span.trace_id).or_default().push(row)),
                None if ids.len() == 1 => found.too_large.extend(ids),
                None => {
                    let (first, second) = ids.split_at(ids.len() / 2);
                    parts.extend([second.to_vec(), first.to_vec()]);
                }
            }
        }
        Ok(found)
    }

    /// Returns the traces with a call, agent or tool that was received in a period, in microseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn runs_received(&self, (from_us, to_us): (i64, i64)) -> Result<Vec<TraceId>, QueryError> {
        // A new server need not prepare the query engine, which takes some memory.
        if self.snapshot.segments.is_empty() && self.snapshot.buffer.is_empty() {
            return Ok(Vec::new());
        }
        let is_part = col("kind").in_list(vec![lit("llm"), lit("agent"), lit("tool")], false);
        let received = col("received_at").gt_eq(time(from_us)).and(col("received_at").lt(time(to_us)));
        let table = self.table(ScanMode::MostRows, i64::MIN, i64::MAX)?.filter(received.and(is_part))?;
        let ids = |batch: &RecordBatch| {
            let ids = BatchColumn::of(batch, "trace_id");
            (0..batch.num_rows()).filter_map(|row| ids.text(row)?.parse().ok()).collect::<Vec<TraceId>>()
        };
        Ok(table.select_columns(&["trace_id"])?.distinct()?.collect().await?.iter().flat_map(ids).collect())
    }

    /// Returns the start of a trace in microseconds since the Unix epoch; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn start_of_trace(&self, trace: TraceId) -> Result<Option<i64>, QueryError> {
        let filter = Filter(vec![FilterTerm::InTraces(Arc::new(HashSet::from([trace])))]);
        let spans = self.spans_in_scope(ScanMode::FewRows, &QueryScope { filter, ..QueryScope::all() }).await?;
        let batches = spans.aggregate(Vec::new(), vec![min(col("start_time")).alias("start_time")])?.collect().await?;
        Ok(batches.iter().find_map(|batch| BatchColumn::of(batch, "start_time").int(0)))
    }

    /// Returns the traces of some conversations whose spans start in a period, in microseconds since the Unix epoch, with the start of their
    /// first span, in order of time.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn traces_of_sessions(
        &self,
        sessions: &[&str],
        (from_us, to_us): (i64, i64),
    ) -> Result<HashMap<String, Vec<(TraceId, i64)>>, QueryError> {
        let wanted = col("session_id").in_list(sessions.iter().map(|session| lit(*session)).collect(), false);
        let table = self.table(ScanMode::FewRows, from_us, to_us)?.filter(wanted)?;
        let start = min(col("start_time")).alias("start_time");
        let table = table.aggregate(vec![col("session_id"), col("trace_id")], vec![start])?;
        let mut found: HashMap<String, Vec<(TraceId, i64)>> = HashMap::new();
        for batch in table.collect().await? {
            let [session, trace, start] = ["session_id", "trace_id", "start_time"].map(|name| BatchColumn::of(&batch, name));
            for at in 0..batch.num_rows() {
                let trace = trace.text(at).and_then(|id| id.parse().ok());
                if let (Some(session), Some(trace), Some(start_us)) = (session.text(at), trace, start.int(at)) {
                    found.entry(session).or_default().push((trace, start_us));
                }
            }
        }
        found.values_mut().for_each(|traces| traces.sort_by_key(|(trace, start_us)| (*start_us, *trace)));
        Ok(found)
    }
}

/// Returns the number of bytes of the long texts of spans.
fn text_bytes(batch: &RecordBatch) -> usize {
    DETAIL_COLUMNS
        .iter()
        .filter_map(|name| batch.column_by_name(name)?.as_string_view_opt())
        .map(|texts| texts.iter().flatten().map(str::len).sum::<usize>())
        .sum()
}
