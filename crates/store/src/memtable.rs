//! Spans in memory that are in the WAL and not in a segment yet, in the form that queries read.
//!
//! Rows are numbered in the order of their arrival and do not move while the memtable exists. If a row is superseded or deleted, it is
//! marked as dead, and snapshots do not contain it. Marking takes little time. This is important because a root span often arrives last and
//! changes the pipeline of all spans below it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::DataType;

use super::commit::trace_state_cache::TraceKey;
use super::key_hash::SpanKey;
use super::parallel;
use super::row_bit_set::RowBitSet;
use super::rows::{SpanRow, to_batch};
use super::schema::SCHEMA;
use super::seeded_hash::SeededMap;

/// Rows are converted to columns when there are this many, or when columns are needed: a batch of a few rows costs as much as one of
/// hundreds.
const MAX_FRESH_ROWS: usize = 1024;
/// Rows are also converted to columns when they have this many bytes as sent.
const MAX_FRESH_BYTES: usize = 4 << 20;

/// Chunks with this many rows are not merged any more. This bounds what one merge copies and what one dead row makes a snapshot filter.
/// Under high load each chunk has this size from the start: copying all rows two more times took a tenth of ingestion's processor time.
const MAX_MERGED_ROWS: usize = MAX_FRESH_ROWS;
/// Number of consecutive chunks that are merged at a time.
const MERGE_FAN_IN: usize = 8;
/// End of a chain of rows.
const END_OF_CHAIN: u32 = u32::MAX;

/// One generation of memtable rows.
#[derive(Debug)]
pub(super) struct Memtable {
    /// Number of the memtable in this process, from 1.
    pub(super) generation: u64,
    /// WAL files that contain its spans, except the file that is still being written.
    pub(super) logs: Vec<PathBuf>,
    /// Number of the last WAL frame in the memtable. It is set when the memtable is frozen.
    pub(super) last_sequence: u64,
    /// Time at which the first span was added.
    pub(super) first_added_at: Option<Instant>,
    chunks: Vec<MemtableChunk>,
    /// Latest rows, which are not columns yet.
    fresh: Vec<SpanRow>,
    fresh_bytes: usize,
    rows: u32,
    bytes: usize,
    dead: RowBitSet,
    /// Rows that were dead when the memtable was frozen. Rows that died later have their successors in the next memtable and must
    /// therefore be written to the segment: after a crash, replay looks for them there.
    dead_when_frozen: Option<RowBitSet>,
    /// Latest row of each span.
    spans: SeededMap<SpanKey, u32>,
    /// Latest row of each trace; `previous_row` has the previous row of the same trace for each row.
    traces: SeededMap<TraceKey, u32>,
    previous_row: Vec<u32>,
}

/// Some consecutive rows.
#[derive(Debug, Clone)]
pub(super) struct MemtableChunk {
    /// Number of the first row within the memtable.
    pub(super) first_row: u32,
    pub(super) batch: Arc<RecordBatch>,
    bytes: usize,
    /// Cached live rows: the number of dead rows at that time, and the other rows.
    live_rows: Option<(usize, Arc<RecordBatch>)>,
}

impl MemtableChunk {
    fn end_row(&self) -> u32 {
        self.first_row + self.batch.num_rows() as u32
    }

    /// Returns the live rows. The result is cached until another row dies.
    pub(super) fn live_batch(&mut self, dead: &RowBitSet) -> Arc<RecordBatch> {
        let dead_here = dead.count_in(self.first_row..self.end_row());
        if dead_here == 0 {
            return self.batch.clone();
        }
        match &self.live_rows {
            Some((count, live)) if *count == dead_here => live.clone(),
            _ => {
                let alive: BooleanArray = (self.first_row..self.end_row()).map(|row| Some(!dead.contains(row))).collect();
                let live = filter_record_batch(&self.batch, &alive).expect("the filter has one answer for each row");
                let live = Arc::new(live);
                self.live_rows = Some((dead_here, live.clone()));
                live
            }
        }
    }
}

