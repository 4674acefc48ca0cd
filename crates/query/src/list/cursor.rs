//! Where a list goes on: the sort, and the last row's value and ids. Opaque to clients.

use base64::Engine;
use serde::{Deserialize, Serialize};

use crate::error::QueryError;

/// The last row of a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ListCursor {
    /// The sort that it belongs to, and which list.
    pub(crate) list: String,
    /// The value that was sorted by, as an exact text; `None` for rows without one, which come last.
    pub(crate) value: Option<String>,
    /// Trace, and span in lists of spans.
    pub(crate) ids: Vec<String>,
}

impl ListCursor {
    pub(crate) fn write(&self) -> String {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a cursor of this list.
    pub(crate) fn read(text: &str, list: &str, ids: usize) -> Result<ListCursor, QueryError> {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).map_err(|_| QueryError::BadCursor)?;
        let cursor: ListCursor = serde_json::from_slice(&bytes).map_err(|_| QueryError::BadCursor)?;
        if cursor.list == list && cursor.ids.len() == ids { Ok(cursor) } else { Err(QueryError::BadCursor) }
    }
}
