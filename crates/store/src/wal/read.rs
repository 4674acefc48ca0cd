//! Reads a WAL file after a restart, whatever state it is in.

use std::path::Path;

use super::{FILE_HEADER_BYTES, FRAME_HEADER_BYTES, MAGIC, WAL_FORMAT};
use crate::error::StoreError;

/// Contents of a WAL file.
#[derive(Debug, Default)]
pub(crate) struct WalFileContents {
    bytes: Vec<u8>,
    /// Sequence number and byte range of each complete frame, in order.
    frames: Vec<(u64, std::ops::Range<usize>)>,
    /// Unreadable bytes between complete frames.
    pub(crate) damage: Option<WalDamage>,
    /// End of the last complete frame, if it is followed by something else: the rest of a write that a crash interrupted.
    pub(crate) torn_at: Option<u64>,
}

/// Unreadable bytes that are followed by complete frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WalDamage {
    /// Position of the first byte that is not part of a frame.
    pub(crate) position: u64,
    /// Total number of unreadable bytes.
    pub(crate) bytes: u64,
}

impl WalFileContents {
    /// Returns the payloads of the frames with their sequence numbers, in order.
    pub(crate) fn frame_payloads(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.frames.iter().map(|(sequence, place)| (*sequence, &self.bytes[place.clone()]))
    }
}

/// Reads all readable frames of a file.
///
/// # Errors
///
/// Returns an error if the file cannot be read at all, or was written by a newer version. Damage is not an error.
pub(crate) fn read(path: &Path) -> Result<WalFileContents, StoreError> {
    let bytes = std::fs::read(path).map_err(StoreError::io_error("read", path))?;
    let header = read_header(&bytes);
    if let Some(version) = header.newer_format {
        return Err(StoreError::Newer { path: path.to_owned(), found: version.into(), known: WAL_FORMAT.into() });
    }
    Ok(scan_frames(bytes, header.epoch))
}

pub(super) struct WalFileHeader {
    pub(super) epoch: u64,
    newer_format: Option<u8>,
}

/// Reads the header of a file. If the header is damaged, the epoch is read from the first frame, or from the damaged header if that frame
/// is also damaged.
pub(super) fn read_header(bytes: &[u8]) -> WalFileHeader {
    let Some(header) = bytes.get(..FILE_HEADER_BYTES) else { return WalFileHeader { epoch: 0, newer_format: None } };
    let epoch = u64::from_le_bytes(fixed_bytes(header, 8));
    let crc = u32::from_le_bytes(fixed_bytes(header, 16));
    if header.starts_with(MAGIC) && crc32c::crc32c(&header[..16]) == crc {
        return WalFileHeader { epoch, newer_format: Some(header[7]).filter(|version| *version > WAL_FORMAT) };
    }
    let of_frame = bytes.get(FILE_HEADER_BYTES + 8..FILE_HEADER_BYTES + 16).map(|epoch| u64::from_le_bytes(fixed_bytes(epoch, 0)));
    let whole = of_frame.filter(|epoch| complete_frame(bytes, FILE_HEADER_BYTES, *epoch, None).is_some());
    WalFileHeader { epoch: whole.unwrap_or(epoch), newer_format: None }
}

/// Finds the frames. If no frame is at the position where the next frame should start, every later position is tried. A bad sector thus
/// loses only the frames in it.
fn scan_frames(bytes: Vec<u8>, epoch: u64) -> WalFileContents {
    let mut contents = WalFileContents::default();
    let mut lost = 0;
    let mut at = FILE_HEADER_BYTES.min(bytes.len());
    let mut last = None;
    while at < bytes.len() {
        let start = (at..bytes.len()).find_map(|start| Some((start, complete_frame(&bytes, start, epoch, last)?)));
        let Some((start, frame)) = start else { break };
        if start > at {
            contents.damage.get_or_insert(WalDamage { position: at as u64, bytes: 0 });
            lost += start - at;
        }
        last = Some(frame.sequence);
        at = start + FRAME_HEADER_BYTES + frame.length;
        contents.frames.push((frame.sequence, start + FRAME_HEADER_BYTES..at));
    }
    if let Some(damage) = &mut contents.damage {
        damage.bytes = lost as u64;
    }
    contents.torn_at = (at < bytes.len() || bytes.len() < FILE_HEADER_BYTES).then_some(at as u64);
    contents.bytes = bytes;
    contents
}

/// Returns the sequence number of the last frame of a group that this process encoded.
pub(super) fn last_sequence_of_group(group: &[u8]) -> Option<u64> {
    let (mut at, mut last) = (0, None);
    while let Some(header) = group.get(at..at + FRAME_HEADER_BYTES) {
        last = Some(u64::from_le_bytes(fixed_bytes(header, 16)));
        at += FRAME_HEADER_BYTES + u32::from_le_bytes(fixed_bytes(header, 0)) as usize;
    }
    last
}

pub(super) struct WalFrame {
    pub(super) length: usize,
    pub(super) sequence: u64,
}

/// Returns the frame that starts at a position, if it is complete.
pub(super) fn complete_frame(bytes: &[u8], start: usize, epoch: u64, last: Option<u64>) -> Option<WalFrame> {
    let header = bytes.get(start..start + FRAME_HEADER_BYTES)?;
    let length = u32::from_le_bytes(fixed_bytes(header, 0)) as usize;
    let crc = u32::from_le_bytes(fixed_bytes(header, 4));
    let frame = WalFrame { length, sequence: u64::from_le_bytes(fixed_bytes(header, 16)) };
    // The cheap checks come first: while searching, the checksum is computed at almost no position.
    if epoch != u64::from_le_bytes(fixed_bytes(header, 8)) || last.is_some_and(|last| frame.sequence <= last) {
        return None;
    }
    let body = bytes.get(start + 8..start.checked_add(FRAME_HEADER_BYTES)?.checked_add(length)?)?;
    (crc32c::crc32c(body) == crc).then_some(frame)
}

/// Returns the length of a payload according to the header of its frame.
pub(super) fn frame_length(header: &[u8]) -> usize {
    u32::from_le_bytes(fixed_bytes(header, 0)) as usize
}

fn fixed_bytes<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
