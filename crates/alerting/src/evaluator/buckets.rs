//! Aggregates in short time buckets. Only buckets with data take memory, and old ones are removed.

use std::collections::VecDeque;

/// Aggregate of a bucket. Everything that was added can be removed again.
pub(crate) trait BucketAggregate: Default {
    /// Returns whether the aggregate contains no data.
    fn is_empty(&self) -> bool;
}

/// Sum of a quantity, and number of spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QuantitySum {
    /// Sum of the quantity.
    pub(crate) quantity: i64,
    /// Number of spans.
    pub(crate) spans: i64,
}

impl BucketAggregate for QuantitySum {
    fn is_empty(&self) -> bool {
        self.quantity == 0 && self.spans == 0
    }
}

/// A distribution: a DDSketch from which values can be removed, since a counted span may be excluded later. A bin is represented by the
/// mean of its values, so percentiles are never outside of the measured range. Bins are in ascending order, and no bin is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DurationSketch(Vec<SketchBin>);

/// Values of a sketch that are nearly equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SketchBin {
    number: i16,
    count: i32,
    /// Sum in microseconds. It wraps, so removing a value restores the sum exactly.
    sum: i64,
}

/// Ratio of the bounds of a bin: two of its values differ by at most one percent.
const BIN_RATIO: f64 = 1.01;

impl DurationSketch {
    fn bin_number(us: i64) -> i16 {
        // Values up to one microsecond are in one bin; the longest possible duration is in bin 4390.
        (us.max(1) as f64).log(BIN_RATIO).ceil() as i16
    }

    /// Adds (positive count) or removes (negative count) a value in microseconds.
    pub(crate) fn add(&mut self, us: i64, count: i32) {
        let number = DurationSketch::bin_number(us);
        let sum = us.max(0).wrapping_mul(i64::from(count));
        match self.0.binary_search_by_key(&number, |class| class.number) {
            Ok(at) => {
                let class = &mut self.0[at];
                class.count += count;
                class.sum = class.sum.wrapping_add(sum);
                if class.count == 0 {
                    self.0.remove(at);
                }
            }
            Err(at) => self.0.insert(at, SketchBin { number, count, sum }),
        }
    }
}

impl BucketAggregate for DurationSketch {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Returns the percentile at this fraction in microseconds (`None` if there are no values), and the number of values.
pub(crate) fn percentile<'a>(sketches: impl Iterator<Item = &'a DurationSketch>, share: f64) -> (Option<f64>, i64) {
    let mut classes: std::collections::BTreeMap<i16, (i64, i128)> = std::collections::BTreeMap::new();
    for class in sketches.flat_map(|sketch| &sketch.0) {
        let (count, sum) = classes.entry(class.number).or_default();
        *count += i64::from(class.count);
        *sum += i128::from(class.sum);
    }
    let total: i64 = classes.values().map(|(count, _)| count).sum();
    if total <= 0 {
        return (None, total.max(0));
    }
    let rank = (share * (total - 1) as f64).floor() as i64;
    let mut seen = 0;
    let class = classes.values().find(|(count, _)| {
        seen += count;
        seen > rank
    });
    // A value that was removed from another bucket than it was added to can leave a bin without values.
    let mean =
        class.or_else(|| classes.values().next_back()).filter(|(count, _)| *count != 0).map(|(count, sum)| *sum as f64 / *count as f64);
    (mean, total)
}

/// Aggregates of time buckets, in order of time.
#[derive(Debug, Clone, Default)]
pub(crate) struct BucketSeries<H>(VecDeque<(i64, H)>);

impl<H: BucketAggregate> BucketSeries<H> {
    /// Changes the aggregate of a step.
    pub(crate) fn change_step(&mut self, step: i64, change: impl FnOnce(&mut H)) {
        let at = match self.0.back() {
            // Usually it is the newest step.
            Some((last, _)) if *last == step => self.0.len() - 1,
            Some((last, _)) if *last < step => self.0.len(),
            _ => self.0.partition_point(|(other, _)| *other < step),
        };
        if self.0.get(at).is_none_or(|(other, _)| *other != step) {
            self.0.insert(at, (step, H::default()));
        }
        change(&mut self.0[at].1);
        if self.0[at].1.is_empty() {
            self.0.remove(at);
        }
    }

