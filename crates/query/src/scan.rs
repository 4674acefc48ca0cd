//! The spans of a snapshot as a table of the query engine: the batches of the memtable, and the live rows of the segments.

pub(crate) mod columns;
pub(crate) mod export;
pub(crate) mod plain_rows;
mod response_lookup;
pub(crate) mod row_lookup;
mod segment_source;
pub(crate) mod stored_calls;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetRowSelection};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use hinomi_store::schema::SCHEMA;
use hinomi_store::snapshot::{SegmentView, Snapshot};
use parquet::arrow::arrow_reader::RowSelection;

use crate::scan::segment_source::SegmentSource;

/// Spans of a snapshot that may belong to a project and a time range. The scan may return more rows than requested, but never fewer,
/// because filters are also applied to the result.
#[derive(Debug)]
pub(super) struct SpanTable {
    snapshot: Arc<Snapshot>,
    segments: Vec<(Arc<SegmentView>, SelectedRowRanges)>,
}

/// Rows of a segment that are read; `None` for all live rows.
type SelectedRowRanges = Option<Vec<Range<usize>>>;

impl SpanTable {
    pub(super) fn new(snapshot: Arc<Snapshot>, project: u64, from_us: i64, to_us: i64) -> SpanTable {
        let may_hold = |view: &&Arc<SegmentView>| view.segment.may_contain(project, from_us, to_us);
        let segments = snapshot.segments.iter().filter(may_hold).map(|view| (view.clone(), None)).collect();
        SpanTable { snapshot, segments }
    }

    /// Restricts each segment to the live rows among the rows that `rows` returns for the segment. If `rows` returns `None`, all live rows
    /// are read.
    pub(super) fn restricted_to(mut self, rows: impl Fn(&SegmentView) -> Option<Vec<Range<u32>>>) -> SpanTable {
        for (view, wanted) in &mut self.segments {
            *wanted = rows(view).map(|rows| without_dead(&rows, &view.dead));
        }
        self.segments.retain(|(_, wanted)| wanted.as_ref().is_none_or(|rows| !rows.is_empty()));
        self
    }

    fn memtable_plan(&self, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = [self.snapshot.buffer.clone()];
        Ok(MemorySourceConfig::try_new_exec(&partitions, SCHEMA.clone(), projection.cloned())?)
    }

    fn files(&self, state: &dyn Session, projection: Option<&Vec<usize>>, filters: &[Expr]) -> Result<Arc<dyn ExecutionPlan>> {
        let mut segments = SegmentSource::default();
        let mut groups = vec![FileGroup::default(); state.config().target_partitions().clamp(1, self.segments.len().max(1))];
        let count = groups.len();
        for (index, (view, rows)) in self.segments.iter().enumerate() {
            let file = segments.add(&view.segment);
            groups[index % count].push(with_rows(file, view, rows.as_deref()));
        }
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let options = state.config_options().execution.parquet.clone();
        let mut source = ParquetSource::new(SCHEMA.clone())
            .with_pushdown_filters(options.pushdown_filters)
            .with_reorder_filters(options.reorder_filters)
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(Arc::new(segments), cache)));
        if let Some(filter) = conjunction(filters.to_vec()) {
            let schema = DFSchema::try_from(SCHEMA.as_ref().clone())?;
            source = source.with_predicate(state.create_physical_expr(filter, &schema)?);
        }
        // The engine requires a registered object store and reads nothing from it: the reader factory has another.
        let unused = ObjectStoreUrl::local_filesystem();
        let config = FileScanConfigBuilder::new(unused, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Restricts the scan of a segment to the given rows, or to all live rows.
fn with_rows(file: PartitionedFile, view: &SegmentView, rows: Option<&[Range<usize>]>) -> PartitionedFile {
    let segment = &view.segment;
    let whole = 0..segment.rows as u32;
    let live = match rows {
        None if view.dead.is_empty() => return file,
        None => &without_dead(std::slice::from_ref(&whole), &view.dead),
        Some(rows) => rows,
    };
    let selection = RowSelection::from_consecutive_ranges(live.iter().cloned(), segment.rows as usize);
    file.with_extension(ParquetRowSelection::new(selection))
}

/// Returns rows without the dead rows. Both lists must be in ascending order.
pub(super) fn without_dead(rows: &[Range<u32>], dead: &[u32]) -> Vec<Range<usize>> {
    let mut live = Vec::new();
    for rows in rows {
        let mut start = rows.start;
        for row in dead[dead.partition_point(|row| *row < rows.start)..].iter().take_while(|row| **row < rows.end) {
            if *row > start {
                live.push(start as usize..*row as usize);
            }
            start = row + 1;
        }
        if start < rows.end {
            live.push(start as usize..rows.end as usize);
        }
    }
    live
}

#[async_trait]
impl TableProvider for SpanTable {
    fn schema(&self) -> SchemaRef {
        SCHEMA.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let buffer = self.memtable_plan(projection)?;
        if self.segments.is_empty() {
            return Ok(buffer);
        }
        let files = self.files(state, projection, filters)?;
        if self.snapshot.buffer.is_empty() {
            return Ok(files);
        }
        UnionExec::try_new(vec![buffer, files])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_between_dead_rows() {
        let all_but = |rows: u32, dead: &[u32]| without_dead(std::slice::from_ref(&(0..rows)), dead);
        assert_eq!(all_but(3, &[]), std::iter::once(0..3).collect::<Vec<_>>());
        assert_eq!(all_but(6, &[0, 1, 4]), [2..4, 5..6]);
        assert_eq!(all_but(3, &[0, 1, 2]), Vec::<Range<usize>>::new());
        assert_eq!(without_dead(&[2..5, 7..9], &[0, 3, 5, 8, 9]), [2..3, 4..5, 7..8]);
    }
}
