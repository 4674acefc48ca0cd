//! Outcomes of all items that clients sent. They are counted in memory, written every second, and visible immediately. This module also
//! stores hints for clients (`hints`).
//!
//! Counts are stored per minute, by outcome, reason, category, key and SDK. All of these values except the outcome may be any text that a
//! client sends, so the number of counts is limited (`pending_counts`). One limit applies per project and minute. Another applies in total
//! while the database (`minute_counts`) cannot be written.

mod hints;
mod minute_counts;
mod pending_counts;
mod retention;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hinomi_model::api_time::rfc3339;
use hinomi_model::hints::HintEvidence;
use hinomi_model::outcome::{Outcome, OutcomeCategory, OutcomeKind};
use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use crate::database::SqliteError;
pub use hints::HintRow;
use hints::HintTable;
pub use minute_counts::FORMAT;
use pending_counts::{OutcomeClass, OutcomeCount, OutcomeTally};

/// Project number of the server itself: requests without a valid key. Anybody can send any number of such requests. Their counts are
/// therefore stored per hour, without key and SDK. The few rows differ only in the reasons, which the server itself defines.
pub const SERVER_PROJECT: u64 = 0;

/// File name of the database.
const DATABASE: &str = "outcomes.db";
const MINUTE_US: i64 = 60_000_000;
/// Interval between two writes.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Number of items with the same outcome, reason, category, ingest key and SDK.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Outcome)]
pub struct OutcomeRow {
    /// `accepted`, `refused` (rejected), `dropped`, `duplicate` or `client_dropped`.
    #[schema(value_type = OutcomeKind)]
    pub outcome: String,
    /// Reason in snake case; `other` for rare reasons that are not counted separately.
    pub reason: String,
    /// Kind of the items, such as `span`, `error` or `request`.
    #[schema(value_type = OutcomeCategory)]
    pub category: String,
    /// The ingest key; null if there was none.
    #[schema(required)]
    pub key: Option<String>,
    /// Name and version of the SDK, such as `sentry.python 2.75.0`; null if unknown.
    #[schema(required)]
    pub sdk: Option<String>,
    /// Number of items.
    pub quantity: u64,
    /// Detail of the newest item that has a detail, for a person to read; null if no item has one.
    #[schema(required)]
    pub detail: Option<String>,
    /// Time of the newest item (RFC 3339).
    pub last_at: String,
}

/// The sender of counted items.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutcomeSource<'a> {
    /// Ingest key.
    pub key: Option<&'a str>,
    /// Name and version of the SDK.
    pub sdk: Option<&'a str>,
}

/// The counters of outcomes. Dropping it writes the counts that are in memory.
#[derive(Debug)]
pub struct OutcomeStore {
    shared: Arc<OutcomeStoreInner>,
    stop: Sender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct OutcomeStoreInner {
    path: PathBuf,
    /// Counts that are not written yet. Locked for microseconds only.
    pending: Mutex<OutcomeTally>,
    /// All hints, which are few. Must be locked after the connection if both are needed.
    hints: Mutex<HintTable>,
    /// Must be locked before the tally if both are needed: counts that have left the tally and are not in the table yet must not be
    /// missed by a reader.
    connection: Mutex<Connection>,
}

impl OutcomeStore {
    /// Opens the counters in a data directory: `outcomes.db`.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<OutcomeStore, SqliteError> {
        let path = dir.join(DATABASE);
        let connection = minute_counts::open_database(&path)?;
        let hints = Mutex::new(HintTable::read(&connection).map_err(SqliteError::sqlite_error(&path))?);
        let shared = Arc::new(OutcomeStoreInner { path, pending: Mutex::default(), hints, connection: Mutex::new(connection) });
        let (stop, stopped) = channel();
        let for_thread = shared.clone();
        let thread = std::thread::Builder::new().name("outcomes".to_owned()).spawn(move || run(&for_thread, &stopped));
        let thread = thread.map_err(|error| SqliteError::Failed { path: shared.path.clone(), reason: error.to_string() })?;
        Ok(OutcomeStore { shared, stop, thread: Mutex::new(Some(thread)) })
    }

    /// Counts outcomes of a project, or of the [`SERVER_PROJECT`]. Does not wait for the disk.
    pub fn count(&self, project: u64, from: OutcomeSource, outcomes: &[Outcome]) {
        let now_us = jiff::Timestamp::now().as_microsecond();
        let mut tally = lock(&self.shared.pending);
        for outcome in outcomes {
            tally.count(now_us, project, from, outcome);
        }
    }

