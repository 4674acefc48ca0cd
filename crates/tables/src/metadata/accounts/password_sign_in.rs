//! Signing in with e-mail address and password, and setting passwords.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, params};

use super::passwords::{check_new_password, hash_password, verify_password};
use super::sign_in_limiter::SignInLimiter;
use super::{AccountRecord, AccountState, MAX_EMAIL_LENGTH, read_account};
use crate::metadata::access_secrets::hash;
use crate::metadata::error::MetadataError;
use crate::metadata::one_time_links::LinkPurpose;
use crate::metadata::sessions::{SessionKind, SessionOrigin, insert_session};
use crate::metadata::{MetadataStore, now_us};

/// Passwords that are checked at the same time. Each check takes about 19 MB of memory.
const MAX_CONCURRENT_CHECKS: usize = 4;
/// Time after which a client retries if too many passwords are being checked.
const BUSY_DELAY: Duration = Duration::from_secs(1);

/// Attempts to sign in, and password checks in progress.
#[derive(Debug, Default)]
pub(in crate::metadata) struct PasswordCheckState {
    limiter: Mutex<SignInLimiter>,
    in_progress: AtomicUsize,
}

/// Result of signing in with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSignIn {
    /// The secret of the new session.
    SignedIn(String),
    /// The e-mail address or the password is wrong, or the account cannot be used.
    Rejected,
    /// There were too many attempts; the next one is allowed after this time.
    RetryAfter(Duration),
}

/// A password check in progress.
struct PasswordCheckPermit<'a>(&'a AtomicUsize);

impl PasswordCheckPermit<'_> {
    fn acquire(in_progress: &AtomicUsize) -> Option<PasswordCheckPermit<'_>> {
        let permit = PasswordCheckPermit(in_progress);
        (in_progress.fetch_add(1, Ordering::AcqRel) < MAX_CONCURRENT_CHECKS).then_some(permit)
    }
}

impl Drop for PasswordCheckPermit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl MetadataStore {
    /// Signs in with e-mail address and password. The response does not show whether the account exists.
    ///
    /// # Errors
    ///
    /// When the database cannot be read or written.
    pub fn sign_in_with_password(&self, email: &str, password: &str, origin: SessionOrigin<'_>) -> Result<PasswordSignIn, MetadataError> {
        // No account has such an address, and what is not remembered takes no memory.
        if email.len() > MAX_EMAIL_LENGTH {
            return Ok(PasswordSignIn::Rejected);
        }
        let email = email.trim().to_lowercase();
        let found = {
            let connection = self.lock();
            let mut statement =
                connection.prepare_cached("SELECT id, password FROM accounts WHERE email = ?1 AND state = ?2 AND password IS NOT NULL")?;
            let read = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
            statement.query_row(params![email, AccountState::Active], read).optional()?
        };
        // Without the lock: other requests need the database during the check.
        if let Err(wait) = self.check_password(&email, password, found.as_ref().map(|(_, hash)| hash.as_str()), origin)? {
            return Ok(wait);
        }
        let Some((account, verified)) = found else { return Ok(PasswordSignIn::Rejected) };
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        // The account may have been deactivated, or its password changed, since.
        let sql = "UPDATE accounts SET last_sign_in_us = ?3 WHERE id = ?1 AND password = ?2 AND state = ?4";
        if transaction.execute(sql, params![account, verified, now_us(), AccountState::Active])? == 0 {
            return Ok(PasswordSignIn::Rejected);
        }
        let secret = insert_session(&transaction, SessionKind::Page, account, origin)?;
        transaction.commit()?;
        Ok(PasswordSignIn::SignedIn(secret))
    }

