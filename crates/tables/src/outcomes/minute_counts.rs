//! The table of stored counts: one row per minute and class of outcome.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::hints;
use super::pending_counts::{MAX_COUNT_PER_MINUTE, OutcomeClass, OutcomeCount, OutcomeKey};
use crate::database;
use crate::database::SqliteError;

/// How long a write waits for another process; concurrent reads wait with it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// Each step migrates from one format to the next; `user_version` is the number of completed steps.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE outcomes (
        project   INTEGER NOT NULL,
        minute    INTEGER NOT NULL,
        outcome   TEXT NOT NULL,
        reason    TEXT NOT NULL,
        category  TEXT NOT NULL,
        key       TEXT NOT NULL,
        quantity  INTEGER NOT NULL,
        last_us   INTEGER NOT NULL,
        detail    TEXT,
        detail_us INTEGER,
        PRIMARY KEY (project, minute, outcome, reason, category, key)
    ) WITHOUT ROWID;
    CREATE INDEX outcomes_by_minute ON outcomes (minute);
", "
    CREATE TABLE outcomes_by_sdk (
        project   INTEGER NOT NULL,
        minute    INTEGER NOT NULL,
        outcome   TEXT NOT NULL,
        reason    TEXT NOT NULL,
        category  TEXT NOT NULL,
        key       TEXT NOT NULL,
        sdk       TEXT NOT NULL,
        quantity  INTEGER NOT NULL,
        last_us   INTEGER NOT NULL,
        detail    TEXT,
        detail_us INTEGER,
        PRIMARY KEY (project, minute, outcome, reason, category, key, sdk)
    ) WITHOUT ROWID;
    INSERT INTO outcomes_by_sdk SELECT project, minute, outcome, reason, category, key, '', quantity, last_us, detail, detail_us FROM outcomes;
    DROP TABLE outcomes;
    ALTER TABLE outcomes_by_sdk RENAME TO outcomes;
    CREATE INDEX outcomes_by_minute ON outcomes (minute);
", hints::HINTS_TABLE];

pub(super) fn open_database(path: &Path) -> Result<Connection, SqliteError> {
    let connection = database::open(path, MIGRATIONS)?;
    connection.busy_timeout(LOCK_TIMEOUT).map_err(SqliteError::sqlite_error(path))?;
    // A power failure may lose the counts of the last seconds. Syncing every second would wear out the disk.
    connection.pragma_update(None, "synchronous", "normal").map_err(SqliteError::sqlite_error(path))?;
    Ok(connection)
}

/// Adds counts to the stored ones, all or none.
pub(super) fn write_counts(connection: &mut Connection, counts: &HashMap<OutcomeKey, OutcomeCount>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut add = transaction.prepare_cached(
        "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
            quantity = min(quantity + excluded.quantity, ?12),
            last_us = max(last_us, excluded.last_us),
            detail = coalesce(excluded.detail, detail),
            detail_us = coalesce(excluded.detail_us, detail_us)",
    )?;
    for (OutcomeKey { project, minute, class }, count) in counts {
        let (detail_us, detail) = count.detail.as_ref().map(|(at, text)| (*at, text)).unzip();
        add.execute(params![
            *project as i64,
            minute,
            class.outcome,
            class.reason,
            class.category,
            class.key,
            class.sdk,
            count.quantity.min(MAX_COUNT_PER_MINUTE) as i64,
            count.last_us,
            detail,
            detail_us,
            MAX_COUNT_PER_MINUTE as i64,
        ])?;
    }
    drop(add);
    transaction.commit()
}

/// Calls `each` with the stored counts of a project's minutes.
pub(super) fn read(
    connection: &Connection,
    project: u64,
    minutes: &RangeInclusive<i64>,
    mut each: impl FnMut(OutcomeClass, OutcomeCount),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT outcome, reason, category, key, sdk, quantity, last_us, detail, detail_us FROM outcomes
         WHERE project = ? AND minute BETWEEN ? AND ?",
    )?;
    let mut rows = statement.query(params![project as i64, minutes.start(), minutes.end()])?;
    while let Some(row) = rows.next()? {
        let what = OutcomeClass { outcome: row.get(0)?, reason: row.get(1)?, category: row.get(2)?, key: row.get(3)?, sdk: row.get(4)? };
        let detail = row.get::<_, Option<i64>>(8)?.zip(row.get::<_, Option<String>>(7)?);
        let quantity = u64::try_from(row.get::<_, i64>(5)?).unwrap_or(0);
        each(what, OutcomeCount { quantity, last_us: row.get(6)?, detail });
    }
    Ok(())
}

/// Deletes the counts of all projects before a minute. Returns the number of deleted rows.
pub(super) fn delete_before(connection: &Connection, minute: i64) -> rusqlite::Result<u64> {
    connection.execute("DELETE FROM outcomes WHERE minute < ?", [minute]).map(|deleted| deleted as u64)
}
