//! The durable store of error events and of the issues that they group into: one SQLite database, `errors.db`.
//!
//! Errors are few beside spans, and are asked for by issue, by trace and by time: a database with indexes suits them, where spans
//! need columns. One thread writes; whatever waits goes into one transaction, and each caller is answered when that is on the disk.
//! Identity is (project, event id): the first stays, a repeat is counted as such. Nothing here knows of HTTP or of project names.

mod answer;
mod error;
mod issues;
mod open;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hinomi_model::id::TraceId;
use hinomi_model::sentry::ErrorEvent;
use rusqlite::Connection;
use tokio::sync::{broadcast, oneshot};

pub use answer::{EventSummary, Issue, IssueDetail, IssueEvent, IssuePage};
pub use error::ErrorsError;
use write::{Command, Writer};

/// Changes that a slow watcher may be behind before it misses some.
const CHANGES: usize = 256;
/// Connections that read; more questions at a time wait.
const READERS: usize = 4;

/// What became of the events of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "every event that is not stored is an outcome to be counted"]
pub struct Appended {
    /// Stored, durable, visible.
    pub stored: usize,
    /// Not stored, since the same event was there before.
    pub duplicates: usize,
}

/// That errors were stored.
#[derive(Debug, Clone)]
pub struct Change {
    /// The project.
    pub project: u64,
    /// Traces in which they happened.
    pub traces: Arc<[TraceId]>,
    /// How many.
    pub errors: usize,
}

/// Which events are meant: those of a range of time, in microseconds since the Unix epoch, and of some traces only where given.
#[derive(Debug, Clone)]
pub struct Within {
    /// Start.
    pub from_us: i64,
    /// End, not included.
    pub to_us: i64,
    /// Only events of these traces.
    pub traces: Option<Arc<HashSet<TraceId>>>,
}

/// The open store.
#[derive(Debug)]
pub struct Errors {
    path: PathBuf,
    writer: Mutex<Option<std::sync::mpsc::Sender<Command>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    readers: Arc<Readers>,
    changes: broadcast::Sender<Change>,
}

impl Errors {
    /// Opens the store in a data folder, and makes it if need be.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<Errors, ErrorsError> {
        let path = dir.join("errors.db");
        let connection = open::open(&path)?;
        let (sender, queue) = std::sync::mpsc::channel();
        let (changes, _) = broadcast::channel(CHANGES);
        let writer = Writer::new(connection, path.clone(), changes.clone());
        let spawned = std::thread::Builder::new().name("errors-write".to_owned()).spawn(move || writer.run(&queue));
        let thread = spawned.map_err(|error| ErrorsError::Failed { path: path.clone(), reason: error.to_string() })?;
        let readers = Arc::new(Readers { path: path.clone(), idle: Mutex::default(), room: tokio::sync::Semaphore::new(READERS) });
        Ok(Errors { path, writer: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)), readers, changes })
    }

    /// Stores the events of one request. When it returns, they are on disk and in every later answer.
    ///
    /// # Errors
    ///
    /// Nothing of the request has been stored then; it may be sent again as it is.
    pub async fn append(&self, project: u64, received_us: i64, events: Vec<ErrorEvent>) -> Result<Appended, ErrorsError> {
        self.command(|reply| Command::Append { project, received_us, events, reply }).await
    }

    /// Deletes the events of a project that happened before a time; an issue without events goes too. Returns the number of events.
    ///
    /// # Errors
    ///
    /// When the database cannot be written. Nothing has been deleted then.
    pub async fn delete_before(&self, project: u64, before_us: i64) -> Result<u64, ErrorsError> {
        self.command(|reply| Command::DeleteBefore { project, before_us, reply }).await
    }

    /// Tells of what is stored from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Stores what is queued and ends the writing thread. Later appends fail with [`ErrorsError::Closed`].
    pub async fn close(&self) {
        drop(self.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = tokio::task::spawn_blocking(move || thread.map(std::thread::JoinHandle::join)).await;
    }

    async fn command<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, ErrorsError>>) -> Command) -> Result<T, ErrorsError> {
        let (reply, answer) = oneshot::channel();
        {
            let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.as_ref().ok_or(ErrorsError::Closed)?.send(command(reply)).map_err(|_| ErrorsError::Closed)?;
        }
        answer.await.map_err(|_| ErrorsError::Closed)?
    }

    /// Asks the database where waiting hinders nobody.
    async fn read<T, F>(&self, question: F) -> Result<T, ErrorsError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ErrorsError> + Send + 'static,
    {
        let readers = self.readers.clone();
        let _room = readers.room.acquire().await.map_err(|_| ErrorsError::Closed)?;
        let readers = self.readers.clone();
        let asked = tokio::task::spawn_blocking(move || readers.with(question));
        asked.await.map_err(|_| ErrorsError::Failed { path: self.path.clone(), reason: "the question was given up".to_owned() })?
    }
}

/// Connections that read, opened as they are needed.
#[derive(Debug)]
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    room: tokio::sync::Semaphore,
}

impl Readers {
    fn with<T>(&self, question: impl FnOnce(&Connection) -> Result<T, ErrorsError>) -> Result<T, ErrorsError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.path)?,
        };
        let answer = question(&connection);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        answer
    }
}
