//! The writing thread: the only place where error events become durable, visible and acknowledged, in this order.
//!
//! All requests that were queued while the disk was busy form one transaction. Errors do not end the thread, and an error of one request
//! must not affect another request. If a group fails, its requests are therefore repeated one by one, unless the disk or the whole database
//! is the cause.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hinomi_model::id::TraceId;
use hinomi_model::sentry::{ErrorEvent, GROUPING_VERSION};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::duplicates::ErrorDedupDecision;
use super::error::ErrorStoreError;
use super::issue_changes::{IssueChange, IssueChangeError};
use super::row::ErrorEventRow;
use super::schema::unused_issue;
use super::{ErrorStoreChange, duplicates, issue_changes};
use crate::database::SqliteError;

/// Maximum number of requests in one transaction.
const MAX_TRANSACTION_REQUESTS: usize = 256;

/// A command to the writing thread.
pub(super) enum ErrorWriterCommand {
    Write(ErrorWriteTask),
    /// Finishes what is queued and ends the thread.
    Close(oneshot::Sender<()>),
    /// Gives the connection to a test, which breaks it.
    #[cfg(test)]
    LendConnection(Box<dyn FnOnce(&mut Connection) + Send>),
}

/// One caller's operation, with the receiver of its result.
pub(super) struct ErrorWriteTask {
    pub(super) operation: ErrorWriteOperation,
    pub(super) reply: oneshot::Sender<Result<ErrorWriteResult, ErrorStoreError>>,
}

/// A change of the database.
#[derive(Debug)]
pub(super) enum ErrorWriteOperation {
    /// Stores the events of a request.
    Append { project: u64, received_us: i64, rows: Vec<ErrorEventRow> },
    /// Deletes at most this many of the oldest events before a time, and issues that have no events left.
    DeleteBefore { project: u64, before_us: i64, limit: usize },
    /// Changes which issue some groups of events belong to.
    ChangeIssue { project: u64, change: IssueChange },
    /// Moves some of the events that such changes affect and that are not moved yet.
    MoveEvents,
    /// Panics like a defect in the program.
    #[cfg(test)]
    Panic,
}

/// Result of an operation.
#[derive(Debug, Default)]
pub(super) struct ErrorWriteResult {
    /// Number of events that were stored or deleted.
    pub(super) rows: usize,
    /// Number of events that were already stored.
    pub(super) duplicates: usize,
    /// Number of events that report an already known error.
    pub(super) same_error: usize,
    /// Numbers of the issues that a change split off, or why the change is not possible.
    pub(super) changed: Option<Result<Vec<i64>, IssueChangeError>>,
    /// Whether some events are not moved yet.
    pub(super) is_moving: bool,
    /// Message for subscribers.
    change: Option<ErrorStoreChange>,
}

/// State that the writing thread owns.
pub(super) struct ErrorWriter {
    connection: Connection,
    path: PathBuf,
    changes: broadcast::Sender<ErrorStoreChange>,
    version: Arc<AtomicU64>,
    /// Whether the last transaction failed; a failure is logged once.
    is_failing: bool,
}

impl ErrorWriter {
    pub(super) fn new(
        connection: Connection,
        path: PathBuf,
        changes: broadcast::Sender<ErrorStoreChange>,
        version: Arc<AtomicU64>,
    ) -> ErrorWriter {
        ErrorWriter { connection, path, changes, version, is_failing: false }
    }