    /// Changes the password of an account that is signed in, and ends its other sessions. `session` is the ID of the session that stays.
    ///
    /// # Errors
    ///
    /// When there is no such account, or the new password is too short or too long.
    pub fn change_password(
        &self,
        account: i64,
        current: &str,
        new: &str,
        session: i64,
        origin: SessionOrigin<'_>,
    ) -> Result<PasswordSignIn, MetadataError> {
        let (email, known) = {
            let connection = self.lock();
            let record = read_account(&connection, account)?;
            let known: Option<String> = connection.query_row("SELECT password FROM accounts WHERE id = ?1", [account], |row| row.get(0))?;
            (record.email, known)
        };
        let Some(email) = email else {
            return Err(MetadataError::Invalid("password: the account needs an e-mail address first".into()));
        };
        check_new_password(new, Some(&email))?;
        // An account without a password was invited or signed in with a link, and sets its first one.
        if known.is_some()
            && let Err(wait) = self.check_password(&email, current, known.as_deref(), origin)?
        {
            return Ok(wait);
        }
        let hashed = hash_password(new)?;
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let sql = "UPDATE accounts SET password = ?3 WHERE id = ?1 AND password IS ?2";
        if transaction.execute(sql, params![account, known, hashed])? == 0 {
            return Ok(PasswordSignIn::Rejected);
        }
        transaction.execute("DELETE FROM sessions WHERE account_id = ?1 AND id != ?2", params![account, session])?;
        transaction.execute("DELETE FROM one_time_links WHERE account_id = ?1", [account])?;
        transaction.commit()?;
        Ok(PasswordSignIn::SignedIn(String::new()))
    }

    /// Sets a password with an invitation or reset link, which it uses up, and signs in. Activates an invited account. Ends the other
    /// sessions and invalidates the other links of the account. Returns the account and the secret of the session; `None` if the link is
    /// used, expired or unknown.
    ///
    /// # Errors
    ///
    /// When the new password is too short or too long; the link can be used again.
    pub fn set_password_with_link(
        &self,
        link: &str,
        password: &str,
        origin: SessionOrigin<'_>,
    ) -> Result<Option<(AccountRecord, String)>, MetadataError> {
        let find = "SELECT account_id FROM one_time_links WHERE hash = ?1 AND purpose IN (?2, ?3) AND expires_us > ?4";
        let values = params![hash(link), LinkPurpose::Invitation, LinkPurpose::Reset, now_us()];
        let found: Option<i64> = self.lock().query_row(find, values, |row| row.get(0)).optional()?;
        let Some(id) = found else { return Ok(None) };
        check_new_password(password, self.account(id)?.email.as_deref())?;
        let hashed = hash_password(password)?;
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        if transaction.execute("DELETE FROM one_time_links WHERE hash = ?1", [hash(link)])? == 0 {
            return Ok(None);
        }
        let sql = "UPDATE accounts SET password = ?2, state = ?3, last_sign_in_us = ?4 WHERE id = ?1 AND state != ?5";
        let values = params![id, hashed, AccountState::Active, now_us(), AccountState::Deactivated];
        if transaction.execute(sql, values)? == 0 {
            return Ok(None);
        }
        transaction.execute("DELETE FROM sessions WHERE account_id = ?1", [id])?;
        transaction.execute("DELETE FROM one_time_links WHERE account_id = ?1", [id])?;
        let secret = insert_session(&transaction, SessionKind::Page, id, origin)?;
        let account = read_account(&transaction, id)?;
        transaction.commit()?;
        if let Some(email) = &account.email {
            self.password_checks.limiter.lock().unwrap_or_else(PoisonError::into_inner).record_success(email, None);
        }
        Ok(Some((account, secret)))
    }

    /// Compares a password with its hash, counted and limited. Without a hash the password is wrong.
    fn check_password(
        &self,
        email: &str,
        password: &str,
        hash: Option<&str>,
        origin: SessionOrigin<'_>,
    ) -> Result<Result<(), PasswordSignIn>, MetadataError> {
        let limiter = || self.password_checks.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(_permit) = PasswordCheckPermit::acquire(&self.password_checks.in_progress) else {
            return Ok(Err(PasswordSignIn::RetryAfter(BUSY_DELAY)));
        };
        if let Err(wait) = limiter().begin_attempt(email, origin.address, Instant::now()) {
            return Ok(Err(PasswordSignIn::RetryAfter(wait)));
        }
        if !verify_password(password, hash) {
            return Ok(Err(PasswordSignIn::Rejected));
        }
        limiter().record_success(email, origin.address);
        Ok(Ok(()))
    }
}
