//! The durable store of error events and of the issues that group them: one SQLite database, `errors.db`.
//!
//! Errors are much less frequent than spans, and are queried by issue, trace and time. A database with indexes is therefore more suitable
//! than the columns that are used for spans. This module does not depend on HTTP or on project names.
//!
//! # The life of an error event
//!
//! 1. [`ErrorStore::append`] serializes and compresses an event on the caller's side and queues it (`row`).
//! 2. The writing thread (`writer`) puts everything that is queued into one transaction. It drops duplicates of (project, event ID), and
//!    does not count further reports of a known error (`duplicates`). A new fingerprint becomes an issue (`schema` has the tables).
//! 3. When the transaction is on disk, each caller gets its answer and subscribers are notified.
//! 4. Queries (`read`, `issues`) use separate connections and see everything that was acknowledged before.
//!
//! An issue is only a number. The number belongs to a project and a fingerprint, to further fingerprints of later versions of the grouping
//! algorithm, and to the fingerprints of issues that were merged into the issue (`issue_changes`). All other data of an issue is read from
//! its events, so nothing must be updated when events arrive late or are deleted.

mod attributes;
mod cursor;
mod duplicates;
mod error;
mod event_response;
mod issue_changes;
mod issue_groups;
mod issue_tags;
mod issues;
mod read;
mod read_connections;
mod response;
mod retention;
mod row;
mod schema;
mod search;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hinomi_model::id::TraceId;
use hinomi_model::sentry::ErrorEvent;
use tokio::sync::{broadcast, mpsc, oneshot};

pub use error::ErrorStoreError;
pub use event_response::{
    BreadcrumbResponse, ErrorAttachmentResponse, ErrorReportingSdk, ExceptionMechanismResponse, ExceptionResponse, IssueEvent,
    ProgramThreadResponse, StackFrameResponse,
};
use issue_changes::IssueChange;
pub use issue_groups::{IssueGroup, IssueGroupList};
pub use issue_tags::{IssueTag, IssueTagList, IssueTagValue};
pub use read::{ErrorPlace, TraceErrors, preview};
use read_connections::ErrorReaderPool;
pub use response::{ErrorEventSummary, Issue, IssueDetail, IssuePage};
use row::ErrorEventRow;
pub use schema::FORMAT;
pub use search::SearchableError;
use writer::{ErrorWriteOperation, ErrorWriteResult, ErrorWriteTask, ErrorWriter, ErrorWriterCommand};

/// File name of the database.
const DATABASE: &str = "errors.db";
/// Number of changes that a slow subscriber may lag behind before it misses some.
const CHANGE_CHANNEL_CAPACITY: usize = 1024;
/// Maximum number of requests that wait for the writing thread.
const QUEUE_CAPACITY: usize = 256;
/// How long a request waits for room in the queue before it fails with [`ErrorStoreError::Busy`].
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of events that are deleted in one transaction. Ingestion continues between two of them.
const DELETION_BATCH_ROWS: usize = 2_000;

/// Result of storing the events of a request: the number of events by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "the caller must count an outcome for each event that is not stored"]
pub struct ErrorAppendResult {
    /// Number of events that are stored: durable and visible.
    pub stored: usize,
    /// Number of events that were dropped because the same event is already stored.
    pub duplicates: usize,
    /// Number of events that are not counted because another event reports the same error.
    pub same_error: usize,
}

/// Message to subscribers that errors were stored.
#[derive(Debug, Clone)]
pub struct ErrorStoreChange {
    /// Project of the errors.
    pub project: u64,
    /// Traces in which the errors happened, each once.
    pub traces: Arc<[TraceId]>,
    /// Number of errors.
    pub errors: usize,
}

/// Selects the events of a time range, in microseconds since the Unix epoch, and optionally only events of some traces.
#[derive(Debug, Clone)]
pub struct ErrorEventFilter {
    /// Start, inclusive. `i64::MIN` for no start.
    pub from_us: i64,
    /// End, exclusive. `i64::MAX` for no end.
    pub to_us: i64,
    /// Only events of these traces, if given, and the events of `events`.
    pub traces: Option<Arc<HashSet<TraceId>>>,
    /// Numbers of further events, if `traces` is given. [`ErrorStore::search`] returns them.
    pub events: Arc<[i64]>,
}

impl ErrorEventFilter {
    /// Selects all stored events.
    pub fn all_events() -> ErrorEventFilter {
        ErrorEventFilter::in_range(i64::MIN, i64::MAX)
    }

    /// Selects the stored events of a time range.
    pub fn in_range(from_us: i64, to_us: i64) -> ErrorEventFilter {
        ErrorEventFilter { from_us, to_us, traces: None, events: Arc::default() }
    }

    /// Selects only events of these traces.
    pub fn of_traces(self, traces: impl IntoIterator<Item = TraceId>) -> ErrorEventFilter {
        ErrorEventFilter { traces: Some(Arc::new(traces.into_iter().collect())), ..self }
    }
}

