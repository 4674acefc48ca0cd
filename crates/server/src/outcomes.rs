//! What became of everything that was sent: counted in memory, written down every second, shown at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hinomi_model::outcome::Outcome;
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use crate::sqlite::{self, SqliteError};
use crate::time::rfc3339;

const STEPS: &[&str] = &["
    CREATE TABLE outcomes (
        project_id INTEGER NOT NULL,
        minute     INTEGER NOT NULL,
        outcome    TEXT NOT NULL,
        reason     TEXT NOT NULL,
        category   TEXT NOT NULL,
        key        TEXT NOT NULL,
        quantity   INTEGER NOT NULL,
        detail     TEXT,
        last_us    INTEGER NOT NULL,
        PRIMARY KEY (project_id, minute, outcome, reason, category, key)
    ) WITHOUT ROWID;
"];

const MINUTE_US: i64 = 60_000_000;
const FLUSH: Duration = Duration::from_secs(1);
/// Different outcomes held before they are written. Reasons of clients and keys of strangers are any text: above this they are one.
const MOST: usize = 2_000;
/// Longest reason and longest detail, in characters.
const REASON: usize = 64;
const DETAIL: usize = 300;

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Which {
    project: u64,
    minute: i64,
    outcome: &'static str,
    reason: String,
    category: &'static str,
    key: String,
}

#[derive(Debug, Clone, Default)]
struct Count {
    quantity: u64,
    detail: Option<String>,
    last_us: i64,
}

/// A sum of outcomes of one sort.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Row {
    /// `accepted`, `refused`, `dropped`, `duplicate`, `client_dropped`.
    pub outcome: String,
    /// Snake case.
    pub reason: String,
    /// `span`, `error`, `request` and the like.
    pub category: String,
    /// The ingest key; null where there was none.
    pub key: Option<String>,
    /// How many.
    pub quantity: u64,
    /// The newest one's own words.
    pub detail: Option<String>,
    /// When the newest came.
    pub last_at: String,
}

/// The counter.
#[derive(Debug)]
pub struct Outcomes {
    shared: Arc<Shared>,
    stop: Sender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    pending: Mutex<HashMap<Which, Count>>,
    connection: Mutex<Connection>,
}

impl Outcomes {
    /// Opens the counter in a data folder.
    ///
    /// # Errors
    ///
    /// When its database cannot be opened.
    pub fn open(dir: &Path) -> Result<Outcomes, SqliteError> {
        let path = dir.join("outcomes.db");
        let connection = sqlite::open(&path, STEPS)?;
        // Counts of the last second may be lost in a power cut: they are no one's data, and a flush a second should not wear a disk.
        connection.pragma_update(None, "synchronous", "normal").map_err(SqliteError::of(&path))?;
        let shared = Arc::new(Shared { path, pending: Mutex::default(), connection: Mutex::new(connection) });
        let (stop, stopped) = channel();
        let for_thread = shared.clone();
        let thread = std::thread::Builder::new().name("outcomes".to_owned()).spawn(move || run(&for_thread, &stopped));
        let thread = thread.map_err(|error| SqliteError::Failed { path: shared.path.clone(), reason: error.to_string() })?;
        Ok(Outcomes { shared, stop, thread: Mutex::new(Some(thread)) })
    }

    /// Counts an outcome of a project; 0 stands for requests that name no project of ours. Takes a few microseconds.
    pub fn count(&self, project: u64, key: Option<&str>, outcome: &Outcome) {
        let now_us = jiff::Timestamp::now().as_microsecond();
        let mut which = Which {
            project,
            minute: now_us.div_euclid(MINUTE_US),
            outcome: outcome.kind.as_str(),
            reason: snake_case(&outcome.reason),
            category: outcome.category.as_str(),
            key: key.unwrap_or_default().to_owned(),
        };
        let mut pending = lock(&self.shared.pending);
        if pending.len() >= MOST && !pending.contains_key(&which) {
            "other".clone_into(&mut which.reason);
            which.key.clear();
        }
        let count = pending.entry(which).or_default();
        count.quantity = count.quantity.saturating_add(outcome.quantity);
        count.last_us = now_us;
        if let Some(detail) = &outcome.detail {
            count.detail = Some(detail.chars().take(DETAIL).collect());
        }
    }

