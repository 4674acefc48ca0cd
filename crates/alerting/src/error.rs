//! Why an alert could not be kept or changed.

use hinomi_tables::database::SqliteError;

/// Why an alert could not be kept or changed.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// A rule or budget that cannot be.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field, as it is called in JSON and TOML.
        field: &'static str,
        /// What is wrong, and what it should be.
        reason: String,
    },
    /// Another one of the project has the name.
    #[error("name: a {what} named {name:?} already exists")]
    NameTaken {
        /// `rule` or `budget`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// There is no such rule, budget or incident.
    #[error("{0} not found")]
    Unknown(&'static str),
    /// The incident is over.
    #[error("incident {0} is resolved; only notes can be added")]
    Over(i64),
    /// The database.
    #[error(transparent)]
    Database(#[from] SqliteError),
}

/// A field that cannot be so.
pub(super) fn invalid(field: &'static str, reason: impl Into<String>) -> AlertError {
    AlertError::Invalid { field, reason: reason.into() }
}
