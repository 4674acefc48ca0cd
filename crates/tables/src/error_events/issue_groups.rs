//! Groups of events within an issue.

use hinomi_model::api_time::rfc3339;
use rusqlite::{OptionalExtension, Row, Transaction};
use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorStore;
use super::error::ErrorStoreError;
use super::read::number;

/// Maximum number of groups that are listed of one issue.
const MAX_LISTED_GROUPS: i64 = 500;

/// A group of events within an issue: those that the grouping algorithm considers the same error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IssueGroup {
    /// ID of the group: hexadecimal digits.
    pub group_id: String,
    /// Exception type of the newest event.
    #[serde(rename = "type")]
    pub kind: String,
    /// Message of the newest event; empty if there is none.
    pub value: String,
    /// Number of stored events.
    pub count: u64,
    /// Time of the oldest stored event (RFC 3339).
    pub first_seen: String,
    /// Time of the newest stored event (RFC 3339).
    pub last_seen: String,
    /// Number of the merged issue that the group comes from; null for the issue's own groups.
    #[schema(required)]
    pub issue_id: Option<i64>,
    /// Whether the group can be split off: true for all groups except the first group of the issue.
    pub can_split: bool,
}

/// The groups of an issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IssueGroupList {
    /// Groups with stored events, at most 500, in descending order of their number of events.
    pub groups: Vec<IssueGroup>,
}

impl ErrorStore {
    /// Returns the number of the issue that an issue was merged into, or its own number; `None` if there is no such issue.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn merged_issue(&self, project: u64, issue: i64) -> Result<Option<i64>, ErrorStoreError> {
        self.read(move |database| merged_issue(database, project, issue)).await
    }

    /// Returns the groups of an issue.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn issue_groups(&self, project: u64, issue: i64) -> Result<IssueGroupList, ErrorStoreError> {
        self.read(move |database| {
            // Columns without an aggregate are those of the row with the greatest time.
            let mut select = database.prepare_cached(
                "WITH found AS (
                    SELECT coalesce(e.fingerprint, i.fingerprint) AS fingerprint, e.type, e.value, count(*) AS n, min(e.time_us) AS first,
                        max(e.time_us) AS last, e.fingerprint IS NOT NULL AS can_split
                    FROM events e JOIN issues i ON i.id = e.issue WHERE e.issue = ?2 AND i.project = ?1 GROUP BY 1)
                 SELECT hex(f.fingerprint), f.type, f.value, f.n, f.first, f.last,
                    coalesce((SELECT id FROM issues WHERE project = ?1 AND fingerprint = f.fingerprint AND merged_into = ?2),
                        (SELECT o.id FROM issue_fingerprints p JOIN issues o ON o.id = p.issue
                         WHERE p.project = ?1 AND p.fingerprint = f.fingerprint AND o.merged_into = ?2)), f.can_split
                 FROM found f ORDER BY f.n DESC, f.last DESC LIMIT ?3",
            )?;
            let groups = select.query_map([project as i64, issue, MAX_LISTED_GROUPS], read_group)?.collect::<rusqlite::Result<_>>()?;
            Ok(IssueGroupList { groups })
        })
        .await
    }
}

/// Returns the number of the issue that an issue was merged into, or its own number.
pub(super) fn merged_issue(database: &Transaction, project: u64, issue: i64) -> rusqlite::Result<Option<i64>> {
    let mut select = database.prepare_cached("SELECT coalesce(merged_into, id) FROM issues WHERE project = ? AND id = ?")?;
    select.query_row([project as i64, issue], |row| row.get(0)).optional()
}

fn read_group(row: &Row) -> rusqlite::Result<IssueGroup> {
    let group_id: String = row.get(0)?;
    Ok(IssueGroup {
        group_id: group_id.to_ascii_lowercase(),
        kind: row.get(1)?,
        value: row.get(2)?,
        count: number(row, 3)?,
        first_seen: rfc3339(row.get(4)?),
        last_seen: rfc3339(row.get(5)?),
        issue_id: row.get(6)?,
        can_split: row.get(7)?,
    })
}
