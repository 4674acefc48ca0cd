//! Builds roll-ups from batches of rows.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use arrow::array::{Array, AsArray, BooleanArray, PrimitiveArray, RecordBatch, StringViewArray};
use arrow::datatypes::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use hinomi_model::id::TraceId;

use super::duration_bins::{DurationHistogram, bin_index};
use super::users::{DAY_US, UserRollupDayBuilder, UserRollupSpan};
use super::{
    DIMENSIONS, HOUR_US, KIND_DIMENSION, OpNameDurations, PROVIDER_DIMENSION, Rollup, RollupCell, RollupCellKey, RollupHour, RollupSums,
    STATUS_DIMENSION, TOTAL_COLUMNS, USAGE_SOURCE_DIMENSION, dimension_index,
};
use crate::key_hash::{text_hash, trace_hash};
use crate::seeded_hash::SeededMap;

/// Maximum number of pairs of op and name per hour.
const MAX_OP_NAMES_PER_HOUR: usize = 1000;

/// Level of detail of a roll-up.
#[derive(Debug, Clone, Copy)]
pub struct RollupGranularity {
    /// Whether the roll-up distinguishes the values of each of [`DIMENSIONS`].
    pub dimensions: [bool; DIMENSIONS.len()],
    /// Length of the time buckets in microseconds; one hour for stored roll-ups. With `None`, all spans of a project are in one bucket.
    pub step_us: Option<i64>,
    /// Whether the roll-up lists the distinct traces and users.
    pub with_distinct_ids: bool,
    /// Whether the roll-up contains row ranges, durations per op and name, and totals of users per day.
    pub with_row_ranges: bool,
}

impl RollupGranularity {
    /// Granularity of stored roll-ups.
    pub const STORED_GRANULARITY: RollupGranularity =
        RollupGranularity { dimensions: [true; DIMENSIONS.len()], step_us: Some(HOUR_US), with_distinct_ids: true, with_row_ranges: true };

    /// Returns whether a roll-up of this granularity needs this column.
    pub fn needs_column(&self, column: &str) -> bool {
        match column {
            "trace_id" | "user_id" => self.with_distinct_ids,
            "name" => self.with_row_ranges,
            // Always needed: failed calls do not count as unpriced.
            "status" => true,
            _ => TOTAL_COLUMNS.contains(&column) || dimension_index(column).is_some_and(|dimension| self.dimensions[dimension]),
        }
    }
}

/// Builds a roll-up from batches of rows.
#[derive(Debug)]
pub struct RollupBuilder {
    granularity: RollupGranularity,
    texts: Vec<Option<String>>,
    text_bytes: usize,
    text_indexes: SeededMap<String, u32>,
    hours: Vec<((u64, i64), RollupHourBuilder)>,
    hour_indexes: SeededMap<(u64, i64), usize>,
    days: BTreeMap<(u64, i64), UserRollupDayBuilder>,
    rows: u32,
}

/// An hour under construction.
#[derive(Debug, Default)]
struct RollupHourBuilder {
    rows: Vec<Range<u32>>,
    users: Vec<u64>,
    traces: Vec<u64>,
    cells: FastHashMap<RollupCellKey, RollupCellBuilder>,
    /// Durations of the spans with one op and name, unordered.
    op_name_durations: FastHashMap<(u32, u32), OpNameDurationsBuilder>,
}

#[derive(Debug)]
struct OpNameDurationsBuilder {
    bins: Vec<u16>,
    range_us: (i64, i64),
}

#[derive(Debug, Default)]
struct RollupCellBuilder {
    sums: RollupSums,
    /// Bin of each duration, unordered.
    durations: Vec<u16>,
}

impl RollupHourBuilder {
    fn add_row(&mut self, number: u32) {
        match self.rows.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => self.rows.push(number..number + 1),
        }
    }

    /// Adds a duration to those of its op and name, unless the hour has too many different names.
    fn add_name(&mut self, op_and_name: (u32, u32), duration_us: i64) {
        if self.op_name_durations.len() > MAX_OP_NAMES_PER_HOUR {
            return;
        }
        let new = || OpNameDurationsBuilder { bins: Vec::new(), range_us: (duration_us, duration_us) };
        let named = self.op_name_durations.entry(op_and_name).or_insert_with(new);
        named.bins.push(bin_index(duration_us));
        named.range_us = (named.range_us.0.min(duration_us), named.range_us.1.max(duration_us));
    }
}

