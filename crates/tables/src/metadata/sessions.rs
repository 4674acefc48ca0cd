//! One-time sign-in tokens, and the sessions that they begin.

use rusqlite::{OptionalExtension, Row, params};

use super::access_secrets::{CredentialId, hash, hex};
use super::error::MetadataError;
use super::{MetadataStore, now_us};

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// A printed link is meant to be opened soon.
const SIGN_IN_US: i64 = HOUR_US;
/// Longest description of a client, in characters.
const LONGEST_CLIENT: usize = 200;

/// Who is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// A browser with the page.
    Page,
    /// A command, for as long as it works.
    Command,
}

impl SessionKind {
    /// How long a session lasts without being used, and how long at most.
    fn lifetime_us(self) -> (i64, i64) {
        match self {
            SessionKind::Page => (30 * DAY_US, 90 * DAY_US),
            SessionKind::Command => (DAY_US, 7 * DAY_US),
        }
    }
}

/// A session as it is listed. Times are in microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its number.
    pub id: i64,
    /// What the client calls itself; empty where that is not known.
    pub client: String,
    /// When it began.
    pub created_us: i64,
    /// When it was last used, to the minute or so.
    pub last_used_us: i64,
    /// When it ends, if it is not used before.
    pub expires_us: i64,
}

impl MetadataStore {
    /// Makes a token that signs in once, within an hour.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn create_sign_in(&self) -> Result<String, MetadataError> {
        let secret = hex(32);
        let connection = self.lock();
        connection.execute("DELETE FROM sign_ins WHERE expires_us <= ?1", [now_us()])?;
        connection.execute("INSERT INTO sign_ins VALUES (?1, ?2)", params![hash(&secret), now_us() + SIGN_IN_US])?;
        Ok(secret)
    }

    /// Turns a sign-in token into a session of the page; `None` if it was used, is too old, or never was.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn sign_in(&self, secret: &str, client: &str) -> Result<Option<String>, MetadataError> {
        let used = self.lock().execute("DELETE FROM sign_ins WHERE hash = ?1 AND expires_us > ?2", params![hash(secret), now_us()])?;
        if used == 1 { self.create_session(SessionKind::Page, client).map(Some) } else { Ok(None) }
    }

    /// Begins a session. Returns its secret.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn create_session(&self, kind: SessionKind, client: &str) -> Result<String, MetadataError> {
        let secret = hex(32);
        let now = now_us();
        let (idle_us, longest_us) = kind.lifetime_us();
        let client: String = client.chars().filter(|c| !c.is_control()).take(LONGEST_CLIENT).collect();
        let connection = self.lock();
        connection.execute("DELETE FROM sessions WHERE min(last_used_us + idle_us, ends_us) <= ?1", [now])?;
        connection.execute(
            "INSERT INTO sessions (hash, client, created_us, last_used_us, idle_us, ends_us) VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
            params![hash(&secret), client, now, idle_us, now + longest_us],
        )?;
        Ok(secret)
    }

    /// The number of a session that is in force. Its use prolongs it, up to its end.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn session(&self, secret: &str) -> Result<Option<i64>, MetadataError> {
        let now = now_us();
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("SELECT id FROM sessions WHERE hash = ?1 AND min(last_used_us + idle_us, ends_us) > ?2")?;
        let id: Option<i64> = statement.query_row(params![hash(secret), now], |row| row.get(0)).optional()?;
        if let Some(id) = id {
            self.use_credential(CredentialId::Session(id), now);
        }
        Ok(id)
    }

    /// The sessions in force, in the order in which they began.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionRecord>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, client, created_us, last_used_us, min(last_used_us + idle_us, ends_us) AS expires FROM sessions
             WHERE expires > ?1 ORDER BY id",
        )?;
        let read = |row: &Row| {
            Ok(SessionRecord {
                id: row.get(0)?,
                client: row.get(1)?,
                created_us: row.get(2)?,
                last_used_us: row.get(3)?,
                expires_us: row.get(4)?,
            })
        };
        Ok(statement.query_map([now_us()], read)?.collect::<Result<_, _>>()?)
    }

    /// Ends the session with this secret.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn sign_out(&self, secret: &str) -> Result<(), MetadataError> {
        self.lock().execute("DELETE FROM sessions WHERE hash = ?1", params![hash(secret)])?;
        Ok(())
    }

    /// Ends the session with this number.
    ///
    /// # Errors
    ///
    /// When there is no such session.
    pub fn revoke_session(&self, id: i64) -> Result<(), MetadataError> {
        match self.lock().execute("DELETE FROM sessions WHERE id = ?1", [id])? {
            0 => Err(MetadataError::NoSession(id)),
            _ => Ok(()),
        }
    }

    /// Ends all sessions, and makes all links useless that have not been opened. Returns the number of sessions.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn sign_out_all(&self) -> Result<usize, MetadataError> {
        let connection = self.lock();
        connection.execute("DELETE FROM sign_ins", [])?;
        Ok(connection.execute("DELETE FROM sessions", [])?)
    }
}
