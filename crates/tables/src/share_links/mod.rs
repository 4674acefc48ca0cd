//! Share links: whoever has one can read one trace without an account, until the link ends. In their own database, `shares.db`.
//!
//! The token of a link has 256 random bits, of which only the hash is stored. A link that has ended keeps its row for a while, without
//! what it led to if that was deleted, so that it can say why it does not work any more.

mod retention;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hinomi_model::id::TraceId;
use rand::Rng;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::database;
use crate::database::SqliteError;

/// File name of the database.
const DATABASE: &str = "shares.db";
/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// Maximum number of links of a project that work at the same time.
pub const MAX_LINKS_PER_PROJECT: u64 = 1_000;

const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE links (
        id             INTEGER PRIMARY KEY AUTOINCREMENT,
        -- SHA-256 of the token.
        hash           BLOB NOT NULL UNIQUE,
        project        INTEGER NOT NULL,
        target_kind    TEXT NOT NULL,
        -- ID of what the link leads to; null once that was deleted.
        target         TEXT,
        messages       INTEGER NOT NULL,
        -- Whether messages were chosen although the project hid them from others.
        despite_hiding INTEGER NOT NULL,
        account        INTEGER NOT NULL,
        created_us     INTEGER NOT NULL,
        expires_us     INTEGER NOT NULL,
        ended_us       INTEGER,
        end_reason     TEXT
    ) STRICT;
    CREATE INDEX links_by_target ON links (project, target);
"];

/// Kind of what a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareTargetKind {
    /// A trace.
    Trace,
}

impl ShareTargetKind {
    fn name(self) -> &'static str {
        match self {
            ShareTargetKind::Trace => "trace",
        }
    }

    /// Returns the kind with a name; `None` if this version does not know it.
    fn from_name(name: &str) -> Option<ShareTargetKind> {
        match name {
            "trace" => Some(ShareTargetKind::Trace),
            _ => None,
        }
    }
}

/// Why a link ended before it expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareEnd {
    /// Somebody revoked it.
    Revoked,
    /// What it led to was deleted.
    Deleted,
}

impl ShareEnd {
    fn name(self) -> &'static str {
        match self {
            ShareEnd::Revoked => "revoked",
            ShareEnd::Deleted => "deleted",
        }
    }

    /// Returns the reason with a name. One that this version does not know ends the link as well.
    fn from_name(name: &str) -> ShareEnd {
        if name == "deleted" { ShareEnd::Deleted } else { ShareEnd::Revoked }
    }
}

/// What a new link leads to, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareLinkDraft {
    /// ID of the project.
    pub project: u64,
    /// The trace.
    pub trace: TraceId,
    /// Whether the link shows messages.
    pub messages: bool,
    /// Whether messages were chosen although the project hides them from others.
    pub despite_hiding: bool,
    /// ID of the account that creates the link.
    pub account: i64,
    /// Lifetime in microseconds.
    pub lifetime_us: i64,
}

/// A share link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareLinkRecord {
    /// ID of the link. It does not open the link.
    pub id: i64,
    /// ID of the project.
    pub project: u64,
    /// Kind of what the link leads to; `None` for one that this version does not know.
    pub target_kind: Option<ShareTargetKind>,
    /// The trace; `None` if it was deleted.
    pub trace: Option<TraceId>,
    /// Whether the link shows messages.
    pub messages: bool,
    /// Whether messages were chosen although the project hid them from others.
    pub despite_hiding: bool,
    /// ID of the account that created the link.
    pub account: i64,
    /// Time of creation in microseconds since the Unix epoch.
    pub created_us: i64,
    /// Time after which the link does not work, in microseconds since the Unix epoch.
    pub expires_us: i64,
    /// Why the link ended before it expired; `None` if it did not.
    pub end: Option<ShareEnd>,
}

impl ShareLinkRecord {
    fn from_row(row: &Row) -> rusqlite::Result<ShareLinkRecord> {
        Ok(ShareLinkRecord {
            id: row.get("id")?,
            project: row.get("project")?,
            target_kind: ShareTargetKind::from_name(&row.get::<_, String>("target_kind")?),
            trace: row.get::<_, Option<String>>("target")?.and_then(|trace| trace.parse().ok()),
            messages: row.get("messages")?,
            despite_hiding: row.get("despite_hiding")?,
            account: row.get("account")?,
            created_us: row.get("created_us")?,
            expires_us: row.get("expires_us")?,
            end: row.get::<_, Option<String>>("end_reason")?.map(|reason| ShareEnd::from_name(&reason)),
        })
    }
}

