//! Distributions: the difference between two histograms, and percentiles over many.

use serde::{Deserialize, Serialize};

/// A histogram of values.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Histogram {
    /// Number of values.
    pub count: u64,
    /// Sum of the values, if it was sent.
    pub sum: Option<f64>,
    /// Smallest value, if it was sent.
    pub min: Option<f64>,
    /// Largest value, if it was sent.
    pub max: Option<f64>,
    /// Number of values in each bucket.
    pub buckets: HistogramBuckets,
}

/// Buckets of a histogram with the number of values in each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum HistogramBuckets {
    /// The buckets are unknown.
    #[default]
    None,
    /// Buckets between bounds. There is one more bucket than there are bounds. A value that is equal to a bound is in the bucket below it.
    Explicit {
        /// Bounds in ascending order.
        bounds: Vec<f64>,
        /// Number of values in each bucket.
        counts: Vec<u64>,
    },
    /// Buckets between powers of 2^(2^-scale).
    Exponential {
        /// Resolution: each power of two has 2^scale buckets.
        scale: i32,
        /// Number of values that count as zero.
        zero: u64,
        /// Buckets of positive values.
        positive: ExponentialBuckets,
        /// Buckets of negative values.
        negative: ExponentialBuckets,
    },
}

/// One side of an exponential histogram: counts from a first power on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExponentialBuckets {
    /// Power at which the first bucket begins.
    pub offset: i32,
    /// Number of values in each bucket.
    pub counts: Vec<u64>,
}

impl ExponentialBuckets {
    /// Returns the same counts in buckets that are `2^by` times as wide on the logarithmic scale.
    fn at_coarser_scale(&self, by: u32) -> ExponentialBuckets {
        let index = |at: usize| (i64::from(self.offset) + at as i64) >> by.min(62);
        let first = index(0);
        let mut counts: Vec<u64> = Vec::new();
        for (at, count) in self.counts.iter().enumerate() {
            let place = usize::try_from(index(at) - first).unwrap_or(0);
            if counts.len() <= place {
                counts.resize(place + 1, 0);
            }
            counts[place] += count;
        }
        ExponentialBuckets { offset: i32::try_from(first).unwrap_or(0), counts }
    }

    fn at(&self, power: i64) -> u64 {
        usize::try_from(power - i64::from(self.offset)).ok().and_then(|at| self.counts.get(at).copied()).unwrap_or(0)
    }

    /// Returns the counts that were added since an earlier state; `None` if the earlier state has more.
    fn increase_since(&self, earlier: &ExponentialBuckets) -> Option<ExponentialBuckets> {
        let known: u64 = (0..self.counts.len()).map(|at| earlier.at(i64::from(self.offset) + at as i64)).sum();
        if known < earlier.counts.iter().sum() {
            return None;
        }
        let counts = self.counts.iter().enumerate();
        let counts = counts.map(|(at, count)| count.checked_sub(earlier.at(i64::from(self.offset) + at as i64)));
        Some(ExponentialBuckets { offset: self.offset, counts: counts.collect::<Option<_>>()? })
    }
}

impl Histogram {
    /// Returns the values that were added since an earlier state of the same histogram; `None` if the other histogram is not an earlier
    /// state, because counting has restarted.
    pub fn increase_since(&self, earlier: &Histogram) -> Option<Histogram> {
        let count = self.count.checked_sub(earlier.count)?;
        let buckets = match (&self.buckets, &earlier.buckets) {
            (HistogramBuckets::Explicit { bounds, counts }, HistogramBuckets::Explicit { bounds: before, counts: known })
                if bounds == before =>
            {
                let counts = counts.iter().zip(known).map(|(count, known)| count.checked_sub(*known)).collect::<Option<_>>()?;
                HistogramBuckets::Explicit { bounds: bounds.clone(), counts }
            }
            (
                HistogramBuckets::Exponential { scale, zero, positive, negative },
                HistogramBuckets::Exponential { scale: known_scale, zero: known_zero, positive: known_positive, negative: known_negative },
            ) => {
                // The scale of a histogram decreases as its range grows.
                let common = *scale.min(known_scale);
                let now = (scale - common).unsigned_abs();
                let then = (known_scale - common).unsigned_abs();
                HistogramBuckets::Exponential {
                    scale: common,
                    zero: zero.checked_sub(*known_zero)?,
                    positive: positive.at_coarser_scale(now).increase_since(&known_positive.at_coarser_scale(then))?,
                    negative: negative.at_coarser_scale(now).increase_since(&known_negative.at_coarser_scale(then))?,
                }
            }
            _ => HistogramBuckets::None,
        };
        // Minimum and maximum are over all values, including those before.
        Some(Histogram { count, sum: self.sum.zip(earlier.sum).map(|(now, then)| now - then), min: None, max: None, buckets })
    }
}

