//! What can go wrong, said to a person.

use std::path::PathBuf;

use crate::database::SqliteError;

/// Why error events were not stored, or a question about them not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ErrorStoreError {
    /// No such order of issues.
    #[error("unknown sort {0:?}; use one of {list}, with a leading - for descending order", list = super::issues::sorts())]
    BadSort(String),
    /// A cursor that this order of issues did not give out.
    #[error("cursor does not belong to this list; start again without a cursor")]
    BadCursor,
    /// The disk is full. Intake goes on by itself as soon as there is room.
    #[error("the disk that holds {} is full; free some space or move the data folder", path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// More arrives than can be written, or another process has the database. The request may be sent again as it is.
    #[error("error events cannot be stored now: {reason}; send again later")]
    Busy {
        /// What the request waited for.
        reason: String,
    },
    /// The database did not open or answer otherwise.
    #[error(transparent)]
    Database(SqliteError),
    /// The store has been closed.
    #[error("the store of errors is closed; restart to go on")]
    Closed,
}

impl ErrorStoreError {
    /// Whether the one who asked can put it right.
    pub fn is_users(&self) -> bool {
        matches!(self, ErrorStoreError::BadSort(_) | ErrorStoreError::BadCursor)
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
