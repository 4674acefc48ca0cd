//! Images, audio and files of messages, by the hash of their bytes, in `media.db`.
//!
//! Bytes are stored once for each project, together with the traces that use them. They are deleted with the last of these traces. A trace
//! may refer to bytes that arrive later: Langfuse's SDKs upload them separately.

mod retention;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hinomi_model::id::TraceId;
use hinomi_model::media::{MediaObject, MediaUse};
use rusqlite::{Connection, OptionalExtension, Transaction, named_params};

use crate::database::{GroupCommitDatabase, SqliteError, open_reader};

/// File name of the database.
const DATABASE: &str = "media.db";
/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

const MIGRATIONS: &[&str] = &["
    CREATE TABLE objects (
        rowid      INTEGER PRIMARY KEY,
        project    INTEGER NOT NULL,
        -- Beginning of the hash as text.
        id         TEXT NOT NULL,
        sha256     BLOB NOT NULL,
        mime_type  TEXT,
        size       INTEGER NOT NULL,
        created_us INTEGER NOT NULL,
        bytes      BLOB NOT NULL,
        UNIQUE (project, id)
    ) STRICT;
    -- With the size, so that the sum needs no bytes.
    CREATE INDEX objects_in_time ON objects (project, created_us, size);
    -- Traces that use an object, which may arrive later.
    CREATE TABLE object_uses (
        project INTEGER NOT NULL,
        object  TEXT NOT NULL,
        trace   BLOB NOT NULL,
        at_us   INTEGER NOT NULL,
        PRIMARY KEY (project, object, trace)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX object_uses_of_trace ON object_uses (project, trace);
    CREATE INDEX object_uses_in_time ON object_uses (project, at_us);
"];

/// A stored object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMedia {
    /// Bytes.
    pub bytes: Vec<u8>,
    /// Description of the bytes.
    pub facts: MediaFacts,
}

/// What is known about a stored object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFacts {
    /// MIME type by the first bytes, otherwise as the client claimed; `None` if the client claimed none.
    pub mime_type: Option<String>,
    /// Number of bytes.
    pub size: u64,
    /// Time at which it was stored, in microseconds since the Unix epoch.
    pub created_us: i64,
}

/// The media of all projects.
#[derive(Debug)]
pub struct MediaStore {
    database: GroupCommitDatabase,
    /// Maximum bytes of a project.
    quota_bytes: u64,
    /// Bytes by project, once they have been counted.
    sizes: Mutex<HashMap<u64, u64>>,
}

