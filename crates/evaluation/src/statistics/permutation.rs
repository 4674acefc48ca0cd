//! Permutation test of two samples: could a difference between them be chance?

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;

/// Result of a permutation test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PermutationTest {
    /// Statistic of the two samples as they are.
    pub statistic: f64,
    /// Probability of a statistic at least as large if both samples come from one distribution.
    pub p_value: f64,
    /// Number of random permutations.
    pub permutations: u32,
}

/// Tests whether a statistic of two samples is larger than chance explains.
///
/// The values are assigned to the two samples at random, `permutations` times. The p-value is (1 + the number of permutations with a
/// statistic at least as large) / (1 + `permutations`), so it is never 0 and never too small (Phipson and Smyth, 2010). For a test of both
/// directions the statistic is an absolute value. Values that belong together, such as the turns of one conversation, must be one value.
///
/// Returns `None` if a sample is empty, without permutations, and if the statistic is not a number.
pub fn permutation_test<T: Clone>(
    first: &[T],
    second: &[T],
    permutations: u32,
    seed: u64,
    statistic: impl Fn(&[T], &[T]) -> f64,
) -> Option<PermutationTest> {
    if first.is_empty() || second.is_empty() || permutations == 0 {
        return None;
    }
    let observed = statistic(first, second);
    if observed.is_nan() {
        return None;
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut pooled: Vec<T> = first.iter().chain(second).cloned().collect();
    let permuted: Vec<f64> = (0..permutations)
        .map(|_| {
            let (drawn, others) = pooled.partial_shuffle(&mut random, first.len());
            statistic(drawn, others)
        })
        .collect();
    // The same statistic, summed in another order, may differ in its last digits.
    let largest = permuted.iter().fold(observed.abs(), |largest, value| largest.max(value.abs()));
    let as_large = permuted.iter().filter(|value| **value >= observed - 1e-12 * largest).count();
    let p_value = (as_large as f64 + 1.0) / (f64::from(permutations) + 1.0);
    Some(PermutationTest { statistic: observed, p_value, permutations })
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    fn mean_difference(first: &[f64], second: &[f64]) -> f64 {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        (mean(first) - mean(second)).abs()
    }

    #[test]
    fn the_p_value_is_close_to_the_one_of_all_permutations() {
        // Of the 70 ways to split 8 values, the one as given and its mirror image have the largest difference: 2 / 70.
        let result = permutation_test(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], 20_000, 1, mean_difference).unwrap();
        assert!((result.p_value - 2.0 / 70.0).abs() < 0.004, "{result:?}");
        assert_eq!(result.statistic, 4.0);
        // Samples of different sizes: of the 10 ways to draw 2 of 5 values, only the given one has a difference of 10 / 3.
        let result = permutation_test(&[8.0, 7.0], &[5.0, 4.0, 3.5], 20_000, 1, mean_difference).unwrap();
        assert!((result.p_value - 0.1).abs() < 0.01, "{result:?}");
    }

    #[test]
    fn samples_of_the_same_values_do_not_differ() {
        let result = permutation_test(&[0.1, 0.2, 0.3], &[0.3, 0.2, 0.1], 500, 1, mean_difference).unwrap();
        assert!(result.p_value > 0.99, "{result:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_result() {
        let test = |seed| permutation_test(&[1.0, 5.0, 2.0, 9.0, 4.0], &[3.0, 8.0, 7.0, 6.0], 999, seed, mean_difference).unwrap().p_value;
        assert_eq!(test(7), test(7));
        assert_ne!(test(7), test(8));
    }

    #[test]
    fn false_positives_are_as_rare_as_the_level_says() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let mut positives = 0;
        for run in 0..2_000 {
            let mut sample = || -> Vec<f64> { (0..12).map(|_| random.random::<f64>().powi(4)).collect() };
            let (first, second) = (sample(), sample());
            positives += i32::from(permutation_test(&first, &second, 199, run, mean_difference).unwrap().p_value <= 0.05);
        }
        assert!((70..=130).contains(&positives), "{positives} of 2,000");
    }

    #[test]
    fn an_undefined_test_has_no_result() {
        assert_eq!(permutation_test(&[], &[1.0], 100, 1, mean_difference), None);
        assert_eq!(permutation_test(&[1.0], &[2.0], 0, 1, mean_difference), None);
        assert_eq!(permutation_test(&[1.0], &[f64::NAN], 100, 1, mean_difference), None);
    }
}
