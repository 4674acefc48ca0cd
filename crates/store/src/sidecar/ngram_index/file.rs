//! The sidecar file of a segment with its n-gram index. All of its data is also in the segment, so a damaged file is rebuilt.
//!
//! ```text
//! magic "HINOGRM1"  rows:u32  block_rows:u32  bits:u32
//! (end:u32 crc32c:u32)*            one for each shelf of 64 buckets: its end, counted from the first shelf, and its checksum
//! crc32c:u32                       of everything before
//! shelves                          64 lengths (LEB128), then as many lists
//! ```
//!
//! A list is empty, or begins with a byte for its form: 0 for distances between block numbers (LEB128, the first from -1), 1 for one bit
//! per block, 2 for all blocks. The directory stays in memory as long as the segment is open; a lookup reads one shelf.

use std::io;
use std::ops::Range;

use super::{NgramIndexBuilder, bucket_of};
use crate::segment_storage::{SegmentObjectKind, SegmentObjectReader, SegmentObjects};

const MAGIC: &[u8; 8] = b"HINOGRM1";
const HEADER_BYTES: usize = 20;
/// Number of buckets in a shelf.
const SHELF_BUCKETS: usize = 64;
const ENTRY_BYTES: usize = 8;

const DISTANCE_LIST: u8 = 0;
const BIT_LIST: u8 = 1;
const ALL_BLOCKS: u8 = 2;

/// Encodes a sidecar file.
pub(super) fn encode(builder: &NgramIndexBuilder) -> Vec<u8> {
    let mut shelves = Vec::new();
    let mut directory = Vec::new();
    for word in 0..(1 << builder.bits) / SHELF_BUCKETS {
        let start = shelves.len();
        let lists: Vec<Vec<u8>> = (0..SHELF_BUCKETS).map(|bit| encode_list(builder, word, bit)).collect();
        lists.iter().for_each(|list| push_number(&mut shelves, list.len() as u32));
        lists.iter().for_each(|list| shelves.extend_from_slice(list));
        directory.push((shelves.len() as u32, crc32c::crc32c(&shelves[start..])));
    }
    let mut bytes = MAGIC.to_vec();
    [builder.rows, builder.block_rows, builder.bits].iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    for (end, crc) in directory {
        bytes.extend_from_slice(&end.to_le_bytes());
        bytes.extend_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&shelves);
    bytes
}

/// Encodes the list of a bucket's blocks.
fn encode_list(builder: &NgramIndexBuilder, word: usize, bit: usize) -> Vec<u8> {
    let count = builder.blocks.len();
    let mut distances = vec![DISTANCE_LIST];
    let mut bits = vec![0; 1 + count.div_ceil(8)];
    bits[0] = BIT_LIST;
    let (mut held, mut next) = (0, 0);
    for (number, _) in builder.blocks.iter().enumerate().filter(|(_, block)| block[word] >> bit & 1 == 1) {
        held += 1;
        push_number(&mut distances, (number - next) as u32);
        next = number + 1;
        bits[1 + number / 8] |= 1 << (number % 8);
    }
    match held {
        0 => Vec::new(),
        held if held == count => vec![ALL_BLOCKS],
        _ if distances.len() < bits.len() => distances,
        _ => bits,
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Removes a number from the front of the bytes.
fn take_number(bytes: &mut &[u8]) -> io::Result<u32> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(damaged_error)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(number).map_err(|_| damaged_error());
        }
    }
    Err(damaged_error())
}

fn damaged_error() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

/// A sidecar file in use.
#[derive(Debug)]
pub(crate) struct NgramIndex {
    /// Opened for each lookup, like ID files.
    objects: SegmentObjects,
    rows: u32,
    block_rows: u32,
    bits: u32,
    /// End of each shelf, and its checksum.
    directory: Vec<(u32, u32)>,
}