/// An open store. Dropping this value ends its thread; all acknowledged data is on disk.
#[derive(Debug)]
pub struct ErrorStore {
    readers: Arc<ErrorReaderPool>,
    path: PathBuf,
    changes: broadcast::Sender<ErrorStoreChange>,
    /// Incremented with each transaction.
    version: Arc<AtomicU64>,
    /// Whether an earlier version of the grouping algorithm created some of the issues.
    has_earlier_grouping: bool,
    /// `None` while the store is dropped.
    commands: Option<mpsc::Sender<ErrorWriterCommand>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ErrorStore {
    /// Opens the store in a data directory, and creates it if necessary.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<ErrorStore, ErrorStoreError> {
        let path = dir.join(DATABASE);
        let connection = schema::open(&path)?;
        let has_earlier_grouping = schema::has_earlier_grouping(&connection);
        let (commands, queue) = mpsc::channel(QUEUE_CAPACITY);
        let (changes, _) = broadcast::channel(CHANGE_CHANNEL_CAPACITY);
        let version = Arc::new(AtomicU64::new(0));
        let writer = ErrorWriter::new(connection, path.clone(), changes.clone(), version.clone());
        let spawned = std::thread::Builder::new().name("errors-write".to_owned()).spawn(move || writer.run(queue));
        let thread = spawned.map_err(|error| ErrorStoreError::Busy { reason: format!("no thread could be started ({error})") })?;
        let readers = Arc::new(ErrorReaderPool::new(path.clone()));
        Ok(ErrorStore { readers, path, changes, version, has_earlier_grouping, commands: Some(commands), thread: Mutex::new(Some(thread)) })
    }

    /// Returns whether an earlier version of the grouping algorithm created some of the issues. If not, new events do not need a group by
    /// that version.
    pub fn has_earlier_grouping(&self) -> bool {
        self.has_earlier_grouping
    }

    /// Stores the events of one request. When it returns, they are on disk and visible to every later query.
    ///
    /// # Errors
    ///
    /// Returns an error if the events cannot be stored. No part of the request has been acknowledged; the same request may be sent again.
    pub async fn append(&self, project: u64, received_us: i64, events: Vec<ErrorEvent>) -> Result<ErrorAppendResult, ErrorStoreError> {
        if events.is_empty() {
            return Ok(ErrorAppendResult::default());
        }
        let prepare = move || events.into_iter().map(ErrorEventRow::new).collect();
        let rows = tokio::task::spawn_blocking(prepare).await.map_err(|_| ErrorStoreError::Closed)?;
        let done = self.request_write(ErrorWriteOperation::Append { project, received_us, rows }).await?;
        Ok(ErrorAppendResult { stored: done.rows, duplicates: done.duplicates, same_error: done.same_error })
    }

    /// Deletes the events of a project before a time, in microseconds since the Unix epoch. An issue without events is deleted too, and
    /// its number is not reused. Returns the number of deleted events.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. Some events may already have been deleted.
    pub async fn delete_before(&self, project: u64, before_us: i64) -> Result<u64, ErrorStoreError> {
        let mut deleted = 0;
        loop {
            let done = self.request_write(ErrorWriteOperation::DeleteBefore { project, before_us, limit: DELETION_BATCH_ROWS }).await?;
            deleted += done.rows as u64;
            if done.rows < DELETION_BATCH_ROWS {
                return Ok(deleted);
            }
        }
    }

    /// Makes issues part of another issue. Later events of the merged issues also belong to that issue.
    ///
    /// # Errors
    ///
    /// Returns an error if one of the issues is unknown, or the database cannot be written.
    pub async fn merge_issues(&self, project: u64, into: i64, issues: Vec<i64>) -> Result<(), ErrorStoreError> {
        self.change_issue(project, IssueChange::Merge { into, issues }).await.map(|_| ())
    }

    /// Makes groups of an issue, given by their IDs, issues of their own. If a group comes from a merged issue, all groups of that issue
    /// are split off together, and the issue gets its former number back. Returns the numbers.
    ///
    /// # Errors
    ///
    /// Returns an error if the issue or one of the groups is unknown, or the database cannot be written.
    pub async fn split_issue(&self, project: u64, issue: i64, groups: Vec<String>) -> Result<Vec<i64>, ErrorStoreError> {
        self.change_issue(project, IssueChange::Split { issue, groups }).await
    }

    async fn change_issue(&self, project: u64, change: IssueChange) -> Result<Vec<i64>, ErrorStoreError> {
        let done = self.request_write(ErrorWriteOperation::ChangeIssue { project, change }).await?;
        let changed = done.changed.unwrap_or_else(|| Ok(Vec::new()))?;
        let mut is_moving = done.is_moving;
        while is_moving {
            is_moving = self.request_write(ErrorWriteOperation::MoveEvents).await?.is_moving;
        }
        Ok(changed)
    }

    /// Returns the number of the last change. It is incremented before the sender of the change gets its answer.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Returns a receiver of all changes from now on. A receiver that is too slow gets an error with the number of changes that it missed.
    pub fn changes(&self) -> broadcast::Receiver<ErrorStoreChange> {
        self.changes.subscribe()
    }

    /// Stores queued requests, checkpoints the database, and ends the thread. Later appends fail with [`ErrorStoreError::Closed`];
    /// queries still work.
    pub async fn close(&self) {
        // Closing the last connection removes the WAL files of the database, but a read-only connection cannot do that.
        self.readers.close_idle();
        let (done, ended) = oneshot::channel();
        if let Some(commands) = &self.commands
            && commands.send(ErrorWriterCommand::Close(done)).await.is_ok()
        {
            let _ = ended.await;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await;
    }

    /// Sends an operation to the writing thread and waits for its result.
    async fn request_write(&self, operation: ErrorWriteOperation) -> Result<ErrorWriteResult, ErrorStoreError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(ErrorStoreError::Closed)?;
        match tokio::time::timeout(QUEUE_TIMEOUT, commands.send(ErrorWriterCommand::Write(ErrorWriteTask { operation, reply }))).await {
            Ok(Ok(())) => answer.await.map_err(|_| ErrorStoreError::Closed)?,
            Ok(Err(_)) => Err(ErrorStoreError::Closed),
            Err(_) => Err(ErrorStoreError::Busy { reason: format!("{} is written too slowly", self.path.display()) }),
        }
    }
}

impl Drop for ErrorStore {
    fn drop(&mut self) {
        // The thread ends when the sender is dropped.
        self.commands = None;
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}
