//! Exact amounts of money.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// US dollars in units of 10^-12, so that one cached token of the cheapest model is still a whole number and sums do not depend on their
/// order. The range is about ±9.2 million dollars; arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Usd(pub i64);

impl Usd {
    /// Units in one dollar.
    pub const SCALE: f64 = 1e12;
    /// Zero dollars. An unknown amount is `Option::None`, not zero.
    pub const ZERO: Usd = Usd(0);

    /// Returns the nearest unit to an amount of dollars; `None` unless it is a finite number within range.
    pub fn from_dollars(dollars: f64) -> Option<Usd> {
        let steps = (dollars * Self::SCALE).round();
        (steps.is_finite() && steps.abs() < i64::MAX as f64).then_some(Usd(steps as i64))
    }

    /// Removes the rounding error of floating-point arithmetic: 0.0117 - 0.01 becomes 0.0017. An amount out of range remains unchanged.
    pub fn round_to_units(dollars: f64) -> f64 {
        Usd::from_dollars(dollars).map_or(dollars, Usd::dollars)
    }

    /// Returns the amount in dollars, as the API shows it.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / Self::SCALE
    }
}

impl Add for Usd {
    type Output = Usd;
    fn add(self, other: Usd) -> Usd {
        Usd(self.0.saturating_add(other.0))
    }
}

impl Sub for Usd {
    type Output = Usd;
    fn sub(self, other: Usd) -> Usd {
        Usd(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Usd) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Usd>>(amounts: I) -> Usd {
        amounts.fold(Usd::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_price_and_largest_bill_are_exact() {
        assert_eq!(Usd::from_dollars(0.0003385).unwrap().dollars(), 0.0003385);
        assert_eq!(Usd::from_dollars(1e-11).unwrap(), Usd(10));
        assert_eq!(Usd::from_dollars(f64::NAN), None);
        assert_eq!(Usd::from_dollars(1e9), None);
        assert_eq!(Usd(i64::MAX) + Usd(1), Usd(i64::MAX));
    }

    #[test]
    fn differences_are_rounded_to_money_units() {
        assert_eq!((0.01 - 0.0117, Usd::round_to_units(0.01 - 0.0117)), (-0.0017000000000000001, -0.0017));
        assert_eq!(Usd::round_to_units(1e9 + 0.5), 1e9 + 0.5, "too many dollars, or tokens");
    }
}
