//! What spans add up to, hour by hour: the answer to most questions of a dashboard, in time that does not grow with their number.
//!
//! A segment has one beside it ([`file`]), made while the segment is written. Spans of one hour that are alike in all
//! [`DIMENSIONS`] are one [`RollupCell`]: counts, tokens and money are exact, durations are kept as [`DurationHistogram`]. Rows that do not hold any more
//! are in it all the same, so whoever reads it leaves out the hours that have such rows, and reads these from the segment.

mod builder;
mod duration_bins;
mod file;
mod hour_totals;
mod users;

use std::io;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::sidecar::{SidecarCell, SidecarContent};
pub use builder::{FastBuildHasher, FastHasher, RollupBuilder, RollupColumns, RollupGranularity};
pub use duration_bins::{DenseDurationHistogram, DurationHistogram, percentile};
pub use hour_totals::HourTotals;
pub use users::{DAY_US, SpanSubtotal, UserRollupDay, UserSums};

/// Microseconds in an hour.
pub const HOUR_US: i64 = 3_600_000_000;

/// Columns by whose values spans are told apart. What nearly every span has another value of is not among them.
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

/// The places of some of them.
pub const KIND: usize = 0;
/// As [`KIND`].
pub const STATUS: usize = 1;
/// As [`KIND`].
pub const PROVIDER: usize = 2;
/// As [`KIND`].
pub const MODEL: usize = 3;
/// As [`KIND`].
pub const USAGE_SOURCE: usize = 4;
/// As [`KIND`].
pub const REQUEST_MODEL: usize = 13;

/// The other columns that a roll-up is made from.
pub const TOTALS: [&str; 17] = [
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

/// The extension of side files.
pub(super) const EXTENSION: &str = "hours";

/// A roll-up with more cells than one for so many rows says hardly less than the rows.
const ROWS_PER_CELL: usize = 3;
/// For fewer rows that does not matter.
const FEW_ROWS: usize = 10_000;

/// Spans by hour.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rollup {
    /// The values of dimensions. The first is none, which stands for null.
    pub texts: Vec<Option<String>>,
    /// Rising by project and hour.
    pub hours: Vec<RollupHour>,
    /// The same spans by day and end user.
    #[serde(default)]
    pub days: Vec<UserRollupDay>,
}

/// The spans of a project that start in one hour.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RollupHour {
    /// The project.
    pub project: u64,
    /// Hours since the Unix epoch.
    pub hour: i64,
    /// Where the spans are in the segment, rising.
    pub rows: Vec<Range<u32>>,
    /// Hashes of the end users, rising.
    pub users: Vec<u64>,
    /// Hashes of the traces, rising.
    pub traces: Vec<u64>,
    /// What the spans add up to.
    pub cells: Vec<RollupCell>,
    /// How long spans of each op and name took; `None` where that was not added up, or there are too many names.
    #[serde(default)]
    pub names: Option<Vec<OpNameDurations>>,
    /// What all cells add up to; empty in what was not kept.
    #[serde(skip)]
    pub whole: HourTotals,
}

/// Spans of one op and name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OpNameDurations {
    /// The places of both among the roll-up's texts.
    pub op: u32,
    /// As `op`.
    pub name: u32,
    /// How long they took, in microseconds.
    pub durations: DurationHistogram,
    /// The shortest and the longest of them.
    pub duration_range_us: (i64, i64),
}

/// Spans that are alike.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RollupCell {
    /// In what they are alike.
    pub key: RollupCellKey,
    /// What they add up to.
    pub sums: RollupSums,
    /// How long they took, in microseconds.
    pub durations: DurationHistogram,
}

/// In what spans are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct RollupCellKey {
    /// For each of [`DIMENSIONS`] the place of its value among the roll-up's texts.
    pub values: [u32; DIMENSIONS.len()],
    /// The column of that name.
    pub counted: bool,
    /// The column of that name.
    pub is_run: bool,
    /// The same as `values` for one more property, which no file tells apart.
    #[serde(skip)]
    pub by: u32,
}

