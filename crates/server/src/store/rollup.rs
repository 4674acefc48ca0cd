//! What spans add up to, hour by hour: the answer to most questions of a dashboard, in time that does not grow with their number.
//!
//! A segment has one beside it ([`file`]), made while the segment is written. Spans of one hour that are alike in all
//! [`DIMENSIONS`] are one [`Cell`]: counts, tokens and money are exact, durations are kept as [`Bins`]. Rows that do not hold any more
//! are in it all the same, so whoever reads it leaves out the hours that have such rows, and reads these from the segment.

mod bins;
mod file;

pub(super) use file::read as read_file;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray, BooleanArray, PrimitiveArray, RecordBatch, StringViewArray};
use arrow::datatypes::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use hinomi_model::id::TraceId;
use serde::{Deserialize, Serialize};

pub use bins::{Bins, Spread};

use super::ids::{text_hash, trace_hash};
use super::state::lock;

/// Microseconds in an hour.
pub const HOUR_US: i64 = 3_600_000_000;

/// Columns by whose values spans are told apart. What nearly every span has another value of is not among them.
pub const DIMENSIONS: [&str; 13] = [
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
];

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

/// Ops and names of an hour that are told apart.
const NAMES: usize = 1000;

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
    pub hours: Vec<Hour>,
}

/// The spans of a project that start in one hour.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Hour {
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
    pub cells: Vec<Cell>,
    /// How long spans of each op and name took; `None` where that was not added up, or there are too many names.
    #[serde(default)]
    pub names: Option<Vec<Named>>,
}

/// Spans of one op and name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Named {
    /// The places of both among the roll-up's texts.
    pub op: u32,
    /// As `op`.
    pub name: u32,
    /// How many they are.
    pub spans: u64,
    /// Sum of their durations, in microseconds.
    pub duration_us: i128,
}

/// Spans that are alike.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Cell {
    /// In what they are alike.
    pub key: CellKey,
    /// What they add up to.
    pub sums: Sums,
    /// How long they took, in microseconds.
    pub durations: Bins,
}

/// In what spans are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct CellKey {
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
pub struct Sums {
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
}

impl Sums {
    /// Adds what other spans add up to.
    pub fn add(&mut self, other: &Sums) {
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

/// The roll-up of a segment, read when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Unread,
    Read(Arc<Rollup>),
    /// The file is not there, or damaged.
    Lost,
    /// It could not be made again, or tells no less than the rows.
    Useless,
}

impl Kept {
    /// The roll-up of a segment, if it can be had.
    pub(super) fn get(&self, segment: &Path) -> Option<Arc<Rollup>> {
        let mut state = lock(&self.0);
        if let State::Unread = *state {
            *state = match file::read(&segment.with_extension(EXTENSION)) {
                Ok(rollup) => State::of(rollup),
                Err(error) => {
                    tracing::warn!(segment = %segment.display(), %error, "store.rollup_unreadable");
                    State::Lost
                }
            };
        }
        match &*state {
            State::Read(rollup) => Some(rollup.clone()),
            _ => None,
        }
    }

    /// Keeps a roll-up, in a file too. That it is not written is no loss: it is made again when it is missed.
    pub(super) fn keep(&self, segment: &Path, rollup: Rollup) {
        let rollup = if rollup.is_useful() { rollup } else { Rollup::default() };
        let path = segment.with_extension(EXTENSION);
        let temporary = path.with_extension("hours.new");
        let bytes = file::write(&rollup);
        let written = bytes.and_then(|bytes| std::fs::write(&temporary, bytes)).and_then(|()| std::fs::rename(&temporary, &path));
        *lock(&self.0) = match written {
            // Most are read long after, if ever.
            Ok(()) => State::Unread,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "store.rollup_not_written");
                let _ = std::fs::remove_file(&temporary);
                State::of(rollup)
            }
        };
    }

    /// True when the file is known to be of no use, or is not there.
    pub(super) fn is_lost(&self, segment: &Path) -> bool {
        match &*lock(&self.0) {
            State::Lost => true,
            State::Unread => !segment.with_extension(EXTENSION).exists(),
            _ => false,
        }
    }

    /// As if the segment had just been opened.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        *lock(&self.0) = State::Unread;
    }

    /// Leaves it at that there is none.
    pub(super) fn give_up(&self) {
        *lock(&self.0) = State::Useless;
    }
}

