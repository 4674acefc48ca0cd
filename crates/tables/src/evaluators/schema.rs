//! Tables of the database, and its migrations.

/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE evaluators (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        project     INTEGER NOT NULL,
        name        TEXT NOT NULL,
        version     INTEGER NOT NULL,
        enabled     INTEGER NOT NULL,
        -- All fields as JSON.
        fields      TEXT NOT NULL,
        created_us  INTEGER NOT NULL,
        updated_us  INTEGER NOT NULL,
        UNIQUE (project, name)
    ) STRICT;
    -- How often an evaluator ran on a day: with a score, or for which reason without.
    CREATE TABLE evaluation_counts (
        evaluator INTEGER NOT NULL REFERENCES evaluators (id) ON DELETE CASCADE,
        day       INTEGER NOT NULL,
        outcome   TEXT NOT NULL,
        count     INTEGER NOT NULL,
        PRIMARY KEY (evaluator, day, outcome)
    ) WITHOUT ROWID, STRICT;
    -- Spans that were received before this time have been evaluated.
    CREATE TABLE progress (id INTEGER PRIMARY KEY CHECK (id = 1), evaluated_until_us INTEGER NOT NULL) STRICT;
    "];