impl Default for RollupBuilder {
    fn default() -> RollupBuilder {
        RollupBuilder::new(RollupGranularity::STORED_GRANULARITY)
    }
}

impl RollupBuilder {
    /// Creates a builder with this granularity.
    pub fn new(granularity: RollupGranularity) -> RollupBuilder {
        RollupBuilder {
            granularity,
            texts: vec![None],
            text_bytes: 0,
            text_indexes: SeededMap::default(),
            hours: Vec::new(),
            hour_indexes: SeededMap::default(),
            days: BTreeMap::new(),
            rows: 0,
        }
    }

    /// Adds rows. The batch must have the columns that the granularity needs ([`needs_column`](RollupGranularity::needs_column)). A batch
    /// without one of these columns adds nothing, but `name` may be missing. `by` is the column of an additional property.
    pub fn add(&mut self, batch: &RecordBatch, by: Option<&StringViewArray>) {
        let Some(mut columns) = RollupColumns::from_batch(batch, &self.granularity) else { return };
        let mut by = by.map(TextColumnInterner::from_batch);
        let mut users = columns.user.filter(|_| self.granularity.with_row_ranges).map(TextColumnInterner::from_batch);
        let mut last_trace = ("", 0);
        let mut last_hour = None;
        let op = dimension_index("op").unwrap_or_default();
        for row in 0..batch.num_rows() {
            let mut key =
                RollupCellKey { counted: columns.counted.value(row), is_run: columns.is_run.value(row), ..RollupCellKey::default() };
            for (texts, place) in columns.dimensions.iter_mut().zip(&mut key.values) {
                if let Some(texts) = texts {
                    *place = texts.text_index(row, self);
                }
            }
            if let Some(by) = &mut by {
                key.by = by.text_index(row, self);
            }
            let name = columns.name.as_mut().map(|name| name.text_index(row, self));
            let user = users.as_mut().map(|users| users.text_index(row, self));
            let project = columns.project.value(row) as u64;
            let number = self.rows;
            self.rows += 1;
            let of_hour = (project, self.granularity.step_us.map_or(0, |step_us| columns.start.value(row).div_euclid(step_us)));
            let at = match last_hour {
                Some((hour, at)) if hour == of_hour => at,
                _ => self.index_of_hour(of_hour),
            };
            last_hour = Some((of_hour, at));
            let hour = &mut self.hours[at].1;
            if self.granularity.with_row_ranges {
                hour.add_row(number);
            }
            if let Some((name, duration_us)) = name.zip(columns.duration_us(row)) {
                hour.add_name((key.values[op], name), duration_us);
            }
            if let Some(traces) = columns.trace {
                let trace = traces.value(row);
                if trace != last_trace.0 {
                    let id = TraceId(u128::from_str_radix(trace, 16).unwrap_or(0));
                    last_trace = (trace, trace_hash(project, id));
                }
                if hour.traces.last() != Some(&last_trace.1) {
                    hour.traces.push(last_trace.1);
                }
            }
            if let Some(users) = columns.user.filter(|users| users.is_valid(row)) {
                let user = text_hash(users.value(row));
                if hour.users.last() != Some(&user) {
                    hour.users.push(user);
                }
            }
            let cell = hour.cells.entry(key).or_default();
            let bin = columns.bin(row);
            cell.durations.extend(bin);
            let Some(user) = user else {
                columns.add(row, &mut cell.sums);
                continue;
            };
            let mut sums = RollupSums::default();
            columns.add(row, &mut sums);
            cell.sums.add_sums(&sums);
            let text = |dimension: usize| self.texts[key.values[dimension] as usize].as_deref();
            let seen = UserRollupSpan {
                user,
                provider: key.values[PROVIDER_DIMENSION],
                is_counted: key.counted,
                is_call: key.counted && matches!(text(KIND_DIMENSION), Some("llm" | "embedding")),
                is_estimated: text(USAGE_SOURCE_DIMENSION) == Some("estimated"),
                is_run: key.is_run,
                failed: text(STATUS_DIMENSION) == Some("error"),
                sums: &sums,
                bin,
            };
            self.days.entry((project, columns.start.value(row).div_euclid(DAY_US))).or_default().add(seen);
        }
    }

