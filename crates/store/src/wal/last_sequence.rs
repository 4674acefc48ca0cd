//! The number of the last frame that was acknowledged: `log/last`.
//!
//! It is written after each group and not made durable by itself, so that it costs no wait: a kill leaves it exact, a power cut some seconds
//! old at most. It never says more than is durable, so that what it names and no log file holds is lost.
//!
//! ```text
//! sequence:u64  crc32c:u32 (of the eight bytes before)
//! ```

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const LENGTH: usize = 12;

/// The open file; `None` where it could not be opened. Nothing depends on it but what is said of a loss.
#[derive(Debug)]
pub(super) struct WalLastSequenceFile(Option<File>);

fn path_in(folder: &Path) -> PathBuf {
    folder.join("last")
}

impl WalLastSequenceFile {
    /// The file beside a log file. What it said before is made durable.
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

    /// Says that all frames up to this one are durable.
    pub(super) fn set(&self, sequence: u64) {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&sequence.to_le_bytes());
        bytes[8..].copy_from_slice(&crc32c::crc32c(&sequence.to_le_bytes()).to_le_bytes());
        if let Some(file) = &self.0 {
            // One that cannot be written is old, and then says less.
            let _ = file.write_all_at(&bytes, 0);
        }
    }
}

/// The number of the last frame that is known to have been acknowledged; `None` where that is not known.
pub(crate) fn last_sequence(logs: &Path) -> Option<u64> {
    let bytes = std::fs::read(path_in(logs)).ok()?;
    let (sequence, crc) = bytes.get(..LENGTH)?.split_first_chunk::<8>()?;
    (crc32c::crc32c(sequence).to_le_bytes() == *crc).then(|| u64::from_le_bytes(*sequence))
}
