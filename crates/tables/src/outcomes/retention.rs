//! Expiry and erasure of outcomes and hints. Outcomes of all projects expire together, because some outcomes belong to the server itself.

use std::sync::Arc;

use super::{DATABASE, OutcomeStore};
use crate::retained_rows::{ExpiryFuture, RetainedRows, RowSelection, TableRetention, blocking_expiry};

const OF_PROJECT: [RowSelection; 2] = [RowSelection::new("outcomes", "project = ?1"), RowSelection::new("hints", "project = ?1")];

static RULES: TableRetention = TableRetention::new(DATABASE, &OF_PROJECT);

impl RetainedRows for OutcomeStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    fn expire_of_all_projects(self: Arc<Self>, before_us: i64) -> ExpiryFuture {
        blocking_expiry(DATABASE, move || self.delete_before(before_us))
    }
}
