//! Writes a segment. Afterwards, both files are durable under their names, but no manifest lists them yet.

use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::id_index;
use super::id_index::SegmentIdIndex;
use super::row_order::RowKey;
use crate::error::StoreError;
use crate::rollup;
use crate::schema::{SCHEMA, written_with};
use crate::segment::checksum::ChecksumWriter;
use crate::segment_storage::{SegmentObjectKind, SegmentObjects};
use crate::sidecar::SidecarCell;
use crate::snapshot::Segment;

/// Maximum number of rows that are sorted, encoded and dropped at a time, and of their bytes.
const MAX_CHUNK_ROWS: usize = 4096;
pub(crate) const MAX_CHUNK_BYTES: usize = 16 << 20;
/// Maximum compressed size of a row group in bytes: writers, and some readers, hold one in memory.
const MAX_ROW_GROUP_BYTES: usize = 32 << 20;

/// Columns of long texts, for which minimum and maximum are useless, and the size of their pages in bytes. A page is read as a whole, and
/// one span costs as much as its neighbors; but a conversation that repeats its history compresses well within a page.
const TEXT_PAGE_BYTES: [(&str, usize); 8] = [
    ("input_messages", 1 << 20),
    ("output_messages", 256 << 10),
    ("tool_definitions", 256 << 10),
    ("attributes", 128 << 10),
    ("reading", 128 << 10),
    ("input_preview", 128 << 10),
    ("output_preview", 128 << 10),
    ("status_detail", 64 << 10),
];

/// Columns of IDs, which are nearly always distinct.
const ID_COLUMNS: [&str; 5] = ["trace_id", "span_id", "parent_span_id", "response_id", "tool_call_id"];

/// Columns of numbers that are ascending or close to those of the previous row.
const ASCENDING_COLUMNS: [&str; 4] = ["start_time", "end_time", "received_at", "duration_us"];

/// Writes sorted rows as a segment. `rows_of` returns the rows of a chunk as one batch; `bytes_of` returns approximately how much
/// memory a row adds to it.
pub(crate) fn write(
    objects: &SegmentObjects,
    rows: &[RowKey],
    rows_per_group: usize,
    bytes_of: impl Fn(&RowKey) -> usize,
    mut rows_of: impl FnMut(&[RowKey]) -> Result<RecordBatch, StoreError>,
) -> Result<(Segment, SegmentIdIndex), StoreError> {
    let location = objects.location(SegmentObjectKind::Parquet);
    let mut bytes = 0;
    let mut crc = 0;
    let mut rollup = rollup::RollupBuilder::default();
    objects.put(SegmentObjectKind::Parquet, &mut |file| {
        let wrap = |error: parquet::errors::ParquetError| StoreError::segment_error("write", &location, error);
        let options = written_with(properties(rows_per_group));
        let mut writer = ArrowWriter::try_new_with_options(ChecksumWriter::new(file), SCHEMA.clone(), options).map_err(wrap)?;
        for chunk in chunks(rows, &bytes_of) {
            let batch = rows_of(chunk)?;
            rollup.add(&batch, None);
            writer.write(&batch).map_err(wrap)?;
        }
        writer.finish().map_err(wrap)?;
        bytes = writer.bytes_written() as u64;
        crc = writer.inner().crc();
        Ok(())
    })?;
    let ids = write_ids(objects, rows).inspect_err(|_| {
        // The segment will not be in the manifest and would only take space, perhaps on a full disk.
        let _ = objects.delete(SegmentObjectKind::Parquet);
    })?;

    let mut projects: Vec<u64> = rows.iter().map(|row| row.key.project).collect();
    projects.dedup();
    let segment = Segment {
        id: objects.segment(),
        location,
        objects: objects.clone(),
        rows: rows.len() as u64,
        bytes,
        crc: Some(crc),
        min_start_us: rows.iter().map(|row| row.start_us).min().unwrap_or(0),
        max_start_us: rows.iter().map(|row| row.start_us).max().unwrap_or(0),
        projects,
        rollup: SidecarCell::default(),
        ngram_index: SidecarCell::default(),
        is_replaced: AtomicBool::new(false),
    };
    segment.rollup.write_file(objects, rollup.finish());
    Ok((segment, ids))
}

/// Splits rows into chunks with a bounded number of rows and bytes.
fn chunks(mut rows: &[RowKey], bytes_of: impl Fn(&RowKey) -> usize) -> impl Iterator<Item = &[RowKey]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |row: &&RowKey| {
            bytes += bytes_of(row);
            bytes <= MAX_CHUNK_BYTES
        };
        let count = rows.iter().take(MAX_CHUNK_ROWS).take_while(fits).count().max(1).min(rows.len());
        let (chunk, rest) = rows.split_at(count);
        rows = rest;
        (count > 0).then_some(chunk)
    })
}

/// Writes the ID file of a segment with these rows in order.
pub(crate) fn write_ids(objects: &SegmentObjects, rows: &[RowKey]) -> Result<SegmentIdIndex, StoreError> {
    let location = objects.location(SegmentObjectKind::Ids);
    let bytes = id_index::encode(rows);
    objects.put(SegmentObjectKind::Ids, &mut |file| file.write_all(&bytes).map_err(StoreError::io_error("write", &location)))?;
    SegmentIdIndex::open(objects).map_err(StoreError::io_error("read", &location))
}

fn properties(rows_per_group: usize) -> WriterProperties {
    let level = ZstdLevel::try_new(3).expect("3 is a level of zstd");
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by(concat!("hinomi ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_max_row_group_row_count(Some(rows_per_group))
        .set_max_row_group_bytes(Some(MAX_ROW_GROUP_BYTES))
        .set_data_page_row_count_limit(4096)
        .set_statistics_enabled(EnabledStatistics::Page)
        // Rows are sorted by project; within a project by trace, in an order that no column has.
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }]));
    for (name, page_bytes) in TEXT_PAGE_BYTES {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_data_page_size_limit(column.clone(), page_bytes)
            .set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    for name in ID_COLUMNS {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    for name in ASCENDING_COLUMNS {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(name), false)
            .set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
    }
    for name in ["trace_id", "span_id"] {
        properties = properties
            .set_column_bloom_filter_enabled(ColumnPath::from(name), true)
            .set_column_bloom_filter_fpp(ColumnPath::from(name), 0.01)
            .set_column_bloom_filter_max_ndv(ColumnPath::from(name), rows_per_group as u64);
    }
    properties.build()
}