    /// Runs until it is closed or all senders are dropped.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<ErrorWriterCommand>) {
        let mut queue = Vec::new();
        let mut closing = Vec::new();
        while commands.blocking_recv_many(&mut queue, MAX_TRANSACTION_REQUESTS) > 0 {
            let mut tasks = Vec::new();
            for command in queue.drain(..) {
                match command {
                    ErrorWriterCommand::Write(task) => tasks.push(task),
                    ErrorWriterCommand::Close(done) => {
                        commands.close();
                        closing.push(done);
                    }
                    #[cfg(test)]
                    ErrorWriterCommand::LendConnection(borrow) => {
                        self.perform_group(std::mem::take(&mut tasks));
                        borrow(&mut self.connection);
                    }
                }
            }
            self.perform_group(tasks);
        }
        if !closing.is_empty() {
            // Optional: the next start also reads the WAL of the database.
            if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
                tracing::warn!(%error, "errors.checkpoint.failed");
            }
        }
        drop(self.connection);
        for done in closing {
            let _ = done.send(());
        }
    }

    /// Performs a group of tasks and answers each.
    fn perform_group(&mut self, tasks: Vec<ErrorWriteTask>) {
        if tasks.is_empty() {
            return;
        }
        let error = match self.commit_group(&tasks) {
            Ok(done) => {
                self.version.fetch_add(1, Ordering::AcqRel);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("errors.ingestion.resumed");
                }
                return tasks.into_iter().zip(done).for_each(|(task, done)| self.reply_and_publish(task, done));
            }
            Err(error) => error,
        };
        if tasks.len() > 1 && matches!(error, SqliteError::Failed { .. }) {
            return tasks.into_iter().for_each(|task| self.perform_group(vec![task]));
        }
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!(%error, "errors.ingestion.paused");
        }
        for task in tasks {
            let _ = task.reply.send(Err(error.clone().into()));
        }
    }

    /// Performs all tasks in one transaction. When it returns, the changes are on disk; after an error, none is.
    fn commit_group(&mut self, tasks: &[ErrorWriteTask]) -> Result<Vec<ErrorWriteResult>, SqliteError> {
        let connection = &mut self.connection;
        let write = || -> rusqlite::Result<Vec<ErrorWriteResult>> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = tasks.iter().map(|task| perform_operation(&transaction, &task.operation)).collect::<rusqlite::Result<_>>()?;
            transaction.commit()?;
            Ok(done)
        };
        // A panic drops the transaction, which rolls it back.
        match catch_unwind(AssertUnwindSafe(write)) {
            Ok(written) => written.map_err(SqliteError::sqlite_error(&self.path)),
            Err(_) => Err(SqliteError::Failed { path: self.path.clone(), reason: "internal error".to_owned() }),
        }
    }

    fn reply_and_publish(&self, task: ErrorWriteTask, mut done: ErrorWriteResult) {
        // A caller that no longer waits, and having no subscribers, are not errors.
        let change = done.change.take();
        let _ = task.reply.send(Ok(done));
        change.map(|change| self.changes.send(change));
    }
}

fn perform_operation(transaction: &Transaction, operation: &ErrorWriteOperation) -> rusqlite::Result<ErrorWriteResult> {
    match operation {
        ErrorWriteOperation::Append { project, received_us, rows } => append(transaction, *project, *received_us, rows),
        ErrorWriteOperation::DeleteBefore { project, before_us, limit } => delete_before(transaction, *project, *before_us, *limit),
        ErrorWriteOperation::ChangeIssue { project, change } => {
            let changed = issue_changes::apply(transaction, *project as i64, change)?;
            Ok(ErrorWriteResult { changed: Some(changed), is_moving: issue_changes::is_moving(transaction)?, ..Default::default() })
        }
        ErrorWriteOperation::MoveEvents => {
            issue_changes::move_events(transaction)?;
            Ok(ErrorWriteResult { is_moving: issue_changes::is_moving(transaction)?, ..Default::default() })
        }
        #[cfg(test)]
        ErrorWriteOperation::Panic => panic!("requested by a test"),
    }
}

