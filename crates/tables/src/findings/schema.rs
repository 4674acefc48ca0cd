//! Tables of the database, and its migrations.

/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

pub(super) const MIGRATIONS: &[&str] = &["
    -- Traces with findings or wasted cost, and traces that are too large to be searched.
    CREATE TABLE searched_traces (
        project     INTEGER NOT NULL,
        trace       BLOB NOT NULL,
        start_us    INTEGER NOT NULL,
        session     TEXT,
        wasted_cost INTEGER NOT NULL,
        is_searched INTEGER NOT NULL,
        PRIMARY KEY (project, trace)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX searched_traces_by_time ON searched_traces (project, start_us);
    -- Findings contain no text of messages.
    CREATE TABLE findings (
        row         INTEGER PRIMARY KEY,
        project     INTEGER NOT NULL,
        trace       BLOB NOT NULL,
        start_us    INTEGER NOT NULL,
        -- Reception of the last span that was known when the kind was first found in the trace.
        found_us    INTEGER NOT NULL,
        detector    TEXT NOT NULL,
        kind        TEXT NOT NULL,
        severity    TEXT NOT NULL,
        confidence  REAL NOT NULL,
        wasted_cost INTEGER NOT NULL,
        -- IDs of spans, 8 bytes each.
        spans       BLOB NOT NULL,
        explanation TEXT NOT NULL
    ) STRICT;
    CREATE INDEX findings_of_trace ON findings (project, trace);
    CREATE INDEX findings_by_kind ON findings (project, kind, start_us);
    CREATE INDEX findings_by_time ON findings (project, start_us);
    CREATE INDEX findings_by_discovery ON findings (project, found_us);
    -- Spans that were received before this time have been searched.
    CREATE TABLE progress (id INTEGER PRIMARY KEY CHECK (id = 1), searched_until_us INTEGER NOT NULL) STRICT;
    "];
