//! Accounts and groups that an identity provider manages through SCIM.
//!
//! A user of SCIM is an account of a person with an e-mail address, whoever created it. A removed user is a deactivated account that SCIM
//! no longer sees. Groups exist for SCIM only: the server's configuration says which roles their members have.

mod groups;
#[cfg(test)]
mod tests;
mod users;

pub use groups::{ProvisionedGroup, ProvisionedGroupDraft};
pub use users::{ProvisionedUser, ProvisionedUserDraft};

use rusqlite::{Connection, params};

use super::accounts::{AccountRole, AccountState, OPERATOR_ACCOUNT, invalidate_links, read_account};
use super::error::MetadataError;
use super::{AccessGrant, MetadataStore};

impl MetadataStore {
    /// Gives accounts exactly the roles that `roles_of` returns for the names of their groups. An owner who is the last one keeps that role.
    /// Returns the accounts whose roles have changed.
    ///
    /// # Errors
    ///
    /// When the database cannot be read or written.
    pub fn apply_group_roles(
        &self,
        accounts: &[i64],
        roles_of: impl Fn(&[String]) -> AccessGrant,
    ) -> Result<Vec<ChangedRoles>, MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let mut changed = Vec::new();
        for account in accounts.iter().copied().filter(|account| *account != OPERATOR_ACCOUNT) {
            let names: Vec<String> = groups::groups_of(&transaction, account)?.into_iter().map(|(_, name)| name).collect();
            let mut wanted = roles_of(&names);
            let record = read_account(&transaction, account)?;
            if wanted.server != Some(AccountRole::Owner) && is_last_owner(&transaction, account)? {
                wanted.server = Some(AccountRole::Owner);
            }
            let before = super::accounts::read_access(&transaction, account, record.server_role)?;
            wanted.projects.retain(|project, _| is_project(&transaction, *project).unwrap_or(false));
            if before == wanted {
                continue;
            }
            transaction.execute("UPDATE accounts SET server_role = ?2 WHERE id = ?1", params![account, wanted.server])?;
            transaction.execute("DELETE FROM members WHERE account_id = ?1", [account])?;
            for (project, role) in &wanted.projects {
                super::accounts::insert_member(&transaction, *project, account, *role)?;
            }
            invalidate_links(&transaction, account)?;
            changed.push(ChangedRoles { account, before, after: wanted });
        }
        transaction.commit()?;
        Ok(changed)
    }

    /// Returns the accounts that are members of at least one group.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn accounts_in_groups(&self) -> Result<Vec<i64>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT DISTINCT account_id FROM scim_group_members ORDER BY account_id")?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }
}

/// Roles of an account that have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedRoles {
    /// ID of the account.
    pub account: i64,
    /// Roles before the change.
    pub before: AccessGrant,
    /// Roles after the change.
    pub after: AccessGrant,
}

fn is_project(connection: &Connection, project: u64) -> Result<bool, MetadataError> {
    Ok(connection.prepare_cached("SELECT 1 FROM projects WHERE id = ?1")?.exists([project])?)
}

/// Returns whether an account is the only active owner of the server who can sign in. Account 1 is one if it has an e-mail address.
fn is_last_owner(connection: &Connection, account: i64) -> Result<bool, MetadataError> {
    let of_owners = "SELECT count(*) FROM accounts WHERE server_role = ?1 AND state = ?2 AND email IS NOT NULL AND (?3 IS NULL OR id = ?3)";
    let count = |id: Option<i64>| -> rusqlite::Result<u64> {
        connection.query_row(of_owners, params![AccountRole::Owner, AccountState::Active, id], |row| row.get(0))
    };
    Ok(count(Some(account))? == 1 && count(None)? == 1)
}
