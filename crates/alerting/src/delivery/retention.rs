//! Expiry, erasure and redaction of notices and notification targets: `notify.db`. Deliveries are deleted with their notice or target.

use std::sync::Arc;

use hinomi_tables::retained_rows::{ErasedNames, ExpiryCutoffs, ExpiryFuture, RetainedRows, RowRedaction, RowSelection, blocking_expiry};
use rusqlite::Transaction;

use super::outbox::{DATABASE, NotificationOutbox, sql_project_id};
use crate::name_redaction::redact_bodies;

const OF_PROJECT: [RowSelection; 2] = [RowSelection::new("notices", "project = ?1"), RowSelection::new("targets", "project = ?1")];

/// JSON texts that may name traces and users: table and condition.
const MENTIONS: [(&str, &str); 1] = [("notices", "project = ?1")];

impl RetainedRows for NotificationOutbox {
    fn database(&self) -> &'static str {
        DATABASE
    }

    fn rows_of_project(&self) -> &'static [RowSelection] {
        &OF_PROJECT
    }

    /// A notice is sent when one of the traces or users that it names is deleted; [`RetainedRows::redaction`] removes the name.
    fn rows_of_names(&self) -> &'static [RowSelection] {
        &[]
    }

    /// Deletes notices before the cutoff that have been delivered or given up.
    fn expire(self: Arc<Self>, project: u64, cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        blocking_expiry(DATABASE, move || Ok(self.delete_before(project, cutoffs.before_us)? as u64))
    }

    fn redaction(&self) -> Option<RowRedaction> {
        Some(redact)
    }
}

fn redact(transaction: &Transaction, project: u64, names: &ErasedNames) -> rusqlite::Result<u64> {
    redact_bodies(transaction, &MENTIONS, sql_project_id(project), names)
}
