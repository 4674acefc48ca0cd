//! Outbox: notifications and their channels, on disk until they are delivered: `notify.db`.
//!
//! **Guarantees.** A change is delivered at least once, and exactly once to a receiver that recognizes keys. A notification is durable
//! before [`NotificationOutbox::enqueue`] returns, and its key is unique: enqueuing the same change again has no effect. An attempt is
//! recorded before it starts and when it ends. If the process ends in between, it is unknown whether the receiver has the message, so the
//! message is sent again with the same key (`webhook-id`, `dedup_key`, `Message-ID`). Chat services have no keys; in that window of
//! milliseconds their channel may show a message twice. Losing a message would be worse.
//!
//! The caller enqueues a notification after the change of the incident is durable. If the caller does not know whether a notification was
//! enqueued, it enqueues the notification again at the next start.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hinomi_tables::database;
use hinomi_tables::database::SqliteError;
use hinomi_tables::secret_cipher::SecretCipher;
use hinomi_tables::secret_columns::{SecretColumn, encrypt_column};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Notify;

use super::notification::AlertNotification;

/// ID of a notification channel.
pub type ChannelId = i64;

/// Version of the schema that is written, and the newest version that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// File name of the database.
pub(super) const DATABASE: &str = "notify.db";

/// Column with the secrets of the channels.
pub const SECRET_COLUMN: SecretColumn = SecretColumn { database: DATABASE, table: "targets", column: "secret" };

const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE targets (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        project    INTEGER NOT NULL,
        name       TEXT NOT NULL,
        language   TEXT,
        disabled   INTEGER NOT NULL DEFAULT 0,
        address    TEXT NOT NULL,
        secret     TEXT NOT NULL,
        created_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE notices (
        id      INTEGER PRIMARY KEY AUTOINCREMENT,
        key     TEXT NOT NULL UNIQUE,
        project INTEGER NOT NULL,
        rule    INTEGER NOT NULL,
        incident INTEGER,
        at_us   INTEGER NOT NULL,
        body    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX notices_by_incident ON notices (project, incident);
    CREATE TABLE deliveries (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        notice      INTEGER NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
        target      INTEGER NOT NULL REFERENCES targets (id) ON DELETE CASCADE,
        state       TEXT NOT NULL DEFAULT 'waiting',
        next_us     INTEGER NOT NULL,
        created_us  INTEGER NOT NULL,
        folded_into INTEGER REFERENCES deliveries (id) ON DELETE CASCADE,
        UNIQUE (notice, target)
    ) STRICT;
    CREATE INDEX deliveries_waiting ON deliveries (target, id) WHERE state = 'waiting';
    CREATE INDEX deliveries_folded ON deliveries (folded_into) WHERE folded_into IS NOT NULL;
    CREATE TABLE attempts (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        delivery    INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
        started_us  INTEGER NOT NULL,
        duration_us INTEGER,
        status      INTEGER,
        error       TEXT
    ) STRICT;
    CREATE INDEX attempts_of_delivery ON attempts (delivery);
"];

/// The open database.
#[derive(Debug)]
pub struct NotificationOutbox {
    path: PathBuf,
    connection: Mutex<Connection>,
    /// Encrypts the secrets of channels.
    pub(super) cipher: SecretCipher,
    /// Notified whenever a delivery may have become due.
    pub(super) delivery_due: Arc<Notify>,
}

impl NotificationOutbox {
    /// Opens or creates the database in a data directory. Secrets of channels that are not encrypted with the first key of the cipher are
    /// encrypted again.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or a newer version wrote it, or the cipher cannot decrypt a secret.
    pub fn open(dir: &Path, cipher: SecretCipher) -> Result<NotificationOutbox, SqliteError> {
        let path = dir.join(DATABASE);
        let mut connection = database::open(&path, &MIGRATIONS)?;
        encrypt_column(&cipher, &mut connection, &path, SECRET_COLUMN)?;
        Ok(NotificationOutbox { connection: Mutex::new(connection), cipher, path, delivery_due: Arc::new(Notify::new()) })
    }

    /// Enqueues notifications, each for its channels. When this function returns, the notifications are durable, and delivery begins.
    /// Notifications with a known key are ignored, and so are channels that do not exist, are disabled or belong to another project.
    /// Returns the number of new notifications. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. In this case, none of the notifications is enqueued.
    pub fn enqueue(&self, notifications: &[(AlertNotification, Vec<ChannelId>)]) -> Result<usize, SqliteError> {
        let now = now_us();
        let taken = self.with_connection(|connection| {
            let transaction = connection.transaction()?;
            let mut taken = 0;
            for (notification, targets) in notifications {
                let Some(id) = insert_notification(&transaction, notification)? else { continue };
                taken += 1;
                let mut insert = transaction.prepare_cached(
                    "INSERT OR IGNORE INTO deliveries (notice, target, next_us, created_us)
                     SELECT ?1, id, ?3, ?3 FROM targets WHERE id = ?2 AND project = ?4 AND NOT disabled",
                )?;
                for target in targets {
                    insert.execute(params![id, target, now, sql_project_id(notification.project)])?;
                }
            }
            transaction.commit()?;
            Ok(taken)
        })?;
        if taken > 0 {
            self.delivery_due.notify_one();
        }
        Ok(taken)
    }

    /// Runs statements that read or write. Blocks the calling thread.
    pub(super) fn with_connection<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
        work(&mut lock(&self.connection)).map_err(SqliteError::sqlite_error(&self.path))
    }
}

/// Inserts a notification and returns its ID; `None` if its key is known.
pub(super) fn insert_notification(connection: &Connection, notification: &AlertNotification) -> rusqlite::Result<Option<i64>> {
    let body = serde_json::to_string(notification).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO notices (key, project, rule, incident, at_us, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (key) DO NOTHING RETURNING id",
    )?;
    let values = params![
        notification.idempotency_key,
        sql_project_id(notification.project),
        notification.rule_id,
        notification.incident_id,
        notification.at,
        body
    ];
    insert.query_row(values, |row| row.get(0)).optional()
}

/// Converts a project ID to the signed integers of SQLite. All project IDs fit.
pub(super) fn sql_project_id(project: u64) -> i64 {
    i64::try_from(project).unwrap_or(i64::MAX)
}

/// Returns the current time in microseconds since the Unix epoch.
pub(super) fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::tests::{notification, slack};

    #[test]
    fn notification_is_enqueued_once_per_target() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = NotificationOutbox::open(dir.path(), SecretCipher::default()).unwrap();
        let (own, foreign) = (slack(&outbox, 1), slack(&outbox, 2));
        let taken = outbox.enqueue(&[(notification("a"), vec![own, foreign, 99, own]), (notification("b"), vec![])]).unwrap();
        assert_eq!(taken, 2);
        assert_eq!(outbox.enqueue(&[(notification("a"), vec![own])]).unwrap(), 0);
        drop(outbox);
        let outbox = NotificationOutbox::open(dir.path(), SecretCipher::default()).unwrap();
        assert_eq!(outbox.enqueue(&[(notification("a"), vec![own]), (notification("c"), vec![own])]).unwrap(), 1);
        let waiting: i64 = outbox.with_connection(|db| db.query_row("SELECT count(*) FROM deliveries", [], |row| row.get(0))).unwrap();
        assert_eq!(waiting, 2);
    }
}
