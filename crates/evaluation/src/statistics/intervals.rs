//! 95 % intervals of means and rates of weighted values.
//!
//! A value that was selected with the probability p has the weight 1 / p. The effective number of values is the number of equally weighted
//! values that would be as precise: the square of the sum of the weights, divided by the sum of their squares (Kish).

/// Quantile of the normal distribution for 95 % intervals.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// Sums over weighted values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WeightedSums {
    /// Sum of the weights.
    pub weight: f64,
    /// Sum of the squares of the weights.
    pub squared_weight: f64,
    /// Sum of weight times value.
    pub sum: f64,
    /// Sum of weight times the square of the value.
    pub square_sum: f64,
}

impl WeightedSums {
    /// Returns the sums over `n` values of which `positives` are 1 and the others 0, each with the weight 1.
    pub fn of_counts(positives: u64, n: u64) -> WeightedSums {
        let (positives, n) = (positives as f64, n as f64);
        WeightedSums { weight: n, squared_weight: n, sum: positives, square_sum: positives }
    }

    /// Returns the weighted mean; `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }

    /// Returns the effective number of values.
    pub fn effective_n(&self) -> f64 {
        if self.squared_weight > 0.0 { self.weight * self.weight / self.squared_weight } else { 0.0 }
    }

    /// Returns the 95 % interval of the mean by the normal approximation; `None` for fewer than two effective values.
    pub fn mean_interval(&self) -> Option<(f64, f64)> {
        let (mean, n) = (self.mean()?, self.effective_n());
        if n < 2.0 {
            return None;
        }
        let variance = (self.square_sum / self.weight - mean * mean).max(0.0);
        let half = Z * (variance / (n - 1.0)).sqrt();
        Some((mean - half, mean + half))
    }

    /// Returns the 95 % interval of the mean of values that are 0 or 1, by Wilson's method; `None` without values.
    pub fn rate_interval(&self) -> Option<(f64, f64)> {
        let (rate, n) = (self.mean()?, self.effective_n().max(1.0));
        let (center, scale) = (rate + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
        let half = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
        Some((((center - half) / scale).max(0.0), ((center + half) / scale).min(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(bad: f64, n: f64) -> (f64, f64) {
        WeightedSums { weight: n, squared_weight: n, sum: bad, square_sum: bad }.rate_interval().unwrap()
    }

    #[test]
    fn intervals_of_rates() {
        // Published values of the Wilson score interval.
        let (low, high) = rate(14.0, 21.0);
        assert!((low - 0.4537).abs() < 1e-3 && (high - 0.8281).abs() < 1e-3, "{low} {high}");
        let (low, high) = rate(0.0, 10.0);
        assert!(low == 0.0 && (high - 0.2775).abs() < 1e-3, "{low} {high}");
        // One value that stands for ten is less certain than ten values.
        let weighted = WeightedSums { weight: 11.0, squared_weight: 101.0, sum: 1.0, square_sum: 1.0 }.rate_interval().unwrap();
        assert!(weighted.1 - weighted.0 > 0.5, "{weighted:?}");
        assert_eq!(WeightedSums::default().rate_interval(), None);
    }

    #[test]
    fn intervals_of_means() {
        // 1, 2, 3, 4: mean 2.5, standard error sqrt(1.25 / 3).
        let sums = WeightedSums { weight: 4.0, squared_weight: 4.0, sum: 10.0, square_sum: 30.0 };
        let (low, high) = sums.mean_interval().unwrap();
        let half = Z * (1.25_f64 / 3.0).sqrt();
        assert!((low - (2.5 - half)).abs() < 1e-12 && (high - (2.5 + half)).abs() < 1e-12);
        assert_eq!(WeightedSums { weight: 1.0, squared_weight: 1.0, sum: 2.0, square_sum: 4.0 }.mean_interval(), None);
    }

    #[test]
    fn rate_intervals_cover_the_truth() {
        // Every possible result of 40 draws, weighted with its probability: Wilson's interval covers the truth about 95 % of the time.
        for truth in [0.1_f64, 0.3, 0.5, 0.9] {
            let mut covered = 0.0;
            let mut probability = (1.0 - truth).powi(40);
            for bad in 0..=40_u32 {
                let (low, high) = rate(f64::from(bad), 40.0);
                covered += if low <= truth && truth <= high { probability } else { 0.0 };
                probability *= f64::from(40 - bad) / f64::from(bad + 1) * truth / (1.0 - truth);
            }
            assert!((0.92..=0.985).contains(&covered), "{truth}: {covered}");
        }
    }
}
