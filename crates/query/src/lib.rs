//! Queries over stored spans.
//!
//! A [`ProjectSnapshot`] is a view of one project at one moment. Every query is a method of this type, in the module of its subject:
//!
//! - `scan` exposes the spans of memtable and segments as a table of the query engine, and reads rows by number (`scan::row_lookup`).
//! - `filter` parses the filter language and turns it into conditions on columns (`filter::fields`) or on one span in memory
//!   (`filter::matcher`).
//! - `aggregate` computes sums, series and breakdowns: from roll-ups where they have the requested dimensions (`aggregate::rollup`), from
//!   rows otherwise (`aggregate::uncovered_rows`).
//! - `list` finds the spans and traces of a list; `list::latest` reads the newest ones without reading older ones.
//! - `trace` reads whole traces and derives values that need all of their spans: totals below a span, self time, comparison with similar
//!   spans.
//! - `response` holds the types that the API returns.
//!
//! The store has already applied corrections and deduplication: every live row is a complete span.

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
pub use crate::filter::log_line_filter::LogLineMatcher;
pub use crate::filter::matcher::SpanMatcher;
pub use error::QueryError;
use filter::Filter;
pub use response::*;
pub use trace::{CallOutline, FullTraces, RunOutline};

/// Memory limit of the segment footers that the query engine caches for its scans, in bytes.
const METADATA_CACHE_BYTES: usize = 256 << 20;
/// Fraction of the memory of queries that caches footers for reads of single rows (one part in so many). The cache size stays within
/// [`FOOTER_CACHE_BYTES`]. The footer of a segment of 150,000 rows takes half a megabyte.
const FOOTER_CACHE_DIVISOR: usize = 8;
const FOOTER_CACHE_BYTES: (usize, usize) = (16 << 20, 256 << 20);
/// Fraction of the memory of queries that each distinct counter may use (one part in so many): one counts traces, the other users.
const DISTINCT_COUNTER_DIVISOR: usize = 8;
/// Default memory limits in bytes: for the operators of all queries together, and for those of all exports.
const DEFAULT_MEMORY_BYTES: (usize, usize) = (1 << 30, 256 << 20);

/// Minimum number of rows for which sums are computed from roll-ups.
const MIN_ROLLUP_ROWS: u64 = 50_000;

/// Maximum number of values in a list that are compared with the statistics of row groups.
const MAX_PRUNING_VALUES: usize = 64;

/// Number of rows in a batch.
const BATCH_ROWS: usize = 8192;
/// Maximum size in bytes of the long texts that are read in one batch. No memory pool accounts for them.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// Resources that all queries share: memory pools, caches and limits. A process creates one engine.
#[derive(Debug, Clone)]
pub struct QueryEngine {
    runtime: Arc<RuntimeEnv>,
    /// Footers of segments from which single rows are read.
    footers: Arc<SegmentFooterCache>,
    /// Runtime of exports. It has its own memory pool, which keeps exports from taking the memory of the page's queries.
    export_runtime: Arc<RuntimeEnv>,
    /// Counters of distinct traces and of distinct users, which number the hashes of IDs.
    traces: Arc<DistinctCounter>,
    users: Arc<DistinctCounter>,
    /// Plans the terms of filters. Creating a planner takes longer than planning with it, so it is shared.
    planner: ExpressionPlanner,
    /// Minimum number of rows for which sums are computed from roll-ups. Below it, reading the rows is as fast, and percentiles are
    /// exact.
    min_rollup_rows: u64,
    /// Number of rows in a batch read from a file.
    batch_rows: usize,
    /// Permits for scans of long texts, one per processor: each scan takes memory and a processor, and more of them are not faster.
    text_scan_permits: Arc<Semaphore>,
}

/// Plans expressions that are evaluated on batches.
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
    /// Order for queries that need most rows: read whole columns, then apply the filter.
    MostRows,
    /// Order for queries that need few rows: read the columns of the filter first, then the other columns of the rows that pass.
    FewRows,
}

/// The spans that a query covers: spans that start in `from_us..to_us`, in microseconds since the Unix epoch, and that the filter selects.
/// The minimum and maximum of `i64` stand for an open end of the range.
#[derive(Debug, Clone)]
pub struct QueryScope {
    /// Start of the time range, inclusive.
    pub from_us: i64,
    /// End of the time range, exclusive.
    pub to_us: i64,
    /// Filter that spans must pass.
    pub filter: Filter,
}

impl QueryScope {
    /// Returns the scope of all stored spans.
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
    /// Cancelled when nobody waits for the result any more.
    cancellation: CancellationFlag,
}

/// Memory reserved from the pool of all queries until it is dropped.
#[derive(Debug)]
pub struct ReservedMemory(MemoryReservation);

