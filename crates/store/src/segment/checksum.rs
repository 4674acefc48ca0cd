//! Checks whether the file of a segment still has the contents that were written. A start only checks the length and the end of the file.
//! Damage inside the file is found when a query reads it. Then all files are read once.

use std::io::{self, Write};
use std::sync::Arc;

use super::read::SegmentReader;
use crate::error::StoreError;
use crate::segment_storage::{SegmentObjectKind, SegmentObjectReader};
use crate::snapshot::Segment;
use crate::state::{StoreInner, lock};

/// Number of rows that are decoded at a time from a segment without a checksum.
const BATCH_ROWS: u32 = 4096;

/// A writer that computes a checksum of everything written.
#[derive(Debug)]
pub(crate) struct ChecksumWriter<W> {
    inner: W,
    crc: u32,
}

impl<W> ChecksumWriter<W> {
    pub(crate) fn new(inner: W) -> ChecksumWriter<W> {
        ChecksumWriter { inner, crc: 0 }
    }

    /// Returns the CRC-32C of all bytes so far.
    pub(crate) fn crc(&self) -> u32 {
        self.crc
    }
}

impl<W: Write> Write for ChecksumWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Returns the CRC-32C of an object.
pub(crate) fn crc_of(object: &dyn SegmentObjectReader) -> io::Result<u32> {
    let mut piece = vec![0; 1 << 20];
    let (mut crc, mut at) = (0, 0);
    loop {
        match object.read_at(&mut piece, at)? {
            0 => return Ok(crc),
            length => {
                crc = crc32c::crc32c_append(crc, &piece[..length]);
                at += length as u64;
            }
        }
    }
}

/// Reads a segment's file completely. The error describes the damage. A file without a known checksum is decoded instead.
pub(crate) fn check_segment(segment: &Segment) -> Result<(), String> {
    check_file_as(segment, segment.objects.open(SegmentObjectKind::Parquet))
}

/// Checks a file that may be the file of a segment, like [`check_segment`].
pub(crate) fn check_file_as(segment: &Segment, opened: io::Result<Arc<dyn SegmentObjectReader>>) -> Result<(), String> {
    let file = opened.map_err(|error| error.to_string())?;
    let length = file.length().map_err(|error| error.to_string())?;
    if length != segment.bytes {
        return Err(format!("{length} bytes instead of {}", segment.bytes));
    }
    if let Some(written) = segment.crc {
        let found = crc_of(&*file).map_err(|error| error.to_string())?;
        return if found == written { Ok(()) } else { Err("checksum mismatch".to_owned()) };
    }
    let rows = SegmentReader::of(Ok(file), &segment.location).map_err(|error| error.to_string()).and_then(|reader| decode_file(&reader))?;
    if rows == segment.rows { Ok(()) } else { Err(format!("{rows} rows instead of {}", segment.rows)) }
}

/// Decodes a file completely. Returns the number of its rows.
pub(crate) fn decode_file(reader: &SegmentReader) -> Result<u64, String> {
    let rows = u32::try_from(reader.rows()).map_err(|_| "more rows than a segment has".to_owned())?;
    for first in (0..rows).step_by(BATCH_ROWS as usize) {
        reader.all_columns(std::slice::from_ref(&(first..rows.min(first + BATCH_ROWS)))).map_err(|error| error.to_string())?;
    }
    Ok(u64::from(rows))
}

/// Reads one segment that existed at the start and has not been read completely since then, and quarantines it if it is damaged. Returns
/// false if there is no such segment.
pub(crate) fn check_one_segment(shared: &StoreInner) -> bool {
    let next = {
        let mut state = lock(&shared.state);
        let unread = state.segments.iter_mut().find(|live| live.is_readable && !live.is_checked);
        unread.map(|live| {
            live.is_checked = true;
            live.segment.clone()
        })
    };
    let Some(segment) = next else { return false };
    quarantine_if_damaged(shared, &segment);
    true
}

fn quarantine_if_damaged(shared: &StoreInner, segment: &Segment) -> bool {
    let Err(fault) = check_segment(segment) else { return false };
    let mut state = lock(&shared.state);
    let Some(live) = state.live_segment(segment.id) else { return false };
    live.is_readable = false;
    state.count_change();
    drop(state);
    let what = format!("{}: {fault}; the segment is not read, its file stays in place", segment.location.display());
    tracing::error!(what, "store.data.damaged");
    lock(&shared.health.damaged).push(what);
    true
}

/// Reads all segments and quarantines the damaged segments: they stay in place and are no longer read. Returns their number.
pub(crate) fn quarantine_damaged(shared: &StoreInner) -> usize {
    let segments: Vec<_> = {
        let state = lock(&shared.state);
        state.segments.iter().filter(|live| live.is_readable).map(|live| live.segment.clone()).collect()
    };
    segments.iter().filter(|segment| quarantine_if_damaged(shared, segment)).count()
}

impl crate::Store {
    /// Reads all segments after a read error, and quarantines the damaged segments. Returns their number. Returns 0 without reading if the
    /// last check was at most a minute ago and found nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the store is closing.
    pub async fn quarantine_damaged(&self) -> Result<usize, StoreError> {
        const CHECK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);
        let shared = self.shared.clone();
        let look = move || {
            // Concurrent callers wait for this check and reuse its result.
            let mut last = lock(&shared.health.last_full_check);
            match *last {
                Some((at, 0)) if at.elapsed() < CHECK_INTERVAL => 0,
                Some((at, found)) if at.elapsed().as_secs() < 1 => found,
                _ => {
                    let found = quarantine_damaged(&shared);
                    *last = Some((std::time::Instant::now(), found));
                    found
                }
            }
        };
        tokio::task::spawn_blocking(look).await.map_err(|_| StoreError::Closed)
    }
}
