//! Expiry, erasure and redaction of rules and incidents: `alerts.db`, and the open incidents in memory.

use std::collections::HashSet;
use std::sync::Arc;

use hinomi_tables::database::SqliteError;
use hinomi_tables::retained_rows::{
    ErasedNames, ErasedRowKind, ErasureSubject, ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, TableRetention, blocking_expiry,
};
use rusqlite::Transaction;

use crate::alert_store::{DATABASE, number};
use crate::name_redaction::redact_bodies;
use crate::{AlertService, lock, now_us};

const OF_PROJECT: [RowSelection; 3] = [
    RowSelection::new("incidents", "project = ?1").counted_as(ErasedRowKind::Incident),
    RowSelection::new("rules", "project = ?1"),
    // Notifications that the delivery worker has not taken yet.
    RowSelection::new("notices", "json_extract(body, '$.project') = ?1"),
];

/// JSON texts that may name traces and users: table and condition.
const MENTIONS: [(&str, &str); 3] = [
    ("incidents", "project = ?1"),
    ("timeline", "incident IN (SELECT id FROM incidents WHERE project = ?1)"),
    ("notices", "json_extract(body, '$.project') = ?1"),
];

/// An incident stays after a trace or user that it is about is deleted; the redaction removes the name.
static RULES: TableRetention = TableRetention { redaction: Some(redact), ..TableRetention::new(DATABASE, &OF_PROJECT) };

impl RetainedRows for AlertService {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    /// Deletes incidents that were resolved before the cutoff.
    fn expire(self: Arc<Self>, project: u64, cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        blocking_expiry(DATABASE, move || Ok(self.store.delete_before(project, cutoffs.before_us)? as u64))
    }

    /// Returns true if only the databases may still contain what is to be erased, false if delivery took too long to accept the pending
    /// notifications.
    fn forget(&self, subject: &ErasureSubject) -> Result<bool, SqliteError> {
        match &subject.names {
            Some(names) => self.forget_names(subject.project, names)?,
            None => self.forget_project(subject.project)?,
        }
        Ok(self.wait_for_handover())
    }
}

impl AlertService {
    /// Removes deleted users and traces from the open incidents of a project, and resolves incidents about one of them.
    fn forget_names(&self, project: u64, names: &ErasedNames) -> Result<(), SqliteError> {
        let names: HashSet<String> = names.traces.iter().map(ToString::to_string).chain(names.users.iter().cloned()).collect();
        let mut bell = lock(&self.evaluator);
        bell.advance_clock(now_us());
        let mut changes = bell.changes_without_names(project, &names);
        self.store.write_changes(&mut changes)?;
        changes.iter_mut().for_each(|change| lock(&self.pending_notifications).append(&mut change.pending_notifications));
        bell.apply_changes(changes);
        bell.forget_names(project, &names);
        Ok(())
    }

    /// Deletes the rules and budgets of a project and removes their open incidents from memory.
    fn forget_project(&self, project: u64) -> Result<(), SqliteError> {
        self.store.delete_rules(project)?;
        lock(&self.evaluator).forget_project(project);
        lock(&self.project_counters).remove(&project);
        self.reload_definitions();
        Ok(())
    }
}

fn redact(transaction: &Transaction, project: u64, names: &ErasedNames) -> rusqlite::Result<u64> {
    redact_bodies(transaction, &MENTIONS, number(project), names)
}
