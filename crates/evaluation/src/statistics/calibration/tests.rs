use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::*;

/// The example of the documentation: 21 wrong answers, of which the judge finds 14, and 33 right ones, of which it passes 31.
fn example() -> JudgeCalibration {
    JudgeCalibration { true_positives: 14, false_negatives: 7, true_negatives: 31, false_positives: 2 }
}

fn with_rates(sensitivity: f64, specificity: f64, labels: u64) -> JudgeCalibration {
    let (found, passed) = ((sensitivity * labels as f64).round() as u64, (specificity * labels as f64).round() as u64);
    JudgeCalibration { true_positives: found, false_negatives: labels - found, true_negatives: passed, false_positives: labels - passed }
}

fn assert_near(actual: f64, expected: f64, tolerance: f64) {
    assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected}");
}

#[test]
fn sensitivity_and_specificity_have_wilson_intervals() {
    let (sensitivity, specificity) = (example().sensitivity().unwrap(), example().specificity().unwrap());
    assert_near(sensitivity.rate, 0.667, 1e-3);
    assert_near(sensitivity.low, 0.454, 1e-3);
    assert_near(sensitivity.high, 0.828, 1e-3);
    assert_near(specificity.rate, 0.939, 1e-3);
    assert_near(specificity.low, 0.804, 1e-3);
    assert_near(specificity.high, 0.983, 1e-3);
    assert_eq!((sensitivity.n, specificity.n), (21, 33));
    assert_eq!(JudgeCalibration { true_negatives: 3, ..JudgeCalibration::default() }.sensitivity(), None);
}

#[test]
fn a_judge_is_calibrated_with_fifty_labels_of_each_class() {
    assert!(!example().is_calibrated());
    let enough = JudgeCalibration { true_positives: 30, false_negatives: 20, true_negatives: 45, false_positives: 5 };
    assert!(enough.is_calibrated());
    assert!(!JudgeCalibration { false_negatives: 19, ..enough }.is_calibrated());
    assert!(!JudgeCalibration { false_positives: 4, ..enough }.is_calibrated());
}

#[test]
fn pairs_of_labels_are_counted_by_people_first() {
    let pairs = [(true, true), (true, false), (true, false), (false, false), (false, true), (false, false), (false, false)];
    let expected = JudgeCalibration { true_positives: 1, false_negatives: 2, true_negatives: 3, false_positives: 1 };
    assert_eq!(JudgeCalibration::from_pairs(pairs), expected);
}

#[test]
fn a_judged_pass_rate_of_74_percent_is_about_67() {
    let passed = example().corrected_rate(&WeightedSums::of_counts(260, 1_000)).unwrap().complement();
    assert_near(passed.rate, 0.671, 1e-3);
    assert!(passed.is_consistent && passed.low < 0.6 && passed.high > 0.75, "{passed:?}");
}

#[test]
fn the_rate_of_a_perfect_judge_with_many_labels_is_the_observed_one() {
    let observed = WeightedSums::of_counts(30, 100);
    let corrected = with_rates(1.0, 1.0, 100_000_000).corrected_rate(&observed).unwrap();
    let (low, high) = observed.rate_interval().unwrap();
    assert_near(corrected.rate, 0.3, 1e-9);
    assert_near(corrected.low, low, 1e-5);
    assert_near(corrected.high, high, 1e-5);
}

