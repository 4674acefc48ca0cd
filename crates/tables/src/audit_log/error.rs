//! Errors of the audit log.

use crate::database::SqliteError;

/// A change of the audit log that shows tampering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditViolation {
    /// The hash of an entry is wrong.
    #[error("entry {sequence} or an earlier entry was edited")]
    EditedEntry {
        /// Sequence number of the entry.
        sequence: u64,
    },
    /// An entry is missing within the log.
    #[error("entry {sequence} is missing")]
    MissingEntry {
        /// Sequence number of the entry.
        sequence: u64,
    },
    /// The log ends before an exported head.
    #[error("the log ends at entry {last}, but it once reached entry {head}: the last entries were cut off")]
    CutTail {
        /// Sequence number of the exported head.
        head: u64,
        /// Sequence number of the last entry.
        last: u64,
    },
    /// The log has another entry than an exported head.
    #[error("entry {sequence} is not the entry that was exported as head: the log was rewritten")]
    Rewritten {
        /// Sequence number of the exported head.
        sequence: u64,
    },
    /// All exported heads are of entries that have expired, or are said to.
    #[error(
        "all exported heads refer to expired entries (up to entry {through}), so the log cannot be compared with them; if no entries have expired since the export, the log was rewritten"
    )]
    NoComparableHead {
        /// Sequence number of the last expired entry.
        through: u64,
    },
    /// The checkpoint from which the chain continues was not signed by this server.
    #[error("the checkpoint after expired entries has no valid signature of this server")]
    InvalidCheckpoint,
}

/// Error of reading or writing the audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditLogError {
    /// The log was changed.
    #[error(transparent)]
    Violation(#[from] AuditViolation),
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] SqliteError),
    /// Any other error of SQLite.
    #[error("database error in audit.db: {0}")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for AuditLogError {
    fn from(error: rusqlite::Error) -> AuditLogError {
        crate::database::note_error(std::path::Path::new("audit.db"), &error);
        AuditLogError::Database(error)
    }
}
