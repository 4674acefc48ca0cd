//! The write-ahead log (WAL): acknowledged spans that are not in a segment yet.
//!
//! ```text
//! file   = magic "HINOLOG" version:u8  epoch:u64  crc32c:u32 (of the 16 bytes before)  frame*
//! frame  = length:u32 (of the payload)  crc32c:u32 (of everything that follows)  epoch:u64  sequence:u64  payload
//! ```
//!
//! Numbers are little-endian. The epoch is random for each file. When a damaged file is searched for readable frames, bytes of another
//! file, or a client's text that looks like a frame, are therefore not mistaken for a frame. Sequence numbers increase by one across all
//! files.
//!
//! The number of the last frame is in a separate file, `log/last` (`last_sequence`): a WAL file that is missing, or was cut at the end of
//! a frame, could not be detected otherwise.
//!
//! After a failed `fdatasync` the contents of the disk are unknown, and a second call may report success for pages that were dropped. The
//! failure therefore *poisons* the WAL: every later write fails at once until a restart has read the file.

pub(crate) mod cursor;
pub(crate) mod file;
pub(crate) mod frame;
mod last_sequence;
mod read;
pub(crate) mod retention;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::data_folder::sync_folder;
use super::error::StoreError;
use last_sequence::WalLastSequenceFile;
pub(super) use last_sequence::last_sequence;
pub(super) use read::read;

const MAGIC: &[u8; 7] = b"HINOLOG";
/// Format version that is written, and the newest that can be read.
const WAL_FORMAT: u8 = 1;
const FILE_HEADER_BYTES: usize = 20;
const FRAME_HEADER_BYTES: usize = 24;

/// The WAL file that is being written.
#[derive(Debug)]
pub(super) struct WalWriter {
    file: File,
    path: PathBuf,
    epoch: u64,
    /// End of the last group that was written completely.
    committed_end: u64,
    last: WalLastSequenceFile,
    /// Why nothing more can be written, if so.
    poison: Option<StoreError>,
    #[cfg(test)]
    pub(super) fault: Option<WalFault>,
}

/// Failures that tests request, since a disk does not fail on demand.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum WalFault {
    /// Half of the bytes are written, then the disk is full.
    DiskFull,
    /// The bytes are written but not made durable.
    Sync,
}

impl WalWriter {
    /// Creates a new file and makes its name durable.
    pub(super) fn create(path: PathBuf) -> Result<WalWriter, StoreError> {
        let epoch: u64 = rand::random();
        let mut header = Vec::with_capacity(FILE_HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        header.push(WAL_FORMAT);
        header.extend_from_slice(&epoch.to_le_bytes());
        header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).open(&path).map_err(StoreError::io_error("create", &path))?;
        let written = file.write_all(&header).and_then(|()| file.sync_data()).map_err(StoreError::io_error("write", &path));
        let written = written.and_then(|()| path.parent().map_or(Ok(()), sync_folder));
        if let Err(error) = written {
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        let committed_end = FILE_HEADER_BYTES as u64;
        let last = WalLastSequenceFile::open(&path);
        Ok(WalWriter {
            file,
            path,
            epoch,
            committed_end,
            last,
            poison: None,
            #[cfg(test)]
            fault: None,
        })
    }

    /// Returns the path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the length of the file up to the last complete group.
    pub(super) fn bytes(&self) -> u64 {
        self.committed_end
    }

    /// Returns whether nothing has been written since the file was created.
    pub(super) fn is_empty(&self) -> bool {
        self.committed_end == FILE_HEADER_BYTES as u64
    }

    /// Appends a frame to a group that will be written.
    pub(super) fn append_frame(&self, group: &mut Vec<u8>, sequence: u64, payload: &[u8]) {
        let mut body = [0; 16];
        body[..8].copy_from_slice(&self.epoch.to_le_bytes());
        body[8..].copy_from_slice(&sequence.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&body), payload);
        group.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        group.extend_from_slice(&crc.to_le_bytes());
        group.extend_from_slice(&body);
        group.extend_from_slice(payload);
    }

    /// Writes a group of frames and makes it durable.
    ///
    /// # Errors
    ///
    /// Returns an error if the group could not be written. The file is cut back to its previous end, and the next group may succeed. If the
    /// group could not be made durable, or the file not be cut back, the WAL is poisoned.
    pub(super) fn write_group(&mut self, group: &[u8]) -> Result<(), StoreError> {
        self.check_usable()?;
        if let Err(error) = self.write_all(group) {
            let cut = self
                .file
                .set_len(self.committed_end)
                .and_then(|()| std::io::Seek::seek(&mut self.file, std::io::SeekFrom::Start(self.committed_end)));
            return Err(match cut {
                Ok(_) => StoreError::io_error("write", &self.path)(error),
                Err(cut) => self.mark_poisoned(&cut),
            });
        }
        if let Err(error) = self.sync() {
            return Err(self.mark_poisoned(&error));
        }
        self.committed_end += group.len() as u64;
        if let Some(sequence) = read::last_sequence_of_group(group) {
            self.last.set(sequence);
        }
        Ok(())
    }

    /// Fails once the WAL is poisoned.
    pub(super) fn check_usable(&self) -> Result<(), StoreError> {
        self.poison.clone().map_or(Ok(()), Err)
    }

    fn write_all(&mut self, group: &[u8]) -> std::io::Result<()> {
        #[cfg(test)]
        if self.fault == Some(WalFault::DiskFull) {
            self.file.write_all(&group[..group.len() / 2])?;
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(group)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        #[cfg(test)]
        if self.fault == Some(WalFault::Sync) {
            return Err(std::io::Error::other("asked to fail"));
        }
        self.file.sync_data()
    }

    fn mark_poisoned(&mut self, error: &std::io::Error) -> StoreError {
        let poison = StoreError::Poisoned { path: self.path.clone(), reason: error.to_string() };
        tracing::error!(error = %poison, "store.wal.poisoned");
        self.poison = Some(poison.clone());
        poison
    }
}

#[cfg(test)]
mod tests;
