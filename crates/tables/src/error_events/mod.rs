//! The durable store of error events and of the issues that they group into: one SQLite database, `errors.db`.
//!
//! Errors are few beside spans, and are asked for by issue, by trace and by time: a database with indexes suits them, where spans
//! need columns. Nothing here knows of HTTP or of project names.
//!
//! # The life of an error event
//!
//! 1. [`ErrorStore::append`] serialises and compresses it, on the caller's side, and queues (`row`).
//! 2. The writing thread (`write`) puts whatever has queued up into one transaction: a repeat of (project, event id) is left out,
//!    one that tells of an error that another told of is not counted (`same`), a new fingerprint becomes an issue (`open` has the tables).
//! 3. When the transaction is on the disk, each caller is answered and watchers are told.
//! 4. Questions (`read`, `issues`) go to connections of their own and see all that was acknowledged before.
//!
//! An issue is no more than a number for (project, fingerprint): what it shows is read from its events, so that there is nothing to
//! keep in step when events come late or are deleted.

mod cursor;
mod duplicates;
mod error;
mod issues;
mod read;
mod read_connections;
mod response;
mod row;
mod schema;
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
pub use read::{TraceErrors, preview};
use read_connections::ErrorReaderPool;
pub use response::{
    BreadcrumbResponse, ErrorEventSummary, ExceptionResponse, Issue, IssueDetail, IssueEvent, IssuePage, StackFrameResponse,
};
use row::ErrorEventRow;
pub use schema::FORMAT;
use writer::{ErrorWriteOperation, ErrorWriteResult, ErrorWriteTask, ErrorWriter, ErrorWriterCommand};

/// Changes that a slow watcher may be behind before it misses some.
const CHANGES: usize = 1024;
/// Requests that wait for the writing thread.
const QUEUE: usize = 256;
/// How long a request waits for room in the queue before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events that are deleted in one go. Intake goes on between two.
const DELETED_AT_ONCE: usize = 2_000;

/// What became of the events of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "every event that is not stored is an outcome to be counted"]
pub struct ErrorAppendResult {
    /// Stored, durable, visible.
    pub stored: usize,
    /// Not stored, since the same event was there before.
    pub duplicates: usize,
    /// Not counted, since they tell of an error that another event told of.
    pub same: usize,
}

/// That errors were stored.
#[derive(Debug, Clone)]
pub struct ErrorStoreChange {
    /// The project.
    pub project: u64,
    /// Traces in which they happened, each once.
    pub traces: Arc<[TraceId]>,
    /// How many.
    pub errors: usize,
}

/// Which events are meant: those of a range of time, in microseconds since the Unix epoch, and of some traces only where given.
#[derive(Debug, Clone)]
pub struct ErrorEventFilter {
    /// Start. `i64::MIN` leaves it open.
    pub from_us: i64,
    /// End, not included. `i64::MAX` leaves it open.
    pub to_us: i64,
    /// Only events of these traces.
    pub traces: Option<Arc<HashSet<TraceId>>>,
}

impl ErrorEventFilter {
    /// Everything kept.
    pub fn all() -> ErrorEventFilter {
        ErrorEventFilter { from_us: i64::MIN, to_us: i64::MAX, traces: None }
    }

    /// Only events of these traces.
    pub fn of_traces(self, traces: impl IntoIterator<Item = TraceId>) -> ErrorEventFilter {
        ErrorEventFilter { traces: Some(Arc::new(traces.into_iter().collect())), ..self }
    }
}

