//! Expiry, erasure and redaction of notifications and notification channels: `notify.db`. Deliveries are deleted with their notification or
//! channel.

use std::sync::Arc;

use hinomi_tables::retained_rows::{ErasedNames, ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, TableRetention, blocking_expiry};
use rusqlite::Transaction;

use super::outbox::{DATABASE, NotificationOutbox, sql_project_id};
use crate::name_redaction::redact_bodies;

const OF_PROJECT: [RowSelection; 2] = [RowSelection::new("notices", "project = ?1"), RowSelection::new("targets", "project = ?1")];

/// JSON texts that may name traces and users: table and condition.
const MENTIONS: [(&str, &str); 1] = [("notices", "project = ?1")];

/// A notification is still sent after a trace or user that it names is deleted; the redaction removes the name.
static RULES: TableRetention = TableRetention { redaction: Some(redact), ..TableRetention::new(DATABASE, &OF_PROJECT) };

impl RetainedRows for NotificationOutbox {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    /// Deletes notifications before the cutoff that have been delivered or given up.
    fn expire(self: Arc<Self>, project: u64, cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        blocking_expiry(DATABASE, move || Ok(self.delete_before(project, cutoffs.before_us)? as u64))
    }
}

fn redact(transaction: &Transaction, project: u64, names: &ErasedNames) -> rusqlite::Result<u64> {
    redact_bodies(transaction, &MENTIONS, sql_project_id(project), names)
}
