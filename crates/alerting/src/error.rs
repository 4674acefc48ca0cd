//! Errors of alerts.

use hinomi_tables::database::SqliteError;

/// Reason why an alert cannot be stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// The definition of a rule or budget is not valid.
    #[error("{field}: {reason}")]
    Invalid {
        /// Name of the field in JSON and TOML.
        field: &'static str,
        /// What is wrong, and what is valid.
        reason: String,
    },
    /// Another rule or budget of the project has the name.
    #[error("name: a {what} named {name:?} already exists")]
    NameTaken {
        /// `rule` or `budget`.
        what: &'static str,
        /// Name that is taken.
        name: String,
    },
    /// The rule, budget or incident does not exist.
    #[error("{0} not found")]
    Unknown(&'static str),
    /// The incident is resolved.
    #[error("incident {0} is resolved; only notes can be added")]
    Over(i64),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqliteError),
}

/// Returns the error of an invalid field.
pub(super) fn invalid(field: &'static str, reason: impl Into<String>) -> AlertError {
    AlertError::Invalid { field, reason: reason.into() }
}
