//! The database schema.

use std::path::Path;

use hinomi_model::sentry::GROUPING_VERSION;
use rusqlite::{Connection, OptionalExtension};

use super::issue_changes;
use crate::database;
use crate::database::SqliteError;

/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// Each step migrates from one format to the next; `user_version` is the number of completed steps.
///
/// `events` is counted and listed and has narrow rows; `contents` is shown on the page of one issue. Trace IDs have 16 bytes; span IDs
/// and project numbers are stored as signed integers with the same 64 bits. Counts are answered from the indexes alone.
const MIGRATIONS: &[&str] = &[
    "
    -- Errors of one group in one project. AUTOINCREMENT: the number of an issue that is gone is not given again.
    CREATE TABLE issues (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        project     INTEGER NOT NULL,
        fingerprint BLOB NOT NULL,
        UNIQUE (project, fingerprint)
    );
    -- AUTOINCREMENT: a later event has a higher number, so that a number says what was there at a moment.
    CREATE TABLE events (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        project     INTEGER NOT NULL,
        event_id    TEXT NOT NULL,
        issue       INTEGER NOT NULL REFERENCES issues (id),
        time_us     INTEGER NOT NULL,
        received_us INTEGER NOT NULL,
        trace       BLOB,
        span        INTEGER,
        user_id     TEXT,
        type        TEXT NOT NULL,
        value       TEXT NOT NULL,
        level       TEXT NOT NULL,
        handled     INTEGER,
        culprit     TEXT,
        UNIQUE (project, event_id)
    );
    CREATE INDEX events_of_issue ON events (issue, time_us, trace, user_id);
    CREATE INDEX events_of_trace ON events (project, trace, time_us);
    CREATE INDEX events_in_time ON events (project, time_us, trace);
    -- The whole event: JSON, compressed with zstd.
    CREATE TABLE contents (
        event INTEGER PRIMARY KEY REFERENCES events (id) ON DELETE CASCADE,
        json  BLOB NOT NULL
    );
",
    "
    -- Every report of an error in a trace, with the event that it is counted as: see `same`.
    CREATE TABLE reports (
        id       INTEGER PRIMARY KEY,
        project  INTEGER NOT NULL,
        event_id TEXT NOT NULL,
        event    INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        trace    BLOB NOT NULL,
        span     INTEGER,
        parent   INTEGER,
        says     BLOB NOT NULL,
        reporter TEXT NOT NULL,
        time_us  INTEGER NOT NULL,
        UNIQUE (project, event_id)
    );
    CREATE INDEX reports_of_trace ON reports (project, trace, says);
    CREATE INDEX reports_of_event ON reports (event);
",
    "
    -- Version of the grouping algorithm that made the fingerprint.
    ALTER TABLE issues ADD COLUMN grouping INTEGER NOT NULL DEFAULT 1;
    -- Further fingerprints of an issue: those that a later version of the algorithm gives to its events.
    CREATE TABLE issue_fingerprints (
        project     INTEGER NOT NULL,
        fingerprint BLOB NOT NULL,
        issue       INTEGER NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
        grouping    INTEGER NOT NULL,
        PRIMARY KEY (project, fingerprint)
    ) WITHOUT ROWID;
    CREATE INDEX fingerprints_of_issue ON issue_fingerprints (issue);
    ALTER TABLE events ADD COLUMN title TEXT;
    -- What an event is found by, beside the columns of `events`: JSON, compressed with zstd. See `attributes`.
    CREATE TABLE attributes (
        event INTEGER PRIMARY KEY REFERENCES events (id) ON DELETE CASCADE,
        json  BLOB NOT NULL
    );
",
    "
    -- Issue of which this one has become a part. It is never itself a part of another.
    ALTER TABLE issues ADD COLUMN merged_into INTEGER REFERENCES issues (id) ON DELETE CASCADE;
    CREATE INDEX merged_issues ON issues (merged_into) WHERE merged_into IS NOT NULL;
    -- Fingerprint of the event if it is not that of its issue: events of a merged issue, and of a later grouping algorithm.
    ALTER TABLE events ADD COLUMN fingerprint BLOB;
    -- Events that have yet to be moved to another issue, in steps: those of `source`, of one fingerprint or all, from a time on.
    CREATE TABLE event_moves (
        id          INTEGER PRIMARY KEY,
        source      INTEGER NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
        target      INTEGER NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
        fingerprint BLOB,
        from_us     INTEGER NOT NULL
    );
",
];

/// Opens the database for the writing thread, and completes changes of issues that a stop interrupted. The database opens even if rows are
/// damaged: operations that need such a row fail later and report it.
pub(super) fn open(path: &Path) -> Result<Connection, SqliteError> {
    let mut connection = database::open(path, MIGRATIONS)?;
    let complete = |connection: &mut Connection| -> rusqlite::Result<()> {
        loop {
            let transaction = connection.transaction()?;
            issue_changes::move_events(&transaction)?;
            let is_moving = issue_changes::is_moving(&transaction)?;
            transaction.commit()?;
            if !is_moving {
                return Ok(());
            }
        }
    };
    if let Err(error) = complete(&mut connection) {
        tracing::error!(%error, "errors.issue_change.failed");
    }
    Ok(connection)
}

/// Returns whether an earlier version of the grouping algorithm created some of the issues. If rows are damaged, returns true. Only the
/// oldest issue is checked, because versions only increase.
pub(super) fn has_earlier_grouping(connection: &Connection) -> bool {
    let oldest = connection.query_row("SELECT grouping FROM issues ORDER BY id LIMIT 1", [], |row| row.get::<_, u32>(0)).optional();
    oldest.map_or(true, |version| version.is_some_and(|version| version < GROUPING_VERSION))
}

/// SQL condition on an issue that has no events, is not part of another one, and gets no events from another one.
macro_rules! unused_issue {
    () => {
        "merged_into IS NULL AND NOT EXISTS (SELECT 1 FROM events WHERE issue = issues.id)
         AND NOT EXISTS (SELECT 1 FROM event_moves WHERE target = issues.id)"
    };
}

pub(super) use unused_issue;
