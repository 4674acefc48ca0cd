//! Commit groups: turns the decisions about requests that are committed together into rows of the active memtable.
//!
//! The commit thread and replay both use this code, so a restart produces the same rows.

use std::collections::hash_map::Entry;

use arrow::array::{Array, AsArray, RecordBatch};
use hinomi_model::dedup::{SpanDecision, SpanNode, duplicate_reports};
use hinomi_model::id::TraceId;

use super::span_lookup::{SpanLookup, row_locations};
use super::trace_state_cache::{MAX_TRACE_SPANS, StoredSpanNode, TraceKey};
use crate::key_hash::SpanKey;
use crate::rows::{SpanRow, from_batch};
use crate::seeded_hash::{SeededMap, SeededSet};
use crate::segment::read::{SegmentReader, row_ranges};
use crate::segment::row_order::{KEY_COLUMNS, keys};
use crate::snapshot::Segment;
use crate::state::{RowLocation, StoreInner, lock};
use crate::wal::frame::WalFramePreamble;

/// The columns that [`SpanNode::of`] reads, and those with the row's own decision.
const NODE_COLUMNS: [&str; 39] = [
    "project_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "start_time",
    "end_time",
    "clock_shift_us",
    "kind",
    "status",
    "request_model",
    "response_model",
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
    "usage_source",
    "response_id",
    "counted",
    "not_counted_because",
    "exclusion_kind",
    "exclusion_span_id",
    "exclusion_trace_id",
    "pipeline",
    "joined",
    "user_id",
    "session_id",
    "op",
    "origin",
    "service",
    "sdk_name",
    "also_reported",
    "ingest_key",
    "sample_rate",
];
/// The other columns with the row's own decision, and the previews.
const DECISION_COLUMNS: [&str; 4] = ["is_run", "local_decision", "input_preview", "output_preview"];

/// Rows that are about to become visible.
#[derive(Debug, Default)]
pub(crate) struct CommitGroup {
    rows: Vec<SpanRow>,
    /// Approximate size of the rows in bytes.
    bytes: usize,
    /// Index in `rows` of each span.
    spans: SeededMap<SpanKey, usize>,
    /// Latest decision for each span that was stored before the group.
    corrections: SeededMap<SpanKey, SpanDecision>,
    /// Spans that were stored before the group and are replaced by a row of it.
    replaced: Vec<SpanKey>,
    /// Those of `replaced` whose replacement has another ID.
    replaced_by_other_id: SeededSet<SpanKey>,
}

