//! What all parts of the store share: the buffers, the segments, and how a snapshot is taken of them.
//!
//! Rows wait in the *active* buffer. A flush freezes it, starts another, and turns the frozen one into a segment while intake goes
//! on. Every row is in exactly one of the three at any moment, or dead where it was.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use hinomi_model::id::TraceId;
use tokio::sync::watch;

use super::StoreConfig;
use super::commit::span_lookup::SpanRowCandidate;
use super::data_folder::DataFolder;
use super::error::StoreError;
use super::key_hash::SpanKey;
use super::manifest::Manifest;
use super::memtable::{Memtable, MemtableChunk};
use super::row_bit_set::RowBitSet;
use super::row_changes::RowSubscriberList;
use super::segment::id_index::SegmentIdIndex;
use super::snapshot::{Segment, SegmentView, Snapshot};
use super::stats::StoreHealth;

/// Shared between the callers, the commit thread and the background thread.
#[derive(Debug)]
pub(super) struct StoreInner {
    pub(super) folder: DataFolder,
    pub(super) config: StoreConfig,
    pub(super) state: Mutex<StoreState>,
    /// Held while rows move from a buffer or segment to another segment, and while a correction looks for a row and marks it. Taken
    /// before `state`.
    pub(super) moving: Mutex<()>,
    pub(super) manifest: Mutex<Manifest>,
    /// Held while a buffer is written as a segment.
    pub(super) flushing: Mutex<()>,
    pub(super) health: StoreHealth,
    pub(super) next_segment: AtomicU64,
    /// How far flushing has come.
    pub(super) progress: watch::Sender<FlushProgress>,
    /// Subscribers to rows that are added and removed.
    pub(super) subscribers: RowSubscriberList,
}

/// How far flushing has come.
#[derive(Debug, Clone, Default)]
pub(super) struct FlushProgress {
    /// Generation of the last buffer that is in a segment.
    pub(super) flushed: u64,
    /// Failed attempts so far, and what the last of them met.
    pub(super) failures: u64,
    pub(super) error: Option<StoreError>,
}

/// Locks, also after a panic elsewhere: what the locks guard is changed in single steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where all rows are.
#[derive(Debug)]
pub(super) struct StoreState {
    pub(super) active: Memtable,
    pub(super) frozen: Option<Memtable>,
    /// Rising by number.
    pub(super) segments: Vec<LiveSegment>,
    /// Counts changes, so that a snapshot is only taken when there was one. It is read without the lock too.
    version: Arc<AtomicU64>,
    last: Option<(u64, Arc<Snapshot>)>,
}

/// A segment in use.
#[derive(Debug)]
pub(super) struct LiveSegment {
    pub(super) segment: Arc<Segment>,
    pub(super) ids: Arc<SegmentIdIndex>,
    /// False when the Parquet file is damaged. Its ids are still known, so that nothing in it is stored again.
    pub(super) readable: bool,
    /// False after a merge could not read it.
    pub(super) mergeable: bool,
    /// How many rows are known to be without texts, of those that are to be.
    pub(super) without_texts: usize,
    /// Whether its file has been read whole since the start, or was written since.
    pub(super) checked: bool,
    /// Rows that do not hold.
    pub(super) dead: RowBitSet,
    /// Those of them whose successors are in the active buffer. They may not go into the manifest before that buffer does: replay
    /// would find no row to correct.
    pub(super) pending: RowBitSet,
    /// The same for the frozen buffer.
    pub(super) freezing: RowBitSet,
    view: Option<Arc<SegmentView>>,
}

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum RowLocation {
    Active(u32),
    Frozen(u32),
    /// Number of the segment, row.
    Segment(u64, u32),
}

impl LiveSegment {
    pub(super) fn new(segment: Segment, ids: SegmentIdIndex, dead: RowBitSet) -> LiveSegment {
        LiveSegment {
            segment: Arc::new(segment),
            ids: Arc::new(ids),
            readable: true,
            mergeable: true,
            without_texts: 0,
            checked: true,
            dead,
            pending: RowBitSet::default(),
            freezing: RowBitSet::default(),
            view: None,
        }
    }

    /// The dead rows that hold whatever a crash takes from the buffers.
    pub(super) fn settled(&self) -> RowBitSet {
        self.dead.iter().filter(|row| !self.pending.contains(*row) && !self.freezing.contains(*row)).collect()
    }