fn append(transaction: &Transaction, project: u64, received_us: i64, rows: &[ErrorEventRow]) -> rusqlite::Result<ErrorWriteResult> {
    let mut done = ErrorWriteResult::default();
    let mut traces: Vec<TraceId> = Vec::new();
    for row in rows {
        match insert(transaction, project as i64, received_us, row)? {
            ErrorInsertOutcome::Stored => {
                done.rows += 1;
                traces.extend(row.event.trace_id);
            }
            ErrorInsertOutcome::Duplicate => done.duplicates += 1,
            ErrorInsertOutcome::SameError => done.same_error += 1,
        }
    }
    traces.sort_unstable();
    traces.dedup();
    done.change = (done.rows > 0).then(|| ErrorStoreChange { project, traces: traces.into(), errors: done.rows });
    Ok(done)
}

/// Outcome of inserting an event.
enum ErrorInsertOutcome {
    /// The event is stored as a new one.
    Stored,
    /// The same event was already stored.
    Duplicate,
    /// Another report of the same error was already stored.
    SameError,
}

fn insert(transaction: &Transaction, project: i64, received_us: i64, row: &ErrorEventRow) -> rusqlite::Result<ErrorInsertOutcome> {
    if duplicates::is_known(transaction, project, &row.event.event_id)? {
        return Ok(ErrorInsertOutcome::Duplicate);
    }
    match duplicates::decide(transaction, project, &row.event)? {
        ErrorDedupDecision::NewError => {
            let id = add(transaction, project, received_us, row)?;
            duplicates::store_report(transaction, project, &row.event, id)?;
            Ok(ErrorInsertOutcome::Stored)
        }
        ErrorDedupDecision::SameAs { event, replaces } => {
            if replaces {
                replace(transaction, project, received_us, row, event)?;
            }
            duplicates::store_report(transaction, project, &row.event, event)?;
            Ok(ErrorInsertOutcome::SameError)
        }
    }
}

/// Stores an event. Returns its number.
fn add(transaction: &Transaction, project: i64, received_us: i64, row: &ErrorEventRow) -> rusqlite::Result<i64> {
    let event = &row.event;
    let EventGroup { issue, fingerprint } = group_of(transaction, project, event)?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO events
         (project, event_id, issue, time_us, received_us, trace, span, user_id, type, value, level, handled, culprit, title, fingerprint)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    insert.execute(params![
        project,
        event.event_id,
        issue,
        event.time_us,
        received_us,
        event.trace_id.map(|trace| trace.0.to_be_bytes()),
        event.span_id.map(|span| span.0 as i64),
        event.user_id,
        event.kind,
        event.value,
        event.level,
        event.handled,
        event.culprit,
        event.title,
        fingerprint,
    ])?;
    let id = transaction.last_insert_rowid();
    transaction.prepare_cached("INSERT INTO contents VALUES (?, ?)")?.execute(params![id, row.content])?;
    if !row.attributes.is_empty() {
        transaction.prepare_cached("INSERT INTO attributes VALUES (?, ?)")?.execute(params![id, row.attributes])?;
    }
    Ok(id)
}

/// Replaces an event with a more detailed report of the same error.
fn replace(transaction: &Transaction, project: i64, received_us: i64, row: &ErrorEventRow, id: i64) -> rusqlite::Result<()> {
    let event = &row.event;
    let before = duplicates::issue_of(transaction, id)?;
    let EventGroup { issue, fingerprint } = group_of(transaction, project, event)?;
    let mut update = transaction.prepare_cached(
        "UPDATE events SET event_id = ?, issue = ?, time_us = ?, received_us = ?, span = ?, user_id = ?, type = ?, value = ?, level = ?,
         handled = ?, culprit = ?, title = ?, fingerprint = ? WHERE id = ?",
    )?;
    update.execute(params![
        event.event_id,
        issue,
        event.time_us,
        received_us,
        event.span_id.map(|span| span.0 as i64),
        event.user_id,
        event.kind,
        event.value,
        event.level,
        event.handled,
        event.culprit,
        event.title,
        fingerprint,
        id,
    ])?;
    transaction.prepare_cached("UPDATE contents SET json = ? WHERE event = ?")?.execute(params![row.content, id])?;
    transaction.prepare_cached("INSERT OR REPLACE INTO attributes VALUES (?, ?)")?.execute(params![id, row.attributes])?;
    if let Some(before) = before.filter(|before| *before != issue) {
        forget_if_empty(transaction, before)?;
    }
    Ok(())
}