/// The share links of all projects.
#[derive(Debug)]
pub struct ShareLinkStore {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl ShareLinkStore {
    /// Opens the links in a data directory. A command may do so while a server runs.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<ShareLinkStore, SqliteError> {
        let path = dir.join(DATABASE);
        Ok(ShareLinkStore { connection: Mutex::new(database::open(&path, &MIGRATIONS)?), path })
    }

    /// Creates a link. Returns it with its token, which is not stored; `None` if the project has [`MAX_LINKS_PER_PROJECT`] links that work.
    /// Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn create(&self, draft: &ShareLinkDraft, now_us: i64) -> Result<Option<(ShareLinkRecord, String)>, SqliteError> {
        let token = new_token();
        let write = |connection: &Connection| -> rusqlite::Result<Option<ShareLinkRecord>> {
            let count = "SELECT count(*) FROM links WHERE project = ?1 AND expires_us > ?2 AND ended_us IS NULL";
            let working: u64 = connection.prepare_cached(count)?.query_row(params![draft.project, now_us], |row| row.get(0))?;
            if working >= MAX_LINKS_PER_PROJECT {
                return Ok(None);
            }
            let insert = "INSERT INTO links (hash, project, target_kind, target, messages, despite_hiding, account, created_us, expires_us)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING *";
            let values = params![
                hash(&token),
                draft.project,
                ShareTargetKind::Trace.name(),
                draft.trace.to_string(),
                draft.messages,
                draft.despite_hiding,
                draft.account,
                now_us,
                now_us.saturating_add(draft.lifetime_us),
            ];
            connection.prepare_cached(insert)?.query_row(values, ShareLinkRecord::from_row).map(Some)
        };
        let created = write(&self.lock()).map_err(database::SqliteError::sqlite_error(&self.path))?;
        Ok(created.map(|link| (link, token)))
    }

    /// Returns the link with a token, also one that has ended; `None` for an unknown token. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn find(&self, token: &str) -> Result<Option<ShareLinkRecord>, SqliteError> {
        let read = |connection: &Connection| {
            connection.prepare_cached("SELECT * FROM links WHERE hash = ?1")?.query_row([hash(token)], ShareLinkRecord::from_row).optional()
        };
        read(&self.lock()).map_err(database::SqliteError::sqlite_error(&self.path))
    }

    /// Returns the links of a project that work, the newest first, only those of a trace if one is given. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn list(&self, project: u64, trace: Option<TraceId>, now_us: i64) -> Result<Vec<ShareLinkRecord>, SqliteError> {
        let read = |connection: &Connection| -> rusqlite::Result<Vec<ShareLinkRecord>> {
            let mut select = connection.prepare_cached(
                "SELECT * FROM links WHERE project = ?1 AND expires_us > ?2 AND ended_us IS NULL AND (?3 IS NULL OR target = ?3)
                 ORDER BY id DESC",
            )?;
            let trace = trace.map(|trace| trace.to_string());
            select.query_map(params![project, now_us, trace], ShareLinkRecord::from_row)?.collect()
        };
        read(&self.lock()).map_err(database::SqliteError::sqlite_error(&self.path))
    }

    /// Returns a link of a project, also one that has ended. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn get(&self, project: u64, id: i64) -> Result<Option<ShareLinkRecord>, SqliteError> {
        let read = |connection: &Connection| {
            let mut select = connection.prepare_cached("SELECT * FROM links WHERE project = ?1 AND id = ?2")?;
            select.query_row(params![project, id], ShareLinkRecord::from_row).optional()
        };
        read(&self.lock()).map_err(database::SqliteError::sqlite_error(&self.path))
    }

    /// Ends a link of a project. Returns false if there is none that works. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn revoke(&self, project: u64, id: i64, now_us: i64) -> Result<bool, SqliteError> {
        let update = "UPDATE links SET ended_us = ?3, end_reason = ?4 WHERE project = ?1 AND id = ?2 AND ended_us IS NULL";
        let changed = self.lock().execute(update, params![project, id, now_us, ShareEnd::Revoked.name()]);
        Ok(changed.map_err(database::SqliteError::sqlite_error(&self.path))? == 1)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_token() -> String {
    let mut random = [0; 32];
    rand::rng().fill_bytes(&mut random);
    hex::encode(random)
}

fn hash(token: &str) -> Vec<u8> {
    // A token of 256 random bits does not need a slow hash.
    Sha256::digest(token.as_bytes()).to_vec()
}
