//! Members of projects: accounts with a role in one project.

use rusqlite::{Connection, params};

use super::{AccessGrant, AccountRecord, AccountRole, account_from_row, invalidate_links, read_account};
use crate::metadata::error::MetadataError;
use crate::metadata::{MetadataStore, now_us};

/// A member of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRecord {
    /// The account.
    pub account: AccountRecord,
    /// Role in the project. The role of the account on the server may be higher.
    pub role: AccountRole,
}

impl MetadataStore {
    /// Gives an account a role in a project, in place of the one that it has there. Its one-time links become invalid: whoever has one was
    /// allowed to take over an account with less access.
    ///
    /// # Errors
    ///
    /// When there is no such project or account.
    pub fn set_member(&self, project: u64, account: i64, role: AccountRole) -> Result<MemberRecord, MetadataError> {
        self.project(project)?;
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let account = read_account(&transaction, account)?;
        insert(&transaction, project, account.id, role)?;
        invalidate_links(&transaction, account.id)?;
        transaction.commit()?;
        Ok(MemberRecord { account, role })
    }

    /// Takes the role of an account in a project away.
    ///
    /// # Errors
    ///
    /// When the account has no role in the project.
    pub fn remove_member(&self, project: u64, account: i64) -> Result<(), MetadataError> {
        let removed = self.lock().execute("DELETE FROM members WHERE project_id = ?1 AND account_id = ?2", params![project, account])?;
        if removed == 1 { Ok(()) } else { Err(MetadataError::NoAccount(account)) }
    }

    /// Returns the roles of an account.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub fn account_access(&self, account: i64) -> Result<AccessGrant, MetadataError> {
        let connection = self.lock();
        let record = read_account(&connection, account)?;
        read_access(&connection, account, record.server_role)
    }

    /// Returns the members of a project in the order in which their accounts were created.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn members(&self, project: u64) -> Result<Vec<MemberRecord>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT accounts.*, members.role FROM members JOIN accounts ON accounts.id = members.account_id
             WHERE members.project_id = ?1 ORDER BY accounts.id",
        )?;
        let members = statement.query_map([project], |row| Ok(MemberRecord { account: account_from_row(row)?, role: row.get("role")? }))?;
        Ok(members.collect::<Result<_, _>>()?)
    }
}

pub(in crate::metadata) fn insert(connection: &Connection, project: u64, account: i64, role: AccountRole) -> Result<(), MetadataError> {
    connection.execute(
        "INSERT INTO members (project_id, account_id, role, created_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET role = excluded.role",
        params![project, account, role, now_us()],
    )?;
    Ok(())
}

/// Returns the access of an account with this role on the server.
pub(in crate::metadata) fn read_access(
    connection: &Connection,
    account: i64,
    server: Option<AccountRole>,
) -> Result<AccessGrant, MetadataError> {
    let mut statement = connection.prepare_cached("SELECT project_id, role FROM members WHERE account_id = ?1")?;
    let projects = statement.query_map([account], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(AccessGrant { server, projects })
}
