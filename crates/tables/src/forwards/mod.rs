//! Forwarding of received requests to other services: the targets of each project, and a durable queue for each target, in `forwards.db`.
//!
//! A request is stored in the queue before the client gets its response, and is sent afterwards. The body is deleted as soon as the last
//! target has received it. The hash of the body stays for one hour, so a request that the client repeats is not sent twice.

mod queue;
mod retention;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hinomi_model::api_time::rfc3339;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, Transaction, named_params};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use utoipa::ToSchema;

use crate::database::{GroupCommitDatabase, SqliteError};
use crate::secret_cipher::SecretCipher;
use crate::secret_columns::{SecretColumn, encrypt_column};
pub use queue::{DueForward, ForwardResult, ForwardedProtocol, ForwardedRequest};

/// File name of the database.
const DATABASE: &str = "forwards.db";
/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;
/// Column with the keys of the targets.
pub const SECRET_COLUMN: SecretColumn = SecretColumn { database: DATABASE, table: "forwards", column: "key" };
/// Header of a forwarded request: the servers and projects that it has passed ([`ForwardStore::hop`]), separated by commas.
pub const HOPS_HEADER: &str = "x-hinomi-forwarded";
/// Maximum number of targets of a project.
pub const MAX_FORWARDS: usize = 10;

const MIGRATIONS: &[&str] = &["
    CREATE TABLE identity (id TEXT NOT NULL) STRICT;
    INSERT INTO identity VALUES (lower(hex(randomblob(16))));
    CREATE TABLE forwards (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        project       INTEGER NOT NULL,
        type          TEXT NOT NULL,
        url           TEXT NOT NULL,
        key           TEXT NOT NULL,
        enabled       INTEGER NOT NULL,
        created_us    INTEGER NOT NULL,
        delivered     INTEGER NOT NULL DEFAULT 0,
        failed        INTEGER NOT NULL DEFAULT 0,
        last_error    TEXT,
        last_error_us INTEGER
    ) STRICT;
    CREATE TABLE requests (
        id           INTEGER PRIMARY KEY,
        project      INTEGER NOT NULL,
        received_us  INTEGER NOT NULL,
        hash         BLOB NOT NULL,
        protocol     TEXT NOT NULL,
        content_type TEXT NOT NULL,
        hops         TEXT NOT NULL,
        size         INTEGER NOT NULL,
        -- Null once no target waits for it.
        body         BLOB,
        UNIQUE (project, hash)
    ) STRICT;
    CREATE INDEX requests_in_time ON requests (received_us);
    -- Bytes of all bodies that wait.
    CREATE TABLE queue_size (bytes INTEGER NOT NULL) STRICT;
    INSERT INTO queue_size VALUES (0);
    CREATE TRIGGER body_added AFTER INSERT ON requests WHEN new.body IS NOT NULL
        BEGIN UPDATE queue_size SET bytes = bytes + new.size; END;
    CREATE TRIGGER body_dropped AFTER UPDATE OF body ON requests WHEN old.body IS NOT NULL AND new.body IS NULL
        BEGIN UPDATE queue_size SET bytes = bytes - old.size; END;
    CREATE TRIGGER body_deleted AFTER DELETE ON requests WHEN old.body IS NOT NULL
        BEGIN UPDATE queue_size SET bytes = bytes - old.size; END;
    CREATE TABLE deliveries (
        forward  INTEGER NOT NULL REFERENCES forwards ON DELETE CASCADE,
        request  INTEGER NOT NULL REFERENCES requests ON DELETE CASCADE,
        due_us   INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (forward, request)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX deliveries_of_request ON deliveries (request);
"];

/// Kind of service that requests are forwarded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForwardType {
    /// Sentry, or a service with its protocol.
    Sentry,
    /// An OpenTelemetry collector, or any other OTLP endpoint over HTTP.
    Otlp,
    /// Langfuse.
    Langfuse,
}

impl ForwardType {
    const NAMES: [(ForwardType, &str); 3] =
        [(ForwardType::Sentry, "sentry"), (ForwardType::Otlp, "otlp"), (ForwardType::Langfuse, "langfuse")];

    /// Returns the name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        ForwardType::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn from_name(name: &str) -> Option<ForwardType> {
        ForwardType::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// Key of a target, which logs and the API never show.
#[derive(Clone, PartialEq, Eq)]
pub struct ForwardKey(String);

impl ForwardKey {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> ForwardKey {
        ForwardKey(key.into())
    }

    /// Returns the key, to send it to the target.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ForwardKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForwardKey(…)")
    }
}

/// A service that requests of a project are forwarded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardRecord {
    /// ID, unique among all projects.
    pub id: i64,
    /// ID of the project.
    pub project: u64,
    /// Kind of service.
    pub kind: ForwardType,
    /// URL without the key: for Sentry of the project (`https://HOST/PROJECT`), for OTLP and Langfuse the base URL.
    pub url: String,
    /// Key of the service.
    pub key: ForwardKey,
    /// Whether requests are forwarded.
    pub enabled: bool,
    /// Time of creation in microseconds since the Unix epoch.
    pub created_us: i64,
}

