//! Accounts of people and programs, their roles and their passwords.
//!
//! Account 1 belongs to whoever can read the data directory: `hinomi login` signs in as it, and it is always an active owner of the server.

mod members;
mod password_sign_in;
mod passwords;
mod roles;
mod sign_in_limiter;
#[cfg(test)]
mod tests;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::MetadataError;
use super::one_time_links::LinkPurpose;
use super::{MetadataStore, now_us, projects};
pub use members::MemberRecord;
pub(super) use members::{insert as insert_member, read_access};
pub(super) use password_sign_in::PasswordCheckState;
pub use password_sign_in::PasswordSignIn;
pub(super) use roles::stored_by_name;
pub use roles::{AccessGrant, AccountKind, AccountRole, AccountState};

/// ID of the account of whoever can read the data directory.
pub const OPERATOR_ACCOUNT: i64 = 1;

/// Maximum length of an e-mail address in bytes, that of an SMTP path.
const MAX_EMAIL_LENGTH: usize = 254;

/// An account. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// ID of the account, which is never reused.
    pub id: i64,
    /// Kind of the account.
    pub kind: AccountKind,
    /// E-mail address in lower case, by which a person signs in; `None` for programs, and for account 1 until it is set.
    pub email: Option<String>,
    /// Name of the account.
    pub name: String,
    /// State of the account.
    pub state: AccountState,
    /// Role on the server and in every project; `None` for an account that has roles in single projects only.
    pub server_role: Option<AccountRole>,
    /// True if the account can sign in with a password.
    pub has_password: bool,
    /// Time of creation.
    pub created_us: i64,
    /// Time of the last sign-in; `None` if there was none.
    pub last_sign_in_us: Option<i64>,
}

/// The account behind a session or token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountIdentity {
    /// ID of the account.
    pub id: i64,
    /// Name of the account.
    pub name: String,
    /// E-mail address of the account.
    pub email: Option<String>,
}

/// A new account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDraft {
    /// E-mail address of a person; `None` for a program.
    pub email: Option<String>,
    /// Name of the account; the e-mail address if it is empty.
    pub name: String,
    /// Role on the server.
    pub server_role: Option<AccountRole>,
    /// Role in one project, with the ID of the project.
    pub project_role: Option<(u64, AccountRole)>,
}

/// Changes of an account. `None` leaves a value unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountPatch {
    /// Name of the account.
    pub name: Option<String>,
    /// E-mail address of a person.
    pub email: Option<String>,
    /// Role on the server; `Some(None)` removes it.
    pub server_role: Option<Option<AccountRole>>,
    /// True deactivates the account, false activates it again.
    pub deactivated: Option<bool>,
}

impl MetadataStore {
    /// Creates the account of a person, who is invited, or of a program, which is active.
    ///
    /// # Errors
    ///
    /// When the e-mail address is invalid or taken, or there is no such project.
    pub fn create_account(&self, draft: &AccountDraft) -> Result<AccountRecord, MetadataError> {
        let email = draft.email.as_deref().map(normalize_email).transpose()?;
        let name = if draft.name.trim().is_empty() { email.as_deref().unwrap_or_default() } else { &draft.name };
        // An address may be longer than a name.
        let name: String = name.chars().take(projects::MAX_NAME_LENGTH).collect();
        let name = projects::checked_name(&name)?;
        let (kind, state) = match email {
            Some(_) => (AccountKind::Person, AccountState::Invited),
            None => (AccountKind::Service, AccountState::Active),
        };
        if let Some((project, _)) = draft.project_role {
            self.project(project)?;
        }
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        check_email_is_free(&transaction, email.as_deref(), 0)?;
        transaction.execute(
            "INSERT INTO accounts (kind, email, name, state, server_role, created_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![kind, email, name, state, draft.server_role, now_us()],
        )?;
        let id = transaction.last_insert_rowid();
        if let Some((project, role)) = draft.project_role {
            members::insert(&transaction, project, id, role)?;
        }
        let account = read_account(&transaction, id)?;
        transaction.commit()?;
        Ok(account)
    }

