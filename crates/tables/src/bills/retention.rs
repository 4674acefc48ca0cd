//! Erasure of bills. They do not expire and name neither traces nor users.

use std::sync::Arc;

use super::{BillStore, DATABASE};
use crate::retained_rows::{ExpiryCutoffs, ExpiryFuture, RetainedRows, RowSelection, without_expiry};

const OF_PROJECT: [RowSelection; 2] = [RowSelection::new("lines", "project = ?1"), RowSelection::new("imports", "project = ?1")];

impl RetainedRows for BillStore {
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
}
