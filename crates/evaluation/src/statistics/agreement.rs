//! Agreement between raters, corrected for chance.
//!
//! 1 is perfect agreement, 0 the agreement that chance alone would give, and values below 0 are systematic disagreement.

/// How far apart two labels are for [`ConfusionMatrix::cohens_kappa`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KappaWeights {
    /// All different labels are equally far apart.
    Unweighted,
    /// The distance is the number of steps between two labels in the order of the matrix.
    Linear,
    /// The distance is the square of the number of steps.
    Quadratic,
}

/// Number of items for each pair of labels that two raters gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix<L> {
    labels: Vec<L>,
    counts: Vec<u64>,
}

impl<L: Ord + Clone> ConfusionMatrix<L> {
    /// Counts pairs of labels (first rater, second rater). The labels of the matrix are all that occur, in ascending order.
    pub fn from_pairs(pairs: &[(L, L)]) -> ConfusionMatrix<L> {
        let mut labels: Vec<L> = pairs.iter().flat_map(|(first, second)| [first.clone(), second.clone()]).collect();
        labels.sort();
        labels.dedup();
        ConfusionMatrix::with_labels(labels, pairs)
    }

    /// Counts pairs of labels (first rater, second rater) in a stated order of different labels, for example that of a scale. Pairs with
    /// any other label are not counted.
    pub fn with_labels(labels: Vec<L>, pairs: &[(L, L)]) -> ConfusionMatrix<L> {
        let mut counts = vec![0; labels.len() * labels.len()];
        let place = |label: &L| labels.iter().position(|known| known == label);
        for (first, second) in pairs {
            if let (Some(row), Some(column)) = (place(first), place(second)) {
                counts[row * labels.len() + column] += 1;
            }
        }
        ConfusionMatrix { labels, counts }
    }
}

impl<L> ConfusionMatrix<L> {
    /// Returns the labels of the rows and columns.
    pub fn labels(&self) -> &[L] {
        &self.labels
    }

    /// Returns the counts by label of the first rater; each row has the counts by label of the second rater.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks(self.labels.len().max(1))
    }

    /// Returns the number of counted pairs.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the share of pairs with the same label, without a correction for chance; `None` without pairs.
    pub fn observed_agreement(&self) -> Option<f64> {
        let same: u64 = self.rows().enumerate().map(|(index, row)| row[index]).sum();
        (self.total() > 0).then(|| same as f64 / self.total() as f64)
    }

    /// Returns Cohen's kappa (1960; with weights 1968); `None` without pairs, and if both raters gave all items the same one label, because
    /// chance then explains everything.
    pub fn cohens_kappa(&self, weights: KappaWeights) -> Option<f64> {
        let size = self.labels.len();
        let row_sums: Vec<f64> = self.rows().map(|row| row.iter().sum::<u64>() as f64).collect();
        let column_sums: Vec<f64> = (0..size).map(|column| self.rows().map(|row| row[column]).sum::<u64>() as f64).collect();
        let (mut observed, mut expected) = (0.0, 0.0);
        for (index, &count) in self.counts.iter().enumerate() {
            let (row, column) = (index / size, index % size);
            let steps = row.abs_diff(column) as f64;
            let distance = match weights {
                KappaWeights::Unweighted => steps.min(1.0),
                KappaWeights::Linear => steps,
                KappaWeights::Quadratic => steps * steps,
            };
            observed += distance * count as f64;
            expected += distance * row_sums[row] * column_sums[column];
        }
        (expected > 0.0).then(|| 1.0 - observed * self.total() as f64 / expected)
    }
}

/// What the differences between ratings mean for [`krippendorffs_alpha`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasurementScale {
    /// Ratings are codes of categories without an order.
    Nominal,
    /// Ratings have an order; their distances mean nothing.
    Ordinal,
    /// Ratings are numbers, and equal differences mean the same everywhere.
    Interval,
}