impl Memtable {
    pub(super) fn new(generation: u64) -> Memtable {
        Memtable {
            generation,
            logs: Vec::new(),
            last_sequence: 0,
            first_added_at: None,
            chunks: Vec::new(),
            fresh: Vec::new(),
            fresh_bytes: 0,
            rows: 0,
            bytes: 0,
            dead: RowBitSet::default(),
            dead_when_frozen: None,
            spans: SeededMap::default(),
            traces: SeededMap::default(),
            previous_row: Vec::new(),
        }
    }

    /// Returns the number of rows, including dead ones.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Returns the number of live rows.
    pub(super) fn live_rows(&self) -> u64 {
        u64::from(self.rows) - self.dead.len() as u64
    }

    /// Returns the memory of the columns and of the rows that are not columns yet, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.fresh_bytes
    }

    pub(super) fn dead(&self) -> &RowBitSet {
        &self.dead
    }

    /// Freezes the memtable. If a row is marked as dead from now on, its successor is in another memtable.
    pub(super) fn freeze(&mut self, last_sequence: u64) {
        self.convert_to_columns();
        self.last_sequence = last_sequence;
        self.dead_when_frozen = Some(self.dead.clone());
    }

    /// Returns the rows that the segment does not need to contain.
    pub(super) fn rows_to_omit(&self) -> &RowBitSet {
        self.dead_when_frozen.as_ref().unwrap_or(&self.dead)
    }

    /// Returns all rows as columns.
    pub(super) fn all_chunks(&mut self) -> &[MemtableChunk] {
        self.convert_to_columns();
        &self.chunks
    }

    /// Adds rows. `bytes` is the approximate size of the rows.
    pub(super) fn append(&mut self, rows: Vec<SpanRow>, bytes: usize) {
        if rows.is_empty() {
            return;
        }
        self.first_added_at.get_or_insert_with(Instant::now);
        for row in &rows {
            let key = SpanKey { project: row.project_id, trace: row.span.trace_id, span: row.span.span_id };
            self.spans.insert(key, self.rows);
            let before = self.traces.insert((key.project, key.trace), self.rows);
            self.previous_row.push(before.unwrap_or(END_OF_CHAIN));
            self.rows += 1;
        }
        self.fresh.extend(rows);
        self.fresh_bytes += bytes;
        if self.fresh.len() >= MAX_FRESH_ROWS || self.fresh_bytes >= MAX_FRESH_BYTES {
            self.convert_to_columns();
        }
    }

    /// Returns the row of a span if the row is live and not part of the columns yet. No snapshot contains such a row, so it may be changed.
    pub(super) fn fresh_row(&mut self, key: &SpanKey) -> Option<&mut SpanRow> {
        let first_fresh = self.rows - self.fresh.len() as u32;
        let at = self.live_row(key)?.checked_sub(first_fresh)?;
        self.fresh.get_mut(at as usize)
    }

    /// Converts the latest rows to columns.
    fn convert_to_columns(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let fresh = std::mem::take(&mut self.fresh);
        self.fresh_bytes = 0;
        // A replay, or many concurrent requests, produce more than one chunk.
        let chunks: Vec<&[SpanRow]> = fresh.chunks(fresh.len().div_ceil((fresh.len() / MAX_FRESH_ROWS).max(1))).collect();
        let mut first = self.rows - fresh.len() as u32;
        for batch in parallel::map(&chunks, |rows| to_batch(rows)) {
            let rows = batch.num_rows() as u32;
            self.add_chunk(first, batch);
            first += rows;
        }
        self.merge_small_chunks();
    }

    fn add_chunk(&mut self, first_row: u32, batch: RecordBatch) {
        let bytes = batch.get_array_memory_size();
        self.bytes += bytes;
        self.chunks.push(MemtableChunk { first_row, batch: Arc::new(batch), bytes, live_rows: None });
    }

    /// Merges the latest chunks when there are several small ones, and continues with older ones while they are less than twice as large.
    /// Each row is copied only a few times, and there are never more than about twenty chunks.
    fn merge_small_chunks(&mut self) {
        let small = self.chunks.iter().rev().take_while(|chunk| chunk.batch.num_rows() < MAX_MERGED_ROWS);
        let sizes: Vec<usize> = small.map(|chunk| chunk.batch.num_rows()).collect();
        let newest_are_close =
            sizes.len() >= MERGE_FAN_IN && sizes[MERGE_FAN_IN - 1] <= 2 * sizes[..MERGE_FAN_IN - 1].iter().sum::<usize>();
        if !newest_are_close {
            return;
        }
        let mut count = MERGE_FAN_IN;
        let mut rows: usize = sizes[..MERGE_FAN_IN].iter().sum();
        while let Some(next) = sizes.get(count).filter(|next| **next < 2 * rows && **next + rows <= 2 * MAX_MERGED_ROWS) {
            rows += next;
            count += 1;
        }
        let merged = self.chunks.split_off(self.chunks.len() - count);
        self.bytes -= merged.iter().map(|chunk| chunk.bytes).sum::<usize>();
        let batch = concat_batches(&SCHEMA, merged.iter().map(|chunk| &*chunk.batch)).expect("all batches have the same schema");
        self.add_chunk(merged[0].first_row, copy_texts(batch));
    }

    /// Returns the row of a span if it has a live one.
    pub(super) fn live_row(&self, key: &SpanKey) -> Option<u32> {
        self.spans.get(key).copied().filter(|row| !self.dead.contains(*row))
    }

    /// Returns whether the span has ever been in the memtable.
    pub(super) fn has_ever_contained(&self, key: &SpanKey) -> bool {
        self.spans.contains_key(key)
    }

    /// Returns the live rows of a trace, oldest first, as single-row batches.
    pub(super) fn rows_of_trace(&self, trace: TraceKey, limit: usize) -> Vec<RecordBatch> {
        let mut next = self.traces.get(&trace).copied().unwrap_or(END_OF_CHAIN);
        let mut rows = Vec::new();
        while next != END_OF_CHAIN && rows.len() < limit {
            if !self.dead.contains(next) {
                rows.push(next);
            }
            next = self.previous_row[next as usize];
        }
        rows.into_iter().rev().map(|row| self.row_batch(row)).collect()
    }

    /// Returns one row as a batch.
    pub(super) fn row_batch(&self, row: u32) -> RecordBatch {
        let first_fresh = self.rows - self.fresh.len() as u32;
        if row >= first_fresh {
            let at = (row - first_fresh) as usize;
            return to_batch(&self.fresh[at..=at]);
        }
        let chunk = &self.chunks[self.chunks.partition_point(|chunk| chunk.end_row() <= row)];
        chunk.batch.slice((row - chunk.first_row) as usize, 1)
    }

    /// Marks a row as superseded or deleted.
    pub(super) fn mark_dead(&mut self, row: u32) {
        self.dead.insert(row);
    }

    /// Caches the live rows of chunks for the next snapshot.
    pub(super) fn cache_live_rows(&mut self, chunks: Vec<MemtableChunk>) {
        for chunk in chunks {
            let at = self.chunks.binary_search_by_key(&chunk.first_row, |own| own.first_row);
            if let Some(own) = at.ok().map(|at| &mut self.chunks[at]).filter(|own| Arc::ptr_eq(&own.batch, &chunk.batch)) {
                own.live_rows = chunk.live_rows;
            }
        }
    }
}