impl ReservedMemory {
    /// Reserves more bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the reservations of all queries together would exceed the memory limit.
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
    /// Creates an engine with the default memory limits and its own caches.
    pub fn new() -> QueryEngine {
        QueryEngine::with_memory(DEFAULT_MEMORY_BYTES.0, DEFAULT_MEMORY_BYTES.1)
    }

    /// Creates an engine with two memory limits in bytes: one for the operators of all queries, and one for the operators of all exports.
    pub fn with_memory(queries: usize, exports: usize) -> QueryEngine {
        let runtime = |memory: usize| {
            let built = RuntimeEnvBuilder::new()
                .with_metadata_cache_limit(METADATA_CACHE_BYTES.min(memory))
                .with_memory_limit(memory, 1.0)
                .build_arc();
            // Building fails only if a directory for spilling cannot be created. The defaults create none.
            built.unwrap_or_default()
        };
        QueryEngine {
            runtime: runtime(queries),
            export_runtime: runtime(exports),
            footers: Arc::new(SegmentFooterCache::new((queries / FOOTER_CACHE_DIVISOR).clamp(FOOTER_CACHE_BYTES.0, FOOTER_CACHE_BYTES.1))),
            traces: Arc::new(DistinctCounter::new(|hour| &hour.traces, queries / DISTINCT_COUNTER_DIVISOR)),
            users: Arc::new(DistinctCounter::new(|hour| &hour.users, queries / DISTINCT_COUNTER_DIVISOR)),
            planner: ExpressionPlanner(SessionContext::new()),
            min_rollup_rows: MIN_ROLLUP_ROWS,
            batch_rows: BATCH_ROWS,
            text_scan_permits: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get))),
        }
    }

    /// Returns this engine with the memory pool of exports and another batch size.
    fn for_exports(&self, batch_rows: usize) -> QueryEngine {
        QueryEngine { runtime: self.export_runtime.clone(), batch_rows, ..self.clone() }
    }

    /// Returns a view of a project in a snapshot. This call takes little time.
    pub fn project(&self, snapshot: Arc<Snapshot>, project: u64) -> ProjectSnapshot {
        ProjectSnapshot { engine: self.clone(), snapshot, project, cancellation: CancellationFlag::default() }
    }

    /// Registers an empty reservation in the memory pool of all queries.
    fn reserve(&self, what: &'static str) -> MemoryReservation {
        MemoryConsumer::new(what).register(&self.runtime.memory_pool)
    }

    fn context(&self, mode: ScanMode) -> SessionContext {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut config =
            SessionConfig::new().with_target_partitions(processors).with_collect_statistics(false).with_batch_size(self.batch_rows);
        let parquet = &mut config.options_mut().execution.parquet;
        parquet.pushdown_filters = mode == ScanMode::FewRows;
        parquet.reorder_filters = mode == ScanMode::FewRows;
        // Longer lists are not compared with the statistics of row groups: the engine would turn them into a chain of nested comparisons.
        parquet.max_in_list_size = MAX_PRUNING_VALUES;
        SessionContext::new_with_config_rt(config, self.runtime.clone())
    }
}

impl ProjectSnapshot {
    /// Returns an empty reservation in the memory pool of all queries.
    pub fn reserve(&self, what: &'static str) -> ReservedMemory {
        ReservedMemory(self.engine.reserve(what))
    }

    /// Returns all spans of the project that start in the range, as a table. Project and range are filtered outside of the scan as well,
    /// which keeps projects apart even if the scan returns too much.
    fn table(&self, mode: ScanMode, from_us: i64, to_us: i64) -> Result<DataFrame, QueryError> {
        self.span_table(mode, scan::SpanTable::new(self.snapshot.clone(), self.project, from_us, to_us), from_us, to_us)
    }

    fn span_table(&self, mode: ScanMode, spans: scan::SpanTable, from_us: i64, to_us: i64) -> Result<DataFrame, QueryError> {
        let table = self.engine.context(mode).read_table(Arc::new(spans))?;
        Ok(table.filter(self.in_range(from_us, to_us))?)
    }

    /// Returns the spans of a scope as a table.
    async fn spans_in_scope(&self, mode: ScanMode, scope: &QueryScope) -> Result<DataFrame, QueryError> {
        let mut spans = scan::SpanTable::new(self.snapshot.clone(), self.project, scope.from_us, scope.to_us);
        if scope.filter.0.iter().any(crate::scan::row_lookup::is_indexed_term) {
            let filter = scope.filter.clone();
            spans = self.run_reading(move |project| Ok(spans.restricted_to(|view| project.candidate_rows(view, &filter)))).await?;
        }
        let table = self.span_table(mode, spans, scope.from_us, scope.to_us)?;
        match crate::filter::fields::condition(&scope.filter)? {
            Some(condition) => Ok(table.filter(condition)?),
            None => Ok(table),
        }
    }

    fn in_range(&self, from_us: i64, to_us: i64) -> Expr {
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
