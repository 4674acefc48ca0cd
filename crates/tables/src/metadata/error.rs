//! Errors of the metadata database.

use std::path::PathBuf;

use crate::database::SqliteError;

/// Error of reading or changing metadata.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The data directory could not be created or opened.
    #[error("could not open the data folder {}: {source}; give this user the right to write there, or choose another with --data", path.display())]
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
    #[error("there is no project {0}")]
    NoProject(u64),
    /// The project has no such key.
    #[error("project {project} has no key {key}")]
    NoKey {
        /// ID of the project.
        project: u64,
        /// ID of the key.
        key: i64,
    },
    /// There is no such API token.
    #[error("there is no token {0}")]
    NoToken(i64),
    /// There is no such session.
    #[error("there is no session {0}")]
    NoSession(i64),
    /// The project has no such price.
    #[error("project {project} has no price {price}")]
    NoPrice {
        /// ID of the project.
        project: u64,
        /// ID of the price.
        price: i64,
    },
    /// There is no such job.
    #[error("there is no job {0}")]
    NoJob(i64),
    /// A value is invalid.
    #[error("{0}")]
    Invalid(String),
    /// Any other error of SQLite.
    #[error("could not use hinomi.db: {0}")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for MetadataError {
    fn from(error: rusqlite::Error) -> MetadataError {
        crate::database::note(std::path::Path::new("hinomi.db"), &error);
        MetadataError::Database(error)
    }
}
