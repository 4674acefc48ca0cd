//! Queries over stored spans.
//!
//! A [`ProjectSnapshot`] is a view of one project at one moment. Every query is a method of it, in the module of its subject:
//!
//! - `scan` exposes the spans of memtable and segments as a table of the query engine, and reads rows by number (`scan::row_lookup`).
//! - `filter` parses the filter language and turns it into conditions on columns (`filter::fields`) or on one span in memory
//!   (`filter::matcher`).
//! - `aggregate` computes sums, series and breakdowns: from roll-ups where they hold the requested dimensions (`aggregate::rollup`), from rows
//!   elsewhere (`aggregate::live`).
//! - `list` finds the spans and traces of a list; `list::latest` reads the newest without looking at older ones.
//! - `trace` reads whole traces and derives what needs all of their spans: totals below a span, self time, comparison with similar spans.
//! - `response` holds the types that the API returns.
//!
//! The store has dealt with corrections and duplicates: every live row is a span as it is.

mod aggregate;
mod error;
pub mod filter;
mod list;
pub mod response;
mod scan;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{DataFrame, Expr, SessionConfig, SessionContext, col, lit};
use hinomi_store::low_priority::CancellationFlag;
use hinomi_store::point_read::SegmentFooterCache;
use hinomi_store::snapshot::Snapshot;
use tokio::sync::Semaphore;

pub use crate::aggregate::contributions::{ContributionSums, ContributionWeight, ContributionWindows};
use crate::aggregate::distinct_count::DistinctCounter;
pub use crate::aggregate::group_by::GroupBy;
pub use crate::aggregate::measure::{BucketInterval, SeriesMeasure};
pub use crate::filter::matcher::SpanMatcher;
pub use error::QueryError;
use filter::Filter;
pub use response::*;

/// Footers of segments that the engine's own scans keep in memory, in bytes.
const METADATA_CACHE: usize = 256 << 20;
/// Footers that are kept for reading single rows: this part of the memory of queries, within these bounds in bytes. A segment of 150,000
/// rows has one of half a megabyte.
const FOOTERS_PART: usize = 8;
const FOOTERS: (usize, usize) = (16 << 20, 256 << 20);
/// Numbers of different traces, and those of users, take this part of the memory of queries at most.
const NUMBERS_PART: usize = 8;
/// What the operators of all queries together may hold, and those of exports, in bytes, where nobody says.
const MEMORY: (usize, usize) = (1 << 30, 256 << 20);

/// Rows of segments from which on sums are made of roll-ups.
const LEAST_ROWS: u64 = 50_000;

/// Values of a list that are compared with the statistics of row groups at most.
const MAX_PRUNING_VALUES: usize = 64;

/// Rows that are read at a time.
const BATCH_ROWS: usize = 8192;
/// Bytes of long texts that are read at a time: no pool of memory counts them.
const BATCH_BYTES: usize = 8 << 20;

/// Where queries run: what they share. Made once.
#[derive(Debug, Clone)]
pub struct QueryEngine {
    runtime: Arc<RuntimeEnv>,
    /// Footers of segments of which single rows are read.
    footers: Arc<SegmentFooterCache>,
    /// Where exports run: their memory is their own, so that they do not take the page's.
    exports: Arc<RuntimeEnv>,
    /// Numbers of the hashes of traces, and of users.
    traces: Arc<DistinctCounter>,
    users: Arc<DistinctCounter>,
    /// What plans terms of filters: to make it takes longer than to use it.
    planner: ExpressionPlanner,
    /// Sums over segments with fewer rows are made from the rows: that is as fast, and percentiles are exact.
    least_rows: u64,
    /// Rows that are read from files at a time.
    batch_rows: usize,
    /// One for each look into long texts that may go on: each takes memory and a processor, and more of them are no faster.
    looks: Arc<Semaphore>,
}

/// What makes expressions ready that are tried on batches.
#[derive(Clone)]
struct ExpressionPlanner(SessionContext);

impl std::fmt::Debug for ExpressionPlanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Planner")
    }
}

/// How a scan treats filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScanMode {
    /// Most rows are wanted: whole columns, then the filter.
    Much,
    /// Few rows are wanted: the filter's columns first, the others only where it holds.
    Little,
}

/// Which spans a question is about: those that start in `from_us..to_us`, in microseconds since the Unix epoch, and that the filter
/// lets pass. The ends of `i64` stand for everything kept.
#[derive(Debug, Clone)]
pub struct QueryScope {
    /// Start.
    pub from_us: i64,
    /// End, not included.
    pub to_us: i64,
    /// The filter.
    pub filter: Filter,
}

impl QueryScope {
    /// Everything kept.
    pub fn all() -> QueryScope {
        QueryScope { from_us: i64::MIN, to_us: i64::MAX, filter: Filter::default() }
    }
}

/// The spans of a project at one moment.
#[derive(Debug, Clone)]
pub struct ProjectSnapshot {
    engine: QueryEngine,
    snapshot: Arc<Snapshot>,
    project: u64,
    /// Whether somebody waits for what is computed.
    wanted: CancellationFlag,
}

/// Memory that is held, until this is dropped.
#[derive(Debug)]
pub struct ReservedMemory(MemoryReservation);

