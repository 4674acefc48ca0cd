//! The part of retention and deletion that each table module implements: it expires, erases and redacts its own rows.
//!
//! Each module implements [`RetainedRows`] in its own folder, next to the schema, so the SQL changes together with the tables. The server
//! has one list of all implementations and loops over it. No other code depends on the tables of a module. Most of an implementation is
//! data ([`TableRetention`]): SQL conditions, from which this module builds the statements that count and delete rows.

mod erasures;
mod statements;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use hinomi_model::id::TraceId;
use rusqlite::Transaction;

use crate::database::SqliteError;
pub use erasures::{ErasureCount, ErasureCounter};
pub use statements::{count, count_expiring, delete_expired, empty_wal, erase, notable_traces, redact};

/// Number of expired rows that were deleted, or the error. Rows that were deleted before an error stay deleted.
pub type ExpiryFuture = Pin<Box<dyn Future<Output = Result<u64, SqliteError>> + Send>>;

/// Replaces the names of traces and users in the remaining rows of a project. Returns the number of changed rows.
pub type RowRedaction = fn(&Transaction, u64, &ErasedNames) -> rusqlite::Result<u64>;

/// Declarations of a table module about its rows in one database, from which this module builds SQL statements.
#[derive(Debug, Clone, Copy)]
pub struct TableRetention {
    /// File name of the database in the data directory.
    pub database: &'static str,
    /// Rows that are deleted with a project, for every table with rows of a project. Rows that a foreign key deletes are not listed.
    pub of_project: &'static [RowSelection],
    /// Rows that are deleted with traces and users.
    pub of_names: &'static [RowSelection],
    /// Rows to count before changed cutoffs delete them. If their number is unusual, the deletion waits for confirmation. `None` if the
    /// rows are deleted together with other rows that are counted.
    pub expiring: Option<ExpiringRows>,
    /// Query for the traces that the rows make notable, and that may therefore be stored longer. It returns trace IDs in hexadecimal, for a
    /// project (`?1`).
    pub notable_traces: Option<&'static str>,
    /// Function that redacts deleted traces and users in rows that are not deleted; `None` if such rows contain no traces and users.
    pub redaction: Option<RowRedaction>,
}

impl TableRetention {
    /// Returns the rules of a database whose rows are only deleted with their project.
    pub const fn new(database: &'static str, of_project: &'static [RowSelection]) -> TableRetention {
        TableRetention { database, of_project, of_names: &[], expiring: None, notable_traces: None, redaction: None }
    }
}

/// The rows of a table module in one database, as retention and deletion see them.
pub trait RetainedRows: Debug + Send + Sync {
    /// Returns what the module declares about its rows.
    fn rules(&self) -> &'static TableRetention;

    /// Deletes the expired rows of a project. The caller empties the WAL of the database afterwards.
    fn expire(self: Arc<Self>, _project: u64, _cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        without_expiry()
    }

    /// Deletes rows before a time, in microseconds since the Unix epoch, that expire for all projects together. It is called with the
    /// earliest cutoff of all projects, after [`RetainedRows::expire`], and not while a deletion waits for confirmation.
    fn expire_of_all_projects(self: Arc<Self>, _before_us: i64) -> ExpiryFuture {
        without_expiry()
    }

    /// Removes what is to be erased from memory, so that it is not written again. Blocks the calling thread. Returns false if another part
    /// of the program still works with it.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    fn forget(&self, _subject: &ErasureSubject) -> Result<bool, SqliteError> {
        Ok(true)
    }
}

/// Rows of a table that are deleted or counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSelection {
    /// Table of the rows.
    pub table: &'static str,
    /// Condition in SQL. `?1` is the project, `?2` the time before which rows expire. `temp.traces` contains traces as the blobs (`bytes`)
    /// and the texts (`text`) that tables use, and `temp.people` users (`id`).
    pub condition: &'static str,
    /// Kind as which a row is counted.
    pub kind: ErasedRowKind,
}

impl RowSelection {
    /// Returns a selection of rows that are not reported separately.
    pub const fn new(table: &'static str, condition: &'static str) -> RowSelection {
        RowSelection { table, condition, kind: ErasedRowKind::Other }
    }

