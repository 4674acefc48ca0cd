//! The tables.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::error::ErrorsError;
use crate::sqlite::{self, SqliteError};

const STEPS: &[&str] = &["
    -- Errors of one group in one project. AUTOINCREMENT: the number of an issue that is gone is not given again.
    CREATE TABLE issues (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        project_id INTEGER NOT NULL,
        grouping   BLOB NOT NULL,
        UNIQUE (project_id, grouping)
    );
    CREATE TABLE events (
        project_id INTEGER NOT NULL,
        event_id   TEXT NOT NULL,
        issue_id   INTEGER NOT NULL REFERENCES issues (id),
        time_us    INTEGER NOT NULL,
        received_us INTEGER NOT NULL,
        trace_id   TEXT,
        span_id    TEXT,
        user_id    TEXT,
        -- The event as JSON, whole.
        event      TEXT NOT NULL,
        PRIMARY KEY (project_id, event_id)
    );
    CREATE INDEX events_of_issue ON events (issue_id, time_us, trace_id, user_id);
    CREATE INDEX events_of_trace ON events (project_id, trace_id) WHERE trace_id IS NOT NULL;
    CREATE INDEX events_in_time ON events (project_id, time_us, trace_id);
"];

pub(super) fn open(path: &Path) -> Result<Connection, ErrorsError> {
    Ok(sqlite::open(path, STEPS)?)
}

pub(super) fn reader(path: &Path) -> Result<Connection, ErrorsError> {
    let failed = SqliteError::of(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(&failed)?;
    Ok(connection)
}
