//! The audit log: who did what to which object, when, and from which address. One SQLite database, `audit.db`.
//!
//! Entries are only appended. The hash of each entry covers the entry and the previous hash, so a change of one entry changes the hashes of
//! all later entries. A person who can write the file can also compute all hashes again. A comparison with a head that was exported earlier
//! detects this, and also detects that the last entries were cut off.

mod chain;
mod entry;
mod error;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use crate::database;
pub use chain::{AuditHead, AuditVerification};
use chain::{ChainCheckpoint, ChainHash, next_hash};
pub use entry::{AuditActor, AuditEntry, AuditEvent};
pub use error::{AuditLogError, AuditViolation};

/// Name of the database.
const DATABASE: &str = "audit.db";

/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

const MIGRATIONS: &[&str] = &["
    CREATE TABLE entries (
        sequence INTEGER PRIMARY KEY,
        -- JSON of an `AuditEntry`, of which the hash is computed as it is.
        entry    TEXT NOT NULL,
        hash     BLOB NOT NULL,
        time_us    INTEGER GENERATED ALWAYS AS (json_extract(entry, '$.time_us')),
        action     TEXT GENERATED ALWAYS AS (json_extract(entry, '$.action')),
        project_id INTEGER GENERATED ALWAYS AS (json_extract(entry, '$.project_id')),
        account_id INTEGER GENERATED ALWAYS AS (json_extract(entry, '$.actor.account_id'))
    );
    CREATE TRIGGER entries_are_append_only BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
    -- Where the chain begins after old entries have expired: JSON of a `ChainCheckpoint`.
    CREATE TABLE checkpoints (
        id         INTEGER PRIMARY KEY CHECK (id = 1),
        checkpoint TEXT NOT NULL,
        signature  BLOB NOT NULL
    );
"];

/// Selects the entries to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only entries of these projects; if `None`, entries of the whole server and of all projects.
    pub projects: Option<Vec<u64>>,
    /// Only entries whose action is this text, or begins with this text and a dot.
    pub action: Option<String>,
    /// Only entries about actions of this account.
    pub account: Option<i64>,
    /// Only entries from this time on, in microseconds since the Unix epoch.
    pub from_us: Option<i64>,
    /// Only entries before this time, in microseconds since the Unix epoch.
    pub to_us: Option<i64>,
    /// Only entries with a lower sequence number.
    pub before: Option<u64>,
}

/// The open audit log. Several processes may append to it at the same time.
#[derive(Debug)]
pub struct AuditLog {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl AuditLog {
    /// Opens the audit log in a data directory, and creates it if necessary.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<AuditLog, AuditLogError> {
        let path = dir.join(DATABASE);
        Ok(AuditLog { connection: Mutex::new(database::open(&path, MIGRATIONS)?), path })
    }

