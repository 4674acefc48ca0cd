//! Merges the small segments of a day into larger ones, without their dead rows. While a day still receives data, segments are merged when
//! there are several small ones. When the day no longer receives data, its remaining small segments are merged into one, and segments with
//! dead rows are rewritten. Without merges, each query over a whole day would read many small segments.
//!
//! A merge holds at most a few thousand rows in memory. It sorts the keys of all rows. Then, for each chunk of the result, it reads the
//! rows from all inputs by their row numbers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;

use crate::error::StoreError;
use crate::manifest::ManifestEdit;
use crate::row_bit_set::RowBitSet;
use crate::segment::read::{SegmentReader, row_ranges};
use crate::segment::row_order::{KEY_COLUMNS, RowKey, keys, sort};
use crate::segment::write::write;
use crate::segment_storage::SegmentObjectKind;
use crate::snapshot::Segment;
use crate::state::{LiveSegment, StoreInner, lock};

/// Microseconds per day.
const DAY_US: i64 = 86_400_000_000;
/// Maximum number of segments, and of their rows, in one merge. The keys of all rows are in memory, about 110 bytes each.
const MAX_MERGED_SEGMENTS: usize = 16;
const MAX_MERGED_ROWS: u64 = 500_000;

/// A segment to merge, and its rows to leave out.
pub(crate) struct CompactionInput {
    pub(crate) segment: Arc<Segment>,
    pub(crate) dead: RowBitSet,
}

/// Merges until there is nothing to merge. Returns the number of merges.
pub(crate) fn merge_all(shared: &StoreInner) -> Result<usize, StoreError> {
    let mut merges = 0;
    while merge_once(shared)? {
        merges += 1;
    }
    Ok(merges)
}

/// Merges some segments of one day if there are enough small ones. Returns false if there is nothing to do.
///
/// # Errors
///
/// Returns an error if a file could not be read or written. In this case, nothing has changed.
pub(crate) fn merge_once(shared: &StoreInner) -> Result<bool, StoreError> {
    let Some(inputs) = choose_small_segments(shared).or_else(|| choose_quiet_day(shared)) else { return Ok(false) };
    if !shared.has_space_for(inputs.iter().map(|input| input.segment.bytes).sum()) {
        return Ok(false);
    }
    let merged = merge_segments(shared, &inputs);
    if let Err(StoreError::Segment { doing: "open" | "read", path, reason }) = &merged {
        // Trying it again each time would prevent all other merges.
        let mut state = lock(&shared.state);
        if let Some(live) = state.segments.iter_mut().find(|live| live.segment.location == *path) {
            live.is_mergeable = false;
            lock(&shared.health.damaged).push(format!("{}: {reason}; excluded from compaction", path.display()));
        }
    }
    merged.map(|()| true)
}

fn merge_segments(shared: &StoreInner, inputs: &[CompactionInput]) -> Result<(), StoreError> {
    let began = Instant::now();
    let mut readers = Vec::new();
    let mut order: Vec<RowKey> = Vec::new();
    for (source, input) in (0..).zip(inputs) {
        let reader = SegmentReader::open(&input.segment.objects)?;
        let rows = reader.columns(std::slice::from_ref(&(0..input.segment.rows as u32)), &KEY_COLUMNS)?;
        order.extend(keys(&rows, source, 0).into_iter().filter(|row| !input.dead.contains(row.row)));
        readers.push(reader);
    }
    sort(&mut order);
    let id = shared.new_segment_id();
    let objects = shared.objects_of(id);
    let bytes_of = |row: &RowKey| readers[row.source as usize].bytes_of(row.row);
    let rows_of = |chunk: &[RowKey]| {
        gather_rows(&readers, chunk).map_err(|error| match error {
            CompactionError::Store(error) => error,
            CompactionError::Arrow(error) => StoreError::segment_error("merge", &objects.location(SegmentObjectKind::Parquet), error),
        })
    };
    let written = match order.is_empty() {
        true => None,
        false => {
            let of: Vec<u64> = inputs.iter().map(|input| input.segment.id).collect();
            lock(&shared.manifest).begin_segment(id, &of)?;
            Some(write(&objects, &order, shared.config.rows_per_group, bytes_of, rows_of)?)
        }
    };
    replace_segments(shared, inputs, &order, written)?;
    shared.health.compactions.fetch_add(1, Ordering::Relaxed);
    let took = began.elapsed().as_millis() as u64;
    tracing::info!(segment = id, inputs = inputs.len(), rows = order.len(), duration_ms = took, "store.segment.merged");
    Ok(())
}

/// Returns the small segments of a day that has enough of them, smallest first. The day of a segment is that of its latest span start: a
/// span from a clock that is years ahead excludes only its own segment from merges with others.
fn choose_small_segments(shared: &StoreInner) -> Option<Vec<CompactionInput>> {
    let config = &shared.config;
    let state = lock(&shared.state);
    let mut days: BTreeMap<i64, Vec<&LiveSegment>> = BTreeMap::new();
    let is_small = |live: &&LiveSegment| (live.segment.rows as usize) < config.small_segment_rows;
    for live in state.segments.iter().filter(|live| live.is_readable && live.is_mergeable).filter(is_small) {
        days.entry(live.segment.max_start_us.div_euclid(DAY_US)).or_default().push(live);
    }
    let small = days.into_values().find(|small| small.len() >= config.min_merged_segments.max(2))?;
    Some(smallest_inputs(small.into_iter().map(merge_input).collect()))
}

