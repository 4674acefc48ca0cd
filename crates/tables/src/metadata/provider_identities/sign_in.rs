//! Signing in with an identity: finding or creating its account, its roles, and its session.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{IdentityRejection, ProviderIdentity, ProviderRoles};
use crate::metadata::access_secrets::hash;
use crate::metadata::accounts::{
    AccessGrant, AccountKind, AccountRecord, AccountState, OPERATOR_ACCOUNT, account_from_row, insert_member, invalidate_links,
    normalize_email, read_access, read_account,
};
use crate::metadata::error::MetadataError;
use crate::metadata::sessions::{SessionKind, SessionOrigin, insert_session};
use crate::metadata::{MetadataStore, now_us, projects};

/// The session that a sign-in starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderSessionDraft {
    /// Identifier of the session at the provider; `None` if it states none.
    pub provider_session: Option<String>,
    /// Time in microseconds since the Unix epoch until which the session is valid without another sign-in.
    pub renew_us: i64,
    /// Secret of the session that the new one replaces.
    pub replaced: Option<String>,
}

/// A successful sign-in with an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSignIn {
    /// The account.
    pub account: AccountRecord,
    /// Secret of the new session.
    pub secret: String,
    /// True if the account was created by this sign-in.
    pub is_new: bool,
    /// True if the sign-in changed the roles of an existing account.
    pub has_new_roles: bool,
    /// True if the session replaced one of the same account.
    pub is_renewal: bool,
}