/// Returns Krippendorff's alpha of any number of raters.
///
/// `items` has one row for each item, with the ratings that it received. The order of raters does not matter, so a rating that is missing
/// may be `None` or left out. Ratings that are not finite count as missing. Items with fewer than two ratings are not used.
///
/// Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011).
///
/// Returns `None` if no item has two ratings, and if all used ratings are the same.
pub fn krippendorffs_alpha(items: &[Vec<Option<f64>>], scale: MeasurementScale) -> Option<f64> {
    let mut items: Vec<Vec<f64>> = items
        .iter()
        .map(|ratings| ratings.iter().flatten().copied().filter(|rating| rating.is_finite()).collect())
        .filter(|ratings: &Vec<f64>| ratings.len() >= 2)
        .collect();
    let mut sorted: Vec<f64> = items.concat();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    if first == last {
        return None;
    }
    if scale == MeasurementScale::Ordinal {
        // The ordinal distance of two ratings is the squared difference of their mean ranks among all ratings.
        items.iter_mut().flatten().for_each(|rating| *rating = mean_rank(&sorted, *rating));
        sorted = sorted.iter().map(|rating| mean_rank(&sorted, *rating)).collect();
    }
    let disagreement = match scale {
        MeasurementScale::Nominal => different_pairs,
        MeasurementScale::Ordinal | MeasurementScale::Interval => squared_differences,
    };
    let observed: f64 = items
        .iter_mut()
        .map(|ratings| {
            ratings.sort_by(f64::total_cmp);
            disagreement(ratings) / (ratings.len() - 1) as f64
        })
        .sum();
    let expected = disagreement(&sorted) / (count - 1.0);
    (expected > 0.0).then(|| 1.0 - observed / expected)
}

/// Mean of the ranks of all ratings that are equal to this one, minus a half.
fn mean_rank(sorted: &[f64], rating: f64) -> f64 {
    let below = sorted.partition_point(|other| *other < rating);
    let up_to = sorted.partition_point(|other| *other <= rating);
    (below + up_to) as f64 / 2.0
}

/// Number of ordered pairs of different ratings.
fn different_pairs(sorted: &[f64]) -> f64 {
    let same: usize = sorted.chunk_by(|a, b| a == b).map(|group| group.len() * group.len()).sum();
    (sorted.len() * sorted.len() - same) as f64
}

