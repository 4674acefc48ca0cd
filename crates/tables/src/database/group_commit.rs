//! A database that many requests write to: one thread puts all waiting changes into one transaction, with one `fsync` for all of them.
//! Queries use separate connections and see everything that was acknowledged before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{SqliteError, open, open_reader};

/// Maximum number of changes in one transaction.
const MAX_TRANSACTION_CHANGES: usize = 256;
/// Maximum number of changes that wait for the writing thread.
const QUEUE_CAPACITY: usize = 256;
/// How long a change waits for room in the queue before it fails with [`SqliteError::Busy`].
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of concurrent queries; more of them wait.
const MAX_READERS: usize = 4;

/// An open database. Dropping this value ends its thread; all acknowledged data is on disk.
#[derive(Debug)]
pub struct GroupCommitDatabase {
    readers: Arc<SqliteReaderPool>,
    /// `None` once the database is closed.
    tasks: Mutex<Option<mpsc::Sender<Box<dyn GroupCommitTask>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct SqliteReaderPool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

/// A queued change, with the receiver of its result.
trait GroupCommitTask: Send {
    fn apply(&mut self, transaction: &Transaction) -> rusqlite::Result<()>;
    fn reply(self: Box<Self>, result: Result<(), SqliteError>);
}

struct GroupCommitChange<T, F> {
    change: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, SqliteError>>,
}

impl<T: Send, F: FnMut(&Transaction) -> rusqlite::Result<T> + Send> GroupCommitTask for GroupCommitChange<T, F> {
    fn apply(&mut self, transaction: &Transaction) -> rusqlite::Result<()> {
        self.result = Some((self.change)(transaction)?);
        Ok(())
    }

    fn reply(self: Box<Self>, result: Result<(), SqliteError>) {
        let GroupCommitChange { result: made, reply, .. } = *self;
        let fault = "bug in Hinomi".to_owned();
        let result = result.and_then(|()| made.ok_or(SqliteError::Failed { path: PathBuf::new(), reason: fault }));
        // A caller that no longer waits is not an error.
        let _ = reply.send(result);
    }
}

impl GroupCommitDatabase {
    /// Opens the database and migrates it to the newest format.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(path: &Path, steps: &[&str]) -> Result<GroupCommitDatabase, SqliteError> {
        let connection = open(path, steps)?;
        let (tasks, queue) = mpsc::channel(QUEUE_CAPACITY);
        let name = path.file_stem().map_or_else(String::new, |stem| format!("{}-write", stem.to_string_lossy()));
        let writer = GroupCommitWriter { connection, path: path.to_owned(), is_failing: false };
        let spawned = std::thread::Builder::new().name(name).spawn(move || writer.run(queue));
        let thread = spawned.map_err(|error| SqliteError::Failed { path: path.to_owned(), reason: error.to_string() })?;
        let readers = SqliteReaderPool { path: path.to_owned(), idle: Mutex::default(), permits: Arc::new(Semaphore::new(MAX_READERS)) };
        Ok(GroupCommitDatabase { readers: Arc::new(readers), tasks: Mutex::new(Some(tasks)), thread: Mutex::new(Some(thread)) })
    }

    /// Applies a change. When it returns without an error, the change is on disk and visible to every later query. After an error, no part
    /// of the change is stored. `change` may be called more than once: if another change in the same transaction fails, the transaction is
    /// rolled back and repeated.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub async fn write<T, F>(&self, change: F) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnMut(&Transaction) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let tasks = lock(&self.tasks).clone().ok_or_else(|| self.closed())?;
        let task = Box::new(GroupCommitChange { change, result: None, reply });
        match tokio::time::timeout(QUEUE_TIMEOUT, tasks.send(task)).await {
            Ok(Ok(())) => answer.await.map_err(|_| self.closed())?,
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(SqliteError::Busy { path: self.readers.path.clone() }),
        }
    }

    /// Runs a query on a thread for blocking work. The query sees one consistent snapshot.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn read<T, F>(&self, query: F) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction) -> rusqlite::Result<T> + Send + 'static,
    {
        let readers = self.readers.clone();
        let permit = readers.permits.clone().acquire_owned().await.map_err(|_| self.closed())?;
        let answer = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            readers.query_blocking(query)
        });
        answer.await.map_err(|_| self.closed())?
    }

    /// Applies the queued changes, checkpoints the database, and ends the thread. Later changes fail; queries still work.
    pub async fn close(&self) {
        // Closing the last connection removes the WAL files of the database, but a read-only connection cannot do that.
        lock(&self.readers.idle).clear();
        drop(lock(&self.tasks).take());
        let thread = lock(&self.thread).take();
        let _ = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await;
    }

    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.readers.path
    }

    fn closed(&self) -> SqliteError {
        SqliteError::Failed { path: self.readers.path.clone(), reason: "the database is closed; restart the server".to_owned() }
    }
}

