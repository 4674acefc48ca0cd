//! The standard normal distribution.

use statrs::distribution::{ContinuousCDF, Normal};

/// Returns the probability of values of at most `x`.
pub(super) fn cumulative(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

/// Returns the value below which the share `probability` of all values is; infinite for 0 and 1.
pub(super) fn quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_published_ones() {
        for (probability, expected) in [(0.975, 1.959_963_984_540_054), (0.8, 0.841_621_233_572_914_3), (0.05, -1.644_853_626_951_472_7)] {
            assert!((quantile(probability) - expected).abs() < 1e-9, "{probability}: {}", quantile(probability));
            assert!((cumulative(expected) - probability).abs() < 1e-9, "{expected}: {}", cumulative(expected));
        }
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }
}