    /// Returns the index of an hour of a project in `hours`, which it is added to.
    fn index_of_hour(&mut self, hour: (u64, i64)) -> usize {
        *self.hour_indexes.entry(hour).or_insert_with(|| {
            self.hours.push((hour, RollupHourBuilder::default()));
            self.hours.len() - 1
        })
    }

    /// Returns the approximate memory of the builder in bytes, including what finishing needs.
    pub fn bytes(&self) -> usize {
        let of_cell = 2 * (size_of::<RollupCellKey>() + size_of::<RollupCellBuilder>()) + size_of::<RollupCell>();
        let of_text = 2 * size_of::<String>() + size_of::<Option<String>>();
        let of_hour = |hour: &RollupHourBuilder| 8 * (hour.users.capacity() + hour.traces.capacity() + hour.rows.capacity());
        let hours: usize = self.hours.iter().map(|(_, hour)| of_hour(hour)).sum();
        // Each row adds the bin of its duration to a growing list.
        let cells: usize = self.hours.iter().map(|(_, hour)| hour.cells.len()).sum();
        cells * of_cell
            + self.texts.len() * of_text
            + 2 * self.text_bytes
            + hours
            + self.rows as usize * if self.granularity.with_row_ranges { 8 } else { 4 }
    }

    /// Returns the index of a text, adding it if it is new.
    fn text_index(&mut self, text: &str) -> u32 {
        if let Some(place) = self.text_indexes.get(text) {
            return *place;
        }
        let place = self.texts.len() as u32;
        self.text_bytes += text.len();
        self.texts.push(Some(text.to_owned()));
        self.text_indexes.insert(text.to_owned(), place);
        place
    }

    /// Returns the roll-up of all added rows.
    pub fn finish(mut self) -> Rollup {
        self.hours.sort_unstable_by_key(|(of_hour, _)| *of_hour);
        let cell = |(key, cell): (RollupCellKey, RollupCellBuilder)| RollupCell {
            key,
            sums: cell.sums,
            durations: DurationHistogram::from_bins(cell.durations),
        };
        let hour = |((project, hour), growing): ((u64, i64), RollupHourBuilder)| {
            let mut cells: Vec<RollupCell> = growing.cells.into_iter().map(cell).collect();
            cells.sort_unstable_by_key(|cell| cell.key);
            let are_told = self.granularity.with_row_ranges
                && !growing.op_name_durations.is_empty()
                && growing.op_name_durations.len() <= MAX_OP_NAMES_PER_HOUR;
            let named = |((op, name), durations): ((u32, u32), OpNameDurationsBuilder)| OpNameDurations {
                op,
                name,
                durations: DurationHistogram::from_bins(durations.bins),
                duration_range_us: durations.range_us,
            };
            let mut names = are_told.then(|| growing.op_name_durations.into_iter().map(named).collect::<Vec<_>>());
            names.iter_mut().for_each(|names| names.sort_unstable_by_key(|named| (named.op, named.name)));
            RollupHour {
                project,
                hour,
                rows: growing.rows,
                users: sorted_distinct(growing.users),
                traces: sorted_distinct(growing.traces),
                cells,
                names,
                ..RollupHour::default()
            }
        };
        let hours = self.hours.into_iter().map(hour).collect();
        let days = self.days.into_iter().map(|((project, day), growing)| growing.finish(project, day)).collect();
        Rollup { texts: self.texts, hours, days }
    }
}

fn sorted_distinct(mut hashes: Vec<u64>) -> Vec<u64> {
    hashes.sort_unstable();
    hashes.dedup();
    hashes.shrink_to_fit();
    hashes
}