/// A target to create or replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardDraft {
    /// Kind of service.
    pub kind: ForwardType,
    /// URL without the key.
    pub url: String,
    /// Key; `None` keeps the stored key.
    pub key: Option<ForwardKey>,
    /// Whether requests are forwarded.
    pub enabled: bool,
}

/// State of the queue of a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardQueueState {
    /// Number of waiting requests.
    pub queued: u64,
    /// Number of bytes of the waiting bodies.
    pub queued_bytes: u64,
    /// Number of requests that the target accepted.
    pub delivered: u64,
    /// Number of requests that were given up, or that did not fit into the queue.
    pub failed: u64,
    /// Reason why the last attempt failed; `None` if it succeeded.
    pub last_error: Option<String>,
    /// Time of the last failed attempt (RFC 3339).
    pub last_error_at: Option<String>,
}

/// The targets of all projects and their queues.
#[derive(Debug)]
pub struct ForwardStore {
    database: GroupCommitDatabase,
    /// Encrypts the keys of the targets.
    cipher: SecretCipher,
    /// Random ID of this data directory, by which a request that comes back is recognized.
    instance_id: String,
    /// Enabled targets by project: requests of other projects cost one look here.
    enabled: RwLock<HashMap<u64, Arc<[ForwardRecord]>>>,
    /// Requests by target that could not be written to the queue since the start.
    unwritten: Mutex<HashMap<i64, u64>>,
    /// Wakes the worker when a request is queued or a target changes.
    pub changed: Notify,
    /// When a target changes, wakes all tasks that wait to try the target again.
    pub targets_changed: Notify,
}

impl ForwardStore {
    /// Opens the targets in a data directory. Keys that are not encrypted with the first key of the cipher are encrypted again.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version, or the cipher cannot decrypt a key.
    pub fn open(dir: &Path, cipher: SecretCipher) -> Result<ForwardStore, SqliteError> {
        let path = dir.join(DATABASE);
        encrypt_column(&cipher, &mut crate::database::open(&path, MIGRATIONS)?, &path, SECRET_COLUMN)?;
        let database = GroupCommitDatabase::open(&path, MIGRATIONS)?;
        let reader = crate::database::open_reader(&path)?;
        let read = || -> rusqlite::Result<_> {
            let instance_id = reader.query_row("SELECT id FROM identity", (), |row| row.get::<_, String>(0))?;
            Ok((instance_id, enabled_forwards(&reader, &cipher)?))
        };
        let (instance_id, enabled) = read().map_err(SqliteError::sqlite_error(&path))?;
        Ok(ForwardStore {
            database,
            cipher,
            instance_id,
            enabled: RwLock::new(enabled),
            unwritten: Mutex::default(),
            changed: Notify::new(),
            targets_changed: Notify::new(),
        })
    }

    /// Returns the name of a project of this data directory in the list of servers that a request has passed.
    pub fn hop(&self, project: u64) -> String {
        format!("{}/{project}", self.instance_id)
    }

    /// Returns the enabled targets of a project.
    pub fn enabled(&self, project: u64) -> Option<Arc<[ForwardRecord]>> {
        self.enabled.read().unwrap_or_else(PoisonError::into_inner).get(&project).cloned()
    }

    /// Returns whether any project has an enabled target.
    pub fn has_targets(&self) -> bool {
        !self.enabled.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Returns the targets of a project with the states of their queues, the oldest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn list(&self, project: u64) -> Result<Vec<(ForwardRecord, ForwardQueueState)>, SqliteError> {
        let cipher = self.cipher.clone();
        let mut found = self.database.read(move |transaction| forwards(transaction, project, &cipher)).await?;
        let unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        for (record, state) in &mut found {
            state.failed += unwritten.get(&record.id).copied().unwrap_or(0);
        }
        Ok(found)
    }

    /// Creates a target. Returns `None` if the project already has [`MAX_FORWARDS`] targets.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub async fn create(&self, project: u64, draft: ForwardDraft, now_us: i64) -> Result<Option<i64>, SqliteError> {
        let key = self.cipher.encrypt(draft.key.as_ref().map_or("", ForwardKey::reveal));
        let created = self.database.write(move |transaction| {
            let count: usize =
                transaction.query_row("SELECT count(*) FROM forwards WHERE project = ?", [project as i64], |row| row.get(0))?;
            if count >= MAX_FORWARDS {
                return Ok(None);
            }
            transaction.execute(
                "INSERT INTO forwards (project, type, url, key, enabled, created_us) VALUES (:project, :type, :url, :key, :enabled, :now)",
                named_params! { ":project": project as i64, ":type": draft.kind.as_str(), ":url": draft.url, ":enabled": draft.enabled,
                ":key": key, ":now": now_us },
            )?;
            Ok(Some(transaction.last_insert_rowid()))
        });
        let created = created.await?;
        self.refresh().await?;
        Ok(created)
    }

