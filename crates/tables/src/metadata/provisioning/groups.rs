//! Groups of SCIM.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::metadata::accounts::normalize_email;
use crate::metadata::error::MetadataError;
use crate::metadata::{MetadataStore, now_us};

/// Maximum length of the name of a group in characters.
const MAX_GROUP_NAME_LENGTH: usize = 256;

/// A group of accounts. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedGroup {
    /// ID of the group, which is never reused.
    pub id: i64,
    /// Name of the group, by which the configuration gives it roles.
    pub name: String,
    /// ID that the provider has given.
    pub external_id: Option<String>,
    /// Members of the group: ID and name of their accounts.
    pub members: Vec<(i64, String)>,
    /// Time of creation.
    pub created_us: i64,
    /// Time of the last change.
    pub modified_us: i64,
}

/// A group as a provider wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedGroupDraft {
    /// Name of the group.
    pub name: String,
    /// ID that the provider gives.
    pub external_id: Option<String>,
    /// IDs of the accounts in the group.
    pub members: BTreeSet<i64>,
}

impl MetadataStore {
    /// Returns the names of the groups that the account with this e-mail address belongs to.
    ///
    /// # Errors
    ///
    /// Returns an error if the address is not valid, or the database cannot be read.
    pub fn group_names_by_email(&self, email: &str) -> Result<Vec<String>, MetadataError> {
        let email = normalize_email(email)?;
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT scim_groups.name FROM scim_group_members JOIN scim_groups ON scim_groups.id = group_id
             JOIN accounts ON accounts.id = account_id WHERE accounts.email = ?1 ORDER BY scim_groups.id",
        )?;
        Ok(select.query_map([email], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Returns all groups in the order of their creation.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn provisioned_groups(&self) -> Result<Vec<ProvisionedGroup>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT * FROM scim_groups ORDER BY id")?;
        let mut groups: Vec<ProvisionedGroup> = statement.query_map([], group_from_row)?.collect::<Result<_, _>>()?;
        for group in &mut groups {
            group.members = members_of(&connection, group.id)?;
        }
        Ok(groups)
    }

    /// Returns a group.
    ///
    /// # Errors
    ///
    /// When there is no such group.
    pub fn provisioned_group(&self, id: i64) -> Result<ProvisionedGroup, MetadataError> {
        read_group(&self.lock(), id)
    }

    /// Creates a group.
    ///
    /// # Errors
    ///
    /// When another group has the name, a value is invalid, or a member is not a user.
    pub fn create_provisioned_group(&self, draft: &ProvisionedGroupDraft) -> Result<ProvisionedGroup, MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let name = checked_group_name(&transaction, &draft.name, 0)?;
        transaction.execute(
            "INSERT INTO scim_groups (name, external_id, created_us, modified_us) VALUES (?1, ?2, ?3, ?3)",
            params![name, draft.external_id, now_us()],
        )?;
        let id = transaction.last_insert_rowid();
        set_members(&transaction, id, &draft.members)?;
        let group = read_group(&transaction, id)?;
        transaction.commit()?;
        Ok(group)
    }

    /// Replaces the data and the members of a group. Returns the group before and after the change.
    ///
    /// # Errors
    ///
    /// When there is no such group, another one has the name, or a member is not a user.
    pub fn replace_provisioned_group(
        &self,
        id: i64,
        draft: &ProvisionedGroupDraft,
    ) -> Result<(ProvisionedGroup, ProvisionedGroup), MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let before = read_group(&transaction, id)?;
        let name = checked_group_name(&transaction, &draft.name, id)?;
        transaction.execute(
            "UPDATE scim_groups SET name = ?2, external_id = ?3, modified_us = ?4 WHERE id = ?1",
            params![id, name, draft.external_id, now_us()],
        )?;
        set_members(&transaction, id, &draft.members)?;
        let after = read_group(&transaction, id)?;
        transaction.commit()?;
        Ok((before, after))
    }

    /// Deletes a group. Returns it as it was.
    ///
    /// # Errors
    ///
    /// When there is no such group.
    pub fn delete_provisioned_group(&self, id: i64) -> Result<ProvisionedGroup, MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let group = read_group(&transaction, id)?;
        transaction.execute("DELETE FROM scim_group_members WHERE group_id = ?1", [id])?;
        transaction.execute("DELETE FROM scim_groups WHERE id = ?1", [id])?;
        transaction.commit()?;
        Ok(group)
    }
}

