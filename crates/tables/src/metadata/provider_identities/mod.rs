//! Identities of an identity provider or of an authenticating proxy, the accounts that they belong to, and their sessions.
//!
//! An identity is linked to an account when it signs in for the first time, by its e-mail address. From then on, only issuer and subject
//! decide: a provider may give an address to somebody else later.

mod sessions;
mod sign_in;
#[cfg(test)]
mod tests;

use rusqlite::{OptionalExtension, params};

use super::MetadataStore;
use super::accounts::AccessGrant;
use super::error::MetadataError;
pub use sessions::ProviderSession;
pub use sign_in::{ProviderSessionDraft, ProviderSignIn};

/// An identity as its provider states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderIdentity {
    /// Issuer that the provider states in its tokens, or another name of the source of identities.
    pub issuer: String,
    /// Identifier of the person at the issuer, which is never reused.
    pub subject: String,
    /// E-mail address, which the provider has verified.
    pub email: String,
    /// Name of the person; empty if unknown.
    pub name: String,
}

/// Roles that a sign-in gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderRoles {
    /// Roles of a new account. Existing accounts keep theirs.
    OfNewAccount(AccessGrant),
    /// The provider decides: the account gets these roles in place of all others. Empty roles reject the sign-in.
    Exactly(AccessGrant),
}

/// Reason why an identity cannot sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityRejection {
    /// No account has the e-mail address, and accounts are not created at the first sign-in.
    NotInvited,
    /// The account with this ID is deactivated.
    Deactivated(i64),
    /// The account with this ID has the e-mail address, and belongs to another identity of the same provider.
    LinkedToAnother(i64),
    /// The provider decides about roles, and gives none.
    NoRole,
}

impl MetadataStore {
    /// Returns when an identity of an issuer last signed in to an account, in microseconds since the Unix epoch; `None` if the account
    /// belongs to no identity of the issuer.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn last_provider_sign_in_us(&self, account: i64, issuer: &str) -> Result<Option<i64>, MetadataError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("SELECT max(last_sign_in_us) FROM provider_identities WHERE account_id = ?1 AND issuer = ?2")?;
        Ok(statement.query_row(params![account, issuer], |row| row.get(0)).optional()?.flatten())
    }

    /// Removes all identities from an account, and ends their sessions. Its e-mail address links the account to the next identity that
    /// signs in with it. Returns the number of identities.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub fn unlink_identities(&self, account: i64) -> Result<usize, MetadataError> {
        self.account(account)?;
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute("DELETE FROM sessions WHERE account_id = ?1 AND issuer IS NOT NULL", [account])?;
        let removed = transaction.execute("DELETE FROM provider_identities WHERE account_id = ?1", [account])?;
        transaction.commit()?;
        Ok(removed)
    }
}