    /// Appends an event. When this function returns, the entry is durable.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn append(&self, event: AuditEvent) -> Result<AuditHead, AuditLogError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let head = append_to(&transaction, event)?;
        transaction.commit()?;
        Ok(head)
    }

    /// Returns the last entry's sequence number and hash; sequence number 0 for an empty log.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn head(&self) -> Result<AuditHead, AuditLogError> {
        read_head(&self.lock())
    }

    /// Returns entries, the newest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read, or an entry is damaged.
    pub fn entries(&self, filter: &AuditFilter, limit: usize) -> Result<Vec<AuditEntry>, AuditLogError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT sequence, entry FROM entries
             WHERE (?1 IS NULL OR project_id IN (SELECT value FROM json_each(?1)))
                 AND (?2 IS NULL OR action = ?2 OR substr(action, 1, length(?2) + 1) = ?2 || '.')
                 AND (?3 IS NULL OR account_id = ?3) AND (?4 IS NULL OR time_us >= ?4) AND (?5 IS NULL OR time_us < ?5)
                 AND (?6 IS NULL OR sequence < ?6)
             ORDER BY sequence DESC LIMIT ?7",
        )?;
        let projects = filter.projects.as_ref().map(|ids| serde_json::json!(ids).to_string());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let wanted = params![projects, filter.action, filter.account, filter.from_us, filter.to_us, filter.before, limit];
        let rows = select.query_map(wanted, |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (sequence, text) = row?;
            AuditEntry::from_text(&text).ok_or(AuditLogError::Violation(AuditViolation::EditedEntry { sequence }))
        })
        .collect()
    }

    /// Checks the whole chain, and that it contains the exported heads. `key` is the key with which checkpoints are signed.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read, or if the log was changed. Changes are an edited or removed entry, a tail that was
    /// cut off, and a log that was rewritten after a head was exported.
    pub fn verify(&self, heads: &[AuditHead], key: &str) -> Result<AuditVerification, AuditLogError> {
        let connection = self.lock();
        let checkpoint = read_checkpoint(&connection)?;
        let mut verification = chain::ChainVerifier::new(checkpoint, heads, key)?;
        let mut select = connection.prepare("SELECT sequence, entry, hash FROM entries ORDER BY sequence")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (sequence, text, hash): (u64, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            verification.check_entry(sequence, &text, &hash)?;
        }
        Ok(verification.finish()?)
    }

    /// Deletes entries before a time, and leaves a signed checkpoint from which the chain continues. The deletion adds an entry to the log.
    /// Returns the number of deleted entries.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn expire(&self, before_us: i64, actor: AuditActor, key: &str) -> Result<u64, AuditLogError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Up to the first entry that stays: a clock that went backwards leaves no gap.
        let first_kept = "SELECT min(sequence) FROM entries WHERE time_us >= ?1";
        let first_kept: Option<u64> = transaction.query_row(first_kept, [before_us], |row| row.get(0))?;
        let find = "SELECT sequence, hash FROM entries WHERE ?1 IS NULL OR sequence < ?1 ORDER BY sequence DESC LIMIT 1";
        let last = transaction.query_row(find, [first_kept], |row| Ok((row.get::<_, u64>(0)?, row.get(1)?))).optional()?;
        let Some((through, hash)): Option<(u64, ChainHash)> = last else { return Ok(0) };
        let deleted = transaction.execute("DELETE FROM entries WHERE sequence <= ?1", [through])?;
        let event = AuditEvent::new(actor, "audit.expire").detail("through", through).detail("entries", deleted);
        append_after(&transaction, event, &AuditHead::new(&read_tail(&transaction)?.unwrap_or((through, hash))))?;
        let checkpoint = ChainCheckpoint { through, hash: hex::encode(hash), time_us: now_us() };
        let (text, signature) = checkpoint.sign(key);
        transaction.execute(
            "INSERT INTO checkpoints VALUES (1, ?1, ?2) ON CONFLICT DO UPDATE SET checkpoint = excluded.checkpoint, signature = excluded.signature",
            params![text, signature],
        )?;
        transaction.commit()?;
        database::truncate_wal(&connection)?;
        Ok(u64::try_from(deleted).unwrap_or_default())
    }

    /// Returns the time of the oldest entry in microseconds since the Unix epoch; `None` for an empty log.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn oldest_us(&self) -> Result<Option<i64>, AuditLogError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached("SELECT time_us FROM entries ORDER BY sequence LIMIT 1")?;
        Ok(select.query_row([], |row| row.get(0)).optional()?)
    }

    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append_to(transaction: &Transaction<'_>, event: AuditEvent) -> Result<AuditHead, AuditLogError> {
    let head = read_head(transaction)?;
    append_after(transaction, event, &head)
}

fn append_after(transaction: &Transaction<'_>, event: AuditEvent, head: &AuditHead) -> Result<AuditHead, AuditLogError> {
    let entry = event.into_entry(head.sequence + 1, now_us());
    let text = entry.to_text();
    let hash = next_hash(&head.hash_bytes().unwrap_or_default(), &text);
    transaction.prepare_cached("INSERT INTO entries (sequence, entry, hash) VALUES (?1, ?2, ?3)")?.execute(params![
        entry.sequence,
        text,
        hash
    ])?;
    Ok(AuditHead::new(&(entry.sequence, hash)))
}

/// Returns the last entry's sequence number and hash.
fn read_tail(connection: &Connection) -> Result<Option<(u64, ChainHash)>, AuditLogError> {
    let mut select = connection.prepare_cached("SELECT sequence, hash FROM entries ORDER BY sequence DESC LIMIT 1")?;
    Ok(select.query_row([], |row: &Row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn read_head(connection: &Connection) -> Result<AuditHead, AuditLogError> {
    if let Some(tail) = read_tail(connection)? {
        return Ok(AuditHead::new(&tail));
    }
    Ok(read_checkpoint(connection)?
        .and_then(|(text, _)| ChainCheckpoint::from_text(&text))
        .map_or_else(AuditHead::empty, |checkpoint| AuditHead { sequence: checkpoint.through, hash: checkpoint.hash }))
}

/// Returns the text and the signature of the checkpoint.
fn read_checkpoint(connection: &Connection) -> Result<Option<(String, Vec<u8>)>, AuditLogError> {
    let mut select = connection.prepare_cached("SELECT checkpoint, signature FROM checkpoints")?;
    Ok(select.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Returns the current time in microseconds since the Unix epoch.
fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
