//! Erasure of bills. Bills do not expire, and contain neither traces nor users.

use super::{BillStore, DATABASE};
use crate::retained_rows::{RetainedRows, RowSelection, TableRetention};

const OF_PROJECT: [RowSelection; 2] = [RowSelection::new("lines", "project = ?1"), RowSelection::new("imports", "project = ?1")];

static RULES: TableRetention = TableRetention::new(DATABASE, &OF_PROJECT);

impl RetainedRows for BillStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }
}
