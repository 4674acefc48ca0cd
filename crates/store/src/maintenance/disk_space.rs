//! Free disk space. Ingestion stops before the disk is full, and leaves space to flush stored spans and to delete old ones; it resumes
//! automatically.

use std::path::Path;
use std::sync::atomic::Ordering;

use crate::error::StoreError;
use crate::state::StoreInner;

/// Returns the bytes that an unprivileged user may still write to the disk that contains a path; `None` if the platform does not report it.
pub fn free_bytes(path: &Path) -> Option<u64> {
    rustix::fs::statvfs(path).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

impl StoreInner {
    /// Returns an error while less disk space than the reserve is free. Logs each change of this state once.
    pub(crate) fn check_reserve(&self) -> Result<(), StoreError> {
        let (root, reserve) = (self.folder.root(), self.config.reserve_bytes);
        let short = (self.config.free_bytes)(root).filter(|free| *free < reserve);
        let was_short = self.health.is_disk_low.swap(short.is_some(), Ordering::Relaxed);
        let Some(free) = short else {
            if was_short {
                tracing::info!("store.disk.available");
            }
            return Ok(());
        };
        let error = StoreError::DiskLow { path: root.to_owned(), free, reserve };
        if !was_short {
            tracing::error!(%error, "store.disk.full");
        }
        Err(error)
    }

    /// Returns whether background work may write this many bytes.
    pub(crate) fn has_space_for(&self, bytes: u64) -> bool {
        let free = (self.config.free_bytes)(self.folder.root());
        free.is_none_or(|free| free >= bytes.saturating_add(self.config.reserve_bytes / 2))
    }
}
