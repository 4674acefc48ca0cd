//! Bootstrap intervals of the mean of paired differences, resampled by cluster.
//!
//! Items of one conversation, or results of one user, are not independent. They share a cluster, and whole clusters are drawn.

use std::collections::BTreeMap;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::normal;

/// Difference of the results of one item, after minus before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// Number of the cluster to which the item belongs; a number of its own for an independent item.
    pub cluster: u64,
    /// Result after minus result before. With several trials of an item, the difference of their means.
    pub difference: f64,
}

/// How the ends of the interval are taken from the resampled means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootstrapMethod {
    /// Quantiles of the resampled means. Use it for results that passed or failed.
    Percentile,
    /// Quantiles that are corrected for bias and skewness (BCa; Efron, 1987). Use it for skewed values, such as cost and duration.
    BiasCorrectedAccelerated,
}

/// Settings of [`bootstrap_mean`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BootstrapOptions {
    /// How the ends of the interval are computed.
    pub method: BootstrapMethod,
    /// Confidence of the two-sided interval, above 0 and below 1. Each end alone is a one-sided bound with half the error: 0.9 gives bounds
    /// for a verdict at 5 %.
    pub confidence: f64,
    /// Number of resamples.
    pub resamples: u32,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl Default for BootstrapOptions {
    fn default() -> BootstrapOptions {
        BootstrapOptions { method: BootstrapMethod::Percentile, confidence: 0.95, resamples: 5_000, seed: 1 }
    }
}

/// Mean difference with its bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BootstrapInterval {
    /// Mean over all items.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Number of clusters.
    pub clusters: usize,
}

/// Returns the mean of paired differences and its bootstrap interval. The order of the differences does not matter.
///
/// Small numbers of clusters get a wider interval, as Hesterberg (2015) describes. Of 4,000 simulated 95 % intervals with 1,000 resamples,
/// for clusters of one to three items of which 25 % change, the following share covers the truth:
///
/// | Clusters | 20 | 30 | 50 | 100 | 200 |
/// |---|---|---|---|---|---|
/// | Percentile | 89.5 % | 92.4 % | 93.5 % | 95.2 % | 94.7 % |
/// | BCa | 84.8 % | 88.4 % | 91.2 % | 94.3 % | 94.3 % |
///
/// With few clusters that change, an interval promises more than it holds.
///
/// Returns `None` with fewer than two clusters, for invalid options and for differences that are not finite. Also returns `None` if the
/// mean is the same in every cluster, for example if no item changed: every resample then has the same mean, which says nothing about how
/// sure it is.
pub fn bootstrap_mean(differences: &[PairedDifference], options: &BootstrapOptions) -> Option<BootstrapInterval> {
    let clusters = cluster_sums(differences)?;
    if options.resamples == 0 || !(options.confidence > 0.0 && options.confidence < 1.0) {
        return None;
    }
    let total = clusters.iter().fold(ClusterSum::default(), |total, cluster| total.plus(*cluster));
    let mean = total.mean();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(options.seed);
    let mut means: Vec<f64> = (0..options.resamples)
        .map(|_| {
            (0..clusters.len()).fold(ClusterSum::default(), |sum, _| sum.plus(clusters[random.random_range(0..clusters.len())])).mean()
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let tail = expanded_tail((1.0 - options.confidence) / 2.0, clusters.len())?;
    let (low, high) = match options.method {
        BootstrapMethod::Percentile => (tail, 1.0 - tail),
        BootstrapMethod::BiasCorrectedAccelerated => {
            let correction = BcaCorrection::new(&clusters, total, &means);
            (correction.level(tail), correction.level(1.0 - tail))
        }
    };
    Some(BootstrapInterval { mean, low: quantile(&means, low), high: quantile(&means, high), clusters: clusters.len() })
}

/// Sum and number of the differences of a cluster, or of several.
#[derive(Debug, Clone, Copy, Default)]
struct ClusterSum {
    sum: f64,
    count: f64,
}

impl ClusterSum {
    fn plus(self, other: ClusterSum) -> ClusterSum {
        ClusterSum { sum: self.sum + other.sum, count: self.count + other.count }
    }

    fn mean(self) -> f64 {
        self.sum / self.count
    }
}

/// Returns the clusters in an order that does not depend on the order of the input; `None` if their means do not vary.
fn cluster_sums(differences: &[PairedDifference]) -> Option<Vec<ClusterSum>> {
    let mut by_cluster: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for item in differences {
        if !item.difference.is_finite() {
            return None;
        }
        by_cluster.entry(item.cluster).or_default().push(item.difference);
    }
    let clusters: Vec<ClusterSum> = by_cluster
        .into_values()
        .map(|mut values| {
            values.sort_by(f64::total_cmp);
            ClusterSum { sum: values.iter().sum(), count: values.len() as f64 }
        })
        .collect();
    let first = clusters.first()?.mean();
    clusters.iter().any(|cluster| (cluster.mean() - first).abs() > 1e-12 * first.abs()).then_some(clusters)
}

/// Correction of the levels at which quantiles are taken.
struct BcaCorrection {
    bias: f64,
    acceleration: f64,
}

impl BcaCorrection {
    fn new(clusters: &[ClusterSum], total: ClusterSum, means: &[f64]) -> BcaCorrection {
        let mean = total.mean();
        // Binary results have many resamples with exactly the mean: half of them count as below. Sums in another order differ in the last
        // digits.
        let margin = 1e-12 * (1.0 + mean.abs());
        let below = means.partition_point(|resampled| *resampled < mean - margin);
        let up_to = means.partition_point(|resampled| *resampled <= mean + margin);
        let share = (below + up_to) as f64 / (2.0 * means.len() as f64);
        // Without a resample on one side the bias would be infinite.
        let half_step = 0.5 / means.len() as f64;
        let bias = normal::quantile(share.clamp(half_step, 1.0 - half_step));
        let without: Vec<f64> = clusters.iter().map(|cluster| (total.sum - cluster.sum) / (total.count - cluster.count)).collect();
        let center = without.iter().sum::<f64>() / without.len() as f64;
        let (squares, cubes) = without.iter().fold((0.0, 0.0), |(squares, cubes), value| {
            let distance = center - value;
            (squares + distance * distance, cubes + distance.powi(3))
        });
        let acceleration = if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 };
        BcaCorrection { bias, acceleration }
    }

    /// Returns the level of the resampled means that stands for a level of the interval.
    fn level(&self, level: f64) -> f64 {
        let shifted = self.bias + normal::quantile(level);
        let shrinking = 1.0 - self.acceleration * shifted;
        // Beyond this point the correction turns around.
        if shrinking <= 0.0 { f64::from(shifted > 0.0) } else { normal::cumulative(self.bias + shifted / shrinking) }
    }
}

/// Returns the tail of the resampled means at which the end of an interval with this tail is.
///
/// Resampled means vary less than means of new samples, by the factor (n - 1) / n in the variance, and n clusters do not know their
/// variance exactly (Hesterberg, What Teachers Should Know About the Bootstrap, 2015).
fn expanded_tail(tail: f64, clusters: usize) -> Option<f64> {
    let n = clusters as f64;
    Some(normal::cumulative((n / (n - 1.0)).sqrt() * normal::t_quantile(tail, n - 1.0)?))
}

/// Returns the quantile of sorted values, interpolated between neighbors.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = level * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests;
