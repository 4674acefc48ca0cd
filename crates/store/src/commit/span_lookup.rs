//! Finds stored spans by their keys.
//!
//! ID files contain a hash of each span's key, and the sender of a span chooses the key: two keys with the same hash are easily computed. A
//! hash therefore only selects candidate rows in segments. The columns for project, trace ID and span ID show whether a candidate is the
//! requested span. Two spans whose keys have the same hash are both stored and both found.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::group::SegmentReaderCache;
use crate::key_hash::SpanKey;
use crate::segment::read::row_ranges;
use crate::segment::row_order::{KEY_COLUMNS, keys};
use crate::snapshot::Segment;
use crate::state::{RowLocation, StoreInner, lock};

/// A row of a segment whose key has the hash of the wanted span.
#[derive(Debug)]
pub(crate) struct SpanRowCandidate {
    pub(crate) segment: Arc<Segment>,
    pub(crate) row: u32,
    /// False if the Parquet file is damaged and the key of the row cannot be read.
    pub(crate) is_readable: bool,
    /// True for a superseded row.
    pub(crate) is_dead: bool,
}

/// Rows of one segment, each with the index of the wanted span that it may be.
#[derive(Debug)]
struct SegmentCandidates {
    segment: Arc<Segment>,
    candidates: Vec<(u32, usize)>,
}

/// Candidates for some spans. The spans are identified by their indices in a list of keys.
#[derive(Debug, Default)]
pub(crate) struct SpanLookup {
    segments: BTreeMap<u64, SegmentCandidates>,
}

impl SpanLookup {
    pub(crate) fn add_candidate(&mut self, wanted: usize, candidate: SpanRowCandidate) {
        let SpanRowCandidate { segment, row, .. } = candidate;
        let in_segment = self.segments.entry(segment.id).or_insert_with(|| SegmentCandidates { segment, candidates: Vec::new() });
        in_segment.candidates.push((row, wanted));
    }

    /// Reads the candidates, from the newest segment to the oldest. Calls `found` for each candidate that matches its key, with the given
    /// columns, or with all columns if no columns are given. Calls `unread` for candidates that cannot be read.
    pub(crate) fn read_candidates(
        self,
        key_of: impl Fn(usize) -> SpanKey,
        columns: Option<&[&str]>,
        readers: &mut SegmentReaderCache,
        mut found: impl FnMut(usize, RowLocation, RecordBatch),
        mut unread: impl FnMut(usize),
    ) {
        for (id, SegmentCandidates { segment, candidates }) in self.segments.into_iter().rev() {
            let mut rows: Vec<u32> = candidates.iter().map(|(row, _)| *row).collect();
            rows.sort_unstable();
            rows.dedup();
            let wanted = row_ranges(rows.iter().copied());
            let read = readers.reader(&segment).and_then(|reader| match columns {
                Some(names) => reader.columns(&wanted, names),
                None => reader.all_columns(&wanted),
            });
            let batch = match read {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::error!(%error, spans = candidates.len(), "store.rows.read_failed");
                    candidates.iter().for_each(|(_, wanted)| unread(*wanted));
                    continue;
                }
            };
            let stored = keys(&batch, 0, 0);
            for (row, wanted) in candidates {
                let at = rows.partition_point(|other| *other < row);
                if stored.get(at).is_some_and(|stored| stored.key == key_of(wanted)) {
                    found(wanted, RowLocation::Segment(id, row), batch.slice(at, 1));
                }
            }
        }
    }
}

/// Returns the locations of the current rows of spans; spans that are not stored are left out. The caller must hold `moving`; otherwise,
/// the rows may move during the call.
pub(crate) fn row_locations(wanted: &[SpanKey], shared: &StoreInner, readers: &mut SegmentReaderCache) -> Vec<RowLocation> {
    let mut places: Vec<Option<RowLocation>> = vec![None; wanted.len()];
    let mut search = SpanLookup::default();
    {
        let state = lock(&shared.state);
        for (index, key) in wanted.iter().enumerate() {
            places[index] = state.find_in_memtables(key);
            if places[index].is_none() {
                let holding = state.candidate_rows(key).into_iter().filter(|candidate| candidate.is_readable && !candidate.is_dead);
                holding.for_each(|candidate| search.add_candidate(index, candidate));
            }
        }
    }
    let found = |index: usize, place, _| _ = places[index].get_or_insert(place);
    search.read_candidates(|index| wanted[index], Some(&KEY_COLUMNS), readers, found, |_| {});
    places.into_iter().flatten().collect()
}
