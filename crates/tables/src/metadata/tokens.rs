//! API tokens.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};

use super::access_secrets::{CredentialId, hash, hex};
use super::error::MetadataError;
use super::{MetadataStore, now_us, projects};

/// What an API token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiTokenScope {
    /// The one project that it may read; all where `None`.
    pub project: Option<u64>,
    /// Whether it may change things too.
    pub admin: bool,
}

/// An API token as it is listed. Times are in microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenRecord {
    /// Its number.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub token: ApiTokenScope,
    /// When it was made.
    pub created_us: i64,
    /// When it ends; never where `None`.
    pub expires_us: Option<i64>,
    /// When it was last used, to the minute or so; `None` where it never was.
    pub last_used_us: Option<i64>,
}

impl MetadataStore {
    /// Makes an API token that may read a project, or all; `admin` may change things too. It ends after `lifetime`, where one is given. The
    /// text is shown this once.
    ///
    /// # Errors
    ///
    /// When there is no such project or the name cannot be.
    pub fn create_token(&self, name: &str, token: ApiTokenScope, lifetime: Option<Duration>) -> Result<String, MetadataError> {
        let name = projects::checked_name(name)?;
        if let Some(project) = token.project {
            self.project(project)?;
        }
        let secret = format!("hnm_{}", hex(32));
        let now = now_us();
        let expires = lifetime.map(|lifetime| now.saturating_add(i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX)));
        self.lock().execute(
            "INSERT INTO tokens (hash, name, project_id, admin, created_us, expires_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![hash(&secret), name, token.project, token.admin, now, expires],
        )?;
        Ok(secret)
    }

    /// What a token may do; `None` for one that was never made, was revoked or has expired.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn token(&self, secret: &str) -> Result<Option<ApiTokenScope>, MetadataError> {
        let now = now_us();
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT id, project_id, admin FROM tokens WHERE hash = ?1 AND (expires_us IS NULL OR expires_us > ?2)")?;
        let read = |row: &Row| Ok((row.get(0)?, ApiTokenScope { project: row.get(1)?, admin: row.get(2)? }));
        let found = statement.query_row(params![hash(secret), now], read).optional()?;
        Ok(found.map(|(id, token)| {
            self.use_credential(CredentialId::Token(id), now);
            token
        }))
    }

    /// All tokens, those that have expired too, in the order in which they were made.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn tokens(&self) -> Result<Vec<ApiTokenRecord>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT id, name, project_id, admin, created_us, expires_us, last_used_us FROM tokens ORDER BY id")?;
        let read = |row: &Row| {
            Ok(ApiTokenRecord {
                id: row.get(0)?,
                name: row.get(1)?,
                token: ApiTokenScope { project: row.get(2)?, admin: row.get(3)? },
                created_us: row.get(4)?,
                expires_us: row.get(5)?,
                last_used_us: row.get(6)?,
            })
        };
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Revokes a token: it is refused from now on. Returns its name.
    ///
    /// # Errors
    ///
    /// When there is no such token.
    pub fn revoke_token(&self, id: i64) -> Result<String, MetadataError> {
        let name = self.lock().query_row("DELETE FROM tokens WHERE id = ?1 RETURNING name", [id], |row| row.get(0)).optional()?;
        name.ok_or(MetadataError::NoToken(id))
    }
}
