//! Deterministic random numbers.

/// Source of random numbers with a seed.
pub(crate) struct SeededDice {
    state: u64,
    /// True if phrases are taken from the half that was not used to write the rules.
    pub(crate) held_out: bool,
}

impl SeededDice {
    pub(crate) fn new(seed: u64, held_out: bool) -> SeededDice {
        let mut dice = SeededDice { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d, held_out };
        (0..4).for_each(|_| {
            dice.next();
        });
        dice
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from `low` to `high`, both included.
    pub(crate) fn number(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.number(1, 100) <= percent
    }

    /// Returns one of several values.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, values: &[&'a T]) -> &'a T {
        values[self.number(0, values.len() as u64 - 1) as usize]
    }

    /// Returns a phrase from the half of a table that this run uses: even places were looked at when the rules were tuned, odd ones were not.
    pub(crate) fn phrase<'a>(&mut self, table: &[&'a str]) -> &'a str {
        let half: Vec<&str> = table.iter().copied().skip(usize::from(self.held_out)).step_by(2).collect();
        self.pick(&half)
    }
}
