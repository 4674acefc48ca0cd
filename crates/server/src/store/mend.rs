//! Roll-ups that are missing or damaged are made again from their segments, one after the other.

use std::time::Instant;

use super::error::StoreError;
use super::rollup::{Builder, DIMENSIONS, TOTALS};
use super::segment::read::Reader;
use super::state::{Shared, lock};

/// Rows that are read at a time.
const CHUNK: u32 = 16_384;

/// Makes the roll-up of a segment that has none. False if there is no such segment.
///
/// # Errors
///
/// When the segment cannot be read. It is left alone from then on, and queries read its spans.
pub(super) fn once(shared: &Shared) -> Result<bool, StoreError> {
    let lacking = {
        let state = lock(&shared.state);
        state
            .segments
            .iter()
            .filter(|live| live.readable)
            .map(|live| live.segment.clone())
            .find(|segment| segment.rollup.is_lost(&segment.path))
    };
    let Some(segment) = lacking else { return Ok(false) };
    let began = Instant::now();
    segment.rollup.give_up();
    let reader = Reader::open(&segment.path)?;
    let columns: Vec<&str> = TOTALS.iter().chain(&DIMENSIONS).copied().collect();
    let mut builder = Builder::default();
    let rows = segment.rows as u32;
    let mut first = 0;
    while first < rows {
        let end = first.saturating_add(CHUNK).min(rows);
        // Flushes go first: intake waits for them when it is fast.
        super::flush::flush(shared)?;
        builder.add(&reader.columns(std::slice::from_ref(&(first..end)), &columns)?);
        first = end;
    }
    segment.rollup.keep(&segment.path, builder.finish());
    tracing::info!(segment = segment.id, rows, duration_ms = began.elapsed().as_millis() as u64, "store.rolled_up");
    Ok(true)
}

#[cfg(test)]
mod tests {
    use hinomi_model::span::{Kind, Span};

    use super::super::rollup::EXTENSION;
    use super::super::tests::span;
    use super::super::{Store, StoreConfig};
    use super::*;

    #[tokio::test]
    async fn a_roll_up_that_is_lost_or_damaged_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig { flush_age: std::time::Duration::from_secs(3600), ..StoreConfig::default() };
        let store = Store::open(dir.path(), config).unwrap();
        let spans =
            (1..50).map(|id| Span { kind: Kind::Llm, user_id: Some(format!("u{}", id % 7)), ..span(id % 5 + 1, id as u64, id as i64) });
        let _ = store.append(1, spans.collect()).await.unwrap();
        store.flush().await.unwrap();
        let segment = store.snapshot().segments[0].segment.clone();
        let whole = segment.rollup().expect("made by the flush");
        assert_eq!(whole.hours.iter().flat_map(|hour| &hour.cells).map(|cell| cell.sums.spans).sum::<u64>(), 49);
        assert_eq!((whole.hours[0].users.len(), whole.hours[0].traces.len()), (7, 5));
        let file = segment.path.with_extension(EXTENSION);
        for damage in
            [|path: &std::path::Path| std::fs::remove_file(path).unwrap(), |path: &std::path::Path| std::fs::write(path, "no").unwrap()]
        {
            damage(&file);
            segment.rollup.forget();
            // The store's own thread may come first.
            while segment.rollup().is_none() {
                if !once(&store.shared).unwrap() {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            }
            assert_eq!(segment.rollup(), Some(whole.clone()));
        }
    }
}
