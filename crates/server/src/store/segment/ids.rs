//! The side file of a segment: which spans and traces are in it, and in which rows.
//!
//! ```text
//! magic "HINOIDS1"  spans:u32  traces:u32
//! (hash:u64 row:u32)*              one for each row, rising by hash
//! (hash:u64 row:u32 rows:u32)*     one for each trace, rising by hash
//! crc32c:u32 (of all before)
//! ```
//!
//! In memory there are a filter (18 bits a span, one false answer in 65,000) and every 256th hash; only a hit reads the file, three
//! kilobytes at a known place. The file holds nothing that the segment does not: a damaged one is made again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xorf::{BinaryFuse16, Filter as _};

use super::order::RowKey;
use crate::store::ids::trace_hash;

const MAGIC: &[u8; 8] = b"HINOIDS1";
const HEADER: usize = 16;
const SPAN: usize = 12;
const TRACE: usize = 16;
/// Entries between two hashes that are kept in memory.
const BLOCK: usize = 256;

/// A side file in use.
#[derive(Debug)]
pub(in crate::store) struct Ids {
    /// Opened when it is asked, which is rare: there may be more segments than a process may have files open.
    path: PathBuf,
    spans: Table,
    traces: Table,
}

impl Ids {
    /// Reads and checks a side file.
    ///
    /// # Errors
    ///
    /// `InvalidData` when it is not what [`encode`] makes.
    pub(in crate::store) fn open(path: &Path) -> io::Result<Ids> {
        let bytes = std::fs::read(path)?;
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let (content, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        if content.len() < HEADER || !content.starts_with(MAGIC) || crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
            return Err(damaged());
        }
        let spans = number(content, 8) as usize;
        let traces = number(content, 12) as usize;
        let between = HEADER + spans * SPAN;
        if content.len() != between + traces * TRACE {
            return Err(damaged());
        }
        Ok(Ids { path: path.to_owned(), spans: Table::of(&content[..between], HEADER, SPAN), traces: Table::of(content, between, TRACE) })
    }

    /// False when no span with this hash is in the segment.
    pub(in crate::store) fn may_hold_span(&self, hash: u64) -> bool {
        self.spans.filter.contains(hash)
    }

    /// The rows of spans with this hash, dead ones included.
    pub(in crate::store) fn rows_of_span(&self, hash: u64) -> io::Result<Vec<u32>> {
        let mut rows = Vec::new();
        self.spans.find(&self.path, hash, |entry| rows.push(number(entry, 8)))?;
        Ok(rows)
    }

    /// The rows of traces with this hash, dead ones included.
    pub(in crate::store) fn rows_of_trace(&self, hash: u64) -> io::Result<Vec<Range<u32>>> {
        let mut rows = Vec::new();
        if self.traces.filter.contains(hash) {
            self.traces.find(&self.path, hash, |entry| rows.push(number(entry, 8)..number(entry, 8) + number(entry, 12)))?;
        }
        Ok(rows)
    }
}

/// The side file of rows in the order of their segment.
pub(in crate::store) fn encode(rows: &[RowKey]) -> Vec<u8> {
    let mut spans: Vec<(u64, u32)> = rows.iter().zip(0..).map(|(row, number)| (row.key.hash(), number)).collect();
    spans.sort_unstable();
    let mut traces = Vec::new();
    let mut first = 0;
    for run in rows.chunk_by(|a, b| (a.key.project, a.key.trace) == (b.key.project, b.key.trace)) {
        traces.push((trace_hash(run[0].key.project, run[0].key.trace), first, run.len() as u32));
        first += run.len() as u32;
    }
    traces.sort_unstable();

    let mut bytes = Vec::with_capacity(HEADER + spans.len() * SPAN + traces.len() * TRACE + 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(spans.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(traces.len() as u32).to_le_bytes());
    for (hash, row) in spans {
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&row.to_le_bytes());
    }
    for (hash, first, rows) in traces {
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&first.to_le_bytes());
        bytes.extend_from_slice(&rows.to_le_bytes());
    }
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// One of the two lists of the file.
#[derive(Debug)]
struct Table {
    start: u64,
    entries: usize,
    width: usize,
    filter: Filter,
    /// The hash of every 256th entry.
    index: Vec<u64>,
}

impl Table {
    fn of(content: &[u8], start: usize, width: usize) -> Table {
        let hashes: Vec<u64> = content[start..].chunks_exact(width).map(hash_of).collect();
        Table {
            start: start as u64,
            entries: hashes.len(),
            width,
            index: hashes.iter().copied().step_by(BLOCK).collect(),
            filter: Filter::of(hashes),
        }
    }

    /// Calls back for each entry with the hash.
    fn find(&self, path: &Path, hash: u64, mut found: impl FnMut(&[u8])) -> io::Result<()> {
        // Equal hashes may begin in the block before the first that starts with this one.
        let first = self.index.partition_point(|start| *start < hash).saturating_sub(1) * BLOCK;
        let end = (self.index.partition_point(|start| *start <= hash) * BLOCK).min(self.entries);
        let mut block = vec![0; end.saturating_sub(first) * self.width];
        File::open(path)?.read_exact_at(&mut block, self.start + (first * self.width) as u64)?;
        block.chunks_exact(self.width).filter(|entry| hash_of(entry) == hash).for_each(&mut found);
        Ok(())
    }
}

/// Says of a hash that it is not there, or that it may be.
#[derive(Debug)]
enum Filter {
    /// Few hashes, for which the construction of the other is not made.
    Few(BTreeSet<u64>),
    Many(BinaryFuse16),
}

impl Filter {
    fn of(mut hashes: Vec<u64>) -> Filter {
        hashes.dedup();
        let many = (hashes.len() >= BLOCK).then(|| BinaryFuse16::try_from(&hashes).ok()).flatten();
        many.map_or_else(|| Filter::Few(hashes.into_iter().collect()), Filter::Many)
    }

    fn contains(&self, hash: u64) -> bool {
        match self {
            Filter::Few(hashes) => hashes.contains(&hash),
            Filter::Many(filter) => filter.contains(&hash),
        }
    }
}

fn hash_of(entry: &[u8]) -> u64 {
    u64::from(number(entry, 0)) | u64::from(number(entry, 4)) << 32
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
