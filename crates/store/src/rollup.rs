//! Roll-ups: totals of spans per hour, from which most dashboard queries are answered in time that does not grow with the number of
//! spans.
//!
//! Each segment has a roll-up in a sidecar file (`rollup::file`), made while the segment is written. Spans of one hour with equal values of all
//! [`DIMENSIONS`] form one [`RollupCell`]: counts, tokens and costs are exact, durations are kept as [`DurationHistogram`]. Dead rows are
//! included, so a reader must skip the hours that have such rows and read them from the segment.

mod builder;
mod duration_bins;
mod file;
mod hour_totals;
mod users;

use std::io;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::segment_storage::{SegmentObjectKind, SegmentObjects};
use super::sidecar::{SidecarCell, SidecarContent};
pub use builder::{FastBuildHasher, FastHasher, RollupBuilder, RollupColumns, RollupGranularity};
pub use duration_bins::{DenseDurationHistogram, DurationHistogram, percentile};
pub use hour_totals::HourTotals;
pub use users::{DAY_US, SpanSubtotal, UserRollupDay, UserSums};

/// Microseconds per hour.
pub const HOUR_US: i64 = 3_600_000_000;

/// Columns that distinguish the cells of a roll-up. Columns with a different value in nearly every span are not among them.
pub const DIMENSIONS: [&str; 14] = [
    "kind",
    "status",
    "provider",
    "model",
    "usage_source",
    "op",
    "pipeline",
    "agent",
    "tool",
    "prompt",
    "release",
    "environment",
    "service",
    "request_model",
];

/// Index of the span kind in [`DIMENSIONS`].
pub const KIND_DIMENSION: usize = 0;
/// Index of the status in [`DIMENSIONS`].
pub const STATUS_DIMENSION: usize = 1;
/// Index of the provider in [`DIMENSIONS`].
pub const PROVIDER_DIMENSION: usize = 2;
/// Index of the model in [`DIMENSIONS`].
pub const MODEL_DIMENSION: usize = 3;
/// Index of the source of the token usage in [`DIMENSIONS`].
pub const USAGE_SOURCE_DIMENSION: usize = 4;
/// Index of the requested model in [`DIMENSIONS`].
pub const REQUEST_MODEL_DIMENSION: usize = 13;

/// Other columns that a roll-up is made from.
pub const TOTAL_COLUMNS: [&str; 17] = [
    "project_id",
    "trace_id",
    "start_time",
    "duration_us",
    "user_id",
    "counted",
    "is_run",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "usage_input",
    "usage_cache_read",
    "usage_cache_write_5m",
    "usage_cache_write_1h",
    "usage_reasoning",
    "usage_output",
    "cost",
];

/// A roll-up is only useful if it has at least this many rows per cell.
const MIN_ROWS_PER_CELL: usize = 3;
/// With fewer rows than this the number of cells does not matter.
const MIN_LIMITED_ROWS: usize = 10_000;

/// Totals of spans per hour.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rollup {
    /// Values of dimensions. The first value is `None`, for null.
    pub texts: Vec<Option<String>>,
    /// Hours in ascending order of project and hour.
    pub hours: Vec<RollupHour>,
    /// The same spans per day and user.
    #[serde(default)]
    pub days: Vec<UserRollupDay>,
}

/// Totals of a project's spans that start in one hour.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RollupHour {
    /// Project of the spans.
    pub project: u64,
    /// Number of hours since the Unix epoch.
    pub hour: i64,
    /// Row ranges of the spans in the segment, ascending.
    pub rows: Vec<Range<u32>>,
    /// Hashes of the users, ascending.
    pub users: Vec<u64>,
    /// Hashes of the traces, ascending.
    pub traces: Vec<u64>,
    /// Totals of groups of similar spans.
    pub cells: Vec<RollupCell>,
    /// Durations of the spans per op and name; `None` if they were not collected or there are too many names.
    #[serde(default)]
    pub names: Option<Vec<OpNameDurations>>,
    /// Totals of all cells; not stored in files and empty while the roll-up is built.
    #[serde(skip)]
    pub whole: HourTotals,
}

/// Durations of the spans with one op and name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OpNameDurations {
    /// Index of the op in the roll-up's texts.
    pub op: u32,
    /// Index of the name in the roll-up's texts.
    pub name: u32,
    /// Durations in microseconds.
    pub durations: DurationHistogram,
    /// Shortest and longest duration in microseconds.
    pub duration_range_us: (i64, i64),
}

/// Totals of the spans with equal keys.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RollupCell {
    /// Values that the spans have in common.
    pub key: RollupCellKey,
    /// Totals of the spans.
    pub sums: RollupSums,
    /// Durations in microseconds.
    pub durations: DurationHistogram,
}

/// The values that the spans of a cell have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct RollupCellKey {
    /// For each of [`DIMENSIONS`], the index of its value in the roll-up's texts.
    pub values: [u32; DIMENSIONS.len()],
    /// Value of the column `counted`.
    pub counted: bool,
    /// Value of the column `is_run`.
    pub is_run: bool,
    /// Index of the value of one more property; it is not stored in files.
    #[serde(skip)]
    pub by: u32,
}