impl State {
    fn of(rollup: Rollup) -> State {
        if rollup.hours.is_empty() { State::Useless } else { State::Read(Arc::new(rollup)) }
    }
}

impl Rollup {
    /// The value of a dimension in a cell.
    pub fn text(&self, key: &CellKey, dimension: usize) -> Option<&str> {
        self.texts.get(*key.values.get(dimension)? as usize)?.as_deref()
    }

    /// Whether it is much shorter than what it is made from.
    fn is_useful(&self) -> bool {
        let cells: usize = self.hours.iter().map(|hour| hour.cells.len()).sum();
        let rows: usize = self.hours.iter().flat_map(|hour| &hour.rows).map(ExactSizeIterator::len).sum();
        rows <= FEW_ROWS || cells * ROWS_PER_CELL <= rows
    }
}

/// What a roll-up tells apart.
#[derive(Debug, Clone, Copy)]
pub struct Grain {
    /// Whether it does so with each of [`DIMENSIONS`].
    pub dimensions: [bool; DIMENSIONS.len()],
    /// Whether it tells hours apart; else all spans of a project are one hour.
    pub hours: bool,
    /// Whether it tells which traces and users there are.
    pub distinct: bool,
    /// Whether it tells where the spans are, and of ops and names.
    pub places: bool,
}

impl Grain {
    /// That of files.
    pub const FINE: Grain = Grain { dimensions: [true; DIMENSIONS.len()], hours: true, distinct: true, places: true };
}

/// Makes a roll-up from batches of rows.
#[derive(Debug)]
pub struct Builder {
    grain: Grain,
    texts: Vec<Option<String>>,
    places: HashMap<String, u32>,
    hours: BTreeMap<(u64, i64), Growing>,
    rows: u32,
}

/// An hour that grows.
#[derive(Debug, Default)]
struct Growing {
    rows: Vec<Range<u32>>,
    users: Vec<u64>,
    traces: Vec<u64>,
    cells: HashMap<CellKey, (Sums, Bins)>,
    names: HashMap<(u32, u32), (u64, i128)>,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new(Grain::FINE)
    }
}

impl Builder {
    /// One that tells so much apart.
    pub fn new(grain: Grain) -> Builder {
        Builder { grain, texts: vec![None], places: HashMap::new(), hours: BTreeMap::new(), rows: 0 }
    }

    /// Whether a roll-up of this grain is made from this column.
    pub fn needs(grain: &Grain, column: &str) -> bool {
        match column {
            "trace_id" | "user_id" => grain.distinct,
            "name" => grain.places,
            // Calls that failed have no usage for a good reason.
            "status" => true,
            _ => TOTALS.contains(&column) || dimension(column).is_some_and(|dimension| grain.dimensions[dimension]),
        }
    }

