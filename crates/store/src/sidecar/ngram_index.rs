//! The n-gram index: finds the rows of a segment whose messages may contain a text. With the index, a search for a rare phrase reads a few
//! rows instead of all rows.
//!
//! The rows of a segment are divided into blocks. A sidecar file ([`mod@file`]) lists the blocks that contain each *n-gram*, hashed into a
//! bucket: four consecutive characters, or two if both are of a script with short words (Chinese, Japanese, Korean). Only a block with
//! all n-grams of a text can contain it. A search then checks the rows of these blocks: the index may return too many rows, but never too
//! few.

mod file;

use std::io;
use std::ops::Range;

use arrow::array::{Array, AsArray, RecordBatch};

use super::{SidecarCell, SidecarContent};
use crate::rows::each_text;
use crate::segment_storage::{SegmentObjectKind, SegmentObjects};
pub(crate) use file::NgramIndex;

/// Columns that are searched.
pub(crate) const INDEXED_COLUMNS: [&str; 2] = ["input_messages", "output_messages"];

/// Number of rows in a block, unless there would be too many blocks.
const BLOCK_ROWS: u32 = 128;
/// Maximum number of blocks. While an index is built, each takes one bit per bucket: 32 MB in total.
const MAX_BLOCKS: u32 = 2048;
/// Minimum and maximum binary logarithm of the number of buckets.
const BUCKET_BITS: (u32, u32) = (10, 17);
/// Maximum number of n-grams of a search that are looked up. More of them hardly narrow the result.
const MAX_LOOKED_UP_NGRAMS: usize = 24;

impl SidecarContent for NgramIndex {
    const KIND: SegmentObjectKind = SegmentObjectKind::Ngrams;

    fn read(objects: &SegmentObjects) -> io::Result<Option<NgramIndex>> {
        NgramIndex::open(objects).map(Some)
    }
}

impl SidecarCell<NgramIndex> {
    /// Returns the rows that may contain a text, ascending; `None` if the index cannot be used for this text. Reads a file.
    pub(crate) fn rows_holding(&self, objects: &SegmentObjects, text: &str) -> Option<Vec<Range<u32>>> {
        let wanted = hashes_to_look_up(text);
        if wanted.is_empty() {
            return None;
        }
        let rows = self.get(objects)?.rows(&wanted);
        rows.inspect_err(|error| self.mark_lost(objects, error)).ok()
    }

    /// Stores an index in its file.
    pub(crate) fn write_file(&self, objects: &SegmentObjects, builder: &NgramIndexBuilder) {
        self.write(objects, Ok(file::encode(builder)), || None);
    }
}

