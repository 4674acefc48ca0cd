//! The database schema.

use std::path::Path;

use rusqlite::Connection;

use crate::database;
use crate::database::SqliteError;

/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// Each step migrates from one format to the next; `user_version` is the number of steps done.
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
];

/// Opens the database for the writing thread.
pub(super) fn open(path: &Path) -> Result<Connection, SqliteError> {
    database::open(path, MIGRATIONS)
}
