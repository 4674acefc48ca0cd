//! A database that many requests write: one thread puts whatever waits into one transaction, so that one `fsync` serves them all.
//! Questions go to connections of their own and see all that was acknowledged before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{SqliteError, open, open_reader};

/// Changes that go into one transaction at most.
const GROUP: usize = 256;
/// Changes that wait for the writing thread.
const QUEUE: usize = 256;
/// How long a change waits for room in the queue before its caller is told to come again.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions that are answered at the same time; more of them wait.
const READERS: usize = 4;

/// The open database. Dropping it ends its thread; whatever was acknowledged is on the disk.
#[derive(Debug)]
pub struct GroupCommitDatabase {
    readers: Arc<SqliteReaderPool>,
    /// `None` once it is closed.
    tasks: Mutex<Option<mpsc::Sender<Box<dyn GroupCommitTask>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct SqliteReaderPool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    room: Arc<Semaphore>,
}

/// A change that waits for its turn, with where the answer goes.
trait GroupCommitTask: Send {
    fn perform(&mut self, transaction: &Transaction) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, result: Result<(), SqliteError>);
}

struct GroupCommitChange<T, F> {
    change: F,
    made: Option<T>,
    reply: oneshot::Sender<Result<T, SqliteError>>,
}

impl<T: Send, F: FnMut(&Transaction) -> rusqlite::Result<T> + Send> GroupCommitTask for GroupCommitChange<T, F> {
    fn perform(&mut self, transaction: &Transaction) -> rusqlite::Result<()> {
        self.made = Some((self.change)(transaction)?);
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<(), SqliteError>) {
        let GroupCommitChange { made, reply, .. } = *self;
        let fault = "a fault in the program".to_owned();
        let result = result.and_then(|()| made.ok_or(SqliteError::Failed { path: PathBuf::new(), reason: fault }));
        // A caller that has gone is no failure.
        let _ = reply.send(result);
    }
}

impl GroupCommitDatabase {
    /// Opens the database and brings it to the newest format.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or a newer version wrote it.
    pub fn open(path: &Path, steps: &[&str]) -> Result<GroupCommitDatabase, SqliteError> {
        let connection = open(path, steps)?;
        let (tasks, queue) = mpsc::channel(QUEUE);
        let name = path.file_stem().map_or_else(String::new, |stem| format!("{}-write", stem.to_string_lossy()));
        let writer = GroupCommitWriter { connection, path: path.to_owned(), is_failing: false };
        let spawned = std::thread::Builder::new().name(name).spawn(move || writer.run(queue));
        let thread = spawned.map_err(|error| SqliteError::Failed { path: path.to_owned(), reason: error.to_string() })?;
        let readers = SqliteReaderPool { path: path.to_owned(), idle: Mutex::default(), room: Arc::new(Semaphore::new(READERS)) };
        Ok(GroupCommitDatabase { readers: Arc::new(readers), tasks: Mutex::new(Some(tasks)), thread: Mutex::new(Some(thread)) })
    }

    /// Makes a change. When it returns without an error, the change is on the disk and in every later answer; after an error nothing of
    /// it is. It may be made more than once: one that shares its transaction with a failing one is undone and made again.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub async fn write<T, F>(&self, change: F) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnMut(&Transaction) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let tasks = lock(&self.tasks).clone().ok_or_else(|| self.closed())?;
        let task = Box::new(GroupCommitChange { change, made: None, reply });
        match tokio::time::timeout(PATIENCE, tasks.send(task)).await {
            Ok(Ok(())) => answer.await.map_err(|_| self.closed())?,
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(SqliteError::Busy { path: self.readers.path.clone() }),
        }
    }

    /// Asks a question where waiting hinders nobody. All parts of an answer are of the same moment.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn read<T, F>(&self, question: F) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction) -> rusqlite::Result<T> + Send + 'static,
    {
        let readers = self.readers.clone();
        let permit = readers.room.clone().acquire_owned().await.map_err(|_| self.closed())?;
        let answer = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            readers.ask(question)
        });
        answer.await.map_err(|_| self.closed())?
    }

    /// Makes the changes that wait, puts them into the main file, and ends the thread. Later changes fail; questions are answered.
    pub async fn close(&self) {
        // The last connection that is closed removes what stands beside the main file; one that only reads cannot.
        lock(&self.readers.idle).clear();
        drop(lock(&self.tasks).take());
        let thread = lock(&self.thread).take();
        let _ = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await;
    }

    fn closed(&self) -> SqliteError {
        SqliteError::Failed { path: self.readers.path.clone(), reason: "it is closed; restart to go on".to_owned() }
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
    fn ask<T>(&self, question: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
        let idle = lock(&self.idle).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let answer = connection.transaction().and_then(|transaction| question(&transaction)).map_err(SqliteError::of(&self.path))?;
        // One that failed is not used again.
        lock(&self.idle).push(connection);
        Ok(answer)
    }
}

/// What the thread owns.
struct GroupCommitWriter {
    connection: Connection,
    path: PathBuf,
    /// Whether the last transaction failed, so that a failure is logged once.
    is_failing: bool,
}

impl GroupCommitWriter {
    fn run(mut self, mut tasks: mpsc::Receiver<Box<dyn GroupCommitTask>>) {
        let mut queue = Vec::new();
        while tasks.blocking_recv_many(&mut queue, GROUP) > 0 {
            self.work(std::mem::take(&mut queue));
        }
    }

    /// Does a group of tasks and answers each. None of one caller is another's fault: a group that fails is tried again one by one,
    /// unless the disk or the database as a whole is to blame.
    fn work(&mut self, mut tasks: Vec<Box<dyn GroupCommitTask>>) {
        match self.commit(&mut tasks) {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(path = %self.path.display(), "database.writes.resumed");
                }
                tasks.into_iter().for_each(|task| task.answer(Ok(())));
            }
            Err(SqliteError::Failed { .. }) if tasks.len() > 1 => tasks.into_iter().for_each(|task| self.work(vec![task])),
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(%error, "database.writes.rejected");
                }
                tasks.into_iter().for_each(|task| task.answer(Err(error.clone())));
            }
        }
    }

    fn commit(&mut self, tasks: &mut [Box<dyn GroupCommitTask>]) -> Result<(), SqliteError> {
        let connection = &mut self.connection;
        let write = || -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for task in tasks {
                task.perform(&transaction)?;
            }
            transaction.commit()
        };
        // A panic drops the transaction, which undoes it.
        match catch_unwind(AssertUnwindSafe(write)) {
            Ok(written) => written.map_err(SqliteError::of(&self.path)),
            Err(_) => Err(SqliteError::Failed { path: self.path.clone(), reason: "a fault in the program".to_owned() }),
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
    async fn one_that_fails_harms_no_other() {
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
        let panics = database.write(|_| -> rusqlite::Result<()> { panic!("asked for by a test") }).await;
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
