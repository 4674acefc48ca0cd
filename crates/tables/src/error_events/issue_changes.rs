//! Merges and splits issues on request.
//!
//! A merged issue keeps its row with its fingerprints. Hinomi can therefore assign later events, and can split the issue off again under
//! its number. The events of a merged issue belong to the other issue, and keep their fingerprint. One transaction stores the merge. The
//! events are moved afterwards in steps, so ingestion continues between two steps; if the server stops, the next start moves the remaining
//! events (`event_moves`).

use rusqlite::{OptionalExtension, Transaction, params};

use super::error::ErrorStoreError;

/// Maximum number of events that are moved in one transaction, beside those of the same microsecond as the last one.
const MAX_MOVED_EVENTS: i64 = 2_000;

/// A change of the issues that groups of events belong to.
#[derive(Debug)]
pub(super) enum IssueChange {
    /// Makes issues part of another issue.
    Merge { into: i64, issues: Vec<i64> },
    /// Makes groups of an issue, given by their IDs, issues of their own.
    Split { issue: i64, groups: Vec<String> },
}

/// Reason why a change is not possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IssueChangeError {
    UnknownIssue(i64),
    UnknownGroup { issue: i64, group: String },
    MovingEvents,
}

impl From<IssueChangeError> for ErrorStoreError {
    fn from(error: IssueChangeError) -> ErrorStoreError {
        match error {
            IssueChangeError::UnknownIssue(issue) => ErrorStoreError::UnknownIssue(issue),
            IssueChangeError::UnknownGroup { issue, group } => ErrorStoreError::UnknownGroup { issue, group },
            IssueChangeError::MovingEvents => ErrorStoreError::MovingEvents,
        }
    }
}

/// Returns whether some events are not moved yet.
pub(super) fn is_moving(transaction: &Transaction) -> rusqlite::Result<bool> {
    transaction.prepare_cached("SELECT 1 FROM event_moves")?.exists([])
}

/// Applies a change, except that its events are moved later. Returns the numbers of issues that were split off. Nothing is changed if the
/// change is not possible.
pub(super) fn apply(transaction: &Transaction, project: i64, change: &IssueChange) -> rusqlite::Result<Result<Vec<i64>, IssueChangeError>> {
    if is_moving(transaction)? {
        return Ok(Err(IssueChangeError::MovingEvents));
    }
    match change {
        IssueChange::Merge { into, issues } => {
            for issue in issues.iter().chain([into]) {
                if !is_listed(transaction, project, *issue)? {
                    return Ok(Err(IssueChangeError::UnknownIssue(*issue)));
                }
            }
            for issue in issues.iter().filter(|issue| *issue != into) {
                merge(transaction, *issue, *into)?;
            }
            Ok(Ok(Vec::new()))
        }
        IssueChange::Split { issue, groups } => split(transaction, project, *issue, groups),
    }
}

/// Returns whether an issue exists that is not part of another one.
fn is_listed(transaction: &Transaction, project: i64, issue: i64) -> rusqlite::Result<bool> {
    let mut known = transaction.prepare_cached("SELECT 1 FROM issues WHERE project = ? AND id = ? AND merged_into IS NULL")?;
    known.exists(params![project, issue])
}

fn merge(transaction: &Transaction, issue: i64, into: i64) -> rusqlite::Result<()> {
    transaction.execute("UPDATE issues SET merged_into = ?2 WHERE id = ?1 OR merged_into = ?1", [issue, into])?;
    schedule_move(transaction, issue, into, None)
}

fn schedule_move(transaction: &Transaction, source: i64, target: i64, fingerprint: Option<&[u8]>) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached("INSERT INTO event_moves (source, target, fingerprint, from_us) VALUES (?, ?, ?, ?)")?;
    insert.execute(params![source, target, fingerprint, i64::MIN])?;
    Ok(())
}

/// A group that is part of an issue: its fingerprint, and the issue that has it.
struct SplitGroup {
    fingerprint: Vec<u8>,
    owner: i64,
    is_first: bool,
}

fn split(transaction: &Transaction, project: i64, issue: i64, groups: &[String]) -> rusqlite::Result<Result<Vec<i64>, IssueChangeError>> {
    if !is_listed(transaction, project, issue)? {
        return Ok(Err(IssueChangeError::UnknownIssue(issue)));
    }
    let mut found = Vec::new();
    for id in groups {
        let Some(group) = split_group(transaction, project, issue, id)? else {
            return Ok(Err(IssueChangeError::UnknownGroup { issue, group: id.clone() }));
        };
        found.push(group);
    }
    let mut split_off = Vec::new();
    for group in found {
        let number = if group.owner == issue {
            new_issue(transaction, project, issue, &group.fingerprint)?
        } else if split_off.contains(&group.owner) {
            continue;
        } else {
            restore(transaction, project, issue, group.owner)?;
            group.owner
        };
        split_off.push(number);
    }
    Ok(Ok(split_off))
}

