//! Log lines that programs sent: one SQLite database, `logs.db`.
//!
//! Log lines are written once, and queried by trace and by time, so rows with indexes are suitable.

mod list;
mod retention;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use hinomi_model::api_time::rfc3339;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::log_line::{LogLevel, LogLine};
use rusqlite::{Row, Transaction, params};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use utoipa::ToSchema;

use crate::database::{GroupCommitDatabase, SqliteError};

pub use list::LogListQuery;

/// Maximum number of stored lines per trace. A trace with more lines probably contains a loop, so the first lines are the most useful.
pub const MAX_LINES_PER_TRACE: usize = 10_000;
/// Number of changes that a slow subscriber may lag behind before it misses some.
const CHANGE_CHANNEL_CAPACITY: usize = 1024;
/// Maximum number of lines that are deleted in one transaction. Ingestion continues between two of them.
const DELETION_BATCH_LINES: usize = 5_000;

/// File name of the database.
const DATABASE: &str = "logs.db";
/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE lines (
        id         INTEGER PRIMARY KEY,
        project    INTEGER NOT NULL,
        key        BLOB NOT NULL,
        trace      BLOB NOT NULL,
        span       INTEGER,
        at_us      INTEGER NOT NULL,
        level      TEXT,
        body       TEXT NOT NULL,
        -- JSON.
        attributes TEXT NOT NULL,
        UNIQUE (project, key)
    ) STRICT;
    CREATE INDEX lines_of_trace ON lines (project, trace, at_us);
    CREATE INDEX lines_in_time ON lines (project, at_us);
",
    "
    -- Lines that belong to no trace have the trace NO_TRACE. Few lines are warnings or errors, and they are looked for most often.
    CREATE INDEX notable_lines_in_time ON lines (project, at_us) WHERE level IN ('warn', 'error', 'fatal');
",
];

/// Trace of the lines that belong to none: the ID that OpenTelemetry declares invalid.
const NO_TRACE: [u8; 16] = [0; 16];

/// Result of storing the lines of a request: the number of lines by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "the caller must count an outcome for each line that is not stored"]
pub struct LogAppendResult {
    /// Number of lines that are stored: durable and visible.
    pub stored: usize,
    /// Number of lines that were dropped because the same line is already stored.
    pub duplicates: usize,
    /// Number of lines that were dropped because their trace already has [`MAX_LINES_PER_TRACE`] lines.
    pub too_many: usize,
}

/// Message to subscribers that lines were stored.
#[derive(Debug, Clone)]
pub struct LogStoreChange {
    /// Project of the lines.
    pub project: u64,
    /// Traces of the lines, each once.
    pub traces: Arc<[TraceId]>,
    /// Number of lines.
    pub lines: usize,
}

/// A log line.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = LogLine)]
pub struct LogLineResponse {
    /// Number of the line, unique in all projects.
    pub log_id: String,
    /// ID of the trace in which the line was logged; null if unknown.
    #[schema(required)]
    pub trace_id: Option<String>,
    /// ID of the span in which the line was logged; null if unknown.
    #[schema(required)]
    pub span_id: Option<String>,
    /// Time of the log line (RFC 3339).
    pub time: String,
    /// `trace`, `debug`, `info`, `warn`, `error` or `fatal`; null if unknown.
    #[schema(required)]
    pub level: Option<String>,
    /// Text of the log line.
    pub body: String,
    /// Attributes as the client sent them.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub attributes: Map<String, Value>,
}

/// One page of log lines.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LogPage {
    /// Log lines, ordered by time.
    pub logs: Vec<LogLineResponse>,
    /// Cursor of the next page; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The log lines of all projects.
#[derive(Debug)]
pub struct LogStore {
    database: GroupCommitDatabase,
    changes: broadcast::Sender<LogStoreChange>,
}

