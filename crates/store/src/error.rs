//! Errors of the store, with messages for people.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Error of the store. The message says what happened, to what, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Spans arrive faster than they can be written. The same request may be sent again.
    #[error("spans could not be stored within {} ms: {reason}; retry later", waited.as_millis())]
    Busy {
        /// How long the request waited.
        waited: Duration,
        /// What the request waited for.
        reason: String,
    },
    /// The disk is full. Ingestion resumes automatically when space is available.
    #[error("the disk of {} is full; free some space or move the data directory", path.display())]
    DiskFull {
        /// File that could not grow.
        path: PathBuf,
    },
    /// The disk is nearly full. Ingestion resumes automatically when space is available.
    #[error("the disk of {} has {} left, below the reserve of {} (disk.reserve_bytes); free some space or move the data directory",
        path.display(), format_megabytes(*free), format_megabytes(*reserve))]
    DiskLow {
        /// Data directory.
        path: PathBuf,
        /// Number of free bytes.
        free: u64,
        /// Number of bytes that ingestion leaves free.
        reserve: u64,
    },
    /// A write could not be made durable, and the contents of the disk are unknown. No data is stored until a restart has read the file.
    #[error("could not sync {} to disk ({reason}); check the disk, then restart the server: no acknowledged data is lost", path.display())]
    Poisoned {
        /// WAL file.
        path: PathBuf,
        /// Message of the operating system.
        reason: String,
    },
    /// The data directory cannot be written.
    #[error("cannot write to {} ({reason}); give this user permission to write there", path.display())]
    ReadOnly {
        /// Directory or file that cannot be written.
        path: PathBuf,
        /// Message of the operating system.
        reason: String,
    },
    /// Another process has the data directory open.
    #[error("{} is in use by {holder}; stop that process or choose another data directory", path.display())]
    Locked {
        /// Data directory.
        path: PathBuf,
        /// The process that has it open, if it is known.
        holder: String,
    },
    /// A file is damaged.
    #[error("{} is damaged: {what}; run `hinomi doctor --repair` to rebuild it from the segments, or restore a backup", path.display())]
    Damaged {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with the file.
        what: String,
    },
    /// The data directory was written by a newer version.
    #[error("{} was written by a newer version of Hinomi (format {found}; supported: up to {known}); run that version", path.display())]
    Newer {
        /// Path of the file.
        path: PathBuf,
        /// Format version of the file.
        found: u32,
        /// Newest format version that this program reads.
        known: u32,
    },
    /// Any other error of the operating system.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// Failed operation, such as `open`.
        doing: &'static str,
        /// Path of the file or directory.
        path: PathBuf,
        /// Error of the operating system.
        source: Arc<io::Error>,
    },
    /// An operation on the manifest failed.
    #[error("could not {doing} in {}: {reason}", path.display())]
    Manifest {
        /// Failed operation.
        doing: &'static str,
        /// Path of the manifest.
        path: PathBuf,
        /// Message of SQLite.
        reason: String,
    },
    /// An operation on a segment failed.
    #[error("could not {doing} segment {}: {reason}", path.display())]
    Segment {
        /// Failed operation.
        doing: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Message of the Parquet library.
        reason: String,
    },
    /// The shape or size of the request does not fit into the WAL. Sending the request again does not help.
    #[error("the spans cannot be stored: {reason}; send fewer spans per request")]
    TooLargeForWal {
        /// What is wrong with the request.
        reason: String,
    },
    /// A defect in the program made this request fail; none of its spans are stored. Sending the request again fails in the same way.
    #[error("the spans cannot be stored because of a bug in Hinomi; please report the bug with the server's log")]
    InternalError,
    /// The store has been closed, or its thread has ended.
    #[error("the store is closed; restart the server")]
    Closed,
}

/// Formats a number of bytes as megabytes.
fn format_megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

impl StoreError {
    /// Wraps an error of the operating system; a full disk becomes [`StoreError::DiskFull`].
    pub(super) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
            _ => StoreError::Io { doing, path, source: Arc::new(source) },
        }
    }

    /// Wraps an error from writing or reading a segment.
    pub(super) fn segment_error(doing: &'static str, path: &Path, reason: impl std::fmt::Display) -> StoreError {
        let reason = reason.to_string();
        // The Parquet library passes errors of the operating system on as text only.
        if reason.contains("No space left") {
            return StoreError::DiskFull { path: path.to_owned() };
        }
        StoreError::Segment { doing, path: path.to_owned(), reason }
    }
}
