//! Reads all rows of a snapshot. Compiled into the tests of several crates, so it uses the store's public name.

use std::collections::BTreeMap;

use hinomi_model::id::{SpanId, TraceId};
use hinomi_store::point_read::SegmentFooterCache;
use hinomi_store::rows::{SpanRow, from_batch};
use hinomi_store::schema::SCHEMA;
use hinomi_store::snapshot::Snapshot;

/// Returns all rows of a snapshot by identity. Panics if one occurs twice.
pub(crate) fn rows(snapshot: &Snapshot) -> BTreeMap<(u64, TraceId, SpanId), SpanRow> {
    let mut all: Vec<SpanRow> = snapshot.buffer.iter().flat_map(from_batch).collect();
    for view in &snapshot.segments {
        let segment = SegmentFooterCache::new(0).open(&view.segment).unwrap();
        let batch = segment.rows(std::slice::from_ref(&(0..view.segment.rows as u32)), &SCHEMA).unwrap();
        let rows = from_batch(&batch).into_iter().zip(0u32..);
        all.extend(rows.filter(|(_, number)| view.dead.binary_search(number).is_err()).map(|(row, _)| row));
    }
    let count = all.len();
    let by_id: BTreeMap<_, _> = all.into_iter().map(|row| ((row.project_id, row.span.trace_id, row.span.span_id), row)).collect();
    assert_eq!(by_id.len(), count, "each span once");
    by_id
}