impl LogStore {
    /// Opens the log lines in a data directory.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<LogStore, SqliteError> {
        Ok(LogStore {
            database: GroupCommitDatabase::open(&dir.join(DATABASE), MIGRATIONS)?,
            changes: broadcast::channel(CHANGE_CHANNEL_CAPACITY).0,
        })
    }

    /// Stores the lines of one request. When it returns, they are on disk and visible to every later query.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. In this case, no line of the request is stored; the same request may be sent
    /// again.
    pub async fn append(&self, project: u64, lines: Vec<LogLine>) -> Result<LogAppendResult, SqliteError> {
        if lines.is_empty() {
            return Ok(LogAppendResult::default());
        }
        let mut traces: Vec<TraceId> = lines.iter().filter_map(|line| line.trace_id).collect();
        traces.sort_unstable();
        traces.dedup();
        let appended = self.database.write(move |transaction| append(transaction, project as i64, &lines)).await?;
        if appended.stored > 0 {
            // Having no subscribers is not an error.
            let _ = self.changes.send(LogStoreChange { project, traces: traces.into(), lines: appended.stored });
        }
        Ok(appended)
    }

    /// Returns one page of the lines of a trace in order of time. `after` is the cursor of the previous page.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn lines_of_trace(
        &self,
        project: u64,
        trace: TraceId,
        after: Option<LogCursor>,
        limit: usize,
    ) -> Result<LogPage, SqliteError> {
        let LogCursor { at_us, id } = after.unwrap_or(LogCursor { at_us: i64::MIN, id: i64::MIN });
        let mut rows: Vec<(LogCursor, LogLineResponse)> = self
            .database
            .read(move |transaction| {
                let mut select = transaction.prepare_cached(
                    "SELECT id, at_us, trace, span, level, body, attributes FROM lines
                     WHERE project = ? AND trace = ? AND (at_us, id) > (?, ?) ORDER BY at_us, id LIMIT ?",
                )?;
                let wanted = params![project as i64, trace.0.to_be_bytes(), at_us, id, limit as i64 + 1];
                select.query_map(wanted, |row| read_line(row).map(|(cursor, line)| (cursor, response(cursor, line))))?.collect()
            })
            .await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|(cursor, _)| cursor.to_string());
        Ok(LogPage { logs: rows.into_iter().map(|(_, line)| line).collect(), next_cursor })
    }

    /// Returns the number of lines of a trace, and the times of the first and the last in microseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn extent_of_trace(&self, project: u64, trace: TraceId) -> Result<TraceLogExtent, SqliteError> {
        self.database
            .read(move |transaction| {
                let sql = "SELECT count(*), min(at_us), max(at_us) FROM lines WHERE project = ? AND trace = ?";
                transaction.prepare_cached(sql)?.query_row(params![project as i64, trace.0.to_be_bytes()], |row| {
                    let times: (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
                    Ok(TraceLogExtent { lines: row.get(0)?, times_us: times.0.zip(times.1) })
                })
            })
            .await
    }

    /// Deletes the lines of a project before a time, in microseconds since the Unix epoch. Returns the number of deleted lines.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. Some lines may already have been deleted.
    pub async fn delete_before(&self, project: u64, before_us: i64) -> Result<u64, SqliteError> {
        let mut deleted = 0;
        loop {
            let rows = self
                .database
                .write(move |transaction| {
                    let mut delete = transaction.prepare_cached(
                        "DELETE FROM lines WHERE id IN (SELECT id FROM lines WHERE project = ? AND at_us < ? ORDER BY at_us LIMIT ?)",
                    )?;
                    delete.execute(params![project as i64, before_us, DELETION_BATCH_LINES as i64])
                })
                .await?;
            deleted += rows as u64;
            if rows < DELETION_BATCH_LINES {
                return Ok(deleted);
            }
        }
    }

    /// Returns a receiver of all changes from now on. A receiver that is too slow gets an error with the number of changes that it missed.
    pub fn changes(&self) -> broadcast::Receiver<LogStoreChange> {
        self.changes.subscribe()
    }

    /// Ends the writing thread; later appends fail.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// Number and times of the log lines of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceLogExtent {
    /// Number of lines.
    pub lines: u64,
    /// Times of the first and the last line in microseconds since the Unix epoch; `None` without lines.
    pub times_us: Option<(i64, i64)>,
}

/// End of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogCursor {
    at_us: i64,
    id: i64,
}

impl std::fmt::Display for LogCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.at_us, self.id)
    }
}

impl std::str::FromStr for LogCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<LogCursor, ()> {
        let (at_us, id) = text.split_once('.').ok_or(())?;
        Ok(LogCursor { at_us: at_us.parse().map_err(|_| ())?, id: id.parse().map_err(|_| ())? })
    }
}

/// Reads a line from the columns `id, at_us, trace, span, level, body, attributes`. Its key is not read.
fn read_line(row: &Row) -> rusqlite::Result<(LogCursor, LogLine)> {
    let (trace, span): ([u8; 16], Option<i64>) = (row.get(2)?, row.get(3)?);
    let (level, attributes) = (row.get_ref(4)?.as_str_or_null()?, row.get_ref(6)?.as_str()?);
    let line = LogLine {
        key: [0; 16],
        trace_id: (trace != NO_TRACE).then_some(TraceId(u128::from_be_bytes(trace))),
        span_id: span.map(|span| SpanId(span as u64)),
        at_us: row.get(1)?,
        level: level.and_then(LogLevel::from_name),
        body: row.get(5)?,
        attributes: serde_json::from_str(attributes).unwrap_or_default(),
    };
    Ok((LogCursor { at_us: line.at_us, id: row.get(0)? }, line))
}

fn response(cursor: LogCursor, line: LogLine) -> LogLineResponse {
    LogLineResponse {
        log_id: cursor.id.to_string(),
        trace_id: line.trace_id.map(|trace| trace.to_string()),
        span_id: line.span_id.map(|span| span.to_string()),
        time: rfc3339(line.at_us),
        level: line.level.map(|level| level.as_str().to_owned()),
        body: line.body,
        attributes: line.attributes,
    }
}

fn append(transaction: &Transaction, project: i64, lines: &[LogLine]) -> rusqlite::Result<LogAppendResult> {
    let mut room: std::collections::HashMap<TraceId, usize> = std::collections::HashMap::new();
    let mut known = transaction.prepare_cached("SELECT 1 FROM lines WHERE project = ? AND key = ?")?;
    let mut count = transaction.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM lines WHERE project = ? AND trace = ? LIMIT ?)")?;
    let mut insert = transaction
        .prepare_cached("INSERT INTO lines (project, key, trace, span, at_us, level, body, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
    let mut appended = LogAppendResult::default();
    for line in lines {
        if known.exists(params![project, line.key])? {
            appended.duplicates += 1;
            continue;
        }
        let trace = line.trace_id.map_or(NO_TRACE, |trace| trace.0.to_be_bytes());
        if let Some(trace_id) = line.trace_id {
            let left = match room.entry(trace_id) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    let there: usize = count.query_row(params![project, trace, MAX_LINES_PER_TRACE as i64], |row| row.get(0))?;
                    entry.insert(MAX_LINES_PER_TRACE - there)
                }
            };
            if *left == 0 {
                appended.too_many += 1;
                continue;
            }
            *left -= 1;
        }
        let attributes = serde_json::to_string(&line.attributes).unwrap_or_default();
        let level = line.level.map(|level| level.as_str());
        insert.execute(params![
            project,
            line.key,
            trace,
            line.span_id.map(|span| span.0 as i64),
            line.at_us,
            level,
            line.body,
            attributes
        ])?;
        appended.stored += 1;
    }
    Ok(appended)
}
