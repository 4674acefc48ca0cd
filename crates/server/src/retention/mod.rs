//! What is kept, for how long, and what is deleted before its time.
//!
//! [`expiry`] takes away what is older than its class is kept, and the oldest where the disk budget is reached; more than usual waits until
//! somebody says that it is meant (`hold`). [`erasure`] takes away one
//! trace, one user or one project, from every file, and leaves a receipt. Neither leaves anything in a file: segments are written anew, and
//! SQLite overwrites what it deletes.

mod classes;
mod deletion_preview;
mod erasure;
mod expiry;
mod held_deletions;
mod name_redaction;
mod table_statements;

use std::path::Path;
use std::sync::Arc;

use hinomi_alerting::AlertService;
use hinomi_query::{QueryEngine, QueryError};
use hinomi_store::{Store, StoreError};
use hinomi_tables::database::SqliteError;
use hinomi_tables::error_events::{ErrorStore, ErrorStoreError};
use hinomi_tables::log_lines::LogStore;
use hinomi_tables::metadata::{MetadataError, MetadataStore};
use hinomi_tables::scores::ScoreStore;

pub use classes::RetentionRules;
pub use deletion_preview::{DeletionPreview, stored};
pub use erasure::{DeletionReceipt, DeletionSubject, erase, finish, receipts_of_user};
pub use expiry::{ExpiryCutoffs, expire};
pub use held_deletions::{RetentionHold, RetentionHoldTracker, confirm, enforced, held, is_confirmed, shrunk};

/// Where all is that is kept.
#[derive(Debug, Clone)]
pub struct RetentionResources {
    /// Projects, pins, receipts.
    pub meta: Arc<MetadataStore>,
    /// Spans.
    pub store: Arc<Store>,
    /// Error events.
    pub errors: Arc<ErrorStore>,
    /// Judgements of answers.
    pub scores: Arc<ScoreStore>,
    /// Lines of logs.
    pub logs: Arc<LogStore>,
    /// Incidents that are open.
    pub alerts: Arc<AlertService>,
    /// Where queries run.
    pub engine: QueryEngine,
    /// The data folder.
    pub data: std::path::PathBuf,
    /// Days that spans are kept where a project does not say.
    pub days: u32,
    /// Bytes that the data folder may take; 0 for any number.
    pub budget_bytes: u64,
    /// How often it is looked for what is to be kept no longer.
    pub every: std::time::Duration,
    /// What is to be deleted, and waits for somebody to say that it is meant.
    pub holds: Arc<RetentionHoldTracker>,
    /// Held while something is deleted or a backup is made ready: a backup with a receipt in it must not hold what the receipt is of.
    pub erasing: Arc<tokio::sync::Mutex<()>>,
}

/// Why something was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// Spans.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Error events.
    #[error(transparent)]
    Errors(#[from] ErrorStoreError),
    /// A database.
    #[error(transparent)]
    Database(#[from] SqliteError),
    /// Projects, pins, receipts.
    #[error(transparent)]
    Meta(#[from] MetadataError),
    /// What belongs to a trace or user could not be found.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// There is no trace, or nothing of a user, that is to be deleted.
    #[error("nothing of it is stored")]
    Nothing,
    /// A fault in the program.
    #[error("a fault in the program: {0}")]
    Fault(String),
}

/// Bytes of all files in a folder and the folders in it.
pub fn bytes_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_of(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Does work that waits for the disk where that hinders nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RetentionError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| RetentionError::Fault(error.to_string()))
}
