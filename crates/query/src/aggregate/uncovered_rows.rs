//! Aggregation of rows that no roll-up covers. Each worker takes row groups until no row group is left.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{AsArray, RecordBatch, StringViewArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryReservation;
use hinomi_store::rollup::{Rollup, RollupBuilder, RollupGranularity};
use hinomi_store::snapshot::SegmentView;

use super::group_by::GroupBy;
use super::rollup::SegmentRows;
use crate::error::QueryError;
use crate::list::latest::{ScanStage, runs};
use crate::scan::row_lookup::{arrow_error, columns_of, intersect_ranges, project_columns};
use crate::{ProjectSnapshot, QueryScope};

/// Rows that one worker reads at a time.
#[derive(Debug)]
pub(crate) struct ScanUnit {
    pub(crate) view: Arc<SegmentView>,
    pub(crate) rows: Vec<Range<u32>>,
    /// Whether all rows belong to the project and the range.
    pub(crate) is_all_in_scope: bool,
}

/// Work that the workers of a scan share.
struct ParallelRowScan {
    units: Vec<ScanUnit>,
    next: AtomicUsize,
    /// Condition on project and range, then those of the filter.
    scope_condition: ScanStage,
    terms: Vec<ScanStage>,
    /// Expression of a computed property.
    group_by: Option<ScanStage>,
    columns: SchemaRef,
}

impl ProjectSnapshot {
    /// Splits rows at row groups, and skips groups without rows of the project in the range. Reads files.
    pub(crate) fn split_rows(&self, rows: SegmentRows, from_us: i64, to_us: i64) -> Result<Vec<ScanUnit>, QueryError> {
        let project = self.stored_id();
        let mut units = Vec::new();
        for (view, rows) in rows {
            for group in self.engine.footers.open(&view.segment)?.row_groups() {
                let (earliest_us, latest_us) = group.starts_us;
                if latest_us < from_us || earliest_us >= to_us || project < group.projects.0 || project > group.projects.1 {
                    continue;
                }
                let rows = intersect_ranges(&rows, std::slice::from_ref(&group.rows));
                if !rows.is_empty() {
                    let is_all_in_scope = earliest_us >= from_us && latest_us < to_us && group.projects == (project, project);
                    units.push(ScanUnit { view: view.clone(), rows, is_all_in_scope });
                }
            }
        }
        Ok(units)
    }

    /// Aggregates the given rows and the rows of the memtable, if they are in the scope. Returns the reservations of the memory that the
    /// result uses.
    pub(crate) async fn aggregate_rows(
        &self,
        scope: &QueryScope,
        rows: SegmentRows,
        grain: RollupGranularity,
        by: Option<&GroupBy>,
    ) -> Result<(Vec<Rollup>, Vec<MemoryReservation>), QueryError> {
        let engine = self.engine.clone();
        let new = move || RollupRowConsumer {
            builder: RollupBuilder::new(grain),
            finished: Rollup::default(),
            reserved: engine.reserve("rows of a sum"),
        };
        let built = self.consume_rows(scope, rows, grain, by, new).await?;
        Ok(built.into_iter().map(|rows| (rows.finished, rows.reserved)).unzip())
    }

