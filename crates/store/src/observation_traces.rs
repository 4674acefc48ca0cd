//! The traces of the latest Langfuse observations. They are needed because some clients update an observation by its ID alone.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::langfuse::{self, ObservationTrace};

use super::Store;
use super::segment::read::{SegmentReader, row_ranges};
use super::segment::row_order::{KEY_COLUMNS, keys};

/// Maximum number of rows that are read, from the latest segments first, and how many at a time.
const MAX_READ_ROWS: usize = 1_000_000;
const BATCH_ROWS: usize = 65_536;

#[derive(Default)]
struct StoredObservations {
    observations: Vec<(u64, TraceId, SpanId)>,
    roots: HashMap<(u64, TraceId), SpanId>,
}

impl StoredObservations {
    fn read_batch(&mut self, batch: &RecordBatch) {
        let Some(ops) = batch.column_by_name("op").and_then(|ops| ops.as_string_view_opt()) else { return };
        let all = keys(batch, 0, 0).into_iter().enumerate().filter(|(at, _)| ops.is_valid(*at));
        for (at, row) in all {
            let key = row.key;
            match ops.value(at) {
                op if op == langfuse::ROOT_OP => _ = self.roots.insert((key.project, key.trace), key.span),
                op if op.starts_with(langfuse::OP_PREFIX) => self.observations.push((key.project, key.trace, key.span)),
                _ => {}
            }
        }
    }
}

impl Store {
    /// Returns project, ID and trace of stored observations, latest last. Reads files; unreadable files are logged and skipped.
    pub fn observations(&self) -> Vec<(u64, SpanId, ObservationTrace)> {
        let snapshot = self.snapshot();
        let mut found = Vec::new();
        let mut left = MAX_READ_ROWS;
        let mut buffered = StoredObservations::default();
        snapshot.buffer.iter().for_each(|batch| buffered.read_batch(batch));
        found.push(buffered);
        for view in snapshot.segments.iter().rev() {
            let alive: Vec<u32> = (0..view.segment.rows as u32).filter(|row| view.dead.binary_search(row).is_err()).collect();
            let newest = &alive[alive.len().saturating_sub(left)..];
            left -= newest.len();
            let mut of_segment = StoredObservations::default();
            let read = SegmentReader::open(&view.segment.objects).and_then(|reader| {
                let columns: Vec<&str> = KEY_COLUMNS.into_iter().chain(["op"]).collect();
                for chunk in newest.chunks(BATCH_ROWS) {
                    of_segment.read_batch(&reader.columns(&row_ranges(chunk.iter().copied()), &columns)?);
                }
                Ok(())
            });
            if let Err(error) = read {
                tracing::error!(%error, "store.segment.read_failed");
            }
            found.push(of_segment);
            if left == 0 {
                break;
            }
        }
        let roots: HashMap<(u64, TraceId), SpanId> = found.iter_mut().flat_map(|found| std::mem::take(&mut found.roots)).collect();
        let oldest_first = found.into_iter().rev().flat_map(|found| found.observations);
        let home = |(project, trace_id, span): (u64, TraceId, SpanId)| {
            let root = *roots.get(&(project, trace_id))?;
            Some((project, span, ObservationTrace { trace_id, root }))
        };
        oldest_first.filter_map(home).collect()
    }
}
