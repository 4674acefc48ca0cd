//! A set of row numbers.

use std::ops::Range;

/// A set of row numbers with one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RowBitSet {
    words: Vec<u64>,
    len: usize,
}

impl RowBitSet {
    /// Adds a row. Returns false if the row was already in the set.
    pub(super) fn insert(&mut self, row: u32) -> bool {
        let (word, bit) = (row as usize / 64, 1 << (row % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += usize::from(new);
        new
    }

    pub(super) fn contains(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|word| word & 1 << (row % 64) != 0)
    }

    /// Returns the number of rows in the set.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns how many rows of a range are in the set.
    pub(super) fn count_in(&self, range: Range<u32>) -> usize {
        range.filter(|row| self.contains(*row)).count()
    }

    /// Returns the rows in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.wrapping_sub(1);
                (bit < 64).then(|| index as u32 * 64 + bit)
            })
        })
    }
}

impl FromIterator<u32> for RowBitSet {
    fn from_iter<I: IntoIterator<Item = u32>>(rows: I) -> RowBitSet {
        let mut bits = RowBitSet::default();
        for row in rows {
            bits.insert(row);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn bit_set_contains_inserted_rows(rows in proptest::collection::btree_set(0u32..500, 0..60)) {
            let bits: RowBitSet = rows.iter().copied().chain(rows.first().copied()).collect();
            assert_eq!(bits.len(), rows.len());
            assert!(bits.iter().eq(rows.iter().copied()));
            assert!((0..600).all(|row| bits.contains(row) == rows.contains(&row)));
            assert_eq!(bits.count_in(100..300), rows.range(100..300).count());
        }
    }
}
