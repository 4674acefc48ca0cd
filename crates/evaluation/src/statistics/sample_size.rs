//! How many items a comparison of paired binary results needs, and what a number of items can detect.
//!
//! Each item has a result (passed or failed) before and after. The flip rate is the share of items whose result changes in either
//! direction. The difference of the two pass rates then has the variance (flip rate - difference²) / items.

use super::normal;

/// Whether a test looks for a difference in one direction or in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestSides {
    /// One direction, as for the verdict "not worse than before by more than the margin".
    One,
    /// Both directions.
    Two,
}

/// Planned test of the difference between two rates of the same items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTestPlan {
    /// Expected share of items whose result changes in either direction, above 0 and at most 1.
    pub flip_rate: f64,
    /// Probability of a false positive.
    pub significance: f64,
    /// Probability with which a real difference is detected.
    pub power: f64,
    /// Directions that the test looks at.
    pub sides: TestSides,
}

impl PairedTestPlan {
    /// Returns a plan at the significance 5 % with the power 80 %.
    pub fn new(flip_rate: f64, sides: TestSides) -> PairedTestPlan {
        PairedTestPlan { flip_rate, significance: 0.05, power: 0.8, sides }
    }

    /// Returns the standard error of the difference of the two rates if they are the same; `None` without items or for an invalid plan.
    pub fn standard_error(&self, items: u64) -> Option<f64> {
        self.factor()?;
        (items > 0).then(|| (self.flip_rate / items as f64).sqrt())
    }

    /// Returns the smallest number of items that detects a difference of the rates (0.05 for 5 points) with the planned power.
    ///
    /// Returns `None` for an invalid plan, and for a difference of zero or above the flip rate, because rates cannot differ by more than
    /// the share of items that changed.
    pub fn required_items(&self, difference: f64) -> Option<u64> {
        let (factor, difference) = (self.factor()?, difference.abs());
        if !(difference > 0.0 && difference <= self.flip_rate) {
            return None;
        }
        let items = factor * (self.flip_rate - difference * difference) / (difference * difference);
        // Rounding errors must not add an item.
        Some(((items - 1e-9).ceil() as u64).max(1))
    }

    /// Returns the smallest difference of the rates that this number of items detects with the planned power; `None` for an invalid plan,
    /// and if not even a change of all items that flip, in one direction, would be detected.
    pub fn detectable_difference(&self, items: u64) -> Option<f64> {
        let factor = self.factor()?;
        let difference = (factor * self.flip_rate / (items as f64 + factor)).sqrt();
        (difference <= self.flip_rate).then_some(difference)
    }

    /// Square of the sum of the quantiles of significance and power; `None` for an invalid plan.
    fn factor(&self) -> Option<f64> {
        let tail = match self.sides {
            TestSides::One => self.significance,
            TestSides::Two => self.significance / 2.0,
        };
        let is_valid = self.flip_rate > 0.0 && self.flip_rate <= 1.0 && tail > 0.0 && tail < 0.5 && self.power >= 0.5 && self.power < 1.0;
        is_valid.then(|| (normal::quantile(1.0 - tail) + normal::quantile(self.power)).powi(2))
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn a_hundred_items_of_which_a_fifth_flip_have_an_error_of_four_and_a_half_points() {
        let error = PairedTestPlan::new(0.2, TestSides::One).standard_error(100).unwrap();
        assert!((error - 0.0447).abs() < 1e-4, "{error}");
    }

    #[test]
    fn five_points_need_about_490_items_one_sided_and_620_two_sided() {
        assert_eq!(PairedTestPlan::new(0.2, TestSides::One).required_items(0.05), Some(489));
        assert_eq!(PairedTestPlan::new(0.2, TestSides::Two).required_items(-0.05), Some(621));
    }

    #[test]
    fn the_detectable_difference_needs_no_more_items_than_there_are() {
        for sides in [TestSides::One, TestSides::Two] {
            for items in [60, 100, 489, 5_000] {
                let plan = PairedTestPlan::new(0.3, sides);
                let difference = plan.detectable_difference(items).unwrap();
                assert_eq!(plan.required_items(difference), Some(items));
                assert!(plan.required_items(difference * 0.99).unwrap() > items);
            }
        }
    }

    #[test]
    fn what_cannot_be_detected_has_no_figure() {
        let plan = PairedTestPlan::new(0.1, TestSides::One);
        assert_eq!(plan.required_items(0.2), None);
        assert_eq!(plan.required_items(0.0), None);
        assert_eq!(plan.required_items(f64::NAN), None);
        assert_eq!(plan.detectable_difference(10), None);
        assert_eq!(plan.standard_error(0), None);
        assert_eq!(PairedTestPlan::new(0.0, TestSides::One).detectable_difference(100), None);
        assert_eq!(PairedTestPlan { power: 1.0, ..plan }.required_items(0.05), None);
    }

    #[test]
    fn the_required_items_detect_the_difference_with_the_planned_power() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
        let items = PairedTestPlan::new(0.2, TestSides::One).required_items(0.05).unwrap();
        // 12.5 % of the items get better, 7.5 % worse.
        let mut detected = 0;
        for _ in 0..2_000 {
            let (mut sum, mut flips) = (0.0_f64, 0.0_f64);
            for _ in 0..items {
                let draw: f64 = random.random();
                let change = if draw < 0.125 { 1.0 } else { -f64::from(draw < 0.2) };
                (sum, flips) = (sum + change, flips + change * change);
            }
            let n = items as f64;
            let error = ((flips / n - (sum / n).powi(2)) / n).sqrt();
            detected += i32::from(sum / n > 1.644_854 * error);
        }
        assert!((1_540..=1_660).contains(&detected), "{detected} of 2,000");
    }
}
