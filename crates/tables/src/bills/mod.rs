//! Bills of providers, in their own database: `bill.db`.
//!
//! An export replaces the data of an earlier export of the same kind for the same day. Importing a file twice, or later a longer file, is
//! therefore safe.

mod retention;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hinomi_model::api_time::rfc3339;
use hinomi_model::bill::{BillExport, BillLine};
use hinomi_model::money::Usd;
use jiff::civil::Date;
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use crate::database;
use crate::database::SqliteError;

/// File name of the database.
const DATABASE: &str = "bill.db";
/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE lines (
        project       INTEGER NOT NULL,
        sort          TEXT NOT NULL,
        provider      TEXT NOT NULL,
        account       TEXT NOT NULL,
        day           TEXT NOT NULL,
        model         TEXT NOT NULL,
        tier          TEXT NOT NULL,
        amount        INTEGER,
        input_tokens  INTEGER,
        output_tokens INTEGER,
        requests      INTEGER,
        PRIMARY KEY (project, sort, provider, account, day, model, tier)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX lines_by_day ON lines (project, day);
    CREATE TABLE imports (
        project   INTEGER NOT NULL,
        at_us     INTEGER NOT NULL,
        name      TEXT NOT NULL,
        format    TEXT NOT NULL,
        first_day TEXT,
        last_day  TEXT,
        rows      INTEGER NOT NULL,
        unread    INTEGER NOT NULL,
        PRIMARY KEY (project, at_us, name)
    ) WITHOUT ROWID, STRICT;
"];

/// Number of imports that are listed per project.
const MAX_LISTED_IMPORTS: usize = 50;

/// An imported bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BillImport {
    /// Time of the import (RFC 3339).
    pub at: String,
    /// Name of the file.
    pub name: String,
    /// Detected format of the file.
    pub format: String,
    /// First day, `YYYY-MM-DD` (UTC); null if no row could be read.
    #[schema(required)]
    pub from: Option<String>,
    /// Last day, `YYYY-MM-DD` (UTC); null if no row could be read.
    #[schema(required)]
    pub to: Option<String>,
    /// Number of rows in the file.
    pub rows: u64,
    /// Number of rows that could not be read.
    pub unread: u64,
}

/// The bills of all projects.
#[derive(Debug)]
pub struct BillStore {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl BillStore {
    /// Opens the bills in a data directory. A command may open them while a server runs.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<BillStore, SqliteError> {
        let path = dir.join(DATABASE);
        Ok(BillStore { connection: Mutex::new(database::open(&path, &MIGRATIONS)?), path })
    }

    /// Imports an export. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. In this case, no line of the export is stored.
    pub fn import(&self, project: u64, name: &str, export: &BillExport) -> Result<(), SqliteError> {
        let key = i64::try_from(project).unwrap_or(i64::MAX);
        let write = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            let days: BTreeSet<(&str, &str, &str, Date)> =
                export.lines.iter().map(|line| (export_kind(line), line.provider.as_str(), line.account.as_str(), line.day)).collect();
            {
                let mut forget = transaction
                    .prepare_cached("DELETE FROM lines WHERE project = ? AND sort = ? AND provider = ? AND account = ? AND day = ?")?;
                for (sort, provider, account, day) in days {
                    forget.execute(params![key, sort, provider, account, day.to_string()])?;
                }
                let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
                let count = |count: Option<u64>| count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
                for line in &export.lines {
                    insert.execute(params![
                        key,
                        export_kind(line),
                        line.provider,
                        line.account,
                        line.day.to_string(),
                        line.model,
                        line.tier,
                        line.amount.map(|amount| amount.0),
                        count(line.input_tokens),
                        count(line.output_tokens),
                        count(line.requests),
                    ])?;
                }
                let (first, last) = (export.lines.iter().map(|line| line.day).min(), export.lines.iter().map(|line| line.day).max());
                transaction.execute(
                    "INSERT OR REPLACE INTO imports VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    params![
                        key,
                        jiff::Timestamp::now().as_microsecond(),
                        name.chars().filter(|c| !c.is_control()).take(200).collect::<String>(),
                        export.format,
                        first.map(|day| day.to_string()),
                        last.map(|day| day.to_string()),
                        export.rows as i64,
                        export.unread.len() as i64,
                    ],
                )?;
            }
            transaction.commit()
        };
        write(&mut lock(&self.connection)).map_err(SqliteError::sqlite_error(&self.path))
    }

    /// Returns the lines of a project's bills for the days `from..=to`: first the lines from exports of costs, which have amounts, then the
    /// lines from exports of usage.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn lines(&self, project: u64, from: Date, to: Date) -> Result<Vec<BillLine>, SqliteError> {
        let connection = lock(&self.connection);
        let read = || -> rusqlite::Result<Vec<BillLine>> {
            let mut select = connection.prepare_cached(
                "SELECT provider, account, day, model, tier, amount, input_tokens, output_tokens, requests FROM lines
                 WHERE project = ? AND day BETWEEN ? AND ? ORDER BY day, provider, account, model, tier",
            )?;
            let line = |row: &rusqlite::Row| {
                let count = |at: usize| row.get::<_, Option<i64>>(at).map(|count| count.and_then(|count| u64::try_from(count).ok()));
                let day: String = row.get(2)?;
                Ok(BillLine {
                    provider: row.get(0)?,
                    account: row.get(1)?,
                    day: day.parse().unwrap_or_default(),
                    model: row.get(3)?,
                    tier: row.get(4)?,
                    amount: row.get::<_, Option<i64>>(5)?.map(Usd),
                    input_tokens: count(6)?,
                    output_tokens: count(7)?,
                    requests: count(8)?,
                })
            };
            select.query_map(params![i64::try_from(project).unwrap_or(i64::MAX), from.to_string(), to.to_string()], line)?.collect()
        };
        read().map_err(SqliteError::sqlite_error(&self.path))
    }

    /// Returns the imports, latest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn imports(&self, project: u64) -> Result<Vec<BillImport>, SqliteError> {
        let connection = lock(&self.connection);
        let read = || -> rusqlite::Result<Vec<BillImport>> {
            let mut select = connection.prepare_cached(
                "SELECT at_us, name, format, first_day, last_day, rows, unread FROM imports WHERE project = ? ORDER BY at_us DESC LIMIT ?",
            )?;
            let import = |row: &rusqlite::Row| {
                Ok(BillImport {
                    at: rfc3339(row.get(0)?),
                    name: row.get(1)?,
                    format: row.get(2)?,
                    from: row.get(3)?,
                    to: row.get(4)?,
                    rows: row.get(5)?,
                    unread: row.get(6)?,
                })
            };
            select.query_map(params![i64::try_from(project).unwrap_or(i64::MAX), MAX_LISTED_IMPORTS as i64], import)?.collect()
        };
        read().map_err(SqliteError::sqlite_error(&self.path))
    }
}

/// Exports of costs and of usage cover the same days and must not replace each other.
fn export_kind(line: &BillLine) -> &'static str {
    if line.amount.is_some() { "cost" } else { "usage" }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
