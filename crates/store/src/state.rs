//! State shared by all parts of the store: the memtables, the segments, and the last snapshot of them.
//!
//! New rows are added to the *active* memtable. A flush freezes it, starts another memtable, and turns the frozen memtable into a segment
//! while ingestion continues. At any moment a live row is in exactly one of the three: active memtable, frozen memtable, segment.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use hinomi_model::id::TraceId;
use tokio::sync::watch;

use super::StoreConfig;
use super::commit::span_lookup::SpanRowCandidate;
use super::data_folder::DataDirectory;
use super::error::StoreError;
use super::key_hash::SpanKey;
use super::manifest::Manifest;
use super::memtable::{Memtable, MemtableChunk};
use super::row_bit_set::RowBitSet;
use super::row_changes::RowSubscriberList;
use super::segment::id_index::SegmentIdIndex;
use super::segment_storage::{SegmentObjects, SegmentStorage};
use super::snapshot::{Segment, SegmentView, Snapshot};
use super::stats::StoreHealth;
use super::wal::retention::WalRetention;

/// State shared by the callers, the commit thread and the background threads.
#[derive(Debug)]
pub(super) struct StoreInner {
    pub(super) folder: DataDirectory,
    pub(super) storage: Arc<dyn SegmentStorage>,
    pub(super) config: StoreConfig,
    pub(super) state: Mutex<StoreState>,
    /// Lock that is held while rows move from a memtable or segment to another segment, and while a correction finds and marks a row. It
    /// must be locked before `state`.
    pub(super) move_lock: Mutex<()>,
    pub(super) manifest: Mutex<Manifest>,
    /// Lock that is held while a memtable is written as a segment.
    pub(super) flushing: Mutex<()>,
    /// WAL files that durable subscriptions need.
    pub(super) wal_retention: WalRetention,
    pub(super) health: StoreHealth,
    pub(super) next_segment: AtomicU64,
    /// Progress of flushing.
    pub(super) progress: watch::Sender<FlushProgress>,
    /// Subscribers to rows that are added and removed.
    pub(super) subscribers: RowSubscriberList,
    /// Traces in which a span that is not a call reports usage, although no call reports usage.
    pub(super) usage_gaps: Mutex<HashSet<(u64, TraceId)>>,
    /// True once the server is stopping. Maintenance then does not begin further work, which the next start does instead.
    pub(super) is_stopping: AtomicBool,
}

/// Progress of flushing.
#[derive(Debug, Clone, Default)]
pub(super) struct FlushProgress {
    /// Generation of the last memtable that is in a segment.
    pub(super) flushed: u64,
    /// Number of failed attempts; `error` is the error of the last attempt.
    pub(super) failures: u64,
    pub(super) error: Option<StoreError>,
}

/// Locks a mutex even after a panic of another thread: the guarded data changes in single steps and stays consistent.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All rows of the store.
#[derive(Debug)]
pub(super) struct StoreState {
    pub(super) active: Memtable,
    pub(super) frozen: Option<Memtable>,
    /// Segments in ascending order of their numbers.
    pub(super) segments: Vec<LiveSegment>,
    /// Number of changes; a snapshot is only taken if it has changed. It is also read without the lock.
    version: Arc<AtomicU64>,
    cached_snapshot: Option<(u64, Arc<Snapshot>)>,
}

/// A segment in use.
#[derive(Debug)]
pub(super) struct LiveSegment {
    pub(super) segment: Arc<Segment>,
    pub(super) ids: Arc<SegmentIdIndex>,
    /// False if the Parquet file is damaged. The IDs in the segment are still known, and its spans are not stored again.
    pub(super) is_readable: bool,
    /// False if a merge could not read the segment.
    pub(super) is_mergeable: bool,
    /// Number of rows whose messages have expired and are known to be deleted.
    pub(super) rows_without_messages: usize,
    /// Whether the file has been read completely since the start, or was written since.
    pub(super) is_checked: bool,
    /// Rows that are superseded or deleted.
    pub(super) dead: RowBitSet,
    /// Dead rows whose successors are in the active memtable. These rows must not be recorded in the manifest before that memtable is in a
    /// segment; otherwise, replay would not find the row to correct.
    pub(super) pending: RowBitSet,
    /// Dead rows whose successors are in the frozen memtable.
    pub(super) pending_when_frozen: RowBitSet,
    view: Option<Arc<SegmentView>>,
}

/// Location of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum RowLocation {
    Active(u32),
    Frozen(u32),
    /// Number of the segment, and row number in it.
    Segment(u64, u32),
}

