//! The spans of a snapshot as a table of the query engine: the buffer's batches, and the segments without their dead rows.

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
use parquet::arrow::arrow_reader::RowSelection;

use crate::store::schema::SCHEMA;
use crate::store::snapshot::{SegmentView, Snapshot};

/// Spans of a snapshot that may belong to a project and a range of time. It may give more than was asked for, never less: the
/// filters are applied above it.
#[derive(Debug)]
pub(super) struct Spans {
    snapshot: Arc<Snapshot>,
    segments: Vec<Arc<SegmentView>>,
}

impl Spans {
    pub(super) fn new(snapshot: Arc<Snapshot>, project: u64, from_us: i64, to_us: i64) -> Spans {
        let may_hold = |view: &&Arc<SegmentView>| view.segment.may_hold(project, from_us, to_us);
        let segments = snapshot.segments.iter().filter(may_hold).cloned().collect();
        Spans { snapshot, segments }
    }

    fn buffer(&self, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = [self.snapshot.buffer.clone()];
        Ok(MemorySourceConfig::try_new_exec(&partitions, SCHEMA.clone(), projection.cloned())?)
    }

    fn files(&self, state: &dyn Session, projection: Option<&Vec<usize>>, filters: &[Expr]) -> Result<Arc<dyn ExecutionPlan>> {
        let url = ObjectStoreUrl::local_filesystem();
        let store = state.runtime_env().object_store(&url)?;
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let options = state.config_options().execution.parquet.clone();
        let mut source = ParquetSource::new(SCHEMA.clone())
            .with_pushdown_filters(options.pushdown_filters)
            .with_reorder_filters(options.reorder_filters)
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(store, cache)));
        if let Some(filter) = conjunction(filters.to_vec()) {
            let schema = DFSchema::try_from(SCHEMA.as_ref().clone())?;
            source = source.with_predicate(state.create_physical_expr(filter, &schema)?);
        }
        let mut groups = vec![FileGroup::default(); state.config().target_partitions().clamp(1, self.segments.len().max(1))];
        let count = groups.len();
        for (index, view) in self.segments.iter().enumerate() {
            groups[index % count].push(file(view));
        }
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// A segment, without its dead rows.
fn file(view: &SegmentView) -> PartitionedFile {
    let segment = &view.segment;
    let file = PartitionedFile::new(segment.path.to_string_lossy(), segment.bytes);
    if view.dead.is_empty() {
        return file;
    }
    let live = live_ranges(&view.dead, segment.rows as usize);
    let selection = RowSelection::from_consecutive_ranges(live.into_iter(), segment.rows as usize);
    file.with_extension(ParquetRowSelection::new(selection))
}

/// What lies between the dead rows.
fn live_ranges(dead: &[u32], rows: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for row in dead {
        let row = *row as usize;
        if row > start {
            ranges.push(start..row);
        }
        start = row + 1;
    }
    if start < rows {
        ranges.push(start..rows);
    }
    ranges
}

#[async_trait]
impl TableProvider for Spans {
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
        let buffer = self.buffer(projection)?;
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
    fn between_the_dead() {
        assert_eq!(live_ranges(&[], 3), std::iter::once(0..3).collect::<Vec<_>>());
        assert_eq!(live_ranges(&[0, 1, 4], 6), [2..4, 5..6]);
        assert_eq!(live_ranges(&[0, 1, 2], 3), Vec::<Range<usize>>::new());
    }
}