    /// Changes an account. Deactivating it ends its sessions and revokes its API tokens and one-time links. A new address or role makes the
    /// links invalid: whoever has one was meant to have the account as it was.
    ///
    /// # Errors
    ///
    /// When there is no such account, a value is invalid, or account 1 would lose its role or be deactivated.
    pub fn update_account(&self, id: i64, patch: &AccountPatch) -> Result<AccountRecord, MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let before = read_account(&transaction, id)?;
        let name = patch.name.as_deref().map_or(Ok(before.name.as_str()), projects::checked_name)?;
        let email = patch.email.as_deref().map(normalize_email).transpose()?.or_else(|| before.email.clone());
        if email.is_some() && before.kind == AccountKind::Service {
            return Err(MetadataError::Invalid("email: the account of a program has none".into()));
        }
        check_email_is_free(&transaction, email.as_deref(), id)?;
        let server_role = patch.server_role.unwrap_or(before.server_role);
        let state = match (patch.deactivated, before.state) {
            (Some(true), _) => AccountState::Deactivated,
            (Some(false), AccountState::Deactivated) => AccountState::Active,
            (_, state) => state,
        };
        if id == OPERATOR_ACCOUNT && (server_role != Some(AccountRole::Owner) || state != AccountState::Active) {
            return Err(MetadataError::Invalid(
                "account 1 belongs to whoever can read the data directory; it stays an active owner".into(),
            ));
        }
        transaction.execute(
            "UPDATE accounts SET name = ?2, email = ?3, server_role = ?4, state = ?5 WHERE id = ?1",
            params![id, name, email, server_role, state],
        )?;
        if email != before.email || server_role != before.server_role {
            invalidate_links(&transaction, id)?;
        }
        if state == AccountState::Deactivated {
            for table in ["sessions", "tokens", "one_time_links"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE account_id = ?1"), [id])?;
            }
        }
        let account = read_account(&transaction, id)?;
        transaction.commit()?;
        Ok(account)
    }

    /// Returns an account.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub fn account(&self, id: i64) -> Result<AccountRecord, MetadataError> {
        read_account(&self.lock(), id)
    }

    /// Returns the account with an e-mail address; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn account_by_email(&self, email: &str) -> Result<Option<AccountRecord>, MetadataError> {
        let connection = self.lock();
        let email = email.trim().to_lowercase();
        Ok(connection.query_row("SELECT * FROM accounts WHERE email = ?1", [email], account_from_row).optional()?)
    }

    /// Returns all accounts in the order of their creation.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn accounts(&self) -> Result<Vec<AccountRecord>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT * FROM accounts ORDER BY id")?;
        Ok(statement.query_map([], account_from_row)?.collect::<Result<_, _>>()?)
    }
}

/// Returns an e-mail address as it is stored and compared.
pub(in crate::metadata) fn normalize_email(email: &str) -> Result<String, MetadataError> {
    let email = email.trim().to_lowercase();
    let parts = email.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    let is_plain = email.len() <= MAX_EMAIL_LENGTH && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    match parts {
        Some(_) if is_plain => Ok(email),
        _ => Err(MetadataError::Invalid("email: must be an address such as ann@example.com".into())),
    }
}

fn check_email_is_free(connection: &Connection, email: Option<&str>, own: i64) -> Result<(), MetadataError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM accounts WHERE email = ?1 AND id != ?2")?;
    if statement.exists(params![email, own])? {
        return Err(MetadataError::Invalid("email: another account has this address".into()));
    }
    Ok(())
}

/// Deletes the links of an account, except those with which the operator signs in.
pub(in crate::metadata) fn invalidate_links(connection: &Connection, account: i64) -> Result<(), MetadataError> {
    let values = params![account, LinkPurpose::SignIn];
    connection.execute("DELETE FROM one_time_links WHERE account_id = ?1 AND purpose != ?2", values)?;
    Ok(())
}

pub(in crate::metadata) fn read_account(connection: &Connection, id: i64) -> Result<AccountRecord, MetadataError> {
    let mut statement = connection.prepare_cached("SELECT * FROM accounts WHERE id = ?1")?;
    statement.query_row([id], account_from_row).optional()?.ok_or(MetadataError::NoAccount(id))
}

pub(in crate::metadata) fn account_from_row(row: &Row) -> rusqlite::Result<AccountRecord> {
    Ok(AccountRecord {
        id: row.get("id")?,
        kind: row.get("kind")?,
        email: row.get("email")?,
        name: row.get("name")?,
        state: row.get("state")?,
        server_role: row.get("server_role")?,
        has_password: row.get::<_, Option<String>>("password")?.is_some(),
        created_us: row.get("created_us")?,
        last_sign_in_us: row.get("last_sign_in_us")?,
    })
}