    /// Replaces a target. Waiting requests are sent to the new address immediately. Returns false if there is no such target.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub async fn update(&self, project: u64, id: i64, draft: ForwardDraft) -> Result<bool, SqliteError> {
        let key = draft.key.as_ref().map(|key| self.cipher.encrypt(key.reveal()));
        let changed = self.database.write(move |transaction| {
            let changed = transaction.execute(
                "UPDATE forwards SET type = :type, url = :url, key = coalesce(:key, key), enabled = :enabled, last_error = NULL,
                 last_error_us = NULL WHERE project = :project AND id = :id",
                named_params! { ":project": project as i64, ":id": id, ":type": draft.kind.as_str(), ":url": draft.url,
                ":enabled": draft.enabled, ":key": key },
            )?;
            transaction.execute("UPDATE deliveries SET due_us = 0 WHERE forward = ? AND ? > 0", (id, changed as i64))?;
            Ok(changed > 0)
        });
        let changed = changed.await?;
        self.refresh().await?;
        Ok(changed)
    }

    /// Deletes a target with its queue. Returns false if there is no such target.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub async fn delete(&self, project: u64, id: i64) -> Result<bool, SqliteError> {
        let deleted = self.database.write(move |transaction| {
            let deleted = transaction.execute("DELETE FROM forwards WHERE project = ? AND id = ?", (project as i64, id))?;
            queue::drop_unneeded_bodies(transaction)?;
            Ok(deleted > 0)
        });
        let deleted = deleted.await?;
        self.refresh().await?;
        Ok(deleted)
    }

    /// Returns the key of a target, if there is such a target.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn find(&self, project: u64, id: i64) -> Result<Option<ForwardRecord>, SqliteError> {
        let sql = format!("SELECT {FORWARD_COLUMNS} FROM forwards WHERE project = ? AND id = ?");
        let cipher = self.cipher.clone();
        self.database
            .read(move |transaction| transaction.query_row(&sql, (project as i64, id), |row| forward(row, &cipher)).optional())
            .await
    }

    /// Reads the enabled targets again, after a change.
    async fn refresh(&self) -> Result<(), SqliteError> {
        let enabled = {
            let cipher = self.cipher.clone();
            self.database.read(move |transaction| enabled_forwards(transaction, &cipher)).await?
        };
        *self.enabled.write().unwrap_or_else(PoisonError::into_inner) = enabled;
        self.changed.notify_one();
        self.targets_changed.notify_waiters();
        Ok(())
    }

    /// Writes everything and closes the database.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

const FORWARD_COLUMNS: &str = "id, project, type, url, key, enabled, created_us";

/// Reads a row with [`FORWARD_COLUMNS`].
fn forward(row: &Row, cipher: &SecretCipher) -> rusqlite::Result<ForwardRecord> {
    let (kind, key): (String, String) = (row.get(2)?, row.get(4)?);
    let key = cipher.decrypt(&key).map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, Box::new(error)))?;
    Ok(ForwardRecord {
        id: row.get(0)?,
        project: row.get::<_, i64>(1)?.unsigned_abs(),
        kind: ForwardType::from_name(&kind).unwrap_or(ForwardType::Otlp),
        url: row.get(3)?,
        key: ForwardKey(key),
        enabled: row.get(5)?,
        created_us: row.get(6)?,
    })
}

fn enabled_forwards(database: &rusqlite::Connection, cipher: &SecretCipher) -> rusqlite::Result<HashMap<u64, Arc<[ForwardRecord]>>> {
    let mut statement = database.prepare(&format!("SELECT {FORWARD_COLUMNS} FROM forwards WHERE enabled ORDER BY id"))?;
    let mut by_project: HashMap<u64, Vec<ForwardRecord>> = HashMap::new();
    for found in statement.query_map((), |row| forward(row, cipher))? {
        let found = found?;
        by_project.entry(found.project).or_default().push(found);
    }
    Ok(by_project.into_iter().map(|(project, found)| (project, found.into())).collect())
}

fn forwards(transaction: &Transaction, project: u64, cipher: &SecretCipher) -> rusqlite::Result<Vec<(ForwardRecord, ForwardQueueState)>> {
    let sql = format!(
        "SELECT {FORWARD_COLUMNS}, delivered, failed, last_error, last_error_us,
         (SELECT count(*) FROM deliveries WHERE forward = forwards.id),
         (SELECT coalesce(sum(requests.size), 0) FROM deliveries JOIN requests ON requests.id = request WHERE forward = forwards.id)
         FROM forwards WHERE project = ? ORDER BY id"
    );
    let mut statement = transaction.prepare_cached(&sql)?;
    let count = |row: &Row, at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
    let read = |row: &Row| {
        let state = ForwardQueueState {
            delivered: count(row, 7)?,
            failed: count(row, 8)?,
            last_error: row.get(9)?,
            last_error_at: row.get::<_, Option<i64>>(10)?.map(rfc3339),
            queued: count(row, 11)?,
            queued_bytes: count(row, 12)?,
        };
        Ok((forward(row, cipher)?, state))
    };
    statement.query_map([project as i64], read)?.collect()
}
