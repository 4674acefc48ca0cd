//! Tables of the database, and its migrations.

/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE scores (
        project INTEGER NOT NULL,
        id TEXT NOT NULL,
        trace TEXT NOT NULL,
        span TEXT,
        name TEXT NOT NULL,
        value REAL,
        label TEXT,
        comment TEXT,
        at_us INTEGER NOT NULL,
        PRIMARY KEY (project, id)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX scores_of_trace ON scores (project, trace);
    CREATE INDEX scores_by_time ON scores (project, at_us);
    ",
    // Scores have versions, further targets, a source and an author.
    "
    ALTER TABLE scores RENAME TO scores_of_format_1;
    DROP INDEX scores_of_trace;
    DROP INDEX scores_by_time;
    CREATE TABLE scores (
        row               INTEGER PRIMARY KEY,
        project           INTEGER NOT NULL,
        id                TEXT NOT NULL,
        -- What all versions of a score share.
        identity          TEXT NOT NULL,
        superseded        INTEGER NOT NULL DEFAULT 0,
        trace             TEXT,
        span              TEXT,
        session           TEXT,
        dataset_item      TEXT,
        experiment        TEXT,
        response          TEXT,
        name              TEXT NOT NULL,
        data_type         TEXT NOT NULL,
        value             REAL,
        label             TEXT,
        explanation       TEXT,
        comment           TEXT,
        metadata          TEXT,
        source            TEXT NOT NULL,
        author            TEXT,
        evaluator         TEXT,
        evaluator_version TEXT,
        definition        TEXT,
        queue             TEXT,
        judge_trace       TEXT,
        environment       TEXT,
        probability       REAL NOT NULL DEFAULT 1,
        at_us             INTEGER NOT NULL
    ) STRICT;
    INSERT INTO scores (project, id, identity, trace, span, name, data_type, value, label, comment, source, at_us)
        SELECT project, id, 'id:' || id, trace, span, name, CASE WHEN value IS NULL THEN 'categorical' ELSE 'numeric' END,
               value, label, comment, 'sdk', at_us
        FROM scores_of_format_1;
    DROP TABLE scores_of_format_1;
    CREATE INDEX scores_by_identity ON scores (project, identity, superseded);
    CREATE INDEX scores_by_id ON scores (project, id);
    CREATE INDEX scores_of_trace ON scores (project, trace, at_us) WHERE trace IS NOT NULL;
    CREATE INDEX scores_of_session ON scores (project, session, at_us) WHERE session IS NOT NULL;
    CREATE INDEX scores_by_time ON scores (project, at_us);
    CREATE INDEX scores_by_name ON scores (project, name, at_us) WHERE superseded = 0;
    CREATE INDEX scores_by_response ON scores (project, response) WHERE response IS NOT NULL AND trace IS NULL;
    CREATE TABLE definitions (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        project     INTEGER NOT NULL,
        name        TEXT NOT NULL,
        data_type   TEXT NOT NULL,
        -- The other fields as JSON.
        fields      TEXT NOT NULL,
        UNIQUE (project, name)
    ) STRICT;
    ",
];
