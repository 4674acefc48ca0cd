//! The one thread that writes.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use hinomi_model::id::TraceId;
use hinomi_model::sentry::ErrorEvent;
use rusqlite::{Connection, Transaction, params};
use tokio::sync::{broadcast, oneshot};

use super::error::ErrorsError;
use super::{Appended, Change};
use crate::sqlite::SqliteError;

/// Requests that go into one transaction at most.
const GROUP: usize = 256;

type Reply<T> = oneshot::Sender<Result<T, ErrorsError>>;

/// What the thread is asked to do.
pub(super) enum Command {
    /// Store events.
    Append { project: u64, received_us: i64, events: Vec<ErrorEvent>, reply: Reply<Appended> },
    /// Delete old events.
    DeleteBefore { project: u64, before_us: i64, reply: Reply<u64> },
}

/// What to tell a caller once the transaction is on the disk.
enum Done {
    Appended(Appended, Option<Change>, Reply<Appended>),
    Deleted(u64, Reply<u64>),
}

pub(super) struct Writer {
    connection: Connection,
    path: PathBuf,
    changes: broadcast::Sender<Change>,
}

impl Writer {
    pub(super) fn new(connection: Connection, path: PathBuf, changes: broadcast::Sender<Change>) -> Writer {
        Writer { connection, path, changes }
    }

    /// Works until nobody can ask any more. An error ends a request, never the thread.
    pub(super) fn run(mut self, queue: &Receiver<Command>) {
        while let Ok(first) = queue.recv() {
            let mut commands = vec![first];
            commands.extend(queue.try_iter().take(GROUP - 1));
            self.work(commands);
        }
        if let Err(error) = self.connection.pragma_update(None, "wal_checkpoint", "truncate") {
            tracing::warn!(%error, "errors.checkpoint.failed");
        }
    }

    fn work(&mut self, commands: Vec<Command>) {
        let failed = SqliteError::of(&self.path);
        let transaction = match self.connection.transaction() {
            Ok(transaction) => transaction,
            Err(error) => return refuse(commands, &failed(error).into()),
        };
        let mut done = Vec::with_capacity(commands.len());
        let mut commands = commands.into_iter();
        while let Some(command) = commands.next() {
            match perform(&transaction, command) {
                Ok(one) => done.push(one),
                Err((error, command)) => {
                    // A failed statement may leave the transaction half done: nobody of the group is told that it is stored.
                    let error = ErrorsError::from(failed(error));
                    drop(transaction);
                    refuse(std::iter::once(command).chain(commands), &error);
                    done.into_iter().for_each(|one| one.fail(&error));
                    return;
                }
            }
        }
        match transaction.commit() {
            Ok(()) => done.into_iter().for_each(|one| one.tell(&self.changes)),
            Err(error) => {
                let error = ErrorsError::from(failed(error));
                done.into_iter().for_each(|one| one.fail(&error));
            }
        }
    }
}

impl Done {
    fn tell(self, changes: &broadcast::Sender<Change>) {
        match self {
            Done::Appended(appended, change, reply) => {
                let _ = reply.send(Ok(appended));
                if let Some(change) = change {
                    // Nobody may be watching.
                    let _ = changes.send(change);
                }
            }
            Done::Deleted(events, reply) => drop(reply.send(Ok(events))),
        }
    }

    fn fail(self, error: &ErrorsError) {
        match self {
            Done::Appended(.., reply) => drop(reply.send(Err(error.clone()))),
            Done::Deleted(.., reply) => drop(reply.send(Err(error.clone()))),
        }
    }
}

fn refuse(commands: impl IntoIterator<Item = Command>, error: &ErrorsError) {
    for command in commands {
        match command {
            Command::Append { reply, .. } => drop(reply.send(Err(error.clone()))),
            Command::DeleteBefore { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

fn perform(transaction: &Transaction, command: Command) -> Result<Done, (rusqlite::Error, Command)> {
    match command {
        Command::Append { project, received_us, events, reply } => match append(transaction, project, received_us, &events) {
            Ok((appended, change)) => Ok(Done::Appended(appended, change, reply)),
            Err(error) => Err((error, Command::Append { project, received_us, events, reply })),
        },
        Command::DeleteBefore { project, before_us, reply } => match delete_before(transaction, project, before_us) {
            Ok(events) => Ok(Done::Deleted(events, reply)),
            Err(error) => Err((error, Command::DeleteBefore { project, before_us, reply })),
        },
    }
}

fn append(
    transaction: &Transaction,
    project: u64,
    received_us: i64,
    events: &[ErrorEvent],
) -> rusqlite::Result<(Appended, Option<Change>)> {
    let mut appended = Appended::default();
    let mut traces: Vec<TraceId> = Vec::new();
    let mut known = transaction.prepare_cached("SELECT 1 FROM events WHERE project_id = ?1 AND event_id = ?2")?;
    let mut issue = transaction.prepare_cached(
        "INSERT INTO issues (project_id, grouping) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET grouping = grouping RETURNING id",
    )?;
    let mut insert = transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    for event in events {
        if known.exists(params![project, event.event_id])? {
            appended.duplicates += 1;
            continue;
        }
        let issue_id: i64 = issue.query_row(params![project, event.group], |row| row.get(0))?;
        let json = serde_json::to_string(event).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        insert.execute(params![
            project,
            event.event_id,
            issue_id,
            event.time_us,
            received_us,
            event.trace_id.map(|id| id.to_string()),
            event.span_id.map(|id| id.to_string()),
            event.user_id,
            json,
        ])?;
        appended.stored += 1;
        traces.extend(event.trace_id);
    }
    traces.sort_unstable();
    traces.dedup();
    let change = (appended.stored > 0).then(|| Change { project, traces: traces.into(), errors: appended.stored });
    Ok((appended, change))
}

fn delete_before(transaction: &Transaction, project: u64, before_us: i64) -> rusqlite::Result<u64> {
    let deleted = transaction.execute("DELETE FROM events WHERE project_id = ?1 AND time_us < ?2", params![project, before_us])?;
    if deleted > 0 {
        transaction.execute(
            "DELETE FROM issues WHERE project_id = ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE issue_id = issues.id)",
            params![project],
        )?;
    }
    Ok(deleted as u64)
}