/// Deletes an issue that has no events left. An issue that is part of another stays as long as that one.
fn forget_if_empty(transaction: &Transaction, issue: i64) -> rusqlite::Result<()> {
    let mut forget = transaction.prepare_cached(concat!("DELETE FROM issues WHERE id = ?1 AND ", unused_issue!()))?;
    forget.execute([issue])?;
    Ok(())
}

/// Place of an event among the issues.
struct EventGroup {
    /// Number of the issue.
    issue: i64,
    /// Fingerprint of the event, if it is not that of the issue.
    fingerprint: Option<[u8; 32]>,
}

/// Returns the issue of an event, creating it if necessary. An event of an issue that an earlier version of the grouping algorithm created
/// joins that issue, which is found by the new fingerprint from then on.
fn group_of(transaction: &Transaction, project: i64, event: &ErrorEvent) -> rusqlite::Result<EventGroup> {
    if let Some(known) = known_issue(transaction, project, &event.group)? {
        return Ok(EventGroup { issue: known.issue(), fingerprint: known.is_other.then_some(event.group) });
    }
    let earlier = event.earlier_group.map(|earlier| known_issue(transaction, project, &earlier)).transpose()?.flatten();
    if let Some(known) = earlier {
        let mut insert = transaction.prepare_cached("INSERT INTO issue_fingerprints VALUES (?, ?, ?, ?)")?;
        insert.execute(params![project, event.group, known.owner, GROUPING_VERSION])?;
        return Ok(EventGroup { issue: known.issue(), fingerprint: Some(event.group) });
    }
    let mut insert = transaction.prepare_cached("INSERT INTO issues (project, fingerprint, grouping) VALUES (?, ?, ?)")?;
    insert.execute(params![project, event.group, GROUPING_VERSION])?;
    Ok(EventGroup { issue: transaction.last_insert_rowid(), fingerprint: None })
}

/// The issue that has a fingerprint.
struct FingerprintOwner {
    owner: i64,
    /// Issue of which the owner is a part.
    merged_into: Option<i64>,
    /// Whether the fingerprint is not that of the issue to which the events belong.
    is_other: bool,
}

impl FingerprintOwner {
    fn issue(&self) -> i64 {
        self.merged_into.unwrap_or(self.owner)
    }
}

fn known_issue(transaction: &Transaction, project: i64, fingerprint: &[u8; 32]) -> rusqlite::Result<Option<FingerprintOwner>> {
    let mut known = transaction.prepare_cached(
        "SELECT id, merged_into, merged_into IS NOT NULL FROM issues WHERE project = ?1 AND fingerprint = ?2
         UNION ALL SELECT i.id, i.merged_into, TRUE FROM issue_fingerprints f JOIN issues i ON i.id = f.issue
         WHERE f.project = ?1 AND f.fingerprint = ?2 LIMIT 1",
    )?;
    let owner = |row: &rusqlite::Row| Ok(FingerprintOwner { owner: row.get(0)?, merged_into: row.get(1)?, is_other: row.get(2)? });
    known.query_row(params![project, fingerprint], owner).optional()
}

fn delete_before(transaction: &Transaction, project: u64, before_us: i64, limit: usize) -> rusqlite::Result<ErrorWriteResult> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE project = ? AND time_us < ? ORDER BY time_us LIMIT ?)
         RETURNING issue",
    )?;
    let issues = delete.query_map(params![project as i64, before_us, limit as i64], |row| row.get::<_, i64>(0))?;
    let mut issues = issues.collect::<rusqlite::Result<Vec<i64>>>()?;
    let rows = issues.len();
    issues.sort_unstable();
    issues.dedup();
    for issue in issues {
        forget_if_empty(transaction, issue)?;
    }
    Ok(ErrorWriteResult { rows, ..ErrorWriteResult::default() })
}
