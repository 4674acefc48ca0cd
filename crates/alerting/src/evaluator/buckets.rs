//! What happened, by small steps of time. Only steps in which something happened take memory, and old ones are forgotten.

use std::collections::VecDeque;

/// What a step of time holds. Whatever is added can be taken back.
pub(crate) trait BucketAggregate: Default {
    /// Whether nothing is left.
    fn is_empty(&self) -> bool;
}

/// Sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QuantitySum {
    /// Of the quantity.
    pub(crate) quantity: i64,
    /// Spans.
    pub(crate) spans: i64,
}

impl BucketAggregate for QuantitySum {
    fn is_empty(&self) -> bool {
        self.quantity == 0 && self.spans == 0
    }
}

/// A distribution: a DDSketch from which values can be taken back, since a span that came may turn out not to count. A class is shown as the mean
/// of its values, so that no percentile lies outside of what was measured. Rising by class; no class is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DurationSketch(Vec<SketchBin>);

/// The values of a sketch that are nearly equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SketchBin {
    number: i16,
    count: i32,
    /// Microseconds. It wraps: what is added and taken back is right again.
    sum: i64,
}

/// Ratio of the bounds of a class: any two of its values differ by one per cent at most.
const RATIO: f64 = 1.01;

impl DurationSketch {
    fn class(us: i64) -> i16 {
        // Up to a microsecond is one class; the longest time that there is lies in class 4390.
        (us.max(1) as f64).log(RATIO).ceil() as i16
    }

    /// Adds a value of so many microseconds, or takes it back.
    pub(crate) fn add(&mut self, us: i64, count: i32) {
        let number = DurationSketch::class(us);
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

/// The value in microseconds below which this part of all values lies; `None` where there are none.
pub(crate) fn percentile<'a>(sketches: impl Iterator<Item = &'a DurationSketch>, part: f64) -> (Option<f64>, i64) {
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
    let rank = (part * (total - 1) as f64).floor() as i64;
    let mut seen = 0;
    let class = classes.values().find(|(count, _)| {
        seen += count;
        seen > rank
    });
    // What was taken back before it came, from another step, leaves a class without values.
    let mean =
        class.or_else(|| classes.values().next_back()).filter(|(count, _)| *count != 0).map(|(count, sum)| *sum as f64 / *count as f64);
    (mean, total)
}

/// Steps of time in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct BucketSeries<H>(VecDeque<(i64, H)>);

impl<H: BucketAggregate> BucketSeries<H> {
    /// Changes what a step holds.
    pub(crate) fn change(&mut self, step: i64, change: impl FnOnce(&mut H)) {
        let at = match self.0.back() {
            // Nearly always it is the newest.
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

    /// What lies in the steps from one to another, the latter not included.
    pub(crate) fn range(&self, from: i64, to: i64) -> impl Iterator<Item = &H> {
        let first = self.0.partition_point(|(step, _)| *step < from);
        let end = self.0.partition_point(|(step, _)| *step < to).max(first);
        self.0.range(first..end).map(|(_, heap)| heap)
    }

    /// The same with their steps.
    pub(crate) fn steps(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, &H)> {
        let first = self.0.partition_point(|(step, _)| *step < from);
        let end = self.0.partition_point(|(step, _)| *step < to).max(first);
        self.0.range(first..end).map(|(step, heap)| (*step, heap))
    }

    /// Forgets what lies before a step.
    pub(crate) fn forget_before(&mut self, step: i64) {
        let gone = self.0.partition_point(|(other, _)| *other < step);
        self.0.drain(..gone);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The oldest step in which something happened.
    pub(crate) fn first(&self) -> Option<i64> {
        self.0.front().map(|(step, _)| *step)
    }
}

impl BucketSeries<QuantitySum> {
    /// Sums from one step to another, the latter not included.
    pub(crate) fn sums(&self, from: i64, to: i64) -> (i128, i64) {
        self.range(from, to).fold((0, 0), |(quantity, spans), sums| (quantity + i128::from(sums.quantity), spans + sums.spans))
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
                buckets.change(step, |sums| { sums.quantity += n; sums.spans += 1; });
                let sums: &mut (i128, i64) = naive.entry(step).or_default();
                *sums = (sums.0 + i128::from(n), sums.1 + 1);
            }
            buckets.forget_before(forgotten);
            naive.retain(|step, _| *step >= forgotten);
            let expected = naive.range(from..from + length).fold((0, 0), |sum, (_, sums)| (sum.0 + sums.0, sum.1 + sums.1));
            prop_assert_eq!(buckets.sums(from, from + length), expected);
            prop_assert_eq!(buckets.first(), naive.keys().next().copied());
        }

        #[test]
        fn percentiles_are_right_to_one_per_cent(mut values in prop::collection::vec(1i64..600_000_000, 1..80), taken in prop::collection::vec(1i64..600_000_000, 0..20), part in 0.0f64..1.0) {
            let mut sketches = [DurationSketch::default(), DurationSketch::default()];
            for (index, us) in values.iter().chain(&taken).enumerate() {
                sketches[index % 2].add(*us, 1);
            }
            for (index, us) in taken.iter().enumerate() {
                sketches[(values.len() + index) % 2].add(*us, -1);
            }
            values.sort_unstable();
            let exact = values[(part * (values.len() - 1) as f64).floor() as usize] as f64;
            let (found, count) = percentile(sketches.iter(), part);
            prop_assert_eq!(count, values.len() as i64);
            let found = found.unwrap();
            prop_assert!((found - exact).abs() <= exact * 0.0101, "{} for {}", found, exact);
            let (least, greatest) = (values[0] as f64, values[values.len() - 1] as f64);
            prop_assert!((least..=greatest).contains(&found), "{} outside of {}..{}", found, least, greatest);
        }
    }
}
