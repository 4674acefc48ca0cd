//! Reading a log file after a restart, whatever has happened to it.

use std::path::Path;

use super::{FILE_HEADER, FRAME_HEADER, MAGIC, VERSION};
use crate::error::StoreError;

/// What a log file holds.
#[derive(Debug, Default)]
pub(crate) struct WalFileContents {
    bytes: Vec<u8>,
    /// Sequence and place of each whole frame, in order.
    frames: Vec<(u64, std::ops::Range<usize>)>,
    /// Bytes between whole frames that are no frame.
    pub(crate) damage: Option<WalDamage>,
    /// Where the last whole frame ends, if something that is no whole frame follows it: the rest of a write that a crash cut off.
    pub(crate) torn_at: Option<u64>,
}

/// That whole frames stand behind bytes that are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WalDamage {
    /// The first byte that is not part of a frame.
    pub(crate) at: u64,
    /// How many bytes cannot be read in all.
    pub(crate) bytes: u64,
}

impl WalFileContents {
    /// The frames with their sequences, in order.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.frames.iter().map(|(sequence, place)| (*sequence, &self.bytes[place.clone()]))
    }
}

/// Reads all frames of a file that can be read.
///
/// # Errors
///
/// When the file cannot be read at all, or was written by a newer version. Damage is no error.
pub(crate) fn read(path: &Path) -> Result<WalFileContents, StoreError> {
    let bytes = std::fs::read(path).map_err(StoreError::io("read", path))?;
    let header = header(&bytes);
    if let Some(version) = header.newer {
        return Err(StoreError::Newer { path: path.to_owned(), found: version.into(), known: VERSION.into() });
    }
    Ok(scan(bytes, header.epoch))
}

struct WalFileHeader {
    epoch: u64,
    newer: Option<u8>,
}

/// Reads the header of a file. If it is damaged, the first frame tells the epoch, if that is whole, else the header's own bytes.
fn header(bytes: &[u8]) -> WalFileHeader {
    let Some(header) = bytes.get(..FILE_HEADER) else { return WalFileHeader { epoch: 0, newer: None } };
    let epoch = u64::from_le_bytes(chunk(header, 8));
    let crc = u32::from_le_bytes(chunk(header, 16));
    if header.starts_with(MAGIC) && crc32c::crc32c(&header[..16]) == crc {
        return WalFileHeader { epoch, newer: Some(header[7]).filter(|version| *version > VERSION) };
    }
    let of_frame = bytes.get(FILE_HEADER + 8..FILE_HEADER + 16).map(|epoch| u64::from_le_bytes(chunk(epoch, 0)));
    let whole = of_frame.filter(|epoch| whole_frame(bytes, FILE_HEADER, *epoch, None).is_some());
    WalFileHeader { epoch: whole.unwrap_or(epoch), newer: None }
}

/// Finds the frames. Where one ought to start and does not, every later byte is tried, so that one bad sector costs the frames in it
/// and no others.
fn scan(bytes: Vec<u8>, epoch: u64) -> WalFileContents {
    let mut contents = WalFileContents::default();
    let mut lost = 0;
    let mut at = FILE_HEADER.min(bytes.len());
    let mut last = None;
    while at < bytes.len() {
        let start = (at..bytes.len()).find_map(|start| Some((start, whole_frame(&bytes, start, epoch, last)?)));
        let Some((start, frame)) = start else { break };
        if start > at {
            contents.damage.get_or_insert(WalDamage { at: at as u64, bytes: 0 });
            lost += start - at;
        }
        last = Some(frame.sequence);
        at = start + FRAME_HEADER + frame.length;
        contents.frames.push((frame.sequence, start + FRAME_HEADER..at));
    }
    if let Some(damage) = &mut contents.damage {
        damage.bytes = lost as u64;
    }
    contents.torn_at = (at < bytes.len() || bytes.len() < FILE_HEADER).then_some(at as u64);
    contents.bytes = bytes;
    contents
}

/// The sequence of the last frame of a group that was put together here.
pub(super) fn last_of_group(group: &[u8]) -> Option<u64> {
    let (mut at, mut last) = (0, None);
    while let Some(header) = group.get(at..at + FRAME_HEADER) {
        last = Some(u64::from_le_bytes(chunk(header, 16)));
        at += FRAME_HEADER + u32::from_le_bytes(chunk(header, 0)) as usize;
    }
    last
}

struct WalFrame {
    length: usize,
    sequence: u64,
}

/// The frame that starts at a place, if a whole one does.
fn whole_frame(bytes: &[u8], start: usize, epoch: u64, last: Option<u64>) -> Option<WalFrame> {
    let header = bytes.get(start..start + FRAME_HEADER)?;
    let length = u32::from_le_bytes(chunk(header, 0)) as usize;
    let crc = u32::from_le_bytes(chunk(header, 4));
    let frame = WalFrame { length, sequence: u64::from_le_bytes(chunk(header, 16)) };
    // The cheap questions first: while searching, the sum over the bytes is asked for at almost no place.
    if epoch != u64::from_le_bytes(chunk(header, 8)) || last.is_some_and(|last| frame.sequence <= last) {
        return None;
    }
    let body = bytes.get(start + 8..start.checked_add(FRAME_HEADER)?.checked_add(length)?)?;
    (crc32c::crc32c(body) == crc).then_some(frame)
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