/// Returns a group of an issue by its ID; `None` if the issue has no such group, or if it is the group that the issue is named after.
fn split_group(transaction: &Transaction, project: i64, issue: i64, id: &str) -> rusqlite::Result<Option<SplitGroup>> {
    let Ok(fingerprint) = hex::decode(id) else { return Ok(None) };
    let mut select = transaction.prepare_cached(
        "SELECT id, TRUE FROM issues WHERE project = ?1 AND fingerprint = ?2 AND (id = ?3 OR merged_into = ?3)
         UNION ALL SELECT i.id, FALSE FROM issue_fingerprints f JOIN issues i ON i.id = f.issue
         WHERE f.project = ?1 AND f.fingerprint = ?2 AND (i.id = ?3 OR i.merged_into = ?3) LIMIT 1",
    )?;
    let owner: Option<(i64, bool)> =
        select.query_row(params![project, fingerprint, issue], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let group = owner.map(|(owner, is_first)| SplitGroup { fingerprint, owner, is_first });
    Ok(group.filter(|group| group.owner != issue || !group.is_first))
}

/// Makes a later fingerprint of an issue an issue of its own, and returns its number.
fn new_issue(transaction: &Transaction, project: i64, issue: i64, fingerprint: &[u8]) -> rusqlite::Result<i64> {
    let mut remove =
        transaction.prepare_cached("DELETE FROM issue_fingerprints WHERE project = ? AND fingerprint = ? RETURNING grouping")?;
    let grouping: u32 = remove.query_row(params![project, fingerprint], |row| row.get(0))?;
    transaction.execute("INSERT INTO issues (project, fingerprint, grouping) VALUES (?, ?, ?)", params![project, fingerprint, grouping])?;
    let number = transaction.last_insert_rowid();
    schedule_move(transaction, issue, number, Some(fingerprint))?;
    Ok(number)
}

/// Takes a merged issue with all of its groups out of the issue that it is part of.
fn restore(transaction: &Transaction, project: i64, issue: i64, merged: i64) -> rusqlite::Result<()> {
    transaction.execute("UPDATE issues SET merged_into = NULL WHERE id = ?", [merged])?;
    let mut select = transaction.prepare_cached(
        "SELECT fingerprint FROM issues WHERE id = ?2 UNION ALL SELECT fingerprint FROM issue_fingerprints WHERE project = ?1 AND issue = ?2",
    )?;
    let fingerprints: Vec<Vec<u8>> = select.query_map([project, merged], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    fingerprints.iter().try_for_each(|fingerprint| schedule_move(transaction, issue, merged, Some(fingerprint)))
}

/// Events that have yet to be moved.
struct EventMove {
    id: i64,
    source: i64,
    target: i64,
    fingerprint: Option<Vec<u8>>,
    from_us: i64,
}

/// Moves some events of the oldest incomplete change.
pub(super) fn move_events(transaction: &Transaction) -> rusqlite::Result<()> {
    let mut select = transaction.prepare_cached("SELECT id, source, target, fingerprint, from_us FROM event_moves ORDER BY id LIMIT 1")?;
    let next = select.query_row([], |row| {
        Ok(EventMove { id: row.get(0)?, source: row.get(1)?, target: row.get(2)?, fingerprint: row.get(3)?, from_us: row.get(4)? })
    });
    let Some(EventMove { id, source, target, fingerprint, from_us }) = next.optional()? else { return Ok(()) };
    let mut last =
        transaction.prepare_cached("SELECT time_us FROM events WHERE issue = ? AND time_us >= ? ORDER BY time_us LIMIT 1 OFFSET ?")?;
    let upto_us: Option<i64> = last.query_row([source, from_us, MAX_MOVED_EVENTS], |row| row.get(0)).optional()?;
    // The events of a merged issue get the fingerprint of that issue, unless they have one; those that return to the issue of their
    // fingerprint need none.
    let mut update = transaction.prepare_cached(
        "UPDATE events SET issue = ?2, fingerprint = nullif(coalesce(fingerprint, (SELECT fingerprint FROM issues WHERE id = ?1)),
             (SELECT fingerprint FROM issues WHERE id = ?2))
         WHERE issue = ?1 AND time_us >= ?3 AND time_us <= ?4 AND (?5 IS NULL OR fingerprint = ?5)",
    )?;
    update.execute(params![source, target, from_us, upto_us.unwrap_or(i64::MAX), fingerprint])?;
    match upto_us {
        Some(upto_us) if upto_us < i64::MAX => {
            transaction.execute("UPDATE event_moves SET from_us = ? WHERE id = ?", [upto_us + 1, id])?;
        }
        _ => {
            transaction.execute("DELETE FROM event_moves WHERE id = ?", [id])?;
        }
    }
    Ok(())
}
