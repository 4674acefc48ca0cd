//! Writes the frozen memtable as a segment.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;

use crate::error::StoreError;
use crate::manifest::ManifestEdit;
use crate::row_bit_set::RowBitSet;
use crate::segment::row_order::{RowKey, keys, sort};
use crate::segment::write::write;
use crate::segment_storage::SegmentObjectKind;
use crate::state::{LiveSegment, StoreInner, lock};
use crate::wal;
use crate::wal::retention::CoveredWalFile;

/// Writes the frozen memtable as a segment, if there is one, and removes the WAL files that it covers and no
/// durable subscription needs.
///
/// # Errors
///
/// Returns an error if a file could not be written. The memtable remains readable, and the next attempt starts from the beginning.
pub(crate) fn flush(shared: &StoreInner) -> Result<(), StoreError> {
    let began = Instant::now();
    let _flushing = lock(&shared.flushing);
    let (pieces, settled, generation, last_sequence) = {
        let mut state = lock(&shared.state);
        let Some(frozen) = &mut state.frozen else { return Ok(()) };
        (frozen.all_chunks().to_vec(), frozen.rows_to_omit().clone(), frozen.generation, frozen.last_sequence)
    };
    let mut order: Vec<RowKey> = Vec::new();
    for (source, piece) in (0..).zip(&pieces) {
        order.extend(keys(&piece.batch, source, 0).into_iter().filter(|row| !settled.contains(piece.first_row + row.row)));
    }
    sort(&mut order);
    let batches: Vec<&RecordBatch> = pieces.iter().map(|piece| piece.batch.as_ref()).collect();
    let id = shared.new_segment_id();
    let objects = shared.objects_of(id);
    let rows_of = |chunk: &[RowKey]| {
        let places: Vec<(usize, usize)> = chunk.iter().map(|row| (row.source as usize, row.row as usize)).collect();
        interleave_record_batch(&batches, &places)
            .map_err(|error| StoreError::segment_error("sort", &objects.location(SegmentObjectKind::Parquet), error))
    };
    let written = match order.is_empty() {
        true => None,
        // The rows are already in memory.
        false => Some(write(&objects, &order, shared.config.rows_per_group, |_| 0, rows_of)?),
    };

    let _moving = lock(&shared.move_lock);
    // Rows that died since the memtable was frozen are dead in the segment, and their successors are in the active memtable.
    let late: RowBitSet = {
        let state = lock(&shared.state);
        let dead_now = state.frozen.as_ref().map(|frozen| frozen.dead().clone()).unwrap_or_default();
        let row_in_buffer = |row: &RowKey| pieces[row.source as usize].first_row + row.row;
        (0..).zip(&order).filter(|(_, row)| dead_now.contains(row_in_buffer(row))).map(|(number, _)| number).collect()
    };
    let superseded = |live: &LiveSegment| (live.segment.id, live.dead.iter().filter(|row| !live.pending.contains(*row)).collect());
    let change = ManifestEdit {
        last_flushed_frame: Some(last_sequence),
        add: written.iter().map(|(segment, _)| segment).collect(),
        remove: Vec::new(),
        dead: lock(&shared.state).segments.iter().filter(|live| live.pending_when_frozen.len() > 0).map(superseded).collect(),
    };
    if let Err(error) = lock(&shared.manifest).commit(&change) {
        if let Some((segment, _)) = written {
            segment.mark_replaced();
        }
        return Err(error);
    }

    let logs = {
        let mut state = lock(&shared.state);
        for live in &mut state.segments {
            live.pending_when_frozen = RowBitSet::default();
        }
        if let Some((segment, ids)) = written {
            let mut live = LiveSegment::new(segment, ids, late.clone());
            live.pending = late;
            state.add_segment(live);
        }
        let logs = state.frozen.take().map(|frozen| frozen.logs).unwrap_or_default();
        state.count_change();
        logs
    };
    let covered = |path: PathBuf| CoveredWalFile { bytes: wal::file::length(&path).unwrap_or(0), path, last_sequence };
    shared.wal_retention.retire(logs.into_iter().map(covered), shared.check_reserve().is_err());
    let took = began.elapsed().as_millis() as u64;
    shared.health.last_flush_ms.store(took, Ordering::Relaxed);
    shared.health.flushes.fetch_add(1, Ordering::Relaxed);
    shared.progress.send_modify(|progress| {
        progress.flushed = generation;
        progress.error = None;
    });
    tracing::info!(segment = id, rows = order.len(), duration_ms = took, "store.segment.flushed");
    Ok(())
}
