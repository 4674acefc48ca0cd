//! Spans that are in the log and in no segment yet, in memory, as queries read them.
//!
//! Rows are numbered in the order of their arrival, and never move or go before the whole buffer does: a row that is superseded or
//! deleted is marked dead, and left out when a snapshot is taken. So marking costs next to nothing on the way in, where a root span
//! that comes last often changes the pipeline of all spans below it.

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

/// Rows become columns this many at a time, or when they are asked for: a batch of a few rows costs as much as one of hundreds.
const FRESH_ROWS: usize = 1024;
/// The same for large rows, in bytes as sent.
const FRESH_BYTES: usize = 4 << 20;

/// A piece with this many rows is not merged any more: it bounds what one merge copies and what one dead row makes a snapshot filter.
/// When much comes in, each piece is whole at once: copying all rows twice more took a tenth of intake's processor time.
const WHOLE: usize = FRESH_ROWS;
/// How many pieces that came in one after the other are merged at a time.
const FAN_IN: usize = 8;
/// The end of a chain of rows.
const NONE: u32 = u32::MAX;

/// One generation of buffered spans.
#[derive(Debug)]
pub(super) struct Memtable {
    /// Counts the buffers of this process, from 1.
    pub(super) generation: u64,
    /// The log files that its spans are in, without the one that is still being written.
    pub(super) logs: Vec<PathBuf>,
    /// The last frame that is in it. Set when it is frozen.
    pub(super) last_sequence: u64,
    /// When the first span came.
    pub(super) since: Option<Instant>,
    pieces: Vec<MemtableChunk>,
    /// The newest rows, which are not columns yet.
    fresh: Vec<SpanRow>,
    fresh_bytes: usize,
    rows: u32,
    bytes: usize,
    dead: RowBitSet,
    /// The rows that were dead when it was frozen. Those that died later have their successors in the next buffer, so that they must
    /// go into the segment: after a crash, replay looks for them there.
    settled: Option<RowBitSet>,
    /// The newest row of each span.
    spans: SeededMap<SpanKey, u32>,
    /// The newest row of each trace, and from each row the one before of the same trace.
    traces: SeededMap<TraceKey, u32>,
    before: Vec<u32>,
}

/// Some consecutive rows.
#[derive(Debug, Clone)]
pub(super) struct MemtableChunk {
    /// Number of its first row in the buffer.
    pub(super) first: u32,
    pub(super) batch: Arc<RecordBatch>,
    bytes: usize,
    /// What was live when that was last asked: number of dead rows, the other rows.
    live: Option<(usize, Arc<RecordBatch>)>,
}

impl MemtableChunk {
    fn end(&self) -> u32 {
        self.first + self.batch.num_rows() as u32
    }

    /// The rows that are not dead. Keeps the answer until another row dies.
    pub(super) fn live(&mut self, dead: &RowBitSet) -> Arc<RecordBatch> {
        let dead_here = dead.count_in(self.first..self.end());
        if dead_here == 0 {
            return self.batch.clone();
        }
        match &self.live {
            Some((count, live)) if *count == dead_here => live.clone(),
            _ => {
                let alive: BooleanArray = (self.first..self.end()).map(|row| Some(!dead.contains(row))).collect();
                let live = filter_record_batch(&self.batch, &alive).expect("the filter has one answer for each row");
                let live = Arc::new(live);
                self.live = Some((dead_here, live.clone()));
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
            since: None,
            pieces: Vec::new(),
            fresh: Vec::new(),
            fresh_bytes: 0,
            rows: 0,
            bytes: 0,
            dead: RowBitSet::default(),
            settled: None,
            spans: SeededMap::default(),
            traces: SeededMap::default(),
            before: Vec::new(),
        }
    }

    /// Rows, dead ones included.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Rows that hold.
    pub(super) fn live_rows(&self) -> u64 {
        u64::from(self.rows) - self.dead.len() as u64
    }

    /// Memory of the columns, and of what is to become columns.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.fresh_bytes
    }

    pub(super) fn dead(&self) -> &RowBitSet {
        &self.dead
    }

    /// Says that rows that die from now on have their successors elsewhere.
    pub(super) fn freeze(&mut self, last_sequence: u64) {
        self.settle();
        self.last_sequence = last_sequence;
        self.settled = Some(self.dead.clone());
    }

