//! Reads frames of the WAL in order, while the last file is being written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::read::{complete_frame, frame_length, read_header};
use super::{FILE_HEADER_BYTES, FRAME_HEADER_BYTES};
use crate::data_folder::numbered;
use crate::error::StoreError;

/// Number of bytes that are read at a time, unless a frame is longer.
const CHUNK: usize = 1 << 20;

/// A position between two frames.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WalCursor {
    /// Number of the file.
    file: u64,
    /// Position in the file in bytes; 0 for its start.
    at: u64,
}

/// Consecutive frames.
#[derive(Debug, Default)]
pub(crate) struct WalFrameRun {
    /// Sequence number and payload of each frame.
    pub(crate) frames: Vec<(u64, Vec<u8>)>,
}

/// Reads frames from number `expected` to number `last` at most: about one chunk, and at least one frame. Moves the cursor past these
/// frames. Returns `None` if the frame is not in the WAL any more, or cannot be read.
pub(crate) fn frames_from(logs: &Path, cursor: &mut WalCursor, expected: u64, last: u64) -> Result<Option<WalFrameRun>, StoreError> {
    let start = *cursor;
    for (number, path) in numbered(logs, "log")?.into_iter().filter(|(number, _)| *number >= start.file) {
        let mut at = if number == start.file { start.at } else { 0 };
        loop {
            let chunk = match read_chunk(&path, at) {
                Ok(chunk) => chunk,
                // A flush has removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(StoreError::io_error("read", &path)(error)),
            };
            let Some(end) = chunk.last().map(|frame| frame.end) else { break };
            let mut run = WalFrameRun::default();
            for frame in chunk.into_iter().filter(|frame| (expected..=last).contains(&frame.sequence)) {
                if frame.sequence != expected + run.frames.len() as u64 {
                    break;
                }
                *cursor = WalCursor { file: number, at: frame.end };
                run.frames.push((frame.sequence, frame.payload));
            }
            if !run.frames.is_empty() {
                return Ok(Some(run));
            }
            at = end;
        }
    }
    Ok(None)
}

struct PlacedFrame {
    sequence: u64,
    payload: Vec<u8>,
    /// Position behind the frame.
    end: u64,
}

/// Reads the complete frames of a part of a file; at least one if there is one at the position.
fn read_chunk(path: &Path, at: u64) -> io::Result<Vec<PlacedFrame>> {
    let file = File::open(path)?;
    let Some(start) = read_part(&file, 0, FILE_HEADER_BYTES)? else { return Ok(Vec::new()) };
    let epoch = read_header(&start).epoch;
    let at = at.max(FILE_HEADER_BYTES as u64);
    let Some(first) = read_part(&file, at, FRAME_HEADER_BYTES)? else { return Ok(Vec::new()) };
    let rest = file.metadata()?.len().saturating_sub(at);
    let length = (FRAME_HEADER_BYTES + frame_length(&first)).max(CHUNK);
    let Some(bytes) = read_part(&file, at, length.min(usize::try_from(rest).unwrap_or(length)))? else { return Ok(Vec::new()) };
    let (mut frames, mut next, mut last) = (Vec::new(), 0, None);
    while let Some(frame) = complete_frame(&bytes, next, epoch, last) {
        let payload = next + FRAME_HEADER_BYTES..next + FRAME_HEADER_BYTES + frame.length;
        (next, last) = (payload.end, Some(frame.sequence));
        frames.push(PlacedFrame { sequence: frame.sequence, payload: bytes[payload].to_vec(), end: at + next as u64 });
    }
    Ok(frames)
}

/// Reads bytes of a file; `None` if the file ends before.
fn read_part(file: &File, at: u64, length: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; length];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
