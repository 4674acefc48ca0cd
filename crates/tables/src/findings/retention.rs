//! Expiry and erasure of findings.

use std::sync::Arc;

use super::{DATABASE, FindingStore};
use crate::database::SqliteError;
use crate::retained_rows::{
    ErasureSubject, ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, TableRetention, blocking_expiry, delete_expired,
};

const OF_PROJECT: [RowSelection; 2] = [RowSelection::new("findings", "project = ?1"), RowSelection::new("searched_traces", "project = ?1")];
const OF_NAMES: [RowSelection; 2] = [
    RowSelection::new("findings", "project = ?1 AND trace IN (SELECT bytes FROM temp.traces)"),
    RowSelection::new("searched_traces", "project = ?1 AND trace IN (SELECT bytes FROM temp.traces)"),
];
const EXPIRED: [RowSelection; 2] = [
    RowSelection::new("findings", "project = ?1 AND start_us < ?2 AND trace NOT IN (SELECT bytes FROM temp.traces)"),
    RowSelection::new("searched_traces", "project = ?1 AND start_us < ?2 AND trace NOT IN (SELECT bytes FROM temp.traces)"),
];

static RULES: TableRetention = TableRetention { of_names: &OF_NAMES, ..TableRetention::new(DATABASE, &OF_PROJECT) };

impl RetainedRows for FindingStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    fn expire(self: Arc<Self>, project: u64, cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        blocking_expiry(DATABASE, move || {
            Ok(delete_expired(self.database.path(), &EXPIRED, project, cutoffs.before_us, &cutoffs.kept())?.total())
        })
    }

    fn forget(&self, subject: &ErasureSubject) -> Result<bool, SqliteError> {
        self.erasures.increment();
        if let Some(names) = &subject.names {
            // Findings that were stored after the rows of these traces were erased.
            self.delete_traces(subject.project, names.traces.iter().copied())?;
        }
        Ok(true)
    }
}
