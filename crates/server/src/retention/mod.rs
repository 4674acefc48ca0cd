//! Retention and deletion.
//!
//! `expiry` deletes expired data, and the oldest data when the disk budget is reached; an unusually large deletion waits for confirmation
//! (`held_deletions`). `erasure` deletes one trace, one user or one project from every file and stores a receipt. Afterwards, no file
//! contains deleted data: segments are rewritten, and SQLite overwrites deleted rows.
//!
//! `expiry` and `erasure` loop over [`RetentionResources::tables`]: each table module expires, erases and redacts its own rows
//! ([`RetainedRows`]).

mod classes;
mod deletion_preview;
mod erasure;
mod expiry;
mod held_deletions;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use hinomi_query::{QueryEngine, QueryError};
use hinomi_store::{Store, StoreError};
use hinomi_tables::database::SqliteError;
use hinomi_tables::metadata::{MetadataError, MetadataStore};
use hinomi_tables::retained_rows::RetainedRows;

pub use classes::RetentionRules;
pub use deletion_preview::{DeletionPreview, count_stored};
pub use erasure::{DeletionReceipt, DeletionSubject, erase_subject, finish_interrupted, receipts_of_user};
pub use expiry::{TableExpiryFailure, delete_expired};
pub use held_deletions::{
    RetentionHold, RetentionHoldTracker, confirm_hold, enforced_settings, is_confirmed, reduced_settings, stored_hold,
};

/// Stores and settings that retention uses.
#[derive(Debug, Clone)]
pub struct RetentionResources {
    /// Projects, pins, receipts.
    pub meta: Arc<MetadataStore>,
    /// Spans.
    pub store: Arc<Store>,
    /// Rows of all table modules.
    pub tables: Vec<Arc<dyn RetainedRows>>,
    /// Engine that runs queries.
    pub engine: QueryEngine,
    /// Data directory.
    pub data: std::path::PathBuf,
    /// Days that spans are stored if the project has no setting.
    pub default_days: u32,
    /// Disk budget in bytes; 0 for no limit.
    pub budget_bytes: u64,
    /// Interval between two retention sweeps.
    pub sweep_interval: std::time::Duration,
    /// Deletions that wait for confirmation.
    pub hold_tracker: Arc<RetentionHoldTracker>,
    /// Held during a deletion and while a backup is prepared: a backup that contains a receipt must not contain the deleted data.
    pub deletion_lock: Arc<tokio::sync::Mutex<()>>,
}

/// Reason why something was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// Error of the span store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Error of a database.
    #[error(transparent)]
    Database(#[from] SqliteError),
    /// Error of the metadata store.
    #[error(transparent)]
    Meta(#[from] MetadataError),
    /// The data of a trace or user could not be found.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// No data of the trace or user is stored.
    #[error("no data of the trace or user is stored")]
    NotFound,
    /// A bug in Hinomi.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Returns the size in bytes of all files in a directory and its subdirectories.
pub fn directory_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => directory_bytes(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Runs work that waits for the disk on a thread where it blocks nothing else.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RetentionError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| RetentionError::Internal(error.to_string()))
}
