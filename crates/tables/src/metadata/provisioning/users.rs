//! Users of SCIM.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::groups::groups_of;
use super::is_last_owner;
use crate::metadata::accounts::{
    AccountKind, AccountRecord, AccountState, OPERATOR_ACCOUNT, account_from_row, invalidate_links, normalize_email, read_account,
};
use crate::metadata::error::MetadataError;
use crate::metadata::{MetadataStore, now_us, projects};

/// An account, as an identity provider manages it. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedUser {
    /// The account.
    pub account: AccountRecord,
    /// Name by which the provider knows the person: the e-mail address, unless the provider has set another one.
    pub user_name: String,
    /// ID that the provider has given.
    pub external_id: Option<String>,
    /// Further attributes, as JSON of an object.
    pub attributes: String,
    /// Groups of the account: ID and name.
    pub groups: Vec<(i64, String)>,
    /// Time of creation.
    pub created_us: i64,
    /// Time of the last change by the provider, otherwise of the creation.
    pub modified_us: i64,
}

/// A user as a provider wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedUserDraft {
    /// Name by which the provider knows the person.
    pub user_name: String,
    /// E-mail address by which the person signs in.
    pub email: String,
    /// Name of the account.
    pub name: String,
    /// ID that the provider gives.
    pub external_id: Option<String>,
    /// Further attributes, as JSON of an object.
    pub attributes: String,
    /// False deactivates the account.
    pub is_active: bool,
}

/// Accounts that SCIM sees, with its own data of them.
const SELECT_USERS: &str = "
    SELECT accounts.*, scim_users.user_name AS scim_user_name, external_id, attributes, modified_us
    FROM accounts LEFT JOIN scim_users ON scim_users.account_id = accounts.id
    WHERE accounts.kind = 'person' AND accounts.email IS NOT NULL AND coalesce(scim_users.removed, 0) = 0";

impl MetadataStore {
    /// Returns all users in the order of their creation.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn provisioned_users(&self) -> Result<Vec<ProvisionedUser>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!("{SELECT_USERS} ORDER BY accounts.id"))?;
        let mut users: Vec<ProvisionedUser> = statement.query_map([], user_from_row)?.collect::<Result<_, _>>()?;
        for user in &mut users {
            user.groups = groups_of(&connection, user.account.id)?;
        }
        Ok(users)
    }

    /// Returns a user.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub fn provisioned_user(&self, id: i64) -> Result<ProvisionedUser, MetadataError> {
        read_user(&self.lock(), id)
    }

    /// Creates a user. A person whose account was deactivated by removing the user gets the same account again.
    ///
    /// # Errors
    ///
    /// When another user has the name or the e-mail address, or a value is invalid.
    pub fn create_provisioned_user(&self, draft: &ProvisionedUserDraft) -> Result<ProvisionedUser, MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let (email, name) = checked_identity(draft)?;
        check_user_name_is_free(&transaction, &draft.user_name, 0)?;
        let known = transaction.query_row("SELECT * FROM accounts WHERE email = ?1", [&email], account_from_row).optional()?;
        let id = match known {
            Some(account) if is_removed(&transaction, account.id)? => account.id,
            Some(_) => return Err(MetadataError::Taken(format!("email: another user has the address {email}"))),
            None => {
                transaction.execute(
                    "INSERT INTO accounts (kind, email, name, state, created_us) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![AccountKind::Person, email, name, AccountState::Invited, now_us()],
                )?;
                transaction.last_insert_rowid()
            }
        };
        write_user(&transaction, id, draft, &email, &name)?;
        let user = read_user(&transaction, id)?;
        transaction.commit()?;
        Ok(user)
    }

    /// Replaces the data of a user. If the user is no longer active, the account's sessions end, and its API tokens and links are revoked.
    ///
    /// # Errors
    ///
    /// When there is no such user, another one has the name or the address, or the account must stay active.
    pub fn replace_provisioned_user(&self, id: i64, draft: &ProvisionedUserDraft) -> Result<ProvisionedUser, MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        read_user(&transaction, id)?;
        let (email, name) = checked_identity(draft)?;
        check_user_name_is_free(&transaction, &draft.user_name, id)?;
        let other =
            transaction.query_row("SELECT id FROM accounts WHERE email = ?1 AND id != ?2", params![email, id], |row| row.get::<_, i64>(0));
        if other.optional()?.is_some() {
            return Err(MetadataError::Taken(format!("email: another user has the address {email}")));
        }
        write_user(&transaction, id, draft, &email, &name)?;
        let user = read_user(&transaction, id)?;
        transaction.commit()?;
        Ok(user)
    }

    /// Removes a user: deactivates the account, takes its groups, roles and password away, and hides it from the provider. A user with the same
    /// address that is created later begins without access.
    ///
    /// # Errors
    ///
    /// When there is no such user, or the account must stay active.
    pub fn remove_provisioned_user(&self, id: i64) -> Result<AccountRecord, MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let user = read_user(&transaction, id)?;
        set_state(&transaction, &user.account, false)?;
        for table in ["scim_group_members", "members"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE account_id = ?1"), [id])?;
        }
        transaction.execute("UPDATE accounts SET server_role = NULL, password = NULL WHERE id = ?1", [id])?;
        transaction.execute(
            "INSERT INTO scim_users (account_id, user_name, modified_us, removed) VALUES (?1, NULL, ?2, 1)
             ON CONFLICT DO UPDATE SET user_name = NULL, external_id = NULL, attributes = '{}', modified_us = excluded.modified_us, removed = 1",
            params![id, now_us()],
        )?;
        transaction.commit()?;
        Ok(user.account)
    }
}