fn group_from_row(row: &Row) -> rusqlite::Result<ProvisionedGroup> {
    Ok(ProvisionedGroup {
        id: row.get("id")?,
        name: row.get("name")?,
        external_id: row.get("external_id")?,
        members: Vec::new(),
        created_us: row.get("created_us")?,
        modified_us: row.get("modified_us")?,
    })
}

fn read_group(connection: &Connection, id: i64) -> Result<ProvisionedGroup, MetadataError> {
    let mut statement = connection.prepare_cached("SELECT * FROM scim_groups WHERE id = ?1")?;
    let mut group = statement.query_row([id], group_from_row).optional()?.ok_or(MetadataError::NoGroup(id))?;
    group.members = members_of(connection, id)?;
    Ok(group)
}

fn members_of(connection: &Connection, group: i64) -> Result<Vec<(i64, String)>, MetadataError> {
    let mut statement = connection.prepare_cached(
        "SELECT accounts.id, accounts.name FROM scim_group_members JOIN accounts ON accounts.id = account_id
         WHERE group_id = ?1 ORDER BY accounts.id",
    )?;
    Ok(statement.query_map([group], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// Returns ID and name of the groups of an account.
pub(super) fn groups_of(connection: &Connection, account: i64) -> Result<Vec<(i64, String)>, MetadataError> {
    let mut statement = connection.prepare_cached(
        "SELECT scim_groups.id, scim_groups.name FROM scim_group_members JOIN scim_groups ON scim_groups.id = group_id
         WHERE account_id = ?1 ORDER BY scim_groups.id",
    )?;
    Ok(statement.query_map([account], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

fn set_members(connection: &Connection, group: i64, members: &BTreeSet<i64>) -> Result<(), MetadataError> {
    let known: BTreeSet<i64> = members_of(connection, group)?.into_iter().map(|(id, _)| id).collect();
    let is_user = "SELECT 1 FROM accounts LEFT JOIN scim_users ON scim_users.account_id = accounts.id
         WHERE accounts.id = ?1 AND kind = 'person' AND email IS NOT NULL AND coalesce(removed, 0) = 0";
    for account in members.difference(&known) {
        if !connection.prepare_cached(is_user)?.exists([account])? {
            return Err(MetadataError::Invalid(format!("members: there is no user {account}")));
        }
        connection.prepare_cached("INSERT INTO scim_group_members VALUES (?1, ?2)")?.execute([group, *account])?;
    }
    for account in known.difference(members) {
        let sql = "DELETE FROM scim_group_members WHERE group_id = ?1 AND account_id = ?2";
        connection.prepare_cached(sql)?.execute([group, *account])?;
    }
    Ok(())
}

/// Returns the name of a group as it is stored. Names that differ in case only would be one group for the configuration of many providers.
fn checked_group_name(connection: &Connection, name: &str, own: i64) -> Result<String, MetadataError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_GROUP_NAME_LENGTH || name.chars().any(char::is_control) {
        return Err(MetadataError::Invalid(format!("displayName: must have 1 to {MAX_GROUP_NAME_LENGTH} printable characters")));
    }
    let mut statement = connection.prepare_cached("SELECT name FROM scim_groups WHERE id != ?1")?;
    let others = statement.query_map([own], |row| row.get::<_, String>(0))?;
    for other in others {
        if other?.to_lowercase() == name.to_lowercase() {
            return Err(MetadataError::Taken(format!("displayName: another group has the name {name}")));
        }
    }
    Ok(name.to_owned())
}
