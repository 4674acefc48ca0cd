//! Cursor of a list: the sort, and the value and IDs of the last row. Opaque to clients.

use base64::Engine;
use serde::{Deserialize, Serialize};

use crate::error::QueryError;

/// Position of the last row of a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ListCursor {
    /// List and sort that the cursor belongs to.
    pub(crate) list: String,
    /// Value by which the row is sorted, as exact text; `None` for a row without a value. Rows without a value are last in the list.
    pub(crate) value: Option<String>,
    /// ID of the trace, and of the span in lists of spans.
    pub(crate) ids: Vec<String>,
}

impl ListCursor {
    pub(crate) fn write(&self) -> String {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Parses a cursor of this list. Returns an error if the cursor belongs to another list or sort.
    pub(crate) fn read(text: &str, list: &str, ids: usize) -> Result<ListCursor, QueryError> {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).map_err(|_| QueryError::BadCursor)?;
        let cursor: ListCursor = serde_json::from_slice(&bytes).map_err(|_| QueryError::BadCursor)?;
        if cursor.list == list && cursor.ids.len() == ids { Ok(cursor) } else { Err(QueryError::BadCursor) }
    }
}