impl ReservedMemory {
    /// Holds some more bytes.
    ///
    /// # Errors
    ///
    /// When all questions together would hold more than they may.
    pub fn grow(&self, bytes: usize) -> Result<(), QueryError> {
        Ok(self.0.try_grow(bytes)?)
    }
}

impl Default for QueryEngine {
    fn default() -> Self {
        QueryEngine::new()
    }
}

impl QueryEngine {
    /// An engine with its own caches.
    pub fn new() -> QueryEngine {
        QueryEngine::with_memory(MEMORY.0, MEMORY.1)
    }

    /// The same, with what the operators of all queries together, and those of exports, may hold in bytes.
    pub fn with_memory(queries: usize, exports: usize) -> QueryEngine {
        let runtime = |memory: usize| {
            let built =
                RuntimeEnvBuilder::new().with_metadata_cache_limit(METADATA_CACHE.min(memory)).with_memory_limit(memory, 1.0).build_arc();
            // Only a folder for spilling could fail to be made; the defaults do without.
            built.unwrap_or_default()
        };
        QueryEngine {
            runtime: runtime(queries),
            exports: runtime(exports),
            footers: Arc::new(SegmentFooterCache::new((queries / FOOTERS_PART).clamp(FOOTERS.0, FOOTERS.1))),
            traces: Arc::new(DistinctCounter::new(|hour| &hour.traces, queries / NUMBERS_PART)),
            users: Arc::new(DistinctCounter::new(|hour| &hour.users, queries / NUMBERS_PART)),
            planner: ExpressionPlanner(SessionContext::new()),
            least_rows: LEAST_ROWS,
            batch_rows: BATCH_ROWS,
            looks: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get))),
        }
    }

    /// The same engine, working with what exports may hold.
    fn for_exports(&self, batch_rows: usize) -> QueryEngine {
        QueryEngine { runtime: self.exports.clone(), batch_rows, ..self.clone() }
    }

    /// A project as it is in a snapshot. Costs nothing.
    pub fn project(&self, snapshot: Arc<Snapshot>, project: u64) -> ProjectSnapshot {
        ProjectSnapshot { engine: self.clone(), snapshot, project, wanted: CancellationFlag::default() }
    }

    /// Memory that a question holds, of what all questions may hold together: nothing yet.
    fn reserve(&self, what: &'static str) -> MemoryReservation {
        MemoryConsumer::new(what).register(&self.runtime.memory_pool)
    }

    fn context(&self, reading: ScanMode) -> SessionContext {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut config =
            SessionConfig::new().with_target_partitions(processors).with_collect_statistics(false).with_batch_size(self.batch_rows);
        let parquet = &mut config.options_mut().execution.parquet;
        parquet.pushdown_filters = reading == ScanMode::Little;
        parquet.reorder_filters = reading == ScanMode::Little;
        // A longer list is not looked up in the statistics of row groups: the engine would make a chain of comparisons of it, each within the
        // next.
        parquet.max_in_list_size = MAX_PRUNING_VALUES;
        SessionContext::new_with_config_rt(config, self.runtime.clone())
    }
}

impl ProjectSnapshot {
    /// Memory that whoever asks holds, of what all questions may hold together: nothing yet.
    pub fn reserve(&self, what: &'static str) -> ReservedMemory {
        ReservedMemory(self.engine.reserve(what))
    }

    /// All spans of the project that start within the range, as a table. The wall between projects stands outside of the scan too.
    fn table(&self, reading: ScanMode, from_us: i64, to_us: i64) -> Result<DataFrame, QueryError> {
        self.table_of(reading, scan::SpanTable::new(self.snapshot.clone(), self.project, from_us, to_us), from_us, to_us)
    }

    fn table_of(&self, reading: ScanMode, spans: scan::SpanTable, from_us: i64, to_us: i64) -> Result<DataFrame, QueryError> {
        let table = self.engine.context(reading).read_table(Arc::new(spans))?;
        Ok(table.filter(self.within(from_us, to_us))?)
    }

    /// The spans of a scope.
    async fn spans_of(&self, reading: ScanMode, scope: &QueryScope) -> Result<DataFrame, QueryError> {
        let mut spans = scan::SpanTable::new(self.snapshot.clone(), self.project, scope.from_us, scope.to_us);
        if scope.filter.0.iter().any(crate::scan::row_lookup::tells_places) {
            let filter = scope.filter.clone();
            spans = self.reading(move |project| Ok(spans.only(|view| project.places(view, &filter)))).await?;
        }
        let table = self.table_of(reading, spans, scope.from_us, scope.to_us)?;
        match crate::filter::fields::condition(&scope.filter)? {
            Some(condition) => Ok(table.filter(condition)?),
            None => Ok(table),
        }
    }

    fn within(&self, from_us: i64, to_us: i64) -> Expr {
        let mut within = col("project_id").eq(lit(i64::try_from(self.project).unwrap_or(i64::MAX)));
        if from_us != i64::MIN {
            within = within.and(col("start_time").gt_eq(crate::scan::columns::time(from_us)));
        }
        if to_us != i64::MAX {
            within = within.and(col("start_time").lt(crate::scan::columns::time(to_us)));
        }
        within
    }
}