/// Returns the hashes of the n-grams to look up for a text, at regular distances if there are many: overlapping n-grams add little.
fn hashes_to_look_up(text: &str) -> Vec<u64> {
    let mut all = Vec::new();
    each_ngram(&text.to_lowercase(), |hash| all.push(hash));
    let step = all.len().div_ceil(MAX_LOOKED_UP_NGRAMS).max(1);
    let mut wanted: Vec<u64> = all.into_iter().step_by(step).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// Builds an index from batches of rows.
#[derive(Debug)]
pub(crate) struct NgramIndexBuilder {
    rows: u32,
    block_rows: u32,
    /// Binary logarithm of the number of buckets.
    bits: u32,
    added_rows: u32,
    /// One bit per bucket for each block.
    blocks: Vec<Vec<u64>>,
}

impl NgramIndexBuilder {
    /// Creates a builder for a segment with this many rows.
    pub(crate) fn new(rows: u32) -> NgramIndexBuilder {
        NgramIndexBuilder::with_blocks(rows, BLOCK_ROWS.max(rows.div_ceil(MAX_BLOCKS)))
    }

    fn with_blocks(rows: u32, block_rows: u32) -> NgramIndexBuilder {
        let bits = (rows.max(1).ilog2() + 3).clamp(BUCKET_BITS.0, BUCKET_BITS.1);
        NgramIndexBuilder { rows, block_rows, bits, added_rows: 0, blocks: Vec::new() }
    }

    /// Adds the next rows, which only need [`INDEXED_COLUMNS`].
    pub(crate) fn add(&mut self, batch: &RecordBatch) {
        let columns: Vec<_> = INDEXED_COLUMNS.iter().filter_map(|name| batch.column_by_name(name)?.as_string_view_opt()).collect();
        for row in 0..batch.num_rows() {
            let block = (self.added_rows / self.block_rows) as usize;
            self.added_rows += 1;
            if self.blocks.len() <= block {
                self.blocks.resize(block + 1, vec![0; (1 << self.bits) / 64]);
            }
            let (bits, held) = (self.bits, &mut self.blocks[block]);
            for column in columns.iter().filter(|column| column.is_valid(row)) {
                each_text(column.value(row), |text| {
                    each_ngram(&text.to_lowercase(), |hash| {
                        let bucket = bucket_of(hash, bits);
                        held[bucket / 64] |= 1 << (bucket % 64);
                    });
                });
            }
        }
    }
}

/// Returns the bucket of an n-gram. The upper bits of the hash are the better ones.
fn bucket_of(hash: u64, bits: u32) -> usize {
    (hash >> (64 - bits)) as usize
}

/// Calls `each` with the hash of each n-gram of a lower-case text. Files depend on these hashes, so they never change.
fn each_ngram(text: &str, mut each: impl FnMut(u64)) {
    // The last four narrow characters, and the number of consecutive narrow characters.
    let (mut window, mut run) = (0u128, 0);
    let mut last_wide = None;
    for character in text.chars() {
        let code = u32::from(character);
        if is_wide(character) {
            if let Some(last) = last_wide {
                each(mix_hash(u64::from(code) << 32 | u64::from(last), 0x2e80));
            }
            (last_wide, run) = (Some(code), 0);
        } else {
            last_wide = None;
            window = window << 32 | u128::from(code);
            run += 1;
            if run >= 4 {
                each(mix_hash(window as u64, (window >> 64) as u64));
            }
        }
    }
}

/// Returns whether a character is of a script in which two characters carry about as much information as four letters.
fn is_wide(character: char) -> bool {
    character >= '\u{2e80}'
}

fn mix_hash(one: u64, other: u64) -> u64 {
    let mixed = one.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ other.wrapping_mul(0xc2b2_ae3d_27d4_eb4f).rotate_left(31);
    (mixed ^ mixed >> 32).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::single_range_in_vec_init, reason = "one range of rows is what is meant")]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringViewArray};
    use hinomi_model::span::{ChatMessage, MessagePart};
    use proptest::prelude::*;

    use super::*;
    use crate::segment_storage::memory::MemorySegmentStorage;

    fn batch(texts: &[String]) -> RecordBatch {
        let json = |text: &String| {
            let messages = [ChatMessage { role: "user".into(), parts: vec![MessagePart::Text { text: text.clone() }] }];
            serde_json::to_string(&messages).unwrap()
        };
        let column: ArrayRef = Arc::new(texts.iter().map(|text| Some(json(text))).collect::<StringViewArray>());
        RecordBatch::try_from_iter([("output_messages", column)]).unwrap()
    }

    fn write_index(texts: &[String], block_rows: u32) -> SegmentObjects {
        let mut builder = NgramIndexBuilder::with_blocks(texts.len() as u32, block_rows);
        // In two batches, neither of which ends at the end of a block.
        let (first, second) = texts.split_at(texts.len() / 2);
        builder.add(&batch(first));
        builder.add(&batch(second));
        let segment = MemorySegmentStorage::objects_of(1);
        SidecarCell::<NgramIndex>::default().write_file(&segment, &builder);
        segment
    }

    proptest! {
        #[test]
        fn ngram_index_misses_no_row(
            texts in proptest::collection::vec("[abAB Σςé東京都火の見\"\\\\\n]{0,30}", 1..40),
            pick in any::<prop::sample::Index>(), from in 0..10usize, length in 1..9usize, block_rows in 1..5u32,
        ) {
            let segment = write_index(&texts, block_rows);
            let phrase: String = pick.get(&texts).chars().skip(from).take(length).collect();
            if let Some(rows) = SidecarCell::<NgramIndex>::default().rows_holding(&segment, &phrase) {
                let holds = |text: &String| text.to_lowercase().contains(&phrase.to_lowercase());
                for (row, text) in (0..).zip(&texts).filter(|(_, text)| holds(text)) {
                    prop_assert!(rows.iter().any(|rows| rows.contains(&row)), "{phrase:?} in {text:?}, row {row}, not in {rows:?}");
                }
                prop_assert!(rows.iter().all(|rows| rows.start < rows.end && rows.end as usize <= texts.len()));
                prop_assert!(rows.is_sorted_by(|one, other| one.end < other.start), "neighbours are one range: {rows:?}");
            }
        }
    }

    #[test]
    fn a_rare_phrase_is_in_few_blocks_and_a_short_one_unknown() {
        let mut texts: Vec<String> = (0..4000).map(|row| format!("order {} of customer {}", row * 7919 % 10_007, row % 50)).collect();
        texts[2500] = "the ZebraFish of 東京都".to_owned();
        let segment = write_index(&texts, 128);
        let kept = SidecarCell::<NgramIndex>::default();
        for phrase in ["zebrafish", "東京", "ish of"] {
            assert_eq!(kept.rows_holding(&segment, phrase), Some(vec![2432..2560]), "{phrase}");
        }
        assert_eq!(kept.rows_holding(&segment, "of customer"), Some(vec![0..4000]), "in every block");
        assert_eq!(kept.rows_holding(&segment, "zebrafinch"), Some(Vec::new()));
        assert_eq!(kept.rows_holding(&segment, "zeb"), None);
        assert_eq!(kept.rows_holding(&segment, "東"), None);
    }

    #[test]
    fn damage_anywhere_is_detected() {
        let texts: Vec<String> = (0..600).map(|row| format!("number {}", row * 7919 % 10_007)).collect();
        let segment = write_index(&texts, 16);
        let whole = segment.read(SegmentObjectKind::Ngrams).unwrap();
        let write = |bytes: &[u8]| {
            let written = segment.put(SegmentObjectKind::Ngrams, &mut |file| {
                file.write_all(bytes).unwrap();
                Ok(())
            });
            written.unwrap();
        };
        let asked = SidecarCell::<NgramIndex>::default().rows_holding(&segment, "number").unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            write(&damaged);
            let kept = SidecarCell::<NgramIndex>::default();
            match kept.rows_holding(&segment, "number") {
                Some(rows) => assert_eq!(rows, asked, "byte {at}"),
                None => assert!(kept.is_lost(&segment)),
            }
        }
        write(&whole[..whole.len() / 2]);
        assert_eq!(SidecarCell::<NgramIndex>::default().rows_holding(&segment, "number"), None);
    }
}