/// Copies texts into new blocks: after a merge each column still refers to the blocks of all merged chunks.
fn copy_texts(batch: RecordBatch) -> RecordBatch {
    let column = |column: &ArrayRef| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            _ => column.clone(),
        }
    };
    let columns = batch.columns().iter().map(column).collect();
    RecordBatch::try_new(batch.schema(), columns).expect("the columns are of the same types and lengths as before")
}

#[cfg(test)]
mod tests {
    use hinomi_model::id::{SpanId, TraceId};
    use hinomi_model::span::Span;

    use super::*;
    use crate::rows::from_batch;

    fn row(n: u64) -> SpanRow {
        let span = Span { trace_id: TraceId(u128::from(n % 3)), span_id: SpanId(n), name: "n".repeat(30), ..Span::default() };
        SpanRow { project_id: 1, span, ..SpanRow::default() }
    }

    fn key(row: &SpanRow) -> SpanKey {
        SpanKey { project: row.project_id, trace: row.span.trace_id, span: row.span.span_id }
    }

    #[test]
    fn memtable_has_few_chunks_and_finds_every_row() {
        let mut buffer = Memtable::new(1);
        let rows: Vec<SpanRow> = (0..3000).map(row).collect();
        let mut most = 0;
        for (round, chunk) in rows.chunks(3).enumerate() {
            buffer.append(chunk.to_vec(), 100);
            // Most rounds leave the rows as rows; some ask for columns.
            if round % 3 == 0 {
                most = most.max(buffer.all_chunks().len());
            }
        }
        assert!(most <= 20, "{most} pieces");
        for id in [2998, 2999] {
            assert_eq!(from_batch(&buffer.row_batch(id))[0], rows[id as usize], "not a column yet");
        }
        assert_eq!(buffer.all_chunks().iter().map(|piece| piece.bytes).sum::<usize>(), buffer.bytes());
        for row in rows.iter().step_by(97) {
            let found = buffer.live_row(&key(row)).unwrap();
            assert_eq!(from_batch(&buffer.row_batch(found))[0], *row);
        }
        let of_trace = buffer.rows_of_trace((1, TraceId(2)), 5000);
        assert_eq!(of_trace.len(), 1000);
        assert_eq!(from_batch(&of_trace[1]), [rows[5].clone()]);
    }