    /// Marks a row as superseded by one in the active buffer.
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
        StoreState { active: Memtable::new(1), frozen: None, segments, version: Arc::default(), last: None }
    }

    /// Says that something has changed.
    pub(super) fn touch(&mut self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The count of changes, for whoever does not want to wait for the lock.
    pub(super) fn changes(&self) -> Arc<AtomicU64> {
        self.version.clone()
    }

    /// Puts the active buffer aside for the next flush and starts another.
    pub(super) fn freeze(&mut self, last_sequence: u64) {
        debug_assert!(self.frozen.is_none(), "one buffer is flushed at a time");
        let next = Memtable::new(self.active.generation + 1);
        let mut frozen = std::mem::replace(&mut self.active, next);
        frozen.freeze(last_sequence);
        for live in &mut self.segments {
            for row in std::mem::take(&mut live.pending).iter() {
                live.freezing.insert(row);
            }
        }
        self.frozen = Some(frozen);
        self.touch();
    }

    /// True if a span is in a buffer, or was in one of these.
    pub(super) fn knows_buffered(&self, key: &SpanKey) -> bool {
        self.active.knows(key) || self.frozen.as_ref().is_some_and(|frozen| frozen.knows(key))
    }

    /// Where the row of a span is that holds, if that is in a buffer.
    pub(super) fn find_buffered(&self, key: &SpanKey) -> Option<RowLocation> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.find(key)).map(RowLocation::Frozen);
        self.active.find(key).map(RowLocation::Active).or_else(frozen)
    }

    /// The row at a place in a buffer, as a batch.
    pub(super) fn buffered_row(&self, place: RowLocation) -> Option<RecordBatch> {
        match place {
            RowLocation::Active(row) => Some(self.active.row(row)),
            RowLocation::Frozen(row) => self.frozen.as_ref().map(|frozen| frozen.row(row)),
            RowLocation::Segment(..) => None,
        }
    }

    /// The rows of segments that may be a span's, those of the newest segment first. Reads a file where there are any.
    pub(super) fn candidates(&self, key: &SpanKey) -> Vec<SpanRowCandidate> {
        let hash = key.hash();
        let mut candidates = Vec::new();
        for live in self.segments.iter().rev().filter(|live| live.ids.may_hold_span(hash)) {
            candidates.extend(rows_of_span(live, key).into_iter().map(|row| SpanRowCandidate {
                segment: live.segment.clone(),
                row,
                is_readable: live.readable,
                is_dead: live.dead.contains(row),
            }));
        }
        candidates
    }

    /// Marks the row at a place as superseded by one that is added to the active buffer.
    pub(super) fn supersede(&mut self, place: RowLocation) {
        match place {
            RowLocation::Active(row) => self.active.kill(row),
            RowLocation::Frozen(row) => {
                if let Some(frozen) = &mut self.frozen {
                    frozen.kill(row);
                }
            }
            RowLocation::Segment(id, row) => {
                if let Some(live) = self.live(id) {
                    live.supersede(row);
                }
            }
        }
    }

    pub(super) fn live(&mut self, id: u64) -> Option<&mut LiveSegment> {
        let at = self.segments.binary_search_by_key(&id, |live| live.segment.id).ok()?;
        Some(&mut self.segments[at])
    }

    /// Takes segments out and lets their files go when nobody reads them any more.
    pub(super) fn remove(&mut self, ids: &[u64]) {
        let gone = self.segments.extract_if(.., |live| ids.contains(&live.segment.id));
        for live in gone {
            live.segment.replace();
        }
        self.touch();
    }

    /// Adds a segment.
    pub(super) fn add(&mut self, live: LiveSegment) {
        let at = self.segments.partition_point(|other| other.segment.id < live.segment.id);
        self.segments.insert(at, live);
        self.touch();
    }

    /// The segments that may hold rows of a trace, and the rows of each that hold: those of any trace that cannot be told from it.
    pub(super) fn segments_of_trace(&self, project: u64, trace: TraceId) -> Vec<(Arc<Segment>, Vec<u32>)> {
        let rows = |live: &LiveSegment| -> Vec<u32> {
            let ranges = live.ids.rows_of_trace(project, trace).unwrap_or_else(|error| unreadable(live, &error));
            ranges.into_iter().flatten().filter(|row| !live.dead.contains(*row)).collect()
        };
        let readable = self.segments.iter().filter(|live| live.readable);
        readable.map(|live| (live.segment.clone(), rows(live))).filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

/// The rows of a segment that may be a span's. A side file that cannot be read is told of, and the segment then seems not to have the span.
fn rows_of_span(live: &LiveSegment, key: &SpanKey) -> Vec<u32> {
    live.ids.rows_of_span(key).unwrap_or_else(|error| unreadable(live, &error))
}

fn unreadable<T>(live: &LiveSegment, error: &std::io::Error) -> Vec<T> {
    tracing::error!(segment = live.segment.id, %error, "store.segment.ids_read_failed");
    Vec::new()
}

impl StoreInner {
    /// The last snapshot, unless something has changed since.
    pub(super) fn last_snapshot(&self) -> Option<Arc<Snapshot>> {
        let state = lock(&self.state);
        state.last.as_ref().filter(|(version, _)| *version == state.version()).map(|(_, snapshot)| snapshot.clone())
    }

    /// All rows that hold at this moment. Free when nothing has changed since the last call.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        // What must be filtered is filtered outside of the lock, so that a reader does not hold up intake.
        if let Some(snapshot) = self.last_snapshot() {
            return snapshot;
        }
        let mut state = lock(&self.state);
        let version = state.version();
        let StoreState { frozen, active, .. } = &mut *state;
        let buffers: Vec<(u64, Vec<MemtableChunk>, RowBitSet)> = [frozen.as_mut(), Some(active)]
            .into_iter()
            .flatten()
            .map(|buffer| (buffer.generation, buffer.pieces().to_vec(), buffer.dead().clone()))
            .collect();
        let segments = state.segments.iter_mut().filter(|live| live.readable).map(LiveSegment::view).collect();
        drop(state);

        let mut buffer = Vec::new();
        let mut looked_at = HashMap::new();
        for (generation, mut pieces, dead) in buffers {
            let live = pieces.iter_mut().map(|piece| piece.live(&dead)).filter(|batch| batch.num_rows() > 0);
            buffer.extend(live.map(|batch| batch.as_ref().clone()));
            looked_at.insert(generation, pieces);
        }
        let snapshot = Arc::new(Snapshot { buffer, segments, version });

        let mut state = lock(&self.state);
        let StoreState { active, frozen, .. } = &mut *state;
        for buffer in frozen.iter_mut().chain([active]) {
            if let Some(pieces) = looked_at.remove(&buffer.generation) {
                buffer.remember_live(pieces);
            }
        }
        if state.last.as_ref().is_none_or(|(last, _)| *last < version) {
            state.last = Some((version, snapshot.clone()));
        }
        snapshot
    }

    /// Takes the number of a new segment.
    pub(super) fn new_segment_id(&self) -> u64 {
        self.next_segment.fetch_add(1, Ordering::Relaxed)
    }
}
