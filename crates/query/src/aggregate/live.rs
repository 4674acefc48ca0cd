//! Aggregation of rows that no roll-up covers. Every worker takes row groups until none are left.

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
use crate::scan::row_lookup::{columns, failed, overlap, project};
use crate::{ProjectSnapshot, QueryScope};

/// Rows that one worker reads at a time.
#[derive(Debug)]
pub(crate) struct ScanUnit {
    pub(crate) view: Arc<SegmentView>,
    pub(crate) rows: Vec<Range<u32>>,
    /// Whether all rows belong to the project and the range.
    pub(crate) is_inside: bool,
}

/// Work that the workers of a scan share.
struct ParallelRowScan {
    units: Vec<ScanUnit>,
    next: AtomicUsize,
    /// Condition on project and range, then those of the filter.
    within: ScanStage,
    terms: Vec<ScanStage>,
    /// Expression of a computed property.
    by: Option<ScanStage>,
    columns: SchemaRef,
}

impl ProjectSnapshot {
    /// Splits rows at row groups, and skips groups without rows of the project in the range. Reads files.
    pub(crate) fn units(&self, rows: SegmentRows, from_us: i64, to_us: i64) -> Result<Vec<ScanUnit>, QueryError> {
        let project = self.stored_id();
        let mut units = Vec::new();
        for (view, rows) in rows {
            for group in self.engine.footers.open(&view.segment)?.groups() {
                let (earliest_us, latest_us) = group.starts_us;
                if latest_us < from_us || earliest_us >= to_us || project < group.projects.0 || project > group.projects.1 {
                    continue;
                }
                let rows = overlap(&rows, std::slice::from_ref(&group.rows));
                if !rows.is_empty() {
                    let is_inside = earliest_us >= from_us && latest_us < to_us && group.projects == (project, project);
                    units.push(ScanUnit { view: view.clone(), rows, is_inside });
                }
            }
        }
        Ok(units)
    }

    /// Aggregates these rows and those of the memtable, as far as they are in the scope. Returns the reservations of the memory that the
    /// result uses.
    pub(crate) async fn add_up(
        &self,
        scope: &QueryScope,
        rows: SegmentRows,
        grain: RollupGranularity,
        by: Option<&GroupBy>,
    ) -> Result<(Vec<Rollup>, Vec<MemoryReservation>), QueryError> {
        let engine = self.engine.clone();
        let new = move || RollupRowConsumer {
            builder: RollupBuilder::new(grain),
            built: Rollup::default(),
            reserved: engine.reserve("rows of a sum"),
        };
        let built = self.take_rows(scope, rows, grain, by, new).await?;
        Ok(built.into_iter().map(|rows| (rows.built, rows.reserved)).unzip())
    }

    /// Passes these rows and those of the memtable, as far as they are in the scope, to consumers, each of which runs on its own thread.
    ///
    /// # Errors
    ///
    /// When the query engine or a consumer fails.
    pub(crate) async fn take_rows<T: RowConsumer>(
        &self,
        scope: &QueryScope,
        rows: SegmentRows,
        grain: RollupGranularity,
        by: Option<&GroupBy>,
        new: impl Fn() -> T,
    ) -> Result<Vec<T>, QueryError> {
        let by = by.filter(|by| by.is_computed()).map(|by| self.stage(by.key())).transpose()?;
        let (within, terms) = (self.stage(self.within(scope.from_us, scope.to_us))?, self.terms(&scope.filter)?);
        let named = by.as_ref().map(ScanStage::columns).cloned();
        let columns = columns(|name| grain.needs(name) || named.as_ref().is_some_and(|columns| columns.index_of(name).is_ok()));
        let (filter, from_us, to_us) = (scope.filter.clone(), scope.from_us, scope.to_us);
        let units = move |project: &ProjectSnapshot| {
            let narrowed = |(view, rows): (Arc<SegmentView>, Vec<Range<u32>>)| {
                let rows = match project.places(&view, &filter) {
                    Some(places) => overlap(&rows, &places),
                    None => rows,
                };
                (view, rows)
            };
            project.units(rows.into_iter().map(narrowed).filter(|(_, rows)| !rows.is_empty()).collect(), from_us, to_us)
        };
        let units = self.reading(units).await?;
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let workers = processors.min(units.len()).max(1);
        let work = Arc::new(ParallelRowScan { units, next: AtomicUsize::new(0), within, terms, by, columns });
        let worker = |number: usize| {
            let (work, taker) = (work.clone(), new());
            self.reading(move |project| project.take_units(&work, number == 0, taker))
        };
        futures::future::try_join_all((0..workers).map(worker)).await
    }

    fn take_units<T: RowConsumer>(&self, work: &ParallelRowScan, with_buffer: bool, mut taker: T) -> Result<T, QueryError> {
        for batch in self.snapshot.buffer.iter().filter(|_| with_buffer) {
            let rows: Vec<u32> = (0..batch.num_rows() as u32).collect();
            work.take(&mut taker, rows, false, |rows, columns| {
                let batch = project(batch, columns)?;
                if rows.len() == batch.num_rows() {
                    return Ok(batch);
                }
                take_record_batch(&batch, &UInt32Array::from(rows.to_vec())).map_err(failed)
            })?;
        }
        while let Some(unit) = work.units.get(work.next.fetch_add(1, Ordering::Relaxed)) {
            self.check()?;
            let segment = self.engine.footers.open(&unit.view.segment)?;
            let rows = unit.rows.iter().cloned().flatten().collect();
            work.take(&mut taker, rows, unit.is_inside, |rows, columns| Ok(segment.rows(&runs(rows), columns)?))?;
        }
        taker.finish()?;
        Ok(taker)
    }
}

/// Consumes rows in batches of some thousands.
pub(crate) trait RowConsumer: Send + 'static {
    /// Consumes the rows of a batch with the requested columns. `by` is a computed property.
    fn take(&mut self, batch: &RecordBatch, by: Option<&StringViewArray>) -> Result<(), QueryError>;

    /// Ends the scan after the last batch.
    fn finish(&mut self) -> Result<(), QueryError>;
}

/// Aggregates rows into a roll-up.
struct RollupRowConsumer {
    builder: RollupBuilder,
    built: Rollup,
    reserved: MemoryReservation,
}

impl RowConsumer for RollupRowConsumer {
    fn take(&mut self, batch: &RecordBatch, by: Option<&StringViewArray>) -> Result<(), QueryError> {
        self.builder.add(batch, by);
        Ok(self.reserved.try_resize(self.builder.bytes())?)
    }

    fn finish(&mut self) -> Result<(), QueryError> {
        self.built = std::mem::take(&mut self.builder).finish();
        Ok(())
    }
}

impl ParallelRowScan {
    /// Passes those of the rows, in ascending order, that match to the consumer.
    fn take(
        &self,
        taker: &mut impl RowConsumer,
        mut rows: Vec<u32>,
        is_inside: bool,
        read: impl Fn(&[u32], &SchemaRef) -> Result<RecordBatch, QueryError>,
    ) -> Result<(), QueryError> {
        for stage in [&self.within].into_iter().filter(|_| !is_inside).chain(&self.terms) {
            rows = stage.passing(&rows, &read)?.into_iter().map(|(row, _)| row).collect();
        }
        if rows.is_empty() {
            return Ok(());
        }
        let batch = read(&rows, &self.columns)?;
        let by = match &self.by {
            Some(by) => Some(by.values(&project(&batch, by.columns())?)?),
            None => None,
        };
        taker.take(&batch, by.as_ref().and_then(|by| by.as_string_view_opt()))
    }
}
