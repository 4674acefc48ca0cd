//! Expiry and erasure of log lines. Log lines expire with messages, which may be earlier than spans.

use std::sync::Arc;

use super::{DATABASE, LogStore};
use crate::retained_rows::{
    ErasedRowKind, ExpiringRows, ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, TableRetention, blocking_expiry, delete_expired,
};

const OF_PROJECT: [RowSelection; 1] = [lines("project = ?1")];
const OF_NAMES: [RowSelection; 1] = [lines(
    "project = ?1 AND (trace IN (SELECT bytes FROM temp.traces)
     OR attributes ->> '$.\"user.id\"' IN (SELECT id FROM temp.people) OR attributes ->> '$.\"enduser.id\"' IN (SELECT id FROM temp.people))",
)];
const EXPIRED: [RowSelection; 1] = [lines("project = ?1 AND at_us < ?2 AND trace NOT IN (SELECT bytes FROM temp.traces)")];

const fn lines(condition: &'static str) -> RowSelection {
    RowSelection::new("lines", condition).counted_as(ErasedRowKind::LogLine)
}

static RULES: TableRetention = TableRetention {
    of_names: &OF_NAMES,
    expiring: Some(ExpiringRows { label: "log lines", table: "lines", time_us: "at_us", cutoff: |cutoffs| cutoffs.log_line_cutoff_us }),
    ..TableRetention::new(DATABASE, &OF_PROJECT)
};

impl RetainedRows for LogStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    fn expire(self: Arc<Self>, project: u64, cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        if cutoffs.pinned.is_empty() && cutoffs.notable.is_empty() {
            // This deletes a few thousand rows at a time, so that ingestion continues.
            return Box::pin(async move { self.delete_before(project, cutoffs.log_line_cutoff_us).await });
        }
        blocking_expiry(DATABASE, move || {
            let path = self.database.path();
            // The lines of traces with errors or scores are stored as long as these.
            let mut counts = delete_expired(path, &EXPIRED, project, cutoffs.notable_trace_cutoff_us, &cutoffs.pinned)?;
            counts.add_all(&delete_expired(path, &EXPIRED, project, cutoffs.log_line_cutoff_us, &cutoffs.kept())?);
            Ok(counts.total())
        })
    }
}
