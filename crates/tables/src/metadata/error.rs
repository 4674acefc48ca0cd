//! Errors of the metadata database.

use std::path::PathBuf;

use crate::database::SqliteError;

/// Error of reading or changing metadata.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The data directory could not be created or opened.
    #[error("cannot open the data directory {}: {source}; give this user permission to write there, or use --data", path.display())]
    Folder {
        /// Path of the directory.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] SqliteError),
    /// There is no such project.
    #[error("project {0} not found")]
    NoProject(u64),
    /// The project has no such key.
    #[error("ingest key {key} not found in project {project}")]
    NoKey {
        /// ID of the project.
        project: u64,
        /// ID of the key.
        key: i64,
    },
    /// There is no such account, or it has no role in the project.
    #[error("account {0} not found")]
    NoAccount(i64),
    /// There is no such group.
    #[error("group {0} not found")]
    NoGroup(i64),
    /// The account is the last owner who can sign in, or account 1.
    #[error("account {0} is the last owner who can sign in, or belongs to whoever can read the data directory; it stays active")]
    LastOwner(i64),
    /// Something else has a value that must be unique.
    #[error("{0}")]
    Taken(String),
    /// There is no such API token.
    #[error("token {0} not found")]
    NoToken(i64),
    /// There is no such session.
    #[error("session {0} not found")]
    NoSession(i64),
    /// The project has no such price.
    #[error("custom price {price} not found in project {project}")]
    NoPrice {
        /// ID of the project.
        project: u64,
        /// ID of the price.
        price: i64,
    },
    /// There is no such job.
    #[error("job {0} not found")]
    NoJob(i64),
    /// A value is invalid.
    #[error("{0}")]
    Invalid(String),
    /// Any other error of SQLite.
    #[error("database error in hinomi.db: {0}")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for MetadataError {
    fn from(error: rusqlite::Error) -> MetadataError {
        crate::database::note_error(std::path::Path::new("hinomi.db"), &error);
        MetadataError::Database(error)
    }
}