    /// The outcomes of a project whose minute begins in `from_us..to_us`, the newest first, what was counted just now included.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn rows(&self, project: u64, from_us: i64, to_us: i64) -> Result<Vec<Row>, SqliteError> {
        self.shared.write()?;
        let failed = SqliteError::of(&self.shared.path);
        let connection = lock(&self.shared.connection);
        // A minute that has begun belongs to the range as a whole: what happened just now must not wait for the next minute.
        let from = from_us.div_euclid(MINUTE_US);
        let to = if to_us == i64::MAX { i64::MAX } else { to_us.saturating_sub(1).div_euclid(MINUTE_US) };
        let mut statement = connection
            .prepare_cached(
                "SELECT outcome, reason, category, key, sum(quantity), max(last_us),
                    (SELECT detail FROM outcomes AS newest WHERE newest.project_id = ?1 AND newest.minute BETWEEN ?2 AND ?3
                        AND newest.outcome = o.outcome AND newest.reason = o.reason AND newest.category = o.category
                        AND newest.key = o.key AND detail IS NOT NULL ORDER BY last_us DESC LIMIT 1)
                 FROM outcomes AS o WHERE project_id = ?1 AND minute BETWEEN ?2 AND ?3
                 GROUP BY outcome, reason, category, key ORDER BY max(last_us) DESC, outcome, reason, category, key",
            )
            .map_err(&failed)?;
        let rows = statement.query_map(params![project, from, to], |row| {
            let key: String = row.get(3)?;
            Ok(Row {
                outcome: row.get(0)?,
                reason: row.get(1)?,
                category: row.get(2)?,
                key: Some(key).filter(|key| !key.is_empty()),
                quantity: row.get(4)?,
                last_at: rfc3339(row.get(5)?),
                detail: row.get(6)?,
            })
        });
        rows.and_then(Iterator::collect).map_err(&failed)
    }

    /// Writes down what is only in memory.
    pub fn flush(&self) {
        if let Err(error) = self.shared.write() {
            tracing::warn!(%error, "outcomes.not_written");
        }
    }

    /// Forgets what happened before a time. Returns how many sums there were.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn delete_before(&self, before_us: i64) -> Result<usize, SqliteError> {
        let connection = lock(&self.shared.connection);
        let deleted = connection.execute("DELETE FROM outcomes WHERE minute < ?1", [before_us.div_euclid(MINUTE_US)]);
        deleted.map_err(SqliteError::of(&self.shared.path))
    }
}

impl Drop for Outcomes {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
        self.flush();
    }
}

fn run(shared: &Shared, stopped: &Receiver<()>) {
    let mut failing = false;
    while matches!(stopped.recv_timeout(FLUSH), Err(RecvTimeoutError::Timeout)) {
        match shared.write() {
            Ok(()) => failing = false,
            // Said once; what is counted waits in memory, which is bounded.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "outcomes.not_written");
            }
            Err(_) => {}
        }
    }
}

impl Shared {
    fn write(&self) -> Result<(), SqliteError> {
        // The connection first: two writers must not take the counts in one order and write them in another.
        let mut connection = lock(&self.connection);
        let taken = std::mem::take(&mut *lock(&self.pending));
        if taken.is_empty() {
            return Ok(());
        }
        let written = write(&mut connection, &taken);
        if written.is_err() {
            let mut pending = lock(&self.pending);
            for (which, count) in taken {
                let now = pending.entry(which).or_default();
                now.quantity = now.quantity.saturating_add(count.quantity);
                now.last_us = now.last_us.max(count.last_us);
                now.detail = now.detail.take().or(count.detail);
            }
        }
        written.map_err(SqliteError::of(&self.path))
    }
}

fn write(connection: &mut Connection, counts: &HashMap<Which, Count>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut statement = transaction.prepare_cached(
            "INSERT INTO outcomes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET
                quantity = quantity + excluded.quantity, last_us = max(last_us, excluded.last_us),
                detail = coalesce(excluded.detail, detail)",
        )?;
        for (which, count) in counts {
            let Which { project, minute, outcome, reason, category, key } = which;
            let quantity = i64::try_from(count.quantity).unwrap_or(i64::MAX);
            statement.execute(params![project, minute, outcome, reason, category, key, quantity, count.detail, count.last_us])?;
        }
    }
    transaction.commit()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client's reason is any text; ours are names.
fn snake_case(reason: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    reason.chars().take(REASON).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use hinomi_model::outcome::{Category, OutcomeKind};

    use super::*;

    fn dropped(reason: &str, quantity: u64) -> Outcome {
        Outcome { quantity, ..Outcome::dropped(Category::Span, reason, Some(format!("said {reason}"))) }
    }

    #[test]
    fn sums_are_there_at_once_and_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let outcomes = Outcomes::open(dir.path()).unwrap();
        outcomes.count(1, Some("k"), &dropped("too_old", 2));
        outcomes.count(1, Some("k"), &dropped("too_old", 3));
        outcomes.count(2, None, &dropped("too_old", 9));
        let rows = outcomes.rows(1, i64::MIN, i64::MAX).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].quantity, rows[0].detail.as_deref(), rows[0].key.as_deref()), (5, Some("said too_old"), Some("k")));
        outcomes.count(1, Some("k"), &dropped("too_old", 1));
        drop(outcomes);
        let outcomes = Outcomes::open(dir.path()).unwrap();
        assert_eq!(outcomes.rows(1, i64::MIN, i64::MAX).unwrap()[0].quantity, 6);
        let now = jiff::Timestamp::now().as_microsecond();
        assert_eq!(outcomes.rows(1, now - 1_000_000, now).unwrap()[0].quantity, 6, "the minute that has begun");
        assert!(outcomes.rows(1, 0, 1).unwrap().is_empty());
        assert_eq!(outcomes.delete_before(i64::MAX).unwrap(), 2);
    }

    #[test]
    fn strange_reasons_stay_few_and_plain() {
        let dir = tempfile::tempdir().unwrap();
        let outcomes = Outcomes::open(dir.path()).unwrap();
        for number in 0..5_000 {
            outcomes.count(1, None, &Outcome { kind: OutcomeKind::ClientDropped, ..dropped(&format!("Très {number}"), 1) });
        }
        let rows = outcomes.rows(1, i64::MIN, i64::MAX).unwrap();
        assert_eq!(rows.iter().map(|row| row.quantity).sum::<u64>(), 5_000);
        assert!(rows.iter().all(|row| row.reason == "other" || row.reason.starts_with("tr_s_")));
    }
}
