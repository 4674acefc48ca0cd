//! Expiry and erasure of outcomes and hints. They expire for all projects together, because some belong to the server itself.

use std::sync::Arc;

use super::{DATABASE, OutcomeStore};
use crate::retained_rows::{ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, blocking_expiry, without_expiry};

const OF_PROJECT: [RowSelection; 2] = [RowSelection::new("outcomes", "project = ?1"), RowSelection::new("hints", "project = ?1")];

impl RetainedRows for OutcomeStore {
    fn database(&self) -> &'static str {
        DATABASE
    }

    fn rows_of_project(&self) -> &'static [RowSelection] {
        &OF_PROJECT
    }

    fn rows_of_names(&self) -> &'static [RowSelection] {
        &[]
    }

    fn expire(self: Arc<Self>, _project: u64, _cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        without_expiry()
    }

    fn expire_of_all_projects(self: Arc<Self>, before_us: i64) -> ExpiryFuture {
        blocking_expiry(DATABASE, move || self.delete_before(before_us))
    }
}
