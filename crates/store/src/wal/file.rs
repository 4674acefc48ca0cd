//! Changes of whole WAL files, after a restart and after a flush.

use std::fs::{self, File};
use std::path::Path;

use crate::error::StoreError;

/// Makes replayed frames durable. A killed process may leave a write that it had not synced. The rows of such a write are visible from now
/// on, duplicates of them are acknowledged, and a segment may be written from them. A power failure must not undo any of this.
pub(crate) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_data()).map_err(StoreError::io_error("sync", path))
}

/// Cuts off the rest of a write that was never acknowledged.
pub(crate) fn truncate(path: &Path, at: u64) -> Result<(), StoreError> {
    let file = File::options().write(true).open(path).map_err(StoreError::io_error("open", path))?;
    let length = file.metadata().map_err(StoreError::io_error("read", path))?.len();
    tracing::info!(path = %path.display(), bytes = length - at, "store.wal.truncated");
    file.set_len(at).and_then(|()| file.sync_data()).map_err(StoreError::io_error("cut", path))
}

/// Copies a damaged file for manual inspection.
pub(crate) fn copy(path: &Path, to: &Path) -> Result<(), StoreError> {
    fs::copy(path, to).map(drop).map_err(StoreError::io_error("copy", path))
}

/// Returns the length of a file in bytes.
pub(crate) fn length(path: &Path) -> Result<u64, StoreError> {
    fs::metadata(path).map(|found| found.len()).map_err(StoreError::io_error("read", path))
}

/// Removes a file whose frames are all in segments.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    fs::remove_file(path).map_err(StoreError::io_error("remove", path))
}
