//! The ID file of a segment: the spans and traces in it, and their rows.
//!
//! ```text
//! magic "HINOIDS2"  spans:u32  traces:u32  secret:[u8; 16]
//! (hash:u64 check:u32 row:u32)*              one for each row, ascending by hash
//! (hash:u64 check:u32 row:u32 rows:u32)*     one for each trace, ascending by hash
//! crc32c:u32 (of everything before)
//! ```
//!
//! Many keys with the same hash are easily computed, and reading the rows of all of them would take as long as reading the segment. Each
//! key therefore has a second hash, which depends on a secret of the file and shows whether the key can be the requested key. Files with
//! the magic "HINOIDS1" have neither secret nor second hash. The caller must compare the key of each row that is found.
//!
//! The index keeps a filter and every 256th hash in memory. The filter takes 18 bits per span and has one false positive in 65,000 lookups.
//! Only for a hit, three kilobytes are read from the file, at a known position. All data of the file is also in the segment, so a damaged
//! file is rebuilt.

use std::collections::BTreeSet;
#[expect(deprecated, reason = "SipHash with a key is required, and only this hasher of the standard library accepts a key")]
use std::hash::{Hasher, SipHasher};
use std::io;
use std::ops::Range;

use hinomi_model::id::TraceId;
use xorf::{BinaryFuse16, Filter as _};

use super::row_order::RowKey;
use crate::key_hash::{SpanKey, trace_hash};
use crate::segment_storage::{SegmentObjectKind, SegmentObjects};

const MAGIC: &[u8; 8] = b"HINOIDS2";
const HEADER_BYTES: usize = 32;
const SPAN_ENTRY_BYTES: usize = 16;
const TRACE_ENTRY_BYTES: usize = 20;

/// Magic and header length of files without a second hash.
const MAGIC_1: &[u8; 8] = b"HINOIDS1";
const HEADER_1_BYTES: usize = 16;
const SECOND_HASH_BYTES: usize = 4;
/// Number of entries per hash that is kept in memory.
const BLOCK_ENTRIES: usize = 256;

/// An ID file in use.
#[derive(Debug)]
pub(crate) struct SegmentIdIndex {
    /// Opened for each lookup, which is rare: there may be more segments than a process may have open files.
    objects: SegmentObjects,
    /// `None` for a file without second hashes.
    secret: Option<IdIndexSecret>,
    spans: IdIndexTable,
    traces: IdIndexTable,
}

/// The secret of a file's second hashes.
#[derive(Debug, Clone, Copy)]
struct IdIndexSecret([u8; 16]);

impl IdIndexSecret {
    fn second_hash(self, words: &[&[u8]]) -> u32 {
        let half = |at: usize| self.0[at..at + 8].iter().rev().fold(0, |half, byte| half << 8 | u64::from(*byte));
        #[expect(deprecated, reason = "see above")]
        let mut hasher = SipHasher::new_with_keys(half(0), half(8));
        words.iter().for_each(|word| hasher.write(word));
        hasher.finish() as u32
    }

    fn hash_of_trace(self, project: u64, trace: TraceId) -> u32 {
        self.second_hash(&[&project.to_le_bytes(), &trace.0.to_le_bytes()])
    }

    fn hash_of_span(self, key: &SpanKey) -> u32 {
        self.second_hash(&[&key.project.to_le_bytes(), &key.trace.0.to_le_bytes(), &key.span.0.to_le_bytes()])
    }
}

impl SegmentIdIndex {
    /// Reads and checks an ID file.
    ///
    /// # Errors
    ///
    /// Returns `InvalidData` if the content is not the output of [`encode`].
    pub(crate) fn open(objects: &SegmentObjects) -> io::Result<SegmentIdIndex> {
        let bytes = objects.read(SegmentObjectKind::Ids)?;
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let (content, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        let is_checked = content.starts_with(MAGIC);
        let (header, less) = if is_checked { (HEADER_BYTES, 0) } else { (HEADER_1_BYTES, SECOND_HASH_BYTES) };
        let is_known = is_checked || content.starts_with(MAGIC_1);
        if content.len() < header || !is_known || crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
            return Err(damaged());
        }
        let spans = read_u32(content, 8) as usize;
        let traces = read_u32(content, 12) as usize;
        let between = header + spans * (SPAN_ENTRY_BYTES - less);
        if content.len() != between + traces * (TRACE_ENTRY_BYTES - less) {
            return Err(damaged());
        }
        let secret = content.get(HEADER_1_BYTES..).and_then(|rest| rest.first_chunk()).copied().map(IdIndexSecret);
        Ok(SegmentIdIndex {
            objects: objects.clone(),
            secret: secret.filter(|_| is_checked),
            spans: IdIndexTable::from_content(&content[..between], header, SPAN_ENTRY_BYTES - less),
            traces: IdIndexTable::from_content(content, between, TRACE_ENTRY_BYTES - less),
        })
    }

    /// Returns false if no span with this hash is in the segment.
    pub(crate) fn may_hold_span(&self, hash: u64) -> bool {
        self.spans.filter.contains(hash)
    }