    /// Returns the selection with rows that are counted as a kind.
    pub const fn counted_as(self, kind: ErasedRowKind) -> RowSelection {
        RowSelection { kind, ..self }
    }

    fn delete_sql(&self) -> String {
        format!("DELETE FROM {} WHERE {}", self.table, self.condition)
    }

    fn count_sql(&self) -> String {
        format!("SELECT count(*) FROM {} WHERE {}", self.table, self.condition)
    }
}

/// Kind as which deleted rows are counted in receipts and previews of deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErasedRowKind {
    /// An error event.
    ErrorEvent,
    /// A score.
    Score,
    /// A log line.
    LogLine,
    /// A series of an OpenTelemetry metric.
    Series,
    /// An incident.
    Incident,
    /// Not reported separately.
    Other,
}

/// Number of deleted rows by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErasedRowCounts(BTreeMap<ErasedRowKind, u64>);

impl ErasedRowCounts {
    /// Returns the number of rows of a kind.
    pub fn of(&self, kind: ErasedRowKind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// Returns the number of all rows.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Adds rows of a kind.
    pub fn add(&mut self, kind: ErasedRowKind, rows: u64) {
        *self.0.entry(kind).or_default() += rows;
    }

    /// Adds the rows of other counts.
    pub fn add_all(&mut self, other: &ErasedRowCounts) {
        other.0.iter().for_each(|(kind, rows)| self.add(*kind, *rows));
    }
}

/// Data that is erased from every database: a project, or traces and users of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureSubject {
    /// ID of the project.
    pub project: u64,
    /// Traces and users to erase; `None` for everything of the project.
    pub names: Option<ErasedNames>,
}

/// Traces and users to erase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErasedNames {
    /// Traces.
    pub traces: HashSet<TraceId>,
    /// IDs of users.
    pub users: Vec<String>,
}

/// Times in microseconds since the Unix epoch before which rows of a project expire, and the traces whose rows stay longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpiryCutoffs {
    /// Cutoff of rows without a class of their own.
    pub before_us: i64,
    /// Cutoff of rows that make a trace notable, such as error events and scores.
    pub notable_trace_cutoff_us: i64,
    /// Cutoff of log lines, unless their trace is stored longer. Log lines expire with messages.
    pub log_line_cutoff_us: i64,
    /// Pinned traces, which do not expire.
    pub pinned: HashSet<TraceId>,
    /// Traces with errors or scores, which are stored at least until `notable_trace_cutoff_us`.
    pub notable: HashSet<TraceId>,
}

impl ExpiryCutoffs {
    /// Returns the traces that are pinned, or that have errors or scores.
    pub fn kept(&self) -> HashSet<TraceId> {
        self.pinned.union(&self.notable).copied().collect()
    }
}

/// A table whose rows are counted before changed cutoffs delete them.
#[derive(Debug, Clone, Copy)]
pub struct ExpiringRows {
    /// Name of the rows in messages to people, in the plural.
    pub label: &'static str,
    /// Name of the table with the rows, which has a column `project`.
    pub table: &'static str,
    /// SQL expression of the time of a row, in microseconds since the Unix epoch.
    pub time_us: &'static str,
    /// Cutoff that applies to the rows.
    pub cutoff: fn(&ExpiryCutoffs) -> i64,
}

/// Number of rows of a project, and number of its rows between two cutoffs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExpiringRowCount {
    /// Number of all rows.
    pub all: u64,
    /// Number of rows that the new cutoff deletes and the old cutoff does not delete.
    pub expiring: u64,
}

/// Returns the result of a module whose rows do not expire, or not in this way.
fn without_expiry() -> ExpiryFuture {
    Box::pin(std::future::ready(Ok(0)))
}

/// Runs an expiry that blocks on a thread for blocking work. `database` is the file that an error names.
pub fn blocking_expiry(database: &'static str, work: impl FnOnce() -> Result<u64, SqliteError> + Send + 'static) -> ExpiryFuture {
    let work = tokio::task::spawn_blocking(work);
    Box::pin(
        async move { work.await.unwrap_or_else(|error| Err(SqliteError::Failed { path: database.into(), reason: error.to_string() })) },
    )
}