    /// Returns the aggregates from one step up to another, which is excluded.
    pub(crate) fn aggregates(&self, from: i64, to: i64) -> impl Iterator<Item = &H> {
        let first = self.0.partition_point(|(step, _)| *step < from);
        let end = self.0.partition_point(|(step, _)| *step < to).max(first);
        self.0.range(first..end).map(|(_, heap)| heap)
    }

    /// Returns the aggregates from one step up to another, which is excluded, each with its step.
    pub(crate) fn aggregates_by_step(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, &H)> {
        let first = self.0.partition_point(|(step, _)| *step < from);
        let end = self.0.partition_point(|(step, _)| *step < to).max(first);
        self.0.range(first..end).map(|(step, heap)| (*step, heap))
    }

    /// Removes all steps before a step.
    pub(crate) fn forget_before(&mut self, step: i64) {
        let gone = self.0.partition_point(|(other, _)| *other < step);
        self.0.drain(..gone);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the oldest step with data.
    pub(crate) fn first_step(&self) -> Option<i64> {
        self.0.front().map(|(step, _)| *step)
    }
}

impl BucketSeries<QuantitySum> {
    /// Returns the sums of quantity and number of spans from one step up to another, which is excluded.
    pub(crate) fn sums(&self, from: i64, to: i64) -> (i128, i64) {
        self.aggregates(from, to).fold((0, 0), |(quantity, spans), sums| (quantity + i128::from(sums.quantity), spans + sums.spans))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn are_a_map_by_step(changes in prop::collection::vec((0i64..40, -3i64..4), 0..60), from in 0i64..40, length in 0i64..40, forgotten in 0i64..20) {
            let mut buckets: BucketSeries<QuantitySum> = BucketSeries::default();
            let mut naive = std::collections::BTreeMap::new();
            for (step, n) in changes {
                buckets.change_step(step, |sums| { sums.quantity += n; sums.spans += 1; });
                let sums: &mut (i128, i64) = naive.entry(step).or_default();
                *sums = (sums.0 + i128::from(n), sums.1 + 1);
            }
            buckets.forget_before(forgotten);
            naive.retain(|step, _| *step >= forgotten);
            let expected = naive.range(from..from + length).fold((0, 0), |sum, (_, sums)| (sum.0 + sums.0, sum.1 + sums.1));
            prop_assert_eq!(buckets.sums(from, from + length), expected);
            prop_assert_eq!(buckets.first_step(), naive.keys().next().copied());
        }

        #[test]
        fn percentiles_are_right_to_one_per_cent(mut values in prop::collection::vec(1i64..600_000_000, 1..80), taken in prop::collection::vec(1i64..600_000_000, 0..20), share in 0.0f64..1.0) {
            let mut sketches = [DurationSketch::default(), DurationSketch::default()];
            for (index, us) in values.iter().chain(&taken).enumerate() {
                sketches[index % 2].add(*us, 1);
            }
            for (index, us) in taken.iter().enumerate() {
                sketches[(values.len() + index) % 2].add(*us, -1);
            }
            values.sort_unstable();
            let exact = values[(share * (values.len() - 1) as f64).floor() as usize] as f64;
            let (found, count) = percentile(sketches.iter(), share);
            prop_assert_eq!(count, values.len() as i64);
            let found = found.unwrap();
            prop_assert!((found - exact).abs() <= exact * 0.0101, "{} for {}", found, exact);
            let (least, greatest) = (values[0] as f64, values[values.len() - 1] as f64);
            prop_assert!((least..=greatest).contains(&found), "{} outside of {}..{}", found, least, greatest);
        }
    }
}