impl LiveSegment {
    pub(super) fn new(segment: Segment, ids: SegmentIdIndex, dead: RowBitSet) -> LiveSegment {
        LiveSegment {
            segment: Arc::new(segment),
            ids: Arc::new(ids),
            is_readable: true,
            is_mergeable: true,
            rows_without_messages: 0,
            is_checked: true,
            dead,
            pending: RowBitSet::default(),
            pending_when_frozen: RowBitSet::default(),
            view: None,
        }
    }

    /// Returns the dead rows that remain dead if a crash loses the memtables.
    pub(super) fn permanently_dead(&self) -> RowBitSet {
        self.dead.iter().filter(|row| !self.pending.contains(*row) && !self.pending_when_frozen.contains(*row)).collect()
    }

    /// Marks a row as superseded by one in the active memtable.
    fn supersede(&mut self, row: u32) {
        if self.dead.insert(row) {
            self.pending.insert(row);
            self.view = None;
        }
    }

    fn view(&mut self) -> Arc<SegmentView> {
        let view = || Arc::new(SegmentView { segment: self.segment.clone(), ids: self.ids.clone(), dead: self.dead.iter().collect() });
        self.view.get_or_insert_with(view).clone()
    }
}

impl StoreState {
    pub(super) fn new(segments: Vec<LiveSegment>) -> StoreState {
        StoreState { active: Memtable::new(1), frozen: None, segments, version: Arc::default(), cached_snapshot: None }
    }