    /// Passes the given rows and the rows of the memtable, if they are in the scope, to consumers. Each consumer runs on its own thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine or a consumer fails.
    pub(crate) async fn consume_rows<T: RowConsumer>(
        &self,
        scope: &QueryScope,
        rows: SegmentRows,
        grain: RollupGranularity,
        by: Option<&GroupBy>,
        new: impl Fn() -> T,
    ) -> Result<Vec<T>, QueryError> {
        let group_by = by.filter(|by| by.is_computed()).map(|by| self.prepare_stage(by.key_expression())).transpose()?;
        let (scope_condition, terms) = (self.prepare_stage(self.in_range(scope.from_us, scope.to_us))?, self.filter_stages(&scope.filter)?);
        let named = group_by.as_ref().map(ScanStage::columns).cloned();
        let columns = columns_of(|name| grain.needs_column(name) || named.as_ref().is_some_and(|columns| columns.index_of(name).is_ok()));
        let (filter, from_us, to_us) = (scope.filter.clone(), scope.from_us, scope.to_us);
        let units = move |project: &ProjectSnapshot| {
            let narrowed = |(view, rows): (Arc<SegmentView>, Vec<Range<u32>>)| {
                let rows = match project.candidate_rows(&view, &filter) {
                    Some(places) => intersect_ranges(&rows, &places),
                    None => rows,
                };
                (view, rows)
            };
            project.split_rows(rows.into_iter().map(narrowed).filter(|(_, rows)| !rows.is_empty()).collect(), from_us, to_us)
        };
        let units = self.run_reading(units).await?;
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let workers = processors.min(units.len()).max(1);
        let work = Arc::new(ParallelRowScan { units, next: AtomicUsize::new(0), scope_condition, terms, group_by, columns });
        let worker = |number: usize| {
            let (work, consumer) = (work.clone(), new());
            self.run_reading(move |project| project.consume_units(&work, number == 0, consumer))
        };
        futures::future::try_join_all((0..workers).map(worker)).await
    }

    fn consume_units<T: RowConsumer>(&self, work: &ParallelRowScan, with_buffer: bool, mut consumer: T) -> Result<T, QueryError> {
        for batch in self.snapshot.buffer.iter().filter(|_| with_buffer) {
            let rows: Vec<u32> = (0..batch.num_rows() as u32).collect();
            work.consume(&mut consumer, rows, false, |rows, columns| {
                let batch = project_columns(batch, columns)?;
                if rows.len() == batch.num_rows() {
                    return Ok(batch);
                }
                take_record_batch(&batch, &UInt32Array::from(rows.to_vec())).map_err(arrow_error)
            })?;
        }
        while let Some(unit) = work.units.get(work.next.fetch_add(1, Ordering::Relaxed)) {
            self.check_cancelled()?;
            let segment = self.engine.footers.open(&unit.view.segment)?;
            let rows = unit.rows.iter().cloned().flatten().collect();
            work.consume(&mut consumer, rows, unit.is_all_in_scope, |rows, columns| Ok(segment.rows(&runs(rows), columns)?))?;
        }
        consumer.finish()?;
        Ok(consumer)
    }
}

/// Consumes rows in batches of some thousands.
pub(crate) trait RowConsumer: Send + 'static {
    /// Consumes the rows of a batch with the requested columns. `group_by` is a computed property.
    fn consume(&mut self, batch: &RecordBatch, by: Option<&StringViewArray>) -> Result<(), QueryError>;

    /// Ends the scan after the last batch.
    fn finish(&mut self) -> Result<(), QueryError>;
}

/// Aggregates rows into a roll-up.
struct RollupRowConsumer {
    builder: RollupBuilder,
    finished: Rollup,
    reserved: MemoryReservation,
}

impl RowConsumer for RollupRowConsumer {
    fn consume(&mut self, batch: &RecordBatch, by: Option<&StringViewArray>) -> Result<(), QueryError> {
        self.builder.add(batch, by);
        Ok(self.reserved.try_resize(self.builder.bytes())?)
    }

    fn finish(&mut self) -> Result<(), QueryError> {
        self.finished = std::mem::take(&mut self.builder).finish();
        Ok(())
    }
}

impl ParallelRowScan {
    /// Passes those of the rows, in ascending order, that match to the consumer.
    fn consume(
        &self,
        consumer: &mut impl RowConsumer,
        mut rows: Vec<u32>,
        is_inside: bool,
        read: impl Fn(&[u32], &SchemaRef) -> Result<RecordBatch, QueryError>,
    ) -> Result<(), QueryError> {
        for stage in [&self.scope_condition].into_iter().filter(|_| !is_inside).chain(&self.terms) {
            rows = stage.passing_rows(&rows, &read)?.into_iter().map(|(row, _)| row).collect();
        }
        if rows.is_empty() {
            return Ok(());
        }
        let batch = read(&rows, &self.columns)?;
        let by = match &self.group_by {
            Some(by) => Some(by.evaluate(&project_columns(&batch, by.columns())?)?),
            None => None,
        };
        consumer.consume(&batch, by.as_ref().and_then(|by| by.as_string_view_opt()))
    }
}