impl NgramIndex {
    /// Reads the directory.
    ///
    /// # Errors
    ///
    /// Returns `InvalidData` if the content is not the output of [`encode`].
    pub(super) fn open(objects: &SegmentObjects) -> io::Result<NgramIndex> {
        let file = objects.open(SegmentObjectKind::Ngrams)?;
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0)?;
        let number = |bytes: &[u8], at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let [rows, block_rows, bits] = [8, 12, 16].map(|at| number(&header, at));
        if !header.starts_with(MAGIC) || block_rows == 0 || !(super::BUCKET_BITS.0..=super::BUCKET_BITS.1).contains(&bits) {
            return Err(damaged_error());
        }
        let shelves = (1usize << bits) / SHELF_BUCKETS;
        let mut content = vec![0; HEADER_BYTES + shelves * ENTRY_BYTES + 4];
        file.read_exact_at(&mut content, 0)?;
        let (content, crc) = content.split_last_chunk::<4>().ok_or_else(damaged_error)?;
        if crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
            return Err(damaged_error());
        }
        let directory = content[HEADER_BYTES..].chunks_exact(ENTRY_BYTES).map(|entry| (number(entry, 0), number(entry, 4))).collect();
        Ok(NgramIndex { objects: objects.clone(), rows, block_rows, bits, directory })
    }

    /// Returns the rows of the blocks that have all of the n-grams, ascending.
    pub(super) fn rows(&self, grams: &[u64]) -> io::Result<Vec<Range<u32>>> {
        let file = self.objects.open(SegmentObjectKind::Ngrams)?;
        let blocks = self.rows.div_ceil(self.block_rows) as usize;
        let mut held = vec![true; blocks];
        for gram in grams {
            let here = self.blocks(&*file, bucket_of(*gram, self.bits), blocks)?;
            held.iter_mut().zip(here).for_each(|(held, here)| *held &= here);
            if !held.contains(&true) {
                break;
            }
        }
        let mut rows: Vec<Range<u32>> = Vec::new();
        for (block, _) in (0u32..).zip(held).filter(|(_, held)| *held) {
            let (start, end) = (block * self.block_rows, ((block + 1) * self.block_rows).min(self.rows));
            match rows.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => rows.push(start..end),
            }
        }
        Ok(rows)
    }

    /// Returns for each block whether it is in the list of a bucket.
    fn blocks(&self, file: &dyn SegmentObjectReader, bucket: usize, count: usize) -> io::Result<Vec<bool>> {
        let shelf = bucket / SHELF_BUCKETS;
        let start = if shelf == 0 { 0 } else { self.directory[shelf - 1].0 };
        let (end, crc) = self.directory[shelf];
        let mut bytes = vec![0; end.checked_sub(start).ok_or_else(damaged_error)? as usize];
        let shelves = HEADER_BYTES + self.directory.len() * ENTRY_BYTES + 4;
        file.read_exact_at(&mut bytes, shelves as u64 + u64::from(start))?;
        if crc32c::crc32c(&bytes) != crc {
            return Err(damaged_error());
        }
        let mut rest = &bytes[..];
        let lengths = (0..SHELF_BUCKETS).map(|_| take_number(&mut rest)).collect::<io::Result<Vec<_>>>()?;
        let before: usize = lengths[..bucket % SHELF_BUCKETS].iter().map(|length| *length as usize).sum();
        let list = rest.get(before..before + lengths[bucket % SHELF_BUCKETS] as usize).ok_or_else(damaged_error)?;
        let mut held = vec![false; count];
        match list.split_first() {
            None => {}
            Some((&ALL_BLOCKS, _)) => held.fill(true),
            Some((&BIT_LIST, bits)) if bits.len() == count.div_ceil(8) => {
                held.iter_mut().enumerate().for_each(|(number, held)| *held = bits[number / 8] >> (number % 8) & 1 == 1);
            }
            Some((&DISTANCE_LIST, mut distances)) => {
                let mut number = 0;
                while !distances.is_empty() {
                    number += take_number(&mut distances)? as usize;
                    *held.get_mut(number).ok_or_else(damaged_error)? = true;
                    number += 1;
                }
            }
            _ => return Err(damaged_error()),
        }
        Ok(held)
    }
}