    /// Returns the rows of a span, including dead rows. In rare cases, also returns rows of other spans.
    pub(crate) fn rows_of_span(&self, key: &SpanKey) -> io::Result<Vec<u32>> {
        let mut rows = Vec::new();
        let check = self.secret.map(|secret| secret.hash_of_span(key));
        self.spans.find_entries(&self.objects, key.hash(), check, |entry| rows.push(read_u32(entry, 0)))?;
        Ok(rows)
    }

    /// Returns the rows of a trace, including dead rows. In rare cases, also returns rows of other traces.
    pub(crate) fn rows_of_trace(&self, project: u64, trace: TraceId) -> io::Result<Vec<Range<u32>>> {
        let mut rows = Vec::new();
        let hash = trace_hash(project, trace);
        if self.traces.filter.contains(hash) {
            let check = self.secret.map(|secret| secret.hash_of_trace(project, trace));
            self.traces
                .find_entries(&self.objects, hash, check, |entry| rows.push(read_u32(entry, 0)..read_u32(entry, 0) + read_u32(entry, 4)))?;
        }
        Ok(rows)
    }
}

/// Encodes the ID file of rows in the order of their segment.
pub(crate) fn encode(rows: &[RowKey]) -> Vec<u8> {
    let secret = IdIndexSecret(rand::random());
    let mut spans: Vec<(u64, u32, u32)> =
        rows.iter().zip(0..).map(|(row, number)| (row.key.hash(), secret.hash_of_span(&row.key), number)).collect();
    spans.sort_unstable();
    let mut traces = Vec::new();
    let mut first = 0;
    for run in rows.chunk_by(|a, b| (a.key.project, a.key.trace) == (b.key.project, b.key.trace)) {
        let SpanKey { project, trace, .. } = run[0].key;
        traces.push((trace_hash(project, trace), secret.hash_of_trace(project, trace), first, run.len() as u32));
        first += run.len() as u32;
    }
    traces.sort_unstable();

    let mut bytes = Vec::with_capacity(HEADER_BYTES + spans.len() * SPAN_ENTRY_BYTES + traces.len() * TRACE_ENTRY_BYTES + 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(spans.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(traces.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&secret.0);
    for (hash, check, row) in spans {
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes.extend_from_slice(&row.to_le_bytes());
    }
    for (hash, check, first, rows) in traces {
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes.extend_from_slice(&first.to_le_bytes());
        bytes.extend_from_slice(&rows.to_le_bytes());
    }
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// One of the two tables of the file.
#[derive(Debug)]
struct IdIndexTable {
    start: u64,
    entries: usize,
    width: usize,
    filter: IdIndexFilter,
    /// Hash of every 256th entry.
    index: Vec<u64>,
}

impl IdIndexTable {
    fn from_content(content: &[u8], start: usize, width: usize) -> IdIndexTable {
        let hashes: Vec<u64> = content[start..].chunks_exact(width).map(hash_of).collect();
        IdIndexTable {
            start: start as u64,
            entries: hashes.len(),
            width,
            index: hashes.iter().copied().step_by(BLOCK_ENTRIES).collect(),
            filter: IdIndexFilter::from_content(hashes),
        }
    }

    /// Calls `found` with the row data of each entry that has the hash, and the second hash if the file has one.
    fn find_entries(&self, objects: &SegmentObjects, hash: u64, check: Option<u32>, mut found: impl FnMut(&[u8])) -> io::Result<()> {
        // Entries with this hash may begin in the block before the first one that starts with it.
        let first = self.index.partition_point(|start| *start < hash).saturating_sub(1) * BLOCK_ENTRIES;
        let end = (self.index.partition_point(|start| *start <= hash) * BLOCK_ENTRIES).min(self.entries);
        let mut block = vec![0; end.saturating_sub(first) * self.width];
        objects.open(SegmentObjectKind::Ids)?.read_exact_at(&mut block, self.start + (first * self.width) as u64)?;
        let start = 8 + check.map_or(0, |_| SECOND_HASH_BYTES);
        let wanted = |entry: &&[u8]| hash_of(entry) == hash && check.is_none_or(|check| read_u32(entry, 8) == check);
        block.chunks_exact(self.width).filter(wanted).for_each(|entry| found(&entry[start..]));
        Ok(())
    }
}

/// A filter that returns whether a hash is certainly absent or may be present.
#[derive(Debug)]
enum IdIndexFilter {
    /// The hashes themselves, if they are too few for the other filter.
    Exact(BTreeSet<u64>),
    Fuse(BinaryFuse16),
}

impl IdIndexFilter {
    fn from_content(mut hashes: Vec<u64>) -> IdIndexFilter {
        hashes.dedup();
        let many = (hashes.len() >= BLOCK_ENTRIES).then(|| BinaryFuse16::try_from(&hashes).ok()).flatten();
        many.map_or_else(|| IdIndexFilter::Exact(hashes.into_iter().collect()), IdIndexFilter::Fuse)
    }

    fn contains(&self, hash: u64) -> bool {
        match self {
            IdIndexFilter::Exact(hashes) => hashes.contains(&hash),
            IdIndexFilter::Fuse(filter) => filter.contains(&hash),
        }
    }
}

fn hash_of(entry: &[u8]) -> u64 {
    u64::from(read_u32(entry, 0)) | u64::from(read_u32(entry, 4)) << 32
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