/// Values of many histograms.
#[derive(Debug, Clone, Default)]
pub struct MergedDistribution {
    /// Lower bound, upper bound and number of values.
    range_counts: Vec<(f64, f64, u64)>,
    count: u64,
    sum: f64,
    /// Number of values whose sum is unknown.
    unknown_sum_count: u64,
    /// Number of values whose bucket is unknown.
    unknown_bucket_count: u64,
}

/// Number of steps of the binary search for a percentile.
const SEARCH_STEPS: usize = 64;

impl MergedDistribution {
    /// Adds the values of a histogram.
    pub fn add(&mut self, histogram: &Histogram) {
        self.count += histogram.count;
        match histogram.sum {
            Some(sum) => self.sum += sum,
            None => self.unknown_sum_count += histogram.count,
        }
        let known = self.range_counts.iter().map(|(.., count)| count).sum::<u64>();
        let (min, max) = (histogram.min, histogram.max);
        let mut add = |low: f64, high: f64, count: u64| {
            if count > 0 {
                let low = min.filter(|min| *min > low && *min <= high).unwrap_or(low);
                let high = max.filter(|max| *max < high && *max >= low).unwrap_or(high);
                // Only one bound is known below the first and above the last one.
                let (low, high) = (if low.is_finite() { low } else { high }, if high.is_finite() { high } else { low });
                if low.is_finite() && high.is_finite() {
                    self.range_counts.push((low, high, count));
                }
            }
        };
        match &histogram.buckets {
            HistogramBuckets::None => {}
            HistogramBuckets::Explicit { bounds, counts } => {
                for (at, count) in counts.iter().enumerate() {
                    let high = bounds.get(at).copied().unwrap_or(f64::INFINITY);
                    // Most measured values are positive.
                    let first = if high > 0.0 { 0.0 } else { f64::NEG_INFINITY };
                    let low = at.checked_sub(1).and_then(|before| bounds.get(before).copied()).unwrap_or(first);
                    add(low, high, *count);
                }
            }
            HistogramBuckets::Exponential { scale, zero, positive, negative } => {
                let bound = |half: &ExponentialBuckets, at: usize| {
                    let power = i64::from(half.offset) + at as i64;
                    (power as f64 * (-f64::from(*scale)).exp2()).exp2()
                };
                for (at, count) in negative.counts.iter().enumerate() {
                    add(-bound(negative, at + 1), -bound(negative, at), *count);
                }
                add(0.0, 0.0, *zero);
                for (at, count) in positive.counts.iter().enumerate() {
                    add(bound(positive, at), bound(positive, at + 1), *count);
                }
            }
        }
        let placed = self.range_counts.iter().map(|(.., count)| count).sum::<u64>() - known;
        self.unknown_bucket_count += histogram.count.saturating_sub(placed);
    }

    /// Returns the number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the sum of the values; `None` if the sum of some histograms is unknown.
    pub fn sum(&self) -> Option<f64> {
        (self.unknown_sum_count == 0).then_some(self.sum)
    }

    /// Returns the mean; `None` if there are no values.
    pub fn mean(&self) -> Option<f64> {
        self.sum().filter(|_| self.count > 0).map(|sum| sum / self.count as f64)
    }

