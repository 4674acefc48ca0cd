//! Compact histograms of durations. Percentiles can be computed for any union of histograms.

use serde::{Deserialize, Serialize};

/// Ratio of the widths of neighboring bins: the middle of a bin is within one percent of every value in it.
const BIN_RATIO: f64 = 1.02;

/// Number of values in each bin of a logarithmic scale. Only non-empty bins are stored: an hourly cell has a handful of values, for which
/// the dense arrays of common libraries would take kilobytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DurationHistogram(
    /// Number of each bin and the number of its values, ascending by bin. Bin 0 contains zero and negative values.
    Vec<(u16, u32)>,
);

impl DurationHistogram {
    /// Returns the number of values.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, values)| u64::from(*values)).sum()
    }

    /// Creates a histogram from the bin of each value, in any order.
    pub(super) fn from_bins(mut bins: Vec<u16>) -> DurationHistogram {
        bins.sort_unstable();
        DurationHistogram(
            bins.chunk_by(|one, next| one == next).map(|alike| (alike[0], u32::try_from(alike.len()).unwrap_or(u32::MAX))).collect(),
        )
    }
}

impl From<DenseDurationHistogram> for DurationHistogram {
    fn from(spread: DenseDurationHistogram) -> DurationHistogram {
        let some = (0u16..).zip(spread.counts).filter(|(_, count)| *count > 0);
        DurationHistogram(some.map(|(bin, count)| (bin, u32::try_from(count).unwrap_or(u32::MAX))).collect())
    }
}

impl DurationHistogram {
    /// Returns the non-empty bins and the number of values in each, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        self.0.iter().copied()
    }
}

/// Returns the value below which a share of some values is, interpolated between neighbors like in a sorted list; `None` if there are no
/// values. `bins` must be ascending. The result differs by at most one percent from the result for the sorted list. If the range of the
/// values is known, the result is within this range.
pub fn percentile(bins: impl Iterator<Item = (u16, u64)> + Clone, share: f64, range: Option<(i64, i64)>) -> Option<f64> {
    let total: u64 = bins.clone().map(|(_, count)| count).sum();
    let rank = share.clamp(0.0, 1.0) * total.checked_sub(1)? as f64;
    let (below, between) = (rank.floor() as u64, rank.fract());
    let value_at = |rank: u64| {
        let mut before = 0;
        let bin = bins.clone().find(|(_, count)| {
            before += count;
            rank < before
        });
        bin.map(|(bin, _)| bin_middle(usize::from(bin)))
    };
    let lower = value_at(below)?;
    let value = if between == 0.0 { lower } else { lower + (value_at(below + 1)? - lower) * between };
    Some(range.map_or(value, |(least, greatest)| value.clamp(least as f64, greatest as f64)))
}

/// The union of many [`DurationHistogram`]s.
#[derive(Debug, Clone, Default)]
pub struct DenseDurationHistogram {
    counts: Vec<u64>,
}

impl DenseDurationHistogram {
    /// Adds all values of a histogram.
    pub fn add(&mut self, bins: &DurationHistogram) {
        if let Some((last, _)) = bins.0.last().filter(|(last, _)| usize::from(*last) >= self.counts.len()) {
            self.counts.resize(usize::from(*last) + 1, 0);
        }
        for (bin, count) in &bins.0 {
            self.counts[usize::from(*bin)] += u64::from(*count);
        }
    }

    /// Adds values of one bin.
    pub fn add_count(&mut self, bin: u16, count: u64) {
        let bin = usize::from(bin);
        if bin >= self.counts.len() {
            self.counts.resize(bin + 1, 0);
        }
        self.counts[bin] += count;
    }

    /// Adds one value.
    pub fn add_value(&mut self, value: i64) {
        self.add_count(bin_index(value), 1);
    }

    /// Returns a percentile of all values. `range` is the range of the values if it is known: see [`percentile`].
    pub fn percentile(&self, share: f64, range: Option<(i64, i64)>) -> Option<f64> {
        percentile((0u16..).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0), share, range)
    }
}

/// Returns the bin of a value.
pub(super) fn bin_index(value: i64) -> u16 {
    if value <= 0 {
        return 0;
    }
    // 2^63 is in bin 2206.
    ((value as f64).ln() / BIN_RATIO.ln()).ceil() as u16 + 1
}

fn bin_middle(bin: usize) -> f64 {
    if bin == 0 { 0.0 } else { BIN_RATIO.powi(bin as i32 - 1) * 2.0 / (1.0 + BIN_RATIO) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[i64]) -> DurationHistogram {
        DurationHistogram::from_bins(values.iter().map(|value| bin_index(*value)).collect())
    }

    fn exact(values: &mut [i64], share: f64) -> f64 {
        values.sort_unstable();
        let rank = share * (values.len() - 1) as f64;
        let (low, high) = (values[rank.floor() as usize] as f64, values[rank.ceil() as usize] as f64);
        low + (high - low) * rank.fract()
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_per_cent(
            values in prop::collection::vec(prop_oneof![0i64..2000, 0i64..100_000_000_000], 1..200), share in 0.0f64..=1.0, cut: prop::sample::Index,
        ) {
            let mut values = values;
            let (one, other) = values.split_at(cut.index(values.len()));
            let mut merged = DenseDurationHistogram::default();
            [one, other].iter().for_each(|part| merged.add(&of(part)));
            let kept = DurationHistogram::from(merged.clone());
            let mut again = DenseDurationHistogram::default();
            again.add(&kept);
            prop_assert_eq!(again.percentile(share, None), merged.percentile(share, None));
            let (found, exact) = (merged.percentile(share, None).unwrap(), exact(&mut values, share));
            prop_assert!((found - exact).abs() <= exact * 0.01 + 1e-9, "{} instead of {}", found, exact);
        }
    }

    #[test]
    fn percentiles_lie_within_the_range_of_the_values() {
        let mut spread = DenseDurationHistogram::default();
        spread.add(&of(&[1_000_000; 9]));
        assert!(spread.percentile(0.5, None).is_some_and(|value| value < 1_000_000.0), "the middle of its bin");
        assert_eq!(spread.percentile(0.5, Some((1_000_000, 1_000_000))), Some(1_000_000.0));
    }

    #[test]
    fn empty_histogram_has_no_percentile_and_extremes_have_bins() {
        let middle = |values: &[i64]| {
            let mut spread = DenseDurationHistogram::default();
            spread.add(&of(values));
            spread.percentile(0.5, None)
        };
        assert_eq!(middle(&[]), None);
        assert_eq!(middle(&[i64::MIN]), Some(0.0));
        assert!(middle(&[i64::MAX]).unwrap() > 9e18);
    }
}
