//! API tokens.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};

use super::access_secrets::{CredentialId, hash, hex};
use super::error::MetadataError;
use super::{MetadataStore, now_us, projects};

/// Permissions of an API token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiTokenScope {
    /// The project that the token can read; all projects if `None`.
    pub project: Option<u64>,
    /// Whether the token can also change things.
    pub admin: bool,
}

/// An API token in a list. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenRecord {
    /// ID of the token.
    pub id: i64,
    /// Name of the token.
    pub name: String,
    /// Permissions of the token.
    pub token: ApiTokenScope,
    /// Time of creation.
    pub created_us: i64,
    /// Time of expiry; `None` if the token does not expire.
    pub expires_us: Option<i64>,
    /// Time of the last use, accurate to a minute; `None` if it was never used.
    pub last_used_us: Option<i64>,
}

impl MetadataStore {
    /// Creates an API token that can read one project, or all; with `admin` it can also change things. It expires after `lifetime`, if
    /// given. Returns the token, which cannot be read again.
    ///
    /// # Errors
    ///
    /// When there is no such project, or the name is invalid.
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

    /// Returns the permissions of a token; `None` if it is unknown, revoked or expired.
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
            self.note_credential_use(CredentialId::Token(id), now);
            token
        }))
    }

    /// Returns all tokens, including expired ones, in the order of their creation.
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

    /// Revokes a token: it is rejected from now on. Returns its name.
    ///
    /// # Errors
    ///
    /// When there is no such token.
    pub fn revoke_token(&self, id: i64) -> Result<String, MetadataError> {
        let name = self.lock().query_row("DELETE FROM tokens WHERE id = ?1 RETURNING name", [id], |row| row.get(0)).optional()?;
        name.ok_or(MetadataError::NoToken(id))
    }
}
