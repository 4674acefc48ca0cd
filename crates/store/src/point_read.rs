//! Reads selected rows of segments, for queries that know which rows they need.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::error::StoreError;
use super::segment::read::SegmentReader;
use super::snapshot::Segment;
use super::state::lock;

/// The most recently used segment footers. They are cached because reading a footer takes longer than reading a few rows.
#[derive(Debug)]
pub struct SegmentFooterCache {
    max_bytes: usize,
    footers: Mutex<VecDeque<CachedFooter>>,
}

#[derive(Debug, Clone)]
struct CachedFooter {
    location: PathBuf,
    footer: ArrowReaderMetadata,
    bytes: usize,
}

/// A segment that is open for reading.
#[derive(Debug)]
pub struct OpenSegment(SegmentReader);

/// A row group of a segment, with the ranges of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowGroup {
    /// Row numbers in the segment.
    pub rows: Range<u32>,
    /// Smallest and largest project, as stored in the column.
    pub projects: (i64, i64),
    /// Earliest and latest start, in microseconds since the Unix epoch.
    pub starts_us: (i64, i64),
}

impl SegmentFooterCache {
    /// Creates a cache that holds footers up to a total size in bytes, but at least one footer.
    pub fn new(max_bytes: usize) -> SegmentFooterCache {
        SegmentFooterCache { max_bytes, footers: Mutex::default() }
    }

    /// Opens a segment. This function reads files and may take milliseconds.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read.
    pub fn open(&self, segment: &Segment) -> Result<OpenSegment, StoreError> {
        let known = {
            let mut kept = lock(&self.footers);
            let at = kept.iter().position(|known| known.location == segment.location);
            at.and_then(|at| kept.remove(at)).map(|known| {
                kept.push_back(known.clone());
                known.footer
            })
        };
        if let Some(footer) = known {
            return Ok(OpenSegment(SegmentReader::with_footer(&segment.objects, footer)?));
        }
        let reader = SegmentReader::open(&segment.objects)?;
        let footer = reader.footer().clone();
        let bytes = footer.metadata().memory_size();
        let mut kept = lock(&self.footers);
        kept.push_back(CachedFooter { location: segment.location.clone(), footer, bytes });
        let mut all: usize = kept.iter().map(|known| known.bytes).sum();
        while kept.len() > 1 && all > self.max_bytes {
            all -= kept.pop_front().map_or(0, |known| known.bytes);
        }
        Ok(OpenSegment(reader))
    }
}

impl OpenSegment {
    /// Returns the rows of the ranges, which must be ascending and not overlap, with these columns of the store's schema.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read.
    pub fn rows(&self, ranges: &[Range<u32>], columns: &Arc<Schema>) -> Result<RecordBatch, StoreError> {
        self.0.columns_or_null(ranges, columns)
    }

    /// Returns how many rows, starting with the given row, take about `bytes` with all of their columns; at least one.
    pub fn rows_within_bytes(&self, row: u32, bytes: usize) -> usize {
        self.0.rows_within_bytes(row, bytes)
    }

    /// Returns the row groups in file order.
    pub fn row_groups(&self) -> Vec<RowGroup> {
        let columns = self.0.metadata().file_metadata().schema_descr();
        let place = |name: &str| columns.columns().iter().position(|column| column.name() == name);
        let (project, start) = (place("project_id"), place("start_time"));
        let mut first = 0;
        let group = |group: &RowGroupMetaData| {
            let rows = first..first + group.num_rows() as u32;
            first = rows.end;
            RowGroup { rows, projects: min_and_max(group, project), starts_us: min_and_max(group, start) }
        };
        self.0.metadata().row_groups().iter().map(group).collect()
    }
}

/// Returns the smallest and largest value of a column in a row group, or the limits of the type if the file does not have them.
fn min_and_max(group: &RowGroupMetaData, column: Option<usize>) -> (i64, i64) {
    match column.and_then(|column| group.column(column).statistics()) {
        Some(Statistics::Int64(values)) => (values.min_opt().copied().unwrap_or(i64::MIN), values.max_opt().copied().unwrap_or(i64::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}
