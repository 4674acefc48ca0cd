//! Exact counts of distinct traces and users over many lists of hashes, without comparing every hash in every query.
//!
//! IDs with the same hash count as one. A client that crafts such IDs only reduces the counts of the project that it sends to.
//!
//! Each distinct hash has a number. Hashes of a list that are seen for the first time get consecutive numbers. Most traces are in one list
//! only, so a list of thousands of hashes becomes a few ranges of numbers. To count the union of lists, their ranges are set in a bit set.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hinomi_store::rollup::{Rollup, RollupHour};

use crate::list::latest::runs;

/// Number of hashes of removed segments, beyond twice the hashes in use, that are kept before all numbers are reset.
const MAX_UNUSED_HASHES: usize = 1 << 16;

/// Memory of a hash and its number, in bytes.
const BYTES_PER_NUMBER: usize = 24;
/// Maximum number of hashes that are sorted in memory at a time if they have no numbers.
const MAX_SORTED_HASHES: usize = 1 << 20;

/// Counts distinct hashes of one kind.
#[derive(Debug)]
pub(crate) struct DistinctCounter {
    /// Returns the hashes of an hour, in ascending order.
    hashes_of_hour: fn(&RollupHour) -> &[u64],
    /// Maximum number of hashes that are numbered. Beyond it, every query compares the hashes.
    max_numbers: usize,
    numbers: Mutex<DistinctHashNumbers>,
}

/// Numbers of hashes.
#[derive(Debug, Default)]
struct DistinctHashNumbers {
    numbers: HashMap<u64, u32>,
    /// Lists of numbers by segment file.
    segments: HashMap<PathBuf, SegmentHashLists>,
}

/// Lists of numbers of one segment.
#[derive(Debug, Default)]
struct SegmentHashLists {
    hashes: usize,
    /// Numbers of the hashes, for each hour of the roll-up.
    hours: Vec<Vec<Range<u32>>>,
}

/// Selected hours of a segment's roll-up.
pub(crate) struct SegmentHours<'a> {
    pub(crate) segment: &'a Path,
    pub(crate) rollup: &'a Rollup,
    pub(crate) selected: &'a [usize],
}

impl DistinctCounter {
    /// Creates a counter whose numbers take at most `max_bytes`.
    pub(crate) fn new(hashes_of_hour: fn(&RollupHour) -> &[u64], max_bytes: usize) -> DistinctCounter {
        DistinctCounter { hashes_of_hour, max_numbers: max_bytes / BYTES_PER_NUMBER, numbers: Mutex::default() }
    }

    /// Returns the number of distinct hashes in selected hours of segments and in other roll-ups. `is_there` returns whether a segment
    /// still exists.
    pub(crate) fn count(&self, stored: &[SegmentHours], others: &[Rollup], is_there: impl Fn(&Path) -> bool) -> u64 {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.drop_removed(is_there);
        let hashes = |hours: &SegmentHours| hours.rollup.hours.iter().map(|hour| (self.hashes_of_hour)(hour).len()).sum::<usize>();
        let unlearned: usize = stored.iter().filter(|hours| !numbers.segments.contains_key(hours.segment)).map(hashes).sum();
        if numbers.numbers.len() + unlearned > self.max_numbers {
            drop(numbers);
            let of_stored =
                stored.iter().flat_map(|hours| hours.selected.iter().map(|hour| (self.hashes_of_hour)(&hours.rollup.hours[*hour])));
            let lists: Vec<&[u64]> = of_stored.chain(others.iter().flat_map(|rollup| &rollup.hours).map(self.hashes_of_hour)).collect();
            return count_by_hash_range(&lists);
        }
        for hours in stored {
            numbers.number_hashes(hours, self.hashes_of_hour);
        }
        let mut met = DistinctBitSet(vec![0; numbers.numbers.len().div_ceil(64)]);
        for hours in stored {
            let lists = &numbers.segments[hours.segment].hours;
            hours.selected.iter().flat_map(|hour| &lists[*hour]).for_each(|range| met.insert(range));
        }
        let mut unknown = Vec::new();
        for hash in others.iter().flat_map(|rollup| &rollup.hours).flat_map(self.hashes_of_hour) {
            match numbers.numbers.get(hash) {
                Some(number) => met.insert(&(*number..number + 1)),
                None => unknown.push(*hash),
            }
        }
        drop(numbers);
        unknown.sort_unstable();
        unknown.dedup();
        met.len() + unknown.len() as u64
    }
}

/// Returns the number of distinct hashes in sorted lists. Processes one part of the hash range after the other, to limit memory.
fn count_by_hash_range(lists: &[&[u64]]) -> u64 {
    let hashes: usize = lists.iter().map(|list| list.len()).sum();
    let bits = (hashes / MAX_SORTED_HASHES + 1).next_power_of_two().trailing_zeros();
    let parts = 1u64 << bits;
    let mut looked_at = vec![0; lists.len()];
    let mut some: Vec<u64> = Vec::new();
    let mut count = 0;
    for part in 1..=parts {
        some.clear();
        for (list, start) in lists.iter().zip(&mut looked_at) {
            let rest = &list[*start..];
            let length = if part == parts { rest.len() } else { rest.partition_point(|hash| *hash < part << (64 - bits)) };
            some.extend(&rest[..length]);
            *start += length;
        }
        some.sort_unstable();
        some.dedup();
        count += some.len() as u64;
    }
    count
}

