//! WAL files that stay after a flush because a durable subscription has not processed all of them.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Mutex;

use super::file::remove;
use crate::state::lock;

/// The positions of all durable subscriptions, and the WAL files that are kept for them.
#[derive(Debug)]
pub(crate) struct WalRetention {
    /// Maximum total size of the files in bytes.
    max_bytes: u64,
    state: Mutex<WalRetentionState>,
}

#[derive(Debug, Default)]
struct WalRetentionState {
    /// Number of the last processed frame, by subscription.
    positions: BTreeMap<String, u64>,
    /// Files whose frames are all in segments, oldest first.
    files: VecDeque<CoveredWalFile>,
}

/// A WAL file whose frames are all in segments.
#[derive(Debug)]
pub(crate) struct CoveredWalFile {
    pub(crate) path: PathBuf,
    /// Number of the last frame, or a larger one.
    pub(crate) last_sequence: u64,
    /// Length in bytes.
    pub(crate) bytes: u64,
}

impl WalRetention {
    pub(crate) fn new(positions: BTreeMap<String, u64>, max_bytes: u64) -> WalRetention {
        WalRetention { max_bytes, state: Mutex::new(WalRetentionState { positions, files: VecDeque::new() }) }
    }

    /// Returns the position of a subscription, if it exists.
    pub(crate) fn position(&self, name: &str) -> Option<u64> {
        lock(&self.state).positions.get(name).copied()
    }

    /// Adds a subscription that begins with the next change. From now on, no file that the subscription needs is removed.
    pub(crate) fn register(&self, name: &str, published: impl FnOnce() -> u64) -> u64 {
        let mut state = lock(&self.state);
        // Under the lock: a flush that takes it later sees the position, and the files of earlier ones have no later frames.
        let position = published();
        state.positions.insert(name.to_owned(), position);
        position
    }

    /// Sets the position of a subscription and removes the files that no subscription needs any more.
    pub(crate) fn advance(&self, name: &str, position: u64) {
        let mut state = lock(&self.state);
        state.positions.insert(name.to_owned(), position);
        state.release(self.max_bytes);
    }

    /// Deletes the position of a subscription, and removes the files that no other subscription needs.
    pub(crate) fn forget(&self, name: &str) {
        let mut state = lock(&self.state);
        state.positions.remove(name);
        state.release(self.max_bytes);
    }

    /// Takes files whose frames are all in segments, and removes the files that no subscription needs. If the disk is `short` of space, no
    /// files are kept, because ingestion is more important.
    pub(crate) fn retire(&self, files: impl IntoIterator<Item = CoveredWalFile>, short: bool) {
        let mut state = lock(&self.state);
        state.files.extend(files);
        state.release(if short { 0 } else { self.max_bytes });
    }
}

impl WalRetentionState {
    fn release(&mut self, max_bytes: u64) {
        let slowest = self.positions.values().min().copied().unwrap_or(u64::MAX);
        let mut bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        while let Some(file) = self.files.pop_front_if(|file| file.last_sequence <= slowest || bytes > max_bytes) {
            bytes -= file.bytes;
            // A file that remains is retired again at the next start.
            if let Err(error) = remove(&file.path) {
                tracing::warn!(path = %file.path.display(), %error, "store.wal.remove_failed");
            }
            if file.last_sequence > slowest {
                tracing::warn!(path = %file.path.display(), slowest, max_bytes, "store.subscription.fell_behind");
            }
        }
    }
}
