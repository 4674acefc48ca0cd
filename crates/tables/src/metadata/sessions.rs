//! One-time sign-in tokens, and the sessions that they start.

use rusqlite::{OptionalExtension, Row, params};

use super::access_secrets::{CredentialId, hash, hex};
use super::error::MetadataError;
use super::{MetadataStore, now_us};

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// Lifetime of a sign-in link, which is opened soon after it is printed.
const SIGN_IN_LIFETIME_US: i64 = HOUR_US;
/// Maximum length of the description of a client in characters.
const MAX_CLIENT_LENGTH: usize = 200;

/// Kind of a signed-in client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// A browser with the page.
    Page,
    /// A command, for as long as it runs.
    Command,
}

impl SessionKind {
    /// Returns the lifetime of an unused session, and the maximum lifetime.
    fn lifetime_us(self) -> (i64, i64) {
        match self {
            SessionKind::Page => (30 * DAY_US, 90 * DAY_US),
            SessionKind::Command => (DAY_US, 7 * DAY_US),
        }
    }
}

/// A session in a list. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// ID of the session.
    pub id: i64,
    /// Description that the client sends; empty if unknown.
    pub client: String,
    /// Time of the sign-in.
    pub created_us: i64,
    /// Time of the last use, accurate to a minute.
    pub last_used_us: i64,
    /// Time at which the session ends if it is not used before.
    pub expires_us: i64,
}

impl MetadataStore {
    /// Creates a token that can sign in once, within an hour.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn create_sign_in(&self) -> Result<String, MetadataError> {
        let secret = hex(32);
        let connection = self.lock();
        connection.execute("DELETE FROM sign_ins WHERE expires_us <= ?1", [now_us()])?;
        connection.execute("INSERT INTO sign_ins VALUES (?1, ?2)", params![hash(&secret), now_us() + SIGN_IN_LIFETIME_US])?;
        Ok(secret)
    }

    /// Exchanges a sign-in token for a session of the page; `None` if it is used, expired or unknown.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn sign_in(&self, secret: &str, client: &str) -> Result<Option<String>, MetadataError> {
        let used = self.lock().execute("DELETE FROM sign_ins WHERE hash = ?1 AND expires_us > ?2", params![hash(secret), now_us()])?;
        if used == 1 { self.create_session(SessionKind::Page, client).map(Some) } else { Ok(None) }
    }

    /// Starts a session. Returns its secret.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn create_session(&self, kind: SessionKind, client: &str) -> Result<String, MetadataError> {
        let secret = hex(32);
        let now = now_us();
        let (idle_us, longest_us) = kind.lifetime_us();
        let client: String = client.chars().filter(|c| !c.is_control()).take(MAX_CLIENT_LENGTH).collect();
        let connection = self.lock();
        connection.execute("DELETE FROM sessions WHERE min(last_used_us + idle_us, ends_us) <= ?1", [now])?;
        connection.execute(
            "INSERT INTO sessions (hash, client, created_us, last_used_us, idle_us, ends_us) VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
            params![hash(&secret), client, now, idle_us, now + longest_us],
        )?;
        Ok(secret)
    }

    /// Returns the ID of a valid session. Using it extends the session up to its maximum lifetime.
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
            self.note_credential_use(CredentialId::Session(id), now);
        }
        Ok(id)
    }

    /// Returns the valid sessions in the order in which they started.
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

    /// Ends the session with this ID.
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

    /// Ends all sessions, and invalidates all unused sign-in links. Returns the number of sessions.
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