/// A column of texts with the indices of those seen so far. Within a column, equal views are equal texts. The opposite does not hold, but
/// a column with few values comes from a dictionary, where each value has one view.
#[derive(Debug)]
struct TextColumnInterner<'a> {
    column: &'a StringViewArray,
    indexes_by_view: SeededMap<u128, u32>,
    last: (u128, u32),
}

impl<'a> TextColumnInterner<'a> {
    fn from_batch(column: &'a StringViewArray) -> TextColumnInterner<'a> {
        // No view has this length.
        TextColumnInterner { column, indexes_by_view: SeededMap::default(), last: (u128::MAX, 0) }
    }

    fn text_index(&mut self, row: usize, builder: &mut RollupBuilder) -> u32 {
        if self.column.is_null(row) {
            return 0;
        }
        let view = self.column.views()[row];
        if view != self.last.0 {
            let place = match self.indexes_by_view.get(&view) {
                Some(place) => *place,
                None => {
                    let place = builder.text_index(self.column.value(row));
                    self.indexes_by_view.insert(view, place);
                    place
                }
            };
            self.last = (view, place);
        }
        self.last.1
    }
}

/// Fast hashing for keys that senders cannot choose: indices of texts. Texts, and views that contain short texts, need a seeded hash;
/// otherwise, an attacker could make table lookups linear.
pub type FastBuildHasher = BuildHasherDefault<FastHasher>;
type FastHashMap<K, V> = HashMap<K, V, FastBuildHasher>;

/// Hasher of [`FastBuildHasher`].
#[derive(Debug, Default)]
pub struct FastHasher(u64);

impl FastHasher {
    fn mix_word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            self.mix_word(chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.mix_word(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.mix_word(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.mix_word(word);
    }

    fn finish(&self) -> u64 {
        // The table uses the lower bits for the position and the upper ones for a first comparison.
        self.0 ^ self.0 >> 32
    }
}

/// The columns of a batch that roll-ups are made from.
#[derive(Debug)]
pub struct RollupColumns<'a> {
    project: &'a PrimitiveArray<Int64Type>,
    trace: Option<&'a StringViewArray>,
    name: Option<TextColumnInterner<'a>>,
    start: &'a PrimitiveArray<TimestampMicrosecondType>,
    user: Option<&'a StringViewArray>,
    counted: &'a BooleanArray,
    is_run: &'a BooleanArray,
    cost: &'a PrimitiveArray<Decimal128Type>,
    duration: &'a PrimitiveArray<Int64Type>,
    input_tokens: &'a PrimitiveArray<Int64Type>,
    output_tokens: &'a PrimitiveArray<Int64Type>,
    total_tokens: &'a PrimitiveArray<Int64Type>,
    usage_input: &'a PrimitiveArray<Int64Type>,
    usage_output: &'a PrimitiveArray<Int64Type>,
    cache_read: &'a PrimitiveArray<Int64Type>,
    cache_writes: [&'a PrimitiveArray<Int64Type>; 2],
    reasoning: &'a PrimitiveArray<Int64Type>,
    status: &'a StringViewArray,
    dimensions: Vec<Option<TextColumnInterner<'a>>>,
}

impl<'a> RollupColumns<'a> {
    /// Returns the columns that a granularity needs, or `None` if one of them is missing.
    pub fn from_batch(batch: &'a RecordBatch, granularity: &RollupGranularity) -> Option<RollupColumns<'a>> {
        let text = |name: &str| batch.column_by_name(name)?.as_string_view_opt();
        let int = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
        let flag = |name: &str| batch.column_by_name(name)?.as_boolean_opt();
        Some(RollupColumns {
            project: int("project_id")?,
            trace: if granularity.with_distinct_ids { Some(text("trace_id")?) } else { None },
            name: if granularity.with_row_ranges { text("name").map(TextColumnInterner::from_batch) } else { None },
            start: batch.column_by_name("start_time")?.as_primitive_opt()?,
            user: if granularity.with_distinct_ids { Some(text("user_id")?) } else { None },
            counted: flag("counted")?,
            is_run: flag("is_run")?,
            cost: batch.column_by_name("cost")?.as_primitive_opt()?,
            duration: int("duration_us")?,
            input_tokens: int("input_tokens")?,
            output_tokens: int("output_tokens")?,
            total_tokens: int("total_tokens")?,
            usage_input: int("usage_input")?,
            usage_output: int("usage_output")?,
            cache_read: int("usage_cache_read")?,
            cache_writes: [int("usage_cache_write_5m")?, int("usage_cache_write_1h")?],
            reasoning: int("usage_reasoning")?,
            status: text("status")?,
            dimensions: DIMENSIONS
                .iter()
                .zip(granularity.dimensions)
                .map(
                    |(name, wanted)| {
                        if wanted { text(name).map(|column| Some(TextColumnInterner::from_batch(column))) } else { Some(None) }
                    },
                )
                .collect::<Option<Vec<_>>>()?,
        })
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.start.len()
    }

    /// Returns the start of a span in microseconds since the Unix epoch.
    pub fn start_us(&self, row: usize) -> i64 {
        self.start.value(row)
    }

    /// Returns the column of a dimension, if the granularity distinguishes its values.
    pub fn dimension(&self, dimension: usize) -> Option<&'a StringViewArray> {
        Some(self.dimensions.get(dimension)?.as_ref()?.column)
    }

    /// Returns whether a span is counted.
    pub fn is_counted(&self, row: usize) -> bool {
        self.counted.value(row)
    }

    /// Returns whether a span is a counted call.
    pub fn is_call(&self, row: usize) -> bool {
        self.counted.value(row) && (self.is(KIND_DIMENSION, row, "llm") || self.is(KIND_DIMENSION, row, "embedding"))
    }

    /// Returns whether a dimension has the given value.
    pub fn is(&self, dimension: usize, row: usize, value: &str) -> bool {
        self.dimension(dimension).is_some_and(|column| column.is_valid(row) && column.value(row) == value)
    }

    /// Returns whether a span failed.
    pub fn is_failed(&self, row: usize) -> bool {
        self.status.value(row) == "error"
    }

    /// Returns whether a span is a run of its pipeline.
    pub fn is_run(&self, row: usize) -> bool {
        self.is_run.value(row)
    }

    /// Returns the bin of a span's duration; `None` if the span has no duration.
    pub fn bin(&self, row: usize) -> Option<u16> {
        self.duration_us(row).map(bin_index)
    }

    fn duration_us(&self, row: usize) -> Option<i64> {
        self.duration.is_valid(row).then(|| self.duration.value(row))
    }

    /// Adds a row to the totals of its cell.
    pub fn add(&self, row: usize, sums: &mut RollupSums) {
        let add = |sum: &mut i64, column: &PrimitiveArray<Int64Type>| {
            if column.is_valid(row) {
                *sum = sum.wrapping_add(column.value(row));
            }
        };
        if let Some(duration_us) = self.duration_us(row) {
            let (least, greatest) = sums.duration_range_us.unwrap_or((duration_us, duration_us));
            sums.duration_range_us = Some((least.min(duration_us), greatest.max(duration_us)));
            sums.duration_us += i128::from(duration_us);
        }
        sums.spans += 1;
        add(&mut sums.input_tokens, self.input_tokens);
        add(&mut sums.output_tokens, self.output_tokens);
        add(&mut sums.usage_input, self.usage_input);
        add(&mut sums.cache_read, self.cache_read);
        self.cache_writes.iter().for_each(|column| add(&mut sums.cache_write, column));
        add(&mut sums.reasoning, self.reasoning);
        let without_usage = self.usage_input.is_null(row) && self.usage_output.is_null(row) && self.total_tokens.is_null(row);
        sums.without_usage += u64::from(without_usage);
        if self.cost.is_valid(row) {
            sums.priced += 1;
            sums.cost += self.cost.value(row);
        } else {
            sums.unpriced += u64::from(!without_usage && self.status.value(row) != "error");
        }
    }
}