    /// The rows that may be left out of the segment.
    pub(super) fn settled(&self) -> &RowBitSet {
        self.settled.as_ref().unwrap_or(&self.dead)
    }

    /// All rows, as columns.
    pub(super) fn pieces(&mut self) -> &[MemtableChunk] {
        self.settle();
        &self.pieces
    }

    /// Adds rows. `bytes` is about how large they are.
    pub(super) fn push(&mut self, rows: Vec<SpanRow>, bytes: usize) {
        if rows.is_empty() {
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        for row in &rows {
            let key = SpanKey { project: row.project_id, trace: row.span.trace_id, span: row.span.span_id };
            self.spans.insert(key, self.rows);
            let before = self.traces.insert((key.project, key.trace), self.rows);
            self.before.push(before.unwrap_or(NONE));
            self.rows += 1;
        }
        self.fresh.extend(rows);
        self.fresh_bytes += bytes;
        if self.fresh.len() >= FRESH_ROWS || self.fresh_bytes >= FRESH_BYTES {
            self.settle();
        }
    }

    /// The row of a span, unless that is a column already, or dead. Nobody has seen it: it may be changed.
    pub(super) fn fresh_row(&mut self, key: &SpanKey) -> Option<&mut SpanRow> {
        let first_fresh = self.rows - self.fresh.len() as u32;
        let at = self.find(key)?.checked_sub(first_fresh)?;
        self.fresh.get_mut(at as usize)
    }

    /// Makes columns of the newest rows.
    fn settle(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let fresh = std::mem::take(&mut self.fresh);
        self.fresh_bytes = 0;
        // A replay, or very many requests at once, bring more than one piece.
        let pieces: Vec<&[SpanRow]> = fresh.chunks(fresh.len().div_ceil((fresh.len() / FRESH_ROWS).max(1))).collect();
        let mut first = self.rows - fresh.len() as u32;
        for batch in parallel::map(&pieces, |rows| to_batch(rows)) {
            let rows = batch.num_rows() as u32;
            self.add_piece(first, batch);
            first += rows;
        }
        self.merge_small();
    }

    fn add_piece(&mut self, first: u32, batch: RecordBatch) {
        let bytes = batch.get_array_memory_size();
        self.bytes += bytes;
        self.pieces.push(MemtableChunk { first, batch: Arc::new(batch), bytes, live: None });
    }

    /// Merges the newest pieces when there are several small ones, and goes on with older ones as long as they are not twice as
    /// large. So each row is copied a few times at most and there are never more than some twenty pieces.
    fn merge_small(&mut self) {
        let small = self.pieces.iter().rev().take_while(|piece| piece.batch.num_rows() < WHOLE);
        let sizes: Vec<usize> = small.map(|piece| piece.batch.num_rows()).collect();
        let newest_are_close = sizes.len() >= FAN_IN && sizes[FAN_IN - 1] <= 2 * sizes[..FAN_IN - 1].iter().sum::<usize>();
        if !newest_are_close {
            return;
        }
        let mut count = FAN_IN;
        let mut rows: usize = sizes[..FAN_IN].iter().sum();
        while let Some(next) = sizes.get(count).filter(|next| **next < 2 * rows && **next + rows <= 2 * WHOLE) {
            rows += next;
            count += 1;
        }
        let merged = self.pieces.split_off(self.pieces.len() - count);
        self.bytes -= merged.iter().map(|piece| piece.bytes).sum::<usize>();
        let batch = concat_batches(&SCHEMA, merged.iter().map(|piece| &*piece.batch)).expect("all pieces have the one schema");
        self.add_piece(merged[0].first, compacted(batch));
    }

    /// The row of a span, unless it has none or that is dead.
    pub(super) fn find(&self, key: &SpanKey) -> Option<u32> {
        self.spans.get(key).copied().filter(|row| !self.dead.contains(*row))
    }

    /// True if the span has ever been here.
    pub(super) fn knows(&self, key: &SpanKey) -> bool {
        self.spans.contains_key(key)
    }

    /// The live rows of a trace, oldest first, as single-row batches.
    pub(super) fn rows_of_trace(&self, trace: TraceKey, limit: usize) -> Vec<RecordBatch> {
        let mut next = self.traces.get(&trace).copied().unwrap_or(NONE);
        let mut rows = Vec::new();
        while next != NONE && rows.len() < limit {
            if !self.dead.contains(next) {
                rows.push(next);
            }
            next = self.before[next as usize];
        }
        rows.into_iter().rev().map(|row| self.row(row)).collect()
    }

    /// One row as a batch.
    pub(super) fn row(&self, row: u32) -> RecordBatch {
        let first_fresh = self.rows - self.fresh.len() as u32;
        if row >= first_fresh {
            let at = (row - first_fresh) as usize;
            return to_batch(&self.fresh[at..=at]);
        }
        let piece = &self.pieces[self.pieces.partition_point(|piece| piece.end() <= row)];
        piece.batch.slice((row - piece.first) as usize, 1)
    }

    /// Marks a row as superseded or deleted.
    pub(super) fn kill(&mut self, row: u32) {
        self.dead.insert(row);
    }

    /// Puts back what was found live, so that the next snapshot need not look for it again.
    pub(super) fn remember_live(&mut self, pieces: Vec<MemtableChunk>) {
        for piece in pieces {
            let at = self.pieces.binary_search_by_key(&piece.first, |own| own.first);
            if let Some(own) = at.ok().map(|at| &mut self.pieces[at]).filter(|own| Arc::ptr_eq(&own.batch, &piece.batch)) {
                own.live = piece.live;
            }
        }
    }
}

/// Copies texts into blocks of their own: after a merge each column refers to the blocks of all that was merged.
fn compacted(batch: RecordBatch) -> RecordBatch {
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
    fn stays_in_few_pieces_and_finds_every_row() {
        let mut buffer = Memtable::new(1);
        let rows: Vec<SpanRow> = (0..3000).map(row).collect();
        let mut most = 0;
        for (round, chunk) in rows.chunks(3).enumerate() {
            buffer.push(chunk.to_vec(), 100);
            // Most rounds leave them as rows, some ask for columns.
            if round % 3 == 0 {
                most = most.max(buffer.pieces().len());
            }
        }
        assert!(most <= 20, "{most} pieces");
        for id in [2998, 2999] {
            assert_eq!(from_batch(&buffer.row(id))[0], rows[id as usize], "not a column yet");
        }
        assert_eq!(buffer.pieces().iter().map(|piece| piece.bytes).sum::<usize>(), buffer.bytes());
        for row in rows.iter().step_by(97) {
            let found = buffer.find(&key(row)).unwrap();
            assert_eq!(from_batch(&buffer.row(found))[0], *row);
        }
        let of_trace = buffer.rows_of_trace((1, TraceId(2)), 5000);
        assert_eq!(of_trace.len(), 1000);
        assert_eq!(from_batch(&of_trace[1]), [rows[5].clone()]);
    }

    #[test]
    fn dead_rows_are_left_out() {
        let mut buffer = Memtable::new(1);
        let rows: Vec<SpanRow> = (0..5).map(row).collect();
        buffer.push(rows.clone(), 100);
        buffer.kill(2);
        let dead = buffer.dead().clone();
        let mut piece = buffer.pieces()[0].clone();
        let live = piece.live(&dead);
        assert_eq!(from_batch(&live).iter().map(|row| row.span.span_id.0).collect::<Vec<_>>(), [0, 1, 3, 4]);
        buffer.remember_live(vec![piece]);
        assert!(Arc::ptr_eq(&buffer.pieces()[0].clone().live(&dead), &live));
        assert_eq!((buffer.find(&key(&rows[2])), buffer.knows(&key(&rows[2]))), (None, true));
        assert_eq!(buffer.live_rows(), 4);
    }

    #[test]
    fn rows_that_are_no_columns_yet_may_be_changed() {
        let mut buffer = Memtable::new(1);
        let rows: Vec<SpanRow> = (0..5).map(row).collect();
        buffer.push(rows[..2].to_vec(), 100);
        buffer.pieces();
        buffer.push(rows[2..].to_vec(), 100);
        buffer.kill(4);
        let mut rename = |row: &SpanRow| buffer.fresh_row(&key(row)).map(|row| row.span.name = "new".into()).is_some();
        assert_eq!(rows.iter().map(&mut rename).collect::<Vec<_>>(), [false, false, true, true, false]);
        assert!(!rename(&row(9)));
        let names: Vec<String> = (0..4).map(|at| from_batch(&buffer.row(at)).remove(0).span.name).collect();
        assert_eq!(names, [&rows[0].span.name, &rows[1].span.name, "new", "new"]);
    }
}
