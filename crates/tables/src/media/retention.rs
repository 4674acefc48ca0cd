//! Expiry and erasure of media. Media expire with messages, and are deleted with the last trace that uses them.

use std::sync::Arc;

use super::{DATABASE, MediaStore};
use crate::database::SqliteError;
use crate::retained_rows::{
    ErasureSubject, ExpiringRows, ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, TableRetention, blocking_expiry, delete_expired,
};

const OF_PROJECT: [RowSelection; 2] = [RowSelection::new("objects", "project = ?1"), RowSelection::new("object_uses", "project = ?1")];

/// The objects come first: their traces are found by their uses.
const OF_NAMES: [RowSelection; 2] = [
    RowSelection::new(
        "objects",
        "project = ?1 AND id IN (SELECT object FROM object_uses WHERE project = ?1 AND trace IN (SELECT bytes FROM temp.traces))
         AND NOT EXISTS (SELECT 1 FROM object_uses other WHERE other.project = ?1 AND other.object = objects.id
         AND other.trace NOT IN (SELECT bytes FROM temp.traces))",
    ),
    RowSelection::new("object_uses", "project = ?1 AND trace IN (SELECT bytes FROM temp.traces)"),
];

/// Uses of traces that are not stored longer.
const EXPIRED_USES: [RowSelection; 1] =
    [RowSelection::new("object_uses", "project = ?1 AND at_us < ?2 AND trace NOT IN (SELECT bytes FROM temp.traces)")];

/// Objects without any use, such as those of an upload whose trace never arrived.
const EXPIRED_OBJECTS: [RowSelection; 1] = [RowSelection::new(
    "objects",
    "project = ?1 AND created_us < ?2
     AND NOT EXISTS (SELECT 1 FROM object_uses other WHERE other.project = ?1 AND other.object = objects.id)",
)];

static RULES: TableRetention = TableRetention {
    of_names: &OF_NAMES,
    expiring: Some(ExpiringRows { label: "media", table: "object_uses", time_us: "at_us", cutoff: |cutoffs| cutoffs.log_line_cutoff_us }),
    ..TableRetention::new(DATABASE, &OF_PROJECT)
};

impl RetainedRows for MediaStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    fn expire(self: Arc<Self>, project: u64, cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        blocking_expiry(DATABASE, move || {
            let path = self.database.path();
            // The media of traces with errors or scores are stored as long as these.
            let mut counts = delete_expired(path, &EXPIRED_USES, project, cutoffs.notable_trace_cutoff_us, &cutoffs.pinned)?;
            counts.add_all(&delete_expired(path, &EXPIRED_USES, project, cutoffs.log_line_cutoff_us, &cutoffs.kept())?);
            counts.add_all(&delete_expired(path, &EXPIRED_OBJECTS, project, cutoffs.log_line_cutoff_us, &Default::default())?);
            self.forget_sizes();
            Ok(counts.total())
        })
    }

    fn forget(&self, _subject: &ErasureSubject) -> Result<bool, SqliteError> {
        self.forget_sizes();
        Ok(true)
    }
}