#[test]
fn corrected_intervals_are_those_of_a_second_implementation() {
    // The score test in NumPy (bisection for the constrained rates), inverted with scipy.optimize.brentq.
    let cases = [
        ((260, 1_000), (14, 21), (2, 33), (0.127_999_380_889, 0.527_465_163_311)),
        ((30, 100), (45, 50), (5, 50), (0.089_047_390_981, 0.388_615_268_777)),
        ((3, 400), (180, 200), (1, 200), (0.0, 0.019_690_941_084)),
        ((70, 300), (48, 50), (16, 50), (0.0, 0.050_558_604_906)),
        ((0, 100), (50, 50), (0, 60), (0.0, 0.036_993_498_207)),
    ];
    for ((positives, n), (found, wrong), (alarms, right), (low, high)) in cases {
        let calibration = JudgeCalibration {
            true_positives: found,
            false_negatives: wrong - found,
            true_negatives: right - alarms,
            false_positives: alarms,
        };
        let corrected = calibration.corrected_rate(&WeightedSums::of_counts(positives, n)).unwrap();
        assert_near(corrected.low, low, 1e-8);
        assert_near(corrected.high, high, 1e-8);
    }
}

#[test]
fn fewer_labels_and_unequal_weights_make_the_interval_wider() {
    let width = |labels, observed| {
        let corrected = with_rates(0.8, 0.9, labels).corrected_rate(&observed).unwrap();
        corrected.high - corrected.low
    };
    let equal = WeightedSums::of_counts(300, 1_000);
    let weighted = WeightedSums { squared_weight: 10_000.0, ..equal };
    assert!(width(50, equal) > 1.3 * width(200, equal));
    assert!(width(200, weighted) > 1.3 * width(200, equal));
}

#[test]
fn a_judge_that_is_not_better_than_chance_corrects_nothing() {
    let observed = WeightedSums::of_counts(30, 100);
    assert_eq!(with_rates(0.5, 0.5, 100).corrected_rate(&observed), None);
    assert_eq!(with_rates(0.3, 0.6, 100).corrected_rate(&observed), None);
    assert_eq!(with_rates(0.8, 0.8, 100).corrected_rate(&WeightedSums::default()), None);
    assert_eq!(JudgeCalibration { true_positives: 9, ..JudgeCalibration::default() }.corrected_rate(&observed), None);
    // Slightly better than chance: the rate could be nearly anything.
    let vague = with_rates(0.52, 0.5, 50).corrected_rate(&observed).unwrap();
    assert_eq!((vague.low, vague.high), (0.0, 1.0));
}

#[test]
fn the_interval_stays_within_zero_and_one_and_contains_the_rate() {
    for (sensitivity, specificity) in [(1.0, 1.0), (0.67, 0.97), (0.97, 0.5), (0.2, 0.9), (1.0, 0.02), (0.02, 1.0)] {
        for labels in [1, 3, 50, 10_000] {
            for (positives, n) in [(0, 1), (1, 1), (0, 500), (1, 500), (250, 500), (499, 500), (500, 500)] {
                let observed = WeightedSums::of_counts(positives, n);
                let Some(corrected) = with_rates(sensitivity, specificity, labels).corrected_rate(&observed) else { continue };
                let CorrectedRate { rate, low, high, .. } = corrected;
                assert!(0.0 <= low && low <= rate && rate <= high && high <= 1.0 && low < high, "{labels} {positives}/{n}: {corrected:?}");
            }
        }
    }
}

#[test]
fn a_rate_far_below_the_false_alarms_contradicts_the_calibration() {
    let corrected = with_rates(0.9, 0.7, 200).corrected_rate(&WeightedSums::of_counts(5, 500)).unwrap();
    assert!(!corrected.is_consistent && corrected.rate == 0.0 && corrected.low == 0.0, "{corrected:?}");
    assert!(corrected.high > 0.001 && corrected.high < 0.1, "{corrected:?}");
    let corrected = with_rates(0.7, 0.9, 200).corrected_rate(&WeightedSums::of_counts(495, 500)).unwrap();
    assert!(!corrected.is_consistent && corrected.high == 1.0 && corrected.low > 0.9, "{corrected:?}");
}

/// What a simulation draws from.
#[derive(Debug, Clone, Copy)]
struct SimulatedSetting {
    true_rate: f64,
    sensitivity: f64,
    specificity: f64,
    labels: u64,
    items: u64,
}