/// Sum of the squared differences of all ordered pairs: 2 n times the sum of the squared distances from the mean.
fn squared_differences(ratings: &[f64]) -> f64 {
    let n = ratings.len() as f64;
    let mean = ratings.iter().sum::<f64>() / n;
    2.0 * n * ratings.iter().map(|rating| (rating - mean).powi(2)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(actual: Option<f64>, expected: f64) {
        assert!((actual.unwrap() - expected).abs() < 5e-4, "{actual:?} is not {expected}");
    }

    fn repeated(counts: &[(&'static str, &'static str, usize)]) -> Vec<(&'static str, &'static str)> {
        counts.iter().flat_map(|&(first, second, count)| vec![(first, second); count]).collect()
    }

    #[test]
    fn kappa_of_the_example_judge_is_063() {
        let pairs = repeated(&[("wrong", "wrong", 14), ("wrong", "right", 7), ("right", "right", 31), ("right", "wrong", 2)]);
        let matrix = ConfusionMatrix::from_pairs(&pairs);
        assert_eq!(matrix.labels(), ["right", "wrong"]);
        assert_eq!(matrix.rows().collect::<Vec<_>>(), [[31, 2], [7, 14]]);
        assert_near(matrix.cohens_kappa(KappaWeights::Unweighted), 0.6335);
        assert_near(matrix.observed_agreement(), 45.0 / 54.0);
    }

    #[test]
    fn near_misses_on_a_scale_count_less_with_weights() {
        let scale = vec!["bad", "fair", "good"];
        let kappa = |pairs: &[_], weights| ConfusionMatrix::with_labels(scale.clone(), pairs).cohens_kappa(weights).unwrap();
        let near = repeated(&[("bad", "bad", 5), ("fair", "good", 5), ("good", "good", 5)]);
        let far = repeated(&[("bad", "bad", 5), ("bad", "good", 5), ("good", "good", 5)]);
        assert!(kappa(&near, KappaWeights::Quadratic) > kappa(&near, KappaWeights::Linear));
        assert!(kappa(&near, KappaWeights::Linear) > kappa(&near, KappaWeights::Unweighted));
        assert!(kappa(&near, KappaWeights::Quadratic) > kappa(&far, KappaWeights::Quadratic));
    }

    #[test]
    fn pairs_with_other_labels_are_not_counted() {
        let matrix = ConfusionMatrix::with_labels(vec![1, 2], &[(1, 1), (2, 1), (3, 1), (2, 3)]);
        assert_eq!(matrix.rows().collect::<Vec<_>>(), [[1, 0], [1, 0]]);
        assert_eq!(matrix.total(), 2);
    }

    #[test]
    fn kappa_is_undefined_if_only_one_label_occurs() {
        for weights in [KappaWeights::Unweighted, KappaWeights::Linear, KappaWeights::Quadratic] {
            assert_eq!(ConfusionMatrix::from_pairs(&[("pass", "pass"); 9]).cohens_kappa(weights), None);
            assert_eq!(ConfusionMatrix::<u8>::from_pairs(&[]).cohens_kappa(weights), None);
        }
        assert_eq!(ConfusionMatrix::<u8>::from_pairs(&[]).observed_agreement(), None);
        assert_eq!(ConfusionMatrix::from_pairs(&[(1, 2); 9]).cohens_kappa(KappaWeights::Unweighted), Some(0.0));
    }

    /// Four raters, twelve items (Krippendorff 2011, section C).
    fn published_ratings() -> Vec<Vec<Option<f64>>> {
        let raters = ["1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 ."];
        let raters: Vec<Vec<Option<f64>>> =
            raters.iter().map(|ratings| ratings.split(' ').map(|rating| rating.parse().ok()).collect()).collect();
        (0..12).map(|item| raters.iter().map(|ratings| ratings[item]).collect()).collect()
    }

    #[test]
    fn alpha_is_the_published_one() {
        for (scale, expected) in
            [(MeasurementScale::Nominal, 0.743), (MeasurementScale::Ordinal, 0.815), (MeasurementScale::Interval, 0.849)]
        {
            assert_near(krippendorffs_alpha(&published_ratings(), scale), expected);
        }
    }

    #[test]
    fn missing_ratings_may_be_left_out_and_single_ratings_are_not_used() {
        let all = published_ratings();
        let mut short: Vec<Vec<Option<f64>>> =
            all.iter().map(|ratings| ratings.iter().copied().filter(Option::is_some).collect()).collect();
        short.push(vec![Some(1_000.0), Some(f64::NAN), None]);
        short.push(vec![]);
        for scale in [MeasurementScale::Nominal, MeasurementScale::Ordinal, MeasurementScale::Interval] {
            assert_eq!(krippendorffs_alpha(&short, scale), krippendorffs_alpha(&all, scale));
        }
    }

    #[test]
    fn alpha_is_undefined_without_two_ratings_or_two_values() {
        for scale in [MeasurementScale::Nominal, MeasurementScale::Ordinal, MeasurementScale::Interval] {
            assert_eq!(krippendorffs_alpha(&[], scale), None);
            assert_eq!(krippendorffs_alpha(&[vec![Some(1.0), None], vec![Some(2.0)]], scale), None);
            assert_eq!(krippendorffs_alpha(&[vec![Some(0.1); 3], vec![Some(0.1); 2], vec![Some(7.0)]], scale), None);
        }
    }
}
