//! Expiry and erasure of error events. All other data of an event is deleted with the event, and an issue is deleted with its last event.

use std::sync::Arc;

use super::schema::unused_issue;
use super::{DATABASE, ErrorStore, ErrorStoreError};
use crate::database::SqliteError;
use crate::retained_rows::{
    ErasedRowKind, ExpiringRows, ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, TableRetention, blocking_expiry, delete_expired,
};

const UNUSED_ISSUES: RowSelection = RowSelection::new("issues", concat!("project = ?1 AND ", unused_issue!()));

const OF_PROJECT: [RowSelection; 2] = [events("project = ?1"), RowSelection::new("issues", "project = ?1")];

const OF_NAMES: [RowSelection; 2] =
    [events("project = ?1 AND (trace IN (SELECT bytes FROM temp.traces) OR user_id IN (SELECT id FROM temp.people))"), UNUSED_ISSUES];

const EXPIRED: [RowSelection; 2] =
    [events("project = ?1 AND time_us < ?2 AND (trace IS NULL OR trace NOT IN (SELECT bytes FROM temp.traces))"), UNUSED_ISSUES];

const fn events(condition: &'static str) -> RowSelection {
    RowSelection::new("events", condition).counted_as(ErasedRowKind::ErrorEvent)
}

static RULES: TableRetention = TableRetention {
    of_names: &OF_NAMES,
    expiring: Some(ExpiringRows {
        label: "error events",
        table: "events",
        time_us: "time_us",
        cutoff: |cutoffs| cutoffs.notable_trace_cutoff_us,
    }),
    notable_traces: Some("SELECT DISTINCT lower(hex(trace)) FROM events WHERE project = ?1 AND trace IS NOT NULL"),
    ..TableRetention::new(DATABASE, &OF_PROJECT)
};

impl RetainedRows for ErrorStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    fn expire(self: Arc<Self>, project: u64, cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        let before_us = cutoffs.notable_trace_cutoff_us;
        if cutoffs.pinned.is_empty() {
            // This deletes a few thousand rows at a time, so that ingestion continues.
            return Box::pin(async move { self.delete_before(project, before_us).await.map_err(|error| self.database_error(error)) });
        }
        blocking_expiry(DATABASE, move || {
            let counts = delete_expired(&self.path, &EXPIRED, project, before_us, &cutoffs.pinned)?;
            Ok(counts.of(ErasedRowKind::ErrorEvent))
        })
    }
}

impl ErrorStore {
    /// Converts an error of a deletion.
    fn database_error(&self, error: ErrorStoreError) -> SqliteError {
        let path = self.path.clone();
        match error {
            ErrorStoreError::Database(error) => error,
            ErrorStoreError::DiskFull { path } => SqliteError::DiskFull { path },
            ErrorStoreError::Busy { .. } => SqliteError::Busy { path },
            error => SqliteError::Failed { path, reason: error.to_string() },
        }
    }
}
