//! Statistics of the store for the health page and for `/metrics`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::state::{StoreInner, lock};

/// State of the store at one moment.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct StoreStats {
    /// Number of stored spans.
    pub rows: u64,
    /// Number of stored spans that are not in a segment yet.
    pub buffered_rows: u64,
    /// Memory used by the spans that are not in a segment yet, in bytes.
    pub buffered_bytes: u64,
    /// Number of segments.
    pub segments: u64,
    /// Total length of the segments' files in bytes.
    pub segment_bytes: u64,
    /// Length of the current WAL file in bytes.
    pub log_bytes: u64,
    /// Number of the last frame in the WAL.
    pub log_sequence: u64,
    /// Duration of the last flush in milliseconds; 0 before the first.
    pub last_flush_ms: u64,
    /// Number of flushes since the start.
    pub flushes: u64,
    /// Number of merges of segments since the start.
    pub compactions: u64,
    /// Number of calls since the start that are no longer compared with reports of other traces, because newer calls took their place
    /// ([`StoreConfig::remembered_calls`](crate::StoreConfig)).
    pub evicted_calls: u64,
    /// Files that could not be read, each with the measure that was taken.
    pub damaged: Vec<String>,
    /// Why requests are not stored: low disk space, or the error of the last request; `None` as soon as one succeeds.
    pub intake_error: Option<String>,
    /// Last error of background work; `None` as soon as it succeeds again.
    pub background_error: Option<String>,
}

/// Counters and errors that are recorded as they happen.
#[derive(Debug, Default)]
pub(super) struct StoreHealth {
    pub(super) log_bytes: AtomicU64,
    /// Number of the last WAL frame. The number is stored after the rows of the frame have become visible.
    pub(super) log_sequence: AtomicU64,
    pub(super) last_flush_ms: AtomicU64,
    pub(super) flushes: AtomicU64,
    pub(super) compactions: AtomicU64,
    pub(super) evicted_calls: AtomicU64,
    pub(super) damaged: Mutex<Vec<String>>,
    /// Whether less disk space than the reserve was free at the last check.
    pub(super) is_disk_low: AtomicBool,
    /// Time at which all segments were last read to find damaged segments, and the number of damaged segments.
    pub(super) last_full_check: Mutex<Option<(Instant, usize)>>,
    pub(super) ingestion_error: Mutex<Option<String>>,
    pub(super) background_error: Mutex<Option<String>>,
}

impl StoreHealth {
    /// Returns the number of the last frame whose rows are visible in every later snapshot.
    pub(super) fn published_sequence(&self) -> u64 {
        self.log_sequence.load(Ordering::Acquire)
    }
}

impl StoreInner {
    pub(super) fn stats(&self) -> StoreStats {
        let health = &self.health;
        let no_room = self.check_reserve().err().map(|error| error.to_string());
        let state = lock(&self.state);
        let buffers = [Some(&state.active), state.frozen.as_ref()];
        let buffered_rows = buffers.iter().flatten().map(|buffer| buffer.live_rows()).sum();
        let in_segments = state.segments.iter().filter(|live| live.is_readable);
        StoreStats {
            rows: in_segments.map(|live| live.segment.rows - live.dead.len() as u64).sum::<u64>() + buffered_rows,
            buffered_rows,
            buffered_bytes: buffers.iter().flatten().map(|buffer| buffer.bytes() as u64).sum(),
            segments: state.segments.len() as u64,
            segment_bytes: state.segments.iter().map(|live| live.segment.bytes).sum(),
            log_bytes: health.log_bytes.load(Ordering::Relaxed),
            log_sequence: health.log_sequence.load(Ordering::Relaxed),
            last_flush_ms: health.last_flush_ms.load(Ordering::Relaxed),
            flushes: health.flushes.load(Ordering::Relaxed),
            compactions: health.compactions.load(Ordering::Relaxed),
            evicted_calls: health.evicted_calls.load(Ordering::Relaxed),
            damaged: lock(&health.damaged).clone(),
            intake_error: no_room.or_else(|| lock(&health.ingestion_error).clone()),
            background_error: lock(&health.background_error).clone(),
        }
    }
}