impl SimulatedSetting {
    /// Returns how often the interval covers the true rate.
    fn coverage(&self, runs: u32, random: &mut Xoshiro256PlusPlus) -> f64 {
        let judged = self.true_rate * self.sensitivity + (1.0 - self.true_rate) * (1.0 - self.specificity);
        let mut count = |n: u64, probability: f64| (0..n).map(|_| u64::from(random.random::<f64>() < probability)).sum::<u64>();
        let mut covered = 0;
        for _ in 0..runs {
            let (found, passed) = (count(self.labels, self.sensitivity), count(self.labels, self.specificity));
            let calibration = JudgeCalibration {
                true_positives: found,
                false_negatives: self.labels - found,
                true_negatives: passed,
                false_positives: self.labels - passed,
            };
            let observed = WeightedSums::of_counts(count(self.items, judged), self.items);
            let corrected = calibration.corrected_rate(&observed);
            covered += u32::from(corrected.is_some_and(|interval| interval.low <= self.true_rate && self.true_rate <= interval.high));
        }
        f64::from(covered) / f64::from(runs)
    }
}

#[test]
fn corrected_intervals_cover_the_truth_in_95_percent_of_simulations() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(2_014);
    let settings = [
        (0.05, 0.67, 0.67, 50, 100),
        (0.05, 0.67, 0.97, 50, 1_000),
        (0.05, 0.97, 0.97, 200, 1_000),
        (0.05, 0.9, 0.9, 100, 300),
        (0.1, 0.8, 0.97, 100, 1_000),
        (0.1, 0.97, 0.67, 50, 300),
        (0.3, 0.67, 0.9, 100, 300),
        (0.3, 0.9, 0.8, 200, 1_000),
        (0.5, 0.67, 0.67, 50, 1_000),
        (0.5, 0.97, 0.97, 100, 100),
        (0.7, 0.67, 0.97, 50, 300),
        (0.7, 0.9, 0.9, 100, 1_000),
        (0.9, 0.67, 0.67, 200, 300),
        (0.9, 0.67, 0.97, 50, 100),
        (0.9, 0.97, 0.8, 50, 1_000),
        (0.9, 0.97, 0.97, 200, 100),
    ];
    for (true_rate, sensitivity, specificity, labels, items) in settings {
        let setting = SimulatedSetting { true_rate, sensitivity, specificity, labels, items };
        let coverage = setting.coverage(2_000, &mut random);
        assert!((0.935..=0.965).contains(&coverage), "{setting:?}: {coverage}");
    }
}

/// The measurement behind the figures in the documentation of [`JudgeCalibration::corrected_rate`].
#[test]
#[ignore = "takes minutes"]
fn corrected_intervals_cover_the_truth_over_the_whole_range() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1_978);
    let mut coverages = Vec::new();
    for true_rate in [0.05, 0.1, 0.3, 0.5, 0.7, 0.9] {
        for sensitivity in [0.67, 0.8, 0.9, 0.97] {
            for specificity in [0.67, 0.8, 0.9, 0.97] {
                for labels in [50, 100, 200] {
                    for items in [100, 300, 1_000] {
                        let setting = SimulatedSetting { true_rate, sensitivity, specificity, labels, items };
                        coverages.push(setting.coverage(10_000, &mut random));
                    }
                }
            }
        }
    }
    coverages.sort_by(f64::total_cmp);
    let mean = coverages.iter().sum::<f64>() / coverages.len() as f64;
    let outside = coverages.iter().filter(|coverage| (*coverage - 0.95).abs() > 0.015).count();
    let (smallest, largest) = (coverages[0], coverages[coverages.len() - 1]);
    assert!(
        (mean - 0.95).abs() < 0.002 && outside <= 10,
        "mean {mean}, {smallest} to {largest}, {outside} settings differ by more than 1.5 points"
    );
    assert!(smallest > 0.934 && largest < 0.972, "mean {mean}, {smallest} to {largest}, {outside} settings differ by more than 1.5 points");
}