/// Returns the input of a merge for a day for which nothing has been written for some time: its small segments, or one with dead rows.
fn choose_quiet_day(shared: &StoreInner) -> Option<Vec<CompactionInput>> {
    let config = &shared.config;
    let mut days: BTreeMap<i64, Vec<CompactionInput>> = BTreeMap::new();
    for live in lock(&shared.state).segments.iter().filter(|live| live.is_readable && live.is_mergeable) {
        days.entry(live.segment.max_start_us.div_euclid(DAY_US)).or_default().push(merge_input(live));
    }
    // File ages are read without holding the lock.
    days.into_values().find_map(|inputs| {
        let is_small = |input: &CompactionInput| (input.segment.rows as usize) < config.small_segment_rows;
        let has_several = inputs.iter().filter(|input| is_small(input)).count() > 1;
        let has_gone = |input: &CompactionInput| input.dead.len() > 0;
        if !(has_several || inputs.iter().any(has_gone))
            || inputs.iter().any(|input| input.segment.file_age().is_none_or(|age| age < config.quiet_age))
        {
            return None;
        }
        if has_several {
            return Some(smallest_inputs(inputs.into_iter().filter(is_small).collect()));
        }
        inputs.into_iter().find(has_gone).map(|input| vec![input])
    })
}

fn merge_input(live: &LiveSegment) -> CompactionInput {
    CompactionInput { segment: live.segment.clone(), dead: live.permanently_dead() }
}

/// Returns as many of the smallest inputs as may be merged at a time.
fn smallest_inputs(mut inputs: Vec<CompactionInput>) -> Vec<CompactionInput> {
    inputs.sort_by_key(|input| input.segment.rows);
    inputs.truncate(MAX_MERGED_SEGMENTS);
    let mut rows = 0;
    inputs.retain(|input| {
        rows += input.segment.rows;
        rows <= MAX_MERGED_ROWS
    });
    inputs
}

enum CompactionError {
    Store(StoreError),
    Arrow(arrow::error::ArrowError),
}

/// Reads rows from several segments into one batch, in the given order.
fn gather_rows(readers: &[SegmentReader], chunk: &[RowKey]) -> Result<RecordBatch, CompactionError> {
    let mut rows = vec![Vec::new(); readers.len()];
    for row in chunk {
        rows[row.source as usize].push(row.row);
    }
    let mut batches = Vec::new();
    let mut place_of = HashMap::with_capacity(chunk.len());
    for ((source, mut rows), reader) in (0u32..).zip(rows).zip(readers) {
        if rows.is_empty() {
            continue;
        }
        rows.sort_unstable();
        place_of.extend(rows.iter().enumerate().map(|(place, row)| ((source, *row), (batches.len(), place))));
        batches.push(reader.all_columns(&row_ranges(rows)).map_err(CompactionError::Store)?);
    }
    let places: Vec<(usize, usize)> = chunk.iter().map(|row| place_of[&(row.source, row.row)]).collect();
    interleave_record_batch(&batches.iter().collect::<Vec<_>>(), &places).map_err(CompactionError::Arrow)
}

/// Replaces the inputs with the result. Rows of the inputs are dead in the result if they were marked as dead during the merge, or if their
/// successors are only in a memtable. Returns the dead rows of each input at that moment.
pub(crate) fn replace_segments(
    shared: &StoreInner,
    inputs: &[CompactionInput],
    order: &[RowKey],
    written: Option<(Segment, crate::segment::id_index::SegmentIdIndex)>,
) -> Result<Vec<RowBitSet>, StoreError> {
    let _moving = lock(&shared.move_lock);
    let removed: Vec<u64> = inputs.iter().map(|input| input.segment.id).collect();
    let mut result = written.map(|(segment, ids)| {
        let mut live = LiveSegment::new(segment, ids, RowBitSet::default());
        mark_dead_rows(&lock(&shared.state).segments, &removed, order, &mut live);
        live
    });
    let change = ManifestEdit {
        last_flushed_frame: None,
        add: result.iter().map(|live| live.segment.as_ref()).collect(),
        dead: result.iter().map(|live| (live.segment.id, live.permanently_dead())).collect(),
        remove: removed.clone(),
    };
    if let Err(error) = lock(&shared.manifest).commit(&change) {
        if let Some(live) = result {
            live.segment.mark_replaced();
        }
        return Err(error);
    }
    let mut state = lock(&shared.state);
    if let Some(live) = &mut result {
        // The active memtable may have been frozen meanwhile, which moves rows from one set to the other. No row died: that requires
        // `moving`.
        mark_dead_rows(&state.segments, &removed, order, live);
    }
    let dead = removed.iter().map(|id| state.live_segment(*id).map(|live| live.dead.clone()).unwrap_or_default()).collect();
    state.remove_segments(&removed);
    if let Some(live) = result {
        state.add_segment(live);
    }
    Ok(dead)
}

/// Marks the rows of a merge's result that are dead in its inputs.
fn mark_dead_rows(segments: &[LiveSegment], inputs: &[u64], order: &[RowKey], result: &mut LiveSegment) {
    let sources: Vec<Option<&LiveSegment>> = inputs.iter().map(|id| segments.iter().find(|live| live.segment.id == *id)).collect();
    let carried = |of: fn(&LiveSegment) -> &RowBitSet| -> RowBitSet {
        let died = |row: &RowKey| sources[row.source as usize].is_some_and(|live| of(live).contains(row.row));
        (0..).zip(order).filter(|(_, row)| died(row)).map(|(number, _)| number).collect()
    };
    result.dead = carried(|live| &live.dead);
    result.pending = carried(|live| &live.pending);
    result.pending_when_frozen = carried(|live| &live.pending_when_frozen);
}