    /// Adds rows, which need not have columns other than those that it [`needs`](Builder::needs). A batch without one of these adds
    /// nothing, unless it is that of names. `by` is the one more property.
    pub fn add(&mut self, batch: &RecordBatch, by: Option<&StringViewArray>) {
        let Some(columns) = Columns::of(batch, &self.grain) else { return };
        let mut last: [(Option<&str>, u32); DIMENSIONS.len()] = Default::default();
        let (mut last_by, mut last_name) = ((None, 0), (None, 0));
        let mut last_trace = ("", 0);
        let op = dimension("op").unwrap_or_default();
        for row in 0..batch.num_rows() {
            let mut key = CellKey { counted: columns.counted.value(row), is_run: columns.is_run.value(row), ..CellKey::default() };
            for ((column, last), place) in columns.dimensions.iter().zip(&mut last).zip(&mut key.values) {
                if let Some(column) = column {
                    *place = self.place_in(column, row, last);
                }
            }
            if let Some(by) = by {
                key.by = self.place_in(by, row, &mut last_by);
            }
            let project = columns.project.value(row) as u64;
            let number = self.rows;
            self.rows += 1;
            let name = columns.name.map(|name| self.place_in(name, row, &mut last_name));
            let of_hour = if self.grain.hours { columns.start.value(row).div_euclid(HOUR_US) } else { 0 };
            let hour = self.hours.entry((project, of_hour)).or_default();
            if self.grain.places {
                match hour.rows.last_mut() {
                    Some(last) if last.end == number => last.end += 1,
                    _ => hour.rows.push(number..number + 1),
                }
            }
            if let Some(name) = name
                && hour.names.len() <= NAMES
            {
                let (spans, duration_us) = hour.names.entry((key.values[op], name)).or_default();
                *spans += 1;
                *duration_us += i128::from(columns.duration.value(row));
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
            if let Some(users) = columns.user
                && users.is_valid(row)
            {
                let user = text_hash(users.value(row));
                if hour.users.last() != Some(&user) {
                    hour.users.push(user);
                }
            }
            let (sums, durations) = hour.cells.entry(key).or_default();
            columns.add(row, sums);
            durations.add(columns.duration.value(row));
        }
    }

    /// The place of a column's value, of which the last is known.
    fn place_in<'a>(&mut self, column: &'a StringViewArray, row: usize, last: &mut (Option<&'a str>, u32)) -> u32 {
        let text = column.is_valid(row).then(|| column.value(row));
        // Neighbours are alike: most often it is the value of the row before.
        if text != last.0 {
            *last = (text, text.map_or(0, |text| self.place(text)));
        }
        last.1
    }

    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.texts.len() as u32;
        self.texts.push(Some(text.to_owned()));
        self.places.insert(text.to_owned(), place);
        place
    }

    /// The roll-up of all that was added.
    pub fn finish(self) -> Rollup {
        let hour = |((project, hour), growing): ((u64, i64), Growing)| {
            let mut cells: Vec<Cell> = growing.cells.into_iter().map(|(key, (sums, durations))| Cell { key, sums, durations }).collect();
            cells.sort_unstable_by_key(|cell| cell.key);
            let are_told = self.grain.places && !growing.names.is_empty() && growing.names.len() <= NAMES;
            let named = |((op, name), (spans, duration_us))| Named { op, name, spans, duration_us };
            let mut names = are_told.then(|| growing.names.into_iter().map(named).collect::<Vec<_>>());
            names.iter_mut().for_each(|names| names.sort_unstable_by_key(|named| (named.op, named.name)));
            Hour { project, hour, rows: growing.rows, users: distinct(growing.users), traces: distinct(growing.traces), cells, names }
        };
        Rollup { texts: self.texts, hours: self.hours.into_iter().map(hour).collect() }
    }
}

/// The place of a column among the dimensions.
pub fn dimension(column: &str) -> Option<usize> {
    DIMENSIONS.iter().position(|known| *known == column)
}

fn distinct(mut hashes: Vec<u64>) -> Vec<u64> {
    hashes.sort_unstable();
    hashes.dedup();
    hashes.shrink_to_fit();
    hashes
}

/// The columns of a batch.
struct Columns<'a> {
    project: &'a PrimitiveArray<Int64Type>,
    trace: Option<&'a StringViewArray>,
    name: Option<&'a StringViewArray>,
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
    dimensions: Vec<Option<&'a StringViewArray>>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch, grain: &Grain) -> Option<Columns<'a>> {
        let text = |name: &str| batch.column_by_name(name)?.as_string_view_opt();
        let int = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
        let flag = |name: &str| batch.column_by_name(name)?.as_boolean_opt();
        Some(Columns {
            project: int("project_id")?,
            trace: if grain.distinct { Some(text("trace_id")?) } else { None },
            name: if grain.places { text("name") } else { None },
            start: batch.column_by_name("start_time")?.as_primitive_opt()?,
            user: if grain.distinct { Some(text("user_id")?) } else { None },
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
                .zip(grain.dimensions)
                .map(|(name, wanted)| if wanted { text(name).map(Some) } else { Some(None) })
                .collect::<Option<Vec<_>>>()?,
        })
    }

    /// Adds a row to the sums of its cell.
    fn add(&self, row: usize, sums: &mut Sums) {
        let add = |sum: &mut i64, column: &PrimitiveArray<Int64Type>| {
            if column.is_valid(row) {
                *sum = sum.wrapping_add(column.value(row));
            }
        };
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
        sums.duration_us += i128::from(self.duration.value(row));
    }
}