impl MediaStore {
    /// Opens the media in a data directory. `quota_bytes` is the limit of each project.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path, quota_bytes: u64) -> Result<MediaStore, SqliteError> {
        let database = GroupCommitDatabase::open(&dir.join(DATABASE), MIGRATIONS)?;
        Ok(MediaStore { database, quota_bytes, sizes: Mutex::default() })
    }

    /// Returns the IDs of the objects that would exceed the limit of the project. Objects that are already stored are not returned.
    /// Concurrent requests can exceed the limit by the total size of their objects. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn objects_beyond_quota(&self, project: u64, objects: &[(&str, u64)]) -> Result<HashSet<String>, SqliteError> {
        let wanted: u64 = objects.iter().map(|(_, size)| *size).sum();
        if wanted == 0 {
            return Ok(HashSet::new());
        }
        let known = self.lock_sizes().get(&project).copied();
        if known.is_some_and(|known| known.saturating_add(wanted) <= self.quota_bytes) {
            return Ok(HashSet::new());
        }
        let path = self.database.path();
        let connection = open_reader(path)?;
        let read = || -> rusqlite::Result<(u64, HashSet<String>)> {
            let used = size_of_project(&connection, project)?;
            let (mut total, mut refused) = (used, HashSet::new());
            for (id, size) in objects {
                if total.saturating_add(*size) <= self.quota_bytes {
                    total += size;
                } else if !is_stored(&connection, project, id)? {
                    refused.insert((*id).to_owned());
                }
            }
            Ok((used, refused))
        };
        let (used, refused) = read().map_err(SqliteError::sqlite_error(path))?;
        self.lock_sizes().insert(project, used);
        Ok(refused)
    }

    /// Stores objects and their uses. When this function returns, they are on disk. Objects that are already stored are not changed.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. In this case, none of the objects is stored.
    pub async fn store(&self, project: u64, objects: Vec<MediaObject>, uses: Vec<MediaUse>, now_us: i64) -> Result<usize, SqliteError> {
        if objects.is_empty() && uses.is_empty() {
            return Ok(0);
        }
        let stored = self.database.write(move |transaction| {
            let (mut count, mut bytes) = (0, 0);
            for object in &objects {
                let inserted = insert_object(transaction, project, object, now_us)?;
                count += inserted;
                bytes += (inserted * object.bytes.len()) as u64;
            }
            for used in &uses {
                insert_use(transaction, project, used)?;
            }
            Ok((count, bytes))
        });
        let (count, bytes) = stored.await?;
        if let Some(size) = self.lock_sizes().get_mut(&project) {
            *size += bytes;
        }
        Ok(count)
    }

    /// Returns an object.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn find(&self, project: u64, id: &str) -> Result<Option<StoredMedia>, SqliteError> {
        let id = id.to_owned();
        let sql = "SELECT mime_type, size, created_us, bytes FROM objects WHERE project = ? AND id = ?";
        let read = |row: &rusqlite::Row| Ok(StoredMedia { facts: facts_of(row)?, bytes: row.get(3)? });
        self.database.read(move |transaction| transaction.query_row(sql, (project as i64, &id), read).optional()).await
    }

    /// Returns what is known about an object, without its bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn facts(&self, project: u64, id: &str) -> Result<Option<MediaFacts>, SqliteError> {
        let id = id.to_owned();
        let sql = "SELECT mime_type, size, created_us FROM objects WHERE project = ? AND id = ?";
        self.database.read(move |transaction| transaction.query_row(sql, (project as i64, &id), facts_of).optional()).await
    }

    /// Returns whether a trace uses an object.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn is_used_by(&self, project: u64, id: &str, trace: TraceId) -> Result<bool, SqliteError> {
        let id = id.to_owned();
        let sql = "SELECT EXISTS (SELECT 1 FROM object_uses WHERE project = ? AND object = ? AND trace = ?)";
        self.database
            .read(move |transaction| transaction.query_row(sql, (project as i64, &id, trace.0.to_be_bytes()), |row| row.get(0)))
            .await
    }

    /// Writes everything and closes the database.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Counts the bytes of projects again when they are needed, after a deletion.
    fn forget_sizes(&self) {
        self.lock_sizes().clear();
    }

    fn lock_sizes(&self) -> std::sync::MutexGuard<'_, HashMap<u64, u64>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn facts_of(row: &rusqlite::Row) -> rusqlite::Result<MediaFacts> {
    Ok(MediaFacts { mime_type: row.get(0)?, size: row.get::<_, i64>(1)?.unsigned_abs(), created_us: row.get(2)? })
}

fn size_of_project(connection: &Connection, project: u64) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(sum(size), 0) FROM objects WHERE project = ?";
    connection.query_row(sql, [project as i64], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

fn is_stored(connection: &Connection, project: u64, id: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM objects WHERE project = ? AND id = ?")?.exists((project as i64, id))
}

fn insert_object(transaction: &Transaction, project: u64, object: &MediaObject, now_us: i64) -> rusqlite::Result<usize> {
    // Most repeats need no copy of their bytes.
    if is_stored(transaction, project, &object.id)? {
        return Ok(0);
    }
    transaction
        .prepare_cached(
            "INSERT INTO objects (project, id, sha256, mime_type, size, created_us, bytes)
             VALUES (:project, :id, :sha256, :type, :size, :now, :bytes) ON CONFLICT DO NOTHING",
        )?
        .execute(named_params! { ":project": project as i64, ":id": object.id, ":sha256": object.sha256, ":type": object.mime_type,
        ":size": object.bytes.len() as i64, ":now": now_us, ":bytes": object.bytes })
}

fn insert_use(transaction: &Transaction, project: u64, used: &MediaUse) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO object_uses (project, object, trace, at_us) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET at_us = max(at_us, excluded.at_us)",
        )?
        .execute((project as i64, &used.id, used.trace_id.0.to_be_bytes(), used.at_us))
        .map(drop)
}
