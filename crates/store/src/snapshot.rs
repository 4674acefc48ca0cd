//! Snapshots: all spans that are stored at one moment, each once, for queries.

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
use super::segment_storage::{SegmentObjectKind, SegmentObjectReader, SegmentObjects};
use super::sidecar::{SidecarCell, ngram_index};

/// All stored spans at one moment. A snapshot remains readable while it is held, even if data is written, merged or deleted during this
/// time.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Spans that are not in a segment yet, in batches of [`SCHEMA`](super::schema::SCHEMA). All rows are live.
    pub buffer: Vec<RecordBatch>,
    /// The segments, each with its rows that must not be read.
    pub segments: Vec<Arc<SegmentView>>,
    /// Incremented with each change. Changes of a [`RowChanges`](super::RowChanges) with a larger version are not in the snapshot.
    pub version: u64,
}

impl Snapshot {
    /// Returns the largest number of a project with stored spans, or 0 if there are none.
    pub fn largest_project(&self) -> u64 {
        let in_segments = self.segments.iter().filter_map(|view| view.segment.projects.last().copied());
        let of_batch = |batch: &RecordBatch| {
            let projects = batch.column_by_name("project_id")?.as_primitive_opt::<Int64Type>()?;
            arrow::compute::max(projects).map(i64::cast_unsigned)
        };
        in_segments.chain(self.buffer.iter().filter_map(of_batch)).max().unwrap_or(0)
    }
}

/// A segment and its dead rows.
#[derive(Debug, Clone)]
pub struct SegmentView {
    /// The segment.
    pub segment: Arc<Segment>,
    /// Index of the spans and traces in it.
    pub(super) ids: Arc<SegmentIdIndex>,
    /// Numbers of the superseded or deleted rows, ascending. Rows are numbered from 0 in file order.
    pub dead: Arc<[u32]>,
}

impl SegmentView {
    /// Returns the number of live rows.
    pub fn live_rows(&self) -> u64 {
        self.segment.rows.saturating_sub(self.dead.len() as u64)
    }

    /// Returns the rows of a trace, including dead rows. In rare cases, also returns rows of other traces. This function may read a file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read.
    pub fn rows_of_trace(&self, project: u64, trace: TraceId) -> io::Result<Vec<Range<u32>>> {
        self.ids.rows_of_trace(project, trace)
    }
}

/// A Parquet file of spans, which never changes. It is sorted by project, first start of the trace, trace, start.
///
/// The file is removed once it has been replaced *and* this value has been dropped.
#[derive(Debug)]
pub struct Segment {
    /// Number of the segment; later segments have larger numbers.
    pub id: u64,
    /// Path of the Parquet file, for messages. The path is unique among the segments of all stores of the process.
    pub location: PathBuf,
    /// The Parquet file and its sidecar files.
    pub(super) objects: SegmentObjects,
    /// Number of rows, including dead ones.
    pub rows: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// CRC-32C of the file; `None` for a file that was written before checksums were stored.
    pub crc: Option<u32>,
    /// Start of the earliest span in microseconds since the Unix epoch.
    pub min_start_us: i64,
    /// Start of the latest span in microseconds since the Unix epoch.
    pub max_start_us: i64,
    /// Projects that have rows in the segment, ascending.
    pub projects: Vec<u64>,
    /// Roll-up of the segment.
    pub(super) rollup: SidecarCell<Rollup>,
    /// N-gram index of the segment.
    pub(super) ngram_index: SidecarCell<ngram_index::NgramIndex>,
    /// Set when the manifest no longer names the segment.
    pub(super) is_replaced: AtomicBool,
}

impl Segment {
    /// Returns false if none of the segment's spans belong to the project and start in `from_us..to_us`.
    pub fn may_contain(&self, project: u64, from_us: i64, to_us: i64) -> bool {
        self.projects.binary_search(&project).is_ok() && self.min_start_us < to_us && self.max_start_us >= from_us
    }

    /// Opens the Parquet file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened.
    pub fn open(&self) -> io::Result<Arc<dyn SegmentObjectReader>> {
        self.objects.open(SegmentObjectKind::Parquet)
    }

    /// Returns the age of the file, if the storage knows it.
    pub(super) fn file_age(&self) -> Option<Duration> {
        self.objects.stat(SegmentObjectKind::Parquet).ok()?.age
    }

    /// Returns the totals of the spans, including dead ones; `None` if there are none. Reads a file at the first use.
    pub fn rollup(&self) -> Option<Arc<Rollup>> {
        self.rollup.get(&self.objects)
    }

    /// Returns the rows whose messages may contain a text, ignoring case; `None` if the index cannot be used for this text. Reads a file.
    pub fn rows_holding(&self, text: &str) -> Option<Vec<Range<u32>>> {
        self.ngram_index.rows_holding(&self.objects, text)
    }

    /// Removes the files when the last reader has finished.
    pub(super) fn mark_replaced(&self) {
        self.is_replaced.store(true, Ordering::Release);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.is_replaced.load(Ordering::Acquire) {
            // A file that remains is removed at the next start: the manifest does not name it.
            for kind in SegmentObjectKind::ALL {
                let _ = self.objects.delete(kind);
            }
        }
    }
}
