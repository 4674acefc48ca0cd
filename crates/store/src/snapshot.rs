//! What a query sees: all spans that are stored at one moment, each once.

pub(crate) mod thread;

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use hinomi_model::id::TraceId;

use super::rollup::Rollup;
use super::segment::id_index::SegmentIdIndex;
use super::sidecar;
use super::sidecar::{SidecarCell, ngram_index};

/// All stored spans at one moment. It stays readable for as long as it is held, whatever is written, merged or deleted meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Spans that are in no segment yet, in batches of [`SCHEMA`](super::schema::SCHEMA). Every row is live.
    pub buffer: Vec<RecordBatch>,
    /// The segments and the rows of them that are not to be read.
    pub segments: Vec<Arc<SegmentView>>,
    /// Rises with each change: what a [`RowChanges`](super::RowChanges) of a larger version tells of is not in it.
    pub version: u64,
}

impl Snapshot {
    /// The largest number of a project that something is stored under; 0 where nothing is.
    pub fn largest_project(&self) -> u64 {
        let in_segments = self.segments.iter().filter_map(|view| view.segment.projects.last().copied());
        let of_batch = |batch: &RecordBatch| {
            let projects = batch.column_by_name("project_id")?.as_primitive_opt::<Int64Type>()?;
            arrow::compute::max(projects).map(i64::cast_unsigned)
        };
        in_segments.chain(self.buffer.iter().filter_map(of_batch)).max().unwrap_or(0)
    }
}

/// A segment and which of its rows no longer hold.
#[derive(Debug, Clone)]
pub struct SegmentView {
    /// The file.
    pub segment: Arc<Segment>,
    /// Which spans and traces are in it.
    pub(super) ids: Arc<SegmentIdIndex>,
    /// Numbers of the rows that are superseded or deleted, rising. Rows are counted through the file from 0.
    pub dead: Arc<[u32]>,
}

impl SegmentView {
    /// Rows that hold.
    pub fn live_rows(&self) -> u64 {
        self.segment.rows.saturating_sub(self.dead.len() as u64)
    }

    /// Where the spans of a trace are, dead ones included, and hardly ever others. May read a file.
    ///
    /// # Errors
    ///
    /// When that file cannot be read.
    pub fn rows_of_trace(&self, project: u64, trace: TraceId) -> io::Result<Vec<Range<u32>>> {
        self.ids.rows_of_trace(project, trace)
    }
}

/// A Parquet file of spans, which never changes. Sorted by project, first start of the trace, trace, start.
///
/// The file is removed when it is replaced *and* nobody holds this any more.
#[derive(Debug)]
pub struct Segment {
    /// Its number; a later segment has a larger one.
    pub id: u64,
    /// The Parquet file.
    pub path: PathBuf,
    /// Rows in it, dead ones included.
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
    /// CRC-32C of the file; `None` for one that was written before sums were kept.
    pub crc: Option<u32>,
    /// Start of the earliest span, in microseconds since the Unix epoch.
    pub min_start_us: i64,
    /// Start of the latest span.
    pub max_start_us: i64,
    /// Projects that have rows in it, rising.
    pub projects: Vec<u64>,
    /// Its roll-up.
    pub(super) rollup: SidecarCell<Rollup>,
    /// Its index of texts.
    pub(super) grams: SidecarCell<ngram_index::NgramIndex>,
    /// Set when the manifest no longer names it.
    pub(super) replaced: AtomicBool,
}

impl Segment {
    /// True unless all of the segment's spans start outside of `from_us..to_us` or belong to other projects.
    pub fn may_hold(&self, project: u64, from_us: i64, to_us: i64) -> bool {
        self.projects.binary_search(&project).is_ok() && self.min_start_us < to_us && self.max_start_us >= from_us
    }

    /// How long ago its file was written, where the system tells.
    pub(super) fn age(&self) -> Option<Duration> {
        std::fs::metadata(&self.path).and_then(|file| file.modified()).ok()?.elapsed().ok()
    }

    /// What its spans add up to, dead ones included; `None` where that cannot be told. Reads a file the first time.
    pub fn rollup(&self) -> Option<Arc<Rollup>> {
        self.rollup.get(&self.path)
    }

    /// Which rows may have a text in their messages, whatever the case of letters; `None` where that cannot be told. Reads a file.
    pub fn rows_holding(&self, text: &str) -> Option<Vec<Range<u32>>> {
        self.grams.rows_holding(&self.path, text)
    }

    /// Lets the files go when the last reader has finished.
    pub(super) fn replace(&self) {
        self.replaced.store(true, Ordering::Release);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.replaced.load(Ordering::Acquire) {
            // A file that stays behind is removed at the next start: the manifest does not name it.
            let _ = std::fs::remove_file(&self.path);
            for extension in sidecar::EXTENSIONS {
                let _ = std::fs::remove_file(self.path.with_extension(extension));
            }
        }
    }
}