    #[test]
    fn dead_rows_are_left_out() {
        let mut buffer = Memtable::new(1);
        let rows: Vec<SpanRow> = (0..5).map(row).collect();
        buffer.append(rows.clone(), 100);
        buffer.mark_dead(2);
        let dead = buffer.dead().clone();
        let mut chunk = buffer.all_chunks()[0].clone();
        let live = chunk.live_batch(&dead);
        assert_eq!(from_batch(&live).iter().map(|row| row.span.span_id.0).collect::<Vec<_>>(), [0, 1, 3, 4]);
        buffer.cache_live_rows(vec![chunk]);
        assert!(Arc::ptr_eq(&buffer.all_chunks()[0].clone().live_batch(&dead), &live));
        assert_eq!((buffer.live_row(&key(&rows[2])), buffer.has_ever_contained(&key(&rows[2]))), (None, true));
        assert_eq!(buffer.live_rows(), 4);
    }

    #[test]
    fn fresh_rows_can_be_changed_in_place() {
        let mut buffer = Memtable::new(1);
        let rows: Vec<SpanRow> = (0..5).map(row).collect();
        buffer.append(rows[..2].to_vec(), 100);
        buffer.all_chunks();
        buffer.append(rows[2..].to_vec(), 100);
        buffer.mark_dead(4);
        let mut rename = |row: &SpanRow| buffer.fresh_row(&key(row)).map(|row| row.span.name = "new".into()).is_some();
        assert_eq!(rows.iter().map(&mut rename).collect::<Vec<_>>(), [false, false, true, true, false]);
        assert!(!rename(&row(9)));
        let names: Vec<String> = (0..4).map(|at| from_batch(&buffer.row_batch(at)).remove(0).span.name).collect();
        assert_eq!(names, [&rows[0].span.name, &rows[1].span.name, "new", "new"]);
    }
}