fn user_from_row(row: &Row) -> rusqlite::Result<ProvisionedUser> {
    let account = account_from_row(row)?;
    let modified_us: Option<i64> = row.get("modified_us")?;
    Ok(ProvisionedUser {
        user_name: row.get::<_, Option<String>>("scim_user_name")?.or_else(|| account.email.clone()).unwrap_or_default(),
        external_id: row.get("external_id")?,
        attributes: row.get::<_, Option<String>>("attributes")?.unwrap_or_else(|| "{}".to_owned()),
        groups: Vec::new(),
        created_us: account.created_us,
        modified_us: modified_us.unwrap_or(account.created_us),
        account,
    })
}

fn read_user(connection: &Connection, id: i64) -> Result<ProvisionedUser, MetadataError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT_USERS} AND accounts.id = ?1"))?;
    let found = statement.query_row([id], user_from_row).optional()?;
    let mut user = found.ok_or(MetadataError::NoAccount(id))?;
    user.groups = groups_of(connection, id)?;
    Ok(user)
}

/// Returns the e-mail address and the name as they are stored.
fn checked_identity(draft: &ProvisionedUserDraft) -> Result<(String, String), MetadataError> {
    let email = normalize_email(&draft.email)?;
    let name = if draft.name.trim().is_empty() { email.as_str() } else { &draft.name };
    let name: String = name.chars().filter(|c| !c.is_control()).take(projects::MAX_NAME_LENGTH).collect();
    Ok((email, projects::checked_name(&name)?.to_owned()))
}

/// Checks that no other user has a name, or an e-mail address that is the same text. Upper and lower case are equal.
fn check_user_name_is_free(connection: &Connection, user_name: &str, own: i64) -> Result<(), MetadataError> {
    let key = user_name.trim().to_lowercase();
    if key.is_empty() {
        return Err(MetadataError::Invalid("userName: must not be empty".into()));
    }
    let mut statement = connection.prepare_cached(&format!("{SELECT_USERS} AND accounts.id != ?1"))?;
    let others = statement.query_map([own], user_from_row)?;
    for other in others {
        if other?.user_name.trim().to_lowercase() == key {
            return Err(MetadataError::Taken(format!("userName: another user has the name {user_name}")));
        }
    }
    Ok(())
}

fn is_removed(connection: &Connection, id: i64) -> Result<bool, MetadataError> {
    Ok(connection.prepare_cached("SELECT 1 FROM scim_users WHERE account_id = ?1 AND removed = 1")?.exists([id])?)
}

fn write_user(connection: &Connection, id: i64, draft: &ProvisionedUserDraft, email: &str, name: &str) -> Result<(), MetadataError> {
    let before = read_account(connection, id)?;
    connection.execute("UPDATE accounts SET email = ?2, name = ?3 WHERE id = ?1", params![id, email, name])?;
    if before.email.as_deref() != Some(email) {
        invalidate_links(connection, id)?;
    }
    connection.execute(
        "INSERT INTO scim_users (account_id, user_name, external_id, attributes, modified_us, removed) VALUES (?1, ?2, ?3, ?4, ?5, 0)
         ON CONFLICT DO UPDATE SET user_name = excluded.user_name, external_id = excluded.external_id, attributes = excluded.attributes,
             modified_us = excluded.modified_us, removed = 0",
        params![id, draft.user_name.trim(), draft.external_id, draft.attributes, now_us()],
    )?;
    set_state(connection, &before, draft.is_active)
}

/// Activates or deactivates an account. Account 1 and the last owner who can sign in stay active.
fn set_state(connection: &Connection, account: &AccountRecord, is_active: bool) -> Result<(), MetadataError> {
    let id = account.id;
    if is_active {
        // A person who has never signed in is invited again.
        let state = if account.last_sign_in_us.is_some() || account.has_password { AccountState::Active } else { AccountState::Invited };
        let sql = "UPDATE accounts SET state = ?2 WHERE id = ?1 AND state = ?3";
        connection.execute(sql, params![id, state, AccountState::Deactivated])?;
        return Ok(());
    }
    if id == OPERATOR_ACCOUNT || is_last_owner(connection, id)? {
        return Err(MetadataError::LastOwner(id));
    }
    connection.execute("UPDATE accounts SET state = ?2 WHERE id = ?1", params![id, AccountState::Deactivated])?;
    for table in ["sessions", "tokens", "one_time_links"] {
        connection.execute(&format!("DELETE FROM {table} WHERE account_id = ?1"), [id])?;
    }
    Ok(())
}
