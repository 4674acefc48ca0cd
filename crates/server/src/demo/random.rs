//! Random numbers that are the same for the same seed on every machine.

/// Pseudo-random number generator (SplitMix64). Sufficient for a demo, not for secrets.
#[derive(Debug, Clone)]
pub(super) struct DemoRng(u64);

impl DemoRng {
    /// Creates a generator whose seed is derived from all of these numbers.
    pub(super) fn of(parts: &[u64]) -> DemoRng {
        let mut dice = DemoRng(0x5EED_1A17_E12E_57ED);
        for part in parts {
            dice.0 ^= *part;
            dice.0 = dice.next();
        }
        dice
    }

    /// Returns the next random number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number of at least 0 and below 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns true with a probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// Returns an integer from `low` to `high`, inclusive.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.share() * (high - low + 1) as f64) as i64
    }

    /// Returns a random element.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.between(0, of.len() as i64 - 1) as usize]
    }

    /// Returns a random index, by weight.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.share() * weights.iter().sum::<f64>();
        for (place, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return place;
            }
        }
        weights.len() - 1
    }

    /// Returns a duration in milliseconds as services have them: mostly near the median, sometimes several times as long.
    pub(super) fn service_duration_ms(&mut self, median_ms: i64) -> i64 {
        // The sum of three uniform numbers is close enough to a normal distribution.
        let bell = self.share() + self.share() + self.share() - 1.5;
        let long_tail = if self.chance(0.03) { 1.0 + 1.5 * self.share() } else { 1.0 };
        ((median_ms as f64 * (bell * 0.7).exp() * long_tail) as i64).max(1)
    }

    /// Returns the time to the next event of a Poisson process with mean interval `mean`.
    pub(super) fn poisson_gap(&mut self, mean: f64) -> f64 {
        -(1.0 - self.share()).ln() * mean
    }

    /// Returns hex digits, not all of which are zero.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        let text = format!("{:016x}{:016x}", self.next() | 1, self.next() | 1);
        text[32 - digits..].to_owned()
    }
}