impl MetadataStore {
    /// Signs in with an identity that its provider has confirmed. Links it to the account with its e-mail address at the first sign-in, or
    /// creates an account if `creates_account` is true. Activates an invited account.
    ///
    /// If the provider gives no role any more, the account loses its roles and its sessions.
    ///
    /// # Errors
    ///
    /// When the e-mail address is not valid, or the database cannot be written.
    pub fn sign_in_with_identity(
        &self,
        identity: &ProviderIdentity,
        creates_account: bool,
        roles: &ProviderRoles,
        session: &ProviderSessionDraft,
        origin: SessionOrigin<'_>,
    ) -> Result<Result<ProviderSignIn, IdentityRejection>, MetadataError> {
        let email = normalize_email(&identity.email)?;
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let found = match find_account(&transaction, identity, &email)? {
            Ok(found) => found,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let is_new = found.is_none();
        let has_no_role = matches!(roles, ProviderRoles::Exactly(grant) if grant.highest_role().is_none());
        let account = match found {
            Some(account) if account.state == AccountState::Deactivated => return Ok(Err(IdentityRejection::Deactivated(account.id))),
            Some(account) => account,
            None if !creates_account => return Ok(Err(IdentityRejection::NotInvited)),
            None if has_no_role => return Ok(Err(IdentityRejection::NoRole)),
            None => create_account(&transaction, identity, &email, roles)?,
        };
        let has_new_roles = match roles {
            ProviderRoles::Exactly(grant) if !is_new => replace_roles(&transaction, &account, grant)?,
            _ => false,
        };
        if has_no_role && account.id != OPERATOR_ACCOUNT {
            transaction.execute("DELETE FROM sessions WHERE account_id = ?1", [account.id])?;
            transaction.commit()?;
            return Ok(Err(IdentityRejection::NoRole));
        }
        if account.state == AccountState::Invited {
            // Nobody may set a password for it any more.
            invalidate_links(&transaction, account.id)?;
        }
        let now = now_us();
        link(&transaction, identity, &email, account.id, now)?;
        transaction.execute(
            "UPDATE accounts SET state = ?2, last_sign_in_us = ?3 WHERE id = ?1",
            params![account.id, AccountState::Active, now],
        )?;
        let is_renewal = end_replaced(&transaction, session.replaced.as_deref(), account.id)?;
        let secret = insert_session(&transaction, SessionKind::Page, account.id, origin)?;
        transaction.execute(
            "UPDATE sessions SET issuer = ?2, subject = ?3, provider_session = ?4, renew_us = ?5 WHERE hash = ?1",
            params![hash(&secret), identity.issuer, identity.subject, session.provider_session, session.renew_us],
        )?;
        let account = read_account(&transaction, account.id)?;
        transaction.commit()?;
        Ok(Ok(ProviderSignIn { account, secret, is_new, has_new_roles, is_renewal }))
    }
}

/// Finds the account of an identity: the one that it is linked to, or the one with its e-mail address that no other identity of the issuer
/// is linked to.
fn find_account(
    connection: &Connection,
    identity: &ProviderIdentity,
    email: &str,
) -> Result<Result<Option<AccountRecord>, IdentityRejection>, MetadataError> {
    let linked: Option<i64> = connection
        .prepare_cached("SELECT account_id FROM provider_identities WHERE issuer = ?1 AND subject = ?2")?
        .query_row(params![identity.issuer, identity.subject], |row| row.get(0))
        .optional()?;
    if let Some(account) = linked {
        return Ok(Ok(Some(read_account(connection, account)?)));
    }
    let known = connection
        .prepare_cached("SELECT * FROM accounts WHERE email = ?1 AND kind = ?2")?
        .query_row(params![email, AccountKind::Person], account_from_row)
        .optional()?;
    let Some(account) = known else { return Ok(Ok(None)) };
    let has_other = connection
        .prepare_cached("SELECT 1 FROM provider_identities WHERE issuer = ?1 AND account_id = ?2")?
        .exists(params![identity.issuer, account.id])?;
    Ok(if has_other { Err(IdentityRejection::LinkedToAnother(account.id)) } else { Ok(Some(account)) })
}

fn create_account(
    transaction: &Transaction<'_>,
    identity: &ProviderIdentity,
    email: &str,
    roles: &ProviderRoles,
) -> Result<AccountRecord, MetadataError> {
    let (ProviderRoles::OfNewAccount(grant) | ProviderRoles::Exactly(grant)) = roles;
    let name = if identity.name.trim().is_empty() { email } else { &identity.name };
    let name: String = name.chars().filter(|c| !c.is_control()).take(projects::MAX_NAME_LENGTH).collect();
    let name = projects::checked_name(&name)?;
    transaction.execute(
        "INSERT INTO accounts (kind, email, name, state, server_role, created_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![AccountKind::Person, email, name, AccountState::Active, grant.server, now_us()],
    )?;
    let account = read_account(transaction, transaction.last_insert_rowid())?;
    insert_memberships(transaction, account.id, grant)?;
    Ok(account)
}

/// Gives an account exactly these roles. Returns whether that changed something. Account 1 keeps its role: it stays the owner.
fn replace_roles(transaction: &Transaction<'_>, account: &AccountRecord, grant: &AccessGrant) -> Result<bool, MetadataError> {
    if account.id == OPERATOR_ACCOUNT {
        return Ok(false);
    }
    let before = read_access(transaction, account.id, account.server_role)?;
    transaction.execute("UPDATE accounts SET server_role = ?2 WHERE id = ?1", params![account.id, grant.server])?;
    transaction.execute("DELETE FROM members WHERE account_id = ?1", [account.id])?;
    insert_memberships(transaction, account.id, grant)?;
    let has_changed = read_access(transaction, account.id, grant.server)? != before;
    if has_changed {
        invalidate_links(transaction, account.id)?;
    }
    Ok(has_changed)
}

/// Inserts the roles in projects that exist: a role in a project that is created later would be a surprise.
fn insert_memberships(connection: &Connection, account: i64, grant: &AccessGrant) -> Result<(), MetadataError> {
    for (project, role) in &grant.projects {
        if connection.prepare_cached("SELECT 1 FROM projects WHERE id = ?1")?.exists([project])? {
            insert_member(connection, *project, account, *role)?;
        }
    }
    Ok(())
}

fn link(connection: &Connection, identity: &ProviderIdentity, email: &str, account: i64, now: i64) -> Result<(), MetadataError> {
    connection.execute(
        "INSERT INTO provider_identities (issuer, subject, account_id, email, created_us, last_sign_in_us) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
         ON CONFLICT DO UPDATE SET email = excluded.email, last_sign_in_us = excluded.last_sign_in_us",
        params![identity.issuer, identity.subject, account, email, now],
    )?;
    Ok(())
}

/// Ends the session that a new one replaces. Returns whether it was one of the same account.
fn end_replaced(connection: &Connection, secret: Option<&str>, account: i64) -> Result<bool, MetadataError> {
    let Some(secret) = secret else { return Ok(false) };
    let owner: Option<i64> = connection
        .query_row("DELETE FROM sessions WHERE hash = ?1 RETURNING account_id", params![hash(secret)], |row| row.get(0))
        .optional()?;
    Ok(owner == Some(account))
}
