//! API tokens, one-time sign-in tokens and sessions: 256 random bits each, of which only the hash is kept.

use rand::Rng;
use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::error::MetaError;
use super::{Meta, now_us, projects};

const HOUR_US: i64 = 3_600_000_000;
/// A printed link is meant to be opened soon.
const SIGN_IN_US: i64 = HOUR_US;
/// A browser stays signed in this long after its last visit.
const SESSION_US: i64 = 30 * 24 * HOUR_US;

/// What an API token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The one project that it may read; all where `None`.
    pub project: Option<u64>,
    /// Whether it may change things too.
    pub admin: bool,
}

impl Meta {
    /// Makes an API token that may read a project, or all; `admin` may change things too. The text is shown this once.
    ///
    /// # Errors
    ///
    /// When there is no such project or the name cannot be.
    pub fn create_token(&self, name: &str, token: Token) -> Result<String, MetaError> {
        let name = projects::checked_name(name)?;
        if let Some(project) = token.project {
            self.project(project)?;
        }
        let secret = format!("hnm_{}", hex(32));
        self.lock().execute(
            "INSERT INTO tokens (hash, name, project_id, admin, created_us) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![hash(&secret), name, token.project, token.admin, now_us()],
        )?;
        Ok(secret)
    }

    /// What a token may do; `None` for one that was never made.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn token(&self, secret: &str) -> Result<Option<Token>, MetaError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT project_id, admin FROM tokens WHERE hash = ?1")?;
        Ok(statement.query_row([hash(secret)], |row| Ok(Token { project: row.get(0)?, admin: row.get(1)? })).optional()?)
    }

    /// Makes a token that signs in once, within an hour.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn create_sign_in(&self) -> Result<String, MetaError> {
        self.create_passing("sign_ins", SIGN_IN_US)
    }

    /// Turns a sign-in token into a session; `None` if it was used, is too old, or never was.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn sign_in(&self, secret: &str) -> Result<Option<String>, MetaError> {
        let used = self.lock().execute("DELETE FROM sign_ins WHERE hash = ?1 AND expires_us > ?2", params![hash(secret), now_us()])?;
        if used == 1 { self.create_passing("sessions", SESSION_US).map(Some) } else { Ok(None) }
    }

    /// Whether a session is in force. Each day of use prolongs it.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn session(&self, secret: &str) -> Result<bool, MetaError> {
        let connection = self.lock();
        let now = now_us();
        let mut statement = connection.prepare_cached("SELECT expires_us FROM sessions WHERE hash = ?1 AND expires_us > ?2")?;
        let expires: Option<i64> = statement.query_row(params![hash(secret), now], |row| row.get(0)).optional()?;
        let due = expires.is_some_and(|expires| expires < now + SESSION_US - 24 * HOUR_US);
        if due {
            connection.execute("UPDATE sessions SET expires_us = ?2 WHERE hash = ?1", params![hash(secret), now + SESSION_US])?;
        }
        Ok(expires.is_some())
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn sign_out(&self, secret: &str) -> Result<(), MetaError> {
        self.lock().execute("DELETE FROM sessions WHERE hash = ?1", params![hash(secret)])?;
        Ok(())
    }

    fn create_passing(&self, table: &str, lives_us: i64) -> Result<String, MetaError> {
        let secret = hex(32);
        let connection = self.lock();
        connection.execute(&format!("DELETE FROM {table} WHERE expires_us <= ?1"), [now_us()])?;
        connection.execute(&format!("INSERT INTO {table} VALUES (?1, ?2)"), params![hash(&secret), now_us() + lives_us])?;
        Ok(secret)
    }
}

/// So many random bytes as hex digits.
pub(super) fn hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    rand::rng().fill_bytes(&mut random);
    hex::encode(random)
}

fn hash(secret: &str) -> Vec<u8> {
    // Secrets of 256 random bits need no slow hash.
    Sha256::digest(secret.as_bytes()).to_vec()
}
