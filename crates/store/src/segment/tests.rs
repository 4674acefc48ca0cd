#![expect(clippy::single_range_in_vec_init, reason = "one range of rows is what is meant")]

use std::sync::Arc;

use arrow::datatypes::DataType;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::span::Span;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::id_index::SegmentIdIndex;
use super::read::{SegmentReader, row_ranges};
use super::row_order::{RowKey, keys, sort};
use crate::data_folder::DataDirectory;
use crate::key_hash::SpanKey;
use crate::key_hash::collisions::{colliding_span, colliding_trace};
use crate::rows::{SpanRow, from_batch, to_batch};
use crate::schema::SCHEMA;
use crate::segment_storage::{LocalSegmentStorage, SegmentObjects, SegmentStorage};
use crate::snapshot::Segment;
use crate::tests::any_span::any_span;

/// Writes rows as a segment in a data directory.
fn written(root: &std::path::Path, rows: &[SpanRow]) -> (Segment, SegmentIdIndex, Vec<RowKey>) {
    let batch = to_batch(rows);
    let mut order = keys(&batch, 0, 0);
    sort(&mut order);
    drop(DataDirectory::open(root).unwrap());
    let storage: Arc<dyn SegmentStorage> = Arc::new(LocalSegmentStorage::new(root).unwrap());
    // Every third row is so large that its chunk has no other row.
    let bytes_of = |row: &RowKey| if row.row.is_multiple_of(3) { super::write::MAX_CHUNK_BYTES } else { 1 };
    let rows_of = |chunk: &[RowKey]| {
        assert!(chunk.len() == 1 || chunk.iter().all(|row| !row.row.is_multiple_of(3)), "{chunk:?}");
        let indices = arrow::array::UInt32Array::from_iter_values(chunk.iter().map(|row| row.row));
        Ok(arrow::compute::take_record_batch(&batch, &indices).unwrap())
    };
    let (segment, ids) = super::write::write(&SegmentObjects::of(&storage, 1), &order, 64, bytes_of, rows_of).unwrap();
    (segment, ids, order)
}

/// Spans of few traces and projects, so that traces have several spans.
fn rows() -> impl Strategy<Value = Vec<SpanRow>> {
    let row = (0u64..3, 1u128..9, 1u64..u64::MAX, -9i64..9, any_span()).prop_map(|(project_id, trace, span, start, rest)| SpanRow {
        project_id,
        span: Span { trace_id: TraceId(trace), span_id: SpanId(span), start_us: start, ..rest },
        ..SpanRow::default()
    });
    proptest::collection::vec(row, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn segment_round_trips_its_rows(rows in rows()) {
        let dir = tempfile::tempdir().unwrap();
        let (segment, ids, order) = written(dir.path(), &rows);
        let all = from_batch(&SegmentReader::open(&segment.objects).unwrap().all_columns(&[0..rows.len() as u32]).unwrap());
        let expected: Vec<SpanRow> = order.iter().map(|key| rows[key.row as usize].clone()).collect();
        prop_assert_eq!(&all, &expected);
        prop_assert_eq!(segment.min_start_us, rows.iter().map(|row| row.span.start_us).min().unwrap());
        prop_assert_eq!(segment.bytes, std::fs::metadata(&segment.location).unwrap().len());
        for (number, key) in order.iter().enumerate() {
            prop_assert!(ids.rows_of_span(&key.key).unwrap().contains(&(number as u32)));
            let of_trace = ids.rows_of_trace(key.key.project, key.key.trace).unwrap();
            prop_assert!(of_trace.iter().any(|range| range.contains(&(number as u32))));
        }
    }
}

#[test]
fn files_with_plain_texts_and_older_ones_with_views_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let row =
        SpanRow { span: Span { trace_id: TraceId(1), span_id: SpanId(2), name: "a name".into(), ..Span::default() }, ..SpanRow::default() };
    let (segment, ..) = written(dir.path(), std::slice::from_ref(&row));
    let text_type = |path: &std::path::Path| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
        reader.schema().field_with_name("name").unwrap().data_type().clone()
    };
    assert_eq!(text_type(&segment.location), DataType::Utf8);
    let older = dir.path().join("segments/0000000002.parquet");
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&older).unwrap(), SCHEMA.clone(), None).unwrap();
    writer.write(&to_batch(std::slice::from_ref(&row))).unwrap();
    writer.close().unwrap();
    assert_eq!(text_type(&older), DataType::Utf8View);
    for path in [&segment.location, &older] {
        let reader = SegmentReader::of(Ok(Arc::new(std::fs::File::open(path).unwrap())), path);
        assert_eq!(from_batch(&reader.unwrap().all_columns(&[0..1]).unwrap()), std::slice::from_ref(&row));
    }
}