    /// Increments the number of changes.
    pub(super) fn count_change(&mut self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Returns the counter of changes, which can be read without the lock.
    pub(super) fn changes(&self) -> Arc<AtomicU64> {
        self.version.clone()
    }

    /// Freezes the active memtable for the next flush and starts another.
    pub(super) fn freeze(&mut self, last_sequence: u64) {
        debug_assert!(self.frozen.is_none(), "one buffer is flushed at a time");
        let next = Memtable::new(self.active.generation + 1);
        let mut frozen = std::mem::replace(&mut self.active, next);
        frozen.freeze(last_sequence);
        for live in &mut self.segments {
            for row in std::mem::take(&mut live.pending).iter() {
                live.pending_when_frozen.insert(row);
            }
        }
        self.frozen = Some(frozen);
        self.count_change();
    }

    /// Returns whether a span is, or has been, in one of the current memtables.
    pub(super) fn has_been_buffered(&self, key: &SpanKey) -> bool {
        self.active.has_ever_contained(key) || self.frozen.as_ref().is_some_and(|frozen| frozen.has_ever_contained(key))
    }

    /// Returns the location of a span's live row if it is in a memtable.
    pub(super) fn find_in_memtables(&self, key: &SpanKey) -> Option<RowLocation> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.live_row(key)).map(RowLocation::Frozen);
        self.active.live_row(key).map(RowLocation::Active).or_else(frozen)
    }

    /// Returns a row of a memtable as a batch.
    pub(super) fn memtable_row(&self, place: RowLocation) -> Option<RecordBatch> {
        match place {
            RowLocation::Active(row) => Some(self.active.row_batch(row)),
            RowLocation::Frozen(row) => self.frozen.as_ref().map(|frozen| frozen.row_batch(row)),
            RowLocation::Segment(..) => None,
        }
    }

    /// Returns the rows of segments that may belong to a span, with the rows of the latest segment first. Reads a file if there may be any.
    pub(super) fn candidate_rows(&self, key: &SpanKey) -> Vec<SpanRowCandidate> {
        let hash = key.hash();
        let mut candidates = Vec::new();
        for live in self.segments.iter().rev().filter(|live| live.ids.may_hold_span(hash)) {
            candidates.extend(rows_of_span(live, key).into_iter().map(|row| SpanRowCandidate {
                segment: live.segment.clone(),
                row,
                is_readable: live.is_readable,
                is_dead: live.dead.contains(row),
            }));
        }
        candidates
    }

    /// Marks a row as superseded by one that is added to the active memtable.
    pub(super) fn supersede(&mut self, place: RowLocation) {
        match place {
            RowLocation::Active(row) => self.active.mark_dead(row),
            RowLocation::Frozen(row) => {
                if let Some(frozen) = &mut self.frozen {
                    frozen.mark_dead(row);
                }
            }
            RowLocation::Segment(id, row) => {
                if let Some(live) = self.live_segment(id) {
                    live.supersede(row);
                }
            }
        }
    }

    pub(super) fn live_segment(&mut self, id: u64) -> Option<&mut LiveSegment> {
        let at = self.segments.binary_search_by_key(&id, |live| live.segment.id).ok()?;
        Some(&mut self.segments[at])
    }

    /// Removes segments. The files of the segments are deleted when their last reader has finished.
    pub(super) fn remove_segments(&mut self, ids: &[u64]) {
        let gone = self.segments.extract_if(.., |live| ids.contains(&live.segment.id));
        for live in gone {
            live.segment.mark_replaced();
        }
        self.count_change();
    }

    /// Adds a segment.
    pub(super) fn add_segment(&mut self, live: LiveSegment) {
        let at = self.segments.partition_point(|other| other.segment.id < live.segment.id);
        self.segments.insert(at, live);
        self.count_change();
    }

    /// Returns the segments that may contain rows of a trace, each with the live rows that may belong to the trace. Rows of other traces
    /// with the same hash may be among them.
    pub(super) fn segments_of_trace(&self, project: u64, trace: TraceId) -> Vec<(Arc<Segment>, Vec<u32>)> {
        let rows = |live: &LiveSegment| -> Vec<u32> {
            let ranges = live.ids.rows_of_trace(project, trace).unwrap_or_else(|error| report_unreadable(live, &error));
            ranges.into_iter().flatten().filter(|row| !live.dead.contains(*row)).collect()
        };
        let readable = self.segments.iter().filter(|live| live.is_readable);
        readable.map(|live| (live.segment.clone(), rows(live))).filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

/// Returns the rows of a segment that may be a span's. If the ID file cannot be read, the error is logged and the result is empty.
fn rows_of_span(live: &LiveSegment, key: &SpanKey) -> Vec<u32> {
    live.ids.rows_of_span(key).unwrap_or_else(|error| report_unreadable(live, &error))
}

fn report_unreadable<T>(live: &LiveSegment, error: &std::io::Error) -> Vec<T> {
    tracing::error!(segment = live.segment.id, %error, "store.segment.ids_read_failed");
    Vec::new()
}

impl StoreInner {
    /// Returns the last snapshot, unless something has changed since.
    pub(super) fn current_snapshot(&self) -> Option<Arc<Snapshot>> {
        let state = lock(&self.state);
        state.cached_snapshot.as_ref().filter(|(version, _)| *version == state.version()).map(|(_, snapshot)| snapshot.clone())
    }

    /// Returns all live rows at this moment. This takes little time if nothing has changed since the last call.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        // Rows are filtered outside of the lock so that a reader does not block ingestion.
        if let Some(snapshot) = self.current_snapshot() {
            return snapshot;
        }
        let mut state = lock(&self.state);
        let version = state.version();
        let StoreState { frozen, active, .. } = &mut *state;
        let buffers: Vec<(u64, Vec<MemtableChunk>, RowBitSet)> = [frozen.as_mut(), Some(active)]
            .into_iter()
            .flatten()
            .map(|buffer| (buffer.generation, buffer.all_chunks().to_vec(), buffer.dead().clone()))
            .collect();
        let segments = state.segments.iter_mut().filter(|live| live.is_readable).map(LiveSegment::view).collect();
        drop(state);

        let mut buffer = Vec::new();
        let mut looked_at = HashMap::new();
        for (generation, mut pieces, dead) in buffers {
            let live = pieces.iter_mut().map(|piece| piece.live_batch(&dead)).filter(|batch| batch.num_rows() > 0);
            buffer.extend(live.map(|batch| batch.as_ref().clone()));
            looked_at.insert(generation, pieces);
        }
        let snapshot = Arc::new(Snapshot { buffer, segments, version });

        let mut state = lock(&self.state);
        let StoreState { active, frozen, .. } = &mut *state;
        for buffer in frozen.iter_mut().chain([active]) {
            if let Some(pieces) = looked_at.remove(&buffer.generation) {
                buffer.cache_live_rows(pieces);
            }
        }
        if state.cached_snapshot.as_ref().is_none_or(|(last, _)| *last < version) {
            state.cached_snapshot = Some((version, snapshot.clone()));
        }
        snapshot
    }

    /// Returns the objects of a segment, which need not exist.
    pub(super) fn objects_of(&self, segment: u64) -> SegmentObjects {
        SegmentObjects::of(&self.storage, segment)
    }

    /// Returns the number for a new segment.
    pub(super) fn new_segment_id(&self) -> u64 {
        self.next_segment.fetch_add(1, Ordering::Relaxed)
    }
}
