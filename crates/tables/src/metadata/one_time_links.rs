//! One-time links: secrets that sign in, accept an invitation or reset a password. Only their hashes are stored.

use rusqlite::params;

use super::access_secrets::{hash, hex};
use super::accounts::{AccountKind, AccountState, OPERATOR_ACCOUNT, stored_by_name};
use super::error::MetadataError;
use super::sessions::{SessionKind, SessionOrigin, insert_session};
use super::{MetadataStore, now_us};

const HOUR_US: i64 = 3_600_000_000;

/// Purpose of a one-time link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Signs in.
    SignIn,
    /// Sets the first password of an invited account.
    Invitation,
    /// Sets a new password.
    Reset,
}

stored_by_name!(LinkPurpose { SignIn = "sign_in", Invitation = "invitation", Reset = "reset" });

impl LinkPurpose {
    /// Returns the lifetime of a link. A sign-in link is opened soon after it is printed, an invitation after a weekend.
    fn lifetime_us(self) -> i64 {
        match self {
            LinkPurpose::SignIn | LinkPurpose::Reset => HOUR_US,
            LinkPurpose::Invitation => 7 * 24 * HOUR_US,
        }
    }
}

impl MetadataStore {
    /// Creates a token that can sign in once as account 1, within an hour.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn create_sign_in(&self) -> Result<String, MetadataError> {
        self.create_link(OPERATOR_ACCOUNT, LinkPurpose::SignIn)
    }

    /// Creates the secret of a one-time link. A new invitation or reset link replaces the earlier ones of the account.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such account, or it is not in a state for such a link.
    pub fn create_link(&self, account: i64, purpose: LinkPurpose) -> Result<String, MetadataError> {
        let record = self.account(account)?;
        let state = if purpose == LinkPurpose::Invitation { AccountState::Invited } else { AccountState::Active };
        if record.kind == AccountKind::Service {
            return Err(MetadataError::Invalid(format!("account {account} belongs to a program, which cannot sign in")));
        }
        if record.state != state {
            return Err(MetadataError::Invalid(format!("account {account} is {}, and cannot use such a link", record.state.name())));
        }
        let secret = hex(32);
        let now = now_us();
        let connection = self.lock();
        connection.execute("DELETE FROM one_time_links WHERE expires_us <= ?1", [now])?;
        if purpose != LinkPurpose::SignIn {
            connection.execute("DELETE FROM one_time_links WHERE account_id = ?1 AND purpose = ?2", params![account, purpose])?;
        }
        connection.execute(
            "INSERT INTO one_time_links (hash, purpose, account_id, created_us, expires_us) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![hash(&secret), purpose, account, now, now + purpose.lifetime_us()],
        )?;
        Ok(secret)
    }

    /// Exchanges the secret of a sign-in link for a session of the page; `None` if it is used, expired or unknown, or its account is not
    /// active.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn sign_in(&self, secret: &str, origin: SessionOrigin<'_>) -> Result<Option<String>, MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let used = {
            let mut statement = transaction
                .prepare_cached("DELETE FROM one_time_links WHERE hash = ?1 AND purpose = ?2 AND expires_us > ?3 RETURNING account_id")?;
            let mut rows = statement.query(params![hash(secret), LinkPurpose::SignIn, now_us()])?;
            rows.next()?.map(|row| row.get::<_, i64>(0)).transpose()?
        };
        let Some(account) = used else { return Ok(None) };
        let sql = "UPDATE accounts SET last_sign_in_us = ?2 WHERE id = ?1 AND state = ?3";
        let is_active = transaction.execute(sql, params![account, now_us(), AccountState::Active])? == 1;
        let session = is_active.then(|| insert_session(&transaction, SessionKind::Page, account, origin)).transpose()?;
        transaction.commit()?;
        Ok(session)
    }
}
