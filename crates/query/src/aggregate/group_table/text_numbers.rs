//! Assigns numbers to texts, so that groups are found without comparing whole texts.

use super::*;

/// Cache of the numbers of the texts in a column. Within a column, equal views mean equal texts. A column with few values comes from a
/// dictionary, which has one view for each value.
pub(super) struct ViewMemo<'a> {
    column: &'a StringViewArray,
    last: (u128, u32),
    numbers_by_view: HashMap<u128, u32>,
}

impl<'a> ViewMemo<'a> {
    pub(super) fn of_column(column: &'a StringViewArray) -> ViewMemo<'a> {
        // No view has this value: its length would be out of range.
        ViewMemo { column, last: (u128::MAX, 0), numbers_by_view: HashMap::new() }
    }

    /// Returns the number of a row's text plus one; 0 if the row has none.
    pub(super) fn number_of(&mut self, row: usize, look_up: impl FnOnce(&str) -> u32) -> u32 {
        if self.column.is_null(row) {
            return 0;
        }
        let view = self.column.views()[row];
        if view != self.last.0 {
            let number = self.numbers_by_view.get(&view).copied().unwrap_or_else(|| look_up(self.column.value(row)) + 1);
            // If nearly every row has a different text, remembering more of them does not help.
            if self.numbers_by_view.len() < MAX_MEMO_VIEWS {
                self.numbers_by_view.insert(view, number);
            }
            self.last = (view, number);
        }
        self.last.1
    }
}

/// Distinct texts, each with a number.
#[derive(Debug, Default)]
pub(super) struct TextTable {
    letters: String,
    ends: Vec<usize>,
    /// Number of each text by hash. On a collision, the text takes the next free hash.
    numbers: HashMap<u64, u32, FastBuildHasher>,
    hasher: std::hash::RandomState,
}

impl TextTable {
    pub(super) fn number_of(&mut self, text: &str) -> u32 {
        use std::hash::BuildHasher;
        let mut hash = self.hasher.hash_one(text);
        loop {
            match self.numbers.get(&hash) {
                Some(number) if self.text(*number) == text => return *number,
                // Different texts with the same hash: probe the next one.
                Some(_) => hash = hash.wrapping_add(1),
                None => break,
            }
        }
        let number = self.ends.len() as u32;
        self.letters.push_str(text);
        self.ends.push(self.letters.len());
        self.numbers.insert(hash, number);
        number
    }

    pub(super) fn text(&self, number: u32) -> &str {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        &self.letters[start..self.ends[number as usize]]
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.letters.capacity() + self.ends.capacity() * size_of::<usize>() + self.numbers.capacity() * 18
    }
}
