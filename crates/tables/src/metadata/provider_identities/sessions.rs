//! Sessions that began with an identity of a provider.

use rusqlite::{OptionalExtension, Row, params};

use super::super::access_secrets::{CredentialId, hash};
use super::super::accounts::{AccountState, read_access};
use super::super::sessions::{SessionAccess, SessionOrigin, read_identity};
use crate::metadata::error::MetadataError;
use crate::metadata::{MetadataStore, now_us};

/// The identity behind a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSession {
    /// Issuer of the identity.
    pub issuer: String,
    /// Identifier of the person at the issuer.
    pub subject: String,
    /// Identifier of the session at the provider; `None` if it states none.
    pub provider_session: Option<String>,
    /// E-mail address of the account.
    pub email: Option<String>,
}

impl MetadataStore {
    /// Returns whether a session has not ended, but is only valid again after another sign-in at its provider.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn is_renewal_due(&self, secret: &str) -> Result<bool, MetadataError> {
        let now = now_us();
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT 1 FROM sessions JOIN accounts ON accounts.id = sessions.account_id
             WHERE hash = ?1 AND renew_us <= ?2 AND min(last_used_us + idle_us, ends_us) > ?2 AND accounts.state = ?3",
        )?;
        Ok(statement.exists(params![hash(secret), now, AccountState::Active])?)
    }

    /// Returns the identity behind a session; `None` if the session began in another way.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn provider_session(&self, session: i64) -> Result<Option<ProviderSession>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT issuer, subject, provider_session, email FROM sessions JOIN accounts ON accounts.id = sessions.account_id
             WHERE sessions.id = ?1 AND issuer IS NOT NULL",
        )?;
        let read = |row: &Row| {
            Ok(ProviderSession { issuer: row.get(0)?, subject: row.get(1)?, provider_session: row.get(2)?, email: row.get(3)? })
        };
        Ok(statement.query_row([session], read).optional()?)
    }

    /// Returns the valid session of an identity that began from the same client, for identities that each request states.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn session_of_identity(
        &self,
        issuer: &str,
        subject: &str,
        origin: SessionOrigin<'_>,
    ) -> Result<Option<SessionAccess>, MetadataError> {
        let now = now_us();
        let (client, address) = origin.stored();
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT sessions.id, accounts.id, accounts.name, accounts.email, accounts.server_role
             FROM sessions JOIN accounts ON accounts.id = sessions.account_id
             WHERE issuer = ?1 AND subject = ?2 AND client = ?3 AND address = ?4 AND renew_us > ?5
               AND min(last_used_us + idle_us, ends_us) > ?5 AND accounts.state = ?6",
        )?;
        let read = |row: &Row| Ok((row.get::<_, i64>(0)?, read_identity(row, 1)?, row.get(4)?));
        let found = statement.query_row(params![issuer, subject, client, address, now, AccountState::Active], read).optional()?;
        let Some((session, account, server_role)) = found else { return Ok(None) };
        self.note_credential_use(CredentialId::Session(session), now);
        let access = read_access(&connection, account.id, server_role)?;
        Ok(Some(SessionAccess { session, account, access }))
    }

    /// Ends the sessions of an identity, or those that belong to one session at the provider. Returns the IDs of their accounts, each once.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn end_provider_sessions(
        &self,
        issuer: &str,
        subject: Option<&str>,
        provider_session: Option<&str>,
    ) -> Result<Vec<i64>, MetadataError> {
        if subject.is_none() && provider_session.is_none() {
            return Ok(Vec::new());
        }
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "DELETE FROM sessions WHERE issuer = ?1 AND (?2 IS NULL OR subject = ?2) AND (?3 IS NULL OR provider_session = ?3)
             RETURNING account_id",
        )?;
        let mut accounts =
            statement.query_map(params![issuer, subject, provider_session], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        accounts.sort_unstable();
        accounts.dedup();
        Ok(accounts)
    }
}
