//! Reading a few rows of a segment by their numbers. Queries do not come this way: they plan over whole segments.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::file::metadata::PageIndexPolicy;

use crate::store::error::StoreError;
use crate::store::schema::SCHEMA;

/// A segment that is open for reading.
#[derive(Debug)]
pub(in crate::store) struct Reader {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
}

impl Reader {
    /// Opens the file and reads its footer.
    pub(in crate::store) fn open(path: &Path) -> Result<Reader, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(|error| StoreError::segment("open", path, error))?;
        Ok(Reader { path: path.to_owned(), file, metadata })
    }

    /// How many rows the footer tells of.
    pub(in crate::store) fn rows(&self) -> u64 {
        self.metadata.metadata().file_metadata().num_rows() as u64
    }

    /// The rows of the ranges, which rise and do not overlap, as one batch of the named columns.
    pub(in crate::store) fn columns(&self, ranges: &[Range<u32>], names: &[&str]) -> Result<RecordBatch, StoreError> {
        let schema = self.metadata.schema();
        let roots = names.iter().filter_map(|name| schema.index_of(name).ok());
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), roots);
        self.read(ranges, mask)
    }

    /// The rows of the ranges with all columns of [`SCHEMA`]. Those that the file does not have, being older, are null.
    pub(in crate::store) fn all(&self, ranges: &[Range<u32>]) -> Result<RecordBatch, StoreError> {
        let batch = self.read(ranges, ProjectionMask::all())?;
        let column = |field: &arrow::datatypes::FieldRef| -> ArrayRef {
            let found = batch.column_by_name(field.name()).filter(|found| found.data_type() == field.data_type());
            found.cloned().unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
        };
        let columns = SCHEMA.fields().iter().map(column).collect();
        RecordBatch::try_new(SCHEMA.clone(), columns).map_err(|error| StoreError::segment("read", &self.path, error))
    }

    fn read(&self, ranges: &[Range<u32>], mask: ProjectionMask) -> Result<RecordBatch, StoreError> {
        let wrap = |error: &dyn std::fmt::Display| StoreError::segment("read", &self.path, error);
        let wanted = ranges.iter().map(|range| range.start as usize..range.end as usize);
        let selection = RowSelection::from_consecutive_ranges(wanted, self.rows() as usize);
        let rows = ranges.iter().map(ExactSizeIterator::len).sum::<usize>();
        let file = self.file.try_clone().map_err(StoreError::io("open", &self.path))?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(mask)
            .with_row_selection(selection)
            .with_batch_size(rows.max(1))
            .build()
            .map_err(|error| wrap(&error))?;
        let schema = arrow::array::RecordBatchReader::schema(&reader);
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| wrap(&error))?;
        let batch = concat_batches(&schema, &batches).map_err(|error| wrap(&error))?;
        if batch.num_rows() != rows {
            return Err(wrap(&format!("{} rows where {rows} were asked for", batch.num_rows())));
        }
        Ok(batch)
    }
}

/// Rising row numbers as ranges.
pub(in crate::store) fn ranges(rows: impl IntoIterator<Item = u32>) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => ranges.push(row..row + 1),
        }
    }
    ranges
}