/// Totals of spans. Token sums wrap around at 64 bits, like sums of the query engine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RollupSums {
    /// Number of spans.
    pub spans: u64,
    /// Sum of all input tokens.
    pub input_tokens: i64,
    /// Sum of all output tokens.
    pub output_tokens: i64,
    /// Sum of the input tokens at the full price.
    pub usage_input: i64,
    /// Sum of the input tokens read from caches.
    pub cache_read: i64,
    /// Sum of the input tokens written to caches, of any lifetime.
    pub cache_write: i64,
    /// Sum of the reasoning tokens.
    pub reasoning: i64,
    /// Number of spans of which neither input, output nor total tokens are known.
    pub without_usage: u64,
    /// Number of spans with a cost.
    pub priced: u64,
    /// Sum of the costs in units of 10⁻¹² dollars.
    pub cost: i128,
    /// Number of spans with token usage and without a cost, except failed ones.
    pub unpriced: u64,
    /// Sum of the durations in microseconds.
    pub duration_us: i128,
    /// Shortest and longest duration in microseconds. `None` without spans, and in roll-ups written before this field existed.
    #[serde(default)]
    pub duration_range_us: Option<(i64, i64)>,
}

impl RollupSums {
    /// Adds the totals of other spans.
    pub fn add_sums(&mut self, other: &RollupSums) {
        self.duration_range_us = match (self.spans, other.spans) {
            (_, 0) => self.duration_range_us,
            (0, _) => other.duration_range_us,
            // If the range of either part is unknown, the range of both is unknown.
            _ => self.duration_range_us.zip(other.duration_range_us).map(|(own, more)| (own.0.min(more.0), own.1.max(more.1))),
        };
        self.spans += other.spans;
        self.without_usage += other.without_usage;
        self.unpriced += other.unpriced;
        self.duration_us += other.duration_us;
        self.add_billed(other);
    }

    /// Adds the tokens and costs of other spans, without the spans themselves.
    pub fn add_billed(&mut self, other: &RollupSums) {
        self.input_tokens = self.input_tokens.wrapping_add(other.input_tokens);
        self.output_tokens = self.output_tokens.wrapping_add(other.output_tokens);
        self.usage_input = self.usage_input.wrapping_add(other.usage_input);
        self.cache_read = self.cache_read.wrapping_add(other.cache_read);
        self.cache_write = self.cache_write.wrapping_add(other.cache_write);
        self.reasoning = self.reasoning.wrapping_add(other.reasoning);
        self.priced += other.priced;
        self.cost += other.cost;
    }
}

impl SidecarContent for Rollup {
    const KIND: SegmentObjectKind = SegmentObjectKind::Rollup;

    fn read(objects: &SegmentObjects) -> io::Result<Option<Rollup>> {
        objects.read(Self::KIND).and_then(|bytes| file::decode(&bytes)).map(Rollup::with_hour_totals)
    }
}

impl SidecarCell<Rollup> {
    /// Stores a roll-up in its file.
    pub(super) fn write_file(&self, objects: &SegmentObjects, rollup: Rollup) {
        let rollup = if rollup.is_useful() { rollup } else { Rollup::default() };
        let bytes = file::encode(&rollup);
        self.write(objects, bytes, || rollup.with_hour_totals());
    }
}

impl Rollup {
    /// Returns the value of a dimension in a cell.
    pub fn text(&self, key: &RollupCellKey, dimension: usize) -> Option<&str> {
        self.texts.get(*key.values.get(dimension)? as usize)?.as_deref()
    }

    /// Returns whether the spans of a cell are counted calls.
    pub fn is_call(&self, key: &RollupCellKey) -> bool {
        key.counted && matches!(self.text(key, KIND_DIMENSION), Some("llm" | "embedding"))
    }

    /// Returns the roll-up with the totals of each hour, which are needed most often; `None` if it has no hours.
    fn with_hour_totals(mut self) -> Option<Rollup> {
        let wholes: Vec<HourTotals> = self.hours.iter().map(|hour| HourTotals::of_hour(&self, hour)).collect();
        self.hours.iter_mut().zip(wholes).for_each(|(hour, whole)| hour.whole = whole);
        Some(self).filter(|rollup| !rollup.hours.is_empty())
    }

    /// Returns whether the roll-up is much smaller than the rows it is made from.
    fn is_useful(&self) -> bool {
        let cells: usize = self.hours.iter().map(|hour| hour.cells.len()).sum();
        let rows: usize = self.hours.iter().flat_map(|hour| &hour.rows).map(ExactSizeIterator::len).sum();
        rows <= MIN_LIMITED_ROWS || cells * MIN_ROWS_PER_CELL <= rows
    }
}

/// Returns the index of a column in [`DIMENSIONS`].
pub fn dimension_index(column: &str) -> Option<usize> {
    DIMENSIONS.iter().position(|known| *known == column)
}