impl CommitGroup {
    /// Returns the row of a span in the group.
    pub(crate) fn row_of(&self, key: &SpanKey) -> Option<&SpanRow> {
        self.spans.get(key).map(|number| &self.rows[*number])
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Adds the rows of a request as described by the preamble of its frame.
    pub(crate) fn add(&mut self, head: &WalFramePreamble, spans: Vec<hinomi_model::span::Span>) {
        let row = |span| SpanRow { project_id: head.project, received_us: head.received_us, span, local: None };
        let mut rows: Vec<SpanRow> = spans.into_iter().map(row).collect();
        for (index, received_us) in &head.received {
            if let Some(row) = rows.get_mut(*index as usize) {
                row.received_us = *received_us;
            }
        }
        for (index, decision) in &head.decided {
            if let Some(row) = rows.get_mut(*index as usize) {
                row.decide(decision);
            }
        }
        let kept = (0u32..).zip(rows).filter(|(index, _)| head.dropped.binary_search(index).is_err());
        for (index, row) in kept {
            match self.spans.entry(row_key(&row)) {
                Entry::Occupied(number) => self.rows[*number.get()] = row,
                Entry::Vacant(number) => {
                    if head.joined.binary_search(&index).is_ok() {
                        self.corrections.remove(&row_key(&row));
                        self.replaced.push(row_key(&row));
                    }
                    number.insert(self.rows.len());
                    self.rows.push(row);
                }
            }
        }
        self.bytes += head.raw_len as usize;
        for (trace, span) in &head.moved {
            self.remove_span(SpanKey { project: head.project, trace: *trace, span: *span });
        }
        for correction in &head.corrections {
            let key = SpanKey { project: head.project, trace: correction.trace, span: correction.span };
            self.correct_decision(key, &correction.decision);
        }
    }

    /// Removes a span whose data is in a row with another ID from now on.
    fn remove_span(&mut self, span: SpanKey) {
        self.corrections.remove(&span);
        self.replaced_by_other_id.insert(span);
        if let Some(number) = self.spans.remove(&span) {
            self.rows.swap_remove(number);
            if let Some(row) = self.rows.get(number) {
                self.spans.insert(row_key(row), number);
            }
        }
        if !self.replaced.contains(&span) {
            self.replaced.push(span);
        }
    }

    /// Returns whether the group has removed a span.
    pub(crate) fn has_removed(&self, span: &SpanKey) -> bool {
        self.replaced_by_other_id.contains(span) && !self.spans.contains_key(span)
    }

    /// Changes the decision of a span that is stored or in the group.
    fn correct_decision(&mut self, key: SpanKey, decision: &SpanDecision) {
        match self.spans.get(&key) {
            Some(row) => self.rows[*row].decide(decision),
            None => {
                self.corrections.insert(key, decision.clone());
            }
        }
    }

    /// Applies the group's decision to a row that was stored before the group.
    pub(crate) fn correct_stored(&self, row: &mut SpanRow) {
        if let Some(decision) = self.corrections.get(&row_key(row)) {
            row.decide(decision);
        }
    }

    /// Splits off the corrections of rows that are not in columns yet, and can be changed in place: most of a trace arrives within a
    /// second.
    fn split_fresh_corrections(&mut self, shared: &StoreInner) -> (Vec<(SpanKey, SpanDecision)>, SeededMap<SpanKey, SpanDecision>) {
        let all = std::mem::take(&mut self.corrections);
        if all.is_empty() {
            return (Vec::new(), all);
        }
        let mut state = lock(&shared.state);
        let (fresh, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(key, _)| state.active.fresh_row(key).is_some());
        (fresh, others.into_iter().collect())
    }

    /// Makes the rows visible, and replaces rows that were corrected or joined. This step cannot fail: a row that must be corrected but
    /// cannot be read remains unchanged.
    pub(crate) fn publish(mut self, shared: &StoreInner, readers: &mut SegmentReaderCache) {
        let (fresh, corrections) = self.split_fresh_corrections(shared);
        let _still = (!corrections.is_empty() || !self.replaced.is_empty()).then(|| lock(&shared.move_lock));
        let mut changes = shared.subscribers.begin_commit();
        let mut rows = self.rows;
        let mut superseded = Vec::with_capacity(corrections.len() + self.replaced.len());
        for (place, mut row, decision) in stored_rows(corrections, shared, readers) {
            changes.remove(&row);
            row.decide(&decision);
            superseded.push(place);
            rows.push(row);
        }
        if changes.has_no_subscribers() {
            superseded.extend(row_locations(&self.replaced, shared, readers));
        } else {
            for (place, row, ()) in stored_rows(self.replaced.iter().map(|key| (*key, ())), shared, readers) {
                changes.remove(&row);
                superseded.push(place);
            }
        }
        rows.iter().for_each(|row| changes.add(row));

        let mut state = lock(&shared.state);
        for (key, decision) in fresh {
            if let Some(row) = state.active.fresh_row(&key) {
                changes.remove(row);
                row.decide(&decision);
                changes.add(row);
            } else if let Some(place @ RowLocation::Active(row)) = state.find_in_memtables(&key)
                && let Some(mut row) = from_batch(&state.active.row_batch(row)).pop()
            {
                // The row has been moved into columns meanwhile.
                changes.remove(&row);
                row.decide(&decision);
                changes.add(&row);
                superseded.push(place);
                rows.push(row);
            }
        }
        for place in superseded {
            state.supersede(place);
        }
        state.active.append(rows, self.bytes);
        state.count_change();
        let version = state.version();
        drop(state);
        changes.publish(version);
    }
}

fn row_key(row: &SpanRow) -> SpanKey {
    SpanKey { project: row.project_id, trace: row.span.trace_id, span: row.span.span_id }
}

/// Returns the rows of stored spans. Each row has its location and the value that the caller passed with its key.
pub(crate) fn stored_rows<T>(
    wanted: impl IntoIterator<Item = (SpanKey, T)>,
    shared: &StoreInner,
    readers: &mut SegmentReaderCache,
) -> Vec<(RowLocation, SpanRow, T)> {
    let wanted: Vec<(SpanKey, T)> = wanted.into_iter().collect();
    let mut found: Vec<Option<(RowLocation, RecordBatch)>> = vec![None; wanted.len()];
    let mut search = SpanLookup::default();
    {
        let state = lock(&shared.state);
        for (index, (key, _)) in wanted.iter().enumerate() {
            if let Some(place) = state.find_in_memtables(key) {
                found[index] = state.memtable_row(place).map(|batch| (place, batch));
                continue;
            }
            // The other spans were deleted meanwhile or are in a damaged segment.
            let holding = state.candidate_rows(key).into_iter().filter(|candidate| candidate.is_readable && !candidate.is_dead);
            holding.for_each(|candidate| search.add_candidate(index, candidate));
        }
    }
    let is_found = |index: usize, place, batch| _ = found[index].get_or_insert((place, batch));
    search.read_candidates(|index| wanted[index].0, None, readers, is_found, |_| {});
    let row = |((_, beside), found): ((SpanKey, T), Option<(RowLocation, RecordBatch)>)| {
        let (place, batch) = found?;
        Some((place, from_batch(&batch).pop()?, beside))
    };
    wanted.into_iter().zip(found).filter_map(row).collect()
}

/// Returns the stored spans of a trace in the form that the deduplication rules need.
pub(crate) fn load_trace(shared: &StoreInner, readers: &mut SegmentReaderCache, project: u64, trace: TraceId) -> Vec<StoredSpanNode> {
    let (segments, mut batches) = {
        let state = lock(&shared.state);
        let buffers = state.frozen.iter().chain([&state.active]);
        let buffered: Vec<RecordBatch> = buffers.flat_map(|buffer| buffer.rows_of_trace((project, trace), MAX_TRACE_SPANS)).collect();
        (state.segments_of_trace(project, trace), buffered)
    };
    for (segment, mut rows) in segments {
        let read = readers.reader(&segment).and_then(|reader| {
            if rows.len() > MAX_TRACE_SPANS {
                // Rows of another trace with the same hash must not displace rows of this trace.
                let stored = keys(&reader.columns(&row_ranges(rows.iter().copied()), &KEY_COLUMNS)?, 0, 0);
                let own = rows.iter().zip(stored).filter(|(_, stored)| (stored.key.project, stored.key.trace) == (project, trace));
                rows = own.map(|(row, _)| *row).take(MAX_TRACE_SPANS).collect();
            }
            let ranges = row_ranges(rows);
            let mut columns = rule_columns();
            let batch = reader.columns(&ranges, &columns)?;
            if !from_batch(&batch).iter().any(|row| SpanNode::reads_attributes(&row.span)) {
                return Ok(batch);
            }
            columns.push("attributes");
            reader.columns(&ranges, &columns)
        });
        match read {
            Ok(batch) => batches.push(batch),
            Err(error) => tracing::error!(%error, "store.trace.read_failed"),
        }
    }
    let all = batches.iter().flat_map(stored_nodes);
    all.filter(|((of, id), _)| *of == project && *id == trace).map(|(_, known)| known).collect()
}

/// Number of rows that are read at a time for the deduplication rules.
const BATCH_ROWS: usize = 16_384;

/// Returns the stored spans of the newest traces in the form that the deduplication rules need: at most `rows` rows, with the rows of the
/// memtables first.
pub(crate) fn newest_traces(shared: &StoreInner, rows: usize) -> SeededMap<TraceKey, Vec<StoredSpanNode>> {
    let snapshot = shared.snapshot();
    let mut traces: SeededMap<TraceKey, Vec<StoredSpanNode>> = SeededMap::default();
    let mut add =
        |batch: &RecordBatch| stored_nodes(batch).into_iter().for_each(|(trace, known)| traces.entry(trace).or_default().push(known));
    snapshot.buffer.iter().filter_map(|batch| rule_batch(batch).ok()).for_each(|batch| add(&batch));
    let mut left = rows.saturating_sub(snapshot.buffer.iter().map(RecordBatch::num_rows).sum());
    for view in snapshot.segments.iter().rev() {
        if left == 0 {
            break;
        }
        // Within a project the newest traces are last.
        let alive: Vec<u32> = (0..view.segment.rows as u32).filter(|row| view.dead.binary_search(row).is_err()).collect();
        let newest = &alive[alive.len().saturating_sub(left)..];
        left -= newest.len();
        let read = SegmentReader::open(&view.segment.objects).and_then(|reader| {
            // Reading everything at once at the start would take most of the memory that an idle server ever needs.
            for chunk in newest.chunks(BATCH_ROWS) {
                add(&reader.columns(&row_ranges(chunk.iter().copied()), &rule_columns())?);
            }
            Ok(())
        });
        if let Err(error) = read {
            tracing::error!(%error, "store.segment.read_failed");
        }
    }
    traces
}

fn rule_columns() -> Vec<&'static str> {
    NODE_COLUMNS.iter().chain(&DECISION_COLUMNS).copied().collect()
}