/// The open store. Dropping it ends its thread; whatever was acknowledged is on the disk.
#[derive(Debug)]
pub struct ErrorStore {
    readers: Arc<ErrorReaderPool>,
    path: PathBuf,
    changes: broadcast::Sender<ErrorStoreChange>,
    /// Rises with each transaction.
    version: Arc<AtomicU64>,
    /// `None` while it is dropped.
    commands: Option<mpsc::Sender<ErrorWriterCommand>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ErrorStore {
    /// Opens the store in a data folder, and makes it if need be.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<ErrorStore, ErrorStoreError> {
        let path = dir.join("errors.db");
        let connection = schema::open(&path)?;
        let (commands, queue) = mpsc::channel(QUEUE);
        let (changes, _) = broadcast::channel(CHANGES);
        let version = Arc::new(AtomicU64::new(0));
        let writer = ErrorWriter::new(connection, path.clone(), changes.clone(), version.clone());
        let spawned = std::thread::Builder::new().name("errors-write".to_owned()).spawn(move || writer.run(queue));
        let thread = spawned.map_err(|error| ErrorStoreError::Busy { reason: format!("no thread could be started ({error})") })?;
        let readers = Arc::new(ErrorReaderPool::new(path.clone()));
        Ok(ErrorStore { readers, path, changes, version, commands: Some(commands), thread: Mutex::new(Some(thread)) })
    }

    /// Stores the events of one request. When it returns, they are on disk and in every later answer.
    ///
    /// # Errors
    ///
    /// Nothing of the request has been acknowledged then; it may be sent again as it is.
    pub async fn append(&self, project: u64, received_us: i64, events: Vec<ErrorEvent>) -> Result<ErrorAppendResult, ErrorStoreError> {
        if events.is_empty() {
            return Ok(ErrorAppendResult::default());
        }
        let prepare = move || events.into_iter().map(ErrorEventRow::new).collect();
        let rows = tokio::task::spawn_blocking(prepare).await.map_err(|_| ErrorStoreError::Closed)?;
        let done = self.ask(ErrorWriteOperation::Append { project, received_us, rows }).await?;
        Ok(ErrorAppendResult { stored: done.rows, duplicates: done.duplicates, same: done.same })
    }

    /// Deletes the events of a project that happened before a time, in microseconds since the Unix epoch; an issue without events
    /// goes too, and its number is not given again. Returns the number of events.
    ///
    /// # Errors
    ///
    /// When the database cannot be written. Some may have been deleted then.
    pub async fn delete_before(&self, project: u64, before_us: i64) -> Result<u64, ErrorStoreError> {
        let mut deleted = 0;
        loop {
            let done = self.ask(ErrorWriteOperation::DeleteBefore { project, before_us, limit: DELETED_AT_ONCE }).await?;
            deleted += done.rows as u64;
            if done.rows < DELETED_AT_ONCE {
                return Ok(deleted);
            }
        }
    }

    /// Rises with all that is stored or deleted, before whoever asked for that is answered.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Tells of what is stored from now on. A watcher that is slow is told that it missed some.
    pub fn changes(&self) -> broadcast::Receiver<ErrorStoreChange> {
        self.changes.subscribe()
    }

    /// Stores what is queued, puts it into the main file of the database, and ends the thread. Later appends fail with
    /// [`ErrorStoreError::Closed`]; what is stored can still be read.
    pub async fn close(&self) {
        // The last connection that is closed removes what stands beside the main file; one that only reads cannot.
        self.readers.clear();
        let (done, ended) = oneshot::channel();
        if let Some(commands) = &self.commands
            && commands.send(ErrorWriterCommand::Close(done)).await.is_ok()
        {
            let _ = ended.await;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await;
    }

    /// Has the writing thread do something.
    async fn ask(&self, work: ErrorWriteOperation) -> Result<ErrorWriteResult, ErrorStoreError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(ErrorStoreError::Closed)?;
        match tokio::time::timeout(PATIENCE, commands.send(ErrorWriterCommand::Do(ErrorWriteTask { work, reply }))).await {
            Ok(Ok(())) => answer.await.map_err(|_| ErrorStoreError::Closed)?,
            Ok(Err(_)) => Err(ErrorStoreError::Closed),
            Err(_) => Err(ErrorStoreError::Busy { reason: format!("{} is written too slowly", self.path.display()) }),
        }
    }
}

impl Drop for ErrorStore {
    fn drop(&mut self) {
        // The thread ends when nobody can ask it any more.
        self.commands = None;
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}