impl DistinctHashNumbers {
    /// Numbers the hashes of a segment, if this has not been done yet.
    fn number_hashes(&mut self, hours: &SegmentHours, hashes_of_hour: fn(&RollupHour) -> &[u64]) {
        if self.segments.contains_key(hours.segment) {
            return;
        }
        let mut lists = SegmentHashLists::default();
        for hour in &hours.rollup.hours {
            let hashes = hashes_of_hour(hour);
            let mut numbers: Vec<u32> = hashes.iter().map(|hash| self.number(*hash)).collect();
            numbers.sort_unstable();
            lists.hashes += hashes.len();
            lists.hours.push(runs(&numbers));
        }
        self.segments.insert(hours.segment.to_owned(), lists);
    }

    fn number(&mut self, hash: u64) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(hash).or_insert(next)
    }

    /// Drops the lists of removed segments, and all numbers if most of them belong to removed segments.
    fn drop_removed(&mut self, is_there: impl Fn(&Path) -> bool) {
        self.segments.retain(|segment, _| is_there(segment));
        let in_use: usize = self.segments.values().map(|lists| lists.hashes).sum();
        if self.numbers.len() > 2 * in_use + MAX_UNUSED_HASHES {
            *self = DistinctHashNumbers::default();
        }
    }
}

/// A bit set of numbers.
struct DistinctBitSet(Vec<u64>);

impl DistinctBitSet {
    fn insert(&mut self, range: &Range<u32>) {
        let (start, end) = (range.start as usize, range.end as usize);
        let mut at = start;
        while at < end {
            let upto = end.min((at / 64 + 1) * 64);
            self.0[at / 64] |= (u64::MAX >> (64 - (upto - at))) << (at % 64);
            at = upto;
        }
    }

    fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn rollup(lists: &[BTreeSet<u64>]) -> Rollup {
        let hour = |list: &BTreeSet<u64>| RollupHour { traces: list.iter().copied().collect(), ..RollupHour::default() };
        Rollup { hours: lists.iter().map(hour).collect(), ..Rollup::default() }
    }

    proptest! {
        #[test]
        fn each_hash_counts_once(
            segments in prop::collection::vec(prop::collection::vec(prop::collection::btree_set(0u64..400, 0..90), 1..5), 1..6),
            asked in prop::collection::vec(prop::collection::vec((0usize..6, prop::collection::btree_set(0usize..5, 1..5)), 0..6), 1..5),
            others in prop::collection::vec(prop::collection::btree_set(0u64..500, 0..9), 0..4),
        ) {
            let (different, without_numbers) = (DistinctCounter::new(|hour| &hour.traces, usize::MAX), DistinctCounter::new(|hour| &hour.traces, 0));
            let paths: Vec<PathBuf> = (0..segments.len()).map(|segment| segment.to_string().into()).collect();
            let rollups: Vec<Rollup> = segments.iter().map(|lists| rollup(lists)).collect();
            for question in asked {
                let mut expected: BTreeSet<u64> = others.iter().flatten().copied().collect();
                let mut chosen = Vec::new();
                for (segment, hours) in question.into_iter().filter(|(segment, _)| *segment < segments.len()) {
                    let hours: Vec<usize> = hours.into_iter().filter(|hour| *hour < segments[segment].len()).collect();
                    expected.extend(hours.iter().flat_map(|hour| &segments[segment][*hour]));
                    chosen.push((segment, hours));
                }
                let stored: Vec<SegmentHours> = chosen
                    .iter()
                    .map(|(segment, hours)| SegmentHours { segment: &paths[*segment], rollup: &rollups[*segment], selected: hours })
                    .collect();
                // Drops segments that no longer exist, and the numbers of their hashes.
                let there = |segment: &Path| chosen.iter().any(|(known, _)| paths[*known] == segment);
                prop_assert_eq!(different.count(&stored, &[rollup(&others)], there), expected.len() as u64);
                prop_assert_eq!(without_numbers.count(&stored, &[rollup(&others)], there), expected.len() as u64);
            }
        }
    }

    #[test]
    fn hashes_beyond_the_limit_are_counted_by_range() {
        let odd = 0x9e37_79b9_7f4a_7c15_u64;
        let list = |from: u64| -> Vec<u64> {
            let mut hashes: Vec<u64> = (from..from + 2_000_000).map(|number| number.wrapping_mul(odd)).collect();
            hashes.sort_unstable();
            hashes
        };
        assert_eq!(count_by_hash_range(&[&list(0), &list(500_000), &[u64::MAX, u64::MAX], &[]]), 2_500_001);
        assert_eq!(count_by_hash_range(&[]), 0);
    }

    #[test]
    fn numbers_of_removed_segments_are_dropped() {
        let different = DistinctCounter::new(|hour| &hour.traces, usize::MAX);
        for segment in 0..5u64 {
            let first = segment * 100_000;
            let rollup = rollup(&[(first..first + 100_000).collect()]);
            let path = PathBuf::from(segment.to_string());
            let stored = SegmentHours { segment: &path, rollup: &rollup, selected: &[0] };
            assert_eq!(different.count(&[stored], &[], |known| known == path), 100_000);
        }
        let numbers = different.numbers.lock().unwrap();
        assert_eq!(numbers.segments.len(), 1);
        assert!(numbers.numbers.len() <= 300_000, "{}", numbers.numbers.len());
    }
}
