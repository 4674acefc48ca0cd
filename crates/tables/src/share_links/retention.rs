//! Expiry and erasure of share links.

use std::sync::Arc;

use rusqlite::{Transaction, params};

use super::{DATABASE, ShareEnd, ShareLinkStore};
use crate::database::SqliteError;
use crate::retained_rows::{ErasedNames, ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, TableRetention, blocking_expiry};

/// Time for which a link that has expired or was revoked can say so.
const ENDED_LINK_RETENTION_US: i64 = 30 * 86_400_000_000;

const OF_PROJECT: [RowSelection; 1] = [RowSelection::new("links", "project = ?1")];

static RULES: TableRetention = TableRetention { redaction: Some(end_links), ..TableRetention::new(DATABASE, &OF_PROJECT) };

/// Ends the links to deleted traces, among them those of deleted users. The rows stay without the trace, so that a link can say why it
/// does not work.
fn end_links(transaction: &Transaction, project: u64, names: &ErasedNames) -> rusqlite::Result<u64> {
    let mut end = transaction.prepare(
        "UPDATE links SET target = NULL, ended_us = coalesce(ended_us, ?3), end_reason = coalesce(end_reason, ?4)
         WHERE project = ?1 AND target = ?2",
    )?;
    let now_us = jiff::Timestamp::now().as_microsecond();
    let mut ended = 0;
    for trace in &names.traces {
        ended += end.execute(params![project, trace.to_string(), now_us, ShareEnd::Deleted.name()])? as u64;
    }
    Ok(ended)
}

impl ShareLinkStore {
    fn delete_ended(&self, project: u64, before_us: i64) -> Result<u64, SqliteError> {
        let delete = "DELETE FROM links WHERE project = ?1 AND coalesce(ended_us, expires_us) < ?2";
        let deleted = self.lock().execute(delete, params![project, before_us]);
        Ok(deleted.map_err(SqliteError::sqlite_error(&self.path))? as u64)
    }
}

impl RetainedRows for ShareLinkStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    fn expire(self: Arc<Self>, project: u64, _cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        let before_us = jiff::Timestamp::now().as_microsecond() - ENDED_LINK_RETENTION_US;
        blocking_expiry(DATABASE, move || self.delete_ended(project, before_us))
    }
}
