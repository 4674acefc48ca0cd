//! Adjusted p-values of several tests that are read together.
//!
//! A test is significant at a level if its adjusted p-value is at most that level. The order of the results is the order of the input.

/// Returns the p-values adjusted by Holm's method (1979), which keeps the probability of any false positive at the level.
///
/// Use it where several scores gate one decision.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let order = ascending_order(p_values);
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, &index) in order.iter().enumerate() {
        let remaining = (p_values.len() - rank) as f64;
        largest = largest.max((p_values[index] * remaining).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

/// Returns the p-values adjusted by the method of Benjamini and Hochberg (1995), which keeps the expected share of false positives among
/// all positives (the false discovery rate) at the level.
///
/// Use it where many comparisons are listed and each is looked at separately.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let order = ascending_order(p_values);
    let mut adjusted = vec![0.0; p_values.len()];
    let mut smallest = 1.0_f64;
    for (rank, &index) in order.iter().enumerate().rev() {
        smallest = smallest.min(p_values[index] * p_values.len() as f64 / (rank + 1) as f64);
        adjusted[index] = smallest;
    }
    adjusted
}

fn ascending_order(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(actual: &[f64], expected: &[f64]) {
        assert_eq!(actual.len(), expected.len());
        assert!(actual.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{actual:?} {expected:?}");
    }

    #[test]
    fn adjusted_p_values_keep_the_order_of_the_input() {
        assert_close(&holm(&[0.04, 0.01, 0.03]), &[0.06, 0.03, 0.06]);
        assert_close(&benjamini_hochberg(&[0.04, 0.01, 0.03]), &[0.04, 0.03, 0.04]);
    }

    #[test]
    fn adjusted_p_values_are_at_most_one() {
        assert_close(&holm(&[0.9, 0.6]), &[1.0, 1.0]);
        assert_close(&benjamini_hochberg(&[0.9, 0.6]), &[0.9, 0.9]);
    }

    #[test]
    fn a_single_test_is_not_adjusted() {
        assert_close(&holm(&[0.02]), &[0.02]);
        assert_close(&benjamini_hochberg(&[0.02]), &[0.02]);
        assert!(holm(&[]).is_empty() && benjamini_hochberg(&[]).is_empty());
    }
}
