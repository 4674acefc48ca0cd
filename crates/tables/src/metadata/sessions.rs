//! Sessions of signed-in clients.

use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::access_secrets::{CredentialId, hash, hex};
use super::accounts::{AccessGrant, AccountIdentity, AccountState, OPERATOR_ACCOUNT, read_access};
use super::error::MetadataError;
use super::{MetadataStore, now_us};

const DAY_US: i64 = 24 * 3_600_000_000;
/// Maximum length of the description of a client in characters.
const MAX_CLIENT_LENGTH: usize = 200;

/// Kind of a signed-in client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionKind {
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

/// Where a session starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionOrigin<'a> {
    /// Description that the client sends; empty if unknown.
    pub client: &'a str,
    /// Address from which the client connects.
    pub address: Option<IpAddr>,
}

impl SessionOrigin<'_> {
    /// Returns client and address as they are stored.
    pub(super) fn stored(&self) -> (String, String) {
        let client = self.client.chars().filter(|c| !c.is_control()).take(MAX_CLIENT_LENGTH).collect();
        (client, self.address.map_or_else(String::new, |address| address.to_canonical().to_string()))
    }
}

/// A session in a list. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// ID of the session.
    pub id: i64,
    /// The account that is signed in.
    pub account: AccountIdentity,
    /// Description that the client sends; empty if unknown.
    pub client: String,
    /// Address from which the client signed in; empty if unknown.
    pub address: String,
    /// Time of the sign-in.
    pub created_us: i64,
    /// Time of the last use, accurate to a minute.
    pub last_used_us: i64,
    /// Time at which the session ends if it is not used before.
    pub expires_us: i64,
}

/// A valid session, and what its account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionAccess {
    /// ID of the session.
    pub session: i64,
    /// The account that is signed in.
    pub account: AccountIdentity,
    /// Roles of the account.
    pub access: AccessGrant,
}

impl MetadataStore {
    /// Starts a session of a command, as account 1. Returns its secret.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn create_command_session(&self, client: &str) -> Result<String, MetadataError> {
        insert_session(&self.lock(), SessionKind::Command, OPERATOR_ACCOUNT, SessionOrigin { client, address: None })
    }

    /// Returns a valid session of an active account. Each use of a session extends it, up to its maximum lifetime. A session of an identity
    /// provider is also limited by its renewal: see [`is_renewal_due`](MetadataStore::is_renewal_due).
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn session(&self, secret: &str) -> Result<Option<SessionAccess>, MetadataError> {
        let now = now_us();
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT sessions.id, accounts.id, accounts.name, accounts.email, accounts.server_role
             FROM sessions JOIN accounts ON accounts.id = sessions.account_id
             WHERE hash = ?1 AND min(last_used_us + idle_us, ends_us) > ?2 AND coalesce(renew_us, ends_us) > ?2 AND accounts.state = ?3",
        )?;
        let read = |row: &Row| Ok((row.get::<_, i64>(0)?, read_identity(row, 1)?, row.get(4)?));
        let found = statement.query_row(params![hash(secret), now, AccountState::Active], read).optional()?;
        let Some((session, account, server_role)) = found else { return Ok(None) };
        self.note_credential_use(CredentialId::Session(session), now);
        let access = read_access(&connection, account.id, server_role)?;
        Ok(Some(SessionAccess { session, account, access }))
    }

    /// Returns what the account of a session may do now; `None` if the session has ended. Unlike [`session`](MetadataStore::session), this is
    /// not a use that extends the session.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn session_access(&self, id: i64) -> Result<Option<AccessGrant>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT accounts.id, accounts.server_role FROM sessions JOIN accounts ON accounts.id = sessions.account_id
             WHERE sessions.id = ?1 AND min(last_used_us + idle_us, ends_us) > ?2 AND accounts.state = ?3",
        )?;
        let read = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get(1)?));
        let found = statement.query_row(params![id, now_us(), AccountState::Active], read).optional()?;
        found.map(|(account, server_role)| read_access(&connection, account, server_role)).transpose()
    }

    /// Returns the valid sessions in the order in which they started.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionRecord>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT accounts.id, accounts.name, accounts.email, sessions.id, client, address, sessions.created_us, last_used_us,
                 min(last_used_us + idle_us, ends_us, coalesce(renew_us, ends_us)) AS expires
             FROM sessions JOIN accounts ON accounts.id = sessions.account_id WHERE expires > ?1 ORDER BY sessions.id",
        )?;
        let read = |row: &Row| {
            Ok(SessionRecord {
                account: read_identity(row, 0)?,
                id: row.get(3)?,
                client: row.get(4)?,
                address: row.get(5)?,
                created_us: row.get(6)?,
                last_used_us: row.get(7)?,
                expires_us: row.get(8)?,
            })
        };
        Ok(statement.query_map([now_us()], read)?.collect::<Result<_, _>>()?)
    }

    /// Ends the session with this secret.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn sign_out(&self, secret: &str) -> Result<(), MetadataError> {
        self.lock().execute("DELETE FROM sessions WHERE hash = ?1", params![hash(secret)])?;
        Ok(())
    }

    /// Ends the session with this ID, if it belongs to `account`, or if `account` is `None`.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such session.
    pub fn revoke_session(&self, id: i64, account: Option<i64>) -> Result<(), MetadataError> {
        let sql = "DELETE FROM sessions WHERE id = ?1 AND (?2 IS NULL OR account_id = ?2)";
        match self.lock().execute(sql, params![id, account])? {
            0 => Err(MetadataError::NoSession(id)),
            _ => Ok(()),
        }
    }

    /// Ends the session with this ID, if it exists.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn end_session(&self, id: i64) -> Result<(), MetadataError> {
        self.lock().execute("DELETE FROM sessions WHERE id = ?1", [id])?;
        Ok(())
    }

    /// Ends all sessions, and invalidates all unused one-time links. Returns the number of sessions.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn sign_out_all(&self) -> Result<usize, MetadataError> {
        let connection = self.lock();
        connection.execute("DELETE FROM one_time_links", [])?;
        Ok(connection.execute("DELETE FROM sessions", [])?)
    }
}

/// Starts a session. Returns its secret.
pub(super) fn insert_session(
    connection: &Connection,
    kind: SessionKind,
    account: i64,
    origin: SessionOrigin<'_>,
) -> Result<String, MetadataError> {
    let secret = hex(32);
    let now = now_us();
    let (idle_us, longest_us) = kind.lifetime_us();
    let (client, address) = origin.stored();
    connection.execute("DELETE FROM sessions WHERE min(last_used_us + idle_us, ends_us) <= ?1", [now])?;
    connection.execute(
        "INSERT INTO sessions (hash, account_id, client, address, created_us, last_used_us, idle_us, ends_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7)",
        params![hash(&secret), account, client, address, now, idle_us, now + longest_us],
    )?;
    Ok(secret)
}

/// Reads ID, name and e-mail address of an account from this column on.
pub(super) fn read_identity(row: &Row, first: usize) -> rusqlite::Result<AccountIdentity> {
    Ok(AccountIdentity { id: row.get(first)?, name: row.get(first + 1)?, email: row.get(first + 2)? })
}
