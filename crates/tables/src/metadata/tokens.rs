//! API tokens.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};

use super::access_secrets::{CredentialId, hash, hex};
use super::accounts::{AccessGrant, AccountIdentity, AccountRole, AccountState, OPERATOR_ACCOUNT, read_access, stored_by_name};
use super::error::MetadataError;
use super::sessions::read_identity;
use super::{MetadataStore, now_us, projects};

/// A new API token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenDraft {
    /// Name of the token.
    pub name: String,
    /// Account that the token belongs to. The token never has more access than its account.
    pub account: i64,
    /// Role of the token.
    pub role: AccountRole,
    /// The only project that the token can access; all projects of its account if `None`.
    pub project: Option<u64>,
    /// Time until the token expires; `None` if it does not expire.
    pub lifetime: Option<Duration>,
}

impl ApiTokenDraft {
    /// Returns a token of account 1 that does not expire.
    pub fn of_operator(name: &str, role: AccountRole, project: Option<u64>) -> ApiTokenDraft {
        ApiTokenDraft { name: name.to_owned(), account: OPERATOR_ACCOUNT, role, project, lifetime: None }
    }
}

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiTokenKind {
    /// Reads and changes data through the API.
    Api,
    /// Manages users and groups through SCIM, and has no access to the API.
    Scim,
}

stored_by_name!(ApiTokenKind { Api = "api", Scim = "scim" });

/// A valid token of an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimTokenAccess {
    /// ID of the token.
    pub token: i64,
    /// Name of the token.
    pub name: String,
    /// Account that created the token.
    pub account: AccountIdentity,
}

/// An API token in a list. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenRecord {
    /// ID of the token.
    pub id: i64,
    /// Kind of the token.
    pub kind: ApiTokenKind,
    /// Name of the token.
    pub name: String,
    /// Account that the token belongs to.
    pub account: AccountIdentity,
    /// Role of the token.
    pub role: AccountRole,
    /// The only project that the token can access; all projects of its account if `None`.
    pub project: Option<u64>,
    /// Time of creation.
    pub created_us: i64,
    /// Time of expiry; `None` if the token does not expire.
    pub expires_us: Option<i64>,
    /// Time of the last use, accurate to a minute; `None` if it was never used.
    pub last_used_us: Option<i64>,
}

/// A valid API token, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAccess {
    /// ID of the token.
    pub token: i64,
    /// Account that the token belongs to.
    pub account: AccountIdentity,
    /// What the token may do: at most what its account may do now.
    pub access: AccessGrant,
}

impl MetadataStore {
    /// Creates an API token. Returns the token, which cannot be read again.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such project or account, or the name is invalid.
    pub fn create_token(&self, draft: &ApiTokenDraft) -> Result<String, MetadataError> {
        self.insert_token(draft, ApiTokenKind::Api)
    }

    /// Creates a token with which an identity provider manages users and groups. It works as long as the account that creates it is an owner
    /// of the server. Returns the token, which cannot be read again.
    ///
    /// # Errors
    ///
    /// When there is no such account, or the name is invalid.
    pub fn create_scim_token(&self, name: &str, account: i64, lifetime: Option<Duration>) -> Result<String, MetadataError> {
        let draft = ApiTokenDraft { name: name.to_owned(), account, role: AccountRole::Owner, project: None, lifetime };
        self.insert_token(&draft, ApiTokenKind::Scim)
    }

