//! Erasure of waiting requests, and of the targets of a deleted project.

use super::{DATABASE, ForwardStore};
use crate::retained_rows::{RetainedRows, RowSelection, TableRetention};

const OF_PROJECT: [RowSelection; 2] = [RowSelection::new("forwards", "project = ?1"), RowSelection::new("requests", "project = ?1")];

/// Requests whose bodies contain a trace, as bytes or as hexadecimal digits, or a user. They are not forwarded any more.
const OF_NAMES: [RowSelection; 2] = [
    RowSelection::new(
        "requests",
        "project = ?1 AND body IS NOT NULL AND EXISTS (SELECT 1 FROM temp.traces erased WHERE instr(body, erased.bytes) > 0
         OR instr(body, CAST(erased.text AS BLOB)) > 0 OR instr(body, CAST(upper(erased.text) AS BLOB)) > 0)",
    ),
    RowSelection::new(
        "requests",
        "project = ?1 AND body IS NOT NULL AND EXISTS (SELECT 1 FROM temp.people erased WHERE instr(body, CAST(erased.id AS BLOB)) > 0)",
    ),
];

static RULES: TableRetention = TableRetention { of_names: &OF_NAMES, ..TableRetention::new(DATABASE, &OF_PROJECT) };

impl RetainedRows for ForwardStore {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }
}