/// Returns a batch with only the columns that the deduplication rules need.
fn rule_batch(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns: Vec<usize> = rule_columns().iter().filter_map(|name| batch.schema_ref().index_of(name).ok()).collect();
    batch.project(&columns)
}

/// Returns stored rows in the form that the deduplication rules need, each with its trace.
fn stored_nodes(batch: &RecordBatch) -> Vec<(TraceKey, StoredSpanNode)> {
    let texts = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_view_opt());
    let (asked, answered) = (texts("input_preview"), texts("output_preview"));
    let text = |column: Option<&'_ arrow::array::StringViewArray>, at: usize| {
        column.filter(|column| column.is_valid(at)).map(|column| column.value(at).to_owned())
    };
    let of = |(at, row): (usize, SpanRow)| {
        let trace = (row.project_id, row.span.trace_id);
        let mut known = stored_node(row);
        if known.node.is_call() {
            known.node.texts = duplicate_reports::hash_of_texts(text(asked, at).as_deref(), text(answered, at).as_deref());
        }
        (trace, known)
    };
    from_batch(batch).into_iter().enumerate().map(of).collect()
}

/// Returns what the deduplication rules need of a stored row: what the span says alone, and the last decision.
fn stored_node(mut row: SpanRow) -> StoredSpanNode {
    let locally = row.locally();
    let decision = row.local.take().map(|_| Box::new(SpanDecision::of(&row.span)));
    locally.apply(&mut row.span);
    StoredSpanNode { node: SpanNode::of(&row.span), decision }
}

/// The most recently read segments, kept open. If a flush has split a trace, its spans are read from the same segment repeatedly.
#[derive(Debug, Default)]
pub(crate) struct SegmentReaderCache(Vec<(u64, SegmentReader)>);

impl SegmentReaderCache {
    const MAX_OPEN_SEGMENTS: usize = 4;

    pub(crate) fn reader(&mut self, segment: &Segment) -> Result<&SegmentReader, crate::StoreError> {
        match self.0.iter().position(|(id, _)| *id == segment.id) {
            Some(at) => {
                let reader = self.0.remove(at);
                self.0.push(reader);
            }
            None => {
                let reader = SegmentReader::open(&segment.objects)?;
                if self.0.len() == Self::MAX_OPEN_SEGMENTS {
                    self.0.remove(0);
                }
                self.0.push((segment.id, reader));
            }
        }
        Ok(&self.0[self.0.len() - 1].1)
    }
}