    fn insert_token(&self, draft: &ApiTokenDraft, kind: ApiTokenKind) -> Result<String, MetadataError> {
        let name = projects::checked_name(&draft.name)?;
        if let Some(project) = draft.project {
            self.project(project)?;
        }
        let account = self.account(draft.account)?;
        if account.state != AccountState::Active {
            return Err(MetadataError::Invalid(format!("account {} is {}", account.id, account.state.name())));
        }
        let prefix = if kind == ApiTokenKind::Scim { "hnm_scim_" } else { "hnm_" };
        let secret = format!("{prefix}{}", hex(32));
        let now = now_us();
        let expires = draft.lifetime.map(|lifetime| now.saturating_add(i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX)));
        self.lock().execute(
            "INSERT INTO tokens (hash, name, account_id, role, project_id, created_us, expires_us, kind)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![hash(&secret), name, draft.account, draft.role, draft.project, now, expires, kind],
        )?;
        Ok(secret)
    }

    /// Returns a valid token of an active account; `None` if it is unknown, revoked or expired.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn token(&self, secret: &str) -> Result<Option<TokenAccess>, MetadataError> {
        let now = now_us();
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT accounts.id, accounts.name, email, tokens.id, project_id, role, server_role
             FROM tokens JOIN accounts ON accounts.id = tokens.account_id
             WHERE hash = ?1 AND (expires_us IS NULL OR expires_us > ?2) AND accounts.state = ?3 AND tokens.kind = 'api'",
        )?;
        let read = |row: &Row| Ok((read_identity(row, 0)?, row.get::<_, i64>(3)?, row.get(4)?, row.get(5)?, row.get(6)?));
        let found = statement.query_row(params![hash(secret), now, AccountState::Active], read).optional()?;
        let Some((account, token, project, role, server_role)) = found else { return Ok(None) };
        self.note_credential_use(CredentialId::Token(token), now);
        let access = read_access(&connection, account.id, server_role)?.limit_to(role, project);
        Ok(Some(TokenAccess { token, account, access }))
    }

    /// Returns a valid token of an identity provider, whose account is an active owner of the server; `None` if it is unknown, revoked or
    /// expired, or of another kind.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn scim_token(&self, secret: &str) -> Result<Option<ScimTokenAccess>, MetadataError> {
        let now = now_us();
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT accounts.id, accounts.name, email, tokens.id, tokens.name FROM tokens JOIN accounts ON accounts.id = tokens.account_id
             WHERE hash = ?1 AND (expires_us IS NULL OR expires_us > ?2) AND accounts.state = ?3 AND server_role = ?4 AND tokens.kind = 'scim'",
        )?;
        let read = |row: &Row| Ok(ScimTokenAccess { account: read_identity(row, 0)?, token: row.get(3)?, name: row.get(4)? });
        let found = statement.query_row(params![hash(secret), now, AccountState::Active, AccountRole::Owner], read).optional()?;
        if let Some(access) = &found {
            self.note_credential_use(CredentialId::Token(access.token), now);
        }
        Ok(found)
    }

    /// Returns what a token may do now; `None` if it is revoked or expired. Unlike [`token`](MetadataStore::token), this is not a use of it.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn token_access(&self, id: i64) -> Result<Option<AccessGrant>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT accounts.id, project_id, role, server_role FROM tokens JOIN accounts ON accounts.id = tokens.account_id
             WHERE tokens.id = ?1 AND (expires_us IS NULL OR expires_us > ?2) AND accounts.state = ?3",
        )?;
        let read = |row: &Row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let found = statement.query_row(params![id, now_us(), AccountState::Active], read).optional()?;
        let Some((account, project, role, server_role)) = found else { return Ok(None) };
        Ok(Some(read_access(&connection, account, server_role)?.limit_to(role, project)))
    }

    /// Returns all tokens, including expired ones, in the order of their creation.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn tokens(&self) -> Result<Vec<ApiTokenRecord>, MetadataError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT accounts.id, accounts.name, email, tokens.id, tokens.name, role, project_id, tokens.created_us, expires_us, last_used_us,
                 tokens.kind FROM tokens JOIN accounts ON accounts.id = tokens.account_id ORDER BY tokens.id",
        )?;
        let read = |row: &Row| {
            Ok(ApiTokenRecord {
                account: read_identity(row, 0)?,
                id: row.get(3)?,
                name: row.get(4)?,
                role: row.get(5)?,
                project: row.get(6)?,
                created_us: row.get(7)?,
                expires_us: row.get(8)?,
                last_used_us: row.get(9)?,
                kind: row.get(10)?,
            })
        };
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Revokes a token, if it is one of `account` or `account` is `None`: it is rejected from now on. Returns its name.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such token.
    pub fn revoke_token(&self, id: i64, account: Option<i64>) -> Result<String, MetadataError> {
        let sql = "DELETE FROM tokens WHERE id = ?1 AND (?2 IS NULL OR account_id = ?2) RETURNING name";
        let name = self.lock().query_row(sql, params![id, account], |row| row.get(0)).optional()?;
        name.ok_or(MetadataError::NoToken(id))
    }
}