    /// Records evidence for hints to the clients of a project. Does not wait for the disk.
    pub fn note_evidence(&self, project: u64, evidence: &[HintEvidence]) {
        if evidence.is_empty() {
            return;
        }
        let now_us = jiff::Timestamp::now().as_microsecond();
        let mut hints = lock(&self.shared.hints);
        evidence.iter().for_each(|evidence| hints.note_evidence(now_us, project, evidence));
    }

    /// Returns the open hints of a project that were seen at a time or later.
    pub fn hints(&self, project: u64, since_us: i64) -> Vec<HintRow> {
        lock(&self.shared.hints).open(project, since_us)
    }

    /// Returns the outcomes of a project in the minutes (of the server: the hours) that overlap `from_us..to_us`, newest first, including
    /// those that are not written yet. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn rows(&self, project: u64, from_us: i64, to_us: i64) -> Result<Vec<OutcomeRow>, SqliteError> {
        if from_us >= to_us {
            return Ok(Vec::new());
        }
        let first = pending_counts::minute_of(project, from_us);
        let minutes = first..=to_us.saturating_sub(1).div_euclid(MINUTE_US);
        let mut sums: BTreeMap<OutcomeClass, OutcomeCount> = BTreeMap::new();
        let connection = lock(&self.shared.connection);
        let add = |what: OutcomeClass, count: OutcomeCount| sums.entry(what).or_default().add(&count);
        minute_counts::read(&connection, project, &minutes, add).map_err(SqliteError::sqlite_error(&self.shared.path))?;
        for (which, count) in lock(&self.shared.pending).counts() {
            if which.project == project && minutes.contains(&which.minute) {
                sums.entry(which.class.clone()).or_default().add(count);
            }
        }
        drop(connection);
        let mut sums: Vec<(OutcomeClass, OutcomeCount)> = sums.into_iter().collect();
        sums.sort_by_key(|(_, count)| std::cmp::Reverse(count.last_us));
        Ok(sums.into_iter().map(|(what, count)| row(what, count)).collect())
    }

    /// Writes the counts that are in memory. Counts that cannot be written remain in memory.
    pub fn flush(&self) {
        if let Err(error) = self.shared.write() {
            tracing::warn!(%error, "outcomes.counts.write_failed");
        }
    }

    /// Deletes the counts of all projects in the minutes before a time. Returns the number of deleted rows. Blocks while it writes.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn delete_before(&self, before_us: i64) -> Result<u64, SqliteError> {
        let connection = lock(&self.shared.connection);
        lock(&self.shared.hints).forget_before(before_us);
        hints::delete_before(&connection, before_us).map_err(SqliteError::sqlite_error(&self.shared.path))?;
        minute_counts::delete_before(&connection, before_us.div_euclid(MINUTE_US)).map_err(SqliteError::sqlite_error(&self.shared.path))
    }
}

impl Drop for OutcomeStore {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
        self.flush();
    }
}

/// Writes once a second until it is stopped. A failure is logged once; counts remain in memory meanwhile.
fn run(shared: &OutcomeStoreInner, stopped: &Receiver<()>) {
    let mut is_failing = false;
    while matches!(stopped.recv_timeout(FLUSH_INTERVAL), Err(RecvTimeoutError::Timeout)) {
        match shared.write() {
            Ok(()) => is_failing = false,
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "outcomes.counts.write_failed");
                }
            }
        }
    }
}

impl OutcomeStoreInner {
    fn write(&self) -> Result<(), SqliteError> {
        let mut connection = lock(&self.connection);
        lock(&self.hints).write(&mut connection).map_err(SqliteError::sqlite_error(&self.path))?;
        let taken = lock(&self.pending).take_pending();
        if taken.is_empty() {
            return Ok(());
        }
        match minute_counts::write_counts(&mut connection, &taken) {
            Ok(()) => {
                lock(&self.pending).confirm_written();
                Ok(())
            }
            Err(error) => {
                lock(&self.pending).restore_pending(taken);
                Err(SqliteError::sqlite_error(&self.path)(error))
            }
        }
    }
}

fn row(what: OutcomeClass, count: OutcomeCount) -> OutcomeRow {
    OutcomeRow {
        outcome: what.outcome,
        reason: what.reason,
        category: what.category,
        key: Some(what.key).filter(|key| !key.is_empty()),
        sdk: Some(what.sdk).filter(|sdk| !sdk.is_empty()),
        quantity: count.quantity,
        detail: count.detail.map(|(_, text)| text),
        last_at: rfc3339(count.last_us),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
