//! The standard normal distribution and Student's t distribution.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Returns the probability of values of at most `x`.
pub(super) fn cumulative(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

/// Returns the value below which the share `probability` of all values is; infinite for 0 and 1.
pub(super) fn quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// Returns the value below which the share `probability` of Student's t distribution is; `None` without degrees of freedom.
pub(super) fn t_quantile(probability: f64, degrees_of_freedom: f64) -> Option<f64> {
    Some(StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?.inverse_cdf(probability))
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

    #[test]
    fn quantiles_of_the_t_distribution_are_the_published_ones() {
        for (degrees, expected) in [(1.0, 12.706_204_736), (19.0, 2.093_024_054), (99.0, 1.984_216_952)] {
            let quantile = t_quantile(0.975, degrees).unwrap();
            assert!((quantile - expected).abs() < 1e-6, "{degrees}: {quantile}");
        }
        assert_eq!(t_quantile(0.975, 0.0), None);
    }
}
