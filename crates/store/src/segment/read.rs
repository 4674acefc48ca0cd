//! Reads rows of a segment by their numbers. Queries that read most rows scan whole segments instead.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::StoreError;
use crate::rows::convert_sentences;
use crate::schema::{SCHEMA, with_views};
use crate::segment_storage::{SegmentObjectKind, SegmentObjectReader, SegmentObjects, SequentialObjectReader};

/// A segment that is open for reading.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    /// Where the file is, for messages.
    location: PathBuf,
    file: PositionalFile,
    footer: ArrowReaderMetadata,
}

impl SegmentReader {
    /// Opens the file and reads its footer.
    pub(crate) fn open(objects: &SegmentObjects) -> Result<SegmentReader, StoreError> {
        SegmentReader::of(objects.open(SegmentObjectKind::Parquet), &objects.location(SegmentObjectKind::Parquet))
    }

    /// Reads the footer of a file that has been opened.
    pub(crate) fn of(opened: io::Result<Arc<dyn SegmentObjectReader>>, location: &Path) -> Result<SegmentReader, StoreError> {
        let file = PositionalFile::of(opened, location)?;
        // The wanted rows are known: only the positions of pages are needed, not their statistics.
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let footer = ArrowReaderMetadata::load(&file, options.clone()).and_then(|footer| {
            let schema = Arc::new(with_views(footer.schema()));
            ArrowReaderMetadata::try_new(footer.metadata().clone(), options.with_schema(schema))
        });
        let footer = footer.map_err(|error| StoreError::segment_error("open", location, error))?;
        Ok(SegmentReader { location: location.to_owned(), file, footer })
    }

    /// Opens a file whose footer has been read before.
    pub(crate) fn with_footer(objects: &SegmentObjects, footer: ArrowReaderMetadata) -> Result<SegmentReader, StoreError> {
        let location = objects.location(SegmentObjectKind::Parquet);
        let file = PositionalFile::of(objects.open(SegmentObjectKind::Parquet), &location)?;
        Ok(SegmentReader { location, file, footer })
    }

    /// Returns the footer for [`with_footer`](SegmentReader::with_footer).
    pub(crate) fn footer(&self) -> &ArrowReaderMetadata {
        &self.footer
    }

    /// Returns the metadata in the footer.
    pub(crate) fn metadata(&self) -> &ParquetMetaData {
        self.footer.metadata()
    }

    /// Returns the number of rows according to the footer.
    pub(crate) fn rows(&self) -> u64 {
        self.metadata().file_metadata().num_rows() as u64
    }

    /// Returns the average size in bytes of the rows in a row's row group, with all columns.
    pub(crate) fn bytes_of(&self, row: u32) -> usize {
        let mut end = 0;
        let groups = self.metadata().row_groups().iter();
        let group = groups.into_iter().find(|group| {
            end += group.num_rows();
            i64::from(row) < end
        });
        group.map_or(0, |group| group.total_byte_size().max(0) as usize / group.num_rows().max(1) as usize)
    }

    /// Returns how many rows, starting with the given row, take about `bytes`; at least one.
    pub(crate) fn rows_within_bytes(&self, row: u32, bytes: usize) -> usize {
        (bytes / self.bytes_of(row).max(1)).max(1)
    }

    /// Returns the rows of the ranges, which must be ascending and not overlap, as one batch of the named columns.
    pub(crate) fn columns(&self, ranges: &[Range<u32>], names: &[&str]) -> Result<RecordBatch, StoreError> {
        let schema = self.footer.schema();
        let roots = names.iter().filter_map(|name| schema.index_of(name).ok());
        let mask = ProjectionMask::roots(self.footer.parquet_schema(), roots);
        self.read(ranges, mask)
    }

    /// Returns the rows with these columns, a part of [`SCHEMA`]. Columns that an older file does not have are null.
    pub(crate) fn columns_or_null(&self, ranges: &[Range<u32>], schema: &Arc<Schema>) -> Result<RecordBatch, StoreError> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        self.fit_to_schema(self.columns(ranges, &names)?, schema)
    }

    /// Returns the rows with all columns of [`SCHEMA`]. Sentences of earlier versions are converted.
    pub(crate) fn all_columns(&self, ranges: &[Range<u32>]) -> Result<RecordBatch, StoreError> {
        let rows = self.fit_to_schema(self.read(ranges, ProjectionMask::all())?, &SCHEMA)?;
        // Files with these columns do not contain sentences.
        let is_older = self.footer.schema().index_of("exclusion_kind").is_err();
        Ok(if is_older { convert_sentences(rows) } else { rows })
    }

    fn fit_to_schema(&self, batch: RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch, StoreError> {
        let column = |field: &Arc<Field>| -> ArrayRef {
            let found = batch.column_by_name(field.name()).filter(|found| found.data_type() == field.data_type());
            found.cloned().unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
        };
        let columns = schema.fields().iter().map(column).collect();
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        // A missing column that is not nullable means that the file is damaged.
        RecordBatch::try_new_with_options(schema.clone(), columns, &rows)
            .map_err(|error| StoreError::segment_error("read", &self.location, error))
    }

    fn read(&self, ranges: &[Range<u32>], mask: ProjectionMask) -> Result<RecordBatch, StoreError> {
        let wrap = |error: &dyn std::fmt::Display| StoreError::segment_error("read", &self.location, error);
        let wanted = ranges.iter().map(|range| range.start as usize..range.end as usize);
        let selection = RowSelection::from_consecutive_ranges(wanted, self.rows() as usize);
        let rows = ranges.iter().map(ExactSizeIterator::len).sum::<usize>();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.footer.clone())
            .with_projection(mask)
            .with_row_selection(selection)
            .with_batch_size(rows.max(1))
            .build()
            .map_err(|error| wrap(&error))?;
        let schema = arrow::array::RecordBatchReader::schema(&reader);
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| wrap(&error))?;
        let batch = concat_batches(&schema, &batches).map_err(|error| wrap(&error))?;
        if batch.num_rows() != rows {
            return Err(wrap(&format!("{} rows instead of {rows}", batch.num_rows())));
        }
        Ok(batch)
    }
}

/// Returns ascending row numbers as ranges.
pub(crate) fn row_ranges(rows: impl IntoIterator<Item = u32>) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => ranges.push(row..row + 1),
        }
    }
    ranges
}

/// A file that is read at explicit positions, and its length.
#[derive(Debug, Clone)]
struct PositionalFile {
    file: Arc<dyn SegmentObjectReader>,
    length: u64,
}

impl PositionalFile {
    fn of(opened: io::Result<Arc<dyn SegmentObjectReader>>, location: &Path) -> Result<PositionalFile, StoreError> {
        let with_length = opened.and_then(|file| Ok(PositionalFile { length: file.length()?, file }));
        with_length.map_err(StoreError::io_error("open", location))
    }
}

impl Length for PositionalFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for PositionalFile {
    type T = io::BufReader<SequentialObjectReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(io::BufReader::new(SequentialObjectReader::from_position(self.file.clone(), start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A damaged footer may request any range.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} on are not in a file of {}", self.length)));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}
