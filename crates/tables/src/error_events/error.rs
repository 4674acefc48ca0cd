//! Errors of the error event store, with messages for people.

use std::path::PathBuf;

use crate::database::SqliteError;

/// Error of storing or querying error events.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ErrorStoreError {
    /// Unknown order of issues.
    #[error("unknown sort {0:?}; use one of {list}, with a leading - for descending order", list = super::issues::sorts())]
    BadSort(String),
    /// The cursor does not belong to this order of issues.
    #[error("cursor does not belong to this list; start again without a cursor")]
    BadCursor,
    /// No such issue.
    #[error("no issue {0}")]
    UnknownIssue(i64),
    /// The issue has no such group, or has no other group.
    #[error("issue {issue} has no group {group:?} that could be split off")]
    UnknownGroup {
        /// The issue.
        issue: i64,
        /// ID of the group as requested.
        group: String,
    },
    /// An earlier change of an issue is still moving events.
    #[error("events of an issue are being moved; retry later")]
    MovingEvents,
    /// The disk is full. Ingestion resumes automatically when space is available.
    #[error("the disk of {} is full; free some space or move the data directory", path.display())]
    DiskFull {
        /// Path of the database.
        path: PathBuf,
    },
    /// Events arrive faster than they can be written, or another process has locked the database. The same request may be sent again.
    #[error("error events cannot be stored: {reason}; retry later")]
    Busy {
        /// What the request waited for.
        reason: String,
    },
    /// Any other error of the database.
    #[error(transparent)]
    Database(SqliteError),
    /// The store has been closed.
    #[error("the store of error events is closed; restart the server")]
    Closed,
}

impl ErrorStoreError {
    /// Returns whether the caller's parameters caused the error.
    pub fn is_users(&self) -> bool {
        matches!(self, ErrorStoreError::BadSort(_) | ErrorStoreError::BadCursor | ErrorStoreError::UnknownGroup { .. })
    }
}

impl From<SqliteError> for ErrorStoreError {
    fn from(error: SqliteError) -> ErrorStoreError {
        match error {
            SqliteError::DiskFull { path } => ErrorStoreError::DiskFull { path },
            SqliteError::Busy { .. } => ErrorStoreError::Busy { reason: error.to_string() },
            other => ErrorStoreError::Database(other),
        }
    }
}