    /// Returns a quantile, assuming an even distribution within each bucket; `None` if there are no values, or the buckets of some
    /// histograms are unknown.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        if self.range_counts.is_empty() || self.unknown_bucket_count > 0 {
            return None;
        }
        let total: u64 = self.range_counts.iter().map(|(.., count)| count).sum();
        let wanted = part.clamp(0.0, 1.0) * total as f64;
        let below = |value: f64| -> f64 {
            let share = |low: f64, high: f64| if value >= high { 1.0 } else { ((value - low) / (high - low)).clamp(0.0, 1.0) };
            self.range_counts.iter().map(|(low, high, count)| share(*low, *high) * *count as f64).sum()
        };
        let mut low = self.range_counts.iter().map(|(low, ..)| *low).fold(f64::INFINITY, f64::min);
        let mut high = self.range_counts.iter().map(|(_, high, _)| *high).fold(f64::NEG_INFINITY, f64::max);
        for _ in 0..SEARCH_STEPS {
            let middle = low + (high - low) / 2.0;
            if below(middle) < wanted { low = middle } else { high = middle }
        }
        Some(high)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn explicit(counts: [u64; 4]) -> Histogram {
        let count = counts.iter().sum();
        let buckets = HistogramBuckets::Explicit { bounds: vec![1.0, 2.0, 4.0], counts: counts.to_vec() };
        Histogram { count, sum: Some(count as f64), buckets, ..Histogram::default() }
    }

    fn exponential(scale: i32, offset: i32, counts: &[u64]) -> Histogram {
        let positive = ExponentialBuckets { offset, counts: counts.to_vec() };
        let buckets = HistogramBuckets::Exponential { scale, zero: 0, positive, negative: ExponentialBuckets::default() };
        Histogram { count: counts.iter().sum(), buckets, ..Histogram::default() }
    }

    fn of(histograms: &[Histogram]) -> MergedDistribution {
        let mut all = MergedDistribution::default();
        histograms.iter().for_each(|histogram| all.add(histogram));
        all
    }

    fn is_near(found: Option<f64>, wanted: f64) -> bool {
        found.is_some_and(|found| (found - wanted).abs() < 1e-6)
    }

    #[test]
    fn percentiles_within_buckets() {
        let all = of(&[explicit([10, 10, 0, 0])]);
        assert!(is_near(all.quantile(0.5), 1.0), "{:?}", all.quantile(0.5));
        assert!(is_near(all.quantile(0.75), 1.5));
        assert!(is_near(of(&[explicit([0, 0, 0, 5])]).quantile(0.5), 4.0), "past the last bound that bound is all one knows");
        let known = Histogram { min: Some(0.5), max: Some(9.0), ..explicit([1, 0, 0, 1]) };
        let known = of(&[known]);
        assert!(is_near(known.quantile(1.0), 9.0) && is_near(known.quantile(0.0), 0.5));
        assert_eq!(of(&[]).quantile(0.5), None);
        assert_eq!(of(&[Histogram { count: 3, sum: Some(6.0), ..Histogram::default() }]).quantile(0.5), None);
        assert_eq!(of(&[Histogram { count: 3, sum: Some(6.0), ..Histogram::default() }]).mean(), Some(2.0));
    }

    #[test]
    fn exponential_buckets_of_any_scale() {
        // Scale 0: (4, 8].
        assert!(is_near(of(&[exponential(0, 2, &[4])]).quantile(0.5), 6.0));
        // Scale -1: (4, 16]; scale 1: (2, 2.83], (2.83, 4].
        assert!(is_near(of(&[exponential(-1, 1, &[1])]).quantile(1.0), 16.0));
        assert!(is_near(of(&[exponential(1, 2, &[1, 1])]).quantile(1.0), 4.0));
    }

    #[test]
    fn histogram_increase_between_two_points() {
        let between = explicit([3, 5, 1, 0]).increase_since(&explicit([1, 5, 0, 0])).unwrap();
        assert_eq!(between.buckets, HistogramBuckets::Explicit { bounds: vec![1.0, 2.0, 4.0], counts: vec![2, 0, 1, 0] });
        assert_eq!((between.count, between.sum), (3, Some(3.0)));
        assert_eq!(explicit([0, 1, 0, 0]).increase_since(&explicit([1, 0, 0, 0])), None, "fewer than before: it began anew");
        assert_eq!(explicit([1, 0, 0, 0]).increase_since(&explicit([2, 0, 0, 0])), None);
        // The buckets have become twice as wide: (1, 2] and (2, 4] at scale 0 are (1, 4] at scale -1.
        let between = exponential(-1, 0, &[5]).increase_since(&exponential(0, 0, &[1, 2])).unwrap();
        let HistogramBuckets::Exponential { scale, positive, .. } = between.buckets else { panic!("exponential") };
        assert_eq!((scale, positive), (-1, ExponentialBuckets { offset: 0, counts: vec![2] }));
        assert_eq!(exponential(0, 4, &[9]).increase_since(&exponential(0, 0, &[1])), None, "what was there is gone");
    }

    proptest! {
        #[test]
        fn quantiles_rise_and_stay_within(counts in proptest::collection::vec(0u64..1_000, 4), scale in -10i32..=20, offset in -500i32..500) {
            let counts: [u64; 4] = counts.try_into().unwrap();
            for all in [of(&[explicit(counts)]), of(&[exponential(scale, offset, &counts), explicit(counts)])] {
                let found: Vec<_> = [0.0, 0.5, 0.95, 0.99, 1.0].iter().filter_map(|part| all.quantile(*part)).collect();
                prop_assert!(found.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", found);
                // Values out of range are in no bucket.
                prop_assert!(found.is_empty() || counts.iter().sum::<u64>() > 0);
            }
        }

        #[test]
        fn the_parts_make_the_whole(a in proptest::collection::vec(0u64..1_000, 4), b in proptest::collection::vec(0u64..1_000, 4), scales in (-4i32..4, 0u32..4)) {
            let whole: Vec<u64> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
            let (then, now) = (exponential(scales.0, 3, &a), exponential(scales.0, 3, &whole));
            let between = now.increase_since(&then).unwrap();
            prop_assert_eq!(between.count, b.iter().sum::<u64>());
            prop_assert_eq!(then.increase_since(&Histogram { buckets: exponential(0, 0, &[]).buckets, ..Histogram::default() }).unwrap().count, then.count);
        }
    }
}