impl Drop for GroupCommitDatabase {
    fn drop(&mut self) {
        drop(lock(&self.tasks).take());
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl SqliteReaderPool {
    fn query_blocking<T>(&self, query: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
        let idle = lock(&self.idle).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let answer = connection.transaction().and_then(|transaction| query(&transaction)).map_err(SqliteError::sqlite_error(&self.path))?;
        // A connection that failed is not reused.
        lock(&self.idle).push(connection);
        Ok(answer)
    }
}

/// State that the writing thread owns.
struct GroupCommitWriter {
    connection: Connection,
    path: PathBuf,
    /// Whether the last transaction failed; a failure is logged once.
    is_failing: bool,
}

impl GroupCommitWriter {
    fn run(mut self, mut tasks: mpsc::Receiver<Box<dyn GroupCommitTask>>) {
        let mut queue = Vec::new();
        while tasks.blocking_recv_many(&mut queue, MAX_TRANSACTION_CHANGES) > 0 {
            self.apply_group(std::mem::take(&mut queue));
        }
    }

    /// Applies a group of changes and answers each. One caller's error must not affect another: a group that fails is repeated one by
    /// one, unless the disk or the whole database is the cause.
    fn apply_group(&mut self, mut tasks: Vec<Box<dyn GroupCommitTask>>) {
        match self.commit_group(&mut tasks) {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(path = %self.path.display(), "database.writes.resumed");
                }
                tasks.into_iter().for_each(|task| task.reply(Ok(())));
            }
            Err(SqliteError::Failed { .. }) if tasks.len() > 1 => tasks.into_iter().for_each(|task| self.apply_group(vec![task])),
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(%error, "database.writes.rejected");
                }
                tasks.into_iter().for_each(|task| task.reply(Err(error.clone())));
            }
        }
    }

    fn commit_group(&mut self, tasks: &mut [Box<dyn GroupCommitTask>]) -> Result<(), SqliteError> {
        let connection = &mut self.connection;
        let write = || -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for task in tasks {
                task.apply(&transaction)?;
            }
            transaction.commit()
        };
        // A panic drops the transaction, which rolls it back.
        match catch_unwind(AssertUnwindSafe(write)) {
            Ok(written) => written.map_err(SqliteError::sqlite_error(&self.path)),
            Err(_) => Err(SqliteError::Failed { path: self.path.clone(), reason: "bug in Hinomi".to_owned() }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn failed_change_does_not_affect_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let database = Arc::new(GroupCommitDatabase::open(&path, &["CREATE TABLE a (x UNIQUE);"]).unwrap());
        let write = |x: i64| {
            let database = database.clone();
            tokio::spawn(async move { database.write(move |transaction| transaction.execute("INSERT INTO a VALUES (?)", [x])).await })
        };
        let numbers: Vec<i64> = (0..50).chain([7, 7]).collect();
        let mut stored = 0;
        for task in numbers.iter().map(|x| write(*x)).collect::<Vec<_>>() {
            stored += usize::from(task.await.unwrap().is_ok());
        }
        assert_eq!(stored, 50);
        let panics = database.write(|_| -> rusqlite::Result<()> { panic!("requested by a test") }).await;
        assert!(matches!(panics, Err(SqliteError::Failed { .. })));
        let count = |database: Arc<GroupCommitDatabase>| async move {
            database.read(|transaction| transaction.query_row("SELECT count(*) FROM a", [], |row| row.get::<_, i64>(0))).await.unwrap()
        };
        assert_eq!(count(database.clone()).await, 50);
        database.close().await;
        assert!(database.write(|_| Ok(())).await.is_err());
        assert_eq!(count(database).await, 50);
    }
}
