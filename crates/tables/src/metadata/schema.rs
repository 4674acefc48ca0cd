//! Opening the database, and its schema.

use std::path::Path;

use rusqlite::Connection;

use super::error::MetadataError;
use crate::database;

/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// Each step migrates from one format to the next; `user_version` is the number of completed steps.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE projects (
        id                 INTEGER PRIMARY KEY AUTOINCREMENT,
        name               TEXT NOT NULL,
        demo               INTEGER NOT NULL DEFAULT 0,
        retention_days     INTEGER,
        currency_code      TEXT,
        currency_rate      REAL,
        prefer_client_cost INTEGER NOT NULL DEFAULT 0,
        disabled           INTEGER NOT NULL DEFAULT 0,
        created_us         INTEGER NOT NULL,
        first_span_us      INTEGER
    );
    CREATE TABLE keys (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        project_id   INTEGER NOT NULL REFERENCES projects (id),
        public_key   TEXT NOT NULL UNIQUE,
        name         TEXT NOT NULL,
        created_us   INTEGER NOT NULL,
        last_used_us INTEGER
    );
    -- Secrets are kept as hashes only.
    CREATE TABLE tokens (
        hash       BLOB PRIMARY KEY,
        name       TEXT NOT NULL,
        project_id INTEGER REFERENCES projects (id),
        admin      INTEGER NOT NULL DEFAULT 0,
        created_us INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE sign_ins (hash BLOB PRIMARY KEY, expires_us INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE sessions (hash BLOB PRIMARY KEY, expires_us INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
",
    "
    -- Prices that owners set: JSON of a `price::OwnPrice`.
    CREATE TABLE prices (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        project_id INTEGER NOT NULL REFERENCES projects (id),
        price      TEXT NOT NULL,
        created_us INTEGER NOT NULL
    );
",
    "
    ALTER TABLE projects ADD COLUMN estimate_usage INTEGER NOT NULL DEFAULT 1;
",
    "
    -- JSON of a `Keep`.
    ALTER TABLE projects ADD COLUMN keep TEXT NOT NULL DEFAULT '{}';
    -- Traces that stay whatever their age.
    CREATE TABLE pins (
        project_id INTEGER NOT NULL,
        trace      TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        PRIMARY KEY (project_id, trace)
    ) WITHOUT ROWID;
    -- What was deleted before its time: JSON of a `keeping::Receipt`.
    CREATE TABLE deletions (id INTEGER PRIMARY KEY AUTOINCREMENT, receipt TEXT NOT NULL);
",
    "
    -- Deletions that have begun and have no receipt yet: JSON of a `keeping::Begun`.
    CREATE TABLE begun_deletions (id INTEGER PRIMARY KEY AUTOINCREMENT, begun TEXT NOT NULL);
",
    "
    -- Tokens and sessions have numbers by which they are listed and revoked.
    CREATE TABLE numbered_tokens (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        hash         BLOB NOT NULL UNIQUE,
        name         TEXT NOT NULL,
        project_id   INTEGER REFERENCES projects (id),
        admin        INTEGER NOT NULL DEFAULT 0,
        created_us   INTEGER NOT NULL,
        expires_us   INTEGER,
        last_used_us INTEGER
    );
    INSERT INTO numbered_tokens (hash, name, project_id, admin, created_us)
        SELECT hash, name, project_id, admin, created_us FROM tokens ORDER BY created_us, hash;
    DROP TABLE tokens;
    ALTER TABLE numbered_tokens RENAME TO tokens;
    CREATE TABLE numbered_sessions (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        hash         BLOB NOT NULL UNIQUE,
        client       TEXT NOT NULL,
        created_us   INTEGER NOT NULL,
        last_used_us INTEGER NOT NULL,
        -- How long it lasts without being used, and when it ends in any case.
        idle_us      INTEGER NOT NULL,
        ends_us      INTEGER NOT NULL
    );
    -- They ended 30 days after their last use, and now end 90 days after their beginning too, of which that use is the best that is known.
    INSERT INTO numbered_sessions (hash, client, created_us, last_used_us, idle_us, ends_us)
        SELECT hash, '', expires_us - 2592000000000, expires_us - 2592000000000, 2592000000000, expires_us + 5184000000000 FROM sessions;
    DROP TABLE sessions;
    ALTER TABLE numbered_sessions RENAME TO sessions;
",
    "
    -- Long work beside requests. Task and progress are JSON of the kind.
    CREATE TABLE jobs (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        project_id INTEGER NOT NULL,
        kind       TEXT NOT NULL,
        state      TEXT NOT NULL,
        task       TEXT NOT NULL,
        progress   TEXT,
        done       INTEGER NOT NULL DEFAULT 0,
        total      INTEGER NOT NULL DEFAULT 0,
        reason     TEXT,
        created_us INTEGER NOT NULL,
        started_us INTEGER,
        ended_us   INTEGER
    );
    CREATE INDEX jobs_by_project ON jobs (project_id, kind, id);
    CREATE INDEX jobs_unfinished ON jobs (id) WHERE state IN ('queued', 'running', 'paused');
",
    "
    -- Failed attempts since the last progress, and the time of the next attempt.
    ALTER TABLE jobs ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN retry_us INTEGER;
",
    "
    -- Rules for the attributes of the project's own instrumentation: the text of the rule file.
    ALTER TABLE projects ADD COLUMN mapping TEXT NOT NULL DEFAULT '';
",
    "
    -- Accounts of people and programs. Account 1 belongs to whoever can read the data directory.
    CREATE TABLE accounts (
        id              INTEGER PRIMARY KEY AUTOINCREMENT,
        kind            TEXT NOT NULL,
        email           TEXT UNIQUE,
        name            TEXT NOT NULL,
        state           TEXT NOT NULL,
        server_role     TEXT,
        -- PHC string: algorithm, parameters, salt and hash.
        password        TEXT,
        created_us      INTEGER NOT NULL,
        last_sign_in_us INTEGER
    );
    INSERT INTO accounts (id, kind, name, state, server_role, created_us)
        VALUES (1, 'person', 'Owner', 'active', 'owner', CAST(unixepoch('subsec') * 1000000 AS INTEGER));
    CREATE TABLE members (
        project_id INTEGER NOT NULL,
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        role       TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        PRIMARY KEY (project_id, account_id)
    ) WITHOUT ROWID;
    CREATE INDEX members_by_account ON members (account_id);
    CREATE TABLE one_time_links (
        hash       BLOB PRIMARY KEY,
        purpose    TEXT NOT NULL,
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        created_us INTEGER NOT NULL,
        expires_us INTEGER NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO one_time_links SELECT hash, 'sign_in', 1, expires_us - 3600000000, expires_us FROM sign_ins;
    DROP TABLE sign_ins;
    -- What existed before accounts belongs to account 1.
    ALTER TABLE sessions ADD COLUMN account_id INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
    CREATE INDEX sessions_by_account ON sessions (account_id);
    ALTER TABLE tokens ADD COLUMN account_id INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE tokens ADD COLUMN role TEXT NOT NULL DEFAULT 'viewer';
    UPDATE tokens SET role = 'admin' WHERE admin = 1;
    ALTER TABLE tokens DROP COLUMN admin;
    CREATE INDEX tokens_by_account ON tokens (account_id);
",
    "
    -- Identities of an identity provider or an authenticating proxy.
    CREATE TABLE provider_identities (
        issuer          TEXT NOT NULL,
        subject         TEXT NOT NULL,
        account_id      INTEGER NOT NULL REFERENCES accounts (id),
        -- The address at the last sign-in, for information: issuer and subject decide.
        email           TEXT NOT NULL,
        created_us      INTEGER NOT NULL,
        last_sign_in_us INTEGER NOT NULL,
        PRIMARY KEY (issuer, subject)
    ) WITHOUT ROWID;
    CREATE INDEX provider_identities_by_account ON provider_identities (account_id);
    -- The identity with which a session began, its session at the provider, and until when the session is valid without another sign-in.
    ALTER TABLE sessions ADD COLUMN issuer TEXT;
    ALTER TABLE sessions ADD COLUMN subject TEXT;
    ALTER TABLE sessions ADD COLUMN provider_session TEXT;
    ALTER TABLE sessions ADD COLUMN renew_us INTEGER;
    CREATE INDEX sessions_by_identity ON sessions (issuer, subject) WHERE issuer IS NOT NULL;
",
    "
    -- JSON of an `IngestKeyLimits`; until when a replaced key is accepted; the bytes of the last day (number since 1970) of its use.
    ALTER TABLE keys ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE keys ADD COLUMN expires_us INTEGER;
    ALTER TABLE keys ADD COLUMN last_day INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE keys ADD COLUMN last_day_bytes INTEGER NOT NULL DEFAULT 0;
",
    "
    -- Tokens of identity providers, which manage users and groups, are of a kind of their own.
    ALTER TABLE tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'api';
    -- What a provider says about an account. One that it removed is hidden from it. `attributes` is JSON of an object.
    CREATE TABLE scim_users (
        account_id  INTEGER PRIMARY KEY REFERENCES accounts (id),
        user_name   TEXT,
        external_id TEXT,
        attributes  TEXT NOT NULL DEFAULT '{}',
        modified_us INTEGER NOT NULL,
        removed     INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE scim_groups (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        name        TEXT NOT NULL,
        external_id TEXT,
        created_us  INTEGER NOT NULL,
        modified_us INTEGER NOT NULL
    );
    CREATE TABLE scim_group_members (
        group_id   INTEGER NOT NULL REFERENCES scim_groups (id),
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        PRIMARY KEY (group_id, account_id)
    ) WITHOUT ROWID;
    CREATE INDEX scim_groups_by_account ON scim_group_members (account_id);
",
    "
    -- Whom messages are hidden from: the name of a `MessageHiding`.
    ALTER TABLE projects ADD COLUMN hide_messages TEXT NOT NULL DEFAULT 'nobody';
",
];

/// Name of the setting with the time at which the database was recreated next to others.
pub(super) const RECREATED_SETTING: &str = "made_anew_us";

pub(super) fn open(dir: &Path) -> Result<Connection, MetadataError> {
    create_data_directory(dir).map_err(|source| MetadataError::Folder { path: dir.to_owned(), source })?;
    let path = dir.join("hinomi.db");
    let is_new = std::fs::metadata(&path).map_or(0, |found| found.len()) == 0;
    let connection = create_tables(&path)?;
    // IDs of projects are never reused: a new project would see the data stored under its ID.
    let used = if is_new { largest_used_project_id(dir) } else { 0 };
    if used > 0 {
        tracing::error!(
            used,
            path = %path.display(),
            "metadata.database.recreated: projects, keys, tokens and settings that were in it are lost, restore it from a backup; what is stored is kept"
        );
        reserve_project_ids(&connection, used)?;
        connection.execute("INSERT INTO settings VALUES (?1, ?2)", [RECREATED_SETTING.to_owned(), super::now_us().to_string()])?;
    }
    Ok(connection)
}

/// Opens a database in memory.
pub(super) fn in_memory() -> Result<Connection, MetadataError> {
    create_tables(Path::new(":memory:"))
}

fn create_tables(path: &Path) -> Result<Connection, MetadataError> {
    let connection = database::open(path, MIGRATIONS)?;
    connection
        .execute("INSERT INTO projects (id, name, created_us) VALUES (1, 'Default', ?1) ON CONFLICT DO NOTHING", [super::now_us()])?;
    Ok(connection)
}

/// Ensures that new projects get IDs above this ID.
pub(super) fn reserve_project_ids(connection: &Connection, project: u64) -> rusqlite::Result<()> {
    let project = i64::try_from(project).unwrap_or(i64::MAX - 1);
    connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'projects'", [project]).map(drop)
}

/// Queries for the largest project ID in other databases.
const LARGEST_PROJECT_ID_QUERIES: [(&str, &str); 19] = [
    ("manifest.db", "SELECT max(value) FROM segments, json_each(segments.projects)"),
    ("errors.db", "SELECT max(project) FROM events"),
    ("scores.db", "SELECT max(project) FROM scores"),
    ("scores.db", "SELECT max(project) FROM definitions"),
    ("evaluators.db", "SELECT max(project) FROM evaluators"),
    ("findings.db", "SELECT max(project) FROM searched_traces"),
    ("logs.db", "SELECT max(project) FROM lines"),
    ("metrics.db", "SELECT max(project) FROM metrics"),
    ("alerts.db", "SELECT max(project) FROM rules"),
    ("alerts.db", "SELECT max(project) FROM incidents"),
    ("notify.db", "SELECT max(project) FROM targets"),
    ("notify.db", "SELECT max(project) FROM notices"),
    ("bill.db", "SELECT max(project) FROM lines"),
    ("outcomes.db", "SELECT max(project) FROM outcomes"),
    ("forwards.db", "SELECT max(project) FROM forwards"),
    ("forwards.db", "SELECT max(project) FROM requests"),
    ("media.db", "SELECT max(project) FROM objects"),
    ("media.db", "SELECT max(project) FROM object_uses"),
    ("shares.db", "SELECT max(project) FROM links"),
];

/// Returns the largest ID of a project with stored data, ignoring the WAL; 0 if there is none.
fn largest_used_project_id(dir: &Path) -> u64 {
    let largest = |(name, sql): &(&str, &str)| -> Option<i64> {
        let path = dir.join(name);
        if !path.exists() {
            return None;
        }
        let read = database::open_reader(&path).ok()?.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        read.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "metadata.counts.read_failed")).ok().flatten()
    };
    LARGEST_PROJECT_ID_QUERIES.iter().filter_map(largest).max().unwrap_or(0).unsigned_abs()
}

/// Creates the directory with access for its owner only, because it contains prompts and keys.
fn create_data_directory(dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