#[test]
fn finds_single_rows_among_many() {
    let dir = tempfile::tempdir().unwrap();
    let row = |n: u64| SpanRow {
        project_id: 1,
        span: Span { trace_id: TraceId(u128::from(n / 5 + 1)), span_id: SpanId(n + 1), start_us: n as i64 * 7, ..Span::default() },
        ..SpanRow::default()
    };
    let rows: Vec<SpanRow> = (0..5000).map(row).collect();
    let (segment, ids, _) = written(dir.path(), &rows);
    let reader = SegmentReader::open(&segment.objects).unwrap();
    for n in [0u32, 1, 999, 4998, 4999] {
        let key = SpanKey { project: 1, trace: rows[n as usize].span.trace_id, span: rows[n as usize].span.span_id };
        assert!(ids.may_hold_span(key.hash()));
        assert_eq!(ids.rows_of_span(&key).unwrap(), [n]);
        let first = n / 5 * 5;
        assert_eq!(ids.rows_of_trace(1, key.trace).unwrap(), [first..first + 5]);
    }
    assert_eq!((1..200_000u64).filter(|n| ids.may_hold_span(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).count() / 100, 0);
    let some = from_batch(&reader.all_columns(&row_ranges([3, 4, 70, 4999])).unwrap());
    assert_eq!(some, [3, 4, 70, 4999].map(|n: usize| rows[n].clone()));
    let names = from_batch(&reader.columns(&[63..66], &["span_id"]).unwrap());
    assert_eq!(names.iter().map(|row| row.span.span_id.0).collect::<Vec<_>>(), [64, 65, 66]);
}

#[test]
fn keys_with_equal_hashes_are_distinguished() {
    let dir = tempfile::tempdir().unwrap();
    let first = SpanKey { project: 1, trace: TraceId(7), span: SpanId(42) };
    let traces = (1..2000u64).map(|low| colliding_trace((1, first.trace), 2, low));
    let all: Vec<SpanKey> = std::iter::once(first).chain(traces.map(|trace| colliding_span(first, 2, trace))).collect();
    let row = |key: &SpanKey| SpanRow {
        project_id: key.project,
        span: Span { trace_id: key.trace, span_id: key.span, ..Span::default() },
        ..SpanRow::default()
    };
    let (segment, ids, order) = written(dir.path(), &all.iter().map(row).collect::<Vec<_>>());
    // The probability that two of two thousand have the same second hash as another is one in two thousand.
    let of_span: usize = all.iter().map(|key| ids.rows_of_span(key).unwrap().len()).sum();
    let of_trace: usize = all.iter().map(|key| ids.rows_of_trace(key.project, key.trace).unwrap().len()).sum();
    assert!(of_span < 2010 && of_trace < 2010, "{of_span} {of_trace}");
    assert!(ids.rows_of_span(&first).unwrap().contains(&0) && order[0].key == first);

    // A file of the older format returns all of them.
    let mut bytes = b"HINOIDS1".to_vec();
    bytes.extend([2000u32, 1].map(u32::to_le_bytes).as_flattened());
    for number in 0..2000u32 {
        bytes.extend(first.hash().to_le_bytes());
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(crate::key_hash::trace_hash(1, first.trace).to_le_bytes());
    bytes.extend([0u32, 2000].map(u32::to_le_bytes).as_flattened());
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    let path = segment.location.with_extension("ids");
    std::fs::write(&path, bytes).unwrap();
    let older = SegmentIdIndex::open(&segment.objects).unwrap();
    assert_eq!(older.rows_of_span(&all[9]).unwrap().len(), 2000);
    assert_eq!(older.rows_of_trace(2, all[9].trace).unwrap(), [0..2000]);
}

#[test]
fn damaged_sidecar_file_is_detected() {
    let dir = tempfile::tempdir().unwrap();
    let (segment, ..) = written(dir.path(), &[SpanRow { span: Span { trace_id: TraceId(1), ..Span::default() }, ..SpanRow::default() }]);
    let path = segment.location.with_extension("ids");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(SegmentIdIndex::open(&segment.objects).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}
