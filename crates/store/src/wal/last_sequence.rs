//! The number of the last acknowledged frame: `log/last`.
//!
//! The file is written after each group and not synced separately, which would take time: it is exact after a kill, and at most some
//! seconds old after a power failure. The number never exceeds the last durable frame. If a frame up to this number is in no WAL file, it
//! is therefore lost.
//!
//! ```text
//! sequence:u64  crc32c:u32 (of the eight bytes before)
//! ```

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const FILE_BYTES: usize = 12;

/// The open file; `None` if it could not be opened. The file is only used to report losses.
#[derive(Debug)]
pub(super) struct WalLastSequenceFile(Option<File>);

fn path_in(folder: &Path) -> PathBuf {
    folder.join("last")
}

impl WalLastSequenceFile {
    /// Opens the file in the directory of a WAL file, and makes its previous content durable.
    pub(super) fn open(log: &Path) -> WalLastSequenceFile {
        let open = |folder: &Path| {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path_in(folder))?;
            file.sync_data().map(|()| file)
        };
        WalLastSequenceFile(log.parent().and_then(|folder| {
            open(folder)
                .inspect_err(|error| tracing::warn!(path = %path_in(folder).display(), %error, "store.wal.last_sequence_write_failed"))
                .ok()
        }))
    }

    /// Records that all frames up to the given frame are durable.
    pub(super) fn set(&self, sequence: u64) {
        let mut bytes = [0; FILE_BYTES];
        bytes[..8].copy_from_slice(&sequence.to_le_bytes());
        bytes[8..].copy_from_slice(&crc32c::crc32c(&sequence.to_le_bytes()).to_le_bytes());
        if let Some(file) = &self.0 {
            // If it cannot be written, it remains at an older number, which is still correct.
            let _ = file.write_all_at(&bytes, 0);
        }
    }
}

/// Returns the number of the last frame that is known to be acknowledged; `None` if it is unknown.
pub(crate) fn last_sequence(logs: &Path) -> Option<u64> {
    let bytes = std::fs::read(path_in(logs)).ok()?;
    let (sequence, crc) = bytes.get(..FILE_BYTES)?.split_first_chunk::<8>()?;
    (crc32c::crc32c(sequence).to_le_bytes() == *crc).then(|| u64::from_le_bytes(*sequence))
}
