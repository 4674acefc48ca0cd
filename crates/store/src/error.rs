//! What can go wrong, said to a person.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Why spans were not stored, or why the store did not open. The message says what happened, to what, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// More arrives than can be written. The request may be sent again as it is.
    #[error("no room for new spans within {} ms: {reason}; send again later", waited.as_millis())]
    Busy {
        /// How long the request waited.
        waited: Duration,
        /// What it waited for.
        reason: String,
    },
    /// The disk is full. Intake goes on by itself as soon as there is room.
    #[error("the disk that holds {} is full; free some space or move the data folder", path.display())]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The disk is nearly full. Intake goes on by itself as soon as there is room.
    #[error("the disk that holds {} has {} left, and {} are kept in reserve (disk.reserve_bytes); free some space or move the data folder",
        path.display(), megabytes(*free), megabytes(*reserve))]
    DiskLow {
        /// The data folder.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that intake leaves free.
        reserve: u64,
    },
    /// A write could not be made durable, so that what the disk holds is unknown. Nothing is stored until a restart has read it.
    #[error("{} could not be made durable ({reason}); check the disk, then restart: nothing acknowledged is lost", path.display())]
    Poisoned {
        /// The log file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The data folder cannot be written.
    #[error("{} cannot be written ({reason}); give this user the right to write there", path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// Another process has the folder open.
    #[error("{} is in use by {holder}; stop that process or choose another data folder", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The process, as far as is known.
        holder: String,
    },
    /// A file does not hold what it should.
    #[error("{} is damaged: {what}; run `hinomi doctor --repair`, which makes it again from the segments, or restore a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The folder was written by a newer version.
    #[error("{} was written by a newer version (format {found}, known here up to {known}); start that version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// Any other failure of the operating system.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `open`.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// Work on the manifest failed.
    #[error("could not {doing} in {}: {reason}", path.display())]
    Manifest {
        /// What was tried.
        doing: &'static str,
        /// The manifest.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// Work on a segment failed.
    #[error("could not {doing} segment {}: {reason}", path.display())]
    Segment {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the Parquet library said.
        reason: String,
    },
    /// The request is of a shape or size that the log cannot hold. Sending it again does not help.
    #[error("the spans cannot be stored: {reason}; send fewer at a time")]
    Unfit {
        /// What is wrong with it.
        reason: String,
    },
    /// A fault in the program met this request, of which nothing is stored. Sending it again meets the same fault.
    #[error("the spans cannot be stored: a fault in the program; please report it with what the server's log says")]
    Fault,
    /// The store has been closed, or its thread has ended.
    #[error("the store is closed; restart to go on")]
    Closed,
}

/// Bytes as a person reads them.
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

impl StoreError {
    /// Wraps a failure of the operating system; a full disk becomes [`StoreError::DiskFull`].
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
            _ => StoreError::Io { doing, path, source: Arc::new(source) },
        }
    }

    /// Wraps a failure to write or read a segment.
    pub(super) fn segment(doing: &'static str, path: &Path, reason: impl std::fmt::Display) -> StoreError {
        let reason = reason.to_string();
        // The Parquet library passes on what the operating system says as text only.
        if reason.contains("No space left") {
            return StoreError::DiskFull { path: path.to_owned() };
        }
        StoreError::Segment { doing, path: path.to_owned(), reason }
    }
}
