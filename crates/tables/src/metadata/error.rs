//! What can go wrong.

use std::path::PathBuf;

use crate::database::SqliteError;

/// Why the metadata could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The data folder could not be made or opened.
    #[error("could not open the data folder {}: {source}; give this user the right to write there, or choose another with --data", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The database did not open.
    #[error(transparent)]
    Open(#[from] SqliteError),
    /// No such project.
    #[error("there is no project {0}")]
    NoProject(u64),
    /// No such key in that project.
    #[error("project {project} has no key {key}")]
    NoKey {
        /// The project.
        project: u64,
        /// The key's number.
        key: i64,
    },
    /// No such API token.
    #[error("there is no token {0}")]
    NoToken(i64),
    /// No such session.
    #[error("there is no session {0}")]
    NoSession(i64),
    /// No such price in that project.
    #[error("project {project} has no price {price}")]
    NoPrice {
        /// The project.
        project: u64,
        /// The price's number.
        price: i64,
    },
    /// No such job.
    #[error("there is no job {0}")]
    NoJob(i64),
    /// A value that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// Anything that SQLite says.
    #[error("could not use hinomi.db: {0}")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for MetadataError {
    fn from(error: rusqlite::Error) -> MetadataError {
        crate::database::note(std::path::Path::new("hinomi.db"), &error);
        MetadataError::Database(error)
    }
}
