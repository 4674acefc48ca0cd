//! Rebuilds missing and damaged sidecar files, one after the other: roll-ups, and n-gram indexes, which are only built here.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;

use super::ngram_index;
use crate::error::StoreError;
use crate::rollup::{RollupBuilder, RollupGranularity};
use crate::schema::SCHEMA;
use crate::segment::read::SegmentReader;
use crate::segment::write::MAX_CHUNK_BYTES;
use crate::snapshot::Segment;
use crate::state::{StoreInner, lock};

/// Number of rows that are read at a time: of narrow columns, and of messages.
const BATCH_ROWS: u32 = 16_384;
const MESSAGE_BATCH_ROWS: u32 = 2048;

/// Builds a missing sidecar file of one segment. Returns false if there is nothing to do.
///
/// # Errors
///
/// Returns an error if the segment cannot be read. The build is then not repeated, and queries read the spans of the segment.
pub(crate) fn rebuild_one(shared: &StoreInner) -> Result<bool, StoreError> {
    if let Some(segment) = segment_without_sidecar(shared, |segment| segment.rollup.is_lost(&segment.objects)) {
        segment.rollup.mark_useless();
        let columns = SCHEMA
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .filter(|name| RollupGranularity::STORED_GRANULARITY.needs_column(name));
        let mut builder = RollupBuilder::default();
        read_segment(&segment, &columns.collect::<Vec<_>>(), BATCH_ROWS, |batch| builder.add(batch, None))?;
        segment.rollup.write_file(&segment.objects, builder.finish());
        return Ok(true);
    }
    if let Some(segment) =
        segment_without_sidecar(shared, |segment| segment.ngram_index.is_lost(&segment.objects) && is_long_lived(shared, segment))
    {
        segment.ngram_index.mark_useless();
        let mut builder = ngram_index::NgramIndexBuilder::new(segment.rows as u32);
        read_segment(&segment, &ngram_index::INDEXED_COLUMNS, MESSAGE_BATCH_ROWS, |batch| builder.add(batch))?;
        segment.ngram_index.write_file(&segment.objects, &builder);
        return Ok(true);
    }
    Ok(false)
}

fn segment_without_sidecar(shared: &StoreInner, is_missing: impl Fn(&Segment) -> bool) -> Option<Arc<Segment>> {
    // Checking for files must not hold the lock.
    let segments: Vec<_> = lock(&shared.state).segments.iter().filter(|live| live.is_readable).map(|live| live.segment.clone()).collect();
    segments.into_iter().find(|segment| is_missing(segment))
}

/// Returns whether a segment is large, or old enough that it will not be merged soon.
fn is_long_lived(shared: &StoreInner, segment: &Segment) -> bool {
    segment.rows as usize >= shared.config.indexed_rows || segment.file_age().is_some_and(|age| age >= shared.config.unindexed_age)
}

/// Reads all rows of a segment in chunks.
fn read_segment(segment: &Segment, columns: &[&str], chunk: u32, mut add: impl FnMut(&RecordBatch)) -> Result<(), StoreError> {
    let began = Instant::now();
    let reader = SegmentReader::open(&segment.objects)?;
    let rows = segment.rows as u32;
    let has_texts = columns == ngram_index::INDEXED_COLUMNS;
    let mut first = 0;
    while first < rows {
        let most = if has_texts { chunk.min(reader.rows_within_bytes(first, MAX_CHUNK_BYTES) as u32) } else { chunk };
        let end = first.saturating_add(most).min(rows);
        add(&reader.columns(std::slice::from_ref(&(first..end)), columns)?);
        first = end;
    }
    tracing::info!(
        segment = segment.id,
        columns = columns.len(),
        rows,
        duration_ms = began.elapsed().as_millis() as u64,
        "store.sidecar.rebuilt"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use hinomi_model::span::{Span, SpanType};

    use super::*;
    use crate::segment_storage::SegmentObjectKind;
    use crate::tests::span;
    use crate::{Store, StoreConfig};

    #[tokio::test]
    async fn lost_or_damaged_rollup_is_rebuilt() {
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig { flush_age: std::time::Duration::from_secs(3600), ..StoreConfig::default() };
        let store = Store::open(dir.path(), config).unwrap();
        let spans =
            (1..50).map(|id| Span { kind: SpanType::Llm, user_id: Some(format!("u{}", id % 7)), ..span(id % 5 + 1, id as u64, id as i64) });
        let _ = store.append(1, spans.collect()).await.unwrap();
        store.flush().await.unwrap();
        let segment = store.snapshot().segments[0].segment.clone();
        let whole = segment.rollup().expect("made by the flush");
        assert_eq!(whole.hours.iter().flat_map(|hour| &hour.cells).map(|cell| cell.sums.spans).sum::<u64>(), 49);
        assert_eq!((whole.hours[0].users.len(), whole.hours[0].traces.len()), (7, 5));
        let file = segment.objects.location(SegmentObjectKind::Rollup);
        for damage in
            [|path: &std::path::Path| std::fs::remove_file(path).unwrap(), |path: &std::path::Path| std::fs::write(path, "no").unwrap()]
        {
            damage(&file);
            segment.rollup.reset();
            // The store's own thread may be faster.
            while segment.rollup().is_none() {
                if !rebuild_one(&store.shared).unwrap() {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            }
            assert_eq!(segment.rollup(), Some(whole.clone()));
        }
    }
}
