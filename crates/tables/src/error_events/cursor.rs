//! Cursor of a list of issues.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

use super::error::ErrorStoreError;

/// The last issue of a page, and the list that the page belongs to. The API encodes this as an opaque text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct IssueCursor {
    pub(super) sort: String,
    pub(super) from_us: i64,
    pub(super) to_us: i64,
    /// Number of the newest event when the first page was read.
    pub(super) upto: i64,
    pub(super) key: IssueSortKey,
    pub(super) id: i64,
}

/// The value that an issue is sorted by: a time, a count or a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum IssueSortKey {
    Number(i64),
    Text(String),
}

impl IssueCursor {
    /// Decodes a cursor of this order.
    pub(super) fn read(text: &str, sort: &str) -> Result<IssueCursor, ErrorStoreError> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| ErrorStoreError::BadCursor)?;
        let cursor: IssueCursor = serde_json::from_slice(&json).map_err(|_| ErrorStoreError::BadCursor)?;
        if cursor.sort == sort { Ok(cursor) } else { Err(ErrorStoreError::BadCursor) }
    }

    pub(super) fn write(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl ToSql for IssueSortKey {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            IssueSortKey::Number(number) => number.to_sql(),
            IssueSortKey::Text(text) => text.to_sql(),
        }
    }
}

impl FromSql for IssueSortKey {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<IssueSortKey> {
        match value {
            ValueRef::Text(_) => String::column_result(value).map(IssueSortKey::Text),
            _ => i64::column_result(value).map(IssueSortKey::Number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_is_valid_for_one_sort_order() {
        let cursor =
            IssueCursor { sort: "-type".into(), from_us: i64::MIN, to_us: 5, upto: 9, key: IssueSortKey::Text("E\0\"é".into()), id: 3 };
        assert_eq!(IssueCursor::read(&cursor.write(), "-type").unwrap(), cursor);
        for (text, sort) in [(cursor.write().as_str(), "type"), ("", "type"), ("e30", "type"), ("?!", "type"), ("-type:3", "-type")] {
            assert!(matches!(IssueCursor::read(text, sort), Err(ErrorStoreError::BadCursor)), "{text}");
        }
    }
}