/// What spans add up to. Tokens add up as the query engine adds them: round the end of 64 bits.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RollupSums {
    /// How many they are.
    pub spans: u64,
    /// The column of that name; so with the next five.
    pub input_tokens: i64,
    /// All output.
    pub output_tokens: i64,
    /// Input at the full price.
    pub usage_input: i64,
    /// Input from caches.
    pub cache_read: i64,
    /// Input into caches, for however long.
    pub cache_write: i64,
    /// Output that was thought and not said.
    pub reasoning: i64,
    /// Spans of which neither side of the usage nor the total is known.
    pub without_usage: u64,
    /// Spans with a cost.
    pub priced: u64,
    /// What these cost, in steps of 10⁻¹² dollars.
    pub cost: i128,
    /// Spans with usage and without a cost.
    pub unpriced: u64,
    /// Sum of the durations, in microseconds.
    pub duration_us: i128,
    /// The shortest and the longest duration, in microseconds. `None` without spans, and in roll-ups that were written before this was kept.
    #[serde(default)]
    pub duration_range_us: Option<(i64, i64)>,
}

impl RollupSums {
    /// Adds what other spans add up to.
    pub fn add(&mut self, other: &RollupSums) {
        self.duration_range_us = match (self.spans, other.spans) {
            (_, 0) => self.duration_range_us,
            (0, _) => other.duration_range_us,
            // Of spans whose durations lie nobody knows where, nobody knows it either.
            _ => self.duration_range_us.zip(other.duration_range_us).map(|(own, more)| (own.0.min(more.0), own.1.max(more.1))),
        };
        self.spans += other.spans;
        self.input_tokens = self.input_tokens.wrapping_add(other.input_tokens);
        self.output_tokens = self.output_tokens.wrapping_add(other.output_tokens);
        self.usage_input = self.usage_input.wrapping_add(other.usage_input);
        self.cache_read = self.cache_read.wrapping_add(other.cache_read);
        self.cache_write = self.cache_write.wrapping_add(other.cache_write);
        self.reasoning = self.reasoning.wrapping_add(other.reasoning);
        self.without_usage += other.without_usage;
        self.priced += other.priced;
        self.cost += other.cost;
        self.unpriced += other.unpriced;
        self.duration_us += other.duration_us;
    }
}

impl SidecarContent for Rollup {
    const EXTENSION: &'static str = EXTENSION;

    fn read(path: &Path) -> io::Result<Option<Rollup>> {
        file::read(path).map(Rollup::summed)
    }
}

impl SidecarCell<Rollup> {
    /// Keeps a roll-up, in its file.
    pub(super) fn keep(&self, segment: &Path, rollup: Rollup) {
        let rollup = if rollup.is_useful() { rollup } else { Rollup::default() };
        let bytes = file::write(&rollup);
        self.write(segment, bytes, || rollup.summed());
    }
}

impl Rollup {
    /// The value of a dimension in a cell.
    pub fn text(&self, key: &RollupCellKey, dimension: usize) -> Option<&str> {
        self.texts.get(*key.values.get(dimension)? as usize)?.as_deref()
    }

    /// Whether the spans of a cell are calls that count.
    pub fn is_call(&self, key: &RollupCellKey) -> bool {
        key.counted && matches!(self.text(key, KIND), Some("llm" | "embedding"))
    }

    /// The same with what each hour adds up to as a whole, which is asked for most; `None` where there is nothing in it.
    fn summed(mut self) -> Option<Rollup> {
        let wholes: Vec<HourTotals> = self.hours.iter().map(|hour| HourTotals::of(&self, hour)).collect();
        self.hours.iter_mut().zip(wholes).for_each(|(hour, whole)| hour.whole = whole);
        Some(self).filter(|rollup| !rollup.hours.is_empty())
    }

    /// Whether it is much shorter than what it is made from.
    fn is_useful(&self) -> bool {
        let cells: usize = self.hours.iter().map(|hour| hour.cells.len()).sum();
        let rows: usize = self.hours.iter().flat_map(|hour| &hour.rows).map(ExactSizeIterator::len).sum();
        rows <= FEW_ROWS || cells * ROWS_PER_CELL <= rows
    }
}

/// The place of a column among the dimensions.
pub fn dimension(column: &str) -> Option<usize> {
    DIMENSIONS.iter().position(|known| *known == column)
}
